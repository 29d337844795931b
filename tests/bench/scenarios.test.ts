// Every scenario, with a handful of clients and messages, against the built server: it runs to its end and nothing is lost,
// doubled or out of order. How fast that was is nobody's business here.

import { expect, test } from 'vitest';
import { bench } from './bench.ts';

/** It ends when all messages are there; the seconds are for a machine that is very busy. */
const SHORT = '--count 30 --duration 10 --drain 10 --hold 0 --settle 0'.split(' ');
const BRIEF = ['--warmup', '0', '--duration', '0.2', '--drain', '10'];

const SCENARIOS: readonly (readonly string[])[] = [
  ['pairs', '-n', '4', '--qos', '0'],
  ['pairs', '-n', '4', '--qos', '1', '-V', '5', '--processes', '2'],
  ['pairs', '-n', '4', '--qos', '2', '--rate', '500'],
  ['fanout', '-n', '6', '--qos', '2', '--processes', '2'],
  ['fanout', '-n', '6', '--pubs', '3', '--qos', '1', '--size', '70k', '--window', '4'],
  ['fanin', '-n', '6', '--qos', '1', '--processes', '3'],
  ['mixed', '-n', '20', '--interval', '10', '--cmd-pct', '50', '--qos', '1', '--processes', '2'],
  ['retained', '-n', '300', '--qos', '1'],
  ['retained', '-n', '300', '--qos', '0', '-V', '5'],
  ['subscriptions', '-n', '600', '--clients', '7', '--qos', '1', '--processes', '2'],
];

test.each(SCENARIOS.map((args) => [args.join(' '), args] as const))('%s', async (_, args) => {
  const { exitCode, stderr, results, violations } = await bench(...args, ...SHORT);
  expect(violations).toEqual([]);
  expect([exitCode, stderr.trim().split('\n')]).toEqual([0, [expect.stringContaining(args[0])]]);
  expect(results).toHaveLength(1);
  const [{ integrity }] = results;
  expect(integrity.received).toBeGreaterThan(0);
  expect(integrity).toMatchObject({
    received: integrity.expected,
    lost: [0, 0, 0],
    duplicates: [0, 0, 0],
    outOfOrder: 0,
    damaged: 0,
    refused: 0,
    unanswered: 0,
    failures: [],
  });
});

test('connect', async () => {
  const { exitCode, stdout, violations } = await bench('connect', '-n', '30', ...SHORT);
  expect([exitCode, violations]).toEqual([0, []]);
  expect(stdout).toContain('connections/s');
});

test('slow: what the server counts as dropped is what the subscriber misses', async () => {
  const { exitCode, results, violations } = await bench(
    ...['slow', '-n', '2', '--rate', '200', '--flood', '20k', ...BRIEF],
  );
  expect([exitCode, violations]).toEqual([0, []]);
  const floods = results[0].floods ?? [];
  expect(floods).toHaveLength(2);
  for (const { flood } of floods) {
    expect(flood.counted).toBe(flood.dropped);
    expect(flood.received).toBe(flood.sent - flood.dropped);
  }
}, 40_000);

test('rounds are runs of their own', async () => {
  const { exitCode, results } = await bench('pairs', '-n', '1', '--rounds', '2', ...SHORT);
  expect([exitCode, results.length]).toEqual([0, 2]);
});
