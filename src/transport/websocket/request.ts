// Who may come in by a WebSocket, judged by the upgrade request alone: its path, its origin, its sub-protocol, and whether it
// asks for a WebSocket at all (RFC 6455 §4.2).

import { createHash } from 'node:crypto';
import type http from 'node:http';

/** RFC 6455 §1.3 */
const KEY_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * Names that clients of older drafts offer instead of `mqtt`: of MQTT.js (`mqttv3.1`), Paho and EMQX (`mqtt-v3.1.1`, `mqttv5`).
 */
const LEGACY_PROTOCOL = /^mqtt-?v?(?:3|3\.1|3\.1\.1|4|5|5\.0)$/i;

/**
 * The sub-protocol to speak: `mqtt` whenever it is offered [MQTT-6.0.0-4], else the first legacy name; null if there is
 * neither. Who offers none at all is not served either: a client MUST offer it [MQTT-6.0.0-3], and Mosquitto, EMQX and
 * RabbitMQ want it by default as well.
 */
export function chooseProtocol(offered: Iterable<string>): string | null {
  let legacy: string | null = null;
  for (const name of offered) {
    if (name === 'mqtt') return name;
    if (legacy === null && LEGACY_PROTOCOL.test(name)) legacy = name;
  }
  return legacy;
}

/** The path of a request's target, without the query. */
export function pathOf(target: string): string {
  const end = target.search(/[?#]/);
  return end < 0 ? target : target.slice(0, end);
}

/** An origin as it is compared: that of a URL as browsers write it, anything else (`null`) as it is. */
export function normalizeOrigin(text: string): string {
  const trimmed = text.trim();
  if (!URL.canParse(trimmed)) return trimmed;
  const { origin } = new URL(trimmed);
  // What has no origin of its own, such as an extension's address, is compared by its text.
  return origin === 'null' ? trimmed.replace(/\/$/, '') : origin;
}

/** Hosts of plain pages that are where they say: an address, as URL writes it, and names that no DNS server is asked for. */
const CERTAIN_HOST = /^http:\/\/(?:[0-9.]+|\[[0-9a-f:.]+\]|(?:[^/:]+\.)?localhost)(?::[0-9]+)?$/;

/**
 * Whether a page of that origin may connect. Browsers let any page open a WebSocket to any host, `localhost` too, so only
 * pages of this very host (`host` is the Host header) and those that are listed may. What is not a browser sends no origin.
 *
 * A name is no proof over plain HTTP: whoever owns it may have it lead here after the page was loaded (DNS rebinding), and
 * the browser takes both for one host. A page over HTTPS has a certificate of its name, which this does not get around.
 */
export function isOriginAllowed(
  origin: string | undefined,
  host: string | undefined,
  allowed: ReadonlySet<string>,
): boolean {
  if (origin === undefined || allowed.has('*') || allowed.has(origin)) return true;
  if (host === undefined || !/^https?:\/\//.test(origin)) return false;
  // Read with the origin's scheme, a default port is the same whether it is written or not.
  const here = `${origin.slice(0, origin.indexOf(':'))}://${host}`;
  if (!URL.canParse(here) || new URL(here).origin !== origin) return false;
  return origin.startsWith('https:') || CERTAIN_HOST.test(origin);
}

/** What is wrong with a request for an upgrade, in a sentence; null: it asks for a WebSocket as it should. */
export function whyNoWebSocket({ method, headers }: http.IncomingMessage): string | null {
  if (method !== 'GET') return 'A WebSocket begins with GET.';
  if (headers.upgrade?.toLowerCase() !== 'websocket') return 'Only “Upgrade: websocket” is served.';
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? ''))
    return 'Sec-WebSocket-Key must be 16 bytes in Base64.';
  if (headers['sec-websocket-version'] !== '13') return 'Sec-WebSocket-Version must be 13.';
  return null;
}

/** The answer that makes it a WebSocket. */
export function upgradeAnswer(key: string, protocol: string): string {
  const accept = createHash('sha1').update(`${key}${KEY_SUFFIX}`).digest('base64');
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    `Sec-WebSocket-Protocol: ${protocol}`,
    '\r\n',
  ].join('\r\n');
}
