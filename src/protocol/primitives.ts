// The data types of the wire (§1.5), read with bounds checked and written with ranges checked: all that the packet files
// are made of. What was read is copied, so packets outlive the buffer they came in. PUBLISH between clients does not come
// through here; see `PublishView`.

import {
  copyBytes,
  variableByteIntegerLength,
  writeUint16,
  writeUint32,
  writeVariableByteInteger,
} from './bytes.ts';
import { ProtocolError } from './protocol-error.ts';
import { ReasonCode } from './reason-code.ts';
import { decodeUtf8, utf8Length, writeUtf8 } from './utf8.ts';

/** The largest variable byte integer, and so the largest Remaining Length. MQTT 5 §1.5.5 */
const VARIABLE_BYTE_INTEGER_MAX = 268_435_455;
/** The longest fixed header: a type byte and four bytes of length. MQTT 5 §2.1.1 */
const FIXED_HEADER_MAX = 5;

/** The error of bytes that are not a packet. MQTT 5 §4.13.1 */
export function malformed(clause: string, message: string): ProtocolError {
  return new ProtocolError(ReasonCode.MalformedPacket, clause, message);
}

/** The error of a packet that the rules of the protocol forbid. MQTT 5 §4.13.1 */
export function protocolError(clause: string, message: string): ProtocolError {
  return new ProtocolError(ReasonCode.ProtocolError, clause, message);
}

/**
 * Reads the values of one packet from `bytes[start..end)`. Every method throws ProtocolError MalformedPacket, with the
 * clause it is given, when the packet ends before the value does; `field` names the value in the error's message.
 */
export class Reader {
  readonly bytes: Uint8Array;
  /** The packet's name in the specification, for messages. */
  readonly packet: string;
  position: number;
  /** Where reading ends; moved inwards while a length-prefixed section is read. */
  end: number;

  constructor(packet: string, bytes: Uint8Array, start: number, end: number) {
    this.packet = packet;
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  byte(field: string, clause: string): number {
    this.#need(1, field, clause);
    return this.bytes[this.position++];
  }

  /** MQTT 5 §1.5.2 */
  uint16(field: string, clause: string): number {
    this.#need(2, field, clause);
    const { bytes, position } = this;
    this.position = position + 2;
    return (bytes[position] << 8) | bytes[position + 1];
  }

  /** MQTT 5 §1.5.3 */
  uint32(field: string, clause: string): number {
    this.#need(4, field, clause);
    const { bytes, position } = this;
    this.position = position + 4;
    const value = (bytes[position] << 24) | (bytes[position + 1] << 16);
    return (value | (bytes[position + 2] << 8) | bytes[position + 3]) >>> 0;
  }

  /** At most four bytes; longer forms than needed are accepted. MQTT 5 §1.5.5 */
  variableByteInteger(field: string, clause: string): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.byte(field, clause);
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      if (factor === 2_097_152) {
        throw malformed('MQTT-1.5.5-1', `${this.packet}: ${field} is longer than four bytes`);
      }
      factor *= 128;
    }
  }

  /** MQTT 5 §1.5.4 */
  string(field: string, clause: string): string {
    const length = this.uint16(field, clause);
    this.#need(length, field, clause);
    const start = this.position;
    this.position = start + length;
    return decodeUtf8(this.bytes, start, start + length, clause);
  }

  /** A copy of length-prefixed bytes. MQTT 5 §1.5.6 */
  binary(field: string, clause: string): Uint8Array {
    const length = this.uint16(field, clause);
    this.#need(length, field, clause);
    const start = this.position;
    this.position = start + length;
    return copyOf(this.bytes, start, start + length);
  }

  /** A copy of all that is left. */
  rest(): Uint8Array {
    const start = this.position;
    this.position = this.end;
    return copyOf(this.bytes, start, this.end);
  }

  /** A packet identifier, which is never 0. MQTT 5 §2.2.1 */
  packetId(): number {
    const packetId = this.uint16('the Packet Identifier', '§2.2.1');
    if (packetId === 0) {
      throw malformed('MQTT-2.2.1-3', `${this.packet} has packet identifier 0`);
    }
    return packetId;
  }

  /** Throws unless everything was read. */
  finish(clause = '§2.1.4'): void {
    if (this.position < this.end) {
      throw malformed(clause, `${this.packet} has ${this.remaining} bytes too many`);
    }
  }

  #need(length: number, field: string, clause: string): void {
    if (this.position + length > this.end) {
      throw malformed(clause, `${this.packet} ends before ${field} does`);
    }
  }
}

function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  copyBytes(bytes, start, end, copy, 0);
  return copy;
}

/** Throws RangeError: what the caller wants to send cannot be written. */
export function unencodable(message: string): never {
  throw new RangeError(message);
}

