// The LMDB store keeps the contract of every store, at both levels and with batches that gather for a while.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'vitest';
import { type StoragePlace, storageContract } from '../../src/contracts/storage.ts';
import { LmdbStorage } from '../../src/storage/lmdb/lmdb.ts';

const LEVELS = [
  { level: 'always', commitDelayMs: 0 },
  { level: 'relaxed', commitDelayMs: 0 },
  { level: 'always', commitDelayMs: 2 },
] as const;

/** A batch that is given time gathers on after its commit was asked for: what comes then may be durable early. */
const GATHERS_NO_MORE = 'what is recorded while a commit is on its way waits for one of its own';

describe.each(LEVELS)('at level $level with a delay of $commitDelayMs ms', (options) => {
  for (const one of storageContract) {
    if (options.commitDelayMs > 0 && one.title === GATHERS_NO_MORE) continue;
    // Whatever a store can be asked to show, this one can.
    test(one.title, { timeout: 60_000 }, () => one.run(() => makePlace(options), { rounds: 15 }));
  }
});

function makePlace(options: (typeof LEVELS)[number]): StoragePlace {
  const folder = mkdtempSync(path.join(tmpdir(), 'iothub-lmdb-'));
  let isFailing = false;
  const onTransaction = (): void => {
    if (isFailing) throw new Error('the test says so');
  };
  return {
    storage: () => new LmdbStorage({ folder, ...options, freeMinBytes: 0, onTransaction }),
    crash: (storage) => (storage as LmdbStorage).crash(),
    fail(_storage, failing) {
      isFailing = failing;
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}
