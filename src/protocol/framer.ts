// Cuts a byte stream into control packets. It accepts any split of the bytes, checks the announced length before it
// allocates, and copies nothing that arrived whole: a complete packet is shown where it lies in the chunk. Bytes that are
// shown are borrowed: they die with the chunk, unless `keep()` was called. It knows nothing about what is in a packet.

import { allocate } from './bytes.ts';
import { ProtocolError } from './protocol-error.ts';
import { ReasonCode } from './reason-code.ts';

const EMPTY = new Uint8Array(0);
/** The whole buffer of a packet is allocated at once up to here; beyond, it grows with the bytes that really come. */
const ALLOCATE_AT_ONCE_MAX = 262_144;

/** One peer's inbound byte stream as packets. MQTT 5 §2.1. */
export class Framer {
  /** First byte of the current packet: type in the upper, flags in the lower four bits. */
  header = 0;
  /** Where the current packet's body (what follows the Remaining Length) lies: `bytes[start..end)`. */
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;
  /** `bytes` were allocated for the current packet alone: they do not die with a chunk. */
  isOwn = false;
  /** Bytes of the whole current packet, its fixed header included. */
  packetLength = 0;
  /** A packet longer than this (fixed header included) is refused before anything is allocated for it. */
  maximumPacketSize: number;

  #chunk: Uint8Array = EMPTY;
  #position = 0;
  #limit = 0;
  // A fixed header that was cut by the end of a chunk
  #headerBytes = 0;
  #headerByte = 0;
  #remaining = 0;
  #factor = 1;
  // A body that was cut by the end of a chunk
  #body: Uint8Array | null = null;
  #bodyLength = 0;

  constructor(maximumPacketSize: number) {
    this.maximumPacketSize = maximumPacketSize;
  }

  /** Whether bytes of the last chunk have not been framed yet. */
  get hasMore(): boolean {
    return this.#position < this.#limit;
  }

  /** Bytes that it holds of its own: a packet that is not whole yet, and what `keep` copied. */
  get heldBytes(): number {
    return (this.#body?.length ?? 0) + this.#limit - this.#position;
  }

  /** Hands over `chunk[start..end)`. What is left of an earlier chunk comes first. */
  feed(chunk: Uint8Array, start: number, end: number): void {
    if (this.#position < this.#limit) {
      const rest = this.#limit - this.#position;
      const joined = new Uint8Array(rest + end - start);
      joined.set(this.#chunk.subarray(this.#position, this.#limit));
      joined.set(chunk.subarray(start, end), rest);
      this.#chunk = joined;
      this.#position = 0;
      this.#limit = joined.length;
      return;
    }
    this.#chunk = chunk;
    this.#position = start;
    this.#limit = end;
  }

  /** Copies what has not been framed yet, so that the chunk may die: used when reading is paused in its middle. */
  keep(): void {
    this.bytes = EMPTY;
    if (this.#position >= this.#limit) {
      this.#chunk = EMPTY;
      this.#position = 0;
      this.#limit = 0;
      return;
    }
    const rest = new Uint8Array(this.#limit - this.#position);
    rest.set(this.#chunk.subarray(this.#position, this.#limit));
    this.#chunk = rest;
    this.#position = 0;
    this.#limit = rest.length;
  }

  /** Forgets everything: the connection is over. */
  clear(): void {
    this.bytes = EMPTY;
    this.#chunk = EMPTY;
    this.#position = 0;
    this.#limit = 0;
    this.#headerBytes = 0;
    this.#body = null;
  }

  /**
   * Moves to the next packet; false when the bytes at hand do not hold a whole one.
   * Throws ProtocolError: MalformedPacket for a five-byte length (§1.5.5), PacketTooLarge (§3.1.2.11.4).
   */
  next(): boolean {
    if (this.#body !== null) return this.#fillBody();
    if (this.#headerBytes === 0) {
      // The fast way: the whole packet lies in the chunk.
      const chunk = this.#chunk;
      const limit = this.#limit;
      let position = this.#position;
      if (limit - position < 2) return position === limit ? false : this.#slowHeader();
      const header = chunk[position++];
      let remaining = chunk[position++];
      if (remaining > 127) {
        remaining &= 127;
        let factor = 128;
        for (;;) {
          if (position === limit) return this.#slowHeader();
          const byte = chunk[position++];
          remaining += (byte & 127) * factor;
          if (byte < 128) break;
          if (factor === 2_097_152) throw malformedLength();
          factor *= 128;
        }
      }
      const packetLength = position - this.#position + remaining;
      if (packetLength > this.maximumPacketSize)
        throw tooLarge(packetLength, this.maximumPacketSize);
      if (position + remaining > limit) return this.#slowHeader();
      this.header = header;
      this.bytes = chunk;
      this.isOwn = false;
      this.start = position;
      this.end = position + remaining;
      this.packetLength = packetLength;
      this.#position = this.end;
      return true;
    }
    return this.#slowHeader();
  }

  /** Reads the fixed header byte by byte, then the body. */
  #slowHeader(): boolean {
    const chunk = this.#chunk;
    while (this.#position < this.#limit) {
      const byte = chunk[this.#position++];
      if (this.#headerBytes === 0) {
        this.#headerByte = byte;
        this.#headerBytes = 1;
        this.#remaining = 0;
        this.#factor = 1;
        continue;
      }
      this.#headerBytes++;
      this.#remaining += (byte & 127) * this.#factor;
      if (byte >= 128) {
        if (this.#factor === 2_097_152) throw malformedLength();
        this.#factor *= 128;
        continue;
      }
      const packetLength = this.#headerBytes + this.#remaining;
      if (packetLength > this.maximumPacketSize)
        throw tooLarge(packetLength, this.maximumPacketSize);
      this.packetLength = packetLength;
      this.#headerBytes = 0;
      this.#body = allocate(Math.min(this.#remaining, ALLOCATE_AT_ONCE_MAX));
      this.#bodyLength = 0;
      return this.#fillBody();
    }
    return false;
  }

  #fillBody(): boolean {
    let body = this.#body;
    if (body === null) return false;
    const available = this.#limit - this.#position;
    const wanted = this.#remaining - this.#bodyLength;
    const taken = available < wanted ? available : wanted;
    if (this.#bodyLength + taken > body.length) {
      const larger = allocate(
        Math.min(this.#remaining, Math.max(body.length * 2, this.#bodyLength + taken)),
      );
      larger.set(body.subarray(0, this.#bodyLength));
      body = larger;
      this.#body = body;
    }
    body.set(this.#chunk.subarray(this.#position, this.#position + taken), this.#bodyLength);
    this.#position += taken;
    this.#bodyLength += taken;
    if (this.#bodyLength < this.#remaining) return false;
    this.header = this.#headerByte;
    this.bytes = body;
    this.isOwn = true;
    this.start = 0;
    this.end = this.#remaining;
    this.#body = null;
    return true;
  }
}

function malformedLength(): ProtocolError {
  return new ProtocolError(
    ReasonCode.MalformedPacket,
    'MQTT-1.5.5-1',
    'the Remaining Length is longer than four bytes',
  );
}

function tooLarge(length: number, limit: number): ProtocolError {
  return new ProtocolError(
    ReasonCode.PacketTooLarge,
    'MQTT-3.2.2-15',
    `the packet of ${length} bytes is larger than the maximum packet size of ${limit} bytes`,
  );
}
