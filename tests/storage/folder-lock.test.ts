import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FolderLock, lockFolder } from '../../src/storage/store-folder/lock.ts';
import { askHolder, findHolder } from '../../src/storage/store-folder/lock-talk.ts';
import { withShortPath } from '../../src/storage/store-folder/socket-path.ts';
import { StoreError } from '../../src/storage/store-folder/store-error.ts';

const BUILT_LOCK = path.resolve(import.meta.dirname, '../../dist/storage/store-folder/lock.js');

let folder = '';
const locks: FolderLock[] = [];
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'iothub-lock-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const lock of locks.splice(0)) await lock.release();
  rmSync(folder, { recursive: true, force: true });
});

async function take(where = folder, purpose = {}): Promise<FolderLock> {
  const lock = await lockFolder(where, purpose);
  locks.push(lock);
  return lock;
}

/** Another process that wants the folder: says `won` and keeps it, or says why not and ends. */
function startTaker(where: string): ChildProcess {
  const code = `
    const { lockFolder } = await import(process.argv[1]);
    try {
      await lockFolder(process.argv[2], { version: '1.2.3' });
      process.stdout.write('won\\n');
      setInterval(() => {}, 1000);
    } catch (error) {
      process.stdout.write(error.problem + ': ' + error.message + '\\n');
    }`;
  const args = ['--input-type=module', '--eval', code, pathToFileURL(BUILT_LOCK).href, where];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

async function said(child: ChildProcess): Promise<string> {
  const stdout = child.stdout;
  if (stdout === null) throw new Error('no stdout');
  return String(await once(stdout, 'data')).trimEnd();
}

describe('a data folder', () => {
  test('that is held says by whom, and refuses a second server in a sentence that says what to do', async () => {
    await take(folder, { version: '9.9.9' });
    expect(await findHolder(folder)).toMatchObject({
      pid: process.pid,
      version: '9.9.9',
      purpose: 'server',
    });
    const error = await lockFolder(folder).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({
      problem: 'in-use',
      message: `the data folder ${folder} is in use by another server (pid ${process.pid}): stop it or give this one another folder with --data`,
    });
    expect(readdirSync(folder)).toEqual(['lock.sock']);
  });

  test('that a command works on names the command', async () => {
    await take(folder, { purpose: 'iothub store compact' });
    await expect(lockFolder(folder)).rejects.toThrow(
      `is in use by "iothub store compact" (pid ${process.pid}): wait until it has ended`,
    );
  });

  test('is free again after its release, without leftovers', async () => {
    await (await take()).release();
    expect(readdirSync(folder)).toEqual([]);
    expect(await findHolder(folder)).toBeNull();
    await take();
  });

  test('is reached by another name too', async () => {
    await take();
    mkdirSync(path.join(folder, 'a'));
    await expect(lockFolder(path.join(folder, 'a', '..'))).rejects.toThrow('in use');
  });

  test('is known to be held by another process, and is free after its crash', async () => {
    const child = startTaker(folder);
    expect(await said(child)).toBe('won');
    await expect(lockFolder(folder)).rejects.toThrow(
      `is in use by another server (pid ${child.pid})`,
    );
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(readdirSync(folder)).toEqual(['lock.sock']);
    expect(await findHolder(folder)).toBeNull();
    await take();
    expect(await findHolder(folder)).toMatchObject({ pid: process.pid });
  });

  test('is held also by a process that is frozen', async () => {
    const child = startTaker(folder);
    expect(await said(child)).toBe('won');
    child.kill('SIGSTOP');
    await expect(lockFolder(folder)).rejects.toThrow('(it does not answer)');
  });

  test('is not taken away from its holder by the release of one who found it deleted', async () => {
    const first = await take();
    rmSync(path.join(folder, 'lock.sock'));
    await take();
    await first.release();
    expect(readdirSync(folder)).toEqual(['lock.sock']);
    await expect(lockFolder(folder)).rejects.toThrow('in use');
  });

  test('has a socket that only its owner may use', async () => {
    await take();
    expect(statSync(path.join(folder, 'lock.sock')).mode & 0o777).toBe(0o600);
  });

  test('with something else in the place of the socket is taken all the same', async () => {
    writeFileSync(path.join(folder, 'lock.sock'), 'no socket');
    await take();
    expect(statSync(path.join(folder, 'lock.sock')).isSocket()).toBe(true);
  });

  test('that does not exist is told as such', async () => {
    const missing = path.join(folder, 'missing');
    await expect(lockFolder(missing)).rejects.toMatchObject({
      problem: 'unusable',
      message: `${missing} does not exist`,
    });
  });
});

describe('many who want a folder at the same time', () => {
  test.each([false, true])('within a process: one wins (dead lock there: %s)', async (isDead) => {
    for (let round = 0; round < (isDead ? 10 : 40); round++) {
      const where = path.join(folder, String(round));
      mkdirSync(where);
      if (isDead) await leaveDeadSockets(where);
      const outcomes = await Promise.allSettled(
        Array.from({ length: 3 + (round % 6) }, async (_, index) => {
          for (let turn = 0; turn < index * (round % 4); turn++) await new Promise(setImmediate);
          return take(where);
        }),
      );
      const won = outcomes.filter(({ status }) => status === 'fulfilled');
      expect(won).toHaveLength(1);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(String(outcome.reason)).toContain('in use by');
      }
      expect(readdirSync(where)).toEqual(['lock.sock']);
    }
  });

  test('in processes of their own: one wins, also over a dead one', async () => {
    await leaveDeadSockets(folder);
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => said(startTaker(folder))));
    expect(outcomes.filter((text) => text === 'won')).toHaveLength(1);
    expect(outcomes.filter((text) => text.startsWith('in-use: '))).toHaveLength(5);
    expect(readdirSync(folder)).toEqual(['lock.sock']);
  });
});

