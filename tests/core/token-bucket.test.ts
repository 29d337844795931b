import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenBucket } from '../../src/core/token-bucket.ts';

/** A bucket that is full at 0. */
const bucketOf = (perSecond: number, burst: number) => new TokenBucket(perSecond, burst, 0);

test('the burst passes at once, then one comes in its time and not before', () => {
  const bucket = bucketOf(4, 2);
  const passes = (nowMs: number) => {
    if (!bucket.has(1, nowMs)) return false;
    bucket.take(1);
    return true;
  };
  expect([passes(0), passes(0), passes(0)]).toEqual([true, true, false]);
  expect([passes(249), passes(250), passes(250)]).toEqual([false, true, false]);
});

test('after a pause there is the burst, and no more', () => {
  const bucket = bucketOf(4, 2);
  bucket.take(2);
  expect(bucket.tokens(1_000_000)).toBe(2);
});

test('who reserves is told when, each behind those before it', () => {
  const bucket = bucketOf(10, 1);
  expect([0, 1, 2, 3].map(() => bucket.reserve(1, 0))).toEqual([0, 100, 200, 300]);
  expect(bucket.reserve(1, 350)).toBe(50);
});

test('what is larger than the burst passes when it is full, and is paid off afterwards', () => {
  const bucket = bucketOf(1_000, 100);
  expect(bucket.has(250, 0)).toBe(true);
  bucket.take(250);
  expect(bucket.tokens(0)).toBe(-150);
  expect([bucket.has(1, 150), bucket.has(1, 151)]).toEqual([false, true]);
  expect([bucket.has(101, 249), bucket.has(101, 250)]).toEqual([false, true]);
});

test('what is larger than the burst waits until it is full', () => {
  const bucket = bucketOf(1_000, 100);
  bucket.take(100);
  expect(bucket.reserve(5_000, 0)).toBe(100);
  expect(bucket.reserve(1, 0)).toBe(5_001);
});

test('what did not pass is given back, up to the burst', () => {
  const bucket = bucketOf(1, 10);
  bucket.reserve(8, 0);
  bucket.reserve(8, 0);
  bucket.giveBack(8);
  expect(bucket.tokens(0)).toBe(2);
  bucket.giveBack(100);
  expect(bucket.tokens(0)).toBe(10);
});

test('a time before the last one brings nothing and takes nothing', () => {
  const bucket = bucketOf(1, 10);
  bucket.take(10);
  expect([bucket.tokens(3_000), bucket.tokens(1_000), bucket.tokens(4_000)]).toEqual([3, 3, 4]);
});

const rates = fc.record({
  perSecond: fc.double({ min: 0.1, max: 100_000, noNaN: true }),
  burst: fc.double({ min: 1, max: 10_000, noNaN: true }),
  steps: fc.array(
    fc.record({ waitMs: fc.double({ min: 0, max: 500, noNaN: true }), cost: fc.nat(200) }),
    { minLength: 1, maxLength: 200 },
  ),
});

test('never more than burst + rate · t passes, in any stretch of time', () => {
  fc.assert(
    fc.property(rates, ({ perSecond, burst, steps }) => {
      const bucket = bucketOf(perSecond, burst);
      const passed: { atMs: number; cost: number }[] = [];
      let nowMs = 0;
      for (const { waitMs, cost } of steps) {
        nowMs += waitMs;
        if (!bucket.has(cost, nowMs)) continue;
        bucket.take(cost);
        passed.push({ atMs: nowMs, cost });
      }
      for (let from = 0; from < passed.length; from++) {
        let sum = 0;
        for (let to = from; to < passed.length; to++) {
          sum += passed[to].cost;
          // The last one alone may be larger than the burst.
          const excess = Math.max(0, passed[to].cost - burst);
          const seconds = (passed[to].atMs - passed[from].atMs) / 1_000;
          expect(sum).toBeLessThanOrEqual(burst + perSecond * seconds + excess + 0.001);
        }
      }
    }),
  );
});

test('so it is for those who reserve and wait, and nobody waits longer than that takes', () => {
  fc.assert(
    fc.property(rates, ({ perSecond, burst, steps }) => {
      const bucket = bucketOf(perSecond, burst);
      let nowMs = 0;
      let sum = 0;
      let isBusySince = 0;
      for (const { waitMs, cost } of steps) {
        nowMs += waitMs;
        if (bucket.isFull(nowMs)) {
          sum = 0;
          isBusySince = nowMs;
        }
        sum += cost;
        const atMs = nowMs + bucket.reserve(cost, nowMs);
        const excess = Math.max(0, cost - burst);
        const allowed = burst + (perSecond * (atMs - isBusySince)) / 1_000 + excess;
        expect(sum).toBeLessThanOrEqual(allowed + 0.01);
        if (atMs > nowMs) expect(sum).toBeGreaterThanOrEqual(allowed - 0.01);
      }
    }),
  );
});
