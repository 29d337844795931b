// The first token of the admin API: where it is, who can read it, and that none is made twice.

import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { newSecret } from '../../src/auth/tokens/token.ts';
import { Tokens, type TokenTable } from '../../src/auth/tokens/tokens.ts';
import { makeFirstToken, TOKEN_FILE } from '../../src/cli/admin/first-token.ts';
import { tokenControl } from '../../src/cli/admin/token-control.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LogBook } from '../kit/log-book.ts';

const entries = new Map<string, Uint8Array>();
const TABLE: TokenTable = {
  load: async () => [...entries].map(([key, value]) => ({ key, value })),
  put: async (key, value) => void entries.set(key, value),
  remove: async (key) => void entries.delete(key),
};

let folder: string;
let file: string;
let log: LogBook;
let shown: string;

beforeEach(() => {
  entries.clear();
  folder = temporaryFolder();
  file = path.join(folder, TOKEN_FILE);
  log = new LogBook();
  shown = '';
});

/** What a start does. */
async function start(where: string | null = folder, isTTY = false): Promise<Tokens> {
  const tokens = new Tokens(new FakeClock());
  await tokens.load(where === null ? null : TABLE);
  const write = (text: string) => {
    shown += text;
  };
  await makeFirstToken(tokens, where, log, { isTTY, write });
  return tokens;
}

const inFile = (): string => readFileSync(file, 'utf8').trim();

describe('the first start of a data folder', () => {
  test('writes a token of role admin that only the owner can read, and the log has it not', async () => {
    const tokens = await start();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(tokens.find(inFile())).toMatchObject({ role: 'admin', origin: 'start' });
    expect(JSON.stringify(log.lines)).not.toContain(inFile());
    expect([log.lines.length, shown]).toEqual([1, '']);
  });

  test('is the only one that does', async () => {
    await start();
    const secret = inFile();
    const tokens = await start();
    expect([inFile(), tokens.list().length]).toEqual([secret, 1]);
    expect(tokens.find(secret)).not.toBeNull();
  });

  test('takes the token that is there, when the store is another one', async () => {
    await start();
    const secret = inFile();
    entries.clear();
    const tokens = await start();
    expect([inFile(), tokens.find(secret)?.role]).toEqual([secret, 'admin']);
  });

  test.each([
    ['no token', 'x'],
    ['nothing', ''],
  ])('believes no file with %s in it', async (_what, text) => {
    writeFileSync(file, text, { mode: 0o600 });
    const tokens = await start();
    expect([tokens.list(), readFileSync(file, 'utf8')]).toEqual([[], text]);
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { file } }]);
  });

  test('believes no file that others can read', async () => {
    const secret = newSecret();
    writeFileSync(file, secret);
    chmodSync(file, 0o640);
    const tokens = await start();
    expect(tokens.list()).toEqual([]);
    expect(log.lines).toMatchObject([{ level: 'warn' }]);
    expect(JSON.stringify(log.lines)).not.toContain(secret);
    chmodSync(file, 0o600);
    expect((await start()).find(secret)).not.toBeNull();
  });

  test('that cannot write the file leaves no token that nobody has', async () => {
    const tokens = await start(path.join(folder, 'none'));
    expect([tokens.list(), entries.size]).toEqual([[], 0]);
    expect(log.lines).toMatchObject([{ level: 'warn' }]);
  });

  test('makes none where somebody has made one', async () => {
    const tokens = new Tokens(new FakeClock());
    await tokens.load(TABLE);
    await tokens.add({ name: 'ci', role: 'viewer', origin: 'cli', expiresInMs: null });
    await start();
    expect(existsSync(file)).toBe(false);
  });
});

describe('a first token that is removed', () => {
  test('takes its file along, and none is made instead', async () => {
    const tokens = await start();
    expect(await tokenControl(tokens, folder).remove('first')).toBe(true);
    expect(existsSync(file)).toBe(false);
    expect((await start()).list()).toEqual([]);
    expect(existsSync(file)).toBe(false);
  });

  test('leaves a file alone that has another one', async () => {
    const tokens = await start();
    const other = newSecret();
    writeFileSync(file, other);
    await tokenControl(tokens, folder).remove('first');
    expect(inFile()).toBe(other);
  });
});

describe('without a data folder', () => {
  test('a terminal is shown one, and the log is not', async () => {
    const tokens = await start(null, true);
    const [secret = ''] = /iothub_\S+/.exec(shown) ?? [];
    expect(tokens.find(secret)).toMatchObject({ role: 'admin' });
    expect(JSON.stringify(log.lines)).not.toContain('iothub_');
  });

  test('nobody else is: there is none', async () => {
    const tokens = await start(null);
    expect([tokens.list(), shown, log.lines.length]).toEqual([[], '', 1]);
  });
});
