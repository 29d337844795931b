// A table of the store for those who keep something of their own there: users, bans, identities. Values are read once, at
// start; what changes is recorded with everything else of its turn, and promised when it is durable.

import type { Commits } from '../core/commits.ts';
import type { Storage, TableEntry } from '../storage/storage.ts';

const PAGE = 1_000;

export interface StoreTable {
  /** All entries, in the order of their keys. */
  load(): Promise<readonly TableEntry[]>;
  /** Resolves when it is durable; rejects while the store fails. */
  put(key: string, value: Uint8Array): Promise<void>;
  remove(key: string): Promise<void>;
}

export async function loadTable(storage: Storage, name: string): Promise<TableEntry[]> {
  const entries: TableEntry[] = [];
  for (;;) {
    const page = await storage.list(name, entries.at(-1)?.key ?? null, PAGE);
    entries.push(...page);
    if (page.length < PAGE) return entries;
  }
}

/** `name` is one that nothing else of the server uses. */
export function storeTable(commits: Commits, name: string): StoreTable {
  const { storage } = commits;
  const change = (record: () => void): Promise<void> => {
    if (commits.isFailing) return Promise.reject(new Error('the store cannot be written'));
    record();
    commits.record();
    return durable(commits, commits.gathering);
  };
  return {
    load: () => loadTable(storage, name),
    put: (key, value) => change(() => storage.put(name, key, value)),
    remove: (key) => change(() => storage.remove(name, key)),
  };
}

/** Resolves when that batch is. */
export function durable(commits: Commits, batch: number): Promise<void> {
  return new Promise((resolve) => {
    const holder = {
      onDurable(number: number): void {
        if (number >= batch) resolve();
        else commits.waitFor(holder);
      },
    };
    commits.waitFor(holder);
  });
}
