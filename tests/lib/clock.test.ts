import { expect, test } from 'vitest';
import { FakeClock, SYSTEM_CLOCK } from '../../src/lib/clock.ts';
import { until } from '../kit/until.ts';

test('a fake clock stands still until it is told to go on', () => {
  const clock = new FakeClock(5, 1_000_000);
  expect([clock.now(), clock.wallNow()]).toEqual([5, 1_000_000]);
  clock.advance(95);
  expect([clock.now(), clock.wallNow()]).toEqual([100, 1_000_095]);
});

test('what falls due is called back in the order of time, at its own time', () => {
  const clock = new FakeClock(0);
  const calls: string[] = [];
  clock.every(30, () => calls.push(`a${clock.now()}`));
  clock.every(20, () => calls.push(`b${clock.now()}`));
  clock.advance(60);
  expect(calls).toEqual(['b20', 'a30', 'b40', 'a60', 'b60']);
});

test('a callback may cancel itself and others', () => {
  const clock = new FakeClock(0);
  const calls: string[] = [];
  const b = clock.every(20, () => calls.push('b'));
  const a = clock.every(10, () => {
    calls.push('a');
    a.cancel();
    b.cancel();
  });
  clock.advance(1_000);
  expect(calls).toEqual(['a']);
});

test('the system clock repeats until it is cancelled and does not go back', async () => {
  let calls = 0;
  let lastMs = SYSTEM_CLOCK.now();
  const timer = SYSTEM_CLOCK.every(1, () => {
    const nowMs = SYSTEM_CLOCK.now();
    expect(nowMs).toBeGreaterThanOrEqual(lastMs);
    lastMs = nowMs;
    calls++;
  });
  await until(() => calls >= 3);
  timer.cancel();
  const seen = calls;
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(calls).toBe(seen);
});
