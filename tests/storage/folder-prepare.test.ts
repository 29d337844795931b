import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { open } from 'lmdb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ValueWriter } from '../../src/storage/lmdb/bytes.ts';
import { metaKey, seedOfName } from '../../src/storage/lmdb/layout.ts';
import type { MetaChange } from '../../src/storage/lmdb/meta.ts';
import { lockFolder } from '../../src/storage/store-folder/lock.ts';
import type { Migration } from '../../src/storage/store-folder/migrations.ts';
import {
  type PreparedFolder,
  type PrepareOptions,
  prepareFolder,
} from '../../src/storage/store-folder/prepare.ts';
import { StoreError } from '../../src/storage/store-folder/store-error.ts';
import {
  CHECK_PROGRAM,
  changeMeta,
  damage,
  hostOf,
  makeFolder,
  makeStore,
  makeUnclean,
  PAGE_BYTES,
  PREPARE,
  randomOf,
  removeFolder,
  storageIn,
  storeFile,
  usedBytes,
} from './folder-fixture.ts';

/** `IOTHUB_SEED=123 npx vitest run tests/storage` brings a random failure back. */
const SEED = Number(process.env.IOTHUB_SEED ?? Math.floor(Math.random() * 1e9));

let folder = '';
const prepared: PreparedFolder[] = [];
beforeEach(() => {
  folder = makeFolder();
});
afterEach(async () => {
  for (const each of prepared.splice(0)) await each.lock.release();
  removeFolder(folder);
});

// One store is made once, and copied: making it takes longer than looking at it.
let original: Buffer = Buffer.alloc(0);
beforeAll(async () => {
  const home = makeFolder();
  original = usedBytes(await makeStore(home));
  removeFolder(home);
});

/** The bytes of a sound store, cleanly closed. */
function useStore(): string {
  writeFileSync(storeFile(folder), original);
  return storeFile(folder);
}

async function prepare(options: Partial<PrepareOptions> = {}): Promise<PreparedFolder> {
  const one = await prepareFolder(folder, {
    isStrict: false,
    checkProgram: CHECK_PROGRAM,
    ...options,
  });
  prepared.push(one);
  return one;
}

async function refusal(options: Partial<PrepareOptions> = {}, where = folder): Promise<StoreError> {
  const full = { isStrict: false, checkProgram: CHECK_PROGRAM, ...options };
  const error = await prepareFolder(where, full).then(
    async ({ lock }) => {
      await lock.release();
      return null;
    },
    (reason: unknown) => reason,
  );
  if (!(error instanceof StoreError)) throw new Error(`no refusal but ${String(error)}`);
  return error;
}

/** Without the lock, which is there while the folder is prepared. */
function names(): string[] {
  return readdirSync(folder).filter((name) => name !== 'lock.sock');
}

/** The number of sessions that a server finds. */
async function sessionsIn(file: string): Promise<number> {
  const storage = storageIn(path.dirname(file));
  await storage.open(hostOf());
  let count = 0;
  await storage.recover({
    onSession() {
      count++;
    },
    onQueued() {},
    onRetained() {},
  });
  await storage.close();
  return count;
}

