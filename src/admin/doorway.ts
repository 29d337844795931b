// Who is let in to the admin API over HTTP, and to what: everything that is checked before a route is asked.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AddressRanges, limitKey, normalizeAddress } from '../lib/address.ts';
import type { Identity, TokenAuthority } from '../server/contract/tokens.ts';
import type { Connections } from './connections.ts';
import {
  type AllowedHosts,
  bearerOf,
  checkHost,
  checkOrigin,
  checkTarget,
  unauthorized,
} from './gate.ts';
import { RequestError } from './request-error.ts';
import type { RequestRate } from './request-rate.ts';
import { mayDo, type Role } from './role.ts';

export interface Doorway {
  /** null: tokens are not known yet. */
  readonly authority: TokenAuthority | null;
  readonly hosts: AllowedHosts;
  /** Only this machine reaches the listener. */
  readonly isLoopback: boolean;
  readonly rate: RequestRate;
  readonly connections: Connections;
}

const LOOPBACK = new AddressRanges(['loopback']);
/** A proxy on this machine asks for somebody who may be anywhere. */
const OF_PROXIES = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

export function guardRequests(app: FastifyInstance, doorway: Doorway): void {
  app.addHook('onRequest', async (request, reply) => {
    const { is404, raw } = request;
    const { isForAnyHost, isOpen, openOnLoopback, role } = request.routeOptions.config ?? {};
    checkTarget(raw.url ?? '');
    if (isForAnyHost !== true) checkHost(raw, doorway.hosts);
    checkOrigin(raw);
    const identity = identify(request, doorway);
    request.identity = identity;
    if (identity !== null) reply.raw.once('close', doorway.connections.hold(request.socket));
    if (isOpen === true) return;
    if (openOnLoopback === true && isOfThisMachine(request, doorway)) return;
    if (identity === null) {
      throw unauthorized(
        'this needs a token: send the header "Authorization: Bearer …" ("iothub token add" makes one)',
      );
    }
    if (is404) return;
    if (role !== undefined && mayDo(identity, role)) {
      request.isStillLet = stillLet(request, doorway, role);
      return;
    }
    const message = `this needs the role ${role}, and the token has ${identity.role}`;
    throw new RequestError(403, 'forbidden', message);
  });
}

/** Whether the token of a request still stands for somebody who may do that. */
function stillLet({ raw }: FastifyRequest, { authority }: Doorway, role: Role): () => boolean {
  const secret = bearerOf(raw) ?? '';
  return () => mayDo(authority?.find(secret) ?? null, role);
}

/** null: it shows no token. Throws RequestError for a wrong one, and for one request too many. */
function identify(request: FastifyRequest, { authority, rate }: Doorway): Identity | null {
  const secret = bearerOf(request.raw);
  const remote = request.socket.remoteAddress ?? '';
  const address = normalizeAddress(remote) ?? remote;
  const identity = secret === null ? null : (authority?.identify(secret, address) ?? null);
  const who = identity === null ? `from ${limitKey(address)}` : `${identity.kind} ${identity.name}`;
  // Health costs no more than to say that it was asked too often, and whoever floods from here must not make it look dead.
  const isFree = secret === null && request.routeOptions.config?.isForAnyHost === true;
  if (!isFree && !rate.take(who)) {
    throw new RequestError(429, 'too_many', 'too many requests: ask again in a second', {
      'retry-after': '1',
    });
  }
  if (identity !== null || secret === null || authority === null) return identity;
  if (!authority.isPenalized(address)) throw unauthorized('the token is wrong, or has expired');
  throw new RequestError(429, 'too_many', 'too many wrong tokens came from this address', {
    'retry-after': '60',
  });
}

function isOfThisMachine({ headers, socket }: FastifyRequest, { isLoopback }: Doorway): boolean {
  if (!isLoopback || !LOOPBACK.has(socket.remoteAddress ?? '')) return false;
  return OF_PROXIES.every((name) => headers[name] === undefined);
}
