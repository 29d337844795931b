// The settings of a listener: a row each, typed by its configuration, as settings.ts has them for the rest.

import { nameSetting } from './access-settings.ts';
import {
  type CertificateConfig,
  LISTENER_LIMITS,
  type ListenerConfig,
  type SniConfig,
  type SocketConfig,
  type TlsConfig,
  type WebSocketConfig,
} from './listener-config.ts';
import { parseListenerUrl } from './listener-url.ts';
import { rangeSetting } from './rule-settings.ts';
import {
  choice,
  count,
  durationMs,
  file,
  fileMode,
  flag,
  formed,
  host,
  list,
  secret,
  size,
  text,
} from './setting.ts';
import { LIMIT_SETTINGS, type Settings } from './settings.ts';

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const RATE_MAX = 1_000_000;
const CONNECTIONS_MAX = 10_000_000;

function urlProblem(url: string): string | null {
  const read = parseListenerUrl(url);
  if (typeof read === 'string') return read;
  if (read.parameters.length === 0) return null;
  return 'parameters after a ? belong to the command line: here each is a key of its own';
}

/** What is said of a protocol stands in tables of its own. */
type OwnTables = 'tls' | 'websocket' | 'socket' | 'limits';

export const LISTENER_SETTINGS: Settings<Omit<ListenerConfig, 'protocol' | 'path' | OwnTables>> = {
  url: formed(
    'URL',
    'a listener’s URL',
    urlProblem,
    'Where it listens, and in which protocol: `mqtt://127.0.0.1:1883`, `mqtts://:8883`, `ws://[::1]:8083/mqtt`, `wss://:8084/mqtt`, `mqtt+unix:///run/iothub.sock`. No address means all interfaces, no port the usual one (1883, 8883, 8083, 8084), port 0 any free one; a WebSocket without a path is served on any.',
  ),
  host: host('Instead of `url`, with `port`: `mqtt://` on this address.'),
  port: count(0, 65_535, 'See `host`.'),
  anonymous: flag(
    'Whether clients may connect that do not say who they are. Left out, they may where there is no authenticator, and that on loopback and unix sockets only: any other address needs an authenticator, or this to be said. `false` needs an authenticator or `client_certificate = "required"`.',
  ),
  authenticators: list(
    nameSetting(''),
    'Which of `[[authenticators]]` are asked who a client is, by their names, one after the other; left out, all in the order of the file.',
  ),
  proxyProtocol: flag(
    'Whether each connection begins with a PROXY protocol header (v1 or v2) of a balancer; one without is closed.',
  ),
  trustedProxies: list(rangeSetting(), 'Whose PROXY or forwarded headers are believed.'),
  proxyTimeoutMs: durationMs(1, HOUR_MS, 'Time until the PROXY header must be in.'),
  proxyCertificateName: flag(
    'Whether the name of a client certificate that the balancer verified is believed.',
  ),
  forwardedHeader: choice(
    ['none', 'x-forwarded-for', 'forwarded'],
    'The header of a WebSocket request by which a trusted proxy says where the client is.',
  ),
  connectionsMax: count(0, CONNECTIONS_MAX, 'Connections of this listener; 0 sets no limit.'),
  connectionsPerAddressMax: count(
    0,
    CONNECTIONS_MAX,
    'Connections from one address (of IPv6, one /64); 0 sets no limit.',
  ),
  connectRate: count(0, RATE_MAX, 'New connections per second; 0 sets no limit.'),
  connectBurst: count(
    0,
    RATE_MAX,
    'How many may come at once within that rate; 0 means as many as in one second.',
  ),
  connectRatePerAddress: count(0, RATE_MAX, 'As `connect_rate`, for each address.'),
  connectBurstPerAddress: count(0, RATE_MAX, 'As `connect_burst`, for each address.'),
};

export const CERTIFICATE_SETTINGS: Settings<CertificateConfig> = {
  cert: file('The certificate and its chain (PEM).'),
  key: file('Its private key (PEM).'),
  keyPassphrase: secret(1_024, 'What opens the key, when it is encrypted.'),
  keyPassphraseFile: file('A file that has the passphrase; a newline at its end does not count.'),
};

export const TLS_SETTINGS: Settings<Omit<TlsConfig, 'sni'>> = {
  ...CERTIFICATE_SETTINGS,
  ca: file('Who signs certificates of clients (PEM).'),
  crl: file('Revoked certificates of clients (PEM).'),
  minVersion: choice(['TLSv1.2', 'TLSv1.3'], 'The oldest version of TLS that is spoken.'),
  ciphers: text(4_096, 'Cipher suites in the words of OpenSSL; left out, those of Node.js.'),
  clientCertificate: choice(
    ['none', 'optional', 'required'],
    'Whether clients show a certificate. `optional`: none, or one that is valid.',
  ),
  identity: choice(
    ['none', 'cn', 'subject', 'san-dns', 'san-email', 'san-uri', 'san-ip'],
    'What in the certificate says who the client is.',
  ),
  identityAs: choice(['username', 'client-id'], 'What that name stands for.'),
  endsRevoked: flag('Whether connected clients are ended whose certificate is revoked or expires.'),
  handshakeTimeoutMs: durationMs(1, HOUR_MS, 'Time that a handshake may take.'),
  handshakesMax: count(1, 65_535, 'Handshakes at the same time.'),
  handshakesWaitingMax: count(0, 1_000_000, 'Connections that wait for one; more are reset.'),
  expiryWarningMs: durationMs(
    0,
    10 * YEAR_MS,
    'How long before a certificate or CRL expires the log warns.',
  ),
};

export const SNI_SETTINGS: Settings<SniConfig> = {
  hosts: list(
    formed('name', 'names, also `*.example.com`', hostNameProblem, ''),
    'The names that clients ask for.',
  ),
  ...CERTIFICATE_SETTINGS,
};

function hostNameProblem(name: string): string | null {
  if (/^(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(name)) return null;
  return `${JSON.stringify(name)} is not a host name: write "example.com" or "*.example.com"`;
}

export const WEBSOCKET_SETTINGS: Settings<WebSocketConfig> = {
  origins: list(
    formed('origin', '`https://example.com`, …, `*`', originProblem, ''),
    'Web pages of which origins may connect, besides those of the same host; `*` means all.',
  ),
  pingIntervalMs: durationMs(
    0,
    HOUR_MS,
    'Time between pings, shorter than the patience of proxies; 0 sends none.',
  ),
  compression: flag('Whether messages may be compressed (permessage-deflate).'),
  headerSizeMax: size(512, 1_048_576, 'The headers of the request.'),
  upgradeTimeoutMs: durationMs(1, HOUR_MS, 'Time until the request must be complete.'),
};

function originProblem(origin: string): string | null {
  if (origin === '*' || /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@]+$/.test(origin)) return null;
  const right = /^[^\s/?#@]+$/.test(origin) ? `: write "https://${origin}"` : '';
  return `${JSON.stringify(origin)} is not an origin, which has a protocol, a host, maybe a port, and no path${right}`;
}

export const SOCKET_SETTINGS: Settings<SocketConfig> = {
  mode: fileMode('Who may connect, as permissions of the socket’s file.'),
  owner: text(256, 'User that owns it, by name or number; left out, that of the server.'),
  group: text(256, 'Group that owns it, by name or number; left out, that of the server.'),
};

/** Of `[limits]`, those that a listener may have of its own. */
export const LISTENER_LIMIT_SETTINGS = Object.fromEntries(
  LISTENER_LIMITS.map((name) => [name, LIMIT_SETTINGS[name]]),
);
