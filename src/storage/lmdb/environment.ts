// The LMDB environment: the file, its tables, and one transaction at a time. It knows what the package lmdb does not tell:
// when a transaction is visible and when it is on the disk, and that one failed, which the package reports by promises that
// nobody holds. So this looks at the one native call that writes, and never lets the package see the failure as such.
//
// Level `always` opens LMDB as it is: data, fsync, then the meta page through a file descriptor that syncs, and only then the
// promise. A transaction whose fsync fails is not there, and the next one writes its pages again. Level `relaxed` opens it with
// the package's overlapping sync: the transaction is visible first and its fsync follows; until that is done, a third meta page
// keeps the last state that is safe, which is what counts after a power cut.

import { closeSync, existsSync, fsyncSync, openSync, statSync } from 'node:fs';
import path from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { type Database, open, type RootDatabase } from 'lmdb';
import { assert } from '../../lib/assert.ts';
import { type NameTable, type NumberTable, numberKeys } from './layout.ts';

export type NumberDatabase = Database<Uint8Array, number>;
export type NameDatabase = Database<Uint8Array, Uint8Array>;
export type Tables = Record<NumberTable, NumberDatabase> & Record<NameTable, NameDatabase>;

export interface EnvironmentOptions {
  /** `always` if absent. */
  readonly level?: 'always' | 'relaxed';
  /** Nothing is ever written; the file must be there. */
  readonly isReadOnly?: boolean;
}

/** What the native writer says; all else is the number of an error. */
const STATUS_FLUSHED = 0;
const STATUS_VISIBLE = 1;
const STATUS_CALLBACKS = 2;
/** A relaxed transaction starts while at most so many others are not on the disk yet; each holds a thread of libuv. */
const UNFLUSHED_MAX = 1;

/** More than there are, for later versions. */
const TABLES_MAX = 16;

const ERRORS = new Map([
  [5, 'the disk failed, or took a part only because it is full (EIO)'],
  [-30_795, 'the meta page could not be written (MDB_PANIC)'],
  [-30_796, 'a page is damaged (MDB_CORRUPTED)'],
  [-30_792, 'the memory map is full (MDB_MAP_FULL)'],
]);

/** What the package's own types leave out. */
interface NativeEnvironment {
  startWriting(address: number, callback: (status: number) => unknown): void;
  resumeWriting(): void;
}

/** One call of `write`. */
interface Transaction {
  resolve(): void;
  reject(error: Error): void;
  isVisible: boolean;
  /** The package has settled its promise. */
  isSettled: boolean;
}

/** Opens the store in this file, or makes one. Throws Error when LMDB cannot; an existing file must have been checked. */
export function openEnvironment(file: string, options: EnvironmentOptions = {}): Environment {
  const { level = 'always', isReadOnly = false } = options;
  if (isReadOnly) return new Environment(file, false, true);
  // Going back to the last safe state after a power cut is a thing of the overlapping mode, and a new file is not safe in it
  // before its first sync. So each is opened in the other mode first; closing it leaves it synced.
  const isNew = !existsSync(file);
  if (isNew === (level === 'relaxed')) new Environment(file, !isNew, false).closeNow();
  const environment = new Environment(file, level === 'relaxed', false);
  if (isNew) syncFolder(path.dirname(file));
  return environment;
}

/** Without it a power cut may take a new file away, whatever was written to it. */
function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

export class Environment {
  readonly file: string;
  readonly tables: Tables;
  /** Bytes of the file, as far as is known. */
  fileBytes: number;
  /** Called when a transaction that was visible could not be brought to the disk (`relaxed`). */
  onSyncFailed: ((error: Error) => void) | null = null;
  readonly #root: RootDatabase<Uint8Array, Uint8Array>;
  readonly #native: NativeEnvironment;
  /** The first transaction is on the disk; before, the meta page that counts after a power cut is one of an earlier run. */
  #isAnchored = false;
  #current: Transaction | null = null;
  #isWriting = false;
  #unflushed = 0;
  #onFlushed: (() => void)[] = [];
  #isBroken = false;
  #isClosed = false;