describe('a data folder', () => {
  test('is made, for its owner only, and held', async () => {
    const where = path.join(folder, 'a', 'b');
    const one = await prepareFolder(where, { isStrict: true, checkProgram: CHECK_PROGRAM });
    prepared.push(one);
    expect(one).toMatchObject({ folder: where, report: null, setAside: null, migratedFrom: null });
    expect(one.file).toBe(path.join(where, 'store.mdb'));
    expect(statSync(where).mode & 0o777).toBe(0o700);
    expect((await refusal({}, where)).problem).toBe('in-use');
  });

  test('with a store that was closed properly is looked at quickly', async () => {
    useStore();
    const { report, setAside } = await prepare();
    expect(setAside).toBeNull();
    expect(report).toMatchObject({
      outcome: 'ok',
      version: 1,
      isClean: true,
      isWhole: false,
      problemCount: 0,
    });
    expect(await sessionsIn(storeFile(folder))).toBe(40);
  });

  test('with a store that was closed properly is read whole when asked', async () => {
    useStore();
    const { report } = await prepare({ isWhole: true });
    expect(report).toMatchObject({ outcome: 'ok', isClean: true, isWhole: true });
    expect(report?.records).toBeGreaterThan(800);
  });

  test('with a store that was not closed properly is read whole', async () => {
    await makeUnclean(useStore());
    const { report } = await prepare();
    expect(report).toMatchObject({ outcome: 'ok', isClean: false, isWhole: true });
  });

  test('is left alone by the check: it is clean or unclean as before', async () => {
    useStore();
    const first = await prepare({ isWhole: true });
    await first.lock.release();
    expect((await prepare()).report).toMatchObject({ isClean: true, isWhole: false });
  });

  test('with a store that was only just begun is fine', async () => {
    const root = open(storeFile(folder), { noSubdir: true, encoding: 'binary' });
    await root.close();
    expect((await prepare()).report).toMatchObject({ outcome: 'ok', version: null });
    await prepared[0].lock.release();
    await makeStore(folder, 1);
    expect((await prepare()).report).toMatchObject({ outcome: 'ok', version: 1 });
  });

  test('loses what interrupted commands left behind', async () => {
    useStore();
    for (const suffix of ['compacting', 'restoring', 'migrating', 'compacting-lock']) {
      writeFileSync(path.join(folder, `store.mdb.${suffix}`), 'x');
    }
    await prepare();
    expect(names().sort()).toEqual(['store.mdb', 'store.mdb-lock']);
  });
});

const CHANGES: readonly [name: string, change: (bytes: Buffer) => Uint8Array | undefined][] = [
  ['empty', () => Buffer.alloc(0)],
  ['cut to a byte', (bytes) => bytes.subarray(0, 1)],
  ['cut within the first page', (bytes) => bytes.subarray(0, 2_000)],
  ['cut after the first page', (bytes) => bytes.subarray(0, PAGE_BYTES)],
  ['cut after the meta pages', (bytes) => bytes.subarray(0, 2 * PAGE_BYTES)],
  ['cut after three pages', (bytes) => bytes.subarray(0, 3 * PAGE_BYTES)],
  ['cut to half, within a page', (bytes) => bytes.subarray(0, (bytes.length >> 1) + 100)],
  ['cut to nine tenths', (bytes) => bytes.subarray(0, Math.floor(bytes.length * 0.9))],
  ['all zeros', (bytes) => Buffer.alloc(bytes.length)],
  ['zeros behind the meta pages', (bytes) => void bytes.fill(0, 2 * PAGE_BYTES)],
  ['zeros in the second half', (bytes) => void bytes.fill(0, bytes.length >> 1)],
  ['zeros in the first page', (bytes) => void bytes.fill(0, 0, PAGE_BYTES)],
  ['zeros in the second page', (bytes) => void bytes.fill(0, PAGE_BYTES, 2 * PAGE_BYTES)],
  ['zeros in both meta pages', (bytes) => void bytes.fill(0, 0, 2 * PAGE_BYTES)],
  ['random from the third page on', (bytes) => void noise(bytes, 2 * PAGE_BYTES, 1)],
  ['random all over', (bytes) => void noise(bytes, 0, 2)],
  ['0xff from the third page on', (bytes) => void bytes.fill(0xff, 2 * PAGE_BYTES)],
  ['naming a huge map', (bytes) => void bytes.writeBigUInt64LE(2n ** 60n, 40)],
  ['its two halves swapped', (bytes) => swapHalves(bytes)],
  ['text', () => Buffer.from('Dear diary, '.repeat(1_000))],
  ['a short text', () => Buffer.from('hello')],
  ['an SQLite file', () => Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(8_176)])],
];

function noise(bytes: Buffer, start: number, seed: number): void {
  const random = randomOf(seed);
  for (let i = start; i < bytes.length; i++) bytes[i] = random() * 256;
}

function swapHalves(bytes: Buffer): Buffer {
  const half = Math.floor(bytes.length / 2 / PAGE_BYTES) * PAGE_BYTES;
  return Buffer.concat([
    bytes.subarray(0, 2 * PAGE_BYTES),
    bytes.subarray(half),
    bytes.subarray(2 * PAGE_BYTES, half),
  ]);
}

