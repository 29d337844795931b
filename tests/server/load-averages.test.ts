// The averages of `$SYS/broker/load/…`, with figures worked out by hand.

import { expect, test } from 'vitest';
import { LoadAverages } from '../../src/server/load-averages.ts';

test('the first look is the average, per minute', () => {
  const averages = new LoadAverages();
  averages.observe(5, 10_000);
  expect([averages.show(1), averages.show(5), averages.show(15)]).toEqual([
    '30.00',
    '30.00',
    '30.00',
  ]);
});

test('later looks count by how long ago the last one was', () => {
  const averages = new LoadAverages();
  averages.observe(10, 10_000); // 60 per minute
  averages.observe(10, 60_000); // nothing for a minute: 60 · e^-1, 60 · e^-1/5, 60 · e^-1/15
  expect([averages.show(1), averages.show(5), averages.show(15)]).toEqual([
    '22.07',
    '49.12',
    '56.13',
  ]);
});

test('a look without time is none, and before the first all is nothing', () => {
  const averages = new LoadAverages();
  averages.observe(7, 0);
  expect(averages.show(1)).toBe('0.00');
  averages.observe(7, 60_000);
  expect(averages.show(1)).toBe('7.00');
});
