// The reference of the metrics is the metrics: what is missing there, or is said otherwise, fails.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { COMPAT_FAMILIES } from '../../src/admin/metrics/compat.ts';
import { FAMILIES } from '../../src/admin/metrics/families.ts';
import { ROOT } from '../cli/command.ts';

interface Script {
  metricsReference(families: unknown, compat: unknown): string;
  withReference(page: string, reference: string): string;
}

const { metricsReference, withReference } = (await import(
  path.join(ROOT, 'scripts/docs-metrics.mjs')
)) as Script;

const PAGE = readFileSync(path.join(ROOT, 'docs/metrics.md'), 'utf8');

test('docs/metrics.md has every metric, with type, labels and meaning (npm run docs)', () => {
  expect(PAGE).toBe(withReference(PAGE, metricsReference(FAMILIES, COMPAT_FAMILIES)));
});

test('a metric that is missing there is noticed', () => {
  const without = PAGE.split('\n').filter((line) => !line.startsWith('| `iothub_wills` '));
  expect(without.join('\n')).not.toBe(PAGE);
  expect(withReference(without.join('\n'), metricsReference(FAMILIES, COMPAT_FAMILIES))).toBe(PAGE);
});
