// What can be said of one listener. Everything has a default, so that `{ port: 1883 }` is a listener, too.

import type { Limits } from '../core/limits.ts';
import type { AcceptLimits } from './accept-control.ts';
import type { ForwardedHeader } from './forwarded.ts';
import type { HandshakeLimits } from './tls/handshake.ts';
import type { TlsOptions } from './tls/options.ts';
import type { WebSocketOptions } from './websocket/options.ts';

export type ListenerProtocol = 'mqtt' | 'mqtts' | 'ws' | 'wss' | 'mqtt+unix';

export const DEFAULT_PORTS: Readonly<Record<ListenerProtocol, number>> = {
  mqtt: 1_883,
  mqtts: 8_883,
  ws: 8_083,
  wss: 8_084,
  'mqtt+unix': 0,
};

/** For `mqtts` and `wss`. Default of `alpn`: `mqtt`, `http/1.1`. */
export interface ListenerTlsOptions extends Partial<TlsOptions> {
  /** PEM, chain included. */
  readonly cert: string;
  readonly key: string;
  readonly handshakes?: Partial<HandshakeLimits>;
  /** Days before the end of a certificate, or of a revocation list, from which on an alarm is up. Default 21. */
  readonly expiryWarningDays?: number;
}

export interface ListenerOptions {
  /** What rules call it; default: its URL with the address and port that are asked for. */
  readonly name?: string;
  /** Default `mqtt`. */
  readonly protocol?: ListenerProtocol;
  /** Name or address to bind; `''`, the default, is all interfaces. */
  readonly host?: string;
  /** 0 = any free one; default: that of the protocol. */
  readonly port?: number;
  /** The only path of a WebSocket listener (default: any), or the file of a unix socket. */
  readonly path?: string;
  /** Other limits than the server's, for connections that come by this listener. */
  readonly limits?: Partial<Limits>;
  /** Which of the server's authenticators asks its clients who they are, by name; default: the one of the server. */
  readonly authenticator?: string;
  /** How many connections, and how fast. Default: no limits of its own. */
  readonly accept?: Partial<AcceptLimits>;
  /** Balancers in front of it, which send a PROXY header; without one from there nobody comes in. */
  readonly proxy?: {
    /** Addresses and ranges, `10.0.0.0/8`; or `loopback`, `private`, `link-local`, `unix`. */
    readonly trusted: readonly string[];
    /** For the header; default 5,000. */
    readonly timeoutMs?: number;
    /** Whether the name of a certificate that the balancer verified is the user name; default false. */
    readonly usesCertificateName?: boolean;
  };
  /** Reverse proxies in front of a WebSocket listener, and the header by which they tell the client's address. */
  readonly forwarded?: { readonly header: ForwardedHeader; readonly trusted: readonly string[] };
  readonly tls?: ListenerTlsOptions;
  readonly webSocket?: Partial<
    Pick<
      WebSocketOptions,
      'origins' | 'pingIntervalMs' | 'compression' | 'headerBytesMax' | 'upgradeTimeoutMs'
    >
  >;
  /** Of the file of a unix socket. Default: mode 0o660, the process's user and group. */
  readonly socket?: { readonly mode?: number; readonly uid?: number; readonly gid?: number };
}

/** The address of a listener as text, for logs and names; `bound` has the port that the system chose. */
export function listenerUrl(
  options: ListenerOptions,
  bound: { readonly host: string; readonly port: number } | null = null,
): string {
  const { protocol = 'mqtt', path = '' } = options;
  if (protocol === 'mqtt+unix') return `mqtt+unix://${path}`;
  const host = bound?.host ?? options.host ?? '';
  const port = bound?.port ?? options.port ?? DEFAULT_PORTS[protocol];
  const shown = host.includes(':') ? `[${host}]` : host;
  return `${protocol}://${shown}:${port}${path}`;
}
