// Tokens by those who have no key, and by those who have one and overreach. None gets in, none says why to its bearer, and no
// refusal holds the token.

import { createHmac, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { JwtAuthenticator } from '../../../src/auth/jwt/authenticator.ts';
import { readKeySet } from '../../../src/auth/jwt/jwk.ts';
import { temporaryFolder } from '../../kit/folder.ts';
import {
  authenticator,
  CLAIMS,
  EC,
  encode,
  expectAccepted,
  expectRefused,
  jwkOf,
  KeyEndpoint,
  login,
  pemOf,
  RSA,
  rawRsaToken,
  rawToken,
  request,
  SECRET,
  serving,
  token,
} from './kit.ts';

const PAYLOAD = JSON.stringify(CLAIMS);
const HEADER = '{"alg":"HS256"}';

function rsaFile(): string {
  const file = path.join(temporaryFolder(), 'public.pem');
  writeFileSync(file, pemOf(RSA.publicKey));
  return file;
}

/** The one that most have: an RSA key, and a secret for old devices. */
async function both(): Promise<JwtAuthenticator> {
  return await authenticator({}, [
    { id: 'rsa', algorithms: ['RS256'], file: rsaFile() },
    { id: 'old', algorithms: ['HS256'], secret: SECRET },
  ]);
}

test.each(['none', 'None', 'NONE', 'nOnE', ''])('alg %j is refused without a look', async (alg) => {
  const made = await both();
  const header = encode(JSON.stringify({ alg, typ: 'JWT' }));
  for (const signature of ['', encode('x'.repeat(32))]) {
    const bare = `${header}.${encode(PAYLOAD)}.${signature}`;
    await expectRefused(made, bare, 0x86, `no key is for the algorithm "${alg}"`);
  }
  expect(made.verifications).toBe(0);
});

test.each(['', 'rsa', 'old', 'x'])(
  'key confusion: a public key, in any of its forms, is no secret (kid %j)',
  async (kid) => {
    const made = await both();
    const pem = pemOf(RSA.publicKey);
    const { n = '' } = await jwkOf(RSA.publicKey);
    for (const secret of [
      Buffer.from(pem),
      Buffer.from(pem.trim()),
      Buffer.from(pem.replaceAll('\n', '\r\n')),
      RSA.publicKey.export({ type: 'spki', format: 'der' }),
      RSA.publicKey.export({ type: 'pkcs1', format: 'der' }),
      RSA.publicKey.export({ type: 'pkcs1', format: 'pem' }),
      Buffer.from(n),
      Buffer.from(n, 'base64url'),
    ]) {
      const header = JSON.stringify(kid === '' ? { alg: 'HS256' } : { alg: 'HS256', kid });
      const forged = rawToken(header, PAYLOAD, Buffer.from(secret));
      await expectRefused(made, forged, 0x86, /signature|no key/);
    }
  },
);

test('key confusion: with an RSA key alone HS256 does not exist', async () => {
  const made = await authenticator({}, [{ algorithms: ['RS256'], file: rsaFile() }]);
  const forged = rawToken(HEADER, PAYLOAD, Buffer.from(pemOf(RSA.publicKey)));
  await expectRefused(made, forged, 0x86, 'no key is for the algorithm "HS256"');
  expect(made.verifications).toBe(0);
});

test('key confusion: the secret of one algorithm is not that of another', async () => {
  const made = await authenticator({}, [{ algorithms: ['HS256'], secret: Buffer.alloc(64, 'k') }]);
  const other = await token({}, { alg: 'HS512' }, Buffer.alloc(64, 'k'));
  await expectRefused(made, other, 0x86, 'no key is for the algorithm "HS512"');
});

test('an endpoint that publishes a secret, or a private key, gives no key', async () => {
  const oct = { kty: 'oct', k: SECRET.toString('base64url'), kid: 'o' };
  const endpoint = await KeyEndpoint.start(
    serving(
      oct,
      await jwkOf(EC.privateKey, { kid: 'p' }),
      await jwkOf(RSA.publicKey, { kid: 'r' }),
    ),
  );
  const made = await authenticator({}, [{ algorithms: ['RS256', 'ES256'], url: endpoint.url }]);
  await expectAccepted(made, await token({}, { alg: 'RS256', kid: 'r' }, RSA.privateKey));
  await expectRefused(made, await token({}, { kid: 'o' }), 0x86, 'no key is for');
  const leaked = await token({}, { alg: 'ES256', kid: 'p' }, EC.privateKey);
  await expectRefused(made, leaked, 0x86, 'there is no key');
});

test('a set from elsewhere gives no secret, whatever it is asked for', async () => {
  const oct = { kty: 'oct', k: SECRET.toString('base64url') };
  const algorithms = ['HS256'] as const;
  const rules = { algorithms, id: null };
  expect(await readKeySet(oct, { ...rules, allowsSecrets: false })).toMatchObject({
    keys: [],
    problems: ['key 1 in it: it is a secret, which nobody may publish: it is not used'],
  });
  expect((await readKeySet(oct, { ...rules, allowsSecrets: true })).keys).toHaveLength(1);
});

test('keys that a token brings along, or points to, are not looked at', async () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = await jwkOf(EC.publicKey, { kid: 'ec' });
  const endpoint = await KeyEndpoint.start(serving(jwk));
  const made = await authenticator({}, [
    { id: 'rsa', algorithms: ['RS256'], file: rsaFile() },
    { algorithms: ['ES256'], file: await jwks(await jwkOf(other.publicKey, { kid: 'ec' })) },
  ]);
  for (const more of [
    { jwk },
    { jku: endpoint.url },
    { x5u: endpoint.url },
    { x5c: [EC.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] },
  ]) {
    const header = { alg: 'ES256', ...more };
    await expectRefused(made, await token({}, header, EC.privateKey), 0x86, 'signature');
    const own = { ...header, kid: 'evil' };
    await expectRefused(made, await token({}, own, EC.privateKey), 0x86, 'there is no key');
    // With the right key they do no harm either.
    await expectAccepted(made, await token({}, { ...header, alg: 'RS256' }, RSA.privateKey));
  }
  expect(endpoint.requests).toBe(0);
});

