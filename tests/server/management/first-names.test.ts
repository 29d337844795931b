// The page that is chosen from names in any order, against sorting all of them.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FirstNames } from '../../../src/server/management/first-names.ts';

function pageOf(names: readonly string[], after: string | null, limit: number) {
  const first = new FirstNames<string>({ after, limit });
  for (const name of names) if (first.wants(name)) first.set(name, `of ${name}`);
  return first.page((value, name) => ({ value, name }));
}

const NAMES = fc.array(fc.string({ maxLength: 3 }), { maxLength: 60 });

test('it is the first names after the last page, each once, and says whether more follow', async () => {
  await fc.assert(
    fc.asyncProperty(
      NAMES,
      fc.option(fc.string({ maxLength: 2 })),
      fc.nat(20),
      async (names, after, more) => {
        const limit = more + 1;
        const wanted = [...new Set(names)].filter((name) => after === null || name > after).sort();
        const { items, next } = await pageOf(names, after, limit);
        expect(items.map(({ name }) => name)).toEqual(wanted.slice(0, limit));
        for (const { name, value } of items) expect(value).toBe(`of ${name}`);
        expect(next).toBe(wanted.length > limit ? wanted[limit - 1] : null);
      },
    ),
  );
});

test('pages one after the other are all names, in order', async () => {
  await fc.assert(
    fc.asyncProperty(NAMES, fc.nat(7), async (names, more) => {
      const all: string[] = [];
      let after: string | null = null;
      do {
        const page: Awaited<ReturnType<typeof pageOf>> = await pageOf(names, after, more + 1);
        all.push(...page.items.map(({ name }) => name));
        after = page.next;
      } while (after !== null);
      expect(all).toEqual([...new Set(names)].sort());
    }),
  );
});

test('what is not there any more is left out, and the next page begins behind it all the same', async () => {
  const first = new FirstNames<number>({ after: null, limit: 2 });
  for (const name of ['c', 'a', 'b']) if (first.wants(name)) first.set(name, 1);
  const page = await first.page((_, name) => (name === 'b' ? null : name));
  expect(page).toEqual({ items: ['a'], next: 'b' });
});
