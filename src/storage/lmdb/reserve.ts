// Room in the file before a transaction asks for it. LMDB's native code in lmdb 3.5.6 writes past a buffer when a page cannot be
// written, which may end the process later. So the file is made longer here, by zeros: a full disk or quota shows itself in an
// ordinary error, and LMDB writes where there is room already. (Not on a file system that copies on write.)

import { type FileHandle, open } from 'node:fs/promises';
import type { Environment } from './environment.ts';

const ZEROS = new Uint8Array(1_048_576);
const PAGE_BYTES = 4_096;
/** Pages that any transaction may need: the way down to what it changes, and the list of free pages. */
const PAGES_MIN = 64;
/** The file grows by this part of itself, within limits. */
const GROWTH = 1 / 8;
const GROWTH_BYTES_MAX = 64 * 1_048_576;
const FULL = new Set(['ENOSPC', 'EDQUOT']);

export class FileReserve {
  /** No transaction so far went beyond. */
  #endMax = Number.POSITIVE_INFINITY;

  /** Rejects when there is no room for a transaction of so many entries and bytes. */
  async ensure(environment: Environment, entries: number, bytes: number): Promise<void> {
    const needed = (PAGES_MIN + entries) * PAGE_BYTES + 2 * bytes;
    this.#endMax += needed;
    if (this.#endMax <= environment.fileBytes) return;
    this.#endMax = environment.endOfPages() + needed;
    const missing = this.#endMax - environment.fileBytes;
    if (missing <= 0) return;
    const growth = Math.min(environment.fileBytes * GROWTH, GROWTH_BYTES_MAX);
    try {
      await grow(environment, Math.ceil(Math.max(missing, growth, ZEROS.length)));
    } catch (error) {
      // What removes goes on as long as free pages in the file will do; the sum above was a generous one.
      const isFull = error instanceof Error && 'code' in error && FULL.has(String(error.code));
      const likely = (PAGES_MIN + entries / 8) * PAGE_BYTES + 1.5 * bytes;
      const room = environment.fileBytes - environment.usedBytes();
      if (!isFull || room < likely) throw error;
    }
  }
}

async function grow(environment: Environment, bytes: number): Promise<void> {
  const handle = await open(environment.file, 'r+');
  try {
    await writeZeros(handle, environment, environment.fileBytes + bytes);
  } finally {
    await handle.close();
  }
}

async function writeZeros(
  handle: FileHandle,
  environment: Environment,
  end: number,
): Promise<void> {
  for (let position = environment.fileBytes; position < end; ) {
    const length = Math.min(ZEROS.length, end - position);
    const { bytesWritten } = await handle.write(ZEROS, 0, length, position);
    position += bytesWritten;
    environment.fileBytes = position;
  }
}
