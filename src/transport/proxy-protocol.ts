// The header of the PROXY protocol, version 1 (a line of text) or 2 (binary), at the begin of a connection. Pure: the caller
// collects bytes and asks again with all of them until the answer is a header or a refusal, and sets the time limit. What
// cannot become a header is refused with the byte that says so, not when the time is up.
//
// Whether a header is expected is configuration, never guessed: whoever may leave it out may also forge it.
// Specification: haproxy.org, doc/proxy-protocol.txt; the sections below are its.

import { normalizeAddress } from '../lib/address.ts';
import {
  headerOf,
  hexByte,
  invalid,
  MORE,
  PROXY_HEADER_BYTES_MAX,
  type ProxyHeaderResult,
} from './proxy-header.ts';
import { PROXY_V2_SIGNATURE, readProxyV2 } from './proxy-v2.ts';

/** `PROXY` in ASCII. */
const V1_NAME = Uint8Array.of(0x50, 0x52, 0x4f, 0x58, 0x59);
/** Bytes of a line of version 1, CRLF included. §2.1 */
const V1_BYTES_MAX = 107;
const CR = 0x0d;
const LF = 0x0a;

const PORT = '(0|[1-9][0-9]{0,4})';
/** Exactly one space between; the addresses are checked afterwards. §2.1 */
const V1_LINE = new RegExp(`^PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) ${PORT} ${PORT}$`);
/** What follows the word is ignored. §2.1 */
const V1_UNKNOWN = /^PROXY UNKNOWN(?: |$)/;

/**
 * Reads the header that `bytes[0..length)` begins with. Whatever it returns is its own: no view of `bytes`.
 * A header of version 2 may have `bytesMax` bytes.
 */
export function readProxyHeader(
  bytes: Uint8Array,
  length: number,
  bytesMax = PROXY_HEADER_BYTES_MAX,
): ProxyHeaderResult {
  if (length === 0) return MORE;
  if (bytes[0] !== V1_NAME[0] && bytes[0] !== PROXY_V2_SIGNATURE[0]) {
    return invalid(
      `no PROXY header: the connection begins with ${hexByte(bytes[0])}${guess(bytes[0])}. ` +
        'The balancer must send the header (HAProxy: send-proxy-v2; nginx: proxy_protocol on), or the listener must not expect it',
    );
  }
  const isV2 = bytes[0] === PROXY_V2_SIGNATURE[0];
  const begin = isV2 ? PROXY_V2_SIGNATURE : V1_NAME;
  for (let i = 1; i < begin.length && i < length; i++) {
    if (bytes[i] === begin[i]) continue;
    return invalid(
      `no PROXY header: byte ${i + 1} is ${hexByte(bytes[i])}, where version ${isV2 ? 2 : 1} of the protocol has ${hexByte(begin[i])}`,
    );
  }
  return isV2 ? readProxyV2(bytes, length, bytesMax) : readProxyV1(bytes, length);
}

/** What a connection that begins with this byte probably is. */
function guess(byte: number): string {
  if (byte === 0x10) return ' (an MQTT CONNECT)';
  if (byte === 0x16) return ' (a TLS handshake)';
  if (byte === 0x47) return ' (an HTTP request)';
  return '';
}

function readProxyV1(bytes: Uint8Array, length: number): ProxyHeaderResult {
  const end = Math.min(length, V1_BYTES_MAX);
  let lineEnd = 0;
  while (lineEnd + 1 < end && (bytes[lineEnd] !== CR || bytes[lineEnd + 1] !== LF)) lineEnd++;
  const isComplete = lineEnd + 1 < end;
  const line = asciiText(bytes, isComplete ? lineEnd : end);
  const isUnknown = V1_UNKNOWN.test(line);
  if (isComplete) {
    return isUnknown ? headerOf(1, lineEnd + 2, null) : readV1Line(line, lineEnd + 2);
  }
  if (length >= V1_BYTES_MAX) {
    return invalid(
      `PROXY header of version 1: its line has not ended with CR LF after ${V1_BYTES_MAX} bytes, the most it may have`,
    );
  }
  if (line.includes('\n') && !isUnknown) {
    return invalid('PROXY header of version 1: its line must end with CR LF, not with LF alone');
  }
  return MORE;
}

function readV1Line(line: string, bytes: number): ProxyHeaderResult {
  const match = V1_LINE.exec(line);
  if (match === null) {
    return invalid(
      `PROXY header of version 1: ${JSON.stringify(line)} is not "PROXY TCP4|TCP6 source destination port port" or "PROXY UNKNOWN", with one space between`,
    );
  }
  const [, family, source, destination, sourcePort, destinationPort] = match;
  for (const address of [source, destination]) {
    if (address.includes(':') === (family === '6') && normalizeAddress(address) !== null) continue;
    return invalid(
      `PROXY header of version 1: "${address}" is no IPv${family} address, as TCP${family} says`,
    );
  }
  for (const port of [sourcePort, destinationPort]) {
    if (Number(port) <= 65_535) continue;
    return invalid(`PROXY header of version 1: ${port} is no port, which is 0 to 65535`);
  }
  const address = normalizeAddress(source) ?? source;
  return headerOf(1, bytes, { address, port: Number(sourcePort) });
}

/** A character per byte, so that what is no ASCII matches nothing. */
function asciiText(bytes: Uint8Array, end: number): string {
  return String.fromCharCode(...bytes.subarray(0, end));
}
