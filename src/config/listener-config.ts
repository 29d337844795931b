// What is configured of one listener: where it is, whom it lets in, and what its protocol needs. All of it checked, complete
// and frozen; paths of files are absolute.

import type { Limits } from '../core/limits.ts';
import type { ListenerAddress } from './listener-url.ts';

export interface CertificateConfig {
  /** PEM, chain included. */
  readonly cert: string;
  readonly key: string;
  /** What opens the key, also when it came from `keyPassphraseFile`; null when it is open. */
  readonly keyPassphrase: string | null;
  readonly keyPassphraseFile: string | null;
}

/** A certificate for other names than the first one's. */
export interface SniConfig extends CertificateConfig {
  /** One may begin with `*.` */
  readonly hosts: readonly string[];
}

export interface TlsConfig extends CertificateConfig {
  /** PEM: who signs the certificates of clients. */
  readonly ca: string | null;
  readonly crl: string | null;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** In OpenSSL's words; null = Node's choice. */
  readonly ciphers: string | null;
  readonly clientCertificate: 'none' | 'optional' | 'required';
  /** What of a verified certificate says who the client is. */
  readonly identity: 'none' | 'cn' | 'subject' | 'san-dns' | 'san-email' | 'san-uri' | 'san-ip';
  readonly identityAs: 'username' | 'client-id';
  /** Whether connected clients are ended whose certificate is revoked or expires. */
  readonly endsRevoked: boolean;
  readonly handshakeTimeoutMs: number;
  readonly handshakesMax: number;
  readonly handshakesWaitingMax: number;
  readonly expiryWarningMs: number;
  readonly sni: readonly SniConfig[];
}

export interface WebSocketConfig {
  /** Besides the same origin; `*` = all. */
  readonly origins: readonly string[];
  /** 0 = none */
  readonly pingIntervalMs: number;
  readonly compression: boolean;
  /** bytes */
  readonly headerSizeMax: number;
  readonly upgradeTimeoutMs: number;
}

export interface SocketConfig {
  readonly mode: number;
  /** Name or number; null = as the server's process. */
  readonly owner: string | null;
  readonly group: string | null;
}

export interface ListenerConfig extends ListenerAddress {
  /** The same address always as the same text, for logs and names. */
  readonly url: string;
  /** Whether clients may come that nobody authenticated; null = not said: see `admitsAnonymous`. */
  readonly anonymous: boolean | null;
  /** Names; null = all there are. See `authenticatorsOf`. */
  readonly authenticators: readonly string[] | null;
  readonly proxyProtocol: boolean;
  /** Ranges of addresses, or `loopback`, `private`, `link-local`, `unix`. */
  readonly trustedProxies: readonly string[];
  readonly proxyTimeoutMs: number;
  readonly proxyCertificateName: boolean;
  readonly forwardedHeader: 'none' | 'x-forwarded-for' | 'forwarded';
  /** 0 = no limit, as for the five that follow. */
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** New connections per second. */
  readonly connectRate: number;
  /** Never 0 where there is a rate. */
  readonly connectBurst: number;
  readonly connectRatePerAddress: number;
  readonly connectBurstPerAddress: number;
  /** null where the protocol has none. */
  readonly tls: TlsConfig | null;
  readonly websocket: WebSocketConfig | null;
  readonly socket: SocketConfig | null;
  /** What is other than in `[limits]`: one of LISTENER_LIMITS each. */
  readonly limits: Partial<Limits>;
}

/** The limits that a listener may have of its own: those that are looked at for one connection, and nowhere else. */
export const LISTENER_LIMITS = [
  'packetSizeMax',
  'unacceptedBytesMax',
  'userPropertiesMax',
  'halfConnectedMax',
  'connectTimeoutMs',
  'keepAliveMax',
  'sessionExpiryMax',
  'subscriptionsPerClientMax',
  'filtersPerPacketMax',
  'inflightMessagesMax',
  'receiveMaximum',
  'topicAliasMax',
  'topicAliasOutboundMax',
  'outputBytesMax',
  'writeTimeoutMs',
  'qosMax',
  'retainAvailable',
  'wildcardSubscriptionAvailable',
  'sharedSubscriptionAvailable',
  'subscriptionIdentifiersAvailable',
  'checkPayloadFormat',
] as const satisfies readonly (keyof Limits)[];

/** What is served without a configuration: MQTT on this machine's loopback, and nowhere else. */
export const DEFAULT_LISTENER: ListenerConfig = {
  url: 'mqtt://127.0.0.1:1883',
  protocol: 'mqtt',
  host: '127.0.0.1',
  port: 1883,
  path: '',
  anonymous: null,
  authenticators: null,
  proxyProtocol: false,
  trustedProxies: [],
  proxyTimeoutMs: 5_000,
  proxyCertificateName: false,
  forwardedHeader: 'none',
  connectionsMax: 0,
  connectionsPerAddressMax: 0,
  connectRate: 0,
  connectBurst: 0,
  connectRatePerAddress: 0,
  connectBurstPerAddress: 0,
  tls: null,
  websocket: null,
  socket: null,
  limits: {},
};

export const DEFAULT_CERTIFICATE: CertificateConfig = {
  cert: '',
  key: '',
  keyPassphrase: null,
  keyPassphraseFile: null,
};

/** Certificates have no default: a listener with TLS names its own. */
export const DEFAULT_TLS: TlsConfig = {
  ...DEFAULT_CERTIFICATE,
  ca: null,
  crl: null,
  minVersion: 'TLSv1.2',
  ciphers: null,
  clientCertificate: 'none',
  identity: 'none',
  identityAs: 'username',
  endsRevoked: true,
  handshakeTimeoutMs: 10_000,
  handshakesMax: 64,
  handshakesWaitingMax: 1_024,
  expiryWarningMs: 30 * 86_400_000,
  sni: [],
};

export const DEFAULT_SNI: SniConfig = { ...DEFAULT_CERTIFICATE, hosts: [] };

export const DEFAULT_WEBSOCKET: WebSocketConfig = {
  origins: [],
  pingIntervalMs: 25_000,
  compression: false,
  headerSizeMax: 8_192,
  upgradeTimeoutMs: 10_000,
};

export const DEFAULT_SOCKET: SocketConfig = { mode: 0o660, owner: null, group: null };
