// Who may ask what of the admin API. Each role may do what those before it may: `viewer` sees how the server is doing, `operator`
// acts on clients and messages and sees payloads, `admin` changes who may do what, and the server itself.

import type {} from '@fastify/swagger'; // what a route's schema says for the document

export type Role = 'viewer' | 'operator' | 'admin';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route names the least one that may ask it. */
    readonly role?: Role;
    /** Whoever asks from this machine need not say who it is. */
    readonly openOnLoopback?: boolean;
  }
}
