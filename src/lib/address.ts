// Addresses of clients and of listeners. One client has one spelling here, which logs, limits, bans and the API share: IPv4 in
// dots also when a dual-stack socket shows it as `::ffff:a.b.c.d`, IPv6 as RFC 5952 writes it. A zone (`%eth0`) is dropped: it
// names an interface of this machine, not the client.
//
// node:net can do some of this, but its BlockList is a list that is searched from the front (1.5 µs for two ranges), and it
// writes mapped addresses as it got them.

const COLON = 0x3a;
const DOT = 0x2e;
const GROUPS = 8;
/** `::ffff:0:0/96`: the first groups of an IPv4 address, which is kept as IPv6 carries it. RFC 4291 §2.5.5.2 */
const MAPPED_BITS = 96;

/** What is parsed to be looked at at once; nothing of it outlives the call. */
const scratch = new Uint16Array(GROUPS);

/** The one spelling of an address, or null for what is none. */
export function normalizeAddress(text: string): string | null {
  return parseAddress(text, scratch) ? formatAddress(scratch) : null;
}

/** The one spelling of the 16 bytes of an IPv6 address, or the 4 of an IPv4 address, that begin at `start`. */
export function addressOfBytes(bytes: Uint8Array, start: number, length: 4 | 16): string {
  scratch.fill(0);
  if (length === 4) scratch[5] = 0xffff;
  const first = GROUPS - length / 2;
  for (let i = 0; i < length; i += 2) {
    scratch[first + i / 2] = (bytes[start + i] << 8) | bytes[start + i + 1];
  }
  return formatAddress(scratch);
}

/**
 * Whom limits and bans count as one client: an IPv4 address itself; of an IPv6 address its /64, of which every client has as
 * many addresses as it likes. Empty for what is no address: a unix socket, a pipe in memory.
 */
export function limitKey(address: string): string {
  if (!address.includes(':')) return parseIpv4(address, 0, address.length) < 0 ? '' : address;
  if (!parseAddress(address, scratch)) return '';
  if (isMapped(scratch)) return formatAddress(scratch);
  return `${formatAddress(scratch.fill(0, GROUPS / 2))}/64`;
}

/** Where a client is, for the log: `192.0.2.1:4711`, `[2001:db8::1]:4711`; without a port if it is not known (0). */
export function formatPeer(address: string, port: number): string {
  if (address === '') return 'unix'; // the peer of a socket file has no address
  if (port === 0) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Names that may stand in a list of ranges. */
const NAMED_RANGES: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'], // RFC 1918, RFC 4193
  'link-local': ['169.254.0.0/16', 'fe80::/10'],
  unix: [], // the peer of a unix socket, whose address is empty
};

interface AddressRange {
  readonly network: Uint16Array;
  readonly prefixBits: number;
}

/** What is wrong with one text of a list of ranges and what would be right, or null. */
export function rangeProblem(text: string): string | null {
  if (Object.hasOwn(NAMED_RANGES, text)) return null;
  const range = parseRange(text);
  return typeof range === 'string' ? range : null;
}

/** A set of addresses, made of ranges (`10.0.0.0/8`, `fd00::/8`), single addresses and names (`loopback`, `private`, …). */
export class AddressRanges {
  readonly #ipv4: readonly AddressRange[];
  readonly #ipv6: readonly AddressRange[];
  readonly #hasUnix: boolean;

  /** Throws an Error that lists every text that is no range, and what is expected. */
  constructor(texts: readonly string[]) {
    const problems: string[] = [];
    const ranges: AddressRange[] = [];
    for (const text of texts.flatMap((name) => namedRange(name) ?? name)) {
      const range = parseRange(text);
      if (typeof range === 'string') problems.push(range);
      else ranges.push(range);
    }
    if (problems.length > 0) throw new Error(problems.join('\n'));
    this.#ipv4 = disjoint(ranges.filter((range) => isMapped(range.network)));
    this.#ipv6 = disjoint(ranges.filter((range) => !isMapped(range.network)));
    this.#hasUnix = texts.includes('unix');
  }

