// The parts of the load generator that its numbers rest on.

import { expect, test } from 'vitest';
import { benchModule } from './bench.ts';

interface Ledger {
  readonly received: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
  readonly damaged: number;
  hears(flow: number): boolean;
  take(flow: number, number: number): boolean;
  lost(sent: Uint32Array): number;
}

interface Histogram {
  readonly count: number;
  readonly maxUs: number;
  record(us: number): void;
  add(other: Histogram): void;
  quantile(q: number): number;
}

async function ledgerOf(first: number, count: number): Promise<Ledger> {
  const { Ledger } = await benchModule('load/ledger.mjs');
  return new (Ledger as new (first: number, count: number) => Ledger)(first, count);
}

async function histogram(): Promise<Histogram> {
  const { Histogram } = await benchModule('lib/histogram.mjs');
  return new (Histogram as new () => Histogram)();
}

test('a ledger knows each message of each flow: missing, late, again', async () => {
  const ledger = await ledgerOf(5, 2);
  expect([4, 5, 6, 7].map((flow) => ledger.hears(flow))).toEqual([false, true, true, false]);
  for (const number of [0, 1, 5, 3, 3, 9, 2, 5]) ledger.take(5, number); // 4, 6, 7, 8 are missing
  ledger.take(6, 0);
  const sent = new Uint32Array(7);
  sent[5] = 12; // and 10, 11 at the end
  sent[6] = 1;
  expect(ledger.lost(sent)).toBe(6);
  expect(ledger).toMatchObject({ received: 7, outOfOrder: 2, duplicates: 2, damaged: 0 });
});

test('a message that was never sent is damage, not a loss', async () => {
  const ledger = await ledgerOf(0, 1);
  ledger.take(0, 0);
  ledger.take(0, 1);
  expect(ledger.lost(Uint32Array.of(1))).toBe(0);
  expect(ledger.damaged).toBe(1);
});

test('random orders of a flow come out as what was left out and what was moved', async () => {
  let seed = 1;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let run = 0; run < 200; run++) {
    const ledger = await ledgerOf(0, 1);
    const order = Array.from({ length: 50 }, (_, i) => i).filter(() => random(4) > 0);
    for (let i = 0; i < 5; i++) order.push(...order.splice(random(order.length), 1));
    for (const number of order) ledger.take(0, number);
    const late = order.filter((number, i) => order.slice(0, i).some((one) => one > number));
    const found = { run, lost: ledger.lost(Uint32Array.of(50)), late: ledger.outOfOrder };
    expect(found).toEqual({ run, lost: 50 - order.length, late: late.length });
  }
});

test('percentiles are right to a sixty-fourth, the longest exactly', async () => {
  const one = await histogram();
  const other = await histogram();
  for (let us = 1; us <= 100_000; us++) (us % 2 === 0 ? one : other).record(us);
  one.add(other);
  expect([one.count, one.maxUs, one.quantile(1)]).toEqual([100_000, 100_000, 100_000]);
  for (const q of [0.001, 0.5, 0.9, 0.99, 0.999]) {
    const exact = q * 100_000;
    expect(one.quantile(q)).toBeGreaterThanOrEqual(exact);
    expect(one.quantile(q)).toBeLessThanOrEqual(exact * (1 + 1 / 64) + 1);
  }
});

test.each([
  [0, 1],
  [0.4, 1],
  [63, 64],
  [127, 128],
  [128, 130],
  [4_294_967_295, 4_294_967_296],
  [1e12, 1e12],
])('%d µs lie in a bucket that ends at most at %d', async (us, end) => {
  const found = await histogram();
  found.record(us);
  found.record(1e13);
  expect(found.quantile(0.5)).toBeLessThanOrEqual(end);
  expect(found.quantile(0.5)).toBeGreaterThanOrEqual(Math.min(us, 4_294_967_295));
});
