// What the guard, where there is one, is asked and told of a CONNECT between the question who it is and its session; and what is
// counted of the answers.

import type { Accepted, ConnectRequest, Refused } from '../auth/auth.ts';
import type { Context } from './context.ts';

/** The authenticator did not let it in. */
export function countRefusal(
  { guard, metrics }: Context,
  request: ConnectRequest,
  { reasonCode }: Refused,
): void {
  metrics.authenticationFailures++;
  guard?.onRefused(request, reasonCode);
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
