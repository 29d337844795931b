// What is left of a text that a stranger chose, and that nothing else of it is kept.

import { expect, test } from 'vitest';
import { clip } from '../../src/lib/clip.ts';
import { usedBytes } from '../kit/resources.ts';

test('what is cut says so, and is no longer than that', () => {
  expect(clip('abcd', 4)).toBe('abcd');
  expect(clip('abcde', 4)).toBe('abc…');
  expect(clip('ab\u{1f600}', 3)).toBe('ab…');
  expect(clip('abc\u{1f600}', 4)).toBe('abc…');
});

test('half a character stays one', () => {
  expect(clip('ab\u{1f600}de', 4)).toBe('ab\ud83d…');
});

test('the rest of it is not kept in memory', async () => {
  const before = await usedBytes();
  const kept = Array.from({ length: 200 }, (_, i) => clip(`${i}${'x'.repeat(50_000)}`));
  expect(await usedBytes()).toBeLessThan(before + 200 * 25_000);
  expect(kept).toHaveLength(200);
});
