// What an authenticator said of a client beyond its name and groups, kept beside its stored session: after a restart its will,
// its subscriptions and what comes for it are judged by the same as before.

import type { Client } from '../auth/auth.ts';

/** The table of the store, by the number of the session. */
export const IDENTITIES = 'identities';

/** Larger ones are not kept: of their clients nothing is known until they are back. */
const BYTES_MAX = 65_536;

export type StoredIdentity = Pick<
  Client,
  'claims' | 'permissions' | 'certificateName' | 'by' | 'credential' | 'ownGroups'
>;

/** null: rules go by nothing that is not in the session itself. */
export function encodeIdentity(identity: StoredIdentity): Uint8Array | null {
  const { claims, permissions, certificateName, by, credential, ownGroups } = identity;
  if (claims === undefined && permissions === undefined && !certificateName) return null;
  const known = { claims, permissions, certificateName, by, credential, ownGroups };
  const text = JSON.stringify({ version: 1, ...known });
  const bytes = new TextEncoder().encode(text);
  return bytes.length > BYTES_MAX ? TOO_LARGE : bytes;
}

/** Stands for one that is too large. */
const TOO_LARGE = new TextEncoder().encode('{}');

/** null, for what is none of these: whoever judged its client without them might miss what forbids something. */
export function decodeIdentity(bytes: Uint8Array): StoredIdentity | null {
  try {
    const { version, ...known } = JSON.parse(new TextDecoder().decode(bytes));
    const { claims, permissions, certificateName, by, credential, ownGroups } = known;
    if (version !== 1) return null;
    return { claims, permissions, certificateName, by, credential, ownGroups };
  } catch {
    return null;
  }
}
