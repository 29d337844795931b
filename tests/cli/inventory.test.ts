// What is said of a reload: what is different, source by source, and what can hardly be meant.

import { describe, expect, test } from 'vitest';
import { differences, type Inventory, suspicions } from '../../src/cli/access/inventory.ts';

function inventory(names: readonly string[], rest: Partial<Inventory> = {}): Inventory {
  const entries = new Map(names.map((name): [string, string] => [name, 'mark']));
  return { title: 'users of f', file: 'f', entries, ...rest };
}

function many(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `n${from + i}`);
}

describe('differences', () => {
  test('are none between equals, however they are ordered', () => {
    expect(differences([], [])).toEqual([]);
    expect(differences([inventory(['a', 'b'])], [inventory(['b', 'a'])])).toEqual([]);
  });

  test('are what was added, removed and changed, by name, and not too many of them', () => {
    const before = inventory(['a', 'b', 'c']);
    const changed = {
      entries: new Map([
        ['a', 'mark'],
        ['b', 'other'],
        ['d', 'mark'],
      ]),
    };
    expect(differences([before], [{ ...before, ...changed }])).toEqual([
      'users of f: 1 added (d); 1 removed (c); 1 changed (b)',
    ]);
    expect(differences([inventory([])], [inventory(many(5))])).toEqual([
      'users of f: 5 added (n0, n1, n2, n3, n4)',
    ]);
    expect(differences([inventory([])], [inventory(many(6))])).toEqual([
      'users of f: 6 added (n0, n1, n2, n3, n4, …)',
    ]);
  });

  test('are the order, too, where it matters, of what is in both', () => {
    const isOrdered = { isOrdered: true };
    const before = [inventory(['a', 'b', 'c'], isOrdered)];
    expect(differences(before, [inventory(['a', 'c', 'b'], isOrdered)])).toEqual([
      'users of f: in another order',
    ]);
    expect(differences(before, [inventory(['x', 'a', 'c'], isOrdered)])).toEqual([
      'users of f: 1 added (x); 1 removed (b)',
    ]);
    expect(differences(before, [inventory(['c', 'x', 'a'], isOrdered)])).toEqual([
      'users of f: 1 added (x); 1 removed (b); in another order',
    ]);
  });

  test('are sources that are new or gone', () => {
    const [one, other] = [
      inventory(['a']),
      inventory(['b', 'c'], { title: 'users of g', file: 'g' }),
    ];
    expect(differences([one], [other])).toEqual(['users of g: new, with 2', 'users of f: gone']);
  });
});

describe('suspicions', () => {
  test.each([
    [2, 1, false],
    [2, 0, true],
    [1, 0, true],
    [3, 2, false],
    [3, 1, true],
    [100, 50, false],
    [100, 49, true],
    [0, 0, false],
    [0, 5, false],
  ])('of %i entries %i are left: %j', (had, has, isSuspicious) => {
    const lines = suspicions([inventory(many(had))], [inventory(many(has))]);
    expect(lines).toHaveLength(isSuspicious ? 1 : 0);
  });

  test('say how many are left, and what to do if that is meant', () => {
    expect(suspicions([inventory(many(10))], [inventory(many(3))])).toEqual([
      'users of f: of 10 only 3 are left; if that is meant, reload with --force (iothub reload --force)',
    ]);
    expect(suspicions([inventory(many(10))], [inventory([])])).toEqual([
      'users of f: of 10 nothing is left; if that is meant, reload with --force (iothub reload --force)',
    ]);
  });

  test('are none about a file that is not read any more, or for the first time', () => {
    const other = inventory([], { title: 'users of g', file: 'g' });
    expect(suspicions([inventory(many(10))], [other])).toEqual([]);
    expect(suspicions([other], [inventory([])])).toEqual([]);
  });

  test.each([
    [undefined, 10, 0, false],
    ['most', 10, 5, false],
    ['most', 10, 4, true],
    ['most', 1, 0, true],
    ['some', 10, 1, false],
    ['some', 10, 0, true],
    ['some', 1, 0, true],
    ['some', 0, 0, false],
  ] as const)(
    'of a part of the configuration that keeps %s: of %i, %i are left: %j',
    (keeps, had, has, isSuspicious) => {
      const part = { title: 'rules of the configuration', file: null, keeps };
      const lines = suspicions([inventory(many(had), part)], [inventory(many(has), part)]);
      expect(lines).toHaveLength(isSuspicious ? 1 : 0);
    },
  );
});
