// What the page says of the process: how late its loop is, in windows, and how often garbage was collected.

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeEach, describe, expect, test } from 'vitest';
import { LoopWatch, RESOLUTION_MS } from '../../src/admin/metrics/loop-watch.ts';
import { Runtime } from '../../src/admin/metrics/runtime.ts';

describe('how late the event loop is', () => {
  let histogram: RecordableHistogram;
  let nowMs: number;
  let watch: LoopWatch;

  beforeEach(() => {
    histogram = createHistogram();
    nowMs = 1_000;
    watch = new LoopWatch(histogram, () => nowMs);
  });

  function lateBy(ms: number, times = 1): void {
    for (let i = 0; i < times; i++) histogram.record((RESOLUTION_MS + ms) * 1e6);
  }

  test('is 0 before anything was seen', () => {
    expect(watch.read()).toEqual({ mean: 0, p50: 0, p99: 0, max: 0 });
  });

  test('is what a look came later than it should', () => {
    lateBy(0, 98);
    lateBy(100, 2);
    const { mean, p50, p99, max } = watch.read();
    expect(mean).toBeCloseTo(0.002, 3);
    expect(p50).toBeCloseTo(0, 3);
    expect(p99).toBeCloseTo(0.1, 3);
    expect(max).toBeCloseTo(0.1, 3);
  });

  test('is of the window that runs until one is over', () => {
    lateBy(50);
    nowMs += 9_999;
    expect(watch.read().max).toBeCloseTo(0.05, 3);
    lateBy(70);
    expect(watch.read().max).toBeCloseTo(0.07, 3);
  });

  test('is the same for all who ask within ten seconds, and then of the next window', () => {
    lateBy(50);
    nowMs += 10_000;
    expect(watch.read().max).toBeCloseTo(0.05, 3);
    lateBy(10);
    nowMs += 9_999;
    expect(watch.read().max).toBeCloseTo(0.05, 3);
    nowMs += 1;
    expect(watch.read().max).toBeCloseTo(0.01, 3);
  });
});

test('collections of garbage are counted by kind, with their time', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const major = async () => (await Runtime.get().read()).collections.major;
  const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);
  const before = total((await major()).counts);
  collect();
  while (total((await major()).counts) === before) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await major()).sumSeconds).toBeGreaterThan(0);
});

test('there is one watch for the process', () => {
  expect(Runtime.get()).toBe(Runtime.get());
});
