// What those who look at passwords have in common where there are several. Alone each spends a derivation on a name that it does
// not know, as on one that it does. In a chain they spend one together: whoever knows the name, on its password; if nobody does
// and nobody else lets the client in, one of them. So a login costs the same whoever knows the name, and users of one source do
// not pay for the secrets of another.

import { createHmac, randomBytes } from 'node:crypto';
import type { Authenticator, ConnectRequest, Refused } from '../auth.ts';

export interface PasswordSource extends Authenticator {
  /** Of how many names it has passwords. */
  readonly nameCount: number;
  knowsName(username: string): boolean;
  /** As much work as for a name that it knows, or why it cannot be done now. */
  spend(request: ConnectRequest): Promise<Refused | null>;
}

/** Which source spends it must not change from one attempt to the next, nor be foreseen. */
const KEY = randomBytes(32);

export function isPasswordSource(authenticator: Authenticator): authenticator is PasswordSource {
  const { knowsName, spend } = authenticator as Partial<PasswordSource>;
  return typeof knowsName === 'function' && typeof spend === 'function';
}

/** Who of those who do not know the name shall spend on it: each as often as a name is one of its own. */
export function spenderFor<T extends { readonly nameCount: number }>(
  username: string,
  sources: readonly T[],
): T | null {
  const all = sources.reduce((sum, { nameCount }) => sum + nameCount, 0);
  let rest = (createHmac('sha256', KEY).update(username).digest().readUIntBE(0, 6) / 2 ** 48) * all;
  for (const source of sources) {
    rest -= source.nameCount;
    if (rest < 0) return source;
  }
  return null; // there are no names at all
}
