// Every authenticator keeps the contract. A new one is one entry here.

import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Authenticator, ConnectRequest } from '../../src/auth/auth.ts';
import { CertificateAuthenticator } from '../../src/auth/certificate.ts';
import { AuthenticatorChain } from '../../src/auth/chain.ts';
import { HttpAuthenticator } from '../../src/auth/http/authenticator.ts';
import type { HttpOptions } from '../../src/auth/http/endpoint.ts';
import {
  JwtAuthenticator,
  type JwtAuthenticatorOptions,
} from '../../src/auth/jwt/authenticator.ts';
import { loadJwtKeys } from '../../src/auth/jwt/keys.ts';
import { loadAuthenticatorModule } from '../../src/auth/module.ts';
import { CredentialCache } from '../../src/auth/passwords/credentials.ts';
import type { PasswordHasher } from '../../src/auth/passwords/hasher.ts';
import { parsePasswordFile } from '../../src/auth/passwords/password-file.ts';
import { PasswordFileAuthenticator } from '../../src/auth/passwords/password-file-authenticator.ts';
import {
  formatPasswordHash,
  type HashOptions,
  type PasswordHash,
} from '../../src/auth/passwords/password-hash.ts';
import type { UserDatabase } from '../../src/auth/users/user-database.ts';
import { UsersAuthenticator } from '../../src/auth/users/users-authenticator.ts';
import { bytesOf } from '../../src/contracts/access-values.ts';
import type {
  AuthenticatorPlace,
  EnhancedClient,
  KnownClient,
} from '../../src/contracts/authenticator-place.ts';
import { SILENT } from '../../src/core/logger.ts';
import { type Clock, FakeClock, SYSTEM_CLOCK } from '../../src/lib/clock.ts';
import { AUDIENCE, EC, ISSUER, NOW, pemOf, RSA, SECRET, token } from '../auth/jwt/kit.ts';
import { hashOf, testHasher } from '../auth/passwords/fixture.ts';
import { certificateOf, login } from '../kit/connect-request.ts';
import { type Asked, HttpEndpointServer } from '../kit/http-endpoint.ts';
import { ListAuthenticator } from '../kit/list-authenticator.ts';
import { ScramClient } from '../kit/scram-client.ts';
import { loadUsers, tableOf, userRecord } from '../kit/users.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';
import { testAuthenticator } from './access.contract.ts';

const ANN = { request: login('ann', 'opensesame'), username: 'ann' };
const BOB = { request: login('bob', 'hunter22'), username: 'bob' };
const WRONG = [
  login('ann', 'hunter22'),
  login('bob', 'wrong password'),
  login('eve', 'opensesame'),
  login('eve', 'wrong password'),
];
/** Who is known in these tests by user name and password. */
const USERS = { good: [ANN, BOB], bad: WRONG };

/** What signs and what verifies, by algorithm; a secret does both. */
const ED25519 = generateKeyPairSync('ed25519');
const JWT_KEYS = {
  HS256: SECRET,
  RS256: RSA,
  PS256: RSA,
  ES256: EC,
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  EdDSA: ED25519,
  Ed25519: ED25519,
} as const;
type Algorithm = keyof typeof JWT_KEYS;
type Hashing = NonNullable<HashOptions['algorithm']>;

const named = certificateOf({ username: 'sensor-1' });
const byId = certificateOf({ clientId: 'dev-7' });
const revoked = certificateOf({ username: 'sensor-2', objection: () => 'it was revoked' });

testAuthenticator('the certificate authenticator', () => ({
  authenticator: () => new CertificateAuthenticator({ name: 'certificate' }),
  good: [
    { request: { certificate: named, username: 'sensor-1' }, username: 'sensor-1' },
    { request: { certificate: byId }, username: 'dev-7' },
  ],
  bad: [{ certificate: revoked, username: 'sensor-2' }, { certificate: certificateOf() }],
  foreign: [{ certificate: certificateOf() }, { username: 'sensor-1' }],
}));

