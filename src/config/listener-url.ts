// A listener as a URL: `mqtt://127.0.0.1:1883`, `mqtts://:8883`, `ws://[::1]:8083/mqtt`, `mqtt+unix:///run/iothub.sock`. Read by
// hand, since URL of the platform takes neither an empty host nor keeps apart what is wrong: whoever mistypes one is told the
// nearest right form. A URL has no room for secrets; if one stands in it all the same, no message repeats it.

import { isIPv6 } from 'node:net';
import { nearest } from './nearest.ts';
import { hostProblem } from './setting.ts';

export type ListenerProtocol = 'mqtt' | 'mqtts' | 'ws' | 'wss' | 'mqtt+unix';

/** Where a listener is, without its options. */
export interface ListenerAddress {
  readonly protocol: ListenerProtocol;
  /** Empty: all interfaces, IPv4 and IPv6. */
  readonly host: string;
  /** 0 = any free one */
  readonly port: number;
  /** Of a WebSocket (empty: any), or the file of a unix socket. */
  readonly path: string;
}

export interface ListenerUrl extends ListenerAddress {
  /** What stands after the question mark, decoded. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

const DEFAULT_PORTS: Readonly<Record<ListenerProtocol, number>> = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 8083,
  wss: 8084,
  'mqtt+unix': 0,
};
const PROTOCOLS = Object.keys(DEFAULT_PORTS) as ListenerProtocol[];

/** What other programs call them. */
const OTHER_NAMES: Readonly<Record<string, ListenerProtocol>> = {
  tcp: 'mqtt',
  'mqtt+tcp': 'mqtt',
  ssl: 'mqtts',
  tls: 'mqtts',
  'mqtt+ssl': 'mqtts',
  'mqtt+tls': 'mqtts',
  http: 'ws',
  'mqtt+ws': 'ws',
  https: 'wss',
  'mqtt+wss': 'wss',
  unix: 'mqtt+unix',
};

/** What the address of a unix socket has room for, with the zero at its end. */
const SOCKET_PATH_BYTES_MAX = 107;
const URL_LENGTH_MAX = 4_096;

class UrlProblem extends Error {}

/** Reads the URL of a listener, or says what is wrong with it and what would be right. */
export function parseListenerUrl(text: string): ListenerUrl | string {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof UrlProblem) return `${quote(text)} ${error.message}`;
    throw error;
  }
}

/** The same address always as the same text. */
export function formatListenerUrl({ protocol, host, port, path }: ListenerAddress): string {
  if (protocol === 'mqtt+unix') return `${protocol}://${path.split('/').map(encode).join('/')}`;
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
}

/** The text as it may be shown: without user, password and passphrase. */
export function withoutSecrets(url: string): string {
  return url
    .replace(/^([A-Za-z][A-Za-z0-9+.-]*:\/+)?.*@/s, '$1')
    .replace(/(pass[^=&]*=)[^&]*/gi, '$1…');
}

function quote(url: string): string {
  const shown = JSON.stringify(withoutSecrets(url));
  return shown.length > 120 ? `${shown.slice(0, 119)}…"` : shown;
}

function parse(text: string): ListenerUrl {
  if (text === '') throw new UrlProblem('is empty: write mqtt://127.0.0.1:1883');
  if (text.length > URL_LENGTH_MAX) throw new UrlProblem(`is longer than ${URL_LENGTH_MAX}`);
  if (!/^[\x21-\x7e]+$/.test(text)) {
    throw new UrlProblem('is not a URL: write spaces and other special characters as %20');
  }
  if (text.includes('#')) throw new UrlProblem('has a #, which a listener has no use for');
  const [address, ...rest] = text.split('?');
  const { protocol, authority, path } = split(address);
  const parameters = readParameters(rest.join('?'));
  if (protocol === 'mqtt+unix') {
    return { protocol, host: '', port: 0, path: socketPath(authority, path), parameters };
  }
  const { host, port } = readAuthority(protocol, authority, path);
  const isWeb = protocol === 'ws' || protocol === 'wss';
  if (path !== '' && !isWeb) {
    const right = `${protocol}://${authority}`;
    throw new UrlProblem(`has a path, which only ws:// and wss:// have: write ${right}`);
  }
  return { protocol, host, port, path: path === '/' ? '' : path, parameters };
}

