// Logins of the users of the database. What a stranger could learn of who exists is shown by counting derivations.

import { describe, expect, test } from 'vitest';
import type { Accepted, AuthStep, Client, Decision } from '../../../src/auth/auth.ts';
import { CredentialCache } from '../../../src/auth/passwords/credentials.ts';
import type { HasherOptions } from '../../../src/auth/passwords/hasher.ts';
import {
  UsersAuthenticator,
  type UsersAuthenticatorOptions,
} from '../../../src/auth/users/users-authenticator.ts';
import { ScramClient } from '../../kit/scram-client.ts';
import { loadUsers, type MemoryTable, tableOf, userRecord } from '../../kit/users.ts';
import { bytes, request, testHasher } from '../passwords/fixture.ts';

const WRONG = { reasonCode: 0x86, reasonString: 'the user name or the password is wrong' };
const TTL_MS = 60_000;

function users(): MemoryTable {
  const table = tableOf(
    userRecord('alice', 'pencil', { groups: ['plant', 'ops'] }),
    userRecord('bob', 'crayon', { isDisabled: true }),
    userRecord('raw', 'chalk', { scram: null }),
  );
  table.entries.set('user/eve', Buffer.from('{"format":2}'));
  return table;
}

async function start(
  options: Partial<UsersAuthenticatorOptions> = {},
  hasherOptions: HasherOptions = {},
) {
  const hasher = testHasher(hasherOptions);
  const loaded = await loadUsers(users(), { hasher });
  const { clock, database } = loaded;
  const cache = new CredentialCache({ clock, ttlMs: TTL_MS, entriesMax: 100 });
  const authenticator = new UsersAuthenticator({
    name: 'users',
    database,
    hasher,
    cache,
    ...options,
  });
  /** The decision about a login, and how many derivations it took. */
  const login = async (username: string | null, password: string | null, more = {}) => {
    const before = hasher.derivations;
    const decision = await authenticator.authenticate(request(username, password, more));
    return { decision, derivations: hasher.derivations - before };
  };
  return { ...loaded, authenticator, cache, login };
}

/** What both steps of a SCRAM login come to. */
async function scram(
  authenticator: UsersAuthenticator,
  username: string,
  password: string,
): Promise<AuthStep> {
  const client = new ScramClient(username, password);
  const exchange = authenticator.begin('SCRAM-SHA-256', request(null, null), null);
  if (exchange === null) throw new Error('SCRAM is not offered');
  const first = await exchange.step(bytes(client.first));
  if (!('data' in first)) return first;
  return exchange.step(bytes(client.final(Buffer.from(first.data ?? []).toString())));
}

describe('a password', () => {
  test('that is right lets its user in, with the groups', async () => {
    const { login } = await start();
    const { decision } = await login('alice', 'pencil');
    expect(decision).toMatchObject({ reasonCode: 0, username: 'alice', groups: ['plant', 'ops'] });
  });

  test('that is right lets its user stay, in the groups of now, until it changes', async () => {
    const { authenticator, database, login } = await start();
    const { decision } = await login('alice', 'pencil');
    const { credential } = decision as Accepted;
    const client: Client = {
      clientId: 'c',
      username: 'alice',
      groups: ['plant', 'ops'],
      credential,
      protocolVersion: 5,
      remoteAddress: '',
    };
    await database.setGroups('alice', ['plant']);
    expect(authenticator.review(client)).toEqual({ ...client, groups: ['plant'] });
    await database.disable('alice');
    expect(authenticator.review(client)).toBeNull();
    await database.enable('alice');
    expect(authenticator.review(client)).not.toBeNull();
    await database.setPassword('alice', Buffer.from('pencil'), true);
    expect(authenticator.review(client)).toBeNull();
    expect(authenticator.review(client, true)).toEqual({ ...client, groups: ['plant'] }); // away
    await database.disable('alice');
    expect(authenticator.review(client, true)).toBeNull();
    await database.remove('alice');
    expect(authenticator.review(client)).toBeNull();
  });

  test('that is wrong costs as much as a user who does not exist, and is told the same by a chain', async () => {
    const { login } = await start();
    const wrong = { ...WRONG, detail: 'the password is wrong' };
    expect(await login('alice', 'pencil2')).toEqual({ decision: wrong, derivations: 1 });
    expect(await login('nobody', 'pencil')).toEqual({ decision: 'next', derivations: 1 });
  });

  test('of a user who is disabled, or whose record cannot be read, is refused and not passed on', async () => {
    const { login } = await start();
    expect(await login('bob', 'crayon')).toEqual({
      decision: { ...WRONG, detail: 'the user is disabled' },
      derivations: 1,
    });
    expect(await login('eve', 'x')).toEqual({
      decision: { ...WRONG, detail: 'the record of the user "eve" cannot be read' },
      derivations: 1,
    });
  });

  test.each([
    ['', 'is empty'],
    ['pencil\0', 'holds a NUL'],
    ['x'.repeat(4_097), 'has more than 4096 bytes'],
  ])('that nobody can have is not hashed, for whichever name: %#', async (password, problem) => {
    const { login } = await start();
    const decision = { ...WRONG, detail: `the password ${problem}` };
    expect(await login('alice', password)).toEqual({ decision, derivations: 0 });
    expect(await login('eve', password)).toEqual({ decision, derivations: 0 });
    expect(await login('nobody', password)).toEqual({ decision: 'next', derivations: 0 });
  });

  test('that is not there, or no user name, is the next one’s', async () => {
    const { login } = await start();
    for (const [username, password] of [
      [null, null],
      ['alice', null],
      [null, 'pencil'],
      ['', 'pencil'],
    ] as const) {
      expect(await login(username, password)).toEqual({ decision: 'next', derivations: 0 });
    }
  });

  test('names are compared as they are: what SASLprep makes equal is another user here', async () => {
    const { login } = await start();
    for (const name of ['Alice', 'alice ', 'al\u00adice', 'ａlice', '__proto__', 'user/alice']) {
      expect((await login(name, 'pencil')).decision).toBe('next');
    }
  });

  test('costs nothing more where there are no users at all', async () => {
    const { authenticator, hasher, database } = await start();
    for (const { username } of database.list()) await database.remove(username);
    expect(await authenticator.authenticate(request('alice', 'pencil'))).toBe('next');
    expect(hasher.derivations).toBe(0);
  });
});

