// Clients and texts that the contracts of access control are tried with: ordinary ones, and such as come from whoever wants to
// break in.

import type { Client, ConnectRequest } from '../auth/auth.ts';

/** The longest text that MQTT can carry. */
const TEXT_BYTES_MAX = 65_535;

/** Frozen: nobody may write to what others read. */
export function requestOf(fields: Partial<ConnectRequest>): ConnectRequest {
  return Object.freeze({
    clientId: 'contract',
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
  });
}

/** Frozen, as above. */
export function clientOf(fields: Partial<Client>): Client {
  return Object.freeze({
    clientId: 'contract',
    username: 'contract',
    groups: Object.freeze([]),
    protocolVersion: 5,
    remoteAddress: '127.0.0.1',
    ...fields,
  });
}

/** User names and client ids that a packet may carry, or that somebody may try to smuggle in. */
export const HOSTILE_NAMES: readonly string[] = [
  '',
  ' ',
  '+',
  '#',
  '/',
  '+/+',
  '$SYS',
  '%u',
  '%c',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as a rule would have it
  '${claim.sub}',
  'a/+/#',
  'a\0b',
  '\0',
  '\ufeff',
  '\ud800',
  '../../etc/passwd',
  "' OR '1'='1",
  '*',
  '*)(uid=*))(|(uid=*',
  'a\r\nb: c',
  '__proto__',
  'constructor',
  'toString',
  'é'.repeat(200),
  'x'.repeat(TEXT_BYTES_MAX),
];

export const HOSTILE_PASSWORDS: readonly (Uint8Array | null)[] = [
  null,
  new Uint8Array(0),
  Uint8Array.of(0),
  Uint8Array.of(0xff, 0xfe, 0x00),
  bytesOf("' OR '1'='1"),
  bytesOf('eyJhbGciOiJub25lIn0.e30.'),
  bytesOf('..'),
  bytesOf('$6$$'),
  bytesOf('{"result":"allow"}'),
  new Uint8Array(TEXT_BYTES_MAX).fill(0x41),
];

/** Topic names that are valid, and some that no client can send. */
export const HOSTILE_TOPICS: readonly string[] = [
  '/',
  '//',
  ' ',
  '$',
  '$SYS',
  '$SYS/broker/uptime',
  '$share/g/a',
  '%u',
  '%c/x',
  '__proto__',
  'constructor/x',
  'a\0b',
  '\ud800',
  'é',
  '/'.repeat(1_000),
  'x'.repeat(TEXT_BYTES_MAX),
];

/** Topic filters of the same kind. */
export const HOSTILE_FILTERS: readonly string[] = [
  ...HOSTILE_TOPICS,
  '#',
  '+',
  '+/#',
  '+/+/+',
  '$SYS/#',
  '$SYS/+/x',
  '%u/#',
  `${'+/'.repeat(500)}#`,
];

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Topic names that a valid filter matches; those of a leading wildcard do not begin with `$`. MQTT 5 §4.7.2 */
export function topicsMatching(filter: string): readonly string[] {
  const names = new Set<string>();
  for (const [single, rest] of [
    ['x', []],
    ['', ['x']],
    ['é', ['x', 'y']],
    ['%u', ['']],
  ] as const) {
    const levels = filter.split('/');
    const hasRest = levels.at(-1) === '#';
    if (hasRest) levels.pop();
    const name = [...levels, ...(hasRest ? rest : [])]
      .map((level) => (level === '+' ? single : level))
      .join('/');
    if (name !== '') names.add(name);
  }
  return [...names];
}
