// Bans: whom they are about, when they end, how they are stored, and what is wrong with one that cannot be.

import { expect, test } from 'vitest';
import type { BanKind, BanRequest } from '../../../src/auth/guard/ban.ts';
import { bannedAmong, decodeBan, encodeBan } from '../../../src/auth/guard/ban.ts';
import { BANS_MAX, Bans, GLOB_BANS_MAX } from '../../../src/auth/guard/bans.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { ReasonCode } from '../../../src/protocol/reason-code.ts';
import { FakeTable, Guarded, MINUTE, request } from './kit.ts';

const BANNED = ReasonCode.Banned;

async function make(table: FakeTable | null = new FakeTable()) {
  const clock = new FakeClock();
  const bans = new Bans(clock);
  await bans.load(table);
  return { clock, table, bans };
}

test('a ban of an address is about it alone, and has one spelling', async () => {
  const { bans } = await make();
  const ban = await bans.add({ kind: 'address', pattern: '2001:DB8:0::7' });
  expect(ban.pattern).toBe('2001:db8::7');
  expect(bans.isAddressBanned('2001:db8::7')).toBe(true);
  expect(bans.isAddressBanned('2001:db8::8')).toBe(false);
  expect(bans.isAddressBanned('')).toBe(false);
});

const SPELLINGS = [
  ['192.0.2.1/32', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
  ['FD00::/8', 'fd00::/8'],
  ['2001:db8::1/128', '2001:db8::1'],
  ['0.0.0.0/0', '0.0.0.0/0'],
] as const;

test.each(SPELLINGS)('%s is %s', async (pattern, spelling) => {
  const { bans } = await make();
  expect((await bans.add({ kind: 'address', pattern })).pattern).toBe(spelling);
  expect(bans.list()).toHaveLength(1);
  expect(await bans.remove('address', pattern)).toBe(true);
  expect(bans.list()).toEqual([]);
});

test('a ban of a range is about all in it', async () => {
  const { bans } = await make();
  await bans.add({ kind: 'address', pattern: '10.0.0.0/8', reason: 'test' });
  await bans.add({ kind: 'address', pattern: '10.1.0.0/16', reason: 'inside' });
  expect(bans.isAddressBanned('10.255.0.1')).toBe(true);
  expect(bans.isAddressBanned('11.0.0.1')).toBe(false);
  await bans.remove('address', '10.0.0.0/8');
  expect(bans.isAddressBanned('10.255.0.1')).toBe(false);
  expect(bans.findAddress('10.1.2.3')).toMatchObject({ reason: 'inside' });
});

test('names are themselves, or patterns', async () => {
  const { bans } = await make();
  await bans.add({ kind: 'username', pattern: 'bob' });
  await bans.add({ kind: 'client_id', pattern: 'bad-*' });
  expect(bans.findUsername('bob')).toMatchObject({ pattern: 'bob' });
  expect(bans.findUsername('bobby')).toBeNull();
  expect(bans.findUsername('bad-1')).toBeNull();
  expect(bans.findClientId('bad-1')).toMatchObject({ pattern: 'bad-*' });
  expect(bans.findClientId('good-1')).toBeNull();
});

test('a ban ends when its time is up, at once, and is swept out of the table later', async () => {
  const { bans, clock, table } = await make();
  await bans.add({ kind: 'username', pattern: 'bob', durationMs: MINUTE });
  await bans.add({ kind: 'address', pattern: '192.0.2.1', durationMs: 2 * MINUTE });
  await bans.add({ kind: 'username', pattern: 'eve' });
  clock.advance(MINUTE - 1);
  expect(bans.findUsername('bob')).not.toBeNull();
  clock.advance(1);
  expect(bans.findUsername('bob')).toBeNull();
  expect(bans.isAddressBanned('192.0.2.1')).toBe(true);
  expect(bans.list().map(({ pattern }) => pattern)).toEqual(['192.0.2.1', 'eve']);
  expect(table?.entries.size).toBe(3);
  await bans.sweep();
  expect(table?.entries.size).toBe(2);
  clock.advance(MINUTE);
  expect(bans.isAddressBanned('192.0.2.1')).toBe(false);
  expect(await bans.remove('address', '192.0.2.1')).toBe(false);
});

test('the same again makes the ban anew', async () => {
  const { bans, clock } = await make();
  await bans.add({ kind: 'username', pattern: 'bob', reason: 'a', durationMs: MINUTE });
  await bans.add({ kind: 'username', pattern: 'bob', reason: 'b', origin: 'cli' });
  clock.advance(MINUTE);
  expect(bans.list()).toEqual([
    {
      kind: 'username',
      pattern: 'bob',
      reason: 'b',
      origin: 'cli',
      createdAtMs: 1_700_000_000_000,
      expiresAtMs: null,
    },
  ]);
});

test('bans are there again after a restart, with the rest of their time', async () => {
  const { bans, clock, table } = await make();
  await bans.add({ kind: 'username', pattern: 'bob', durationMs: MINUTE });
  await bans.add({ kind: 'client_id', pattern: 'ü*', reason: 'why', origin: 'api' });
  clock.advance(30_000);
  const again = new Bans(clock);
  await again.load(table);
  expect(again.list()).toEqual(bans.list());
  clock.advance(30_000);
  expect(again.findUsername('bob')).toBeNull();
  expect(again.findClientId('über')).toMatchObject({ reason: 'why', origin: 'api' });
});

test('it is stored as JSON with a version', async () => {
  const { bans, table } = await make();
  await bans.add({ kind: 'username', pattern: 'bob', reason: 'r', origin: 'o', durationMs: 1_000 });
  expect(
    [...(table?.entries ?? [])].map(([key, value]) => [key, Buffer.from(value).toString()]),
  ).toEqual([
    [
      'username:bob',
      '{"version":1,"kind":"username","pattern":"bob","reason":"r","origin":"o","createdAtMs":1700000000000,"expiresAtMs":1700000001000}',
    ],
  ]);
});

test('what cannot be stored is said, and has no effect', async () => {
  const { bans, table } = await make();
  await bans.add({ kind: 'username', pattern: 'bob' });
  if (table !== null) table.isBroken = true;
  await expect(bans.add({ kind: 'username', pattern: 'eve' })).rejects.toThrow('the disk is full');
  await expect(bans.remove('username', 'bob')).rejects.toThrow('the disk is full');
  expect(bans.list().map(({ pattern }) => pattern)).toEqual(['bob']);
  if (table !== null) table.isBroken = false;
  expect(await bans.remove('username', 'bob')).toBe(true);
});

test('changes that come together are made one after the other', async () => {
  const { bans, table } = await make();
  const pattern = 'bob';
  await Promise.all([
    bans.add({ kind: 'username', pattern }),
    bans.remove('username', pattern),
    bans.add({ kind: 'username', pattern, reason: 'last' }),
  ]);
  expect(bans.list()).toMatchObject([{ reason: 'last' }]);
  expect(table?.entries.size).toBe(1);
});

const WRONG: [BanRequest, string][] = [
  [{ kind: 'address', pattern: '192.0.2' }, '"192.0.2" is no address range'],
  [{ kind: 'address', pattern: '10.0.0.1/8' }, 'write 10.0.0.0/8 for the range'],
  [{ kind: 'address', pattern: 'private' }, '"private" is a name of ranges'],
  [{ kind: 'address', pattern: 'unix' }, '"unix" is a name of ranges'],
  [{ kind: 'username', pattern: '' }, 'needs a name'],
  [{ kind: 'client_id', pattern: 'x'.repeat(1_001) }, '1000 bytes at most, not 1001'],
  [{ kind: 'username', pattern: 'bob', durationMs: 0 }, 'a positive time, not for 0 ms'],
  [{ kind: 'username', pattern: 'bob', durationMs: Number.NaN }, 'a positive time, not for NaN'],
  [{ kind: 'username', pattern: 'bob', reason: 'x'.repeat(1_001) }, '1000 characters at most'],
  [{ kind: 'ip' as BanKind, pattern: '192.0.2.1' }, 'one of address, username, client_id'],
];

test.each(WRONG)('%j is refused: %s', async (ban, problem) => {
  const { bans, table } = await make();
  await expect(bans.add(ban)).rejects.toThrow(problem);
  expect(table?.entries.size).toBe(0);
});

test('what cannot be read keeps the server from starting, and all of it is told', async () => {
  const { bans, table } = await make();
  const put = (key: string, text: string) => table?.entries.set(key, Buffer.from(text));
  put('a', 'nonsense');
  put('b', '{"version":2,"kind":"username","pattern":"bob"}');
  put('c', '{"version":1,"kind":"username","pattern":"bob"}');
  put('d', '[]');
  await expect(bans.load(table)).rejects.toThrow(
    [
      'the stored ban "a" cannot be read: it is not JSON',
      'the stored ban "b" cannot be read: it has version 2, and this server reads version 1: was it written by a later one?',
      'the stored ban "c" cannot be read: fields are missing, or have values that no ban has',
      'the stored ban "d" cannot be read: it has version undefined, and this server reads version 1: was it written by a later one?',
    ].join('\n'),
  );
});

test('every field of a stored ban is looked at', () => {
  const ban = {
    kind: 'username',
    pattern: 'bob',
    reason: '',
    origin: '',
    createdAtMs: 1,
    expiresAtMs: null,
  } as const;
  expect(decodeBan(encodeBan(ban))).toEqual(ban);
  const wrong = {
    kind: 'ip',
    pattern: '',
    reason: 1,
    origin: null,
    createdAtMs: '1',
    expiresAtMs: 'x',
  };
  for (const [name, value] of Object.entries(wrong)) {
    const text = JSON.stringify({ version: 1, ...ban, [name]: value });
    expect(decodeBan(Buffer.from(text)), name).toContain('fields are missing');
  }
});

test('there are so many bans at most, and of patterns fewer', async () => {
  const { bans } = await make(null);
  for (let i = 0; i < GLOB_BANS_MAX; i++) await bans.add({ kind: 'username', pattern: `u${i}-*` });
  await expect(bans.add({ kind: 'client_id', pattern: 'c*' })).rejects.toThrow(
    '1000 bans with a *',
  );
  for (let i = bans.size; i < BANS_MAX; i++) await bans.add({ kind: 'username', pattern: `u${i}` });
  await expect(bans.add({ kind: 'username', pattern: 'one' })).rejects.toThrow('10000 bans');
  expect(await bans.add({ kind: 'username', pattern: 'u5000', reason: 'again' })).toBeTruthy();
});

test('it is told which of the connected clients a ban is about', () => {
  const client = (clientId: string, username: string | null, remoteAddress: string) => ({
    clientId,
    username,
    remoteAddress,
  });
  const clients = [
    client('a', 'bob', '192.0.2.1'),
    client('b', null, '192.0.2.9'),
    client('ab', 'alice', '198.51.100.1'),
  ];
  const whom = (kind: BanKind, pattern: string) =>
    bannedAmong(
      { kind, pattern, reason: '', origin: '', createdAtMs: 0, expiresAtMs: null },
      clients,
    ).map(({ clientId }) => clientId);
  expect(whom('address', '192.0.2.0/24')).toEqual(['a', 'b']);
  expect(whom('username', '*')).toEqual(['a', 'ab']);
  expect(whom('username', 'bob')).toEqual(['a']);
  expect(whom('client_id', 'a*')).toEqual(['a', 'ab']);
});

test('the guard turns the banned away with 0x8A, whatever they show, and says why only in the log', async () => {
  const table = new FakeTable();
  const guarded = await new Guarded({ table }).open();
  const { bans } = guarded.guard;
  await bans.add({ kind: 'address', pattern: '192.0.2.0/24' });
  await bans.add({ kind: 'username', pattern: 'bob', reason: 'left the company' });
  await bans.add({ kind: 'client_id', pattern: 'bad-*' });
  expect(guarded.guard.isBanned('192.0.2.1')).toBe(true);
  expect(guarded.guard.isBanned('192.0.3.1')).toBe(false);
  expect(guarded.answer('192.0.2.1', 'alice')).toBe(BANNED);
  expect(guarded.answer('192.0.3.1', 'alice')).toBe(0);
  expect(guarded.answer('192.0.3.1', 'alice', 'bad-7')).toBe(BANNED);
  expect(guarded.guard.objection(request('192.0.3.1', 'bob'))).toEqual({
    reasonCode: BANNED,
    reasonString: 'banned',
    detail: 'banned by username bob: left the company',
  });
  expect(guarded.metrics.banRefusals).toBe(3);
});

test('a banned user whose name only the authenticator finds is turned away, too', async () => {
  const guarded = await new Guarded().open();
  await guarded.guard.bans.add({ kind: 'username', pattern: 'bob' });
  const token = request('192.0.2.1', null);
  expect(guarded.guard.objection(token)).toBeNull();
  expect(guarded.guard.onAccepted(token, 'bob')?.reasonCode).toBe(BANNED);
  expect(guarded.guard.onAccepted(token, 'alice')).toBeNull();
});

test('bans that have ended leave the store by themselves; if it does not take that, it is tried again', async () => {
  const table = new FakeTable();
  const guarded = await new Guarded({ table }).open();
  await guarded.guard.bans.add({ kind: 'username', pattern: 'bob', durationMs: MINUTE });
  table.isBroken = true;
  guarded.clock.advance(MINUTE + 10_000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(table.entries.size).toBe(1);
  expect(guarded.book.lines[0]).toMatchObject({ level: 'warn' });
  table.isBroken = false;
  guarded.clock.advance(10_000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(table.entries.size).toBe(0);
});
