// Topic names, interned: a PUBLISH that names a known topic costs one hash and one comparison of bytes, no string and no
// validation, and finds what routing last found for it. The table is bounded; a topic that falls out only has to be
// looked at again. Matching is bytewise (§4.7.3).

import { copyBytes, sameBytes, writeUint16 } from './bytes.ts';
import { ProtocolError } from './protocol-error.ts';
import { ReasonCode } from './reason-code.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

const PLUS = 0x2b;
const HASH = 0x23;
const SLASH = 0x2f;
/** Slots that are looked at for one topic: whoever makes up names that collide slows down nobody. */
const PROBES_MAX = 64;

export interface TopicLimits {
  /** bytes */
  readonly topicLengthMax: number;
  readonly topicLevelsMax: number;
}

/** A valid topic name. Immutable but for the cache that the router keeps on it. */
export class Topic {
  readonly name: string;
  /** As on the wire: two bytes of length, then UTF-8. */
  readonly wire: Uint8Array;
  readonly hash: number;
  /** What the router last found for this topic, with its generation; nobody else looks at it. */
  route: unknown = null;
  /** Second chance of the table's clock hand. */
  referenced = true;

  constructor(name: string, wire: Uint8Array, hash: number) {
    this.name = name;
    this.wire = wire;
    this.hash = hash;
  }

  /** Topics beginning with $ are not matched by filters that begin with a wildcard. [MQTT-4.7.2-1] */
  get isReserved(): boolean {
    return this.wire.length > 2 && this.wire[2] === 0x24;
  }
}

/** Interns topic names by their bytes: open addressing, at most `capacity` of them, second chance eviction. */
export class TopicTable {
  readonly #limits: TopicLimits;
  readonly #mask: number;
  readonly #capacity: number;
  #slots: (Topic | null)[];
  #count = 0;

  constructor(limits: TopicLimits, capacity = 65_536) {
    this.#limits = limits;
    this.#capacity = capacity;
    let size = 2;
    while (size < capacity * 2) size *= 2;
    this.#mask = size - 1;
    this.#slots = new Array<Topic | null>(size).fill(null);
  }

  get size(): number {
    return this.#count;
  }

  /**
   * The topic whose UTF-8 bytes are `bytes[start..end)`, valid and within the limits.
   * Throws ProtocolError: TopicNameInvalid for wildcards, an empty name or one past the limits, MalformedPacket for bad UTF-8.
   */
  intern(bytes: Uint8Array, start: number, end: number): Topic {
    let hash = 0x811c9dc5;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
    hash ^= hash >>> 15;
    const slots = this.#slots;
    const mask = this.#mask;
    const wireLength = end - start + 2;
    let index = hash & mask;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const topic = slots[index];
      if (topic === null) break;
      if (
        topic.hash === hash &&
        topic.wire.length === wireLength &&
        sameBytes(bytes, start, end, topic.wire, 2)
      ) {
        topic.referenced = true;
        return topic;
      }
      index = (index + 1) & mask;
    }
    const topic = this.#create(bytes, start, end, hash);
    if (this.#count >= this.#capacity) this.#evict();
    this.#place(topic);
    return topic;
  }

  /** Puts a topic where `intern` looks for it; when all slots there are taken the first one gives way. */
  #place(topic: Topic): void {
    const slots = this.#slots;
    let index = topic.hash & this.#mask;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      if (slots[index] === null) {
        slots[index] = topic;
        this.#count++;
        return;
      }
      index = (index + 1) & this.#mask;
    }
    slots[topic.hash & this.#mask] = topic;
  }

  /** The topic of that name; for wills and the server's own messages. Throws like `intern`. */
  of(name: string): Topic {
    const bytes = encodeUtf8(name);
    return this.intern(bytes, 0, bytes.length);
  }

  /** The topic of a name that was valid when it was stored, also if it is past the limits of today. */
  restore(name: string): Topic {
    const bytes = encodeUtf8(name);
    if (bytes.length <= this.#limits.topicLengthMax) {
      try {
        return this.intern(bytes, 0, bytes.length);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
    }
    const wire = new Uint8Array(bytes.length + 2);
    copyBytes(bytes, 0, bytes.length, wire, writeUint16(wire, 0, bytes.length));
    return new Topic(name, wire, 0);
  }

  #create(bytes: Uint8Array, start: number, end: number, hash: number): Topic {
    const length = end - start;
    if (length === 0) throw invalidTopic('MQTT-4.7.3-1', 'the topic name is empty');
    if (length > this.#limits.topicLengthMax) {
      throw invalidTopic(
        'limit topic_length_max',
        `the topic name has ${length} bytes; at most ${this.#limits.topicLengthMax} are allowed`,
      );
    }
    let levels = 1;
    for (let i = start; i < end; i++) {
      const byte = bytes[i];
      if (byte === PLUS || byte === HASH) {
        throw invalidTopic('MQTT-3.3.2-2', 'the topic name contains a wildcard');
      }
      if (byte === SLASH) levels++;
    }
    if (levels > this.#limits.topicLevelsMax) {
      throw invalidTopic(
        'limit topic_levels_max',
        `the topic name has ${levels} levels; at most ${this.#limits.topicLevelsMax} are allowed`,
      );
    }
    const name = decodeUtf8(bytes, start, end, 'MQTT-3.3.2-1');
    const wire = new Uint8Array(length + 2);
    copyBytes(bytes, start, end, wire, writeUint16(wire, 0, length));
    return new Topic(name, wire, hash);
  }

  /** Drops every topic that nobody named since the last sweep; at most half of the capacity stays. */
  #evict(): void {
    const old = this.#slots;
    this.#slots = new Array<Topic | null>(old.length).fill(null);
    this.#count = 0;
    const keepMax = this.#capacity >>> 1;
    for (const topic of old) {
      if (topic === null || !topic.referenced || this.#count >= keepMax) continue;
      topic.referenced = false;
      this.#place(topic);
    }
  }
}

function invalidTopic(clause: string, message: string): ProtocolError {
  return new ProtocolError(ReasonCode.TopicNameInvalid, clause, message);
}
