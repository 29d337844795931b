// A token of the admin API as it is kept: its name and role, and of itself only the SHA-256. 256 random bits cannot be guessed, so
// that a fast hash is enough, and nobody who reads the store can use what stands there.

import { createHash, randomBytes } from 'node:crypto';
import { decodeVersioned, encodeVersioned } from '../versioned-json.ts';

export const TOKEN_ROLES = ['viewer', 'operator', 'admin'] as const;
export type TokenRole = (typeof TOKEN_ROLES)[number];

export interface Token {
  readonly name: string;
  readonly role: TokenRole;
  /** Who made it. */
  readonly origin: string;
  /** Wall clock. */
  readonly createdAtMs: number;
  /** Wall clock; null = it does not expire. */
  readonly expiresAtMs: number | null;
  /** SHA-256 of the secret, in hex. */
  readonly hash: string;
}

/** Of the stored form. */
const VERSION = 1;
const SECRET_BYTES = 32;
/** By which scanners for leaked secrets, and people, know one. */
const PREFIX = 'iothub_';
const HASH = /^[0-9a-f]{64}$/;

export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
}

/** Whether it is one that `newSecret` made, by its form. */
export function isSecret(text: string): boolean {
  return /^iothub_[A-Za-z0-9_-]{43}$/.test(text);
}

export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** What is wrong with the name of a token, or null. */
export function tokenNameProblem(name: string): string | null {
  if (/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(name)) return null;
  return 'the name of a token is a letter or digit, then up to 63 letters, digits and . _ @ -';
}

export function encodeToken(token: Token): Uint8Array {
  return encodeVersioned(VERSION, token);
}

/** A stored token, or what is wrong with it. */
export function decodeToken(value: Uint8Array): Token | string {
  const record = decodeVersioned(value, VERSION);
  if (typeof record === 'string') return record;
  const { name, role, origin, createdAtMs, expiresAtMs, hash } = record as Partial<Token>;
  const isRight =
    typeof name === 'string' &&
    TOKEN_ROLES.some((one) => one === role) &&
    typeof origin === 'string' &&
    Number.isFinite(createdAtMs) &&
    (expiresAtMs === null || Number.isFinite(expiresAtMs)) &&
    typeof hash === 'string' &&
    HASH.test(hash);
  if (!isRight) return 'fields are missing, or have values that no token has';
  return { name, role, origin, createdAtMs, expiresAtMs, hash } as Token;
}