for (const algorithm of ['sha512', 'sha512-pbkdf2', 'argon2id'] as const) {
  testAuthenticator(`the password file with ${algorithm}`, () => passwordFilePlace(algorithm, 0));
}
testAuthenticator('the password file with a cache', () =>
  passwordFilePlace('sha512-pbkdf2', 60_000),
);

testAuthenticator('the users of the store', () =>
  usersPlace(0, async (users) => void (await users.disable('ann'))),
);
testAuthenticator('the users of the store with a cache', () =>
  usersPlace(60_000, (users) => users.remove('ann')),
);
testAuthenticator('the users of the store without SCRAM', async () => {
  const withdraw = async (users: UserDatabase) =>
    void (await users.setPassword('ann', bytesOf('another one'), true));
  return { ...(await usersPlace(60_000, withdraw, false)), enhanced: undefined };
});

for (const algorithm of Object.keys(JWT_KEYS) as Algorithm[]) {
  testAuthenticator(`the JWT authenticator with ${algorithm}`, () => jwtPlace(algorithm));
}
testAuthenticator('the JWT authenticator with a key that goes', jwtPlaceOfTwo);
testAuthenticator('the JWT authenticator with tokens in the user name', async () => {
  const place = await jwtPlace('HS256', { tokenIn: 'username' });
  const inUsername = (fields: Partial<ConnectRequest>): Partial<ConnectRequest> => ({
    username: Buffer.from(fields.password ?? []).toString(),
  });
  return {
    ...place,
    good: place.good.map(({ request, username }) => ({ request: inUsername(request), username })),
    // Whoever has a token of somebody's is that one here: there is no other name to compare with.
    bad: place.bad.filter(({ username }) => username !== 'bob').map(inUsername),
    foreign: [login('ann', 'opensesame'), { username: 'a.b.c' }],
  };
});

testAuthenticator('the HTTP authenticator', () => httpPlace());
testAuthenticator('the HTTP authenticator without a cache', () => httpPlace({ cacheTtlMs: 0 }));
testAuthenticator('the HTTP authenticator by GET', async () => ({
  ...(await httpPlace({ method: 'GET' })),
  good: [{ request: { clientId: 'door', username: 'gate' }, username: 'gate' }],
  bad: [{ username: 'gate' }, { clientId: 'door', username: 'eve' }, ...WRONG],
  foreign: [{ clientId: 'not mine' }, login('ann', 'opensesame')],
}));

for (const isAsync of [false, true]) {
  const how = isAsync ? 'later' : 'at once';
  const list = (): Authenticator => new ListAuthenticator(USERS.good, isAsync);
  testAuthenticator(`an authenticator that answers ${how}`, () => ({
    ...{ ...USERS, foreign: [{ username: 'ann' }], enhanced: ListAuthenticator.enhanced },
    authenticator: list,
    withdraw: (authenticator) => {
      (authenticator as ListAuthenticator).remove('ann');
      return authenticator;
    },
  }));
  testAuthenticator(`a chain of those that answer ${how}`, () => ({
    ...{ ...USERS, enhanced: ListAuthenticator.enhanced },
    authenticator: () =>
      chainOf([new CertificateAuthenticator({ name: 'certificate' }), list()], false),
  }));
}

testAuthenticator('a chain that lets anonymous clients in', () => ({
  ...{ ...USERS, letsAnonymousIn: true },
  authenticator: () => chainOf([new ListAuthenticator(USERS.good, true)], true),
}));

testAuthenticator('a chain of everything', everythingPlace);
testAuthenticator('a module', modulePlace);
testAuthenticator('a chain with a module', async () => {
  const place = await modulePlace();
  const chained = async (authenticator: Authenticator) => chainOf([authenticator], false);
  return {
    ...{ ...place, foreign: [] },
    authenticator: async () => chained(await place.authenticator()),
    withdraw: async () => chained(await moduleOf(BOB)),
  };
});

