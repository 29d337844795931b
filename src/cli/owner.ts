// Names of users and groups as numbers, from the system's files: for the owner of a socket's file.

import { readFileSync } from 'node:fs';

/** The number of a user (`/etc/passwd`) or group (`/etc/group`); null for one that is not known. A number is taken as it is. */
export function idOf(name: string, file: '/etc/passwd' | '/etc/group'): number | null {
  if (/^\d+$/.test(name)) return Number(name);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return null; // a system without such a file has no such names
  }
  const line = text.split('\n').find((entry) => entry.startsWith(`${name}:`));
  const id = line?.split(':')[2];
  return id === undefined || !/^\d+$/.test(id) ? null : Number(id);
}
