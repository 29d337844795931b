// The board and the alerts ask for metrics that there are, with labels that they have. That Prometheus answers them is shown by
// tests/integration/prometheus.test.ts.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { FAMILIES } from '../../src/admin/metrics/families.ts';
import { ROOT } from '../cli/command.ts';
import { alertsOf, comparedBy, namesIn, panelsOf } from '../kit/board.ts';

const PANELS = panelsOf('1m');
const ALERTS = alertsOf();
const HISTOGRAM = /_(bucket|sum|count)$/;

function familyNamed(name: string) {
  return FAMILIES.find((family) =>
    family.type === 'histogram'
      ? HISTOGRAM.test(name) && name.replace(HISTOGRAM, '') === family.name
      : name === family.name,
  );
}

/** Each metric of an expression, with the labels that it is chosen and grouped by. */
function labelsIn(expression: string): { name: string; labels: string[] }[] {
  const grouped = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels]) =>
    labels.split(',').map((label) => label.trim()),
  );
  return [...expression.matchAll(/\b((?:iothub|process|nodejs)_[a-z0-9_]+)(?:\{([^}]*)\})?/g)].map(
    ([, name, chosen = '']) => ({
      name,
      labels: [...grouped, ...[...chosen.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)].map(([, l]) => l)],
    }),
  );
}

describe.each([
  ['panel', PANELS],
  ['alert', ALERTS],
])('every %s', (_, asked) => {
  test('is there', () => {
    expect(asked.length).toBeGreaterThan(15);
  });

  test.each(asked)('asks for what there is: $what, $expression', ({ expression }) => {
    for (const { name, labels } of labelsIn(expression)) {
      const family = familyNamed(name);
      expect(family, name).toBeDefined();
      const own = [...(family?.labels ?? []), 'instance', 'job', 'le'];
      for (const label of labels) expect(own, name).toContain(label);
    }
  });

  test.each(asked)('takes rates of counters only: $what, $expression', ({ expression }) => {
    const rated = expression.matchAll(/\b(?:rate|increase)\(([a-z0-9_]+)/g);
    for (const [, name] of rated) expect(familyNamed(name)?.type, name).not.toBe('gauge');
  });
});

test('alerts end with a comparison, and each has a test', () => {
  const tests = readFileSync(path.join(ROOT, 'deploy/prometheus/alerts.test.yml'), 'utf8');
  for (const { what, expression } of ALERTS) {
    expect(comparedBy(expression)).not.toBe('');
    expect(tests).toContain(`alertname: ${what}\n`);
  }
});

test('a metric that there is not is noticed', () => {
  expect(namesIn('rate(iothub_no_such_total[5m])').map(familyNamed)).toEqual([undefined]);
});
