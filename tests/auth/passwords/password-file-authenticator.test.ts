// Logins with a password file, those of attackers included: what a stranger could learn is shown by counting derivations.

import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { Accepted, Authenticator, Client } from '../../../src/auth/auth.ts';
import { CredentialCache } from '../../../src/auth/passwords/credentials.ts';
import type { HasherOptions, PasswordHasher } from '../../../src/auth/passwords/hasher.ts';
import { parsePasswordFile } from '../../../src/auth/passwords/password-file.ts';
import { PasswordFileAuthenticator } from '../../../src/auth/passwords/password-file-authenticator.ts';
import {
  createPasswordHash,
  formatPasswordHash,
  type HashOptions,
} from '../../../src/auth/passwords/password-hash.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { ReasonCode } from '../../../src/protocol/reason-code.ts';
import { temporaryFolder } from '../../kit/folder.ts';
import { bytes, hashOf, request, testHasher, workerProgram } from './fixture.ts';

const RIGHT = { reasonCode: ReasonCode.Success };
const WRONG = {
  reasonCode: ReasonCode.BadUserNameOrPassword,
  reasonString: 'the user name or the password is wrong',
};

/** Lines of a file, made with a hasher that nobody counts. */
async function fileText(users: Record<string, HashOptions>): Promise<string> {
  const hasher = testHasher();
  let text = '';
  for (const [name, options] of Object.entries(users)) {
    text += `${name}:${formatPasswordHash(await hashOf(hasher, `${name}'s`, options))}\n`;
  }
  return text;
}

interface Fixture {
  readonly authenticator: PasswordFileAuthenticator;
  readonly hasher: PasswordHasher;
  readonly cache: CredentialCache;
  readonly clock: FakeClock;
}

async function fixture(
  users: Record<string, HashOptions> = { alice: {} },
  options: HasherOptions & { ttlMs?: number } = {},
): Promise<Fixture> {
  const hasher = testHasher(options);
  const clock = new FakeClock();
  const cache = new CredentialCache({ clock, ttlMs: options.ttlMs ?? 0, entriesMax: 100 });
  const passwords = await parsePasswordFile(bytes(await fileText(users)), 'f');
  const authenticator = new PasswordFileAuthenticator({ name: 'file', passwords, hasher, cache });
  return { authenticator, hasher, cache, clock };
}

test.each<HashOptions>([
  { algorithm: 'sha512' },
  { algorithm: 'sha512-pbkdf2', iterations: 1 },
  { algorithm: 'sha512-pbkdf2', iterations: 1_000 },
  { algorithm: 'argon2id' },
])('the right password lets in, another one does not: %j', async (options) => {
  const { authenticator } = await fixture({ alice: options });
  const decision = await authenticator.authenticate(request('alice', "alice's"));
  expect(decision).toMatchObject({ ...RIGHT, username: 'alice' });
  for (const password of ["Alice's", "alice's ", 'alice', "alice's's"]) {
    expect(await authenticator.authenticate(request('alice', password))).toMatchObject(WRONG);
  }
});

test('a client that is in is known again while its user has the same hash', async () => {
  const { authenticator, hasher } = await fixture();
  const decision = await authenticator.authenticate(request('alice', "alice's"));
  const { credential } = decision as Accepted;
  const client: Client = {
    clientId: 'c',
    username: 'alice',
    credential,
    protocolVersion: 5,
    remoteAddress: '',
  };
  expect(authenticator.review(client)).toBe(client);
  expect(authenticator.review({ ...client, username: 'bob' })).toBeNull();
  expect(authenticator.review({ ...client, username: null })).toBeNull();
  expect(authenticator.review({ ...client, credential: undefined })).toBeNull();
  const { passwords } = authenticator;
  const hash = await createPasswordHash(hasher, Buffer.from("alice's"), { iterations: 1 });
  const users = new Map([['alice', hash]]); // the same password, set again
  const other = new PasswordFileAuthenticator({
    name: 'f',
    passwords: { ...passwords, users },
    hasher,
    cache: null,
  });
  expect(other.review(client)).toBeNull();
  expect(other.review(client, true)).toBe(client); // it is away, and has to show it when it comes back
  expect(other.review({ ...client, username: 'bob' }, true)).toBeNull();
});

