// Keys that cannot be used are found when they are read, all of them, with a sentence each.

import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { AccessError } from '../../../src/auth/access-error.ts';
import { JwtAuthenticator } from '../../../src/auth/jwt/authenticator.ts';
import { loadJwtKeys } from '../../../src/auth/jwt/keys.ts';
import type { JwtKeyOptions } from '../../../src/auth/jwt/load-keys.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { temporaryFolder } from '../../kit/folder.ts';
import { EC, jwkOf, pemOf, RSA, SECRET } from './kit.ts';

const clock = new FakeClock();

async function problemsOf(...keys: JwtKeyOptions[]): Promise<string[]> {
  try {
    (await loadJwtKeys({ name: 'j', keys, clock })).close();
  } catch (error) {
    expect(error).toBeInstanceOf(AccessError);
    return (error as AccessError).message.split('\n');
  }
  return [];
}

function fileOf(content: string | Buffer): string {
  const file = path.join(temporaryFolder(), 'key');
  writeFileSync(file, content);
  return file;
}

const bytes = (length: number) => Buffer.alloc(length, 's');

test.each<[string, JwtKeyOptions, string]>([
  ['no source', { algorithms: ['HS256'] }, 'exactly one of secret, file and url'],
  ['two sources', { algorithms: ['HS256'], secret: SECRET, file: 'f' }, 'exactly one of'],
  ['no algorithm', { algorithms: [], secret: SECRET }, 'name the algorithms'],
  ['none', { algorithms: ['none'], secret: SECRET }, '"none" is no algorithm for it'],
  ['an unknown algorithm', { algorithms: ['HS257'], secret: SECRET }, 'some of HS256, HS384'],
  ['a name of every object', { algorithms: ['toString'], secret: SECRET }, 'is no algorithm'],
  ['31 bytes for HS256', { algorithms: ['HS256'], secret: bytes(31) }, 'HS256 needs 32 at least'],
  ['47 bytes for HS384', { algorithms: ['HS384'], secret: bytes(47) }, 'HS384 needs 48 at least'],
  ['63 bytes for HS512', { algorithms: ['HS512'], secret: bytes(63) }, 'openssl rand -hex 64'],
  ['a secret for RS256', { algorithms: ['RS256'], secret: bytes(99) }, 'RS256 needs an RSA key'],
  [
    'a public key as a secret',
    { algorithms: ['HS256'], secret: Buffer.from(pemOf(RSA.publicKey)) },
    'which is no secret: name its file with file',
  ],
  ['an empty id', { id: '', algorithms: ['HS256'], secret: SECRET }, '1 to 256 characters'],
  ['no URL', { algorithms: ['RS256'], url: 'keys' }, '"keys" is no URL'],
  ['http elsewhere', { algorithms: ['RS256'], url: 'http://a.example/k' }, 'use https'],
  ['http to an address', { algorithms: ['RS256'], url: 'http://10.0.0.1/k' }, 'use https'],
  ['another scheme', { algorithms: ['RS256'], url: 'file:///etc/keys' }, 'is no https'],
  ['a password', { algorithms: ['RS256'], url: 'https://u:p@a.example/' }, 'take it out'],
  ['a secret from afar', { algorithms: ['HS256'], url: 'https://a.example/' }, 'may publish'],
])('%s', async (_, key, sentence) => {
  const problems = await problemsOf(key);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(/^authenticator "j": key (1|""): /);
  expect(problems[0]).toContain(sentence);
});

test('32, 48 and 64 bytes are enough', async () => {
  expect(
    await problemsOf(
      { algorithms: ['HS256'], secret: bytes(32) },
      { algorithms: ['HS256', 'HS384'], secret: bytes(48) },
      { algorithms: ['HS256', 'HS384', 'HS512'], secret: bytes(64) },
    ),
  ).toEqual([]);
});

const privatePem = (key: typeof EC) =>
  key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

