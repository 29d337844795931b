// Writes files that hold secrets: others cannot read them, nobody sees half of one, and no change is lost when two programs
// write one at the same time. The new content goes into `<file>.new`, which only one of them can make, and which then takes the
// place of the file. Owner and group stay, and what they may do.

import { type FileHandle, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { AccessError } from './access-error.ts';

export interface RewriteOptions {
  /** How long to wait for another program that writes the file; default 5 s. */
  readonly waitMs?: number;
}

export interface Rewritten {
  /** The mode that the file had when others could read or change it, which they no longer can; else null. */
  readonly openMode: number | null;
}

const SECRET_MODE = 0o600;
const OWNER_AND_GROUP = 0o770;
const OTHERS_READ_OR_WRITE = 0o006;
const NEW_SUFFIX = '.new';
const RETRY_MS = 20;
const WAIT_MS = 5_000;

/** Makes a file that only its owner can read. Throws AccessError, also when there is such a file. */
export async function createSecretFile(file: string, content: string | Uint8Array): Promise<void> {
  try {
    const handle = await open(file, 'wx', SECRET_MODE);
    let isWritten = false;
    try {
      await handle.writeFile(content);
      await handle.sync();
      isWritten = true;
    } finally {
      await handle.close();
      if (!isWritten) await rm(file, { force: true });
    }
    await syncFolder(path.dirname(file));
  } catch (error) {
    throw writingError(file, error);
  }
}

/**
 * Replaces the content by what `edit` makes of it; null = it stays. A symbolic link stays one. Throws AccessError, and what
 * `edit` throws; then the file is as it was.
 */
export async function rewriteSecretFile(
  file: string,
  edit: (content: Buffer) => string | Uint8Array | null,
  { waitMs = WAIT_MS }: RewriteOptions = {},
): Promise<Rewritten> {
  try {
    const target = await realpath(file);
    const { mode } = await statFile(target);
    const fresh = target + NEW_SUFFIX;
    const handle = await openAlone(fresh, waitMs);
    let isOurs = true; // once it is renamed, that name may be somebody else's
    try {
      const content = edit(await readFile(target));
      if (content === null) return { openMode: null };
      await handle.writeFile(content);
      await keepOwner(handle, target);
      await handle.sync();
      await rename(fresh, target);
      isOurs = false;
    } finally {
      await handle.close();
      if (isOurs) await rm(fresh, { force: true });
    }
    await syncFolder(path.dirname(target));
    return { openMode: (mode & OTHERS_READ_OR_WRITE) === 0 ? null : mode & 0o777 };
  } catch (error) {
    throw writingError(file, error);
  }
}

async function statFile(file: string) {
  const stats = await stat(file);
  if (stats.isFile()) return stats;
  throw problemOf(file, `is ${stats.isDirectory() ? 'a folder' : 'not a file'}: expected a file`);
}

/** Makes the file that only one program can make. */
async function openAlone(fresh: string, waitMs: number): Promise<FileHandle> {
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    try {
      return await open(fresh, 'wx', SECRET_MODE);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (waitedMs >= waitMs) {
      const message = 'exists: another program is writing; remove it if that was interrupted';
      throw problemOf(fresh, message);
    }
    await after(RETRY_MS);
  }
}

/** Owner, group and their permissions as those of `target`; others get none. */
async function keepOwner(handle: FileHandle, target: string): Promise<void> {
  const { mode, uid, gid } = await statFile(target);
  const own = await handle.stat();
  if (own.uid !== uid || own.gid !== gid) {
    try {
      await handle.chown(uid, gid);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
      const message = `belongs to user ${uid} and group ${gid}, which must stay so: run this as that user, or as root`;
      throw problemOf(target, message);
    }
  }
  await handle.chmod(mode & OWNER_AND_GROUP);
}

/** Makes the new name durable, where the system can. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => null); // Windows opens no folders
  if (handle === null) return;
  await handle.sync().catch(() => {}); // some file systems do not sync folders
  await handle.close();
}

function problemOf(file: string, message: string): AccessError {
  return new AccessError([{ file, line: null, message }]);
}

/** The sentence for an error of the file system; what is none stays as it is. */
function writingError(file: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof AccessError || code === undefined) return error;
  return problemOf(file, SENTENCES[code] ?? `cannot be written: ${message}`);
}

const SENTENCES: Readonly<Record<string, string>> = {
  EEXIST: 'exists already',
  ENOENT: 'does not exist',
  ENOTDIR: 'is in no folder: one of the names before it is a file',
  EACCES:
    'may not be written by this user, or its folder may not: change who owns them, or be another user',
  EPERM:
    'may not be written by this user, or its folder may not: change who owns them, or be another user',
  EROFS: 'is on a file system that is mounted read-only',
  ENOSPC: 'cannot be written: the disk is full',
  EDQUOT: 'cannot be written: the disk quota is used up',
  EBUSY: 'cannot be replaced, it may be a mount point: mount its folder instead',
  ELOOP: 'leads in circles by symbolic links',
};