  constructor(file: string, isOverlapping: boolean, isReadOnly: boolean) {
    this.file = file;
    const options = {
      noSubdir: true,
      encoding: 'binary',
      keyEncoding: 'binary',
      maxDbs: TABLES_MAX,
      overlappingSync: isOverlapping,
      eventTurnBatching: false,
      readOnly: isReadOnly,
      permissionsMode: 0o600,
    } as const;
    this.#root = open<Uint8Array, Uint8Array>(file, options);
    try {
      this.tables = openTables(this.#root);
    } catch (error) {
      void this.#root.close(); // synchronous when nothing was written
      throw error;
    }
    this.fileBytes = statSync(file).size;
    this.#native = (this.#root as unknown as { env: NativeEnvironment }).env;
    if (!isReadOnly) this.#watch();
  }

  /**
   * Runs one transaction: `record` puts and removes in the tables, at once. Resolves when it is durable, as far as the level
   * says. Never called while an earlier call is unfinished.
   */
  async write(record: () => void): Promise<void> {
    assert(!this.#isWriting, 'one transaction at a time');
    this.#isWriting = true;
    try {
      while (this.#unflushed > UNFLUSHED_MAX) await this.#nextFlush();
      if (this.isBroken) throw new Error('the store has to be opened again');
      await new Promise<void>((resolve, reject) => {
        const transaction = { resolve, reject, isVisible: false, isSettled: false };
        this.#current = transaction;
        const settle = (): void => {
          transaction.isSettled = true;
        };
        this.#root.batch(record).then(settle, settle);
      });
    } finally {
      this.#isWriting = false;
    }
    this.#root.resetReadTxn(); // so that what is read from now on sees it
  }

  /** Resolves when everything that is visible is on the disk, or could not be brought there. */
  async flush(): Promise<void> {
    while (this.#unflushed > 0) await this.#nextFlush();
  }

  /** It cannot be used any more after some failures: it is to be closed and opened again. */
  get isBroken(): boolean {
    if (this.#isBroken) return true;
    try {
      this.#root.resetReadTxn();
      this.tables.meta.getBinaryFast(PROBE_KEY);
    } catch {
      this.#isBroken = true;
    }
    return this.#isBroken;
  }

  /** Bytes of pages in use. Reads only counts. */
  usedBytes(): number {
    let pages = 3; // of meta, and the root of the list of free pages
    for (const table of [this.#root, ...Object.values(this.tables)]) {
      const stats = table.getStats() as DatabaseStats;
      pages += stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;
    }
    return pages * this.#pageBytes();
  }

  /** Where the last page ends that was ever in use. */
  endOfPages(): number {
    const { lastPageNumber, pageSize } = this.#root.getStats() as DatabaseStats;
    const end = (lastPageNumber + 1) * pageSize;
    if (end > this.fileBytes) this.fileBytes = end;
    return end;
  }

  /** Writes a compact copy to a file that is not there yet; it needs neither this file nor its sync state. */
  copyTo(file: string): Promise<void> {
    return this.#root.backup(file, true);
  }

  /** Waits until everything is on the disk, and lets go of the file. */
  async close(): Promise<void> {
    await this.flush();
    this.closeNow();
  }

  /** Lets go of the file; no transaction may be under way. */
  closeNow(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // The package would wait for its promises, and one of those is never settled after some failures.
    Object.defineProperty(this.#root, '_endWrites', { value: undefined });
    void this.#root.close();
  }

  #pageBytes(): number {
    return (this.#root.getStats() as DatabaseStats).pageSize;
  }

  #watch(): void {
    const native = this.#native;
    const { startWriting } = native;
    Object.defineProperty(native, 'startWriting', {
      value: (address: number, callback: (status: number) => unknown): void => {
        const transaction = this.#current;
        this.#unflushed++;
        startWriting.call(native, address, (status) =>
          this.#onStatus(transaction, status, callback),
        );
      },
    });
  }

  #onStatus(
    transaction: Transaction | null,
    status: number,
    callback: (status: number) => unknown,
  ): unknown {
    if (status === STATUS_CALLBACKS) return callback(status);
    if (status === STATUS_VISIBLE) {
      // Only `relaxed` hears of this.
      if (this.#isAnchored && transaction !== null) succeed(transaction);
      return callback(status);
    }
    if (status === STATUS_FLUSHED) {
      callback(status);
      this.#isAnchored = true;
      if (transaction !== null) succeed(transaction);
    } else {
      callback(STATUS_VISIBLE); // lets it clean up, without a complaint on the console and a promise that nobody holds
      if (transaction !== null) this.#fail(transaction, errorOf(status));
    }
    this.#unflushed--;
    const waiting = this.#onFlushed;
    this.#onFlushed = [];
    for (const resume of waiting) resume();
    return undefined;
  }

  #fail(transaction: Transaction, error: Error): void {
    if (transaction.isVisible) {
      this.onSyncFailed?.(error);
      return;
    }
    setImmediate(() => {
      // A transaction that could not even begin leaves the native writer locked, and its promise open.
      if (!transaction.isSettled) {
        this.#isBroken = true;
        this.#native.resumeWriting();
      }
      transaction.reject(error);
    });
  }

  #nextFlush(): Promise<void> {
    return new Promise((resolve) => {
      this.#onFlushed.push(resolve);
    });
  }
}

const PROBE_KEY = Buffer.from('format');

interface DatabaseStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
  readonly lastPageNumber: number;
}

function openTables(root: RootDatabase<Uint8Array, Uint8Array>): Tables {
  const byNumber = { encoding: 'binary', keyEncoder: numberKeys } as const;
  const byName = { encoding: 'binary', keyEncoding: 'binary' } as const;
  const number = (name: NumberTable): NumberDatabase =>
    existing(name, root.openDB<Uint8Array, number>(name, byNumber));
  const name = (name: NameTable): NameDatabase =>
    existing(name, root.openDB<Uint8Array, Uint8Array>(name, byName));
  return {
    sessions: number('sessions'),
    state: number('state'),
    wills: number('wills'),
    log: number('log'),
    meta: name('meta'),
    subscriptions: name('subscriptions'),
    retained: name('retained'),
    tables: name('tables'),
  };
}

/** The package returns undefined for a table that a read-only environment has not. */
function existing<T>(name: string, table: T | undefined): T {
  if (table === undefined) throw new Error(`the table '${name}' is missing`);
  return table;
}

function succeed(transaction: Transaction): void {
  transaction.isVisible = true;
  transaction.resolve();
}

function errorOf(status: number): Error {
  const known = ERRORS.get(status);
  if (known !== undefined) return new Error(known);
  const system = getSystemErrorMap().get(-status);
  if (system === undefined) return new Error(`LMDB error ${status}`);
  return new Error(`${system[1]} (${system[0]})`);
}
