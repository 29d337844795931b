// What a configuration says, by the keys of the file, and how a table of it gets the names of the program.

import path from 'node:path';
import type { Setting } from './setting.ts';
import { keyOf } from './settings.ts';

/** A table as it was read, by the keys of the file. */
export type RawTable = Readonly<Record<string, unknown>>;

/** The file as a whole. */
export interface RawConfig {
  readonly listeners?: readonly RawTable[];
  readonly authenticators?: readonly RawTable[];
  readonly authorizers?: readonly RawTable[];
  readonly rules?: readonly RawTable[];
  readonly groups?: readonly RawTable[];
  readonly access?: RawTable;
  readonly penalties?: RawTable;
  readonly quotas?: readonly RawTable[];
  readonly limits?: RawTable;
  readonly queues?: readonly RawTable[];
  readonly storage?: RawTable;
  readonly drops?: RawTable;
  readonly log?: RawTable;
  readonly metrics?: RawTable;
  readonly admin?: RawTable;
  readonly sys?: RawTable;
  readonly overload?: RawTable;
  readonly tracing?: RawTable;
}

/** What a table says, by the names of the program. `base`: the folder from which paths of files are seen. */
export function named(settings: object, raw: RawTable = {}, base: string): object {
  const entries: [string, unknown][] = [];
  for (const [name, setting] of Object.entries(settings) as [string, Setting<unknown>][]) {
    const value = raw[keyOf(name)];
    if (value === undefined) continue;
    const isFile = setting.path === 'file';
    entries.push([name, isFile ? path.resolve(base, value as string) : value]);
  }
  return Object.fromEntries(entries);
}

/** Whether a key stands in this table, or in one of this array, by their paths. */
export function isWithin(path: string, table: string): boolean {
  return path.startsWith(`${table}.`) || path.startsWith(`${table}[`);
}
