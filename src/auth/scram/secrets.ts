// What the server keeps of a password for SCRAM-SHA-256, and what it proves. RFC 5802 §3, RFC 7677 §3. Whoever steals it can
// pretend to be the server, and try out passwords, but not log in.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export interface ScramSecrets {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** Bytes of every key and signature: SHA-256. */
export const KEY_BYTES = 32;

/** `saltedPassword`: the password, prepared, as PBKDF2 with HMAC-SHA-256 makes it of that salt and so many iterations. */
export function secretsFrom(
  saltedPassword: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): ScramSecrets {
  const clientKey = hmac(saltedPassword, 'Client Key');
  const storedKey = createHash('sha256').update(clientKey).digest();
  return { salt, iterations, storedKey, serverKey: hmac(saltedPassword, 'Server Key') };
}

/** Whether the proof was made with the password. Takes as long for a wrong one. */
export function isProof(secrets: ScramSecrets, authMessage: string, proof: Uint8Array): boolean {
  const signature = hmac(secrets.storedKey, authMessage);
  const clientKey = signature.map((byte, i) => byte ^ proof[i]);
  return timingSafeEqual(createHash('sha256').update(clientKey).digest(), secrets.storedKey);
}

/** What shows the client that the server knows its password, too. */
export function serverSignature(secrets: ScramSecrets, authMessage: string): Buffer {
  return hmac(secrets.serverKey, authMessage);
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
