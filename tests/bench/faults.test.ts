// The load generator counts exactly what a broker does wrong: otherwise its "nothing was lost" would mean nothing.

import { expect, onTestFinished, test } from 'vitest';
import { bench, type Integrity } from './bench.ts';
import { type Faults, FaultyBroker } from './faulty-broker.ts';

const FLOWS = 3;
const COUNT = 40;
const PAIRS = ['pairs', '-n', `${FLOWS}`, '--count', `${COUNT}`];
/** Given up after so long; nothing more comes from a broker of this file, so only a very busy machine needs it. */
const PATIENCE = ['--duration', '0.5', '--drain', '0.8'];

async function loadFaulty(faults: Faults, ...args: string[]) {
  const broker = new FaultyBroker(faults);
  onTestFinished(() => broker.close());
  const port = await broker.listen();
  const outcome = await bench(...PATIENCE, ...args, '--url', `mqtt://127.0.0.1:${port}`);
  const integrity: Integrity | undefined = outcome.results[0]?.integrity;
  return { ...outcome, integrity };
}

function onlyAt(qos: number, count: number): number[] {
  return [0, 1, 2].map((each) => (each === qos ? count : 0));
}

test.each([0, 1, 2])('a broker without faults has none at QoS %i', async (qos) => {
  const args = [...PAIRS, '--qos', `${qos}`, '--duration', '10', '--drain', '10'];
  const { exitCode, integrity, violations } = await loadFaulty({}, ...args);
  expect(integrity).toEqual({
    sent: FLOWS * COUNT,
    expected: FLOWS * COUNT,
    received: FLOWS * COUNT,
    lost: [0, 0, 0],
    duplicates: [0, 0, 0],
    outOfOrder: 0,
    damaged: 0,
    refused: 0,
    unanswered: 0,
    failures: [],
  });
  expect([exitCode, violations]).toEqual([0, []]);
});

test.each([
  [0, '4'],
  [1, '4'],
  [2, '4'],
  [0, '5'],
  [1, '5'],
  [2, '5'],
])('every fault is counted as often as it happened, QoS %i, version %s', async (qos, version) => {
  const faults = { lost: [3, 7, 8], doubled: [10, 11], swapped: [20], damaged: [30] };
  const args = [...PAIRS, '--qos', `${qos}`, '-V', version];
  const { exitCode, integrity, stdout } = await loadFaulty(faults, ...args);
  expect(integrity).toMatchObject({
    sent: FLOWS * COUNT,
    received: FLOWS * (COUNT - 4), // the damaged one is none of ours any more
    lost: onlyAt(qos, FLOWS * 4),
    duplicates: onlyAt(qos, FLOWS * 2),
    outOfOrder: FLOWS,
    damaged: FLOWS,
    unanswered: 0,
  });
  expect(exitCode).toBe(1);
  expect(stdout).toContain('INTEGRITY VIOLATED');
  expect(stdout).toContain(`${FLOWS} messages came out of the order of their publisher`);
});

test('the last message of all can be lost, too', async () => {
  const faults = { lost: [COUNT - 1] };
  const { exitCode, integrity } = await loadFaulty(faults, ...PAIRS, '--qos', '1');
  expect(integrity?.lost).toEqual([0, FLOWS, 0]);
  expect(exitCode).toBe(1);
});

test('QoS 0 may lose, and QoS 1 may double: counted, but no violation', async () => {
  const atMostOnce = await loadFaulty({ lost: [5] }, ...PAIRS);
  expect(atMostOnce.integrity?.lost).toEqual([FLOWS, 0, 0]);
  expect(atMostOnce.exitCode).toBe(0);
  const atLeastOnce = await loadFaulty({ doubled: [5] }, ...PAIRS, '--qos', '1');
  expect(atLeastOnce.integrity?.duplicates).toEqual([0, FLOWS, 0]);
  expect(atLeastOnce.exitCode).toBe(0);
});

test.each([0, 2])('QoS %i may not double', async (qos) => {
  const faults = { doubled: [5] };
  const { exitCode, violations } = await loadFaulty(faults, ...PAIRS, '--qos', `${qos}`);
  expect(violations).toEqual([
    `pairs -n ${FLOWS} --qos ${qos}: ${FLOWS} QoS ${qos} messages came twice.`,
  ]);
  expect(exitCode).toBe(1);
});

test('acknowledgements that come for nothing, or do not come, are counted', async () => {
  const stray = await loadFaulty({ strayAck: [6] }, ...PAIRS, '--qos', '1');
  expect(stray.integrity).toMatchObject({ damaged: FLOWS, unanswered: 0, lost: [0, 0, 0] });
  expect(stray.exitCode).toBe(1);
  const missing = await loadFaulty({ unacknowledged: [6, 9] }, ...PAIRS, '--qos', '2');
  expect(missing.integrity).toMatchObject({ unanswered: FLOWS * 2, lost: [0, 0, 0] });
  expect(missing.exitCode).toBe(1);
});

test('what receivers in several processes lose is added up, and an open loop counts the same', async () => {
  const many = ['fanout', '-n', '4', '--count', '40'];
  const faults = { lost: [3], doubled: [10], swapped: [20] };
  const closed = await loadFaulty(faults, ...many, '--processes', '3', '--qos', '1');
  const open = await loadFaulty(faults, ...many, '--processes', '2', '--qos', '1', '--rate', '2k');
  for (const { integrity } of [closed, open]) {
    expect(integrity).toMatchObject({
      sent: 40,
      expected: 160,
      received: 156,
      lost: [0, 4, 0],
      duplicates: [0, 4, 0],
      outOfOrder: 4,
    });
  }
});
