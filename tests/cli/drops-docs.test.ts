// docs/drops.md has every reason there is, with the words that the API and the command line have for it.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { DROP_REASON_NAMES, type DropReason } from '../../src/core/drop.ts';
import { DROP_REASON_INFO } from '../../src/core/drop-reasons.ts';
import { ROOT } from './command.ts';

/** Where those are told that have no line of their own among lost messages. */
const ELSEWHERE = 'info, by a line of its own';

const ROWS = DROP_REASON_NAMES.map((name, index) => {
  const { concerns, level, meaning, advice } = DROP_REASON_INFO[index as DropReason];
  return `| \`${name}\` | ${concerns} | ${level ?? ELSEWHERE} | ${meaning} | ${advice} |`;
});

test('docs/drops.md has these rows, and no others', () => {
  const page = readFileSync(path.join(ROOT, 'docs/drops.md'), 'utf8');
  expect(page.split('\n').filter((line) => line.startsWith('| `'))).toEqual(ROWS);
});
