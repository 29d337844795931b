// Keys as JSON: a JWK or a set of them. RFC 7517. Of a set only those count that are for verifying by one of the algorithms;
// others are for somebody else, and no mistake.

import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { type JwtAlgorithm, kindOf } from './algorithms.ts';
import { type JwtKey, kindOfPublic, publicKey, secretKey } from './key.ts';
import { isObject } from './strict-json.ts';
import { KEY_ID_LENGTH_MAX } from './token.ts';

/** More in one set would be a mistake, or somebody who wants to keep the server busy. */
const KEYS_MAX = 100;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv'];

export interface KeySet {
  readonly keys: readonly JwtKey[];
  /** What is wrong with some: they are not among the keys. */
  readonly problems: readonly string[];
  /** Any is a secret, or holds a private key. */
  readonly hasSecrets: boolean;
}

export interface KeySetRules {
  readonly algorithms: readonly JwtAlgorithm[];
  /** The name of a key that has none. */
  readonly id: string | null;
  /** Secrets (`oct`) are keys, too: never where others than this machine may have had a hand in it. */
  readonly allowsSecrets: boolean;
}

/** The keys of a JWK or JWKS; throws an Error that says why it is none. */
export async function readKeySet(json: unknown, rules: KeySetRules): Promise<KeySet> {
  const jwks = listOf(json);
  const keys: JwtKey[] = [];
  const problems: string[] = [];
  let hasSecrets = false;
  for (const [i, jwk] of jwks.entries()) {
    if (isObject(jwk) && (jwk.kty === 'oct' || isPrivate(jwk))) hasSecrets = true;
    const key = await keyOf(jwk, rules);
    if (typeof key === 'string') problems.push(`key ${i + 1} in it: ${key}`);
    else if (key !== null) keys.push(key);
  }
  return { keys, problems, hasSecrets };
}

function listOf(json: unknown): readonly unknown[] {
  if (isObject(json) && json.keys === undefined && json.kty !== undefined) return [json];
  if (!isObject(json) || !Array.isArray(json.keys)) {
    throw new Error('is neither a JWK nor a JWKS: expected {"keys": […]}');
  }
  if (json.keys.length > KEYS_MAX) {
    throw new Error(`has ${json.keys.length} keys, more than the ${KEYS_MAX} that are read`);
  }
  return json.keys;
}

/** The key, what is wrong with it, or null if it is for something else. */
async function keyOf(jwk: unknown, rules: KeySetRules): Promise<JwtKey | string | null> {
  if (!isObject(jwk) || typeof jwk.kty !== 'string') return 'it is no JWK: its kty is missing';
  if (jwk.use !== undefined && jwk.use !== 'sig') return null;
  if (Array.isArray(jwk.key_ops) && !jwk.key_ops.includes('verify')) return null;
  const id = jwk.kid ?? rules.id;
  if (id !== null && (typeof id !== 'string' || id === '' || id.length > KEY_ID_LENGTH_MAX)) {
    return `its kid is no text of 1 to ${KEY_ID_LENGTH_MAX} characters`;
  }
  const algorithms = rules.algorithms.filter((name) => jwk.alg === undefined || jwk.alg === name);
  if (jwk.kty === 'oct') {
    const fitting = algorithms.filter((name) => kindOf(name) === 'secret');
    if (!rules.allowsSecrets) return 'it is a secret, which nobody may publish: it is not used';
    return fitting.length === 0 ? null : await secretOf(jwk, id, fitting);
  }
  return await publicOf(jwk, id, algorithms);
}

async function secretOf(
  jwk: Readonly<Record<string, unknown>>,
  id: string | null,
  algorithms: readonly JwtAlgorithm[],
): Promise<JwtKey | string> {
  if (typeof jwk.k !== 'string' || !/^[\w-]+$/.test(jwk.k)) return 'its k is not base64url';
  return await secretKey(id, Buffer.from(jwk.k, 'base64url'), algorithms);
}

async function publicOf(
  jwk: Readonly<Record<string, unknown>>,
  id: string | null,
  algorithms: readonly JwtAlgorithm[],
): Promise<JwtKey | string | null> {
  if (isPrivate(jwk)) {
    return 'it is a private key: give the server the public part only, and keep the private one where tokens are made';
  }
  if (jwk.kty !== 'RSA' && jwk.kty !== 'EC' && jwk.kty !== 'OKP') return null;
  try {
    const key = createPublicKey({ key: { ...jwk } as JsonWebKey, format: 'jwk' });
    const kind = kindOfPublic(key);
    const fitting = algorithms.filter((name) => kindOf(name) === kind);
    return fitting.length === 0 ? null : await publicKey(id, key, fitting);
  } catch {
    return `its members do not make a key of the type ${jwk.kty}`;
  }
}

function isPrivate(jwk: Readonly<Record<string, unknown>>): boolean {
  return PRIVATE_MEMBERS.some((name) => jwk[name] !== undefined);
}
