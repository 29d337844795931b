// Who a verified token says that its bearer is, as the operator maps claims. Made once per token; what depends on the moment or
// on the connection is asked at each use.

import type { Claims, Permission } from '../auth.ts';
import { readPermissions } from './acl-claim.ts';
import {
  ClaimFault,
  checkAudience,
  checkIssuer,
  claimAt,
  readGroups,
  readName,
  readTime,
} from './claims.ts';
import { isObject, parseStrictJson } from './strict-json.ts';

/** A claim that a token has to have, unless the operator says that it need not. */
export type RequiredClaim = 'exp' | 'iss' | 'aud';

export interface ClaimRules {
  /** null: any, which `notRequired` has to say. */
  readonly issuer: string | null;
  /** A token is for one of these; empty: for anybody, which `notRequired` has to say. */
  readonly audience: readonly string[];
  readonly notRequired: readonly RequiredClaim[];
  readonly usernameClaim: string;
  /** null: a token is for any client id. */
  readonly clientIdClaim: string | null;
  readonly groupsClaim: string;
  readonly aclClaim: string;
}

export interface Identity {
  readonly username: string;
  /** The only client id that the token is for; null: any. */
  readonly clientId: string | null;
  readonly groups: readonly string[];
  /** undefined: the token has no rules, which is not the same as an empty list. */
  readonly permissions: readonly Permission[] | undefined;
  readonly claims: Claims;
  /** Milliseconds since 1970, as the token says, without leeway; null: it does not say. */
  readonly notBeforeMs: number | null;
  readonly expiresAtMs: number | null;
}

/** Throws ClaimFault when the payload does not say what it has to. */
export function readIdentity(payload: Uint8Array, rules: ClaimRules): Identity {
  return identityOf(readClaims(payload), rules);
}

/** The same of claims that were read before, perhaps by other rules. */
export function identityOf(claims: Claims, rules: ClaimRules): Identity {
  const isRequired = (name: RequiredClaim) => !rules.notRequired.includes(name);
  const expiresAtMs = readTime(claims, 'exp');
  if (expiresAtMs === null && isRequired('exp')) throw new ClaimFault('the token has no exp');
  checkIssuer(claims, rules.issuer, isRequired('iss'));
  checkAudience(claims, rules.audience, isRequired('aud'));
  const acl = claimAt(claims, rules.aclClaim);
  return {
    username: readName(claims, rules.usernameClaim),
    clientId: rules.clientIdClaim === null ? null : readName(claims, rules.clientIdClaim),
    groups: readGroups(claims, rules.groupsClaim),
    permissions: acl === undefined ? undefined : readPermissions(acl, rules.aclClaim),
    claims,
    notBeforeMs: readTime(claims, 'nbf'),
    expiresAtMs,
  };
}

function readClaims(payload: Uint8Array): Claims {
  let claims: unknown;
  try {
    claims = parseStrictJson(payload);
  } catch (error) {
    throw new ClaimFault(`the payload of the token ${(error as Error).message}`);
  }
  if (!isObject(claims)) throw new ClaimFault('the payload of the token is no JSON object');
  return claims;
}
