// A message as bytes that every later version can read: what is kept in a store, and what it takes to know who published it and
// when. Times are store times. The layout is part of the store's format; a change needs a new version byte and keeps the old.
//
//   1 byte   version
//   1 byte   flags: QoS (bits 0, 1), RETAIN, has an expiry, has a publisher, who has a user name, who is no client
//   6 bytes  received at, store time, milliseconds
//   4 bytes  message expiry interval, seconds                                if any
//   2 + n    topic name
//   2 + n    client id of the publisher, then its user name, then its session id        each if any
//   4 + n    properties as in PUBLISH, without their length
//   n        payload

import { copyBytes, writeUint16 } from '../protocol/bytes.ts';
import { Message, NO_EXPIRY, type Publisher } from '../protocol/message.ts';
import type { QoS } from '../protocol/packet.ts';
import type { Topic } from '../protocol/topic.ts';
import type { MessageCodec, MessageSummary } from '../storage/storage.ts';
import type { StoreClock } from './store-clock.ts';

const VERSION = 1;
const FLAG_RETAIN = 4;
const FLAG_EXPIRY = 8;
const FLAG_PUBLISHER = 16;
const FLAG_USERNAME = 32;
const FLAG_SESSION_ID = 64;
const HEAD_BYTES = 8;

/** Where topics come from: they are interned, so that a message from the store finds its route. */
export interface Topics {
  restore(name: string): Topic;
}

export class StoredMessageCodec implements MessageCodec {
  readonly #clock: StoreClock;
  readonly #topics: Topics;
  readonly #startMs: number;
  #lastMessage: Message | null = null;
  #lastBytes: Uint8Array = new Uint8Array(0);

  /** `startMs`: when this server started, monotonic; what was received before may be held from expiring. */
  constructor(clock: StoreClock, topics: Topics, startMs: number) {
    this.#clock = clock;
    this.#topics = topics;
    this.#startMs = startMs;
  }

  /** Sessions that get one message ask one after the other: it is encoded once. */
  encode(message: Message): Uint8Array {
    if (message !== this.#lastMessage || !message.isOwned) {
      this.#lastBytes = encode(message, this.#clock.toStore(message.receivedAtMs));
      this.#lastMessage = message;
    }
    return this.#lastBytes;
  }

  decode(bytes: Uint8Array): Message {
    const reader = new StoredReader(bytes);
    const flags = reader.flags();
    const receivedAtMs = this.#clock.toMonotonic(reader.uint48());
    const expiry = flags & FLAG_EXPIRY ? reader.uint32() : NO_EXPIRY;
    const topic = this.#topics.restore(reader.text());
    const publisher = flags & FLAG_PUBLISHER ? readPublisher(reader, flags) : null;
    const propertiesLength = reader.uint32();
    const content = reader.rest(propertiesLength);
    const message = new Message(
      topic,
      (flags & 3) as QoS,
      (flags & FLAG_RETAIN) !== 0,
      content,
      propertiesLength,
    );
    message.messageExpiryInterval = expiry;
    message.receivedAtMs = this.#held(receivedAtMs, expiry);
    message.publisher = publisher;
    return message;
  }

  summarize(bytes: Uint8Array): MessageSummary {
    const reader = new StoredReader(bytes);
    const flags = reader.flags();
    const receivedAtMs = reader.uint48();
    const expiresAtMs =
      flags & FLAG_EXPIRY ? receivedAtMs + reader.uint32() * 1_000 : Number.POSITIVE_INFINITY;
    const topicLength = reader.textLength();
    const topicName = reader.text();
    if (flags & FLAG_PUBLISHER) {
      reader.skipText();
      if (flags & FLAG_USERNAME) reader.skipText();
      if (flags & FLAG_SESSION_ID) reader.skipText();
    }
    reader.uint32();
    return { topicName, size: topicLength + 2 + reader.remaining, expiresAtMs };
  }