testAuthenticator('the example of an authenticator', async () => {
  const folder = new URL('../../examples/authenticator/', import.meta.url);
  const { passwordOf } = (await import(new URL('index.mjs', folder).href)) as {
    passwordOf(secret: string, clientId: string): string;
  };
  const secret = 'a secret of thirty-two characters';
  const device = (clientId: string, of = clientId): Partial<ConnectRequest> => {
    return { clientId, username: 'device', password: bytesOf(passwordOf(secret, of)) };
  };
  return {
    authenticator: () =>
      loadAuthenticatorModule({
        ...{ name: 'devices', type: './index.mjs', base: fileURLToPath(folder) },
        ...{ options: { secret }, timeoutMs: 5_000, logger: SILENT, clock: SYSTEM_CLOCK },
      }),
    good: ['dev-7', 'dev-8', 'é', '+/#'].map((clientId) => ({
      ...{ request: device(clientId), username: clientId },
    })),
    bad: [device('dev-7', 'dev-8'), { ...device('dev-7'), password: bytesOf('wrong password') }],
    foreign: [{ username: 'ann', password: bytesOf('x') }, { username: 'device' }],
  };
});

function cacheOf(ttlMs: number): CredentialCache {
  return new CredentialCache({ clock: SYSTEM_CLOCK, ttlMs, entriesMax: 100 });
}

/** The lines of these users. */
async function passwordLines(
  algorithm: Hashing,
  users: readonly KnownClient[],
): Promise<ReadonlyMap<KnownClient, string>> {
  const hasher = testHasher();
  const lines = new Map<KnownClient, string>();
  for (const known of users) {
    const password = Buffer.from(known.request.password ?? []).toString();
    const hash = formatPasswordHash(await cheapHash(hasher, algorithm, password));
    lines.set(known, `${known.username}:${hash}\n`);
  }
  return lines;
}

async function passwordFile(
  lines: Iterable<string>,
  cacheTtlMs: number,
): Promise<PasswordFileAuthenticator> {
  const passwords = await parsePasswordFile(bytesOf([...lines].join('')), 'passwords');
  const cache = cacheOf(cacheTtlMs);
  return new PasswordFileAuthenticator({ name: 'file', passwords, hasher: testHasher(), cache });
}

/** Nobody guesses passwords of tests. */
async function cheapHash(
  hasher: PasswordHasher,
  algorithm: Hashing,
  password: string,
): Promise<PasswordHash> {
  if (algorithm !== 'argon2id') return hashOf(hasher, password, { algorithm });
  const cost = { memoryKiB: 8, passes: 1, lanes: 1 };
  const model = { algorithm, ...cost, salt: randomBytes(16), hash: new Uint8Array(32) };
  return { ...model, hash: await hasher.hash(model, bytesOf(password)) };
}

/** A file that is read again without the first user. */
async function passwordFilePlace(
  algorithm: Hashing,
  cacheTtlMs: number,
): Promise<AuthenticatorPlace> {
  const lines = await passwordLines(algorithm, [ANN, BOB]);
  return {
    ...{ ...USERS, foreign: [{ username: 'ann' }, login('eve', 'x'), login('', 'x')] },
    authenticator: () => passwordFile(lines.values(), cacheTtlMs),
    withdraw: () => passwordFile([lines.get(BOB) ?? ''], cacheTtlMs),
  };
}

const scramOf = (username: string, password: string): EnhancedClient => ({
  ...{ method: 'SCRAM-SHA-256', request: {}, username },
  client() {
    const client = new ScramClient(username, password);
    return (challenge) =>
      bytesOf(challenge === null ? client.first : client.final(Buffer.from(challenge).toString()));
  },
});

async function usersPlace(
  cacheTtlMs: number,
  withdraw: (users: UserDatabase) => Promise<void>,
  scram = true,
): Promise<AuthenticatorPlace> {
  const table = tableOf(
    userRecord('ann', 'opensesame', { groups: ['plant', 'ops'] }),
    userRecord('bob', 'hunter22'),
    userRecord('off', 'opensesame', { isDisabled: true }),
  );
  table.entries.set('user/damaged', bytesOf('{"format":2}'));
  const { database, hasher } = await loadUsers(table);
  const cache = cacheOf(cacheTtlMs);
  return {
    authenticator: () => new UsersAuthenticator({ name: 'users', database, hasher, cache, scram }),
    good: [ANN, BOB],
    bad: [...WRONG, login('off', 'opensesame'), login('damaged', 'opensesame')],
    foreign: [{ username: 'ann' }, login('eve', 'x'), login('', 'x'), { password: bytesOf('x') }],
    enhanced: scramOf('ann', 'opensesame'),
    async withdraw(authenticator) {
      await withdraw(database);
      return authenticator;
    },
  };
}

