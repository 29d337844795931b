// Every algorithm, with every kind of key that fits it, and every form that a key may have.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { base64url } from 'jose';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../kit/folder.ts';
import { Authority } from '../../support/certificates.ts';
import {
  authenticator,
  EC,
  expectAccepted,
  expectRefused,
  jwkOf,
  pemOf,
  RSA,
  SECRET,
  token,
} from './kit.ts';

const KEYS = {
  RS: RSA,
  PS: RSA,
  ES256: EC,
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  Ed: generateKeyPairSync('ed25519'),
};

function fileOf(content: string): string {
  const file = path.join(temporaryFolder(), 'key');
  writeFileSync(file, content);
  return file;
}

test.each([
  ['HS256', 32],
  ['HS384', 48],
  ['HS512', 64],
])('%s: a secret of %i bytes, as it is or as a JWK', async (alg, length) => {
  const secret = randomBytes(length);
  const jwk = fileOf(JSON.stringify({ kty: 'oct', k: base64url.encode(secret) }));
  const good = await token({}, { alg }, secret);
  for (const source of [{ secret }, { file: jwk }]) {
    const made = await authenticator({}, [{ algorithms: [alg], ...source }]);
    await expectAccepted(made, good);
    await expectRefused(made, await token({}, { alg }, randomBytes(length)), 0x86, 'signature');
  }
});

const ASYMMETRIC: [string, keyof typeof KEYS][] = [
  ['RS256', 'RS'],
  ['RS384', 'RS'],
  ['RS512', 'RS'],
  ['PS256', 'PS'],
  ['PS384', 'PS'],
  ['PS512', 'PS'],
  ['ES256', 'ES256'],
  ['ES384', 'ES384'],
  ['ES512', 'ES512'],
  ['EdDSA', 'Ed'],
  ['Ed25519', 'Ed'],
];

test.each(ASYMMETRIC)('%s: a public key in PEM, as a JWK or in a JWKS', async (alg, name) => {
  const { privateKey, publicKey } = KEYS[name];
  const jwk = await jwkOf(publicKey);
  const good = await token({}, { alg }, privateKey);
  const [head, payload, signature = ''] = good.split('.');
  const first = signature.startsWith('A') ? 'B' : 'A';
  const bad = `${head}.${payload}.${first}${signature.slice(1)}`;
  const others = await jwkOf(RSA.publicKey, { use: 'enc' });
  for (const content of [
    pemOf(publicKey),
    JSON.stringify(jwk),
    JSON.stringify({ keys: [others, { kty: 'new', x: 1 }, jwk] }),
  ]) {
    const made = await authenticator({}, [{ algorithms: [alg], file: fileOf(content) }]);
    expect(await expectAccepted(made, good)).toMatchObject({ username: 'u' });
    await expectRefused(made, bad, 0x86, 'signature');
  }
});

test('a certificate, and the first one of a chain, are the public keys in them', async () => {
  const root = Authority.root();
  const issued = root.client({ commonName: 'issuer' });
  for (const content of [issued.cert, issued.cert + root.issued.cert]) {
    const made = await authenticator({}, [{ algorithms: ['ES256'], file: fileOf(content) }]);
    await expectAccepted(made, await token({}, { alg: 'ES256' }, issued.keys.privateKey));
  }
});

test('an RSA key may be in the older PEM form', async () => {
  const pkcs1 = RSA.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  const made = await authenticator({}, [{ algorithms: ['RS256'], file: fileOf(pkcs1) }]);
  await expectAccepted(made, await token({}, { alg: 'RS256' }, RSA.privateKey));
});

test('a key is only good for the algorithms that are listed for it', async () => {
  const file = fileOf(pemOf(RSA.publicKey));
  const made = await authenticator({}, [
    { algorithms: ['RS256', 'PS384'], file },
    { algorithms: ['HS256'], secret: SECRET },
  ]);
  for (const alg of ['RS256', 'PS384']) {
    await expectAccepted(made, await token({}, { alg }, RSA.privateKey));
  }
  for (const alg of ['RS384', 'RS512', 'PS256', 'PS512']) {
    const other = await token({}, { alg }, RSA.privateKey);
    await expectRefused(made, other, 0x86, `no key is for the algorithm "${alg}"`);
  }
});

test('the alg of a JWK narrows down what it is for', async () => {
  const file = fileOf(JSON.stringify(await jwkOf(RSA.publicKey, { alg: 'RS512', kid: 'k' })));
  const made = await authenticator({}, [{ algorithms: ['RS256', 'RS512'], file }]);
  await expectAccepted(made, await token({}, { alg: 'RS512' }, RSA.privateKey));
  await expectRefused(made, await token({}, { alg: 'RS256' }, RSA.privateKey), 0x86, 'no key');
});

test('a token that names its key is only tried with that one, and with those that have no name', async () => {
  const other = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const made = await authenticator({}, [
    { id: 'a', algorithms: ['RS256'], file: fileOf(pemOf(RSA.publicKey)) },
    { id: 'b', algorithms: ['RS256'], file: fileOf(pemOf(other.publicKey)) },
    { algorithms: ['HS256'], secret: SECRET },
  ]);
  await expectAccepted(made, await token({}, { alg: 'RS256', kid: 'a' }, RSA.privateKey));
  await expectAccepted(made, await token({}, { alg: 'RS256', kid: 'b' }, other.privateKey));
  await expectAccepted(made, await token({}, { alg: 'RS256' }, other.privateKey));
  await expectAccepted(made, await token({}, { kid: 'whatever' }));
  const crossed = await token({}, { alg: 'RS256', kid: 'b' }, RSA.privateKey);
  await expectRefused(made, crossed, 0x86, 'fits none of its keys (RS256, the kid "b")');
  const unknown = await token({}, { alg: 'RS256', kid: 'c' }, RSA.privateKey);
  await expectRefused(made, unknown, 0x86, 'no key for the token (RS256, the kid "c")');
});

test('of keys that a token does not choose among eight are tried', async () => {
  const secrets = Array.from({ length: 9 }, () => randomBytes(32));
  const keys = secrets.map((secret) => ({ algorithms: ['HS256'], secret }));
  const eight = await authenticator({}, keys.slice(0, 8));
  await expectAccepted(eight, await token({}, {}, secrets[7]));
  expect(eight.verifications).toBe(8);
  const nine = await authenticator({}, keys);
  await expectRefused(nine, await token({}, {}, secrets[0]), 0x86, 'let its issuer name the key');
  expect(nine.verifications).toBe(0);
});
