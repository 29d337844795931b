// IoTHub beside other servers: in turns, all rounds of them, and no ratio where the rounds overlap.

import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { ROOT } from '../cli/command.ts';
import { bench, benchModule } from './bench.ts';

const SHORT = '--count 20 --duration 10 --drain 10 --hold 0 --settle 0'.split(' ');
const MAIN = path.join(ROOT, 'dist/cli/main.js');

/** Some start several servers, one after the other. */
vi.setConfig({ testTimeout: 60_000 });

test.each([
  ['mqtt', '{transport}://127.0.0.1:{port}'],
  ['wss', '"wss://127.0.0.1:{port}/mqtt?cert={cert}&key={key}"'],
])('a twin over %s', async (transport, listener) => {
  const twin = `Twin="${process.execPath}" "${MAIN}" --no-admin --store memory --listener ${listener}`;
  const { exitCode, stdout, stderr, results, violations } = await bench(
    ...['pairs', '-n', '2', '--qos', '1', '--transport', transport, '--against', twin],
    ...['--rounds', '2', ...SHORT],
  );
  expect([exitCode, violations]).toEqual([0, []]);
  expect(results).toHaveLength(4);
  expect(
    stderr
      .trim()
      .split('\n')
      .map((line) => line.split(':')[0]),
  ).toEqual(
    ['IoTHub', 'Twin', 'Twin', 'IoTHub'], // there and back again
  );
  expect(stdout).toMatch(/IoTHub +\| Twin +\| IoTHub ÷ Twin/);
});

type Entry = Readonly<Record<string, unknown>>;

async function comparisonOf(entries: readonly Entry[]): Promise<string> {
  const { comparison } = await benchModule('load/comparison.mjs');
  return (comparison as (entries: readonly Entry[]) => string)(entries);
}

const OPTIONS = {};

function entry(name: string, transport: string, cpuUs: readonly number[]): Entry {
  const latencies = [{ p99: 1 }];
  const results = cpuUs.map((us) => ({ cpuUs: us, deliveredRate: 100, memoryBytes: 1, latencies }));
  const load = `pairs ${transport}`;
  const label = `${name}: ${load}`;
  return { label, load, server: { name }, transport, scenario: 'pairs', options: OPTIONS, results };
}

test('the ratio of medians, undecided when one round of one is among those of the other', async () => {
  const text = await comparisonOf([
    entry('IoTHub', 'mqtt', [2, 3, 4]),
    entry('Far', 'mqtt', [10, 12, 15]),
    entry('Near', 'mqtt', [4, 6, 9]),
  ]);
  expect(text).toMatch(/server CPU .* 3\.00 \(2\.00–4\.00\) .* 0\.25 .* 0\.50 undecided/);
});

test('ways to reach the same server are compared with the first of them', async () => {
  const text = await comparisonOf([
    entry('IoTHub', 'mqtt', [2, 2]),
    entry('Peer', 'mqtt', [1, 1]),
    entry('IoTHub', 'ws', [3, 3]),
    entry('Peer', 'ws', [4, 4]),
  ]);
  expect(text).toMatch(/IoTHub: pairs ws +\| 1\.50 /);
  expect(text).toMatch(/Peer: pairs ws +\| 4\.00 /);
});

function accessEntry(name: string, cpuUs: readonly number[]): Entry {
  const one = entry(name, 'mqtt', cpuUs);
  return { ...one, scenario: 'access', server: { name, configure: () => [] } };
}

test('kinds of access control are compared with none, and with what they may cost', async () => {
  const text = await comparisonOf([
    accessEntry('none', [100, 102, 104]),
    accessEntry('cheap', [101, 104, 106]),
    accessEntry('dear', [103, 109, 110]),
    accessEntry('too dear', [110, 114, 116]),
  ]);
  expect(text).toMatch(/server CPU .* 104 .* 1\.02 undecided .* 109 .* 1\.07 undecided .* 1\.12 /);
  expect(text).toMatch(
    /1\.020 × met, undecided .* 1\.069 × MISSED, undecided .* 1\.118 × MISSED +\|/,
  );
  const free = await comparisonOf([accessEntry('none', [100, 102]), accessEntry('free', [90, 99])]);
  expect(free).toMatch(/0\.936 × met +\|/);
});

test('nothing to compare', async () => {
  expect(await comparisonOf([entry('IoTHub', 'mqtt', [2])])).toBe('');
});