async function jwtPlace(
  algorithm: Algorithm,
  options: Partial<JwtAuthenticatorOptions> = {},
): Promise<AuthenticatorPlace> {
  const key: Uint8Array | { publicKey: KeyObject; privateKey: KeyObject } = JWT_KEYS[algorithm];
  const isSecret = key instanceof Uint8Array;
  const signing = isSecret ? key : key.privateKey;
  const tokenOf = async (claims: Readonly<Record<string, unknown>>, by = signing) =>
    bytesOf(await token(claims, { alg: algorithm }, by));
  const stranger = isSecret
    ? randomBytes(64)
    : generateKeyPairSync(
        ...(['ec', { namedCurve: algorithm === 'ES384' ? 'P-384' : 'P-256' }] as const),
      ).privateKey;
  const isElliptic = isSecret || algorithm.startsWith('ES');
  const ann = await tokenOf({ sub: 'ann' });
  const bob = await tokenOf({ sub: 'bob', groups: ['plant'] });
  return {
    async authenticator() {
      const clock = new FakeClock();
      const source = isSecret
        ? { secret: key }
        : { file: new MaterialFolder().write('key.pem', pemOf(key.publicKey)) };
      const keys = await loadJwtKeys({
        ...{ name: 'jwt', clock, keys: [{ algorithms: [algorithm], ...source }] },
      });
      const accepted = { issuer: ISSUER, audience: [AUDIENCE] };
      return new JwtAuthenticator({ name: 'jwt', keys, clock, ...accepted, ...options });
    },
    good: [
      { request: { username: 'ann', password: ann }, username: 'ann' },
      { request: { password: bob }, username: 'bob' },
      { request: { username: '', password: bob }, username: 'bob' },
    ],
    bad: [
      { username: 'bob', password: ann },
      { password: await tokenOf({ sub: 'ann', exp: NOW - 3_600 }) },
      { password: await tokenOf({ sub: 'ann', exp: undefined }) },
      { password: await tokenOf({ sub: 'ann', nbf: NOW + 3_600 }) },
      { password: await tokenOf({ sub: 'ann', aud: 'others' }) },
      { password: await tokenOf({ sub: 'ann', iss: 'https://other.example' }) },
      { password: await tokenOf({ sub: undefined }) },
      ...(isElliptic ? [{ password: await tokenOf({ sub: 'ann' }, stranger) }] : []),
    ],
    foreign: [login('ann', 'opensesame'), { password: bytesOf('a.b.c') }, { username: 'ann' }],
    enhanced: { method: 'JWT', request: {}, username: 'ann', client: () => () => ann },
  };
}

/** Ann's token is signed by the key that goes. */
async function jwtPlaceOfTwo(): Promise<AuthenticatorPlace> {
  const [hers, other] = [randomBytes(32), randomBytes(32)];
  const make = async (...secrets: Uint8Array[]) => {
    const keys = await loadJwtKeys({
      ...{ name: 'jwt', clock: new FakeClock() },
      keys: secrets.map((secret) => ({ algorithms: ['HS256'], secret })),
    });
    const accepted = { issuer: ISSUER, audience: [AUDIENCE] };
    return new JwtAuthenticator({ name: 'jwt', keys, clock: new FakeClock(), ...accepted });
  };
  const tokenOf = async (sub: string, secret: Uint8Array) =>
    bytesOf(await token({ sub, groups: [sub] }, {}, secret));
  return {
    authenticator: () => make(hers, other),
    withdraw: () => make(other),
    good: [
      { request: { password: await tokenOf('ann', hers) }, username: 'ann' },
      { request: { password: await tokenOf('bob', other) }, username: 'bob' },
    ],
    bad: [{ password: await tokenOf('ann', randomBytes(32)) }],
  };
}

