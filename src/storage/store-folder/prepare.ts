// Makes a data folder ready for a server: it is there, it is ours alone, and the store in it was checked in a process of its own.
// A store that is damaged or not ours is set aside, so that the server starts without it; nothing is ever deleted. One that is
// sound but for some records stays in use, since a server can leave those out, and all the others are worth more. A store that
// merely cannot be reached, or that a later version wrote, is left where it is, and the folder is refused.

import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { STORE_FILE } from '../lmdb/layout.ts';
import { type CheckOptions, checkStore } from './check.ts';
import type { CheckReport } from './check-main.ts';
import { exists, needAccess, probeFolder, removeStore, setAside } from './files.ts';
import { type FolderLock, lockFolder, type Purpose } from './lock.ts';
import { MIGRATIONS, type Migration, migrateStore } from './migrations.ts';
import { about, StoreError } from './store-error.ts';

export interface PrepareOptions extends CheckOptions, Purpose {
  /** Refuse a damaged store instead of setting it aside. */
  readonly isStrict: boolean;
  /** Read all of the store, also when it was closed properly. */
  readonly isWhole?: boolean;
  readonly migrations?: readonly Migration[];
}

export interface PreparedFolder {
  /** Its real path. */
  readonly folder: string;
  readonly lock: FolderLock;
  /** Where the store is, or will be. */
  readonly file: string;
  /** What the check said of the store that is in use now; null = there is none yet. */
  readonly report: CheckReport | null;
  readonly setAside: SetAside | null;
  /** The store is in use although records in it are damaged: a sentence for the log and the alarm. */
  readonly flaws: string | null;
  /** A store of an older format was migrated, and lies here as it was. */
  readonly migratedFrom: { readonly version: number; readonly file: string } | null;
  /** Stores that were set aside, now or before, and that nobody has taken away since. */
  readonly corruptFiles: readonly string[];
}

export interface SetAside {
  readonly reason: string;
  /** Where it is now. */
  readonly file: string;
  /** For the log and the alarm: what happened, where it is, and what to do. */
  readonly message: string;
}

const CORRUPT = 'corrupt';
/** What commands that were interrupted leave behind: stores in the making, and folders with a copy to read from. */
const UNFINISHED = ['.migrating', '.compacting', '.restoring'];
export const READING = 'reading-';

/** Takes the folder, which is made if need be, and checks what is in it. Throws StoreError; then nothing is held. */
export async function prepareFolder(
  folder: string,
  options: PrepareOptions,
): Promise<PreparedFolder> {
  const lock = await takeFolder(folder, options);
  try {
    return await prepareLocked(lock, options);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function takeFolder(folder: string, options: PrepareOptions): Promise<FolderLock> {
  const absolute = path.resolve(folder);
  await about(absolute, async () => {
    const made = await mkdir(absolute, { recursive: true, mode: 0o700 });
    if (made !== undefined) await chmod(absolute, 0o700);
  });
  return lockFolder(absolute, options);
}

async function prepareLocked(lock: FolderLock, options: PrepareOptions): Promise<PreparedFolder> {
  const { folder } = lock;
  const file = path.join(folder, STORE_FILE);
  await probeFolder(folder);
  await about(folder, async () => {
    for (const suffix of UNFINISHED) await removeStore(file + suffix);
    for (const name of await readdir(folder)) {
      if (name.startsWith(READING)) await rm(path.join(folder, name), { recursive: true });
    }
  });
  const prepared = { folder, lock, file, setAside: null, flaws: null, migratedFrom: null };
  if (!(await about(file, () => exists(file)))) {
    return { ...prepared, report: null, corruptFiles: await listCorrupt(folder) };
  }
  const report = await checkExisting(file, options);
  const { outcome } = report;
  if (
    options.isStrict &&
    (outcome === 'damaged' || outcome === 'foreign' || outcome === 'flawed')
  ) {
    throw strictRefusal(file, report);
  }
  if (outcome === 'damaged' || outcome === 'foreign') {
    const aside = await putAside(file, report);
    return { ...prepared, report: null, setAside: aside, corruptFiles: await listCorrupt(folder) };
  }
  const { version } = report;
  const older =
    outcome === 'older' && version !== null
      ? { version, file: await migrate(file, version, report.knownVersion, options) }
      : null;
  return {
    ...prepared,
    report,
    flaws: outcome === 'flawed' ? flawsOf(file, report) : null,
    migratedFrom: older,
    corruptFiles: await listCorrupt(folder),
  };
}

/** Looks at the store that is there. Throws StoreError when it cannot be looked at, or a later version wrote it. */
async function checkExisting(file: string, options: PrepareOptions): Promise<CheckReport> {
  await needAccess(file);
  const report = await checkStore(file, options.isWhole === true ? 'whole' : 'auto', options);
  if (report.outcome !== 'newer') return report;
  throw new StoreError(
    'newer',
    `the store ${file} has format version ${report.version}, and this version of IoTHub knows up to ${report.knownVersion}: start the version that wrote it, or choose another folder with --data`,
  );
}

function strictRefusal(file: string, report: CheckReport): StoreError {
  return new StoreError(
    'unusable',
    `the store ${file} ${whatIs(report)} (${describe(report)}), and --strict-store allows no start with it: put a backup in its place with "iothub store restore", move it away, or start without --strict-store`,
  );
}

async function putAside(file: string, report: CheckReport): Promise<SetAside> {
  const reason = describe(report);
  const target = await setAside(file, CORRUPT);
  const message = `the store ${file} ${whatIs(report)} (${reason}): it was set aside as ${target}, and the server starts without its sessions and messages; stop it and put a backup in its place with "iothub store restore", or remove that file when it is not needed`;
  return { reason, file: target, message };
}

function whatIs({ outcome }: CheckReport): string {
  if (outcome === 'foreign') return 'is not one of IoTHub';
  return outcome === 'flawed' ? 'has damaged records' : 'is damaged';
}

function flawsOf(file: string, report: CheckReport): string {
  const { problemCount, records } = report;
  return `${problemCount} of ${records} records read of the store ${file} are damaged (${describe(report)}): they are left out; "iothub store verify" lists them`;
}

/** What is wrong, in a few words. */
function describe({ problems, problemCount }: CheckReport): string {
  const rest = problemCount - 1;
  return rest > 0 ? `${problems[0]}, and ${rest} more` : problems[0];
}

function migrate(file: string, from: number, to: number, options: PrepareOptions): Promise<string> {
  return migrateStore(file, from, to, options.migrations ?? MIGRATIONS, async (result) => {
    const report = await checkStore(result, 'whole', options);
    if (report.outcome !== 'ok') throw new Error(`the result is not right: ${describe(report)}`);
  });
}

async function listCorrupt(folder: string): Promise<string[]> {
  const prefix = `${STORE_FILE}.${CORRUPT}-`;
  const names = await about(folder, () => readdir(folder));
  return names
    .filter((name) => name.startsWith(prefix) && !name.endsWith('-lock'))
    .sort()
    .map((name) => path.join(folder, name));
}