describe('a store whose file is', () => {
  test.each(CHANGES)('%s is set aside, and the folder is usable', async (_name, change) => {
    damage(useStore(), change);
    const content = readFileSync(storeFile(folder));
    const { setAside, report, file, corruptFiles } = await prepare();
    expect(report).toBeNull();
    expect(setAside?.file).toMatch(/store\.mdb\.corrupt-\d{8}T\d{6}Z$/);
    expect(setAside?.message).toContain(`the store ${file} is `);
    expect(setAside?.message).toContain(setAside?.reason);
    expect(corruptFiles).toEqual([setAside?.file]);
    expect(existsSync(file)).toBe(false);
    const kept = readFileSync(setAside?.file ?? '');
    expect(kept.length).toBeGreaterThanOrEqual(content.length);
    await makeStore(folder, 1);
    expect(await sessionsIn(file)).toBe(1);
  });

  test.each(CHANGES)('%s is refused and stays where it is, when strict', async (_name, change) => {
    damage(useStore(), change);
    const { problem, message } = await refusal({ isStrict: true });
    expect(problem).toBe('unusable');
    expect(message).toContain('start without --strict-store');
    expect(names().filter((name) => !name.endsWith('-lock'))).toEqual(['store.mdb']);
    await (await lockFolder(folder)).release(); // nobody holds it
  });

  test('an LMDB database of another program is set aside as it was', async () => {
    const root = open(storeFile(folder), { noSubdir: true });
    await root.openDB({ name: 'people' }).put('anna', { age: 30 });
    await root.close();
    const content = readFileSync(storeFile(folder));
    const { setAside } = await prepare();
    expect(setAside?.reason).toBe('it is an LMDB database of another program');
    expect(readFileSync(setAside?.file ?? '').equals(content)).toBe(true);
  });

  test('a folder is set aside', async () => {
    mkdirSync(storeFile(folder));
    writeFileSync(path.join(storeFile(folder), 'x'), 'y');
    const { setAside } = await prepare();
    expect(setAside?.reason).toBe('it is a folder');
    expect(readdirSync(setAside?.file ?? '')).toEqual(['x']);
  });

  test('a FIFO is set aside, and nobody waits for it', async () => {
    execFileSync('mkfifo', [storeFile(folder)]);
    expect((await prepare()).setAside?.reason).toBe('it is not a file');
  });

  test('damaged twice in a second has two names', async () => {
    for (let i = 0; i < 3; i++) {
      writeFileSync(storeFile(folder), 'no store');
      await (await prepare()).lock.release();
    }
    expect((await prepare()).corruptFiles).toHaveLength(3);
  });
});

describe('a store with a damaged record', () => {
  function breakRecord(): string {
    const file = useStore();
    damage(file, (bytes) => {
      for (let at = bytes.indexOf('retained 7'); at > 0; at = bytes.indexOf('retained 7', at)) {
        bytes[at] ^= 1;
      }
      return undefined;
    });
    return file;
  }

  test('stays in use, and says so', async () => {
    const file = breakRecord();
    const { setAside, report, flaws } = await prepare({ isWhole: true });
    expect(setAside).toBeNull();
    expect(report).toMatchObject({ outcome: 'flawed', problemCount: 1 });
    expect(flaws).toMatch(/^1 of \d+ records read of the store .* are damaged \(record .*kept\/7/);
    expect(await sessionsIn(file)).toBe(40);
  });

  test('is refused when strict', async () => {
    breakRecord();
    const { problem, message } = await refusal({ isStrict: true, isWhole: true });
    expect(problem).toBe('unusable');
    expect(message).toContain('has damaged records (record ');
    expect(names()).toContain('store.mdb');
  });
});

describe('a server that is killed while it writes', () => {
  test.each(['always', 'relaxed'])('(level %s) leaves a store that is sound', async (level) => {
    const code = `
      const { openEnvironment } = await import(process.argv[1]);
      const { newMeta } = await import(process.argv[2]);
      const environment = openEnvironment(process.argv[3], { level: process.argv[4] });
      const { meta, tables } = environment.tables;
      await environment.write(() => { for (const { key, value } of newMeta()) void meta.put(key, value); });
      const { encodeBytes } = await import(process.argv[1].replace('environment', 'values'));
      const { seedOfName } = await import(process.argv[1].replace('environment', 'layout'));
      for (let i = 0; ; i++) {
        if (i % 10 === 0) process.stdout.write('.');
        await environment.write(() => {
          for (let k = 0; k < 50; k++) {
            const key = Buffer.from('t\\0' + ((i * 31 + k) % 700));
            if (k % 3 === 0) void tables.remove(key);
            else void tables.put(key, encodeBytes(Buffer.alloc((i * k) % 9000, i), seedOfName(key)));
          }
        });
      }`;
    const lmdb = pathToFileURL(path.resolve(PREPARE, '../../lmdb')).href;
    const args = [`${lmdb}/environment.js`, `${lmdb}/meta.js`, storeFile(folder), level];
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', code, ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      for (let i = 0; i <= round * 3; i++) await once(child.stdout, 'data');
      child.kill('SIGKILL');
      await once(child, 'exit');
      const { report, lock } = await prepare();
      expect(report).toMatchObject({ outcome: 'ok', isClean: false, isWhole: true });
      expect(report?.records).toBeGreaterThan(1);
      await lock.release();
    }
  });
});

