// What a connection leaves behind when it is gone: messages of QoS 0 that waited in its output and were never handed to its socket.
// They are found in the bytes themselves, so that nothing is noted while messages pass. What the socket was given counts as
// delivered, for nobody can know; QoS 1 and 2 are in flight, and their session says what becomes of them.

import { DropReason, type Drops } from '../core/drop.ts';
import { sameBytes } from '../protocol/bytes.ts';
import { Framer } from '../protocol/framer.ts';
import { PacketType, type ProtocolVersion } from '../protocol/packet.ts';
import type { Output } from './output.ts';
import type { OutboundAliases } from './topic-alias.ts';

const QOS_BITS = 6;
const PACKET_ID_BYTES = 2;
const NO_TOPIC = new Uint8Array(0);
const UTF_8 = new TextDecoder('utf-8', { ignoreBOM: true }); // it is kept [MQTT-1.5.4-3]

/** Whose output it is. */
interface Leaving {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  readonly output: Output;
  readonly outboundAliases: OutboundAliases | null;
}

/** Counts as lost what is in the output of a connection that is gone. */
export function dropUnsent(drops: Drops, leaving: Leaving): void {
  const { clientId, version, output, outboundAliases } = leaving;
  if (output.unwrittenBytes === 0) return;
  const found = new Unsent(version);
  const framer = new Framer(Number.POSITIVE_INFINITY);
  for (const piece of output.unwritten()) {
    framer.feed(piece, 0, piece.length);
    while (framer.next()) {
      if (framer.header >> 4 !== PacketType.Publish) continue;
      found.add((framer.header & QOS_BITS) === 0, framer.bytes, framer.start);
    }
  }
  for (const [topicName, count] of found.byTopic(outboundAliases)) {
    drops.drop(DropReason.Unsent, clientId, topicName, count);
  }
}

class Unsent {
  readonly #hasProperties: boolean;
  readonly #topics = new Map<string, number>();
  /** Messages whose topic is an alias that was sent before, in bytes that are gone. */
  readonly #aliased = new Map<number, number>();
  /** Topics that were sent with their alias. */
  readonly #aliases = new Map<number, string>();
  #topicBytes: Uint8Array = NO_TOPIC;
  #topicName = '';

  constructor(version: ProtocolVersion) {
    this.#hasProperties = version === 5;
  }

  /** A PUBLISH of our own making, from its topic on. One that is not lost may say what an alias stands for, too. */
  add(isLost: boolean, bytes: Uint8Array, start: number): void {
    const end = start + 2 + ((bytes[start] << 8) | bytes[start + 1]);
    const alias = this.#hasProperties ? aliasAt(bytes, isLost ? end : end + PACKET_ID_BYTES) : 0;
    if (end > start + 2) {
      if (!isLost && alias === 0) return;
      const name = this.#nameOf(bytes.subarray(start + 2, end));
      if (alias > 0) this.#name(alias, name);
      if (isLost) this.#count(name, 1);
      return;
    }
    if (!isLost) return;
    const name = this.#aliases.get(alias);
    if (name === undefined) this.#aliased.set(alias, (this.#aliased.get(alias) ?? 0) + 1);
    else this.#count(name, 1);
  }

  /** `aliases`: what they stand for now. */
  byTopic(aliases: OutboundAliases | null): Iterable<readonly [topicName: string, count: number]> {
    if (this.#aliased.size > 0) {
      const topics = aliases?.topics();
      for (const [alias, count] of this.#aliased) this.#count(topics?.get(alias) ?? '', count);
      this.#aliased.clear();
    }
    return this.#topics;
  }

  /** From here on the alias is this topic's; what it was before nobody remembers. */
  #name(alias: number, name: string): void {
    const before = this.#aliases.has(alias) ? 0 : (this.#aliased.get(alias) ?? 0);
    if (before > 0) this.#count('', before);
    this.#aliased.delete(alias);
    this.#aliases.set(alias, name);
  }

  #count(name: string, count: number): void {
    this.#topics.set(name, (this.#topics.get(name) ?? 0) + count);
  }

  /** The same topic mostly comes again and again. */
  #nameOf(bytes: Uint8Array): string {
    const former = this.#topicBytes;
    const isSame = former.length === bytes.length && sameBytes(former, 0, former.length, bytes, 0);
    if (isSame) return this.#topicName;
    this.#topicBytes = bytes;
    this.#topicName = UTF_8.decode(bytes);
    return this.#topicName;
  }
}

/** Topic Alias of a PUBLISH whose properties begin there; 0 for none. It is where publish-encoder.ts puts it. */
function aliasAt(bytes: Uint8Array, start: number): number {
  let position = start;
  while (bytes[position] > 127) position++;
  position++;
  if (position - 1 === start && bytes[start] === 0) return 0;
  if (bytes[position] === 0x02) position += 5; // Message Expiry Interval
  return bytes[position] === 0x23 ? (bytes[position + 1] << 8) | bytes[position + 2] : 0;
}