async function httpPlace(options: Partial<HttpOptions> = {}): Promise<AuthenticatorPlace> {
  const endpoint = await HttpEndpointServer.start(({ body, url }: Asked) => {
    const asked = new URL(url, 'http://127.0.0.1').searchParams;
    const { username, password, clientId } =
      body === '' ? Object.fromEntries(asked) : JSON.parse(body);
    if (clientId === 'not mine') return { json: { result: 'ignore' } };
    if (clientId === 'door' && username === 'gate') return { json: { result: 'allow' } };
    const user = { ann: 'opensesame', bob: 'hunter22' }[String(username)];
    return { json: { result: user !== undefined && password === user ? 'allow' : 'deny' } };
  });
  const { url } = endpoint;
  return {
    authenticator: () => new HttpAuthenticator({ name: 'http', url, ...options }),
    ...USERS,
    foreign: [{ clientId: 'not mine' }],
    dispose: () => endpoint.close(),
  };
}

/** Each lets somebody else in, so that every one of them is asked. */
async function everythingPlace(): Promise<AuthenticatorPlace> {
  const [users, jwt, http] = [
    await usersPlace(0, async () => {}),
    await jwtPlace('ES256'),
    await httpPlace(),
  ];
  const clara = { request: login('clara', 'c1ara c1ara'), username: 'clara' };
  const others = await Promise.all([users, jwt].map((place) => place.authenticator()));
  const endpoint = await http.authenticator();
  const certificate = new CertificateAuthenticator({ name: 'certificate' });
  const lines = await passwordLines('sha512', [clara]);
  const chain = async (inFile: Iterable<string>) =>
    chainOf(
      [certificate, await passwordFile(inFile, 0), ...others, endpoint],
      false,
      new FakeClock(), // of the time of the tokens
    );
  return {
    authenticator: () => chain(lines.values()),
    good: [
      clara,
      ...users.good,
      jwt.good[1],
      { request: { clientId: 'door', username: 'gate' }, username: 'gate' },
      { request: { certificate: byId }, username: 'dev-7' },
    ],
    bad: [...WRONG, ...users.bad, ...jwt.bad, login('clara', 'opensesame'), { username: 'clara' }],
    enhanced: users.enhanced,
    withdraw: () => chain([]),
    async dispose() {
      for (const one of [...others, endpoint]) await one.close?.();
      await http.dispose?.();
    },
  };
}

function moduleOf(...known: KnownClient[]): Promise<Authenticator> {
  const passwords = Object.fromEntries(
    known.map(({ request, username }) => [
      username,
      Buffer.from(request.password ?? []).toString(),
    ]),
  );
  return loadAuthenticatorModule({
    ...{ name: 'users', type: './modules/users.mjs', base: import.meta.dirname },
    ...{ options: { passwords }, timeoutMs: 5_000, logger: SILENT, clock: SYSTEM_CLOCK },
  });
}

function modulePlace(): AuthenticatorPlace {
  return {
    ...{ ...USERS, foreign: [{ username: 'ann' }, login('eve', 'x')] },
    authenticator: () => moduleOf(ANN, BOB),
    enhanced: {
      ...{ method: 'BACKWARDS', request: {}, username: 'ann' },
      client() {
        let round = 0;
        return () => bytesOf(round++ === 0 ? 'ann' : 'emasesnepo');
      },
    },
    withdraw: () => moduleOf(BOB),
  };
}

function chainOf(
  authenticators: readonly Authenticator[],
  anonymous: boolean,
  clock: Clock = SYSTEM_CLOCK,
): AuthenticatorChain {
  return new AuthenticatorChain({
    members: authenticators.map((authenticator, i) => ({
      ...{ name: `member ${i}`, authenticator, timeoutMs: 5_000 },
    })),
    ...{ anonymous, clock, logger: SILENT },
  });
}