/** Protocol, authority and path; authority and path may still be wrong. */
function split(address: string): { protocol: ListenerProtocol; authority: string; path: string } {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):(\/*)(.*)$/.exec(address);
  if (match === null || (match[2] === '' && /^\d+(?:\/.*)?$/.test(match[3]))) {
    const right = `mqtt://${withoutSecrets(address).replace(/^\/+/, '')}`;
    throw new UrlProblem(`does not say the protocol: write ${right}`);
  }
  const [, scheme, slashes, rest] = match;
  const protocol = protocolOf(scheme.toLowerCase(), rest);
  const isUnix = protocol === 'mqtt+unix';
  const isPlain = protocol === 'mqtt' || protocol === 'mqtts';
  // With three of them the host is empty, which is right where a path may follow.
  if (slashes.length === 3 && !isPlain) return { protocol, authority: '', path: `/${rest}` };
  if (slashes.length !== 2) {
    const right = `${protocol}://${isUnix ? '/' : ''}${withoutSecrets(rest)}`;
    throw new UrlProblem(`does not have ${isUnix ? 'three' : 'two'} slashes: write ${right}`);
  }
  const end = rest.indexOf('/');
  if (end < 0) return { protocol, authority: rest, path: '' };
  return { protocol, authority: rest.slice(0, end), path: rest.slice(end) };
}

function protocolOf(scheme: string, rest: string): ListenerProtocol {
  const protocol = PROTOCOLS.find((known) => known === scheme);
  if (protocol !== undefined) return protocol;
  const near = Object.hasOwn(OTHER_NAMES, scheme)
    ? OTHER_NAMES[scheme]
    : nearest(scheme, PROTOCOLS);
  if (near === null) {
    const known = PROTOCOLS.map((name) => `${name}://`).join(', ');
    throw new UrlProblem(`has an unknown protocol; known are ${known}`);
  }
  const right = `${near}://${near === 'mqtt+unix' ? '/' : ''}${withoutSecrets(rest)}`;
  throw new UrlProblem(`has an unknown protocol: write ${right}`);
}

function readAuthority(
  protocol: ListenerProtocol,
  authority: string,
  path: string,
): { host: string; port: number } {
  if (authority.includes('@') || path.includes('@')) {
    const right = withoutSecrets(`${protocol}://${authority}${path}`);
    throw new UrlProblem(`has a user or password, which a listener has not: write ${right}`);
  }
  if (authority.includes(':') && !authority.startsWith('[') && isIPv6(authority)) {
    const [, host, port] = /^(.*?)((?::\d{4,5})?)$/.exec(authority) ?? [];
    const right = isIPv6(host) ? `[${host}]${port}` : `[${authority}]`;
    throw new UrlProblem(`has IPv6 without brackets: write ${protocol}://${right}${path}`);
  }
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/.exec(authority);
  if (match === null) {
    throw new UrlProblem(
      `has no address before its port: IPv6 is written ${protocol}://[::1]:1883`,
    );
  }
  const [, written, portText] = match;
  const port = portText === undefined ? DEFAULT_PORTS[protocol] : readPort(portText);
  if (written.startsWith('[')) {
    const host = written.slice(1, -1).replace('%25', '%').toLowerCase();
    if (!isIPv6(host)) throw new UrlProblem(`has no IPv6 address in its brackets, as [::1]`);
    return { host, port };
  }
  if (written === '*') {
    throw new UrlProblem(`means all interfaces: write ${protocol}://:${port}${path}`);
  }
  const problem = written === '' ? null : hostProblem(written);
  if (problem !== null) throw new UrlProblem(`has no usable address: ${problem}`);
  return { host: written.toLowerCase(), port };
}

function readPort(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new UrlProblem('does not have a port from 0 to 65535 after its colon');
}

function socketPath(authority: string, path: string): string {
  if (authority !== '') {
    const right = withoutSecrets(`mqtt+unix:///${authority}${path}`);
    throw new UrlProblem(`does not have three slashes: write ${right}`);
  }
  const decoded = decode(path);
  if (decoded.length < 2 || decoded.endsWith('/') || decoded.includes('\0')) {
    throw new UrlProblem('names no file: write mqtt+unix:///run/iothub.sock');
  }
  if (new TextEncoder().encode(decoded).length > SOCKET_PATH_BYTES_MAX) {
    throw new UrlProblem(
      `has a path of more than ${SOCKET_PATH_BYTES_MAX} bytes: choose a shorter`,
    );
  }
  return decoded;
}

function readParameters(query: string): [name: string, value: string][] {
  const parts = query.split('&').filter((part) => part !== '');
  return parts.map((part) => {
    const at = part.indexOf('=');
    if (at < 1) throw new UrlProblem(`has a parameter without a value: write name=value`);
    return [decode(part.slice(0, at)), decode(part.slice(at + 1))];
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UrlProblem('has a % that is no escape: write %25 for the character itself');
  }
}

/** One part of a path, as readable as it may be. */
function encode(part: string): string {
  return encodeURIComponent(part).replace(/%(?:2B|3A|40|2C|3D|24|26|3B)/g, decodeURIComponent);
}
