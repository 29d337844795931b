import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LmdbStorage } from '../../src/storage/lmdb/lmdb.ts';
import { type FolderLock, lockFolder } from '../../src/storage/store-folder/lock.ts';
import {
  addInFlight,
  damage,
  hostOf,
  makeFolder,
  makeStore,
  makeUnclean,
  PAGE_BYTES,
  removeFolder,
  storageIn,
  storeFile,
} from '../storage/folder-fixture.ts';
import { iothub, ROOT } from './command.ts';

let home = '';
let data = '';
const servers: FakeServer[] = [];
beforeEach(() => {
  home = makeFolder();
  data = path.join(home, 'data');
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  removeFolder(home);
});

/** What commands see of a server: its lock, and its store. */
class FakeServer {
  readonly lock: FolderLock;
  readonly storage: LmdbStorage;

  static async start(): Promise<FakeServer> {
    const lock = await lockFolder(data, { version: '0.0.0' });
    const storage = storageIn(data);
    await storage.open(hostOf());
    await storage.recover({ onSession() {}, onQueued() {}, onRetained() {} });
    const server = new FakeServer(lock, storage);
    servers.push(server);
    return server;
  }

  private constructor(lock: FolderLock, storage: LmdbStorage) {
    this.lock = lock;
    this.storage = storage;
  }

  async stop(): Promise<void> {
    await this.storage.close();
    await this.lock.release();
  }
}

type Line = Record<string, unknown> & { readonly type: string };

