// Who may ask what of the admin API. Each role may do what those before it may: `viewer` sees how the server is doing, `operator`
// acts on clients and messages and sees payloads, `admin` changes who may do what, and the server itself.

import type {} from '@fastify/swagger'; // what a route's schema says for the document
import { type Identity, TOKEN_ROLES, type TokenRole } from '../server/contract/tokens.ts';

export type Role = TokenRole;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route names the least one that may ask it. */
    readonly role?: Role;
    /** Who asks from this machine, by a listener that only this machine reaches, needs no token. */
    readonly openOnLoopback?: boolean;
    /** Needs no token at all; who shows one all the same may be told more. */
    readonly isOpen?: boolean;
    /** May be asked by any name of the host: by whoever checks whether the server is alive. */
    readonly isForAnyHost?: boolean;
  }

  interface FastifyRequest {
    /** Who asks; null: nobody knows. */
    identity: Identity | null;
  }
}

export function mayDo(identity: Identity | null, role: Role): boolean {
  return identity !== null && TOKEN_ROLES.indexOf(identity.role) >= TOKEN_ROLES.indexOf(role);
}
