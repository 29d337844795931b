// The store on disk keeps the contract, also when all that is left of a process that died is what its files were at that moment.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { StoragePlace } from '../../src/contracts/storage.ts';
import { LmdbStorage } from '../../src/storage/lmdb/lmdb.ts';
import { testStorage } from './storage.contract.ts';

const makePlace = (): StoragePlace => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'iothub-lmdb-'));
  let isFailing = false;
  let lives = 1;
  const folder = () => path.join(root, String(lives));
  const onTransaction = () => {
    if (isFailing) throw new Error('the test says so');
  };
  fs.mkdirSync(folder());
  return {
    storage: () =>
      new LmdbStorage({ folder: folder(), level: 'relaxed', freeMinBytes: 0, onTransaction }),
    async crash(storage) {
      const dead = folder();
      lives++;
      fs.cpSync(dead, folder(), { recursive: true });
      await storage.close();
    },
    fail: (_, failing) => {
      isFailing = failing;
    },
    dispose: () => fs.rmSync(root, { recursive: true }),
  };
};

testStorage('the store on disk', makePlace, { rounds: 15 });