describe('the cache', () => {
  test('spares a derivation for a while, for the right password only', async () => {
    const { login, clock } = await start();
    expect(await login('alice', 'pencil')).toMatchObject({ derivations: 1 });
    expect(await login('alice', 'pencil')).toMatchObject({
      decision: { username: 'alice', groups: ['plant', 'ops'] },
      derivations: 0,
    });
    expect(await login('alice', 'pen')).toMatchObject({ decision: WRONG, derivations: 1 });
    clock.advance(TTL_MS);
    expect(await login('alice', 'pencil')).toMatchObject({ derivations: 1 });
  });

  test('is of no use once the user is disabled, removed or has another password', async () => {
    const { login, database } = await start();
    await login('alice', 'pencil');
    await database.disable('alice');
    expect((await login('alice', 'pencil')).decision).toMatchObject(WRONG);
    await database.enable('alice');
    expect(await login('alice', 'pencil')).toMatchObject({ derivations: 0 });
    await database.setPassword('alice', bytes('new'), true);
    expect((await login('alice', 'pencil')).decision).toMatchObject(WRONG);
    expect((await login('alice', 'new')).decision).toMatchObject({ reasonCode: 0 });
    await database.remove('alice');
    expect((await login('alice', 'new')).decision).toBe('next');
  });

  test('has the groups of now', async () => {
    const { login, database } = await start();
    await login('alice', 'pencil');
    await database.setGroups('alice', ['office']);
    const { decision, derivations } = await login('alice', 'pencil');
    expect(decision).toMatchObject({ groups: ['office'] });
    expect(derivations).toBe(0);
  });

  test('may be left out', async () => {
    const { login } = await start({ cache: null });
    await login('alice', 'pencil');
    expect(await login('alice', 'pencil')).toMatchObject({
      decision: { username: 'alice' },
      derivations: 1,
    });
  });
});

describe('while a password is hashed', () => {
  test.each([
    ['disabled', 'the user is disabled'],
    ['removed', 'the user was removed meanwhile'],
    ['password', 'the password changed meanwhile'],
  ])('the user may change (%s): then it is not let in', async (what, detail) => {
    const { authenticator, database } = await start();
    const decided = authenticator.authenticate(request('alice', 'pencil'));
    if (what === 'disabled') await database.disable('alice');
    else if (what === 'removed') await database.remove('alice');
    else {
      const user = database.find('alice');
      // As if it had been set, and at once: the hash is the same in every byte, but another one.
      if (user !== null) Object.assign(user, { hash: { ...user.hash } });
    }
    expect(await decided).toEqual({ ...WRONG, detail });
  });

  test('the client may go: then it is not hashed', async () => {
    const { login } = await start();
    for (const name of ['alice', 'nobody']) {
      const { decision, derivations } = await login(name, 'pencil', { isGone: true });
      expect(decision).toMatchObject({ reasonCode: 0x88 });
      expect(derivations).toBe(0);
    }
  });

  test('others may wait: past the queue’s end a client is told that the server is busy', async () => {
    const { authenticator } = await start({}, { queueMax: 1 });
    const decisions = await Promise.all<Decision>(
      ['alice', 'nobody', 'alice', 'nobody', 'eve'].map(async (name) =>
        authenticator.authenticate(request(name, 'pen')),
      ),
    );
    const busy = { reasonCode: 0x89, detail: 'too many passwords wait to be hashed' };
    expect(decisions.slice(2)).toEqual([busy, busy, busy]);
  });

  test('the hasher may end: then the server is unavailable, to known and unknown users', async () => {
    const { login, hasher } = await start();
    await hasher.close();
    for (const name of ['alice', 'nobody', 'eve']) {
      expect((await login(name, 'pencil')).decision).toMatchObject({ reasonCode: 0x88 });
    }
  });
});

