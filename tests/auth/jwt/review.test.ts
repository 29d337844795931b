// Who came by a token, after keys or rules have changed: it may stay as long as the same token would let it in again.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Client } from '../../../src/auth/auth.ts';
import type {
  JwtAuthenticator,
  JwtAuthenticatorOptions,
} from '../../../src/auth/jwt/authenticator.ts';
import { loadJwtKeys } from '../../../src/auth/jwt/keys.ts';
import type { JwtKeyOptions } from '../../../src/auth/jwt/load-keys.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import {
  answering,
  authenticator,
  EC,
  expectAccepted,
  jwkOf,
  KeyEndpoint,
  SECRET,
  serving,
  token,
} from './kit.ts';

const OTHER = randomBytes(32);
/** Long enough for HS384, too. */
const LONG = randomBytes(48);
const HS256 = ['HS256'] as const;

/** A client that was let in with such a token. */
async function letIn(
  made: JwtAuthenticator,
  claims: Readonly<Record<string, unknown>> = {},
  ...signing: [Parameters<typeof token>[1]?, Parameters<typeof token>[2]?]
): Promise<Client> {
  const accepted = await expectAccepted(made, await token(claims, ...signing));
  const { username, groups, claims: told, permissions, credential } = accepted;
  const connection = { clientId: 'c', protocolVersion: 5, remoteAddress: '127.0.0.1' } as const;
  return { ...connection, username, groups, claims: told, permissions, credential };
}

function secrets(...list: readonly Uint8Array[]): JwtKeyOptions[] {
  return list.map((secret) => ({ algorithms: HS256, secret }));
}

test('stays while nothing changes, however often its token was shown', async () => {
  const made = await authenticator();
  for (const client of [await letIn(made), await letIn(made)]) {
    expect(made.review(client)).toEqual(client);
  }
  const again = await authenticator(); // the same, read again
  expect(again.review(await letIn(made))).toEqual(await letIn(made));
});

test('may not stay when its key is gone; its session keeps what it may get while it is away', async () => {
  const former = await authenticator({}, secrets(SECRET, OTHER));
  const [goes, stays] = [await letIn(former), await letIn(former, {}, {}, OTHER)];
  const made = await authenticator({}, secrets(OTHER));
  expect(made.review(goes)).toBeNull();
  expect(made.review(stays)).toEqual(stays);
  expect(made.review(goes, true)).toEqual(goes);
});

test('may not stay when its key has another secret under the same name', async () => {
  const named = (secret: Uint8Array): JwtKeyOptions[] => [{ algorithms: HS256, secret, id: 'k' }];
  const former = await authenticator({}, named(SECRET));
  const client = await letIn(former, {}, { kid: 'k' });
  const [same, other] = [
    await authenticator({}, named(SECRET)),
    await authenticator({}, named(OTHER)),
  ];
  expect(same.review(client)).toEqual(client);
  expect(other.review(client)).toBeNull();
});

test.each<[string, Partial<JwtAuthenticatorOptions>]>([
  ['another issuer', { issuer: 'https://other.example' }],
  ['another audience', { audience: ['others'] }],
  ['another claim for user names', { usernameClaim: 'name' }],
  ['a claim for client ids that says another', { clientIdClaim: 'device' }],
  ['a claim for client ids that is not there', { clientIdClaim: 'missing' }],
])('may not stay, away or not, where the configuration wants %s', async (_, options) => {
  const claims = { name: 'other', device: 'd' };
  const client = await letIn(await authenticator(), claims);
  const made = await authenticator(options);
  expect([made.review(client), made.review(client, true)]).toEqual([null, null]);
});

test('has the groups and permissions that its token has by the claims of now', async () => {
  const allow = [{ effect: 'allow', actions: ['publish'], topics: ['a'] }];
  const claims = { groups: ['then'], roles: ['now'], rights: allow };
  const client = await letIn(await authenticator(), claims);
  expect(client).toMatchObject({ groups: ['then'], permissions: undefined });
  const made = await authenticator({ groupsClaim: 'roles', aclClaim: 'rights' });
  expect(made.review(client)).toEqual({
    ...client,
    groups: ['now'],
    permissions: [expect.objectContaining({ effect: 'allow' })],
  });
});

