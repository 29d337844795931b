// What the guard, where there is one, is asked and told of a CONNECT between the question who it is and its session; and what is
// counted of the answers.

import type { Accepted, Client, ConnectRequest, Refused } from '../auth/auth.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Context } from './context.ts';

/** The authenticator did not let it in. */
export function countRefusal(
  { guard, metrics }: Context,
  request: ConnectRequest,
  { about, reasonCode }: Refused,
): void {
  metrics.authenticationFailures++;
  guard?.onRefused(request, reasonCode, about);
}

/**
 * The authenticator did not let it in: what the guard has against it by now, which it had not when CONNECT came, or null. Others
 * failed while it waited, and so nothing was spent on it; or it said only then whom it is about.
 */
export function lateObjection(
  { guard }: Context,
  request: ConnectRequest,
  { about, reasonCode }: Refused,
): Refused | null {
  const isLate =
    reasonCode === ReasonCode.ServerUnavailable || request.authenticationMethod !== null;
  return isLate ? (guard?.objection(request, about) ?? null) : null;
}

/** The authenticator let it in: why it is turned away all the same, or null. */
export function guardObjection(
  { authentication, guard, metrics }: Context,
  request: ConnectRequest,
  { username }: Accepted,
): Refused | null {
  if (authentication.authenticator !== null) metrics.authenticationSuccesses++;
  return guard?.onAccepted(request, username) ?? null;
}

/** It is who it says, and waited for an authorizer: what the guard has against it by now, or null. */
export function bannedMeanwhile(
  { guard }: Context,
  request: ConnectRequest,
  { username }: Client,
): Refused | null {
  return guard?.objection(request, username ?? undefined) ?? null;
}

/** Nothing else is in its way: why whoever is connected with its client id keeps the session, or null. */
export function takeoverObjection(
  { guard, registry }: Context,
  request: ConnectRequest,
): Refused | null {
  const incumbent = registry.get(request.clientId)?.connection?.stream;
  if (guard === null || incumbent === undefined) return null;
  const { remoteAddress: address, remotePort: port } = incumbent;
  return guard.onTakeover(request, { address, port });
}