test('without a user name or a password it is the next one’s, at once', async () => {
  const { authenticator, hasher } = await fixture();
  expect(authenticator.authenticate(request(null, null))).toBe('next');
  expect(authenticator.authenticate(request('alice', null))).toBe('next');
  expect(authenticator.authenticate(request(null, "alice's"))).toBe('next');
  expect(hasher.derivations).toBe(0);
});

test('names are compared byte by byte', async () => {
  const { authenticator } = await fixture({ alice: {}, 'zo\u00eb': {} });
  for (const name of ['Alice', 'alice ', ' alice', 'zoe\u0308', '__proto__', '#', 'a+', '']) {
    expect(await authenticator.authenticate(request(name, "alice's"))).toBe('next');
  }
  expect(await authenticator.authenticate(request('zo\u00eb', "zo\u00eb's"))).toMatchObject(RIGHT);
});

test('it has no enhanced authentication, and waits as long as its queue does', async () => {
  const { authenticator } = await fixture();
  const contract: Authenticator = authenticator;
  expect(contract.begin).toBeUndefined();
  expect(contract.endsByItself).toBe(true);
});

test.each<[string, Record<string, HashOptions>]>([
  ['PBKDF2', { alice: {}, bob: {} }],
  ['SHA-512', { alice: { algorithm: 'sha512' } }],
  ['argon2id', { alice: { algorithm: 'argon2id' } }],
])('an unknown name costs as many derivations as a wrong password: %s', async (_name, users) => {
  const { authenticator, hasher } = await fixture(users);
  const count = async (username: string, password: string | Uint8Array) => {
    const before = hasher.derivations;
    const decision = await authenticator.authenticate(request(username, password));
    expect(decision).not.toMatchObject(RIGHT);
    return hasher.derivations - before;
  };
  for (const password of ['wrong', "alice's2", 'x'.repeat(4_096)]) {
    expect([await count('alice', password), await count('mallory', password)]).toEqual([1, 1]);
  }
  for (const password of ['', '\0', "alice's\0", new Uint8Array(65_535).fill(0x78)]) {
    expect([await count('alice', password), await count('mallory', password)]).toEqual([0, 0]);
  }
});

test('an unknown name costs what the most users of the file cost', async () => {
  const { authenticator, hasher } = await fixture({
    human: { iterations: 200_000 },
    m1: { iterations: 5 },
    m2: { iterations: 5 },
  });
  const costs: unknown[] = [];
  const verify = hasher.verify.bind(hasher);
  hasher.verify = (hash, ...rest) => {
    costs.push('iterations' in hash ? hash.iterations : hash.algorithm);
    return verify(hash, ...rest);
  };
  expect(await authenticator.authenticate(request('mallory', 'p'))).toBe('next');
  expect(costs).toEqual([5]);
});

test('a file without users costs nothing', async () => {
  const { authenticator, hasher } = await fixture({});
  expect(await authenticator.authenticate(request('alice', 'p'))).toBe('next');
  expect(hasher.derivations).toBe(0);
});

test('a password with a NUL matches no shorter one, and no other', async () => {
  const { authenticator } = await fixture();
  for (const password of ["alice's\0", "alice's\0\0", "alice's\0x", "\0alice's"]) {
    const decision = await authenticator.authenticate(request('alice', password));
    expect(decision).toMatchObject({ ...WRONG, detail: 'the password holds a NUL' });
  }
});

test('a password of 64 KiB is refused before anything is done with it', async () => {
  const { authenticator, hasher } = await fixture();
  const huge = new Uint8Array(65_535).fill(0x61);
  expect(authenticator.authenticate(request('alice', huge))).toMatchObject({
    ...WRONG,
    detail: 'the password has more than 4096 bytes',
  });
  expect(authenticator.authenticate(request('mallory', huge))).toBe('next');
  expect(hasher.waiting).toBe(0);
});

