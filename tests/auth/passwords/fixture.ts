// What tests of passwords share: a hasher on the built program of its threads, as Node does not run TypeScript, hashes that cost
// little, and requests of clients.

import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { ConnectRequest } from '../../../src/auth/auth.ts';
import { type HasherOptions, PasswordHasher } from '../../../src/auth/passwords/hasher.ts';
import {
  createPasswordHash,
  type HashOptions,
  type PasswordHash,
} from '../../../src/auth/passwords/password-hash.ts';
import { connectRequest } from '../../kit/connect-request.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
export const HASH_WORKER = path.join(ROOT, 'dist/auth/passwords/hash-worker.js');

/** Closed when the test ends. */
export function testHasher(options: HasherOptions = {}): PasswordHasher {
  const hasher = new PasswordHasher({ workers: 1, workerProgram: HASH_WORKER, ...options });
  onTestFinished(() => hasher.close());
  return hasher;
}

/** A program of threads that is made of this JavaScript. */
export function workerProgram(code: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`);
}

/** A hash that costs little, unless it is asked for otherwise. */
export async function hashOf(
  hasher: PasswordHasher,
  password: string,
  options: HashOptions = {},
): Promise<PasswordHash> {
  return createPasswordHash(hasher, bytes(password), { iterations: 10, ...options });
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A client with this user name and password. */
export function request(
  username: string | null,
  password: string | Uint8Array | null,
  more: Partial<ConnectRequest> = {},
): ConnectRequest {
  const shown = typeof password === 'string' ? bytes(password) : password;
  return connectRequest({ username, password: shown, ...more });
}
