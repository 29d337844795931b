// The example of a store of one's own keeps the contract.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sqlite from 'node-sqlite3-wasm';
import type { StoragePlace } from '../../src/contracts/storage.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { testStorage } from './storage.contract.ts';

const { SqliteStorage } = (await import(
  new URL('../../examples/sqlite-storage/index.mjs', import.meta.url).href
)) as { SqliteStorage: new (file: string) => Storage };

/** Set while the disk is full, as SQLite would find out when it ends a transaction. */
let isDiskFull = false;
const { prepare } = sqlite.Database.prototype;
sqlite.Database.prototype.prepare = function (sql) {
  const statement = prepare.call(this, sql);
  const { run } = statement;
  if (sql !== 'COMMIT') return statement;
  statement.run = (values) => {
    if (isDiskFull) throw new Error('database or disk is full');
    return run.call(statement, values);
  };
  return statement;
};

testStorage(
  'the example of a store in SQLite',
  (): StoragePlace => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'iothub-sqlite-'));
    let file = path.join(folder, 'store.db');
    isDiskFull = false;
    return {
      storage: () => new SqliteStorage(file),
      async crash(storage) {
        const dead = file;
        file = `${dead}.db`;
        fs.copyFileSync(dead, file); // as it is at this moment
        await storage.close();
      },
      fail: (_, isFailing) => {
        isDiskFull = isFailing;
      },
      dispose: () => fs.rmSync(folder, { recursive: true }),
    };
  },
  { rounds: 15 },
);
