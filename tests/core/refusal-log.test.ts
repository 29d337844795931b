import { expect, test } from 'vitest';
import { RefusalLog } from '../../src/core/refusal-log.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { TimerWheel } from '../../src/lib/timer-wheel.ts';
import { LogBook } from '../kit/log-book.ts';

function make() {
  const clock = new FakeClock();
  const book = new LogBook();
  const wheel = new TimerWheel(clock);
  return { clock, book, wheel, log: new RefusalLog(book, wheel) };
}

test('the same about the same address comes once, and its number after ten seconds', () => {
  const { clock, book, log } = make();
  for (let i = 0; i < 5; i++) log.info('a', { i }, 'wrong');
  expect(book.lines).toEqual([{ level: 'info', fields: { i: 0 }, message: 'wrong' }]);
  clock.advance(9_900);
  expect(book.lines).toHaveLength(1);
  clock.advance(200);
  expect(book.lines[1]).toEqual({ level: 'info', fields: { i: 4, again: 4 }, message: 'wrong' });
});

test('another sentence and another address are lines of their own', () => {
  const { book, log } = make();
  log.info('a', {}, 'wrong');
  log.info('a', {}, 'bad');
  log.info('b', {}, 'wrong');
  expect(book.lines).toHaveLength(3);
});

test('what began late in the ten seconds of another still has ten seconds of its own', () => {
  const { clock, book, log } = make();
  log.info('a', {}, 'wrong');
  clock.advance(9_000);
  log.info('b', {}, 'wrong');
  log.info('b', {}, 'wrong');
  clock.advance(9_900);
  expect(book.lines).toHaveLength(2);
  clock.advance(1_300);
  expect(book.lines[2]?.fields).toEqual({ again: 1 });
});

test('what went on for a minute is a line every ten seconds at most', () => {
  const { clock, book, log } = make();
  for (let second = 0; second < 60; second++) {
    log.info('a', {}, 'wrong');
    clock.advance(1_000);
  }
  expect(book.lines.length).toBeLessThanOrEqual(7);
  const again = book.lines.map(({ fields }) => Number(fields.again ?? 1));
  expect(again.reduce((sum, count) => sum + count)).toBe(60);
});

test('after ten quiet seconds the next comes at once again, and nothing is kept', () => {
  const { clock, book, log, wheel } = make();
  log.info('a', {}, 'wrong');
  clock.advance(20_100);
  expect(wheel.armed).toBe(0);
  log.info('a', {}, 'wrong');
  expect(book.lines.map(({ fields }) => fields)).toEqual([{}, {}]);
});

test('of a storm from everywhere 256 are named, the others counted', () => {
  const { clock, book, log } = make();
  for (let i = 0; i < 10_000; i++) log.info(`a${i}`, {}, 'wrong');
  expect(book.lines).toHaveLength(256);
  clock.advance(10_100);
  expect(book.lines).toHaveLength(257);
  expect(book.lines[256]?.fields).toEqual({ count: 9_744 });
});

test('a warning stays one', () => {
  const { clock, book, log } = make();
  log.warn('', {}, 'full');
  log.warn('', {}, 'full');
  clock.advance(10_100);
  expect(book.lines.map(({ level }) => level)).toEqual(['warn', 'warn']);
});

test('its end says what was not said yet', () => {
  const { book, log, wheel } = make();
  log.info('a', {}, 'wrong');
  log.info('a', {}, 'wrong');
  log.close();
  expect(book.lines[1]?.fields).toEqual({ again: 1 });
  expect(wheel.armed).toBe(0);
});

test('of one owner sixteen lines are told, then one for the rest; when they are over there is room again', () => {
  const { clock, book, log } = make();
  for (let i = 0; i < 100; i++) log.info(`a ${i}`, { i }, 'wrong', 'a');
  expect(book.lines).toHaveLength(17);
  expect(book.lines[16]).toMatchObject({ level: 'info', fields: { i: 16 } });
  log.warn('b 1', {}, 'wrong', 'b');
  expect(book.lines).toHaveLength(18);
  clock.advance(10_100);
  expect(book.lines).toHaveLength(19);
  expect(book.lines[18].fields).toEqual({ i: 99, again: 83 });
  clock.advance(20_100);
  for (let i = 0; i < 100; i++) log.info(`a ${i}`, { i }, 'wrong', 'a');
  expect(book.lines).toHaveLength(19 + 17);
});
