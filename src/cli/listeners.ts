// From the listeners of the configuration to those of the server: the same things in the server's words.

import type { Config } from '../config/config.ts';
import type { ConfigProblem } from '../config/config-error.ts';
import { ConfigError } from '../config/config-error.ts';
import type {
  CertificateConfig,
  ListenerConfig,
  SocketConfig,
  TlsConfig,
} from '../config/listener-config.ts';
import type { ListenerOptions, ListenerTlsOptions } from '../transport/listener-options.ts';
import { authenticatorKey } from './access/authenticators.ts';
import { idOf } from './owner.ts';

const DAY_MS = 86_400_000;

/** Throws ConfigError for an owner of a socket that this system does not know. */
export function listenersOf(config: Config): ListenerOptions[] {
  const { listeners } = config;
  const problems = listeners.flatMap(({ socket }, index) => unknownOwners(socket, index));
  if (problems.length > 0) throw new ConfigError(null, problems);
  return listeners.map((listener) => {
    const authenticator = authenticatorKey(config, listener);
    return { ...listenerOf(listener), ...(authenticator !== undefined && { authenticator }) };
  });
}

function listenerOf(listener: ListenerConfig): ListenerOptions {
  const { protocol, host, port, path, limits, tls, websocket, socket } = listener;
  const { forwardedHeader, proxyProtocol, trustedProxies } = listener;
  return {
    name: listener.url,
    protocol,
    host,
    port,
    path,
    limits,
    accept: {
      connectionsMax: listener.connectionsMax,
      connectionsPerAddressMax: listener.connectionsPerAddressMax,
      connectRate: listener.connectRate,
      connectBurst: Math.max(1, listener.connectBurst),
      connectRatePerAddress: listener.connectRatePerAddress,
      connectBurstPerAddress: Math.max(1, listener.connectBurstPerAddress),
    },
    ...(proxyProtocol && {
      proxy: {
        trusted: trustedProxies,
        timeoutMs: listener.proxyTimeoutMs,
        usesCertificateName: listener.proxyCertificateName,
      },
    }),
    ...(forwardedHeader !== 'none' && {
      forwarded: { header: forwardedHeader, trusted: trustedProxies },
    }),
    ...(tls !== null && { tls: tlsOf(tls) }),
    ...(websocket !== null && {
      webSocket: {
        origins: websocket.origins,
        pingIntervalMs: websocket.pingIntervalMs,
        compression: websocket.compression,
        headerBytesMax: websocket.headerSizeMax,
        upgradeTimeoutMs: websocket.upgradeTimeoutMs,
      },
    }),
    ...(socket !== null && { socket: socketOf(socket) }),
  };
}

function tlsOf(tls: TlsConfig): ListenerTlsOptions {
  return {
    ...certificateOf(tls),
    ...(tls.ca !== null && { ca: tls.ca }),
    ...(tls.crl !== null && { crl: tls.crl }),
    minVersion: tls.minVersion,
    ...(tls.ciphers !== null && { ciphers: tls.ciphers }),
    clientCertificate: tls.clientCertificate,
    identity: tls.identity,
    identityAs: tls.identityAs,
    endsRevoked: tls.endsRevoked,
    sni: tls.sni.map((sni) => ({ ...certificateOf(sni), hosts: sni.hosts })),
    handshakes: {
      handshakesMax: tls.handshakesMax,
      waitingMax: tls.handshakesWaitingMax,
      timeoutMs: tls.handshakeTimeoutMs,
    },
    expiryWarningDays: tls.expiryWarningMs / DAY_MS,
  };
}

function certificateOf({ cert, key, keyPassphrase }: CertificateConfig) {
  return { cert, key, ...(keyPassphrase !== null && { passphrase: keyPassphrase }) };
}

function socketOf({ mode, owner, group }: SocketConfig): NonNullable<ListenerOptions['socket']> {
  const uid = owner === null ? null : idOf(owner, '/etc/passwd');
  const gid = group === null ? null : idOf(group, '/etc/group');
  return { mode, ...(uid !== null && { uid }), ...(gid !== null && { gid }) };
}

function unknownOwners(socket: SocketConfig | null, index: number): ConfigProblem[] {
  if (socket === null) return [];
  const at = `listeners[${index}].socket`;
  const problems: ConfigProblem[] = [];
  if (socket.owner !== null && idOf(socket.owner, '/etc/passwd') === null) {
    problems.push({
      path: `${at}.owner`,
      message: `this system has no user ${socket.owner}`,
      line: null,
    });
  }
  if (socket.group !== null && idOf(socket.group, '/etc/group') === null) {
    problems.push({
      path: `${at}.group`,
      message: `this system has no group ${socket.group}`,
      line: null,
    });
  }
  return problems;
}
