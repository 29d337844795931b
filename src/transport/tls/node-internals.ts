// What Node does not publish about its TLS sockets and this server needs, in one place, with what happens should a release
// take it away. All of it is the same in Node 20, 22 and 24.

import type net from 'node:net';
import type tls from 'node:tls';

interface TlsServerInside {
  _sharedCreds?: tls.SecureContext;
}

interface TlsSocketInside {
  readonly _parent?: net.Socket | null;
}

interface SocketInside {
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}

/**
 * Makes `context` what a client gets that names no server. `setSecureContext` would do it in public, but only from files: it
 * takes no context that is there already. Throws where a server keeps its context elsewhere: without it there is no certificate.
 */
export function useContext(server: tls.Server, context: tls.SecureContext): void {
  const inside = server as unknown as TlsServerInside;
  if (inside._sharedCreds === undefined)
    throw new Error(
      `Node ${process.version} keeps the certificate of a TLS server where IoTHub does not know it; TLS listeners need Node 20, 22 or 24`,
    );
  inside._sharedCreds = context;
}

/** The socket below; undefined where it is not to be had. */
export function socketBelow(socket: tls.TLSSocket): net.Socket | undefined {
  return (socket as unknown as TlsSocketInside)._parent ?? undefined;
}

/** Bytes that libuv still holds: they shrink with every partial write. Zero where it does not say. */
export function heldBytes(socket: net.Socket): number {
  return (socket as unknown as SocketInside)._handle?.writeQueueSize ?? 0;
}
