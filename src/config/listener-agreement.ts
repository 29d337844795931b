// What of one listener is fine alone and wrong together: tables that its protocol does not have, options that need others.
// Each sentence names the line that is missing or too many.

import type { Limits } from '../core/limits.ts';
import type { CertificateConfig, ListenerConfig, TlsConfig } from './listener-config.ts';
import { formatSize } from './quantity.ts';
import type { RawTable } from './raw.ts';

export interface Disagreement {
  /** Seen from the listener's table; empty for the listener as a whole. */
  readonly key: string;
  readonly message: string;
}

/** `raw`: what was said of it. */
export function listenerDisagreements(
  raw: RawTable,
  listener: ListenerConfig,
  serverLimits: Limits,
): Disagreement[] {
  return [
    ...addressProblems(raw),
    ...tableProblems(raw, listener),
    ...(listener.tls === null ? [] : tlsProblems(listener.tls)),
    ...proxyProblems(listener),
    ...rateProblems(raw, listener),
    ...limitProblems(listener, serverLimits),
  ];
}

function addressProblems({ url, host, port }: RawTable): Disagreement[] {
  if (url === undefined || (host === undefined && port === undefined)) return [];
  const key = host === undefined ? 'port' : 'host';
  return [{ key, message: `the address is in url already: leave ${key} out, or url` }];
}

/** Tables of another protocol, and the one that TLS cannot do without. */
function tableProblems(raw: RawTable, { protocol }: ListenerConfig): Disagreement[] {
  const problems: Disagreement[] = [];
  const isSecure = protocol === 'mqtts' || protocol === 'wss';
  const isWeb = protocol === 'ws' || protocol === 'wss';
  if (isSecure && raw.tls === undefined) {
    const message = `${protocol}:// needs a certificate: add to this listener [listeners.tls] with the lines cert = "server.pem" and key = "server.key" (in a URL of the command line: ?cert=server.pem&key=server.key)`;
    problems.push({ key: '', message });
  }
  if (!isSecure && raw.tls !== undefined) {
    const secure = protocol === 'mqtt' ? 'mqtts' : protocol === 'ws' ? 'wss' : null;
    const right = secure === null ? '' : `write ${secure}:// in url, or `;
    problems.push({ key: 'tls', message: `${protocol}:// has no TLS: ${right}leave it out` });
  }
  if (!isWeb && raw.websocket !== undefined) {
    const message = `${protocol}:// is no WebSocket: leave it out, or write ws:// or wss:// in url`;
    problems.push({ key: 'websocket', message });
  }
  if (protocol !== 'mqtt+unix' && raw.socket !== undefined) {
    const message = `${protocol}:// is no unix socket: leave it out, or write mqtt+unix:// in url`;
    problems.push({ key: 'socket', message });
  }
  return problems;
}

function tlsProblems(tls: TlsConfig): Disagreement[] {
  const problems: Disagreement[] = [...certificateProblems(tls, 'tls')];
  for (const [index, entry] of tls.sni.entries()) {
    const key = `tls.sni[${index}]`;
    problems.push(...certificateProblems(entry, key));
    if (entry.hosts.length === 0) {
      problems.push({ key, message: 'says for no name: add hosts = ["example.com"]' });
    }
  }
  const asks = tls.clientCertificate !== 'none';
  if (asks && tls.ca === null) {
    const message = `"${tls.clientCertificate}" needs to know who signs them: add the line ca = "clients-ca.pem"`;
    problems.push({ key: 'tls.client_certificate', message });
  }
  for (const key of ['ca', 'crl'] as const) {
    if (asks || tls[key] === null) continue;
    const message =
      'does nothing while no client shows a certificate: add the line client_certificate = "required" (or "optional"), or leave it out';
    problems.push({ key: `tls.${key}`, message });
  }
  if (!asks && tls.identity !== 'none') {
    const message = `"${tls.identity}" is read from certificates of clients: add the line client_certificate = "required" (or "optional")`;
    problems.push({ key: 'tls.identity', message });
  }
  return problems;
}

function* certificateProblems(
  { cert, key, keyPassphrase, keyPassphraseFile }: CertificateConfig,
  at: string,
): Generator<Disagreement> {
  const missing = [
    cert === '' ? 'cert = "server.pem"' : '',
    key === '' ? 'key = "server.key"' : '',
  ];
  const lines = missing.filter((line) => line !== '');
  if (lines.length > 0) {
    const word = lines.length === 1 ? 'the line' : 'the lines';
    yield { key: at, message: `is not complete: add ${word} ${lines.join(' and ')}` };
  }
  if (keyPassphrase !== null && keyPassphraseFile !== null) {
    const message = 'key_passphrase says it already: leave one of the two out';
    yield { key: `${at}.key_passphrase_file`, message };
  }
}

function proxyProblems(listener: ListenerConfig): Disagreement[] {
  const { protocol, proxyProtocol, forwardedHeader, trustedProxies } = listener;
  const problems: Disagreement[] = [];
  const isTrusting = trustedProxies.length > 0;
  const trust = 'add trusted_proxies = ["10.0.0.7"] with the addresses of your proxies';
  if (proxyProtocol && !isTrusting) {
    const message = `believes nobody, so that every client would be closed: ${trust}`;
    problems.push({ key: 'proxy_protocol', message });
  }
  if (listener.proxyCertificateName && !proxyProtocol) {
    const message = 'needs the header that says it: add proxy_protocol = true';
    problems.push({ key: 'proxy_certificate_name', message });
  }
  if (forwardedHeader !== 'none') {
    if (protocol !== 'ws' && protocol !== 'wss') {
      const message = `${protocol}:// has no HTTP headers: write proxy_protocol = true instead, or leave it out`;
      problems.push({ key: 'forwarded_header', message });
    } else if (!isTrusting) {
      problems.push({ key: 'forwarded_header', message: `is believed of nobody: ${trust}` });
    }
  } else if (isTrusting && !proxyProtocol) {
    const message = 'does nothing by itself: add proxy_protocol = true or forwarded_header = "…"';
    problems.push({ key: 'trusted_proxies', message });
  }
  return problems;
}

function rateProblems(raw: RawTable, listener: ListenerConfig): Disagreement[] {
  const problems: Disagreement[] = [];
  if (Number(raw.connect_burst ?? 0) > 0 && listener.connectRate === 0) {
    problems.push({ key: 'connect_burst', message: 'does nothing without connect_rate' });
  }
  if (Number(raw.connect_burst_per_address ?? 0) > 0 && listener.connectRatePerAddress === 0) {
    const message = 'does nothing without connect_rate_per_address';
    problems.push({ key: 'connect_burst_per_address', message });
  }
  return problems;
}

/** A listener's largest packet must fit where messages are kept, as the server's must. */
function limitProblems({ limits }: ListenerConfig, server: Limits): Disagreement[] {
  const { packetSizeMax } = limits;
  if (packetSizeMax === undefined) return [];
  const key = 'limits.packet_size_max';
  const say = (limit: string, bytes: number): Disagreement => ({
    key,
    message: `${formatSize(packetSizeMax)} is more than limits.${limit} (${formatSize(bytes)}): the largest message would never fit`,
  });
  if (packetSizeMax > server.queueBytesMax) return [say('queue_bytes_max', server.queueBytesMax)];
  const retains = limits.retainAvailable ?? server.retainAvailable;
  if (!retains || packetSizeMax <= server.retainedBytesMax) return [];
  return [say('retained_bytes_max', server.retainedBytesMax)];
}