/** Bits of a store's file that are flipped, by a seed. */
function flipBits(bytes: Buffer, seed: number, count: number): void {
  const random = randomOf(seed);
  for (let i = 0; i < count; i++) bytes[Math.floor(random() * bytes.length)] ^= 1 << (random() * 8);
}

describe('a store with some bits flipped', () => {
  test.each([1, 3, 20, 200, 2_000])(
    `(%i of them, seed ${SEED}) never kills who reads what passed`,
    async (count) => {
      for (let round = 0; round < 4; round++) {
        const where = path.join(folder, `${count}-${round}`);
        mkdirSync(where);
        const file = storeFile(where);
        const bytes = Buffer.from(original);
        flipBits(bytes, SEED + round, count);
        writeFileSync(file, bytes);
        const options = { isStrict: false, isWhole: true, checkProgram: CHECK_PROGRAM };
        const one = await prepareFolder(where, options);
        // In a process of its own: if it dies, the check has missed something.
        if (one.report !== null) expect(readIn(file)).toBe(0);
        else expect(one.setAside).not.toBeNull();
        await one.lock.release();
      }
    },
  );
});

describe('a store that was stopped properly, and has one page', () => {
  const CHANGES_OF_A_PAGE: readonly [name: string, change: (page: Buffer) => void][] = [
    ['of zeros', (page) => void page.fill(0)],
    ['of a commit that never was', (page) => void page.writeUInt8(page[12] ^ 0x40, 12)],
  ];

  test.each(CHANGES_OF_A_PAGE)(
    '%s, is set aside unless that page is free',
    async (name, change) => {
      const pages = original.length / PAGE_BYTES;
      let setAsideCount = 0;
      for (let number = 2; number < pages; number += Math.max(1, Math.floor(pages / 12))) {
        const where = path.join(folder, `${name}-${number}`);
        mkdirSync(where);
        const file = storeFile(where);
        const bytes = Buffer.from(original);
        change(bytes.subarray(number * PAGE_BYTES, (number + 1) * PAGE_BYTES));
        writeFileSync(file, bytes);
        const one = await prepareFolder(where, { isStrict: false, checkProgram: CHECK_PROGRAM });
        if (one.report === null) setAsideCount++;
        else expect(readIn(file), `page ${number}`).toBe(0);
        await one.lock.release();
      }
      expect(setAsideCount).toBeGreaterThan(3);
    },
  );
});

/** Opens the store, reads and writes it in another process; returns how that ended. */
function readIn(file: string): number | string | null {
  const code = `
    const { openEnvironment } = await import(process.argv[1]);
    const environment = openEnvironment(process.argv[2]);
    for (const table of Object.values(environment.tables)) for (const { value } of table.getRange()) value.at(-1);
    for (let i = 0; i < 20; i++) {
      await environment.write(() => { environment.tables.sessions.put(1000 + i, Buffer.alloc(5000)); environment.tables.retained.put(Buffer.from('x'), Buffer.alloc(i * 3000)); });
    }
    await environment.close();`;
  const module = pathToFileURL(path.resolve(PREPARE, '../../lmdb/environment.js')).href;
  const args = ['--input-type=module', '--eval', code, module, file];
  const { status, signal } = spawnSync(process.execPath, args, { stdio: 'ignore' });
  return signal ?? status;
}

