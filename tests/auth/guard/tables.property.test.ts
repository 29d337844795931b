// The tables of the guard against plain models: what they count, that they never grow past their bounds, and whom a full one
// forgets.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FairTable } from '../../../src/auth/guard/fair-table.ts';
import { Fights } from '../../../src/auth/guard/fights.ts';
import { Flapping } from '../../../src/auth/guard/flapping.ts';
import { Lately } from '../../../src/auth/guard/lately.ts';
import { Penalties } from '../../../src/auth/guard/penalties.ts';
import { DEFAULT_GUARD_SETTINGS } from '../../../src/auth/guard/settings.ts';
import { pairKey, shortKey } from '../../../src/auth/guard/short-key.ts';
import { SlidingCount } from '../../../src/auth/guard/sliding-count.ts';
import { runs } from '../../kit/runs.ts';

const RUNS = { numRuns: runs(300) };

test('a sliding count has all of the last seven eighths of the window, and nothing older than it', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 4_000 }), { maxLength: 100 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 10_000 }), (pauses, windowMs) => {
      const count = new SlidingCount();
      const times: number[] = [];
      let nowMs = 1_000;
      for (const pause of pauses) {
        nowMs += pause;
        times.push(nowMs);
        const counted = count.add(windowMs, nowMs);
        const within = (ms: number) => times.filter((time) => nowMs - time < ms).length;
        expect(counted).toBeLessThanOrEqual(within(windowMs));
        expect(counted).toBeGreaterThanOrEqual(within((windowMs * 7) / 8));
      }
    }),
    RUNS,
  );
});

test('a count goes on with another window, and never from before it', () => {
  const count = new SlidingCount();
  for (let i = 0; i < 5; i++) count.add(60_000, 1_000_000);
  expect(count.add(600_000, 1_000_001)).toBe(1);
  expect(count.add(1_000, 1_000_002)).toBe(1);
  expect(count.add(1_000, 1_000_003)).toBe(2);
});

