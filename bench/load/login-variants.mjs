// The servers that `login` and `login-storm` compare: who is asked who a client is, and what that has to go by. All let anonymous
// clients in, too, and all keep what they must on a disk, so that only the way to log in differs.

import { execFileSync } from 'node:child_process';
import {
  createHmac,
  createPrivateKey,
  generateKeyPairSync,
  pbkdf2Sync,
  randomBytes,
  sign,
} from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { argon2id } from 'hash-wasm';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const DATA = 'data';
const USER = 'bench';
const PASSWORD = 'correct horse';
const ISSUER = 'bench';
const AUDIENCE = 'mqtt';
const TOKEN_SECONDS = 3_600;
const HASH_BYTES = 64;
const SALT_BYTES = 12;
/** As `mosquitto_passwd` 2.1 writes them. */
const ARGON2 = { memorySize: 47_104, iterations: 1, parallelism: 1, hashLength: HASH_BYTES };

/** What keeps things on a disk, fsynced. */
function storage(folder) {
  const data = JSON.stringify(path.join(folder, DATA));
  return ['[storage]', 'level = "always"', `path = ${data}`];
}

function passwordFile(folder, lines) {
  const file = path.join(folder, 'passwords');
  fs.writeFileSync(file, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  return ['[[authenticators]]', 'type = "password-file"', `file = ${JSON.stringify(file)}`];
}

/** PBKDF2 with HMAC-SHA-512, as it stands in a password file. */
function pbkdf2Hash(iterations) {
  const salt = randomBytes(SALT_BYTES);
  const hash = pbkdf2Sync(PASSWORD, salt, iterations, HASH_BYTES, 'sha512');
  return `$7$${iterations}$${salt.toString('base64')}$${hash.toString('base64')}`;
}

function argon2Hash() {
  const salt = randomBytes(HASH_BYTES);
  return argon2id({ ...ARGON2, password: PASSWORD, salt, outputType: 'encoded' });
}

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * Tokens of as many users, none of which was seen before.
 * @param {string} algorithm @param {(text: string) => Buffer} signatureOf @param {number} count
 */
function tokensOf(algorithm, signatureOf, count) {
  const head = base64url({ alg: algorithm, typ: 'JWT' });
  const exp = Math.floor(Date.now() / 1_000) + TOKEN_SECONDS;
  const jti = randomBytes(8).toString('hex');
  return Array.from({ length: count }, (_, i) => {
    const claims = { iss: ISSUER, aud: AUDIENCE, sub: `user-${i}`, exp, jti: `${jti}-${i}` };
    const text = `${head}.${base64url(claims)}`;
    return `${text}.${signatureOf(text).toString('base64url')}`;
  });
}

/**
 * @param {string} algorithm
 * @param {(text: string) => Buffer} signatureOf
 * @param {(folder: string) => string} key what the server verifies with, as a line of its configuration
 * @returns {import('./target.mjs').Contestant}
 */
function jwt(algorithm, signatureOf, key) {
  return {
    name: `JWT ${algorithm}`,
    admitsAnonymous: true,
    configure: (folder) => [
      ...storage(folder),
      '[[authenticators]]',
      'type = "jwt"',
      `issuer = "${ISSUER}"`,
      `audience = ["${AUDIENCE}"]`,
      '[[authenticators.keys]]',
      `algorithms = ["${algorithm}"]`,
      key(folder),
    ],
    loginsOf: () => (count) => ({
      kind: 'tokens',
      tokens: tokensOf(algorithm, signatureOf, count),
    }),
  };
}

function hs256() {
  const secret = randomBytes(32).toString('base64url');
  const signatureOf = (text) => createHmac('sha256', secret).update(text).digest();
  return jwt('HS256', signatureOf, () => `secret = "${secret}"`);
}

function es256() {
  const pair = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const key = createPrivateKey(pair.privateKey);
  const signatureOf = (text) => sign('sha256', text, { key, dsaEncoding: 'ieee-p1363' });
  return jwt('ES256', signatureOf, (folder) => {
    const file = path.join(folder, 'public.pem');
    fs.writeFileSync(file, pair.publicKey);
    return `file = ${JSON.stringify(file)}`;
  });
}

/** A user of the running server's database, who gets a password of 256 bits. @param {string} folder the server's own */
function addUser(folder) {
  const args = ['users', 'add', USER, '--machine', '--data', path.join(folder, DATA)];
  return execFileSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}

/**
 * Each way to say who one is. What `loginsOf` answers, once the server runs, is asked anew for every crowd of `count` clients.
 * @type {import('./target.mjs').Contestant[]}
 */
export const LOGIN_VARIANTS = [
  {
    name: 'anonymous',
    admitsAnonymous: true,
    configure: storage,
    loginsOf: () => () => null,
  },
  {
    // That it is remembered shows: with so many rounds nobody else would be let in so fast.
    name: 'password, remembered',
    admitsAnonymous: true,
    configure: (folder, { iterations }) => [
      ...storage(folder),
      ...passwordFile(folder, [`${USER}:${pbkdf2Hash(iterations)}`]),
    ],
    loginsOf: () => () => ({ kind: 'password', username: USER, password: PASSWORD }),
  },
  hs256(),
  es256(),
  {
    name: 'SCRAM',
    admitsAnonymous: true,
    configure: (folder) => [...storage(folder), '[[authenticators]]', 'type = "users"'],
    loginsOf(folder) {
      const password = addUser(folder);
      return () => ({ kind: 'scram', username: USER, password });
    },
  },
];

/** Everybody is somebody else with the same password, so that each has to be hashed. */
const CROWD = { kind: 'password', username: 'user-{i}', password: PASSWORD };

/**
 * @param {string} name @param {boolean} hasLogins @param {(options: object) => string | Promise<string>} hashOf
 * @returns {import('./target.mjs').Contestant}
 */
function storm(name, hasLogins, hashOf) {
  return {
    name,
    admitsAnonymous: true,
    async configure(folder, options) {
      const hash = await hashOf(options);
      const lines = Array.from({ length: crowdOf(options) }, (_, i) => `user-${i}:${hash}`);
      return [...storage(folder), ...passwordFile(folder, lines)];
    },
    loginsOf: () => () => (hasLogins ? CROWD : null),
  };
}

/** How many come while it is measured. */
export function crowdOf({ logins, duration }) {
  return Math.ceil(logins * duration);
}

/** The same server without anybody who logs in, and with them. @type {import('./target.mjs').Contestant[]} */
export const STORM_VARIANTS = [
  storm('no logins', false, ({ iterations }) => pbkdf2Hash(iterations)),
  storm('logins, $7$', true, ({ iterations }) => pbkdf2Hash(iterations)),
  storm('logins, argon2id', true, argon2Hash),
];
