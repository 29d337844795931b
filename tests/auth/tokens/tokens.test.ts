// The tokens of the admin API: what is kept of them, for whom they are, when they end.

import { describe, expect, test } from 'vitest';
import { TokenPenalties } from '../../../src/auth/tokens/penalties.ts';
import { decodeToken, encodeToken, hashOf, isSecret } from '../../../src/auth/tokens/token.ts';
import { TOKENS_MAX, Tokens, type TokenTable } from '../../../src/auth/tokens/tokens.ts';
import { FakeClock } from '../../../src/lib/clock.ts';

/** A table of the store that remembers. */
class Table implements TokenTable {
  readonly entries = new Map<string, Uint8Array>();
  isFailing = false;

  async load() {
    return [...this.entries].map(([key, value]) => ({ key, value }));
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    if (this.isFailing) throw new Error('the store cannot be written');
    this.entries.set(key, value);
  }

  async remove(key: string): Promise<void> {
    if (this.isFailing) throw new Error('the store cannot be written');
    this.entries.delete(key);
  }
}

const CI = { name: 'ci', role: 'viewer', origin: 'cli', expiresInMs: null } as const;

async function loaded(table: Table | null, clock = new FakeClock()): Promise<Tokens> {
  const tokens = new Tokens(clock);
  expect(await tokens.load(table)).toEqual([]);
  return tokens;
}

describe('a token', () => {
  test('is known by its secret, of which the store holds only a hash', async () => {
    const table = new Table();
    const tokens = await loaded(table);
    const { token, secret } = await tokens.add(CI);
    expect(isSecret(secret)).toBe(true);
    expect(tokens.find(secret)).toEqual(token);
    expect(tokens.find(`${secret}x`)).toBeNull();
    expect(tokens.find(token.hash)).toBeNull();
    const stored = Buffer.concat([...table.entries.values()]).toString();
    expect(stored).not.toContain(secret.slice('iothub_'.length));
    expect((await loaded(table)).find(secret)).toEqual(token);
  });

  test('is another one each time', async () => {
    const tokens = await loaded(null);
    const { secret } = await tokens.add(CI);
    const other = await tokens.add({ ...CI, name: 'cd' });
    expect(other.secret).not.toBe(secret);
    expect(tokens.find(secret)?.name).toBe('ci');
    expect(tokens.find(other.secret)?.name).toBe('cd');
  });

  test('ends when its time is over, and then its name is free', async () => {
    const clock = new FakeClock();
    const tokens = await loaded(new Table(), clock);
    const { secret } = await tokens.add({ ...CI, expiresInMs: 1_000 });
    clock.advance(999);
    expect(tokens.find(secret)?.name).toBe('ci');
    await expect(tokens.add(CI)).rejects.toMatchObject({ problem: 'exists' });
    clock.advance(1);
    expect([tokens.find(secret), tokens.list()]).toEqual([null, []]);
    const again = await tokens.add(CI);
    expect([tokens.find(secret), tokens.find(again.secret)?.name]).toEqual([null, 'ci']);
  });

  test('ends when it is removed, also in the store', async () => {
    const table = new Table();
    const tokens = await loaded(table);
    const { token, secret } = await tokens.add(CI);
    expect(await tokens.remove('ci')).toEqual(token);
    expect([tokens.find(secret), await tokens.remove('ci'), table.entries.size]).toEqual([
      ...[null, null, 0],
    ]);
  });

  test('counts, and ends, only when that is durable', async () => {
    const table = new Table();
    const tokens = await loaded(table);
    const { secret } = await tokens.add(CI);
    table.isFailing = true;
    await expect(tokens.add({ ...CI, name: 'cd' })).rejects.toThrow('cannot be written');
    await expect(tokens.remove('ci')).rejects.toThrow('cannot be written');
    expect(tokens.list().map(({ name }) => name)).toEqual(['ci']);
    expect(tokens.find(secret)?.name).toBe('ci');
  });

  test.each(['', '-x', 'a b', 'ü', 'x'.repeat(65), 'a/b'])('is not called "%s"', async (name) => {
    const tokens = await loaded(null);
    await expect(tokens.add({ ...CI, name })).rejects.toMatchObject({ problem: 'invalid' });
  });

  test('of a file is of role admin, and not stored', async () => {
    const table = new Table();
    const tokens = await loaded(table);
    tokens.lend('token_file', 'a-secret-of-somebody-elses-making');
    expect(tokens.find('a-secret-of-somebody-elses-making')).toMatchObject({ role: 'admin' });
    expect([await tokens.remove('token_file'), table.entries.size]).toEqual([null, 0]);
  });
});

test('there are so many tokens at most', async () => {
  const tokens = await loaded(null);
  for (let i = 0; i < TOKENS_MAX; i++) await tokens.add({ ...CI, name: `t${i}` });
  await expect(tokens.add(CI)).rejects.toMatchObject({ problem: 'full' });
  await tokens.remove('t7');
  await expect(tokens.add(CI)).resolves.toMatchObject({ token: { name: 'ci' } });
});

test('that there has been a first token is remembered', async () => {
  const table = new Table();
  const tokens = await loaded(table);
  expect(tokens.hasBegun).toBe(false);
  await tokens.begin();
  expect([tokens.hasBegun, (await loaded(table)).hasBegun]).toEqual([true, true]);
});

describe('what is stored', () => {
  const token = { ...CI, createdAtMs: 1, expiresAtMs: null, hash: hashOf('x') };
  const { expiresInMs: _, ...stored } = token;

  test('is read as it was written', () => {
    expect(decodeToken(encodeToken(stored))).toEqual(stored);
  });

  test.each([
    ['no JSON', '{'],
    ['no object', '1'],
    ['a later version', JSON.stringify({ version: 2, ...stored })],
    ['another role', JSON.stringify({ version: 1, ...stored, role: 'root' })],
    ['no hash', JSON.stringify({ version: 1, ...stored, hash: '' })],
    ['no time', JSON.stringify({ version: 1, ...stored, expiresAtMs: 'never' })],
  ])('and is %s lets nobody in, and is told', async (_what, text) => {
    const table = new Table();
    table.entries.set('token:ci', Buffer.from(text));
    const tokens = new Tokens(new FakeClock());
    expect(await tokens.load(table)).toHaveLength(1);
    expect(tokens.list()).toEqual([]);
  });
});

describe('wrong tokens', () => {
  test('of one address bring it a penalty for a while, and no other', () => {
    const clock = new FakeClock();
    const penalties = new TokenPenalties(clock, { failuresMax: 3 });
    const told = [1, 2, 3].map(() => penalties.onWrong('192.0.2.1'));
    expect(told).toEqual([false, false, true]);
    expect([penalties.has('192.0.2.1'), penalties.has('192.0.2.2')]).toEqual([true, false]);
    clock.advance(penalties.penaltyMs);
    expect(penalties.has('192.0.2.1')).toBe(false);
  });

  test('of an IPv6 client count for its whole /64', () => {
    const penalties = new TokenPenalties(new FakeClock(), { failuresMax: 1 });
    penalties.onWrong('2001:db8::1');
    expect(penalties.has('2001:db8::2')).toBe(true);
    expect(penalties.has('2001:db8:0:1::1')).toBe(false);
  });
});
