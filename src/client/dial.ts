// Opens the Network Connection of a client: TCP, TLS, a unix socket or a WebSocket, all as a stream of bytes.

import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import WebSocket, { createWebSocketStream } from 'ws';
import { describeAddress, type ServerAddress } from './server-address.ts';

/** How the server shows who it is, and how the client does. PEM. */
export interface ClientTls {
  /** Whom to believe; undefined: the authorities that Node knows. */
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** Do not look whether the certificate is one of this host; its signature is checked all the same. */
  readonly isInsecure: boolean;
}

/** It did not come about, or ended; `message` is a sentence for people. */
export class ConnectionError extends Error {}

const FRAME_BYTES_MAX = 268_435_460; // the largest MQTT packet

/** Resolves when bytes can be written. Rejects with ConnectionError, also when it takes longer than `timeoutMs`. */
export async function dial(
  address: ServerAddress,
  options: ClientTls,
  timeoutMs: number,
): Promise<Duplex> {
  const opening = open(address, options);
  const { stream, opened } = opening;
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
      const settle = (done: () => void): void => {
        clearTimeout(timer);
        done();
      };
      stream.once('error', (error) => settle(() => reject(error)));
      opened(() => settle(resolve));
    });
    return stream;
  } catch (error) {
    stream.on('error', () => {}); // what it says now is nobody's business
    stream.destroy();
    throw new ConnectionError(
      `cannot connect to ${describeAddress(address)}: ${explain(error as NodeJS.ErrnoException)}`,
    );
  }
}

interface Opening {
  readonly stream: Duplex;
  readonly opened: (callback: () => void) => void;
}

function open(address: ServerAddress, options: ClientTls): Opening {
  const { protocol, host, port, path } = address;
  if (protocol === 'ws' || protocol === 'wss') {
    const url = describeAddress(address);
    const socket = new WebSocket(url, ['mqtt'], {
      ...tlsOptions(options, host),
      perMessageDeflate: false,
      maxPayload: FRAME_BYTES_MAX,
    });
    const stream = createWebSocketStream(socket);
    return { stream, opened: (callback) => void socket.once('open', callback) };
  }
  if (protocol === 'mqtts') {
    const socket = tls.connect({ ...tlsOptions(options, host), host, port });
    socket.setNoDelay(true);
    return { stream: socket, opened: (callback) => void socket.once('secureConnect', callback) };
  }
  const socket =
    protocol === 'unix' ? net.connect({ path }) : net.connect({ host, port, noDelay: true });
  return { stream: socket, opened: (callback) => void socket.once('connect', callback) };
}

function tlsOptions({ ca, cert, key, isInsecure }: ClientTls, host: string): tls.ConnectionOptions {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(isInsecure ? { checkServerIdentity: () => undefined } : {}),
    // A name that the server may choose its certificate by; addresses must not be one.
    ...(net.isIP(host) === 0 ? { servername: host } : {}),
  };
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED:
    'nothing listens there (connection refused); is the server running, is it its port?',
  ENOTFOUND: 'no such host is known',
  EAI_AGAIN: 'the name of the host could not be looked up',
  ENOENT: 'there is no such socket',
  EACCES: 'this user may not open it',
  EMFILE: 'this process may not open more files; raise the limit (ulimit -n)',
  EADDRNOTAVAIL: 'no port of this machine is left for another connection to there',
  ECONNRESET:
    'the server closed the connection at once; is this port one for TLS, or for WebSocket?',
  EPROTO: 'the server does not answer in TLS; is this port one without it?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server does not answer in TLS; is this port one without it?',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'the certificate of the server is for another host (--insecure does not look at that)',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'the certificate of the server is signed by itself; name it with --cafile',
  SELF_SIGNED_CERT_IN_CHAIN:
    'who signed the certificate of the server is unknown here; name the CA with --cafile',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'who signed the certificate of the server is unknown here; name the CA with --cafile',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'who signed the certificate of the server is unknown here; name the CA with --cafile',
  CERT_HAS_EXPIRED: 'the certificate of the server has expired',
};

function explain(error: NodeJS.ErrnoException): string {
  // Of several addresses that were tried: the first.
  const first =
    error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error;
  return REASONS[first.code ?? ''] ?? first.message;
}