function parseLines(text: string): Line[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** What is in the store, but the lines that tell when it was written. */
async function exported(folder = data): Promise<Line[]> {
  const { exitCode, stdout, stderr } = await iothub('store', 'export', '--data', folder);
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  return parseLines(stdout).slice(1, -1);
}

async function stats(folder = data): Promise<Record<string, unknown>> {
  const { stdout } = await iothub('store', 'stats', '--json', '--data', folder);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('iothub store stats', () => {
  test('says what is in a stopped store', async () => {
    await makeStore(data);
    expect(await stats()).toMatchObject({
      folder: data,
      format: 1,
      isServed: false,
      wasStoppedCleanly: true,
      sessions: 40,
      subscriptions: 40,
      queuedMessages: 800,
      inflightMessages: 0,
      retainedMessages: 40,
      wills: 0,
      fileBytes: statSync(storeFile(data)).size,
    });
    const { exitCode, stdout } = await iothub('store', 'stats', '--data', data);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/server +stopped cleanly/);
    expect(stdout).toMatch(/sessions +40, with 40 subscriptions/);
    expect(stdout).toMatch(/queued +800 messages/);
    expect(readdirSync(data).sort()).toEqual(['store.mdb', 'store.mdb-lock']);
  });

  test('says that the server did not stop cleanly', async () => {
    await makeUnclean(await makeStore(data, 2));
    expect(await stats()).toMatchObject({ wasStoppedCleanly: false, sessions: 2 });
  });

  test('works while a server runs, without disturbing it', async () => {
    await makeStore(data, 3);
    const { storage } = await FakeServer.start();
    expect(await stats()).toMatchObject({ isServed: true, wasStoppedCleanly: null, sessions: 3 });
    storage.deleteSession(1);
    await storage.commit();
    expect(await stats()).toMatchObject({ sessions: 2 });
    expect(readdirSync(data).sort()).toEqual(['lock.sock', 'store.mdb', 'store.mdb-lock']);
  });

  test('says where nothing is, with exit code 74', async () => {
    const nothing = await iothub('store', 'stats', '--data', data);
    expect(nothing.exitCode).toBe(74);
    expect(nothing.stderr).toBe(`iothub store stats: ${data} does not exist\n`);
    mkdirSync(data);
    const empty = await iothub('store', 'stats', '--data', data);
    expect(empty.exitCode).toBe(74);
    expect(empty.stderr).toContain(`there is no store in ${data}: name its folder with --data`);
  });

  test('of a damaged store says so, with exit code 1', async () => {
    damage(await makeStore(data), (bytes) => void bytes.fill(0, PAGE_BYTES * 2));
    const { exitCode, stderr } = await iothub('store', 'stats', '--data', data);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('is damaged');
    expect(stderr).toContain('nothing was changed');
  });

  test('finds another command at work, with exit code 75', async () => {
    await makeStore(data, 1);
    const lock = await lockFolder(data, { purpose: 'iothub store compact' });
    const { exitCode, stderr } = await iothub('store', 'stats', '--data', data);
    await lock.release();
    expect(exitCode).toBe(75);
    expect(stderr).toContain('is in use by "iothub store compact"');
  });
});

describe('iothub store verify', () => {
  test.each([false, true])(
    'finds nothing wrong in a sound store (served: %s)',
    async (isServed) => {
      await makeStore(data);
      if (isServed) await FakeServer.start();
      const { exitCode, stdout } = await iothub('store', 'verify', '--data', data);
      expect(stdout).toMatch(/^ok: \d{3,} records, all of them readable\n$/);
      expect(exitCode).toBe(0);
      const json = await iothub('store', 'verify', '--data', data, '--json');
      expect(json.exitCode).toBe(0);
      expect(JSON.parse(json.stdout)).toMatchObject({ outcome: 'ok', problems: [] });
    },
  );

  test('lists what is damaged, with exit code 1', async () => {
    const file = await makeStore(data);
    damage(file, (bytes) => {
      // also where an older page has it
      for (let at = bytes.indexOf('retained 7'); at > 0; at = bytes.indexOf('retained 7', at)) {
        bytes[at] ^= 1;
      }
      return undefined;
    });
    const { exitCode, stdout } = await iothub('store', 'verify', '--data', data);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(
      /^record .*kept\/7.* of the table 'retained' is damaged: .*\n1 of \d+ records damaged/,
    );
    const json = await iothub('store', 'verify', '--data', data, '--json');
    expect(json.exitCode).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({ outcome: 'flawed', problemCount: 1 });
  });

  test('says what happens to a store that is not safe to use', async () => {
    damage(await makeStore(data), (bytes) => void bytes.fill(0, PAGE_BYTES * 4));
    const { exitCode, stdout } = await iothub('store', 'verify', '--data', data);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('\ndamaged: the next start sets it aside');
    expect(existsSync(storeFile(data))).toBe(true);
    writeFileSync(storeFile(data), 'x');
    const foreign = await iothub('store', 'verify', '--data', data);
    expect(foreign.exitCode).toBe(1);
    expect(foreign.stdout).toContain('it is no LMDB file\nnot a store of IoTHub: ');
  });
});

describe('iothub store export', () => {
  test('writes everything, a line each', async () => {
    await makeStore(data, 3);
    await addInFlight(data);
    const { stdout } = await iothub('store', 'export', '--data', data);
    const lines = parseLines(stdout);
    const count = (type: string): number => lines.filter((line) => line.type === type).length;
    expect(lines[0]).toMatchObject({ type: 'store', format: 1 });
    expect(lines.at(-1)).toEqual({ type: 'end', lines: lines.length - 1 });
    expect(count('session')).toBe(3);
    expect(count('subscription')).toBe(3);
    expect(count('queued')).toBe(60);
    expect(count('retained')).toBe(3);
    expect(lines.find((line) => line.type === 'session' && line.session === 2)).toEqual({
      type: 'session',
      session: 2,
      clientId: 'client-2',
      username: null,
      groups: [],
      protocolVersion: 5,
      sessionExpiryInterval: 3_600,
      createdAt: '2023-11-14T22:13:20.000Z',
      disconnectedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      queuePolicy: null,
    });
    expect(lines.filter((line) => line.type === 'inflight')).toEqual([
      {
        type: 'inflight',
        session: 1,
        clientId: 'client-1',
        sequence: 100_001,
        packetId: 1,
        state: 'published',
        topic: 't/1',
        qos: 2,
        retain: false,
        payload: 'AP8=',
        receivedAt: expect.any(String),
        messageExpiryInterval: null,
        publisher: { clientId: 'p', username: 'u' },
        properties: { contentType: 'a', correlationData: 'AQI=', userProperties: [['k', 'v']] },
        subscriptionIdentifiers: [7, 8],
        sharedFilter: null,
      },
      {
        type: 'inflight',
        session: 1,
        clientId: 'client-1',
        sequence: 100_002,
        packetId: 2,
        state: 'released',
      },
    ]);
    expect(lines.find((line) => line.type === 'inbound')).toMatchObject({ packetIds: [77] });
    expect(lines.find((line) => line.type === 'will')).toMatchObject({
      session: 1,
      delayInterval: 5,
      topic: 'will',
      payload: 'eA==',
    });
    expect(lines.find((line) => line.topic === 'kept/3')).toMatchObject({
      type: 'retained',
      retain: true,
      payload: Buffer.from('retained 3').toString('base64'),
      receivedAt: expect.stringContaining(new Date().toISOString().slice(0, 10)),
      publisher: null,
      properties: {},
    });
  });

  test('writes to a file that only its owner may read', async () => {
    await makeStore(data, 2);
    const file = path.join(home, 'out.ndjson');
    const outcome = await iothub('store', 'export', '--data', data, '--output', file);
    expect(outcome).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(parseLines(readFileSync(file, 'utf8')).at(-1)).toMatchObject({ type: 'end' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('says when the file cannot be written', async () => {
    await makeStore(data, 1);
    const file = path.join(home, 'no', 'out');
    const { exitCode, stderr } = await iothub('store', 'export', '--data', data, '-o', file);
    expect(exitCode).toBe(74);
    expect(stderr).toBe(`iothub store export: ${file} does not exist\n`);
  });

  test('of a running server gives what is durable now', async () => {
    await makeStore(data, 2);
    const before = await exported();
    await FakeServer.start();
    expect(await exported()).toEqual(before);
  });

  test('waits for a reader that is slow, and is quiet about one that goes away', async () => {
    await makeStore(data, 40);
    const args = [path.join(ROOT, 'dist/cli/main.js'), 'store', 'export', '--data', data];
    const slow = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    slow.stdout.on('data', (chunk: Buffer) => {
      text += String(chunk);
      slow.stdout.pause();
      setTimeout(() => slow.stdout.resume(), 30);
    });
    expect((await once(slow, 'close'))[0]).toBe(0);
    expect(parseLines(text).at(-1)).toMatchObject({ type: 'end' });
    const gone = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let complaint = '';
    gone.stderr.on('data', (chunk: Buffer) => {
      complaint += String(chunk);
    });
    gone.stdout.once('data', () => gone.stdout.destroy());
    expect((await once(gone, 'close'))[0]).toBe(1);
    expect(complaint).toBe('');
  });
});

describe('iothub store compact', () => {
  test('gives room back, and loses nothing', async () => {
    const file = await makeStore(data, 60);
    const storage = storageIn(path.dirname(file));
    await storage.open(hostOf());
    await storage.recover({ onSession() {}, onQueued() {}, onRetained() {} });
    for (let number = 11; number <= 60; number++) storage.deleteSession(number);
    await storage.commit();
    await storage.close();
    const before = await exported();
    const { size } = statSync(file);
    const { exitCode, stdout } = await iothub('store', 'compact', '--data', data);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^compacted from .* to .*\n$/);
    expect(statSync(file).size).toBeLessThan(size);
    expect(statSync(file).mode & 0o077).toBe(0);
    expect(await exported()).toEqual(before);
    expect(await stats()).toMatchObject({ wasStoppedCleanly: true });
    expect(readdirSync(data).filter((name) => !name.endsWith('-lock'))).toEqual(['store.mdb']);
  });

  test('refuses while a server runs, with exit code 75', async () => {
    await makeStore(data, 1);
    await FakeServer.start();
    const { exitCode, stderr } = await iothub('store', 'compact', '--data', data);
    expect(exitCode).toBe(75);
    expect(stderr).toContain(`is in use by a server (pid ${process.pid}): stop it first`);
  });
});

describe('iothub store backup and restore', () => {
  test('bring a stopped store back as it was', async () => {
    await makeStore(data, 5);
    const before = await exported();
    const copy = path.join(home, 'copy');
    expect(await iothub('store', 'backup', copy, '--data', data)).toMatchObject({
      exitCode: 0,
      stdout: `backed up into ${storeFile(copy)}\n`,
    });
    expect(readdirSync(copy)).toContain('store.mdb');
    const storage = storageIn(data);
    await storage.open(hostOf());
    await storage.recover({ onSession() {}, onQueued() {}, onRetained() {} });
    storage.deleteSession(3);
    await storage.commit();
    await storage.close();
    const { exitCode, stdout } = await iothub('store', 'restore', copy, '--data', data);
    expect(exitCode).toBe(0);
    const kept = /is now (.*store\.mdb\.before-restore-\d{8}T\d{6}Z)\n$/.exec(stdout)?.[1] ?? '';
    expect(existsSync(kept)).toBe(true);
    expect(await exported()).toEqual(before);
  });

  test('make a new folder for the restored one', async () => {
    await makeStore(data, 2);
    const copy = path.join(home, 'copy');
    const other = path.join(home, 'other', 'data');
    await iothub('store', 'backup', copy, '--data', data);
    const { exitCode, stdout } = await iothub('store', 'restore', copy, '--data', other);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `restored from ${copy}\n` });
    expect(await exported(other)).toEqual(await exported());
  });

  test('backup asks a running server', async () => {
    await makeStore(data, 2);
    const { lock, storage } = await FakeServer.start();
    const copy = path.join(home, 'copy');
    const asked: unknown[] = [];
    lock.onRequest('backup', async (args) => {
      asked.push(args);
      await storage.backup(String(args.folder));
    });
    expect(await iothub('store', 'backup', copy, '--data', data)).toMatchObject({ exitCode: 0 });
    expect(asked).toEqual([{ folder: copy }]);
    expect(await exported(copy)).toEqual(await exported());
  });

  test('backup of a server that cannot do it says so, with exit code 1', async () => {
    await makeStore(data, 1);
    await FakeServer.start();
    const { exitCode, stderr } = await iothub(
      'store',
      'backup',
      path.join(home, 'c'),
      '--data',
      data,
    );
    expect(exitCode).toBe(1);
    expect(stderr).toContain('does not know the request "backup"');
  });

  test('backup does not write into a folder that is not empty', async () => {
    await makeStore(data, 1);
    const { exitCode, stderr } = await iothub('store', 'backup', home, '--data', data);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${home} is not empty: name a new folder for the backup`);
  });

  test('restore refuses while a server runs, with exit code 75', async () => {
    await makeStore(data, 1);
    const copy = path.join(home, 'copy');
    await iothub('store', 'backup', copy, '--data', data);
    await FakeServer.start();
    const { exitCode, stderr } = await iothub('store', 'restore', copy, '--data', data);
    expect(exitCode).toBe(75);
    expect(stderr).toContain(`is in use by a server (pid ${process.pid}): stop it first`);
  });

  test('restore refuses a damaged backup, and changes nothing', async () => {
    await makeStore(data, 2);
    const before = await exported();
    const copy = path.join(home, 'copy');
    await iothub('store', 'backup', copy, '--data', data);
    damage(storeFile(copy), (bytes) => void bytes.fill(0, PAGE_BYTES * 3));
    const { exitCode, stderr } = await iothub('store', 'restore', copy, '--data', data);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`the store ${storeFile(copy)} is damaged`);
    expect(await exported()).toEqual(before);
    expect(readdirSync(data).sort()).toEqual(['store.mdb', 'store.mdb-lock']);
  });

  test('restore of what is not there says so, with exit code 74', async () => {
    await makeStore(data, 1);
    const { exitCode, stderr } = await iothub('store', 'restore', home, '--data', data);
    expect(exitCode).toBe(74);
    expect(stderr).toBe(`iothub store restore: ${path.join(home, 'store.mdb')} does not exist\n`);
  });

  test('restore replaces a damaged store, which is kept', async () => {
    await makeStore(data, 2);
    const before = await exported();
    const copy = path.join(home, 'copy');
    await iothub('store', 'backup', copy, '--data', data);
    writeFileSync(storeFile(data), 'nonsense');
    const { exitCode } = await iothub('store', 'restore', copy, '--data', data);
    expect(exitCode).toBe(0);
    expect(await exported()).toEqual(before);
  });
});

test('compact, backup, restore and purge tell programs as JSON what they did', async () => {
  await makeStore(data, 40);
  const copy = path.join(home, 'copy');
  const asked = async (...args: string[]): Promise<unknown> => {
    const { exitCode, stdout } = await iothub(...args, '--json', '--data', data);
    expect(exitCode).toBe(0);
    return JSON.parse(stdout);
  };
  expect(await asked('store', 'backup', copy)).toEqual({
    file: storeFile(copy),
    damagedRecords: 0,
  });
  expect(await asked('sessions', 'purge', '--offline-for', '30d', '--dry-run')).toMatchObject({
    isDryRun: true,
    sessions: { length: 11, 0: { clientId: 'client-30', queuedMessages: 20 } },
  });
  expect(await asked('store', 'compact')).toEqual({
    bytesBefore: expect.any(Number),
    bytesAfter: statSync(storeFile(data)).size,
  });
  expect(await asked('store', 'restore', copy)).toEqual({
    source: copy,
    former: expect.stringMatching(/store\.mdb\.before-restore-/),
    damagedRecords: 0,
  });
});

describe('iothub sessions purge', () => {
  test('ends the sessions of clients that have been away so long', async () => {
    await makeStore(data, 40);
    const dry = await iothub(
      'sessions',
      'purge',
      '--offline-for',
      '30d',
      '--dry-run',
      '--data',
      data,
    );
    expect(dry.exitCode).toBe(0);
    expect(dry.stdout).toMatch(/^"client-30" {2}offline since .*Z, 20 messages queued\n/);
    expect(dry.stdout).toMatch(/\n11 sessions would be ended\n$/);
    expect(await stats()).toMatchObject({ sessions: 40, wasStoppedCleanly: true });
    const real = await iothub('sessions', 'purge', '--offline-for', '30d', '--data', data);
    expect(real.stdout).toMatch(/\n11 sessions ended\n$/);
    expect(await stats()).toMatchObject({
      sessions: 29,
      queuedMessages: 580,
      retainedMessages: 40,
    });
    const again = await iothub('sessions', 'purge', '--offline-for', '30d', '--data', data);
    expect(again.stdout).toBe('0 sessions ended\n');
  });

  test('asks a running server', async () => {
    await makeStore(data, 1);
    const { lock } = await FakeServer.start();
    const asked: unknown[] = [];
    lock.onRequest('purge', async (args) => {
      asked.push(args);
      return [
        { clientId: 'a\u001b', disconnectedAt: '2026-01-01T00:00:00.000Z', queuedMessages: 3 },
      ];
    });
    const { stdout } = await iothub('sessions', 'purge', '--offline-for', '1h', '--data', data);
    expect(asked).toEqual([{ offlineForMs: 3_600_000, isDryRun: false }]);
    expect(stdout).toBe(
      '"a\\u001b"  offline since 2026-01-01T00:00:00.000Z, 3 messages queued\n1 session ended\n',
    );
  });
});