async function jwks(...keys: object[]): Promise<string> {
  const file = path.join(temporaryFolder(), 'keys.json');
  writeFileSync(file, JSON.stringify({ keys }));
  return file;
}

test.each([
  '{"alg":"HS256","crit":["b64"],"b64":false}',
  '{"alg":"HS256","crit":["exp"],"exp":1}',
  '{"alg":"HS256","crit":[]}',
  '{"alg":"HS256","crit":null}',
])('critical extensions are refused: %s', async (header) => {
  await expectRefused(await both(), rawToken(header, PAYLOAD), 0x86, 'critical extensions');
});

test('b64 without crit changes nothing', async () => {
  await expectAccepted(await both(), rawToken('{"alg":"HS256","b64":false}', PAYLOAD));
});

test.each([
  '../../../../dev/null',
  '/proc/self/environ',
  "' OR 1=1 --",
  'https://evil.example/keys',
  '__proto__',
  'constructor',
  'a\u0000b',
  'x'.repeat(256),
])('kid %j is a name that nobody has', async (kid) => {
  const empty = Buffer.alloc(32);
  const forged = rawToken(JSON.stringify({ alg: 'HS256', kid }), PAYLOAD, empty);
  await expectRefused(await both(), forged, 0x86, 'there is no key for the token (HS256, the kid');
});

test.each([['7'], ['null'], ['["old"]'], ['{"a":1}'], [`"${'x'.repeat(257)}"`]])(
  'kid %s is none',
  async (kid) => {
    const forged = rawToken(`{"alg":"HS256","kid":${kid}}`, PAYLOAD);
    await expectRefused(await both(), forged, 0x86, 'the kid of the token is no text of 256');
  },
);

test.each([
  ['alg', `{"alg":"none","alg":"HS256"}`],
  ['an escaped alg', `{"alg":"RS256","\\u0061lg":"HS256"}`],
  ['kid', `{"alg":"HS256","kid":"rsa","kid":"old"}`],
])('a header with %s twice is refused', async (_, header) => {
  const forged = rawToken(header, PAYLOAD);
  await expectRefused(await both(), forged, 0x86, 'the header of the token has a name twice');
});

test.each([
  ['a user name', `{"sub":"admin",${PAYLOAD.slice(1)}`],
  ['an end', `{"exp":9999999999,${PAYLOAD.slice(1)}`],
  ['a claim in a claim', `${PAYLOAD.slice(0, -1)},"x":[{"a":1,"b":{"a":2},"a":3}]}`],
])('%s twice is refused, even from the issuer', async (_, payload) => {
  const twice = rawToken(HEADER, payload);
  await expectRefused(await both(), twice, 0x87, 'the payload of the token has a name twice');
});

test('the same name in two objects, or as a value, is no name twice', async () => {
  const payload = `${PAYLOAD.slice(0, -1)},"x":[{"a":"a"},{"a":["a","a"]}],"a":{"x":"sub"} }`;
  await expectAccepted(await both(), rawToken(HEADER, payload));
});

test.each([
  ['no JSON', 'hello'],
  ['a list', '[1]'],
  ['null', 'null'],
  ['a text', '"sub"'],
  ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ['a byte order mark', `\ufeff${PAYLOAD}`],
  ['an abyss', `{"a":${'['.repeat(4_000)}${']'.repeat(4_000)}}`],
])('a signed payload that is %s is refused', async (_, payload) => {
  await expectRefused(await both(), rawToken(HEADER, payload), 0x87, 'the payload of the token');
});