test('a full queue is “busy” for known and unknown names alike', async () => {
  const { authenticator, hasher } = await fixture({ alice: {} }, { queueMax: 1 });
  const first = [
    authenticator.authenticate(request('alice', "alice's")),
    authenticator.authenticate(request('alice', "alice's")),
  ];
  const busy = [
    authenticator.authenticate(request('alice', "alice's")),
    authenticator.authenticate(request('mallory', 'p')),
  ];
  for (const decision of busy) {
    expect(await decision).toMatchObject({ reasonCode: ReasonCode.ServerBusy });
  }
  for (const decision of first) expect(await decision).toMatchObject(RIGHT);
  expect(hasher.derivations).toBe(2);
});

test('nothing is hashed for who has gone', async () => {
  const { authenticator, hasher } = await fixture();
  const gone = request('alice', "alice's", { isGone: true });
  expect(await authenticator.authenticate(gone)).toMatchObject({
    reasonCode: ReasonCode.ServerUnavailable,
  });
  expect(hasher.derivations).toBe(0);
});

test.each(['alice', 'mallory'])(
  'a thread that dies refuses, and lets nobody in: %s',
  async (name) => {
    const dying = workerProgram(`
    import { parentPort } from 'node:worker_threads';
    parentPort.on('message', () => process.exit(1));`);
    const { authenticator } = await fixture({ alice: {} }, { workerProgram: dying });
    expect(await authenticator.authenticate(request(name, "alice's"))).toEqual({
      reasonCode: ReasonCode.ServerUnavailable,
      detail: 'the thread that hashes passwords died: it ended with code 1',
    });
  },
);

test('a login that was right is remembered, a wrong one is not, and both by the hash', async () => {
  const { authenticator, hasher, cache, clock } = await fixture({ alice: {} }, { ttlMs: 1_000 });
  expect(await authenticator.authenticate(request('alice', "alice's"))).toMatchObject(RIGHT);
  expect(await authenticator.authenticate(request('alice', 'wrong'))).toMatchObject(WRONG);
  expect(await authenticator.authenticate(request('mallory', 'wrong'))).toBe('next');
  expect(hasher.derivations).toBe(3);
  expect(cache.size).toBe(1);

  expect(authenticator.authenticate(request('alice', "alice's"))).toMatchObject(RIGHT); // at once
  expect(await authenticator.authenticate(request('alice', 'wrong'))).toMatchObject(WRONG);
  expect(hasher.derivations).toBe(4);

  const passwords = await parsePasswordFile(bytes(await fileText({ alice: {} })), 'f');
  const after = new PasswordFileAuthenticator({ name: 'file', passwords, hasher, cache });
  expect(await after.authenticate(request('alice', "alice's"))).toMatchObject(RIGHT);
  expect(hasher.derivations).toBe(5); // another salt, thus another hash

  clock.advance(1_000);
  expect(await authenticator.authenticate(request('alice', "alice's"))).toMatchObject(RIGHT);
  expect(hasher.derivations).toBe(6);
});

test('without a cache every login is hashed', async () => {
  const { authenticator, hasher } = await fixture();
  const uncached = new PasswordFileAuthenticator({
    name: 'file',
    passwords: authenticator.passwords,
    hasher,
    cache: null,
  });
  for (let i = 0; i < 2; i++) await uncached.authenticate(request('alice', "alice's"));
  expect(hasher.derivations).toBe(2);
});

test('load() reads the file, with what is odd about it', async () => {
  const file = path.join(temporaryFolder(), 'passwords');
  writeFileSync(file, await fileText({ alice: {} }));
  chmodSync(file, 0o644);
  const options = { name: 'file', file, hasher: testHasher(), cache: null };
  const authenticator = await PasswordFileAuthenticator.load(options);
  expect(authenticator.passwords.warnings).toHaveLength(1);
  expect(await authenticator.authenticate(request('alice', "alice's"))).toMatchObject(RIGHT);
  const strict = PasswordFileAuthenticator.load({ ...options, strictPermissions: true });
  await expect(strict).rejects.toThrow('can be read by every user');
});
