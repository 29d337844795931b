// Files of unix sockets: what lies there when a server starts, and who may use it. A file that a dead server left is removed;
// one that is no socket, or that somebody answers at, is not touched.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { chown, link, lstat, rename, unlink } from 'node:fs/promises';
import net from 'node:net';
import { dirname, join } from 'node:path';

export interface SocketFile {
  /** Absolute, or seen from the working directory. */
  readonly path: string;
  /** Default 0o660. */
  readonly mode?: number;
  /** Numbers; default: those of the process. */
  readonly uid?: number;
  readonly gid?: number;
}

const DEFAULT_MODE = 0o660;
/** What the kernel has room for, the final zero not counted: longer ones would be cut, or refused without a reason. */
const PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103;

/** Makes room for a socket; rejects with an error with a `code` and a sentence when there is none. */
export async function prepareSocketFile({ path }: SocketFile): Promise<void> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    throw failure(
      'ENAMETOOLONG',
      `${path} is longer than the ${PATH_BYTES_MAX} bytes that the name of a socket may have`,
    );
  }
  let stats: fs.Stats;
  try {
    stats = await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // Node would say EACCES.
    if (!fs.existsSync(dirname(path))) {
      throw failure('ENOENT', `the folder of the socket ${path} does not exist: make it first`);
    }
    return;
  }
  if (!stats.isSocket()) {
    throw failure(
      'EEXIST',
      `${path} exists and is not a socket: remove it, or choose another path`,
    );
  }
  if (await isAnswered(path)) {
    throw failure('EADDRINUSE', `a server listens at ${path} already`);
  }
  await removeDead(path);
}

/** Takes the file away first and looks at it again then: a server that starts at this moment, too, may have made it anew. */
async function removeDead(path: string): Promise<void> {
  const aside = join(dirname(path), `.${randomBytes(4).toString('hex')}`);
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // somebody was faster
    throw error;
  }
  const isAlive = Buffer.byteLength(aside) <= PATH_BYTES_MAX && (await isAnswered(aside));
  if (isAlive) await link(aside, path);
  await unlink(aside);
  if (isAlive) throw failure('EADDRINUSE', `a server listens at ${path} already`);
}

/** Binds with the file's mode, so that nobody has it for a moment who must not. */
export function withMode(file: SocketFile, bind: () => void): void {
  const before = process.umask(0o777 & ~(file.mode ?? DEFAULT_MODE));
  try {
    bind();
  } finally {
    process.umask(before);
  }
}

/** Gives the bound file its mode and owner. */
export async function own(file: SocketFile): Promise<void> {
  fs.chmodSync(file.path, file.mode ?? DEFAULT_MODE);
  if (file.uid === undefined && file.gid === undefined) return;
  await chown(
    file.path,
    file.uid ?? process.getuid?.() ?? -1,
    file.gid ?? process.getgid?.() ?? -1,
  );
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      // A full backlog is an answer, too.
      else if (error.code === 'EAGAIN') resolve(true);
      else reject(error);
    });
  });
}

function failure(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}