  get isEmpty(): boolean {
    return this.#ipv4.length + this.#ipv6.length === 0 && !this.#hasUnix;
  }

  /** Whether the address is in a range; the empty one is that of a unix socket. Of IPv4 only IPv4 ranges count, not `::/0`. */
  has(address: string): boolean {
    if (address === '') return this.#hasUnix;
    if (!parseAddress(address, scratch)) return false;
    return isIn(isMapped(scratch) ? this.#ipv4 : this.#ipv6, scratch);
  }
}

/** Reads an address of either kind into its eight groups, IPv4 as a mapped one; false for what is none. */
function parseAddress(text: string, into: Uint16Array): boolean {
  if (!text.includes(':')) {
    const bits = parseIpv4(text, 0, text.length);
    if (bits < 0) return false;
    into.fill(0);
    into[5] = 0xffff;
    into[6] = bits >>> 16;
    into[7] = bits & 0xffff;
    return true;
  }
  const zoneAt = text.indexOf('%');
  if (zoneAt === text.length - 1) return false;
  return parseIpv6(text, zoneAt < 0 ? text.length : zoneAt, into);
}

/** `text[start..end)` as four numbers with dots: its 32 bits, or -1. No leading zeros: some read them as octal. */
function parseIpv4(text: string, start: number, end: number): number {
  let bits = 0;
  let parts = 0;
  let digits = 0;
  let part = 0;
  for (let i = start; i <= end; i++) {
    const code = i === end ? DOT : text.charCodeAt(i);
    if (code === DOT) {
      if (digits === 0 || ++parts > 4) return -1;
      bits = bits * 256 + part;
      digits = 0;
      part = 0;
      continue;
    }
    if (code < 0x30 || code > 0x39 || (digits > 0 && part === 0)) return -1;
    part = part * 10 + code - 0x30;
    digits++;
    if (part > 255) return -1;
  }
  return parts === 4 ? bits : -1;
}

/** `text[0..end)` as RFC 4291 §2.2 has it: groups, at most one `::`, and the last two groups maybe in dots. */
function parseIpv6(text: string, end: number, into: Uint16Array): boolean {
  let count = 0;
  let gapAt = -1;
  let i = 0;
  if (text.startsWith('::')) {
    gapAt = 0;
    i = 2;
  }
  while (i < end) {
    if (count === GROUPS) return false;
    const groupAt = i;
    let group = 0;
    for (let digit = 0; i < end; i++) {
      digit = hexDigit(text.charCodeAt(i));
      if (digit < 0) break;
      group = group * 16 + digit;
    }
    if (i < end && text.charCodeAt(i) === DOT) {
      const bits = count > GROUPS - 2 ? -1 : parseIpv4(text, groupAt, end);
      if (bits < 0) return false;
      into[count++] = bits >>> 16;
      into[count++] = bits & 0xffff;
      break;
    }
    if (i === groupAt || i - groupAt > 4) return false;
    into[count++] = group;
    if (i === end) break;
    if (text.charCodeAt(i++) !== COLON || i === end) return false;
    if (text.charCodeAt(i) !== COLON) continue;
    if (gapAt >= 0) return false;
    gapAt = count;
    i++;
  }
  if (gapAt < 0) return count === GROUPS;
  if (count === GROUPS) return false;
  into.copyWithin(GROUPS - (count - gapAt), gapAt, count);
  into.fill(0, gapAt, GROUPS - (count - gapAt));
  return true;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function isMapped(groups: Uint16Array): boolean {
  for (let i = 0; i < 5; i++) if (groups[i] !== 0) return false;
  return groups[5] === 0xffff;
}

/** RFC 5952: lower case, no leading zeros, `::` for the longest run of two or more zero groups, the first of equal ones. */
function formatAddress(groups: Uint16Array): string {
  if (isMapped(groups)) {
    return `${groups[6] >>> 8}.${groups[6] & 0xff}.${groups[7] >>> 8}.${groups[7] & 0xff}`;
  }
  let gapAt = -1;
  let gapLength = 1;
  for (let i = 0; i < GROUPS; i++) {
    let length = 0;
    while (i + length < GROUPS && groups[i + length] === 0) length++;
    if (length > gapLength) {
      gapAt = i;
      gapLength = length;
    }
    i += length;
  }
  let text = '';
  for (let i = 0; i < GROUPS; i++) {
    if (i === gapAt) {
      text += '::';
      i += gapLength - 1;
      continue;
    }
    if (text !== '' && !text.endsWith(':')) text += ':';
    text += groups[i].toString(16);
  }
  return text;
}

function namedRange(text: string): readonly string[] | null {
  return Object.hasOwn(NAMED_RANGES, text) ? NAMED_RANGES[text] : null;
}

/** One range, or what is wrong with the text. */
function parseRange(text: string): AddressRange | string {
  const slashAt = text.indexOf('/');
  const address = slashAt < 0 ? text : text.slice(0, slashAt);
  const network = new Uint16Array(GROUPS);
  if (address.includes('%') || !parseAddress(address, network)) {
    const names = Object.keys(NAMED_RANGES).join(', ');
    return `"${text}" is no address range: an address (192.0.2.7, 2001:db8::7), a range (10.0.0.0/8, fd00::/8) or one of ${names} is expected`;
  }
  const isIpv4 = !address.includes(':');
  const bitsMax = isIpv4 ? 32 : 128;
  if (slashAt < 0) return { network, prefixBits: 128 };
  const prefix = text.slice(slashAt + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > bitsMax) {
    return `"${text}" is no address range: after the / of an ${isIpv4 ? 'IPv4' : 'IPv6'} range a number from 0 to ${bitsMax} is expected`;
  }
  const prefixBits = Number(prefix) + (isIpv4 ? MAPPED_BITS : 0);
  const masked = network.map((group, i) => group & maskOf(prefixBits, i));
  if (masked.some((group, i) => group !== network[i])) {
    const bits = isMapped(masked) ? prefixBits - MAPPED_BITS : prefixBits;
    return `"${text}" has bits beyond its prefix: write ${formatAddress(masked)}/${bits} for the range, or ${formatAddress(network)} for the one address`;
  }
  return { network, prefixBits };
}

/** The bits of group `i` that a prefix covers. */
function maskOf(prefixBits: number, i: number): number {
  const bits = Math.min(16, Math.max(0, prefixBits - 16 * i));
  return (0xffff << (16 - bits)) & 0xffff;
}

/** In order, without those inside of others: ranges that begin at bit borders are one in the other or apart. */
function disjoint(ranges: readonly AddressRange[]): AddressRange[] {
  const ordered = [...ranges].sort(
    (a, b) => compare(a.network, b.network) || a.prefixBits - b.prefixBits,
  );
  const kept: AddressRange[] = [];
  for (const range of ordered) {
    const last = kept.at(-1);
    if (last === undefined || !covers(last, range.network)) kept.push(range);
  }
  return kept;
}

function isIn(ranges: readonly AddressRange[], address: Uint16Array): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(ranges[middle].network, address) <= 0) low = middle + 1;
    else high = middle;
  }
  return low > 0 && covers(ranges[low - 1], address);
}

function covers({ network, prefixBits }: AddressRange, address: Uint16Array): boolean {
  for (let i = 0; 16 * i < prefixBits; i++) {
    if (((network[i] ^ address[i]) & maskOf(prefixBits, i)) !== 0) return false;
  }
  return true;
}

function compare(a: Uint16Array, b: Uint16Array): number {
  for (let i = 0; i < GROUPS; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}
