// The name of a unix socket has room for 107 bytes (103 on macOS), folders are often deeper. So a socket in a deep folder is
// reached through a short way to the same folder: on Linux an open descriptor of it, elsewhere a symbolic link for the moment.

import { constants } from 'node:fs';
import { mkdtemp, open, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Bytes of a path that every system takes. */
const PATH_BYTES_MAX = 103;
/** Bytes of the longest name in the folder, with its slash. */
const NAME_BYTES_MAX = 40;

/** Calls `use` with a path of this folder that is short enough for the names of sockets in it. */
export async function withShortPath<T>(
  folder: string,
  use: (shortFolder: string) => Promise<T>,
  platform: NodeJS.Platform = process.platform,
): Promise<T> {
  if (Buffer.byteLength(folder) + NAME_BYTES_MAX <= PATH_BYTES_MAX) return use(folder);
  return platform === 'linux' ? throughDescriptor(folder, use) : throughLink(folder, use);
}

async function throughDescriptor<T>(
  folder: string,
  use: (shortFolder: string) => Promise<T>,
): Promise<T> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await use(`/proc/self/fd/${handle.fd}`);
  } finally {
    await handle.close();
  }
}

async function throughLink<T>(
  folder: string,
  use: (shortFolder: string) => Promise<T>,
): Promise<T> {
  const holder = await mkdtemp(path.join(tmpdir(), 'io-'));
  try {
    const link = path.join(holder, 'd');
    await symlink(folder, link);
    return await use(link);
  } finally {
    await rm(holder, { recursive: true, force: true });
  }
}
