import { describe, expect, test } from 'vitest';
import { type Clock, FakeClock } from '../../src/lib/clock.ts';
import { LoopLag } from '../../src/transport/loop-lag.ts';

describe('LoopLag', () => {
  test('one late turn below twice the maximum is no overload, two are', () => {
    const lag = new LoopLag(200);
    lag.observe(399);
    expect(lag.isOverloaded).toBe(false);
    lag.observe(399);
    expect(lag.isOverloaded).toBe(true);
  });

  test('exactly the maximum is no overload', () => {
    const lag = new LoopLag(200);
    lag.observe(400);
    expect(lag.lagMs).toBe(200);
    expect(lag.isOverloaded).toBe(false);
    lag.observe(201);
    expect(lag.isOverloaded).toBe(true);
  });

  test('is over when the lag has fallen to half of the maximum, not before', () => {
    const lag = new LoopLag(200);
    lag.observe(440);
    expect(lag.isOverloaded).toBe(true);
    lag.observe(0);
    expect([lag.lagMs, lag.isOverloaded]).toEqual([110, true]);
    lag.observe(90);
    expect([lag.lagMs, lag.isOverloaded]).toEqual([100, false]);
    lag.observe(200); // and then the maximum counts again
    expect([lag.lagMs, lag.isOverloaded]).toEqual([150, false]);
  });

  test('an hour of sleep is forgiven within a second', () => {
    const lag = new LoopLag(200);
    lag.observe(3_600_000);
    expect([lag.lagMs, lag.isOverloaded]).toEqual([800, true]);
    for (let sample = 0; sample < 3; sample++) lag.observe(0);
    expect(lag.isOverloaded).toBe(false);
  });

  test('a timer that is early is not late', () => {
    const lag = new LoopLag(200);
    lag.observe(-50);
    expect(lag.lagMs).toBe(0);
  });

  test('0 is no maximum, and a new one counts at once', () => {
    const lag = new LoopLag(0);
    lag.observe(1_000);
    expect([lag.lagMs, lag.isOverloaded]).toEqual([500, false]);
    lag.setMax(400);
    expect(lag.isOverloaded).toBe(true);
    lag.setMax(0);
    expect(lag.isOverloaded).toBe(false);
  });

  test('what the start of the program took is no load', () => {
    const fake = new FakeClock();
    let blockedMs = 0;
    const clock: Clock = {
      now: () => fake.now() + blockedMs,
      wallNow: () => fake.wallNow(),
      every: (intervalMs, callback) => fake.every(intervalMs, callback),
    };
    const lag = new LoopLag(200);
    const sampling = lag.sample(clock);
    blockedMs += 3_000;
    fake.advance(200);
    expect([lag.lagMs, lag.isOverloaded]).toEqual([0, false]);
    blockedMs += 500;
    fake.advance(100);
    expect(lag.isOverloaded).toBe(true);
    sampling.cancel();
  });

  test('samples by a timer until it is cancelled', () => {
    const fake = new FakeClock();
    let blockedMs = 0;
    const clock: Clock = {
      now: () => fake.now() + blockedMs,
      wallNow: () => fake.wallNow(),
      every: (intervalMs, callback) => fake.every(intervalMs, callback),
    };
    const lag = new LoopLag(200);
    const sampling = lag.sample(clock);
    fake.advance(1_000);
    expect(lag.lagMs).toBe(0);
    blockedMs += 500;
    fake.advance(100);
    expect([lag.lagMs, lag.isOverloaded]).toEqual([250, true]);
    fake.advance(100); // each sample is measured from the one before
    expect(lag.lagMs).toBe(125);
    sampling.cancel();
    blockedMs += 500;
    fake.advance(1_000);
    expect(lag.lagMs).toBe(125);
  });
});
