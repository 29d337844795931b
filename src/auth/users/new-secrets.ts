// What is kept of a new password: a hash for those who send it, and the secrets of SCRAM for those who prove that they know it.

import { randomBytes } from 'node:crypto';
import type { PasswordHasher } from '../passwords/hasher.ts';
import {
  createPasswordHash,
  ITERATIONS,
  MACHINE_ITERATIONS,
  type PasswordHash,
} from '../passwords/password-hash.ts';
import { saslPrep } from '../scram/saslprep.ts';
import { KEY_BYTES, type ScramSecrets, secretsFrom } from '../scram/secrets.ts';
import { SCRAM_ITERATIONS_MIN } from './user-record.ts';

export interface NewSecrets {
  readonly hash: PasswordHash;
  readonly scram: ScramSecrets | null;
}

export const SALT_BYTES = 16;

/**
 * Hashes a password; `isMachine`: it is 256 random bits, so that few rounds are enough, which the client must compute for SCRAM
 * at every login. Rejects with HasherError.
 */
export async function newSecrets(
  hasher: PasswordHasher,
  password: Uint8Array,
  isMachine: boolean,
): Promise<NewSecrets> {
  const [hash, scram] = await Promise.all([
    createPasswordHash(hasher, password, {
      iterations: isMachine ? MACHINE_ITERATIONS : ITERATIONS,
    }),
    scramSecrets(hasher, password, isMachine ? SCRAM_ITERATIONS_MIN : ITERATIONS),
  ]);
  return { hash, scram };
}

/** null for bytes that are no text, or a text that RFC 4013 does not allow: no client could prove that it knows it. */
async function scramSecrets(
  hasher: PasswordHasher,
  password: Uint8Array,
  iterations: number,
): Promise<ScramSecrets | null> {
  const prepared = preparedOf(password);
  if (prepared === null) return null;
  const salt = randomBytes(SALT_BYTES);
  const salted = await hasher.derive({
    kind: 'pbkdf2',
    digest: 'sha256',
    password: Buffer.from(prepared),
    salt,
    iterations,
    length: KEY_BYTES,
  });
  return secretsFrom(salted, salt, iterations);
}

function preparedOf(password: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(password);
    return saslPrep(text);
  } catch {
    return null;
  }
}