describe('a check that does not come to an end', () => {
  const programs: string[] = [];
  /** A program that stands in for the one that checks. */
  function program(code: string): string {
    const file = path.join(folder, `program-${programs.length}.mjs`);
    programs.push(file);
    writeFileSync(file, code);
    return file;
  }

  test('in time means a damaged store', async () => {
    useStore();
    const { setAside } = await prepare({
      checkProgram: program('setInterval(() => {}, 1000);'),
      timeoutMs: 300,
    });
    expect(setAside?.reason).toContain('did not end within');
  });

  test.each(['SIGSEGV', 'SIGBUS', 'SIGABRT'])(
    'but dies by %s means a damaged store',
    async (signal) => {
      useStore();
      const checkProgram = program(
        `process.kill(process.pid, '${signal}'); setInterval(() => {}, 1000);`,
      );
      expect((await prepare({ checkProgram })).setAside?.reason).toContain(`(${signal})`);
    },
  );

  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'])(
    'because of %s says nothing about the store',
    async (signal) => {
      useStore();
      const checkProgram = program(
        `process.kill(process.pid, '${signal}'); setInterval(() => {}, 1000);`,
      );
      const { problem, message } = await refusal({ checkProgram });
      expect(problem).toBe('failed');
      expect(message).toContain(`could not be checked (it was ended by ${signal})`);
      expect(existsSync(storeFile(folder))).toBe(true);
    },
  );

  test('because the program fails says nothing about the store', async () => {
    useStore();
    const { message } = await refusal({
      checkProgram: program(`throw new Error('no memory today')`),
    });
    expect(message).toContain('could not be checked (exit code 1)');
    expect(message).toContain('no memory today');
    expect(existsSync(storeFile(folder))).toBe(true);
  });

  test('because the start is called off leaves the store alone', async () => {
    useStore();
    const controller = new AbortController();
    const checkProgram = program('setInterval(() => {}, 1000);');
    setTimeout(() => controller.abort(), 100);
    await expect(prepare({ checkProgram, signal: controller.signal })).rejects.toThrow();
    expect(existsSync(storeFile(folder))).toBe(true);
    await (await lockFolder(folder)).release();
  });
});

function formatMark(version: number): MetaChange {
  const key = metaKey('format');
  const writer = new ValueWriter();
  writer.begin(16);
  writer.varint(version);
  return { key, value: Buffer.from(writer.end(seedOfName(key))) };
}

describe('a store of another format', () => {
  test('that is newer is refused and stays where it is, strict or not', async () => {
    await changeMeta(useStore(), formatMark(2));
    for (const isStrict of [false, true]) {
      const { problem, message } = await refusal({ isStrict });
      expect(problem).toBe('newer');
      expect(message).toBe(
        `the store ${storeFile(folder)} has format version 2, and this version of IoTHub knows up to 1: start the version that wrote it, or choose another folder with --data`,
      );
    }
    expect(names()).toContain('store.mdb');
  });

  test('that is older is migrated, and stays beside the new one', async () => {
    await changeMeta(useStore(), formatMark(0));
    const before = readFileSync(storeFile(folder));
    const steps: string[] = [];
    const migration: Migration = {
      from: 0,
      async migrate(file) {
        steps.push(path.basename(file));
        await changeMeta(file, formatMark(1));
      },
    };
    const { migratedFrom, setAside } = await prepare({ migrations: [migration] });
    expect(steps).toEqual(['store.mdb.migrating']);
    expect(setAside).toBeNull();
    expect(migratedFrom?.version).toBe(0);
    expect(migratedFrom?.file).toMatch(/store\.mdb\.v0-\d{8}T\d{6}Z$/);
    expect(readFileSync(migratedFrom?.file ?? '').length).toBe(before.length);
    expect(await sessionsIn(storeFile(folder))).toBe(40);
    await prepared[0].lock.release();
    expect((await prepare()).report).toMatchObject({ outcome: 'ok', version: 1 });
  });

  test.each([
    ['fails', async () => Promise.reject(new Error('it does not fit'))],
    ['does nothing', async () => {}],
    [
      'destroys it',
      async (file: string) => damage(file, (bytes) => void bytes.fill(0, PAGE_BYTES * 3)),
    ],
  ])('whose migration %s stays as it was', async (_name, migrate) => {
    await changeMeta(useStore(), formatMark(0));
    const { problem, message } = await refusal({ migrations: [{ from: 0, migrate }] });
    expect(problem).toBe('unusable');
    expect(message).toContain(
      'could not be brought from format version 0 to 1, and was left as it is',
    );
    expect(names().filter((name) => !name.endsWith('-lock'))).toEqual(['store.mdb']);
  });

  test('that is too old is refused', async () => {
    await changeMeta(useStore(), formatMark(0));
    expect((await refusal()).message).toContain('cannot read any more');
    expect(names()).toContain('store.mdb');
  });
});

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