/**
 * Writes one packet into a buffer that grows. Room for the fixed header is kept in front, so that the Remaining Length
 * need not be known beforehand. Every method throws RangeError for values that the wire cannot carry.
 */
export class Writer {
  #bytes: Uint8Array;
  #position = FIXED_HEADER_MAX;

  /** `sizeHint`: bytes that the packet is likely to take. */
  constructor(sizeHint = 64) {
    this.#bytes = new Uint8Array(FIXED_HEADER_MAX + sizeHint);
  }

  byte(value: number): void {
    this.#makeRoom(1);
    this.#bytes[this.#position++] = integer(value, 0xff);
  }

  /** MQTT 5 §1.5.2 */
  uint16(value: number): void {
    this.#makeRoom(2);
    this.#position = writeUint16(this.#bytes, this.#position, integer(value, 0xffff));
  }

  /** MQTT 5 §1.5.3 */
  uint32(value: number): void {
    this.#makeRoom(4);
    this.#position = writeUint32(this.#bytes, this.#position, integer(value, 0xffff_ffff));
  }

  /** In the shortest form. [MQTT-1.5.5-1] */
  variableByteInteger(value: number): void {
    this.#makeRoom(4);
    const checked = integer(value, VARIABLE_BYTE_INTEGER_MAX);
    this.#position = writeVariableByteInteger(this.#bytes, this.#position, checked);
  }

  /** MQTT 5 §1.5.4 */
  string(value: string): void {
    const length = utf8Length(value);
    if (length > 65_535) unencodable(`a string has ${length} bytes; 65535 fit`);
    if (HAS_UNENCODABLE.test(value)) {
      unencodable('a string contains U+0000 or half of a surrogate pair'); // [MQTT-1.5.4-1] [MQTT-1.5.4-2]
    }
    this.uint16(length);
    this.#makeRoom(length);
    this.#position = writeUtf8(value, this.#bytes, this.#position);
  }

  /** A string without wildcards, at least one character long. MQTT 5 §4.7 */
  topicName(value: string): void {
    if (value === '') unencodable('the topic name is empty'); // [MQTT-4.7.3-1]
    if (value.includes('+') || value.includes('#')) {
      unencodable('the topic name contains a wildcard'); // [MQTT-4.7.0-1]
    }
    this.string(value);
  }

  /** Length-prefixed bytes. MQTT 5 §1.5.6 */
  binary(value: Uint8Array): void {
    if (value.length > 65_535) unencodable(`binary data has ${value.length} bytes; 65535 fit`);
    this.uint16(value.length);
    this.raw(value);
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): void {
    this.#makeRoom(value.length);
    this.#position = copyBytes(value, 0, value.length, this.#bytes, this.#position);
  }

  /** A packet identifier, which is never 0. [MQTT-2.2.1-3] */
  packetId(value: number): void {
    if (value === 0) unencodable('the packet identifier is 0');
    this.uint16(value);
  }

  /** Where a section begins whose length will stand in front of it; `endSection` takes it. */
  beginSection(): number {
    this.#makeRoom(1);
    return this.#position++;
  }

  /** Puts the length before what was written since `beginSection` gave `at`. */
  endSection(at: number): void {
    const length = this.#position - at - 1;
    const more = variableByteIntegerLength(length) - 1; // one byte was kept free
    if (more > 0) {
      this.#makeRoom(more);
      this.#bytes.copyWithin(at + 1 + more, at + 1, this.#position);
      this.#position += more;
    }
    writeVariableByteInteger(this.#bytes, at, length);
  }

  /** The packet: its fixed header with this first byte, then all that was written. */
  finish(header: number): Uint8Array {
    const remaining = this.#position - FIXED_HEADER_MAX;
    if (remaining > VARIABLE_BYTE_INTEGER_MAX) {
      unencodable(`the packet's Remaining Length is ${remaining}; at most 268435455 fits`);
    }
    const start = FIXED_HEADER_MAX - 1 - variableByteIntegerLength(remaining);
    this.#bytes[start] = header;
    writeVariableByteInteger(this.#bytes, start + 1, remaining);
    return this.#bytes.subarray(start, this.#position);
  }

  #makeRoom(length: number): void {
    const needed = this.#position + length;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#position));
    this.#bytes = larger;
  }
}

// U+0000 and lone surrogates: with the `u` flag a surrogate range matches no half of a pair
const HAS_UNENCODABLE = /[\0\uD800-\uDFFF]/u;

function integer(value: number, maximum: number): number {
  if (!Number.isInteger(value) || value < 0 || value > maximum) {
    unencodable(`${value} is not an integer from 0 to ${maximum}`);
  }
  return value;
}
