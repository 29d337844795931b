// Brings a store of an older format to the present one. The steps work on a copy, which takes the store's place only when it is
// finished and was read whole; the older store stays beside it, as `store.mdb.v<version>-<time>`. A crash midway leaves the
// older store where it was.

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { copyStore, needRoom, removeStore, replaceStore } from './files.ts';
import { StoreError, storeError } from './store-error.ts';

/** A step from one format to the next. */
export interface Migration {
  readonly from: number;
  /** Changes the store in this file, and last of all the format version that it names. */
  migrate(file: string): Promise<void>;
}

/** One a format that was ever released, in order. There is only one format so far. */
export const MIGRATIONS: readonly Migration[] = [];

/**
 * Migrates the store to `version`; `verify` reads the result and throws when it is not right. Returns where the older one is.
 * Throws StoreError, and then nothing has changed.
 */
export async function migrateStore(
  file: string,
  from: number,
  version: number,
  migrations: readonly Migration[],
  verify: (file: string) => Promise<void>,
): Promise<string> {
  const steps = stepsFor(file, from, version, migrations);
  const work = `${file}.migrating`;
  try {
    const { size } = await stat(file);
    await needRoom(path.dirname(file), size + size / 4, 'migrating the store');
    await copyStore(file, work);
    for (const step of steps) await step.migrate(work);
    await verify(work);
    const kept = await replaceStore(file, work, `v${from}`);
    if (kept === null) throw new Error('the store disappeared');
    return kept;
  } catch (error) {
    await removeStore(work).catch(() => {}); // the first error is the one that counts
    if (error instanceof StoreError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== undefined) throw storeError(error, file);
    throw new StoreError(
      'unusable',
      `the store ${file} could not be brought from format version ${from} to ${version}, and was left as it is: ${message}`,
      { cause: error },
    );
  }
}

function stepsFor(
  file: string,
  from: number,
  version: number,
  migrations: readonly Migration[],
): Migration[] {
  const steps: Migration[] = [];
  for (let at = from; at < version; at++) {
    const step = migrations.find((candidate) => candidate.from === at);
    if (step === undefined) {
      throw new StoreError(
        'unusable',
        `the store ${file} has format version ${from}, which this version cannot read any more: start an older version of IoTHub first, which reads it, or choose another folder with --data`,
      );
    }
    steps.push(step);
  }
  return steps;
}