/** Prepares the folder in a process of this user; what it says. */
function prepareAs(uid: number, where = folder): string {
  const code = `
    const { prepareFolder } = await import(process.argv[1]);
    await prepareFolder(process.argv[2], { isStrict: false }).then(
      ({ setAside }) => console.log(setAside === null ? 'prepared' : setAside.message),
      (error) => console.log(error.problem + ': ' + error.message),
    );
    process.exit();`;
  const args = ['--input-type=module', '--eval', code, pathToFileURL(PREPARE).href, where];
  const options = isRoot ? { uid, gid: uid } : {};
  const { stdout, stderr } = spawnSync(process.execPath, args, { ...options, cwd: '/' });
  return `${stdout}${stderr}`.trimEnd();
}

describe('a folder that cannot be used', () => {
  test('because it is a file', async () => {
    const file = path.join(folder, 'file');
    writeFileSync(file, '');
    expect(await refusal({}, file)).toMatchObject({
      problem: 'unusable',
      message: `${file} is a file, not a folder: move it away, or choose another folder with --data`,
    });
  });

  test('because one above it is a file', async () => {
    const file = path.join(folder, 'file');
    writeFileSync(file, '');
    expect((await refusal({}, path.join(file, 'data'))).message).toContain(
      'is not a folder, or one of the folders above it is a file',
    );
  });

  test('because of its permissions', () => {
    useStore();
    chmodSync(folder, 0o500);
    if (isRoot) chownSync(folder, NOBODY, NOBODY);
    const said = prepareAs(NOBODY);
    expect(said).toMatch(
      /^unusable: .* may not be used by this user \(uid \d+\): change its owner or its permissions, or choose another folder with --data$/,
    );
    chmodSync(folder, 0o700);
    expect(names()).toEqual(['store.mdb']);
  });

  test.each([0o000, 0o400, 0o200])(
    'because of the permissions of the store (%i), which is not set aside',
    (mode) => {
      const file = useStore();
      chmodSync(file, mode);
      if (isRoot) {
        chownSync(folder, NOBODY, NOBODY);
        chownSync(file, NOBODY, NOBODY);
      }
      expect(prepareAs(NOBODY)).toMatch(/^unusable: .*store\.mdb may not be used by this user/);
      expect(names()).toEqual(['store.mdb']);
      chmodSync(file, 0o600);
      expect(prepareAs(NOBODY)).toBe('prepared');
    },
  );

  test('because its store is a name that leads nowhere', async () => {
    symlinkSync(path.join(folder, 'nowhere'), storeFile(folder));
    expect((await refusal()).problem).toBe('unusable');
    expect(names()).toContain('store.mdb');
  });
});

describe('a disk that', () => {
  // A file system of its own, where this user may mount one.
  let disk = '';
  let isMounted = false;
  beforeAll(() => {
    disk = makeFolder();
    const args = ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk];
    isMounted = spawnSync('mount', args).status === 0;
    if (!isMounted && process.env.CI !== undefined) throw new Error('CI must be able to mount');
  });
  afterAll(() => {
    if (isMounted) spawnSync('umount', [disk]);
    removeFolder(disk);
  });

  test('is full is told as such, and its store is not set aside', async (context) => {
    if (!isMounted) context.skip('this user may not mount');
    writeFileSync(storeFile(disk), original);
    const filler = path.join(disk, 'filler');
    const chunk = Buffer.alloc(PAGE_BYTES);
    expect(() => {
      for (;;) writeFileSync(filler, chunk, { flag: 'a' });
    }).toThrow('ENOSPC');
    expect(await refusal({}, disk)).toMatchObject({
      problem: 'unusable',
      message: `the disk of ${disk} is full: free some space, or choose another folder with --data`,
    });
    expect(readdirSync(disk).sort()).toEqual(['filler', 'store.mdb']);
  });

  test('is mounted read-only is told as such', async (context) => {
    if (!isMounted) context.skip('this user may not mount');
    spawnSync('mount', ['-o', 'remount,ro', disk]);
    expect((await refusal({}, disk)).message).toBe(
      `${disk} is on a file system that is mounted read-only: mount it writable, or choose another folder with --data`,
    );
    spawnSync('mount', ['-o', 'remount,rw', disk]);
  });
});