test('a payload or header that was changed is refused', async () => {
  const made = await both();
  const [header, , signature] = rawToken(HEADER, PAYLOAD).split('.');
  const admin = encode(JSON.stringify({ ...CLAIMS, sub: 'admin' }));
  await expectRefused(made, `${header}.${admin}.${signature}`, 0x86, 'signature');
  const other = encode('{"alg":"HS256","typ":"JWT"}');
  await expectRefused(made, `${other}.${encode(PAYLOAD)}.${signature}`, 0x86, 'signature');
});

test('a signature that is cut off, empty or of another length is refused', async () => {
  const made = await both();
  const good = rawToken(HEADER, PAYLOAD);
  const [header, payload, signature = ''] = good.split('.');
  for (const bad of ['', 'AA', signature.slice(0, -4), signature + signature, 'A']) {
    await expectRefused(made, `${header}.${payload}.${bad}`, 0x86, 'signature');
  }
  const rsa = rawRsaToken('{"alg":"RS256"}', PAYLOAD, RSA.privateKey);
  await expectAccepted(made, rsa);
  await expectRefused(made, rsa.slice(0, rsa.lastIndexOf('.') + 1), 0x86, 'signature');
});

test.each([
  ['nothing', ''],
  ['a password', 'secret'],
  ['two dots', '..'],
  ['two parts', `${encode(HEADER)}.${encode(PAYLOAD)}`],
  ['four parts', `${rawToken(HEADER, PAYLOAD)}.AA`],
  ['an encrypted token', `${encode('{"alg":"dir","enc":"A256GCM"}')}..AA.AA.AA`],
  ['padding', `${encode(HEADER)}=.${encode(PAYLOAD)}.AA`],
  ['plain base64', `${encode(HEADER)}.a+b/.AA`],
  ['blanks', ` ${rawToken(HEADER, PAYLOAD)}`],
  ['a line end', `${rawToken(HEADER, PAYLOAD)}\n`],
  ['no JSON', `${encode('hello')}.AA.AA`],
  ['a list', `${encode('["alg"]')}.AA.AA`],
  ['null', `${encode('null')}.AA.AA`],
  ['no alg', `${encode('{"typ":"JWT"}')}.AA.AA`],
  ['an inherited alg', `${encode('{"__proto__":{"alg":"HS256"}}')}.AA.AA`],
  ['no ASCII', rawToken(HEADER, PAYLOAD).replace('.', '․')],
])('%s is no token, and left to the next authenticator', async (_, text) => {
  expect(await login(await both(), text)).toBe('next');
});

test('no password is left to the next authenticator', async () => {
  expect((await both()).authenticate(request())).toBe('next');
});

test('a header that is no text in alg is a token that is refused', async () => {
  const forged = `${encode('{"alg":["HS256"]}')}.${encode(PAYLOAD)}.AAAA`;
  await expectRefused(await both(), forged, 0x86, 'the alg of the token is no text');
});

test('16,384 bytes are read, and not one more', async () => {
  const made = await both();
  const ofPayload = (bytes: number) => {
    const start = `${PAYLOAD.slice(0, -1)},"x":"`;
    return rawToken(HEADER, `${start}${'y'.repeat(bytes - start.length - 2)}"}`);
  };
  const longest = ofPayload(12_239);
  expect(longest).toHaveLength(16_384);
  await expectAccepted(made, longest);
  const beyond = ofPayload(12_240);
  const before = made.verifications;
  await expectRefused(made, beyond, 0x86, 'the token has 16385 bytes; at most 16384');
  await expectRefused(made, `${encode(HEADER)}.${'A'.repeat(65_000)}.AA`, 0x86, 'at most 16384');
  expect(made.verifications).toBe(before);
});

test('whoever holds no genuine token is told the same, whatever is wrong', async () => {
  const made = await both();
  const told = new Set<unknown>();
  for (const forged of [
    rawToken('{"alg":"none"}', PAYLOAD),
    rawToken(HEADER, PAYLOAD, Buffer.from('x')),
    rawToken('{"alg":"HS256","kid":"x"}', PAYLOAD),
    rawToken(HEADER, `${encode('{"exp":1}')}`, Buffer.from('x')),
  ]) {
    const { reasonString } = await expectRefused(made, forged, 0x86, '');
    told.add(reasonString);
  }
  expect([...told]).toEqual(['the token is not accepted']);
});

test('a token of another issuer with the same key is not for this server', async () => {
  const made = await both();
  const input = `${encode(HEADER)}.${encode(JSON.stringify({ ...CLAIMS, iss: 'other' }))}`;
  const signature = createHmac('sha256', SECRET).update(input).digest('base64url');
  await expectRefused(made, `${input}.${signature}`, 0x87, 'iss is "other", expected');
});