test.each<[string, () => Promise<string | Buffer> | string | Buffer, string[], string]>([
  ['nothing', () => '', ['RS256'], 'is empty'],
  ['text', () => 'hello', ['RS256'], 'holds no key'],
  ['DER', () => RSA.publicKey.export({ type: 'spki', format: 'der' }), ['RS256'], 'holds no key'],
  ['a private key', () => privatePem(EC), ['ES256'], 'holds a private key'],
  ['both', () => pemOf(EC.publicKey) + privatePem(EC), ['ES256'], 'holds a private key'],
  ['two keys', () => pemOf(EC.publicKey).repeat(2), ['ES256'], 'holds 2 keys'],
  ['something else', () => '-----BEGIN X509 CRL-----\n', ['ES256'], 'holds "X509 CRL"'],
  ['half a key', () => pemOf(RSA.publicKey).slice(0, 99), ['RS256'], 'is the file cut off?'],
  [
    'half a certificate',
    () => '-----BEGIN CERTIFICATE-----\nAA',
    ['RS256'],
    'is the file cut off?',
  ],
  ['RSA for ES256', () => pemOf(RSA.publicKey), ['ES256'], 'this is an RSA key'],
  ['P-256 for ES384', () => pemOf(EC.publicKey), ['ES384'], 'this is an EC key on P-256'],
  ['EC for EdDSA', () => pemOf(EC.publicKey), ['EdDSA'], 'EdDSA needs an Ed25519 key'],
  ['RSA for HS256', () => pemOf(RSA.publicKey), ['RS256', 'HS256'], 'HS256 needs a secret'],
  [
    'a curve of nobody',
    () => pemOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
    ['ES256'],
    'keys of the type secp256k1',
  ],
  [
    'RSASSA-PSS',
    () => pemOf(generateKeyPairSync('rsa-pss', { modulusLength: 2_048 }).publicKey),
    ['PS256'],
    'keys of the type rsa-pss',
  ],
  [
    'a short RSA key',
    () => pemOf(generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey),
    ['RS256'],
    'has 1024 bits: expected 2048 to 8192',
  ],
  ['broken JSON', () => '{"keys": [', ['RS256'], 'is not JSON'],
  ['other JSON', () => '{"a": 1}', ['RS256'], 'neither a JWK nor a JWKS'],
  ['no keys', () => '{"keys": []}', ['RS256'], 'has no key for RS256'],
  ['a kid that is none', () => '{"kty":"RSA","kid":7}', ['RS256'], 'its kid is no text'],
  ['a JWK of nothing', () => '{"kty":"RSA","n":"AA"}', ['RS256'], 'do not make a key'],
  [
    'a private JWK',
    async () => JSON.stringify(await jwkOf(EC.privateKey)),
    ['ES256'],
    'key 1 in it: it is a private key',
  ],
  ['a short oct', () => '{"kty":"oct","k":"c2hvcnQ"}', ['HS256'], 'the secret has 5 bytes'],
  ['an oct of nothing', () => '{"kty":"oct","k":"a b"}', ['HS256'], 'its k is not base64url'],
  ['too many', () => `{"keys":[${'{},'.repeat(100)}{}]}`, ['RS256'], 'has 101 keys'],
])('a file with %s', async (_, content, algorithms, sentence) => {
  const file = fileOf(await content());
  const problems = await problemsOf({ algorithms, file });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(`${file}: authenticator "j": key 1: `);
  expect(problems[0]).toContain(sentence);
});

test('a file that is not there, is a folder, or too large', async () => {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, 'folder'));
  const large = fileOf(Buffer.alloc(1_048_577));
  const algorithms = ['RS256'];
  const problems = await problemsOf(
    { algorithms, file: path.join(folder, 'none') },
    { algorithms, file: path.join(folder, 'folder') },
    { algorithms, file: large },
  );
  expect(problems).toEqual([
    expect.stringContaining('does not exist'),
    expect.stringContaining('is no regular file'),
    expect.stringContaining('has 1048577 bytes'),
  ]);
});

test('all problems are told at once', async () => {
  const problems = await problemsOf(
    { id: 'a', algorithms: ['none', 'HS0'], secret: SECRET },
    { id: 'b', algorithms: ['HS256'], secret: bytes(8) },
    { algorithms: ['RS256'] },
  );
  expect(problems.map((problem) => problem.slice(0, 26))).toEqual([
    'authenticator "j": key "a"',
    'authenticator "j": key "a"',
    'authenticator "j": key "b"',
    'authenticator "j": key 3: ',
  ]);
  expect(await problemsOf()).toEqual(['authenticator "j": there is no key: add one']);
});

test('files that were read are known, and which of them are secret', async () => {
  const open = fileOf(pemOf(RSA.publicKey));
  const secret = fileOf(JSON.stringify({ kty: 'oct', k: 'A'.repeat(43) }));
  const keys = await loadJwtKeys({
    name: 'j',
    clock,
    keys: [
      { algorithms: ['RS256'], file: open },
      { algorithms: ['HS256'], file: secret },
    ],
  });
  expect(keys.files).toEqual([open, secret]);
  expect(keys.secretFiles).toEqual([secret]);
});

test('issuer and audience are there, or are said not to be required', async () => {
  const loaded = [{ algorithms: ['HS256'], secret: SECRET }];
  const keys = await loadJwtKeys({ name: 'j', keys: loaded, clock });
  const make = (notRequired: readonly ('iss' | 'aud')[]) =>
    new JwtAuthenticator({ name: 'j', keys, clock, issuer: null, audience: [], notRequired });
  expect(() => make([])).toThrow(/issuer is missing.*\n.*audience is missing/);
  expect(() => make(['iss'])).toThrow(AccessError);
  expect(make(['iss', 'aud'])).toBeInstanceOf(JwtAuthenticator);
});
