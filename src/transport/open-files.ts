// How many files and sockets this process may have open at once. Sockets get the lowest number that is free, so a connection
// whose number comes near the limit is one of the last that fit.

import { readFileSync } from 'node:fs';

/** Kept free for what else must be opened: the store, certificates and configuration that are read again, log files. */
const RESERVED = 32;

/** The limit, as the kernel says it; null where there is none, or where it cannot be had cheaply (other systems than Linux). */
export function openFilesMax(file = '/proc/self/limits'): number | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return null;
  }
  const soft = /^Max open files\s+(\d+)\s/m.exec(text)?.[1]; // or `unlimited`
  return soft === undefined ? null : Number(soft);
}

/** The lowest number of a file that is too high for a connection. */
export function firstReserved(max: number | null = openFilesMax()): number {
  return max === null ? Number.POSITIVE_INFINITY : Math.max(max - RESERVED, Math.ceil(max / 2));
}
