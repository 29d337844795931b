// UTF-8 as MQTT wants it: well-formed, without surrogates and U+0000, a byte order mark kept as the character it is
// (§1.5.4). Checking allocates nothing. The one place of the protocol layer that knows a runtime's faster way to make
// strings; without it (plain browsers) TextDecoder does the same.

import { ProtocolError } from './protocol-error.ts';
import { ReasonCode } from './reason-code.ts';

type Slice = (this: Uint8Array, start: number, end: number) => string;

// Node's Buffer methods take any Uint8Array as `this`.
const native: { readonly latin1Slice?: Slice; readonly utf8Slice?: Slice } =
  typeof Buffer === 'undefined' ? {} : (Buffer.prototype as unknown as object);
const decoder = new TextDecoder('utf-8', { ignoreBOM: true }); // [MQTT-1.5.4-3]
const latin1Slice: Slice = native.latin1Slice ?? decodeSlice;
const utf8Slice: Slice = native.utf8Slice ?? decodeSlice;
const encoder = new TextEncoder();

function decodeSlice(this: Uint8Array, start: number, end: number): string {
  return decoder.decode(this.subarray(start, end));
}

/** Throws ProtocolError MalformedPacket, with the caller's clause, unless `bytes[start..end)` is a UTF-8 string of MQTT. §1.5.4 */
export function checkUtf8(bytes: Uint8Array, start: number, end: number, clause: string): void {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte === 0 || byte > 0x7f) {
      checkFrom(bytes, i, end, clause);
      return;
    }
  }
}

/** The string in `bytes[start..end)`, a byte order mark included. Throws like `checkUtf8`. §1.5.4 */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number, clause: string): string {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte === 0 || byte > 0x7f) {
      checkFrom(bytes, i, end, clause);
      return utf8Slice.call(bytes, start, end);
    }
  }
  return start >= end ? '' : latin1Slice.call(bytes, start, end);
}

/** The bytes of `text`; a lone surrogate becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** How many bytes `text` has in UTF-8; a lone surrogate counts three, as U+FFFD. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      length++;
      continue;
    }
    length += 2;
    if (unit < 0xd800 || unit > 0xdbff || i + 1 === text.length) continue;
    const next = text.charCodeAt(i + 1);
    if (next >= 0xdc00 && next <= 0xdfff) i++; // a pair: two units are four bytes
  }
  return length;
}

/** Writes `text` at `target[at..)`, where there is room for it; returns the position after it. */
export function writeUtf8(text: string, target: Uint8Array, at: number): number {
  return at + encoder.encodeInto(text, target.subarray(at)).written;
}

/** The full check, from the first byte that is not plain ASCII. Table 3-7 of the Unicode Standard. */
function checkFrom(bytes: Uint8Array, from: number, end: number, clause: string): void {
  let i = from;
  while (i < end) {
    const byte = bytes[i++];
    if (byte < 0x80) {
      if (byte === 0) throw malformed(clause, 'a string contains U+0000'); // [MQTT-1.5.4-2]
      continue;
    }
    let more = 1;
    // The second byte's range excludes overlong forms, surrogates and what is above U+10FFFF. [MQTT-1.5.4-1]
    let low = 0x80;
    let high = 0xbf;
    if (byte >= 0xf0) {
      if (byte > 0xf4) throw malformed(clause, 'a string is not well-formed UTF-8');
      more = 3;
      if (byte === 0xf0) low = 0x90;
      else if (byte === 0xf4) high = 0x8f;
    } else if (byte >= 0xe0) {
      more = 2;
      if (byte === 0xe0) low = 0xa0;
      else if (byte === 0xed) high = 0x9f;
    } else if (byte < 0xc2) {
      throw malformed(clause, 'a string is not well-formed UTF-8');
    }
    if (i + more > end || bytes[i] < low || bytes[i] > high) {
      throw malformed(clause, 'a string is not well-formed UTF-8');
    }
    for (let j = i + 1; j < i + more; j++) {
      if ((bytes[j] & 0xc0) !== 0x80) throw malformed(clause, 'a string is not well-formed UTF-8');
    }
    i += more;
  }
}

function malformed(clause: string, message: string): ProtocolError {
  return new ProtocolError(ReasonCode.MalformedPacket, clause, message);
}
