// Names with `*`.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Glob } from '../../src/lib/glob.ts';
import { runs } from '../kit/runs.ts';

const FITS = [
  ['bob', 'bob'],
  ['*', ''],
  ['*', 'anybody'],
  ['plant-*', 'plant-'],
  ['plant-*', 'plant-7'],
  ['*-7', 'plant-7'],
  ['p*t-*', 'plant-7'],
  ['*a*a*', 'aa'],
  ['a**b', 'ab'],
  ['a.c', 'a.c'],
  ['line*feed', 'line\nfeed'],
] as const;

const DOES_NOT = [
  ['bob', 'Bob'],
  ['bob', 'bobby'],
  ['', 'a'],
  ['plant-*', 'plant'],
  ['*-7', 'plant-77'],
  ['ab*ba', 'aba'],
  ['a*b*a', 'aba-b'],
  ['*a*a*', 'a'],
  ['a.c', 'abc'],
] as const;

test.each(FITS)('%j fits %j', (pattern, text) => {
  expect(new Glob(pattern).matches(text)).toBe(true);
});

test.each(DOES_NOT)('%j does not fit %j', (pattern, text) => {
  expect(new Glob(pattern).matches(text)).toBe(false);
});

test('only one without * is exact', () => {
  expect(new Glob('bob').isExact).toBe(true);
  expect(new Glob('bo*').isExact).toBe(false);
});

test('it fits what the regular expression fits', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
  const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 });
  fc.assert(
    fc.property(patterns, letters, (pattern, text) => {
      const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text);
      expect(new Glob(pattern).matches(text)).toBe(expected);
    }),
    { numRuns: runs(2_000) },
  );
});

test('a pattern of many * and a text of many letters are done at once', () => {
  const pattern = new Glob(`${'*a'.repeat(400)}*b`);
  expect(pattern.matches('a'.repeat(60_000))).toBe(false);
});
