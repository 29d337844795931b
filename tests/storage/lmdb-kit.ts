// A host for the LMDB store under a fake clock, and what tests store in it.

import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { Found } from '../../src/contracts/found.ts';
import { StoredMessageCodec } from '../../src/core/message-codec.ts';
import { StoreClock } from '../../src/core/store-clock.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { TopicTable } from '../../src/protocol/topic.ts';
import { openEnvironment, type Tables } from '../../src/storage/lmdb/environment.ts';
import { type LmdbOptions, LmdbStorage } from '../../src/storage/lmdb/lmdb.ts';
import type { StorageHost, StoreInfo } from '../../src/storage/storage.ts';

const TOPICS = new TopicTable({ topicLengthMax: 65_535, topicLevelsMax: 65_535 }, 1_024);

/** Takes down what a store tells its server. */
export class Host implements StorageHost {
  readonly messages = new StoredMessageCodec(new StoreClock(new FakeClock(), null), TOPICS, 0);
  problem: string | null = null;
  readonly alarms = new Map<string, string>();
  readonly logged: string[] = [];

  setProblem(problem: string | null): void {
    this.problem = problem;
  }

  raiseAlarm(name: string, _severity: string, message: string): void {
    this.alarms.set(name, message);
  }

  clearAlarm(name: string): void {
    this.alarms.delete(name);
  }

  log(level: string, fields: object, message: string): void {
    this.logged.push(`${level}: ${message} ${JSON.stringify(fields)}`);
  }
}

/** A folder that goes with the test. */
export function makeFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'iothub-lmdb-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Opened {
  readonly storage: LmdbStorage;
  readonly host: Host;
  readonly info: StoreInfo;
  readonly found: Found;
}

/** Opens the store in the folder, and reads what is in it. */
export async function openStore(
  folder: string,
  options: Partial<LmdbOptions> = {},
): Promise<Opened> {
  const host = new Host();
  const storage = new LmdbStorage({ folder, level: 'always', freeMinBytes: 0, ...options });
  const info = await storage.open(host);
  const found = new Found();
  onTestFinished(() => storage.crash());
  await storage.recover(found);
  return { storage, host, info, found };
}

/** What the disk would hold if the process died now. */
export function copyOf(folder: string): string {
  const copy = makeFolder();
  mkdirSync(copy, { recursive: true });
  cpSync(path.join(folder, 'store.mdb'), path.join(copy, 'store.mdb'));
  return copy;
}

/** Looks into the tables of a store that is closed, or changes them. */
export async function inTables<T>(folder: string, use: (tables: Tables) => T): Promise<T> {
  const environment = openEnvironment(path.join(folder, 'store.mdb'));
  try {
    let result: T | undefined;
    await environment.write(() => {
      result = use(environment.tables);
    });
    return result as T;
  } finally {
    await environment.close();
  }
}