test('may not stay where nothing is known of its token, or it is another user’s', async () => {
  const made = await authenticator();
  const client = await letIn(made);
  expect(made.review({ ...client, claims: undefined })).toBeNull();
  expect(made.review({ ...client, credential: undefined })).toBeNull();
  expect(made.review({ ...client, username: 'somebody' })).toBeNull();
});

test('by a set of keys: may not stay when the key has gone from it; stays when nobody knows', async () => {
  const clock = new FakeClock();
  const header = { alg: 'ES256', kid: 'k' };
  const key = await jwkOf(EC.publicKey, { kid: 'k', alg: 'ES256', use: 'sig' });
  const endpoint = await KeyEndpoint.start(serving(key));
  const keys = [{ algorithms: ['ES256'], url: endpoint.url }] as const;
  const former = await loadJwtKeys({ name: 'jwt', keys, clock });
  const first = await authenticator({}, keys, { clock, former });
  const client = await letIn(first, {}, header, EC.privateKey);

  endpoint.handler = answering('', 503);
  const inherited = await authenticator({}, keys, { clock, former });
  expect(inherited.review(client)).toEqual(client);
  const elsewhere = [{ ...keys[0], url: `${endpoint.url}/elsewhere` }];
  const unknown = await authenticator({}, elsewhere, { clock, former });
  expect(unknown.review(client)).toEqual(client);

  endpoint.handler = serving({ ...key, kid: 'renamed' });
  const renamed = await authenticator({}, elsewhere, { clock });
  expect(renamed.review(client)).toEqual(client);
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  endpoint.handler = serving(await jwkOf(publicKey, { kid: 'k', alg: 'ES256', use: 'sig' }));
  const rotated = await authenticator({}, keys, { clock, former });
  expect([rotated.review(client), rotated.review(client, true)]).toEqual([null, client]);
});

test('may not stay when its key does not count any more with the algorithm of its token', async () => {
  const both = [{ algorithms: ['HS256', 'HS384'], secret: LONG }];
  const former = await authenticator({}, both);
  const goes = await letIn(former, {}, { alg: 'HS256' }, LONG);
  const stays = await letIn(former, {}, { alg: 'HS384' }, LONG);
  const made = await authenticator({}, [{ ...both[0], algorithms: ['HS384'] }]);
  expect([made.review(goes), made.review(stays)]).toEqual([null, stays]);
});

test('may not stay when its own key is gone, though a set of others does not answer', async () => {
  const endpoint = await KeyEndpoint.start(answering('', 503));
  const set = { algorithms: ['ES256'], url: endpoint.url };
  const former = await authenticator({}, [...secrets(SECRET, OTHER), set]);
  const [goes, stays] = [await letIn(former), await letIn(former, {}, {}, OTHER)];
  const made = await authenticator({}, [...secrets(OTHER), set]);
  expect([made.review(goes), made.review(stays)]).toEqual([null, stays]);
});

test('may not stay when its key has gone from its set, though another set does not answer', async () => {
  const header = { alg: 'ES256', kid: 'k' };
  const members = { kid: 'k', alg: 'ES256', use: 'sig' };
  const endpoint = await KeyEndpoint.start(serving(await jwkOf(EC.publicKey, members)));
  const failing = await KeyEndpoint.start(answering('', 503));
  const keys = [endpoint, failing].map(({ url }) => ({ algorithms: ['ES256'], url }));
  const client = await letIn(await authenticator({}, keys), {}, header, EC.privateKey);
  expect((await authenticator({}, keys)).review(client)).toEqual(client);
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  endpoint.handler = serving(await jwkOf(publicKey, members));
  expect((await authenticator({}, keys)).review(client)).toBeNull();
});
