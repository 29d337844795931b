// A password against a hash, for whoever answers a CONNECT: it matches, it does not, or there is a reason why that is not known.

import { ReasonCode } from '../../protocol/reason-code.ts';
import type { ConnectRequest, Refused } from '../auth.ts';
import type { PasswordCheck, PasswordHasher } from './hasher.ts';
import type { PasswordHash } from './password-hash.ts';

/** Nothing is computed for a client that has gone before its turn, or that must not come in any more. */
export async function checkPassword(
  hasher: PasswordHasher,
  request: ConnectRequest,
  password: Uint8Array,
  hash: PasswordHash,
): Promise<'match' | 'mismatch' | Refused> {
  let check: PasswordCheck;
  try {
    check = await hasher.verify(
      hash,
      password,
      () => request.isGone,
      () => request.isUnwelcome === true,
    );
  } catch (error) {
    const detail = error instanceof Error ? error.message : 'the password could not be hashed';
    return { reasonCode: ReasonCode.ServerUnavailable, detail };
  }
  if (check === 'busy') {
    const detail = 'too many passwords wait to be hashed';
    return { reasonCode: ReasonCode.ServerBusy, detail };
  }
  if (check === 'gone') {
    const detail = 'the client went, or was turned away, before its password was hashed';
    return { reasonCode: ReasonCode.ServerUnavailable, detail };
  }
  return check;
}

/** The same words for a wrong password and for a name that nobody has; `detail` is for the log. */
export function wrongCredentials(detail: string): Refused {
  const reasonString = 'the user name or the password is wrong';
  return { reasonCode: ReasonCode.BadUserNameOrPassword, reasonString, detail };
}
