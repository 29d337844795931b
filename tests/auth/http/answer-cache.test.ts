import { expect, test } from 'vitest';
import { AnswerCache } from '../../../src/auth/http/answer-cache.ts';
import { FakeClock } from '../../../src/lib/clock.ts';

function make(ttlMs = 60_000, entriesMax = 8) {
  const clock = new FakeClock();
  return { clock, cache: new AnswerCache<string>({ ttlMs, entriesMax, clock }) };
}

test('an answer counts until its time is over', () => {
  const { clock, cache } = make();
  cache.set('k', 'yes', false);
  clock.advance(59_999);
  expect(cache.get('k')).toBe('yes');
  clock.advance(1);
  expect([cache.get('k'), cache.size]).toEqual([null, 0]);
});

test.each([
  [60_000, 10_000],
  [8_000, 2_000],
])('a denial counts shorter: of %i ms %i', (ttlMs, countsMs) => {
  const { clock, cache } = make(ttlMs);
  cache.set('k', 'no', true);
  clock.advance(countsMs - 1);
  expect(cache.get('k')).toBe('no');
  clock.advance(1);
  expect(cache.get('k')).toBeNull();
});

test('what ends sooner by itself counts no longer than that', () => {
  const { clock, cache } = make();
  cache.set('k', 'yes', false, 500);
  clock.advance(499);
  expect(cache.get('k')).toBe('yes');
  clock.advance(1);
  expect(cache.get('k')).toBeNull();
  cache.set('k', 'yes', false, 0);
  expect(cache.size).toBe(0);
});

test('the newest answer takes the place of an older one, also of another kind', () => {
  const { cache } = make();
  cache.set('k', 'yes', false);
  cache.set('k', 'no', true);
  expect([cache.get('k'), cache.size]).toEqual(['no', 1]);
  cache.set('k', 'yes', false);
  expect([cache.get('k'), cache.size]).toEqual(['yes', 1]);
});

test('there are so many and no more; the oldest goes, and denials push out only denials', () => {
  const { cache } = make(60_000, 8);
  for (let i = 0; i < 6; i++) cache.set(`yes${i}`, 'yes', false);
  for (let i = 0; i < 100; i++) cache.set(`no${i}`, 'no', true);
  expect(cache.size).toBe(8);
  expect([cache.get('yes0'), cache.get('no97'), cache.get('no98')]).toEqual(['yes', null, 'no']);
  cache.set('yes6', 'yes', false);
  expect([cache.get('yes0'), cache.get('yes1'), cache.size]).toEqual([null, 'yes', 8]);
});

test('with no time nothing is remembered', () => {
  const { cache } = make(0);
  cache.set('k', 'yes', false);
  cache.set('l', 'no', true);
  expect(cache.size).toBe(0);
});

test('a key tells nothing of what was sent, and is another one in another process', () => {
  const { cache } = make();
  const key = cache.keyOf('{"password":"opensesame"}');
  expect(cache.keyOf('{"password":"opensesame"}')).toBe(key);
  expect(cache.keyOf('{"password":"opensesamf"}')).not.toBe(key);
  expect(make().cache.keyOf('{"password":"opensesame"}')).not.toBe(key);
  expect(key).toHaveLength(44);
});

test('clearing forgets all', () => {
  const { cache } = make();
  cache.set('k', 'yes', false);
  cache.set('l', 'no', true);
  cache.clear();
  expect([cache.get('k'), cache.get('l')]).toEqual([null, null]);
});
