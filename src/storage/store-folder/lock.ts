// The lock of a data folder: a listening unix socket in it, `lock.sock`. It is alive as long as somebody can connect to it, also
// from another container, where a process id says nothing; the one that a crash left behind refuses, and is replaced.
//
// Of starters at the same time exactly one wins. Each listens under a name of its own first, `lock.<random>.try`, which is its
// flag; then it looks for other flags. Who sees none but its own goes on: it looks whether `lock.sock` is alive, and if not,
// renames its flag to `lock.sock`, in one step and over a dead one. Since everybody shows a flag before looking, no two can
// both see none. Names of flags are never used twice, so a dead one can be removed without harm.

import { randomBytes } from 'node:crypto';
import { chmod, lstat, readdir, realpath, rename, unlink } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  findHolder,
  type Holder,
  LOCK_NAME,
  lifeOf,
  type RequestHandler,
  serve,
} from './lock-talk.ts';
import { withShortPath } from './socket-path.ts';
import { StoreError, storeError } from './store-error.ts';

export interface FolderLock {
  /** The folder's real path. */
  readonly folder: string;
  /**
   * Answers requests of commands that find the folder in use. What the handler resolves with must be JSON; what it throws is
   * told to the one who asked, with the problem of a StoreError.
   */
  onRequest(name: string, handler: RequestHandler): void;
  /** Gives the folder back. */
  release(): Promise<void>;
}

/** What the holder of a folder says of itself. */
export interface Purpose {
  readonly version?: string;
  /** `server`, or the command that works on the folder, as `iothub store compact`. */
  readonly purpose?: string;
}

export const SERVER = 'server';
const CONNECTIONS_MAX = 32;
/** A flag in the making that is older belongs to nobody. */
const UNFINISHED_MAX_MS = 60_000;
/** How long starters make way for each other. */
const PATIENCE_MS = 10_000;
const FLAG = /^lock\.[0-9a-f]{16}\.try$/;
const UNFINISHED = /^lock\.[0-9a-f]{16}\.new$/;

/** Takes the folder, which must exist. Throws StoreError, `in-use` when somebody has it. */
export async function lockFolder(folder: string, purpose: Purpose = {}): Promise<FolderLock> {
  try {
    const real = await realpath(folder);
    await refuseIfHeld(real, purpose); // the usual case, without creating anything
    const candidate = new Candidate(real, purpose);
    try {
      await candidate.listen();
      await candidate.win();
    } catch (error) {
      await candidate.release();
      throw error;
    }
    return candidate;
  } catch (error) {
    throw storeError(error, folder);
  }
}

async function refuseIfHeld(folder: string, purpose: Purpose): Promise<void> {
  const holder = await findHolder(folder);
  if (holder !== null) throw inUse(folder, holder, purpose);
}

/** The folder is in use: by whom, and what to do. */
export function inUse(folder: string, holder: Holder, { purpose = SERVER }: Purpose): StoreError {
  const pid = holder.pid === 0 ? 'it does not answer' : `pid ${holder.pid}`;
  const where = `the data folder ${folder} is in use by`;
  let message = `${where} a server (${pid}): stop it first`;
  if (holder.purpose !== SERVER) {
    message = `${where} "${holder.purpose}" (${pid}): wait until it has ended`;
  } else if (purpose === SERVER) {
    message = `${where} another server (${pid}): stop it or give this one another folder with --data`;
  }
  return new StoreError('in-use', message);
}

class Candidate implements FolderLock {
  readonly folder: string;
  readonly #purpose: Purpose;
  readonly #server: net.Server;
  readonly #id = randomBytes(8).toString('hex');
  readonly #handlers = new Map<string, RequestHandler>();
  readonly #sockets = new Set<net.Socket>();
  /** What our socket is called now. */
  #name: string;
  #inode = 0;

  constructor(folder: string, purpose: Purpose) {
    this.folder = folder;
    this.#purpose = purpose;
    this.#name = `lock.${this.#id}.new`;
    const holder: Holder = {
      pid: process.pid,
      version: purpose.version ?? '',
      startedAt: new Date().toISOString(),
      purpose: purpose.purpose ?? SERVER,
    };
    this.#server = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      serve(socket, holder, this.#handlers);
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.unref(); // a lock does not keep its process alive
  }

  async listen(): Promise<void> {
    try {
      await withShortPath(this.folder, (short) => this.#listenIn(short));
    } catch (error) {
      throw socketError(error, this.folder);
    }
    this.#inode = (await lstat(this.#path)).ino;
    await chmod(this.#path, 0o600);
  }

  #listenIn(shortFolder: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path.join(shortFolder, this.#name), () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => {}); // a failed accept: whoever tried will try again
        resolve();
      });
    });
  }

  get #path(): string {
    return path.join(this.folder, this.#name);
  }

  /** Becomes the holder, or throws. */
  async win(): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (performance.now() < deadline) {
      await this.#rename(`lock.${this.#id}.try`);
      const others = await this.#otherFlags();
      if (others.length === 0) {
        await refuseIfHeld(this.folder, this.#purpose);
        return this.#rename(LOCK_NAME);
      }
      // The one with the lowest number waits until the others are out of its way.
      if (others.some((name) => name < this.#name)) await this.#rename(`lock.${this.#id}.new`);
      await sleep(5 + Math.random() * 20);
      await refuseIfHeld(this.folder, this.#purpose);
    }
    throw new StoreError(
      'in-use',
      `too many programs want the data folder ${this.folder} at the same time: try again`,
    );
  }

  /** The flags of others who are alive; what the dead left is removed. */
  async #otherFlags(): Promise<string[]> {
    const others: string[] = [];
    for (const name of await readdir(this.folder)) {
      if (name === this.#name) continue;
      if (UNFINISHED.test(name)) await this.#removeOld(name);
      if (!FLAG.test(name)) continue;
      const life = await lifeOf(this.folder, name);
      if (life === 'alive') others.push(name);
      // One that is absent was taken down a moment ago, and may be shown again.
      if (life === 'dead') await unlink(path.join(this.folder, name)).catch(ignoreMissing);
    }
    return others;
  }

  async #removeOld(name: string): Promise<void> {
    const file = path.join(this.folder, name);
    const stats = await lstat(file).catch(ignoreMissing);
    if (stats && Date.now() - stats.ctimeMs > UNFINISHED_MAX_MS) {
      await unlink(file).catch(ignoreMissing);
    }
  }

  async #rename(name: string): Promise<void> {
    if (name === this.#name) return;
    await rename(this.#path, path.join(this.folder, name));
    this.#name = name;
  }

  onRequest(name: string, handler: RequestHandler): void {
    this.#handlers.set(name, handler);
  }

  /** Takes our socket away, by name first: nobody can have replaced a live one, unless somebody deleted it. */
  async release(): Promise<void> {
    const stats = await lstat(this.#path).catch(ignoreMissing);
    if (stats && stats.ino === this.#inode) await unlink(this.#path).catch(ignoreMissing);
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}

const NO_SOCKETS = new Set(['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EPERM', 'EAFNOSUPPORT']);

/** Some file systems (FAT, shares of Windows, some FUSE) have no sockets. */
function socketError(error: unknown, folder: string): Error {
  if (!NO_SOCKETS.has((error as NodeJS.ErrnoException).code ?? ''))
    return storeError(error, folder);
  return new StoreError(
    'unusable',
    `the file system of ${folder} has no unix sockets, which lock the data folder: choose a folder on another one with --data`,
    { cause: error },
  );
}
