// Names of clients as keys of tables. A user name may have 65,535 bytes, and a table keeps many of them.

import { createHash } from 'node:crypto';

const PLAIN_MAX = 64;

/** The text itself, or a digest of a long one, which no other text is mistaken for. */
export function shortKey(text: string): string {
  if (text.length <= PLAIN_MAX) return `=${text}`;
  return `#${createHash('sha256').update(text, 'utf8').digest('base64')}`;
}

/** Two of them as one; neither can reach into the other. */
export function pairKey(a: string, b: string): string {
  const first = shortKey(a);
  return `${first.length}${first}${shortKey(b)}`;
}