  /** While the clock is in doubt nothing expires that was there at start. */
  #held(receivedAtMs: number, expiry: number): number {
    if (expiry === NO_EXPIRY || receivedAtMs >= this.#startMs) return receivedAtMs;
    return Math.max(receivedAtMs, this.#clock.heldUntilMs - expiry * 1_000);
  }
}

function encode(message: Message, receivedAtMs: number): Uint8Array {
  const { publisher, topic } = message;
  const hasExpiry = message.messageExpiryInterval !== NO_EXPIRY;
  const texts = publisher === null ? [] : textsOf(publisher);
  let size = HEAD_BYTES + (hasExpiry ? 4 : 0) + topic.wire.length + 4;
  const lengths: number[] = [];
  for (const text of texts) {
    const length = Buffer.byteLength(text);
    lengths.push(length);
    size += 2 + length;
  }
  const bytes = Buffer.allocUnsafe(size + message.propertiesLength + message.payloadLength);
  bytes[0] = VERSION;
  bytes[1] =
    message.qos |
    (message.retain ? FLAG_RETAIN : 0) |
    (hasExpiry ? FLAG_EXPIRY : 0) |
    flagsOf(publisher);
  bytes.writeUIntBE(Math.max(0, receivedAtMs), 2, 6);
  let position = HEAD_BYTES;
  if (hasExpiry) position = bytes.writeUInt32BE(message.messageExpiryInterval, position);
  bytes.set(topic.wire, position);
  position += topic.wire.length;
  for (let i = 0; i < texts.length; i++) {
    position = writeUint16(bytes, position, lengths[i]);
    position += bytes.write(texts[i], position);
  }
  position = bytes.writeUInt32BE(message.propertiesLength, position);
  copyBytes(message.bytes, message.propertiesStart, message.propertiesEnd, bytes, position);
  position += message.propertiesLength;
  copyBytes(message.bytes, message.payloadStart, message.payloadEnd, bytes, position);
  return bytes;
}

/** A client's session is called after its client id; anybody else's id is kept. */
function isClient(publisher: Publisher): boolean {
  return publisher.sessionId === `__client_${publisher.clientId}`;
}

function textsOf(publisher: Publisher): string[] {
  const texts = [publisher.clientId];
  if (publisher.username !== null) texts.push(publisher.username);
  if (!isClient(publisher)) texts.push(publisher.sessionId);
  return texts;
}

function flagsOf(publisher: Publisher | null): number {
  if (publisher === null) return 0;
  return (
    FLAG_PUBLISHER |
    (publisher.username === null ? 0 : FLAG_USERNAME) |
    (isClient(publisher) ? 0 : FLAG_SESSION_ID)
  );
}

/** Whether `encode` writes such flags: QoS 3 and bit 7 it does not, and nothing of a publisher that is not there. */
function isPossible(flags: number): boolean {
  if ((flags & 3) === 3 || flags >= 128) return false;
  return (flags & FLAG_PUBLISHER) !== 0 || (flags & (FLAG_USERNAME | FLAG_SESSION_ID)) === 0;
}

function readPublisher(reader: StoredReader, flags: number): Publisher {
  const clientId = reader.text();
  const username = flags & FLAG_USERNAME ? reader.text() : null;
  const sessionId = flags & FLAG_SESSION_ID ? reader.text() : `__client_${clientId}`;
  return { sessionId, clientId, username };
}

/** Reads forward; throws Error at the end of the bytes. */
class StoredReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  flags(): number {
    const version = this.#take(2);
    if (this.#bytes[version] !== VERSION) {
      throw new Error(`a stored message has version ${this.#bytes[version]}, not ${VERSION}`);
    }
    const flags = this.#bytes[version + 1];
    if (!isPossible(flags)) throw new Error(`a stored message has the flags ${flags}`);
    return flags;
  }

  uint48(): number {
    return this.#bytes.readUIntBE(this.#take(6), 6);
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  /** Bytes of the text that comes next. */
  textLength(): number {
    return this.#bytes.readUInt16BE(this.#position);
  }

  text(): string {
    const length = this.#bytes.readUInt16BE(this.#take(2));
    const start = this.#take(length);
    return this.#bytes.toString('utf8', start, start + length);
  }

  skipText(): void {
    this.#take(this.#bytes.readUInt16BE(this.#take(2)));
  }

  /** A copy of all that is left, at least so many bytes. */
  rest(lengthMin: number): Uint8Array {
    if (this.remaining < lengthMin) throw new Error('a stored message is cut off');
    return Uint8Array.prototype.slice.call(this.#bytes, this.#position);
  }

  /** Where the next `length` bytes begin; they count as read. */
  #take(length: number): number {
    const start = this.#position;
    if (start + length > this.#bytes.length) throw new Error('a stored message is cut off');
    this.#position = start + length;
    return start;
  }
}