test('a fair table is never larger than its maximum, and counts its entries right', () => {
  const step = fc.record({
    owner: fc.integer({ min: 0, max: 9 }),
    name: fc.integer({ min: 0, max: 19 }),
    kind: fc.constantFrom('touch', 'touch', 'touch', 'forget', 'forgetOwner', 'sweep', 'shrink'),
    pause: fc.integer({ min: 0, max: 2_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.integer({ min: 1, max: 30 }), (...args) => {
      const [steps, first] = args;
      const table = new FairTable(first);
      let max = first;
      let nowMs = 0;
      for (const { owner, name, kind, pause } of steps) {
        nowMs += pause;
        if (kind === 'touch') {
          const entry = table.touch(table.touchOwner(`${owner}`, nowMs), `${name}`, nowMs);
          expect(table.get(`${owner}`, `${name}`), 'what was counted is there').toBe(entry);
        } else if (kind === 'forget') table.forget(`${owner}`, `${name}`);
        else if (kind === 'forgetOwner') table.forgetOwner(`${owner}`);
        else if (kind === 'sweep') table.sweep(nowMs - 3_000);
        else {
          max = Math.max(1, max - 1);
          table.max = max;
        }
        const sizes = [...table.owners.values()].map(({ entries }) => entries.size);
        expect(table.size).toBe(sizes.reduce((sum, size) => sum + size, 0));
        expect(table.size).toBeLessThanOrEqual(max);
        expect(sizes, 'owners without entries').not.toContain(0);
      }
    }),
    RUNS,
  );
});

test('of a full table the owner with the most entries pays, with its oldest', () => {
  const table = new FairTable(10);
  const touch = (owner: string, name: string, nowMs: number) =>
    table.touch(table.touchOwner(owner, nowMs), name, nowMs);
  touch('quiet', 'a', 0);
  touch('quiet', 'b', 0);
  for (let i = 0; i < 100; i++) touch('loud', `${i}`, i);
  expect(table.owners.get('quiet')?.entries.size).toBe(2);
  expect([...(table.owners.get('loud')?.entries.keys() ?? [])]).toEqual([
    '92',
    '93',
    '94',
    '95',
    '96',
    '97',
    '98',
    '99',
  ]);
  // Newcomers find their place at its cost, until all have the same.
  for (let i = 0; i < 4; i++) touch(`new-${i}`, 'a', 200);
  expect(table.owners.get('loud')?.entries.size).toBe(4);
  expect(table.owners.get('quiet')?.entries.size).toBe(2);
});

test('an entry that is counted again is not the oldest any more', () => {
  const table = new FairTable(3);
  const owner = table.touchOwner('a', 0);
  table.touch(owner, 'first', 0);
  table.touch(owner, 'second', 0);
  table.touch(owner, 'third', 0);
  table.touch(owner, 'first', 5_000);
  table.touch(owner, 'fourth', 5_000);
  expect([...owner.entries.keys()]).toEqual(['third', 'first', 'fourth']);
});

test('what has succeeded lately is remembered for its time, and only the latest are', () => {
  const lately = new Lately(1_000_000, 16);
  for (let i = 0; i < 100; i++) lately.mark(`${i}`, i);
  expect(lately.size).toBeLessThanOrEqual(16);
  expect(lately.has('99', 1_000_098)).toBe(true);
  expect(lately.has('99', 1_000_099)).toBe(false);
  expect(lately.has('80', 100)).toBe(false);
  lately.mark('98', 500_000);
  lately.sweep(1_000_099);
  expect(lately.size).toBe(1);
  expect(lately.has('98', 1_000_099)).toBe(true);
});

test('whatever strangers do, the tables stay within their bounds', () => {
  const settings = { ...DEFAULT_GUARD_SETTINGS, tablesMax: 20, flappingConnectsMax: 2 };
  const step = fc.record({
    address: fc.integer({ min: 0, max: 50 }).map((i) => `192.0.2.${i}`),
    username: fc.constantFrom('', 'a', 'b', 'c'),
    clientId: fc.integer({ min: 0, max: 50 }).map(String),
    kind: fc.constantFrom('fail', 'fail', 'succeed', 'connect', 'takeover', 'sweep'),
    pause: fc.integer({ min: 0, max: 20_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const penalties = new Penalties(settings);
      const flapping = new Flapping(settings);
      const fights = new Fights(settings);
      let nowMs = 1_000;
      for (const { kind, pause, ...attempt } of steps) {
        nowMs += pause;
        const { address, clientId } = attempt;
        if (kind === 'fail') penalties.onFailure(attempt, nowMs);
        else if (kind === 'succeed') penalties.onSuccess(attempt, nowMs);
        else if (kind === 'connect') flapping.onConnect(address, clientId, nowMs);
        else if (kind === 'takeover') {
          fights.onTakeover(clientId, { address, port: 1 }, { address: '::1', port: 1 }, nowMs);
        } else {
          for (const table of [penalties, flapping, fights]) table.sweep(nowMs);
        }
        expect(penalties.size).toBeLessThanOrEqual(60); // failures, addresses, user names
        expect(flapping.size).toBeLessThanOrEqual(20);
        expect(fights.size).toBeLessThanOrEqual(20);
      }
      for (const table of [penalties, flapping, fights]) table.sweep(nowMs + 2 * 86_400_000);
      expect([penalties.size, flapping.size, fights.size]).toEqual([0, 0, 0]);
    }),
    RUNS,
  );
});

test('no two pairs of names have the same key, and no key is long', () => {
  const name = fc.oneof(
    fc.string({ unit: fc.constantFrom('=', '#', '1', ' ', 'a'), maxLength: 4 }),
    fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 60, maxLength: 70 }),
  );
  fc.assert(
    fc.property(name, name, name, name, (a, b, c, d) => {
      expect(pairKey(a, b) === pairKey(c, d)).toBe(a === c && b === d);
      expect(shortKey(a) === shortKey(b)).toBe(a === b);
    }),
    { numRuns: runs(2_000) },
  );
  expect(pairKey('x'.repeat(60_000), 'y'.repeat(60_000)).length).toBeLessThan(140);
});
