// What an authenticator said of a client beyond its name and groups, kept beside its stored session: after a restart its will,
// its subscriptions and what comes for it are judged by the same as before.

import type { Client } from '../auth/auth.ts';

/** The table of the store, by the number of the session. */
export const IDENTITIES = 'identities';

/** Larger ones are not kept: the client is judged without them until it is back. */
const BYTES_MAX = 65_536;

export type StoredIdentity = Pick<Client, 'claims' | 'permissions' | 'by' | 'credential'>;

/** null: there is nothing to keep. */
export function encodeIdentity({
  claims,
  permissions,
  by,
  credential,
}: StoredIdentity): Uint8Array | null {
  if ((claims ?? permissions ?? by ?? credential) === undefined) return null;
  const text = JSON.stringify({ version: 1, claims, permissions, by, credential });
  const bytes = new TextEncoder().encode(text);
  return bytes.length > BYTES_MAX ? null : bytes;
}

/** Nothing, for what is none of these. */
export function decodeIdentity(bytes: Uint8Array): StoredIdentity {
  try {
    const { version, claims, permissions, by, credential } = JSON.parse(
      new TextDecoder().decode(bytes),
    );
    return version === 1 ? { claims, permissions, by, credential } : {};
  } catch {
    return {};
  }
}