describe('SCRAM-SHA-256', () => {
  test('lets a user in who proves the password, with the groups, and derives nothing', async () => {
    const { authenticator, hasher } = await start();
    expect(await scram(authenticator, 'alice', 'pencil')).toMatchObject({
      reasonCode: 0,
      username: 'alice',
      groups: ['plant', 'ops'],
    });
    expect(hasher.derivations).toBe(0);
  });

  test('refuses everybody else in the same words; the log knows why', async () => {
    const { authenticator } = await start();
    for (const [username, password, detail] of [
      ['alice', 'pen', 'wrong password of "alice"'],
      ['nobody', 'pencil', 'there is no user "nobody"'],
      ['bob', 'crayon', 'the user "bob" is disabled'],
      ['eve', 'x', 'the record of the user "eve" cannot be read'],
      ['raw', 'chalk', 'the password of the user "raw" cannot be used with SCRAM'],
    ] as const) {
      const about = username;
      expect(await scram(authenticator, username, password)).toEqual({ ...WRONG, about, detail });
    }
  });

  test('shows the same salt and rounds of a user before and after it is disabled', async () => {
    const { authenticator, database } = await start({ nonce: () => 'n' });
    const shown = async () => {
      const exchange = authenticator.begin('SCRAM-SHA-256', request(null, null), null);
      return exchange?.step(bytes(new ScramClient('alice', '').first));
    };
    const before = await shown();
    expect(before).toMatchObject({ reasonCode: 0x18 });
    await database.disable('alice');
    expect(await shown()).toEqual(before);
  });

  test.each([
    ['disabled', 'is disabled'],
    ['removed', 'there is no user'],
    ['password', 'changed meanwhile'],
  ])('refuses a user who was changed since the first message: %s', async (what, detail) => {
    const { authenticator, database } = await start();
    const client = new ScramClient('alice', 'pencil');
    const exchange = authenticator.begin('SCRAM-SHA-256', request(null, null), null);
    const first = await exchange?.step(bytes(client.first));
    if (what === 'disabled') await database.disable('alice');
    else if (what === 'removed') await database.remove('alice');
    else await database.setPassword('alice', bytes('new'), true);
    const data = first !== undefined && 'data' in first ? first.data : null;
    const final = bytes(client.final(Buffer.from(data ?? []).toString()));
    expect(await exchange?.step(final)).toEqual({
      ...WRONG,
      about: 'alice',
      detail: expect.stringContaining(detail),
    });
  });

  test('takes the password that was set, prepared as RFC 4013 says', async () => {
    const { authenticator, database } = await start();
    await database.add('größe', bytes('I\u00adX ﬁ'), { isMachine: true });
    const client = await scram(authenticator, 'größe', 'IX fi');
    expect(client).toMatchObject({ reasonCode: 0, username: 'größe' });
  });

  test('is the only method, and can be switched off', async () => {
    const { authenticator } = await start();
    for (const method of ['SCRAM-SHA-1', 'SCRAM-SHA-256-PLUS', 'scram-sha-256', '', 'PLAIN']) {
      expect(authenticator.begin(method, request(null, null), null)).toBeNull();
    }
    const without = (await start({ scram: false })).authenticator;
    expect(without.begin('SCRAM-SHA-256', request(null, null), null)).toBeNull();
  });

  test('does not mind an empty user name in CONNECT, as if there were none', async () => {
    const { authenticator } = await start();
    const exchange = authenticator.begin('SCRAM-SHA-256', request('', null), null);
    const step = await exchange?.step(bytes(new ScramClient('alice', 'pencil').first));
    expect(step).toMatchObject({ reasonCode: 0x18 });
  });
});

test('it waits as long as the queue of its hasher does', async () => {
  expect((await start()).authenticator.endsByItself).toBe(true);
});
