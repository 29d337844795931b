// What the payload of a verified token says: RFC 7519 §4.1 and the claims that the operator maps to user name, client id and
// groups. A claim that is null counts as absent.

import { utf8Length } from '../../protocol/utf8.ts';
import type { Claims } from '../auth.ts';
import { quoted } from './token.ts';

const NAME_BYTES_MAX = 1_024;
const GROUPS_MAX = 1_000;
/** The end of the year 9999. Beyond it, it was most likely meant to be milliseconds. */
const SECONDS_MAX = 253_402_300_799;
/** MQTT 5 §1.5.4: neither U+0000 nor surrogates; the other control characters it advises against. */
const NOT_IN_NAMES = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** A claim for which a token is refused, though its signature is good; goes to the log. */
export class ClaimFault extends Error {
  override readonly name = 'ClaimFault';
}

/** The claim of that name; failing that, the one that the dots in it lead to. */
export function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name] ?? undefined;
  let value: unknown = claims;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part))
      return undefined;
    value = (value as Claims)[part];
  }
  return value ?? undefined;
}

/** Milliseconds since 1970, or null if the token does not say. */
export function readTime(claims: Claims, name: 'exp' | 'nbf'): number | null {
  const seconds = claimAt(claims, name);
  if (seconds === undefined) return null;
  if (typeof seconds !== 'number' || seconds < 0 || seconds > SECONDS_MAX) {
    throw new ClaimFault(`${name} is ${quoted(seconds)}: expected seconds since 1970`);
  }
  return seconds * 1_000;
}

/** Whom it is from. `issuer` null: any. */
export function checkIssuer(claims: Claims, issuer: string | null, isRequired: boolean): void {
  const value = claimAt(claims, 'iss');
  if (value === undefined) {
    if (isRequired) throw new ClaimFault('the token has no iss');
  } else if (issuer !== null && value !== issuer) {
    throw new ClaimFault(`iss is ${quoted(value)}, expected ${quoted(issuer)}`);
  }
}

/** Whom it is for: one of them at least. An empty `audience`: anybody. */
export function checkAudience(
  claims: Claims,
  audience: readonly string[],
  isRequired: boolean,
): void {
  const value = claimAt(claims, 'aud');
  if (value === undefined) {
    if (isRequired) throw new ClaimFault('the token has no aud');
    return;
  }
  if (audience.length === 0) return;
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (!values.some((one) => typeof one === 'string' && audience.includes(one))) {
    throw new ClaimFault(`aud is ${quoted(value)}, expected ${audience.map(quoted).join(' or ')}`);
  }
}

/** A user name or client id. */
export function readName(claims: Claims, name: string): string {
  const value = claimAt(claims, name);
  if (value === undefined) throw new ClaimFault(`the token has no ${name}`);
  if (typeof value !== 'string' || value === '') {
    throw new ClaimFault(`${name} is ${quoted(value)}: expected a text that is not empty`);
  }
  if (NOT_IN_NAMES.test(value)) {
    throw new ClaimFault(`${name} is ${quoted(value)}, which has characters that no name may have`);
  }
  if (utf8Length(value) > NAME_BYTES_MAX) {
    throw new ClaimFault(`${name} has more than ${NAME_BYTES_MAX} bytes`);
  }
  return value;
}

/** A list of texts, or one text with blanks between them, as `scope` has; none if there is no such claim. */
export function readGroups(claims: Claims, name: string): string[] {
  const value = claimAt(claims, name);
  if (value === undefined) return [];
  const groups: readonly unknown[] | null =
    typeof value === 'string'
      ? value.split(' ').filter((group) => group !== '')
      : Array.isArray(value)
        ? value
        : null;
  if (groups === null || !groups.every((group) => typeof group === 'string' && group !== '')) {
    throw new ClaimFault(`${name} is ${quoted(value)}: expected a list of texts, or one text`);
  }
  if (groups.length > GROUPS_MAX) {
    throw new ClaimFault(`${name} has ${groups.length} groups; at most ${GROUPS_MAX} are read`);
  }
  return groups as string[];
}