/** What a crash leaves: a lock, and a flag of somebody who was about to take it. */
async function leaveDeadSockets(where: string): Promise<void> {
  const code = `
    for (const name of ['lock.sock', 'lock.0123456789abcdef.try']) {
      require('node:net').createServer().listen(require('node:path').join(process.argv[1], name));
    }
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), 50);`;
  const child = spawn(process.execPath, ['--eval', code, where], { stdio: 'inherit' });
  await once(child, 'exit');
  expect(readdirSync(where)).toHaveLength(2);
}

describe('a folder whose path is longer than the name of a socket can be', () => {
  test('is locked like any other', async () => {
    const deep = path.join(folder, 'x'.repeat(200), 'y'.repeat(200));
    mkdirSync(deep, { recursive: true });
    const lock = await take(deep);
    expect(readdirSync(deep)).toEqual(['lock.sock']);
    expect(await findHolder(deep)).toMatchObject({ pid: process.pid });
    const error = await lockFolder(deep).catch((reason: unknown) => reason);
    expect(String(error)).toContain(`the data folder ${deep} is in use`);
    await lock.release();
    expect(readdirSync(deep)).toEqual([]);
  });

  test.each([60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70])(
    'or about as long (%i bytes), is locked too',
    async (length) => {
      const deep = path.join(folder, 'z'.repeat(length - folder.length - 1));
      mkdirSync(deep);
      await take(deep);
      expect(await findHolder(deep)).not.toBeNull();
    },
  );

  test.each(['linux', 'darwin'] as const)('is reached on %s', async (platform) => {
    const deep = path.join(folder, 'x'.repeat(150));
    mkdirSync(deep);
    const server = net.createServer();
    await withShortPath(
      deep,
      async (short) => {
        expect(Buffer.byteLength(short)).toBeLessThan(60);
        server.listen(path.join(short, 's'));
        await once(server, 'listening');
      },
      platform,
    );
    expect(readdirSync(deep)).toEqual(['s']);
    server.close();
  });
});

describe('the holder of a folder', () => {
  test('answers requests with what its handler gives', async () => {
    const lock = await take();
    lock.onRequest('double', async ({ value }) => ({ twice: Number(value) * 2 }));
    expect(await askHolder(folder, 'double', { value: 21 })).toEqual({ result: { twice: 42 } });
  });

  test('tells what went wrong, with the kind of the problem', async () => {
    const lock = await take();
    lock.onRequest('fail', async () => {
      throw new StoreError('unusable', 'the disk is full');
    });
    await expect(askHolder(folder, 'fail')).rejects.toMatchObject({
      problem: 'unusable',
      message: `the server of ${folder} (pid ${process.pid}) says: the disk is full`,
    });
  });

  test('says that it does not know a request', async () => {
    await take();
    await expect(askHolder(folder, 'dance')).rejects.toThrow('does not know the request "dance"');
  });

  test('that ends while it is asked leaves a sentence behind', async () => {
    const lock = await take();
    lock.onRequest('wait', async () => {
      void lock.release();
      await new Promise(() => {});
    });
    await expect(askHolder(folder, 'wait')).rejects.toThrow('ended before it answered');
  });

  test('is not there: nobody answers', async () => {
    expect(await askHolder(folder, 'double')).toBeNull();
  });

  test('survives nonsense', async () => {
    await take();
    for (const nonsense of ['\n', '{}\n', 'null\n', '[1]\n', 'x'.repeat(1_100_000), '\u0000']) {
      const socket = net.connect(path.join(folder, 'lock.sock'));
      socket.on('error', () => {});
      socket.resume();
      socket.end(nonsense);
      await new Promise((resolve) => socket.on('close', resolve));
    }
    expect(await findHolder(folder)).toMatchObject({ pid: process.pid });
  });
});
