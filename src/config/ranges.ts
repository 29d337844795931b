// Ranges of addresses as a list in the configuration has them.

import { isIP } from 'node:net';
import { nearest } from './nearest.ts';

/** Names that may stand for ranges; `unix` is the peer of a unix socket, which has no address. */
const RANGE_NAMES: readonly string[] = ['loopback', 'private', 'link-local', 'unix'];

/** What is wrong with this as a range of addresses and what would be right, or null. */
export function rangeProblem(text: string): string | null {
  if (RANGE_NAMES.includes(text)) return null;
  const [address, prefix, ...rest] = text.split('/');
  const version = isIP(address);
  const bits = version === 6 ? 128 : 32;
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
  if (version !== 0 && !address.includes('%') && isPrefix && rest.length === 0) return null;
  const shown = JSON.stringify(text);
  const near = nearest(text, RANGE_NAMES);
  const hint = near === null ? '' : `; did you mean "${near}"?`;
  return `${shown} is not a range of addresses: write "10.0.0.0/8", "fd00::/8", "192.0.2.7", or ${RANGE_NAMES.map((name) => JSON.stringify(name)).join(', ')}${hint}`;
}
