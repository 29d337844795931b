// Who is behind the proxies, by X-Forwarded-For or Forwarded (RFC 7239). Each proxy appends whom it got the request from, so
// the header is read from its end, and only as far as the proxies are ours: the first address that is not trusted is the
// client, and what stands before it is only what that client says. An element that names no address ends the walk for the
// same reason.
//
// The elements are cut off from the end, too: nothing that a client wrote, not even an open quote, changes how the part that
// a trusted proxy appended is read.

import { type AddressRanges, normalizeAddress } from '../lib/address.ts';

/** The header that the proxies in front of a listener send; one of them, never both: the client may send the other. */
export type ForwardedHeader = 'x-forwarded-for' | 'forwarded';

const QUOTE = 0x22;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;

/**
 * The first address from the right that is not trusted, beginning with the peer's own; the leftmost if all are trusted, and the
 * last one that was known if an element names none. `values` is the header as node:http has it: several in one, with commas.
 */
export function realAddress(
  header: ForwardedHeader,
  values: string | undefined,
  peer: string,
  trusted: AddressRanges,
): string {
  const text = values ?? '';
  let known = normalizeAddress(peer) ?? peer;
  let end = text.length;
  while (end >= 0 && trusted.has(known)) {
    const commaAt = lastSeparator(text, end, COMMA, header === 'forwarded');
    const element = text.slice(commaAt + 1, end);
    const address = header === 'forwarded' ? forOf(element) : nodeAddress(trimmed(element));
    if (address === null) break;
    known = address;
    end = commaAt;
  }
  return known;
}

/** The last separator in `text[0..end)` that is in no quotes, or -1. */
function lastSeparator(text: string, end: number, separator: number, hasQuotes: boolean): number {
  let isQuoted = false;
  for (let i = end - 1; i >= 0; i--) {
    const code = text.charCodeAt(i);
    if (hasQuotes && code === QUOTE && !isEscaped(text, i)) isQuoted = !isQuoted;
    else if (code === separator && !isQuoted) return i;
  }
  return -1;
}

/** Whether an odd number of backslashes stands before. */
function isEscaped(text: string, at: number): boolean {
  let from = at;
  while (from > 0 && text.charCodeAt(from - 1) === BACKSLASH) from--;
  return (at - from) % 2 === 1;
}

const PAIR = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(.*)$/;

/** The address that `for` names in one element of Forwarded; null if it names none, twice, or the element is garbled. §4 */
function forOf(element: string): string | null {
  let node: string | null = null;
  let end = element.length;
  while (end >= 0) {
    const at = lastSeparator(element, end, SEMICOLON, true);
    const text = trimmed(element.slice(at + 1, end));
    end = at;
    if (text === '') continue;
    const pair = PAIR.exec(text);
    const value = pair === null ? null : unquoted(pair[2]);
    if (pair === null || value === null) return null;
    if (pair[1].toLowerCase() !== 'for') continue;
    if (node !== null) return null;
    node = value;
  }
  return node === null ? null : nodeAddress(node);
}

/** A quoted string without its quotes and escapes, or a value as it is; null for quotes that do not fit. */
function unquoted(value: string): string | null {
  if (!value.includes('"')) return value;
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(value);
  return quoted === null ? null : quoted[1].replace(/\\(.)/g, '$1');
}

/** Characters of a node that may be an address; nothing longer is looked at. */
const NODE_LENGTH_MAX = 128;
/** The port of a node, a number or a made-up name. §6 */
const NODE_PORT = '(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?';
const BRACKETED = new RegExp(`^\\[([^\\]]*:[^\\]]*)\\]${NODE_PORT}$`);
const IPV4_WITH_PORT = new RegExp(`^([0-9.]+)${NODE_PORT}$`);

/**
 * `192.0.2.43`, `192.0.2.43:4711`, `[2001:db8::17]:4711`, and `2001:db8::17`, which is usual in X-Forwarded-For and no valid
 * Forwarded. Null for `unknown`, made-up names (`_hidden`) and all else. §6
 */
function nodeAddress(node: string): string | null {
  if (node.length > NODE_LENGTH_MAX) return null;
  const match = BRACKETED.exec(node) ?? IPV4_WITH_PORT.exec(node);
  return normalizeAddress(match === null ? node : match[1]);
}

/** Without the blanks and tabs around it; a regular expression would look at a run of blanks once for each of them. */
function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (start < end && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
