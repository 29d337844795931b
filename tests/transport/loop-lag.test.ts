import { describe, expect, test } from 'vitest';
import { type Cancellable, type Clock, FakeClock } from '../../src/lib/clock.ts';
import { LoopLag } from '../../src/transport/loop-lag.ts';

/** Its timers are as late as the loop was blocked. */
class BlockedClock implements Clock {
  readonly fake = new FakeClock();
  blockedMs = 0;

  now(): number {
    return this.fake.now() + this.blockedMs;
  }

  wallNow(): number {
    return this.fake.wallNow();
  }

  every(intervalMs: number, callback: () => void): Cancellable {
    return this.fake.every(intervalMs, callback);
  }
}

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
    const clock = new BlockedClock();
    const lag = new LoopLag(200);
    const sampling = lag.sample(clock);
    clock.blockedMs += 3_000;
    clock.fake.advance(200);
    expect([lag.lagMs, lag.isOverloaded]).toEqual([0, false]);
    clock.blockedMs += 500;
    clock.fake.advance(100);
    expect(lag.isOverloaded).toBe(true);
    sampling.cancel();
  });

  test('samples by a timer until it is cancelled', () => {
    const clock = new BlockedClock();
    const lag = new LoopLag(200);
    const sampling = lag.sample(clock);
    clock.fake.advance(1_000);
    expect(lag.lagMs).toBe(0);
    clock.blockedMs += 500;
    clock.fake.advance(100);
    expect([lag.lagMs, lag.isOverloaded]).toEqual([250, true]);
    clock.fake.advance(100); // each sample is measured from the one before
    expect(lag.lagMs).toBe(125);
    sampling.cancel();
    clock.blockedMs += 500;
    clock.fake.advance(1_000);
    expect(lag.lagMs).toBe(125);
  });
});
