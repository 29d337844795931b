// The scenario `observed`: the same messages on servers of which more and more is seen.

import { expect, test, vi } from 'vitest';
import { bench } from './bench.ts';

/** It starts a dozen servers, one after the other. */
vi.setConfig({ testTimeout: 180_000 });

test('a server that shows nothing, one as it is by default, one that is scraped, and one that is traced', async () => {
  const { exitCode, stdout, results, violations } = await bench(
    ...['observed', '-n', '3', '--count', '20', '--duration', '10', '--rounds', '1'],
  );
  expect(violations).toEqual([]);
  expect(exitCode).toBe(0);
  expect(results).toHaveLength(3 * 4);
  for (const { integrity } of results) {
    expect(integrity).toMatchObject({ received: integrity.expected, lost: [0, 0, 0] });
  }
  expect(stdout).toContain('| and a trace of nobody');
  expect(stdout).toContain('at most 1.03 × the CPU per message of nothing');
});

test('it is about IoTHub itself: another server is refused, with what to take instead', async () => {
  const { exitCode, stderr } = await bench('observed', '--against', 'other=true');
  expect(exitCode).toBe(2);
  expect(stderr).toContain('--against is about another server');
  expect(stderr).toContain('take the scenario pairs');
});
