// What is known of a client that asks to be let in, for tests of authenticators.

import type { Client, ConnectRequest } from '../../src/auth/auth.ts';
import type { ClientCertificate } from '../../src/transport/stream.ts';

/** A v5 client `c` on loopback, with nothing to show for itself unless it is said. */
export function connectRequest(fields: Partial<ConnectRequest> = {}): ConnectRequest {
  return {
    clientId: 'c',
    username: null,
    password: null,
    authenticationMethod: null,
    protocolVersion: 5,
    cleanStart: true,
    keepAlive: 60,
    userProperties: [],
    listener: 'mqtt://127.0.0.1:1883',
    transport: 'tcp',
    remoteAddress: '127.0.0.1',
    remotePort: 50_000,
    certificate: null,
    isGone: false,
    ...fields,
  };
}

/** One that shows a user name and a password. */
export function login(username: string | null, password: string | null): ConnectRequest {
  const bytes = password === null ? null : new TextEncoder().encode(password);
  return connectRequest({ username, password: bytes });
}

export function certificateOf(fields: Partial<ClientCertificate> = {}): ClientCertificate {
  return {
    subject: 'CN=sensor-1',
    username: null,
    clientId: null,
    objection: () => null,
    ...fields,
  };
}

/** One that was let in. */
export function clientOf(fields: Partial<Client> = {}): Client {
  return {
    clientId: 'c',
    username: 'u',
    protocolVersion: 5,
    remoteAddress: '127.0.0.1',
    ...fields,
  };
}
