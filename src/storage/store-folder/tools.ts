// What the commands do with a data folder. A stopped store is locked for as long as it takes, and checked first where that was
// not done since an unclean stop; of a running server a command asks what only the server may do, and reads the rest from a copy,
// which LMDB makes while others write.

import { chmod, mkdir, mkdtemp, readdir, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { openEnvironment } from '../lmdb/environment.ts';
import { FORMAT_VERSION, STORE_FILE } from '../lmdb/layout.ts';
import { LmdbStorage } from '../lmdb/lmdb.ts';
import type { Storage } from '../storage.ts';
import { type CheckOptions, checkStore } from './check.ts';
import type { CheckMode, CheckReport } from './check-main.ts';
import { exportStore, type WriteLine } from './export.ts';
import {
  copyStore,
  exists,
  needAccess,
  needRoom,
  probeFolder,
  removeStore,
  replaceStore,
  syncFile,
} from './files.ts';
import { inUse, lockFolder, SERVER } from './lock.ts';
import { askHolder, findHolder, type Holder } from './lock-talk.ts';
import { READING } from './prepare.ts';
import { type PurgedSession, purgeSessions } from './purge.ts';
import { openStore } from './reading.ts';
import { countContents, type StoreContents } from './stats.ts';
import { about, StoreError, storeError } from './store-error.ts';

/** What every command needs to know. */
export interface ToolOptions extends CheckOptions {
  /** The data folder. */
  readonly folder: string;
  /** The version of this program. */
  readonly version: string;
  /** The command, as `iothub store stats`. */
  readonly purpose: string;
}

/** What `stats` says. */
export interface StoreSummary extends StoreContents {
  readonly folder: string;
  readonly format: number;
  /** A server has it open now. */
  readonly isServed: boolean;
  /** Its last server stopped as it should; null = it still runs. */
  readonly wasStoppedCleanly: boolean | null;
  readonly fileBytes: number;
}

/** What is in the store, and how much room it takes. */
export function summarizeStore(options: ToolOptions): Promise<StoreSummary> {
  return withReadable(options, async (folder, report) => {
    const home = await realpath(options.folder);
    const { size: fileBytes } = await stat(path.join(home, STORE_FILE));
    return {
      folder: home,
      format: FORMAT_VERSION,
      isServed: report === null,
      wasStoppedCleanly: report?.isClean ?? null,
      fileBytes,
      ...(await countContents(storageIn(folder))),
    };
  });
}

/** Reads every record. The report lists what is damaged. */
export async function verifyStore(options: ToolOptions): Promise<CheckReport> {
  const { folder, holder } = await findStore(options);
  const file = path.join(folder, STORE_FILE);
  if (holder !== null) return checkStore(file, 'live', options);
  return locked(folder, options, () => checkStore(file, 'whole', options));
}

/** Writes everything as lines of JSON; see export.ts. */
export function exportTo(options: ToolOptions, writeLine: WriteLine): Promise<void> {
  const facts = { format: FORMAT_VERSION, iothub: options.version };
  return withReadable(options, (folder) => exportStore(storageIn(folder), facts, writeLine));
}

/** Gives room that is not used back to the disk. Returns bytes before and after. */
export function compactStore(
  options: ToolOptions,
): Promise<{ readonly before: number; readonly after: number }> {
  return withStopped(options, async (file) => {
    const work = `${file}.compacting`;
    try {
      const { size: before } = await stat(file);
      await needRoom(path.dirname(file), before, 'compacting the store');
      await copyCompact(file, work);
      await countDamaged(work, 'live', options);
      const { size: after } = await stat(work);
      await replaceStore(file, work, null);
      return { before, after };
    } finally {
      await removeStore(work);
    }
  });
}

/** What was copied where, and how many records in it are damaged; null = the copy cannot be seen from here. */
export interface Copied {
  readonly file: string | null;
  readonly damagedRecords: number | null;
}

/** Copies the store into a new folder. Of a running server the server does. */
export async function backupStore(options: ToolOptions, target: string): Promise<Copied> {
  const { folder, holder } = await findStore(options);
  const absolute = path.resolve(target);
  const copy = path.join(absolute, STORE_FILE);
  await needEmpty(absolute);
  if (holder === null) {
    await withStopped(options, async (file) => {
      await about(absolute, () => mkdir(absolute, { recursive: true, mode: 0o700 }));
      await needRoom(absolute, (await stat(file)).size, 'the backup');
      await copyCompact(file, copy);
    });
  } else if ((await askHolder(folder, 'backup', { folder: absolute })) === null) {
    throw stoppedMeanwhile(folder);
  }
  // The server may see another file system, as in a container.
  if (holder !== null && !(await exists(copy))) return { file: copy, damagedRecords: null };
  return { file: copy, damagedRecords: await countDamaged(copy, 'live', options) };
}

/** Puts a backup in the place of the store. Returns where the store that was there is now, if there was one. */
export async function restoreStore(options: ToolOptions, source: string): Promise<Copied> {
  const backup = path.join(path.resolve(source), STORE_FILE);
  await about(backup, () => stat(backup));
  const absolute = path.resolve(options.folder);
  await about(absolute, () => mkdir(absolute, { recursive: true, mode: 0o700 }));
  return locked(absolute, options, async (folder) => {
    const file = path.join(folder, STORE_FILE);
    const work = `${file}.restoring`;
    try {
      await needRoom(folder, (await stat(backup)).size, 'restoring the backup');
      await about(backup, () => copyStore(backup, work));
      await about(work, () => chmod(work, 0o600));
      const damagedRecords = await countDamaged(work, 'whole', options, backup);
      return { file: await replaceStore(file, work, 'before-restore'), damagedRecords };
    } finally {
      await removeStore(work);
    }
  });
}

/** Ends the sessions of clients that have been away for so long. Of a running server the server does. */
export async function purge(
  options: ToolOptions,
  offlineForMs: number,
  isDryRun: boolean,
): Promise<readonly PurgedSession[]> {
  const { folder, holder } = await findStore(options);
  if (holder === null) {
    return withStopped(options, (file) =>
      purgeSessions(storageIn(path.dirname(file)), offlineForMs, isDryRun),
    );
  }
  const answer = await askHolder(folder, 'purge', { offlineForMs, isDryRun });
  if (answer === null) throw stoppedMeanwhile(folder);
  return answer.result as readonly PurgedSession[];
}

/** Calls `use` with the open store of a server that is stopped, and closes it. Throws StoreError, `in-use` when it runs. */
export async function withStoppedStore<T>(
  options: ToolOptions,
  use: (storage: Storage) => Promise<T>,
): Promise<T> {
  await findStore(options); // says it if there is none
  return withStopped(options, async (file) => {
    const storage = storageIn(path.dirname(file));
    await openStore(storage);
    try {
      return await use(storage);
    } finally {
      await storage.close();
    }
  });
}

function storageIn(folder: string): Storage {
  return new LmdbStorage({ folder, level: 'always', freeMinBytes: 0 });
}

/** The folder's real path and the server that has it; throws StoreError when a command has it, or it holds no store. */
async function findStore(
  options: ToolOptions,
): Promise<{ readonly folder: string; readonly holder: Holder | null }> {
  const absolute = path.resolve(options.folder);
  const folder = await about(absolute, () => realpath(absolute));
  const holder = await about(folder, () => findHolder(folder));
  if (holder !== null && holder.purpose !== SERVER) throw inUse(folder, holder, options);
  if (await about(folder, () => exists(path.join(folder, STORE_FILE)))) return { folder, holder };
  throw new StoreError('unusable', `there is no store in ${folder}: name its folder with --data`);
}

/** Calls `use` while nobody else can have the folder. */
async function locked<T>(
  folder: string,
  options: ToolOptions,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const lock = await lockFolder(folder, options);
  try {
    await probeFolder(lock.folder);
    const file = path.join(lock.folder, STORE_FILE);
    if (await exists(file)) await needAccess(file);
    return await use(lock.folder);
  } finally {
    await lock.release();
  }
}

/** Calls `use` with the file of a store that no server has, and that is sound. */
function withStopped<T>(
  options: ToolOptions,
  use: (file: string, report: CheckReport) => Promise<T>,
): Promise<T> {
  return locked(options.folder, options, async (folder) => {
    const file = path.join(folder, STORE_FILE);
    const report = await checkStore(file, 'auto', options);
    needSound(report, file);
    if (report.outcome === 'older') {
      throw new StoreError(
        'unusable',
        `the store ${file} has format version ${report.version}, an older one: start the server once, which migrates it`,
      );
    }
    return use(file, report);
  });
}

/** Calls `use` with the folder of a sound store: the one of a stopped server, or else one with a copy, which has no report. */
async function withReadable<T>(
  options: ToolOptions,
  use: (folder: string, report: CheckReport | null) => Promise<T>,
): Promise<T> {
  const { folder, holder } = await findStore(options);
  if (holder === null) {
    return withStopped(options, (file, report) => use(path.dirname(file), report));
  }
  const file = path.join(folder, STORE_FILE);
  const reading = await about(folder, () => mkdtemp(path.join(folder, READING)));
  try {
    await needRoom(folder, (await stat(file)).size, 'reading the store of a running server');
    await copyCompact(file, path.join(reading, STORE_FILE));
    return await use(reading, null);
  } finally {
    await rm(reading, { recursive: true, force: true });
  }
}

async function copyCompact(file: string, copy: string): Promise<void> {
  const environment = openEnvironment(file, { isReadOnly: true });
  try {
    await environment.copyTo(copy);
    await chmod(copy, 0o600);
    await syncFile(copy);
  } catch (error) {
    throw storeError(error, copy);
  } finally {
    environment.closeNow();
  }
}

function needSound(report: CheckReport, file: string): void {
  const { outcome, problems, problemCount, version, knownVersion } = report;
  if (outcome === 'damaged' || outcome === 'foreign') {
    const what = outcome === 'damaged' ? 'is damaged' : 'is not one of IoTHub';
    const rest = problemCount > 1 ? `, and ${problemCount - 1} more` : '';
    throw new StoreError(
      'damaged',
      `the store ${file} ${what} (${problems[0]}${rest}): nothing was changed`,
    );
  }
  if (outcome === 'newer') {
    throw new StoreError(
      'newer',
      `the store ${file} has format version ${version}, and this version of IoTHub knows up to ${knownVersion}: use the version that wrote it`,
    );
  }
}

/** How many records of a sound store are damaged. Throws StoreError for one that is not; `name`: what it is called there. */
async function countDamaged(
  file: string,
  mode: CheckMode,
  options: ToolOptions,
  name = file,
): Promise<number> {
  const report = await checkStore(file, mode, options);
  needSound(report, name);
  return report.outcome === 'flawed' ? report.problemCount : 0;
}

/** A backup goes where nothing is. */
async function needEmpty(folder: string): Promise<void> {
  try {
    if ((await readdir(folder)).length === 0) return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw storeError(error, folder);
  }
  throw new StoreError('failed', `${folder} is not empty: name a new folder for the backup`);
}

function stoppedMeanwhile(folder: string): StoreError {
  return new StoreError('in-use', `the server of ${folder} has just stopped: try again`);
}
