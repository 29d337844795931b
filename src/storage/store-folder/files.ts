// Moves the files of a store about, so that a crash at any moment leaves either the old or the new one in place, whole. A store
// is its data file and, beside it, the file in which LMDB keeps its readers; that one is made anew when it is not there.

import { constants } from 'node:fs';
import { access, copyFile, link, lstat, open, rename, rm, statfs } from 'node:fs/promises';
import path from 'node:path';
import { StoreError, storeError } from './store-error.ts';

const READERS_SUFFIX = '-lock';
/** Written to find out whether the disk takes anything: LMDB would be killed by a full one. */
const PROBE_NAME = 'store.probe';
const PROBE_BYTES = 65_536;

/** A moment as part of a file's name: 20261126T003701Z. */
function timeStamp(now: Date = new Date()): string {
  return `${now.toISOString().replace(/[-:]|\.\d+/g, '')}`;
}

export async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** `<file>.<word>-<time>`, or with a number behind it when that is taken. */
async function freeName(file: string, word: string): Promise<string> {
  const base = `${file}.${word}-${timeStamp()}`;
  let name = base;
  for (let i = 2; await exists(name); i++) name = `${base}-${i}`;
  return name;
}

/** Renames the store to `<file>.<word>-<time>`, and returns that. Throws StoreError. */
export async function setAside(file: string, word: string): Promise<string> {
  try {
    const target = await freeName(file, word);
    await rename(file, target);
    await rename(file + READERS_SUFFIX, target + READERS_SUFFIX).catch(ignoreMissing);
    await syncFolder(path.dirname(file));
    return target;
  } catch (error) {
    throw storeError(error, file);
  }
}

/**
 * Puts a finished copy in the place of the store in one step. With a word, the store that was there is kept as
 * `<file>.<word>-<time>`, which is returned. Throws StoreError.
 */
export async function replaceStore(
  file: string,
  finished: string,
  word: string | null,
): Promise<string | null> {
  try {
    await syncFile(finished);
    let kept: string | null = null;
    if (word !== null && (await exists(file))) {
      kept = await freeName(file, word);
      await keep(file, kept);
    }
    await rename(finished, file);
    await removeReaders(file);
    await removeReaders(finished);
    await syncFolder(path.dirname(file));
    return kept;
  } catch (error) {
    throw storeError(error, file);
  }
}

/** A second name for the file, or a copy of it where the file system has no second names. */
async function keep(file: string, kept: string): Promise<void> {
  try {
    await link(file, kept);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw error;
    await copyStore(file, kept);
  }
}

/** Copies a store that nobody writes to; what was there under that name is gone. Throws errors of the file system. */
export async function copyStore(file: string, target: string): Promise<void> {
  await removeStore(target);
  await copyFile(file, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  await syncFile(target);
}

/** Removes a store that was being made. */
export async function removeStore(file: string): Promise<void> {
  await rm(file, { force: true });
  await removeReaders(file);
}

async function removeReaders(file: string): Promise<void> {
  await rm(file + READERS_SUFFIX, { force: true });
}

export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes names in the folder durable, where the system can. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch {
    // some file systems do not sync folders
  } finally {
    await handle.close();
  }
}

/** Finds out whether the folder's disk takes a few pages. Throws StoreError. */
export async function probeFolder(folder: string): Promise<void> {
  const probe = path.join(folder, PROBE_NAME);
  try {
    await rm(probe, { force: true });
    const handle = await open(probe, 'wx', 0o600);
    try {
      await handle.writeFile(Buffer.alloc(PROBE_BYTES, 1));
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw storeError(error, folder);
  } finally {
    await rm(probe, { force: true }).catch(() => {}); // what matters was said above
  }
}

/** Throws StoreError when the folder's disk has not so much room. */
export async function needRoom(folder: string, bytes: number, forWhat: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = Number(bavail) * Number(bsize);
  if (free >= bytes) return;
  throw new StoreError(
    'unusable',
    `${forWhat} needs ${megabytes(bytes)} on the disk of ${folder}, and ${megabytes(free)} are free: make room first`,
  );
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1_000_000)} MB`;
}

/** Throws StoreError when the store's file may not be read and written by us. */
export async function needAccess(file: string): Promise<void> {
  try {
    await access(file, constants.R_OK | constants.W_OK);
    const readers = file + READERS_SUFFIX;
    if (await exists(readers)) await access(readers, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw storeError(error, file);
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
