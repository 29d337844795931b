// Filters as sets: judged against all topic names there are, as far as filters of that length can tell them apart.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { covers, intersection } from '../../../src/auth/acl/filter-algebra.ts';
import { matchesFilter } from '../../../src/protocol/filter.ts';
import { runs } from '../../kit/runs.ts';
import { allTopics } from './topics.ts';

const common = (a: string, b: string) =>
  intersection(a.split('/'), b.split('/'))?.join('/') ?? null;
const isCovered = (a: string, b: string) => covers(a.split('/'), b.split('/'));

/** `z` is a level that no filter here names. */
const TOPICS = allTopics(['', 'a', 'b', '$s', 'z'], 5);

const level = fc.constantFrom('', 'a', 'b', '$s', '+', '+');
const filter = fc
  .tuple(fc.array(level, { maxLength: 3 }), fc.boolean())
  .map(([levels, isMulti]) => [...levels, ...(isMulti ? ['#'] : [])].join('/'))
  .filter((text) => text !== '');

const namesOf = new Map<string, Set<string>>();
function names(text: string): Set<string> {
  const known = namesOf.get(text);
  if (known !== undefined) return known;
  const made = new Set(TOPICS.filter((name) => matchesFilter(name, text)));
  namesOf.set(text, made);
  return made;
}

describe('intersection', () => {
  test.each([
    ['a/+', '+/b', 'a/b'],
    ['a/#', 'a', 'a'], // §4.7.1.2: the parent level
    ['a/#', '+/b/#', 'a/b/#'],
    ['#', '+/+', '+/+'],
    ['a/b', 'a/c', null],
    ['a', 'a/b', null],
    ['a/+', 'a/#', 'a/+'],
    ['$s/#', '$s/+', '$s/+'],
    ['#', '$s/a', null], // [MQTT-4.7.2-1]
    ['+/a', '$s/a', null], // [MQTT-4.7.2-1]
    ['/#', '+', null], // only the empty name, which is none [MQTT-4.7.3-1]
  ])('%s and %s have %s in common', (a, b, expected) => {
    expect(common(a, b)).toBe(expected);
    expect(common(b, a)).toBe(expected);
  });

  test('is what both match, for whatever filters', () => {
    fc.assert(
      fc.property(filter, filter, (a, b) => {
        const both = [...names(a)].filter((name) => names(b).has(name));
        const text = common(a, b);
        expect(text === null ? [] : [...names(text)]).toEqual(both);
        expect(text === null).toBe(both.length === 0);
      }),
      { numRuns: runs(2_000) },
    );
  });
});

describe('covers', () => {
  test.each([
    ['#', 'a/+', true],
    ['a/#', 'a', true], // §4.7.1.2
    ['a/+', 'a/b', true],
    ['a/b', 'a/+', false],
    ['a/+', 'a/#', false],
    ['a/+/#', 'a/#', false], // not the parent level itself
    ['+/#', '#', true], // every name has a level
    ['/+/#', '/#', true], // and none is empty [MQTT-4.7.3-1]
    ['#', '$s', false], // [MQTT-4.7.2-1]
    ['$s/#', '$s/a/#', true],
    ['+', '#', false],
  ])('%s of %s: %s', (a, b, expected) => {
    expect(isCovered(a, b)).toBe(expected);
  });

  test('is being a subset, for whatever filters', () => {
    fc.assert(
      fc.property(filter, filter, (a, b) => {
        const isSubset = [...names(b)].every((name) => names(a).has(name));
        expect(isCovered(a, b)).toBe(isSubset);
      }),
      { numRuns: runs(2_000) },
    );
  });

  test('what two filters have in common is covered by both', () => {
    fc.assert(
      fc.property(filter, filter, (a, b) => {
        const text = common(a, b);
        fc.pre(text !== null);
        expect([isCovered(a, text ?? ''), isCovered(b, text ?? '')]).toEqual([true, true]);
      }),
      { numRuns: runs(1_000) },
    );
  });
});
