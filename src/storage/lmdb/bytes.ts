// Values as bytes: small numbers in few bytes, texts with their length, and a CRC-32 in front of it all.

import { crc32 } from 'node:zlib';

const CHUNK_BYTES = 65_536;
const CRC_BYTES = 4;
const VARINT_BYTES_MAX = 8;

/**
 * Writes values one after the other, many into one piece of memory. What `end` returns lies in there: it dies with `reset`,
 * and is copied by whoever keeps it longer.
 */
export class ValueWriter {
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #start = 0;
  #position = 0;

  /** Forgets everything written. The first piece of memory is used again. */
  reset(): void {
    if (this.#chunk.length > CHUNK_BYTES) this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#position = 0;
  }

  /** Begins a value of at most so many bytes. */
  begin(bytesMax: number): void {
    const needed = bytesMax + CRC_BYTES;
    if (this.#position + needed > this.#chunk.length) {
      // The old piece lives on for as long as somebody holds a value in it.
      this.#chunk = Buffer.allocUnsafeSlow(Math.max(needed, CHUNK_BYTES * 4));
      this.#position = 0;
    }
    this.#start = this.#position;
    this.#position += CRC_BYTES;
  }

  uint8(value: number): void {
    this.#chunk[this.#position++] = value;
  }

  uint16(value: number): void {
    this.#chunk[this.#position++] = value >>> 8;
    this.#chunk[this.#position++] = value;
  }

  /** Big endian, so many bytes. */
  uint(value: number, bytes: number): void {
    let rest = value;
    for (let i = this.#position + bytes - 1; i >= this.#position; i--) {
      this.#chunk[i] = rest;
      rest = Math.floor(rest / 256);
    }
    this.#position += bytes;
  }

  double(value: number): void {
    this.#position = this.#chunk.writeDoubleBE(value, this.#position);
  }

  /** A whole number up to 2^53, 7 bits a byte, the low ones first. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.#chunk[this.#position++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#chunk[this.#position++] = rest;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.#position += this.#chunk.write(value, this.#position, length);
  }

  bytes(value: Uint8Array): void {
    this.#chunk.set(value, this.#position);
    this.#position += value.length;
  }

  /** Ends the value. `seed`: where its checksum begins. */
  end(seed: number): Uint8Array {
    const sum = crc32(this.#chunk.subarray(this.#start + CRC_BYTES, this.#position), seed);
    this.#chunk.writeUInt32BE(sum, this.#start);
    return this.#chunk.subarray(this.#start, this.#position);
  }
}

/** Bytes that a text takes at most. */
export function textBytesMax(value: string): number {
  return value.length * 3 + VARINT_BYTES_MAX;
}

/** What is in a value, behind its checksum; null when that is wrong. Nothing is copied. */
export function openValue(value: Uint8Array, seed: number): Buffer | null {
  const { buffer, byteOffset, length } = value;
  if (length < CRC_BYTES) return null;
  // The package lmdb lends one buffer with a `length` of its own; a view of it has a real one.
  const content = Buffer.from(buffer, byteOffset + CRC_BYTES, length - CRC_BYTES);
  const stored = ((value[0] << 24) | (value[1] << 16) | (value[2] << 8) | value[3]) >>> 0;
  return crc32(content, seed) === stored ? content : null;
}

/** What `uint` wrote there. */
export function readUint(source: Uint8Array, at: number, bytes: number): number {
  let value = 0;
  for (let i = at; i < at + bytes; i++) value = value * 256 + source[i];
  return value;
}

/** Reads forward. Throws Error at the end of the bytes. */
export class ValueReader {
  readonly bytes: Buffer;
  position = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  uint8(): number {
    return this.bytes[this.#take(1)];
  }

  uint16(): number {
    return this.bytes.readUInt16BE(this.#take(2));
  }

  double(): number {
    return this.bytes.readDoubleBE(this.#take(8));
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.uint8();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      if (scale > 2 ** 49) throw new Error('a number has no end');
    }
  }

  text(): string {
    const length = this.varint();
    const start = this.#take(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  /** A view of what is left. */
  rest(): Buffer {
    return this.bytes.subarray(this.position);
  }

  /** A value ends where it should. */
  finish(): void {
    if (this.position !== this.bytes.length) throw new Error('a value is longer than it should be');
  }

  /** A number of things that take at least a byte each. */
  count(): number {
    const count = this.varint();
    if (count > this.bytes.length - this.position) throw new Error('a value is cut off');
    return count;
  }

  skip(length: number): number {
    return this.#take(length);
  }

  #take(length: number): number {
    const start = this.position;
    if (start + length > this.bytes.length) throw new Error('a value is cut off');
    this.position = start + length;
    return start;
  }
}
