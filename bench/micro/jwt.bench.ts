// What a login with a token costs: microseconds per token, by algorithm. One after the other; a thousand at once, as after a
// restart; and once it is remembered. Below: how long a thread of libuv's pool is waited for meanwhile, which is what the
// store's commits need, and what it would be if all signatures were handed to the pool at once.

import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type CryptoKey, compactVerify, importSPKI, SignJWT } from 'jose';
import type { ConnectRequest } from '../../src/auth/auth.ts';
import { JwtAuthenticator } from '../../src/auth/jwt/authenticator.ts';
import { loadJwtKeys } from '../../src/auth/jwt/keys.ts';
import { SYSTEM_CLOCK } from '../../src/lib/clock.ts';
import { round } from './timing.ts';

const STORM = 1_000;
const ROUNDS = 9;
const folder = mkdtempSync(path.join(os.tmpdir(), 'iothub-jwt-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const SECRET = randomBytes(64);
const RSA = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const KEYS: Readonly<
  Record<string, { readonly privateKey: KeyObject; readonly publicKey: KeyObject } | null>
> = {
  HS256: null,
  HS512: null,
  RS256: RSA,
  PS256: RSA,
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  EdDSA: generateKeyPairSync('ed25519'),
};

function pemOf(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

function sourceOf(alg: string): { readonly secret?: Uint8Array; readonly file?: string } {
  const keys = KEYS[alg] ?? null;
  if (keys === null) return { secret: SECRET };
  const file = path.join(folder, `${alg}.pem`);
  writeFileSync(file, pemOf(keys.publicKey));
  return { file };
}

async function authenticatorFor(alg: string, verifiedMax: number): Promise<JwtAuthenticator> {
  const keys = [{ algorithms: [alg], ...sourceOf(alg) }];
  return new JwtAuthenticator({
    name: 'bench',
    keys: await loadJwtKeys({ name: 'bench', keys, clock: SYSTEM_CLOCK }),
    clock: SYSTEM_CLOCK,
    issuer: 'https://issuer.example',
    audience: ['mqtt'],
    verifiedMax,
  });
}

async function tokenOf(alg: string, i: number): Promise<string> {
  const acl = { pub: [`sites/a/${i}/#`], sub: [`commands/${i}/+`] };
  return await new SignJWT({ sub: `sensor-${i}`, groups: ['sensors'], acl })
    .setProtectedHeader({ alg })
    .setIssuer('https://issuer.example')
    .setAudience('mqtt')
    .setExpirationTime('1h')
    .sign(KEYS[alg]?.privateKey ?? SECRET);
}

function requestWith(token: string): ConnectRequest {
  return {
    clientId: 'c',
    username: null,
    password: Buffer.from(token),
    authenticationMethod: null,
    protocolVersion: 5,
    cleanStart: true,
    keepAlive: 0,
    userProperties: [],
    listener: '',
    transport: 'tcp',
    remoteAddress: '127.0.0.1',
    remotePort: 1,
    certificate: null,
    isGone: false,
  };
}

/** Best of several rounds, in microseconds per token. */
async function best(count: number, run: () => Promise<void>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) {
    const start = process.hrtime.bigint();
    await run();
    least = Math.min(least, Number(process.hrtime.bigint() - start) / 1_000 / count);
  }
  return least;
}

async function oneByOne(
  made: JwtAuthenticator,
  requests: readonly ConnectRequest[],
): Promise<void> {
  for (const request of requests) await made.authenticate(request);
}

async function atOnce(made: JwtAuthenticator, requests: readonly ConnectRequest[]): Promise<void> {
  await Promise.all(requests.map((request) => made.authenticate(request)));
}

async function measure(alg: string): Promise<void> {
  const made = await authenticatorFor(alg, 0);
  const remembering = await authenticatorFor(alg, STORM);
  const requests: ConnectRequest[] = [];
  for (let i = 0; i < STORM; i++) requests.push(requestWith(await tokenOf(alg, i)));
  const few = requests.slice(0, 200);
  const single = await best(few.length, () => oneByOne(made, few));
  const storm = await best(STORM, () => atOnce(made, requests));
  await atOnce(remembering, requests);
  const known = await best(STORM, async () => {
    for (const request of requests) void remembering.authenticate(request);
  });
  console.log(`  ${alg.padEnd(8)} ${round(single)}         ${round(storm)}    ${round(known)}`);
}

/** Milliseconds that something small waits for a thread of the pool while `work` goes on: median and most. */
async function waits(work: Promise<unknown>): Promise<string> {
  const times: number[] = [];
  let isOver = false;
  const over = work.then(() => {
    isOver = true;
  });
  while (!isOver) {
    const start = performance.now();
    await stat(folder);
    times.push(performance.now() - start);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await over;
  times.sort((a, b) => a - b);
  return `median ${times[times.length >> 1]?.toFixed(2)} ms, most ${times.at(-1)?.toFixed(2)} ms`;
}

async function measurePool(alg: string): Promise<void> {
  const made = await authenticatorFor(alg, 0);
  const tokens: string[] = [];
  for (let i = 0; i < STORM; i++) tokens.push(await tokenOf(alg, i));
  const key: CryptoKey = await importSPKI(pemOf((KEYS[alg] ?? RSA).publicKey), alg);
  const bounded = await waits(atOnce(made, tokens.map(requestWith)));
  const unbounded = await waits(Promise.all(tokens.map((token) => compactVerify(token, key))));
  console.log(`  ${alg.padEnd(8)} ${bounded}; all handed over at once: ${unbounded}`);
}

console.log(`\nmicroseconds per token\n           one by one   ${STORM} at once   remembered`);
for (const alg of Object.keys(KEYS)) await measure(alg);
console.log(`\nwaiting for a thread of the pool while ${STORM} tokens are checked`);
for (const alg of ['ES256', 'ES512']) await measurePool(alg);
