// A chain of several who look at passwords: what a login costs is counted, since time would tell a stranger which names there are,
// and where.

import { describe, expect, test } from 'vitest';
import type { Authenticator, Decision } from '../../src/auth/auth.ts';
import { AuthenticatorChain } from '../../src/auth/chain.ts';
import { CredentialCache } from '../../src/auth/passwords/credentials.ts';
import type { HasherOptions } from '../../src/auth/passwords/hasher.ts';
import { parsePasswordFile } from '../../src/auth/passwords/password-file.ts';
import { PasswordFileAuthenticator } from '../../src/auth/passwords/password-file-authenticator.ts';
import { formatPasswordHash } from '../../src/auth/passwords/password-hash.ts';
import { UsersAuthenticator } from '../../src/auth/users/users-authenticator.ts';
import { loadUsers, tableOf, userRecord } from '../kit/users.ts';
import { bytes, hashOf, request, testHasher, workerProgram } from './passwords/fixture.ts';

/** Lets in the user `token`, says no to `denied`, and passes on the rest; nothing is hashed for that. */
const WITHOUT_HASHES: Authenticator = {
  authenticate({ username }): Decision {
    if (username === 'token') return { reasonCode: 0, username };
    return username === 'denied' ? { reasonCode: 0x86 } : 'next';
  },
};

interface Wishes {
  readonly order?: readonly ('file' | 'users' | 'others')[];
  readonly hasher?: HasherOptions;
  /** Users of the store beside Bob. */
  readonly more?: number;
}

/** Ann is in a password file, Bob in the store. */
async function start({ order = ['file', 'users', 'others'], hasher: how, more = 0 }: Wishes = {}) {
  const hasher = testHasher(how);
  const hash = formatPasswordHash(await hashOf(testHasher(), 'opensesame'));
  const passwords = await parsePasswordFile(bytes(`ann:${hash}\n`), 'f');
  const others = Array.from({ length: more }, (_, i) => userRecord(`user-${i}`, 'x'));
  const { database } = await loadUsers(tableOf(userRecord('bob', 'hunter22'), ...others));
  const cache = new CredentialCache();
  const all = {
    file: new PasswordFileAuthenticator({ name: 'file', passwords, hasher, cache }),
    users: new UsersAuthenticator({ name: 'users', database, hasher, cache }),
    others: WITHOUT_HASHES,
  };
  const members = order.map((name) => ({ name, authenticator: all[name] }));
  const chain = new AuthenticatorChain({ members, anonymous: false });
  /** The code that a login gets, and how many derivations it took. */
  const login = async (username: string | null, password: string | null) => {
    const before = hasher.derivations;
    const decision = await chain.authenticate(request(username, password));
    const code = decision === 'next' ? decision : decision.reasonCode;
    return [code, hasher.derivations - before];
  };
  return { login, database };
}

describe.each([
  [['file', 'users', 'others']],
  [['users', 'file', 'others']],
  [['others', 'users', 'file']],
  [['file', 'others', 'users']],
] as const)('in the order %j', (order) => {
  test('a wrong password costs one derivation, whoever knows the name, if anybody does', async () => {
    const { login } = await start({ order });
    for (const name of ['ann', 'bob', 'eve', 'user', '']) {
      expect([name, ...(await login(name, 'wrong'))]).toEqual([name, 0x86, 1]);
    }
    // Somebody else knows it, who may have been asked before them.
    expect(await login('denied', 'x')).toEqual([0x86, order[0] === 'others' ? 0 : 1]);
  });

  test('the right one costs one, and nothing after that', async () => {
    const { login } = await start({ order });
    for (const [name, password] of [
      ['ann', 'opensesame'],
      ['bob', 'hunter22'],
    ]) {
      expect(await login(name, password)).toEqual([0, 1]);
      expect(await login(name, password)).toEqual([0, 0]);
    }
  });

  test('whoever is let in without a hash costs none', async () => {
    const { login } = await start({ order });
    expect(await login('token', 'x')).toEqual([0, 0]);
  });

  test('what can be nobody’s password, or comes without a name, costs none', async () => {
    const { login } = await start({ order });
    for (const name of ['ann', 'bob', 'eve', 'denied']) {
      for (const password of ['', 'a\0', 'x'.repeat(5_000)]) {
        expect([name, ...(await login(name, password))]).toEqual([name, 0x86, 0]);
      }
    }
    expect(await login(null, 'x')).toEqual([0x86, 0]);
  });
});

test('a name that nobody has costs what most names cost', async () => {
  const { login } = await start({ more: 50 });
  // One of 52 is in the file, so hardly any of these is spent there; each costs one.
  for (let i = 0; i < 20; i++) expect(await login(`nobody-${i}`, 'x')).toEqual([0x86, 1]);
});

test('without any user of the store the file spends it, and the other way round', async () => {
  const { login, database } = await start();
  await database.remove('bob');
  expect(await login('eve', 'x')).toEqual([0x86, 1]);
});

test('a full queue is told to those whom nobody knows, too', async () => {
  const never = workerProgram(
    'import { parentPort } from "node:worker_threads"; parentPort.on("message", () => {});',
  );
  const { login } = await start({ hasher: { workers: 1, queueMax: 0, workerProgram: never } });
  void login('ann', 'wrong');
  for (const name of ['ann', 'bob', 'eve', 'denied'])
    expect((await login(name, 'x'))[0]).toBe(0x89);
  expect(await login('token', 'x')).toEqual([0, 0]);
});
