// Identifiers of traces and spans.

import { expect, test } from 'vitest';
import { RandomSpanIds } from '../../../src/server/spans/span-ids.ts';

test('they have their form, and none comes twice, however many are drawn', () => {
  const ids = new RandomSpanIds();
  const traces = Array.from({ length: 1_000 }, () => ids.traceId());
  const spans = Array.from({ length: 1_001 }, () => ids.spanId());
  expect(traces.every((id) => /^(?!0{32})[0-9a-f]{32}$/.test(id))).toBe(true);
  expect(spans.every((id) => /^(?!0{16})[0-9a-f]{16}$/.test(id))).toBe(true);
  expect(new Set([...traces, ...spans, ...traces.map((id) => id.slice(16))]).size).toBe(3_001);
});
