// What waits behind a session's in-flight window, bounded in messages and bytes. The policy says who goes when it is full. Its
// beginning, the head, is in memory; what follows, the tail, lies in the store and is read in pages when its turn comes. Without
// a store, or for a session that ends with its connection, all of it is head.

import { DropReason } from '../core/drop.ts';
import type { QueueLimits } from '../core/limits.ts';
import { RingBuffer } from '../lib/ring-buffer.ts';
import type { OutboundMessage } from './outbound-message.ts';
import { type QueuedEntry, QueueTail } from './queue-tail.ts';

/** What is kept in memory of a queue that is stored, and read from the store at once. */
const HEAD_MESSAGES_MAX = 128;
const HEAD_BYTES_MAX = 262_144;
/** How full a queue is when somebody is warned, and below which it may be warned of again. */
const WARNED_FROM = 0.8;
const WARNED_UNTIL = 0.5;

/** Told of what the queue gives up: to be counted, and to be forgotten by the store. `depth`: messages that were in it. */
export interface QueueOwner {
  lost(reason: DropReason, entry: OutboundMessage, depth: number): void;
  /** One that is in the store only. */
  lostStored(reason: DropReason, entry: QueuedEntry, depth: number): void;
}

export class Queue {
  readonly #owner: QueueOwner;
  readonly #head = new RingBuffer<OutboundMessage>();
  #headBytes = 0;
  readonly #tail = new QueueTail();
  #bytes = 0;
  #qos0Messages = 0;
  /** No message of the queue expires before; monotonic milliseconds. */
  #soonestExpiryMs = Number.POSITIVE_INFINITY;
  #isWarnedOf = false;

  constructor(owner: QueueOwner) {
    this.#owner = owner;
  }

  get length(): number {
    return this.#head.length + this.#tail.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Of those the bytes that are in memory, and not only in the store. */
  get memoryBytes(): number {
    return this.#headBytes;
  }

  /** Messages of QoS 0 among them. */
  get qos0Messages(): number {
    return this.#qos0Messages;
  }

  /** Whether a message of that size would be taken without another having to go. Expired ones go when it is asked. */
  hasRoom(size: number, limits: QueueLimits, nowMs: number): boolean {
    if (this.#fits(size, limits)) return true;
    if (nowMs < this.#soonestExpiryMs) return false;
    this.#dropExpired(nowMs); // what nobody will get any more makes room [MQTT-3.3.2-5]
    return this.#fits(size, limits);
  }

  /**
   * Makes room for a message as the policy says, older ones going; false if it cannot be taken. `append` follows, or nothing.
   */
  makeRoom(size: number, topicName: string, limits: QueueLimits, nowMs: number): boolean {
    const policy = limits.queuePolicy;
    if (policy === 'keep-latest-per-topic') this.#dropTopic(topicName);
    if (this.hasRoom(size, limits, nowMs)) return true;
    const mayDropOldest = policy === 'drop-oldest' || policy === 'keep-latest-per-topic';
    if (!mayDropOldest || size > limits.queueBytesMax) return false;
    while (this.length > 0 && !this.#fits(size, limits)) this.giveUpOldest(DropReason.QueueOldest);
    return true;
  }

  /** Adds a message at the end; one that is stored (it has a sequence number) stays there only, unless it `mayStay` in memory. */
  append(entry: OutboundMessage, mayStay: boolean): void {
    const { message } = entry;
    const size = message.size;
    const isHead =
      entry.sequence === 0 ||
      (mayStay &&
        this.#tail.length === 0 &&
        this.#head.length < HEAD_MESSAGES_MAX &&
        this.#headBytes < HEAD_BYTES_MAX);
    if (isHead) {
      this.#count(size, entry.qos === 0, message.expiresAtMs);
      this.#pushHead(entry, size);
    } else {
      this.appendStored(storedEntry(entry, size));
    }
  }

  /** After an `append` of so many bytes: whether somebody is to be warned, once until it has been half empty again. */
  hasFilled(size: number, { queueBytesMax, queueMessagesMax }: QueueLimits): boolean {
    const { length } = this;
    if (this.#isWarnedOf) {
      const isFull =
        length - 1 >= WARNED_UNTIL * queueMessagesMax ||
        this.#bytes - size >= WARNED_UNTIL * queueBytesMax;
      if (isFull) return false;
      this.#isWarnedOf = false;
    }
    if (length < WARNED_FROM * queueMessagesMax && this.#bytes < WARNED_FROM * queueBytesMax) {
      return false;
    }
    this.#isWarnedOf = true;
    return true;
  }

  /** Adds what is in the store already: at the end, without asking for room. */
  appendStored(entry: QueuedEntry): void {
    this.#count(entry.size, entry.isQos0, entry.expiresAtMs);
    this.#tail.push(entry);
  }

  /** The oldest, if it is in memory. */
  peek(): OutboundMessage | undefined {
    return this.#head.peek();
  }

  /** What is in memory, in order. */
  inMemory(): OutboundMessage[] {
    const entries: OutboundMessage[] = [];
    for (let i = 0; i < this.#head.length; i++) {
      const entry = this.#head.at(i);
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  /** What is known of the one at a position, 0 = the oldest, wherever it is. */
  entryAt(position: number): QueuedEntry | undefined {
    const entry = this.#head.at(position);
    if (entry !== undefined) return storedEntry(entry, entry.message.size);
    return this.#tail.at(position - this.#head.length);
  }

  /** Nothing of it has expired before; infinite: nothing expires. */
  get soonestExpiryMs(): number {
    return this.#soonestExpiryMs;
  }

  /** All of it in order, as it is; it must not change meanwhile. */
  *entries(): IterableIterator<QueuedEntry> {
    for (let i = 0; i < this.#head.length; i++) {
      const entry = this.#head.at(i);
      if (entry !== undefined) yield storedEntry(entry, entry.message.size);
    }
    for (let i = 0; i < this.#tail.length; i++) {
      const entry = this.#tail.at(i);
      if (entry !== undefined) yield entry;
    }
  }

  /** Takes the oldest, which is in memory, out. */
  shift(): OutboundMessage | undefined {
    const entry = this.#head.shift();
    if (entry === undefined) return undefined;
    const size = entry.message.size;
    this.#headBytes -= size;
    this.#uncount(size, entry.qos === 0);
    return entry;
  }

  /** Sequence numbers of what is to be read next, when nothing is in memory any more. */
  nextPage(bytesMax = HEAD_BYTES_MAX): number[] {
    const sequences: number[] = [];
    let bytes = 0;
    for (let i = 0; i < HEAD_MESSAGES_MAX && bytes < Math.min(bytesMax, HEAD_BYTES_MAX); i++) {
      const entry = this.#tail.at(i);
      if (entry === undefined) break;
      sequences.push(entry.sequence);
      bytes += entry.size;
    }
    return sequences;
  }

  /**
   * Takes in a page that was read: `found` of the `sequences` asked for. What left the queue meanwhile is passed over; what
   * the store no longer has is lost.
   */
  fill(sequences: readonly number[], found: readonly OutboundMessage[]): void {
    let next = 0;
    for (const sequence of sequences) {
      while (next < found.length && found[next].sequence < sequence) next++;
      if (this.#tail.sequenceAt(0) !== sequence) continue;
      const entry = this.#tail.shift();
      if (entry === undefined) return;
      if (found[next]?.sequence === sequence) {
        this.#pushHead(found[next], entry.size);
      } else {
        this.#uncount(entry.size, entry.isQos0);
        this.#owner.lostStored(DropReason.StoreDamaged, entry, -1);
      }
    }
  }

  /** The client went: what is stored need not be in memory too. */
  unload(): void {
    if (this.#head.length === 0 || this.#head.peek()?.sequence === 0) return;
    const rest: QueuedEntry[] = [];
    for (;;) {
      const entry = this.#tail.shift();
      if (entry === undefined) break;
      rest.push(entry);
    }
    for (;;) {
      const entry = this.#head.shift();
      if (entry === undefined) break;
      this.#tail.push(storedEntry(entry, entry.message.size));
    }
    for (const entry of rest) this.#tail.push(entry);
    this.#headBytes = 0;
  }

  /** There is too little memory: what is stored leaves it; of what is not, QoS 0 beyond `bytesMax` is given up, oldest first. */
  shed(bytesMax: number): void {
    this.unload();
    if (this.#qos0Messages === 0 || this.#headBytes <= bytesMax) return;
    const depth = this.#bytes;
    let over = this.#headBytes - bytesMax;
    for (const entry of this.drainHead()) {
      if (entry.qos > 0 || entry.sequence !== 0 || over <= 0) {
        this.restoreHead(entry);
        continue;
      }
      over -= entry.message.size;
      this.#owner.lost(DropReason.Overload, entry, depth);
    }
  }

  /** Takes everything that is in memory out. */
  drainHead(): OutboundMessage[] {
    const entries: OutboundMessage[] = [];
    for (;;) {
      const entry = this.shift();
      if (entry === undefined) return entries;
      entries.push(entry);
    }
  }

  /** Puts back, in order, what `drainHead` took out. */
  restoreHead(entry: OutboundMessage): void {
    this.#count(entry.message.size, entry.qos === 0, entry.message.expiresAtMs);
    this.#pushHead(entry, entry.message.size);
  }

  /** Sequence numbers of the messages of shared subscriptions that are in the store only. */
  storedShared(): number[] {
    const sequences: number[] = [];
    if (this.#tail.sharedCount === 0) return sequences;
    for (let i = 0; i < this.#tail.length; i++) {
      const entry = this.#tail.at(i);
      if (entry?.isShared === true) sequences.push(entry.sequence);
    }
    return sequences;
  }

  /** Whether it is in the store only. */
  holdsStored(sequence: number): boolean {
    return this.#tail.positionOf(sequence) >= 0;
  }

  /** Takes one out of what is in the store only; false if it is not there any more. */
  removeStored(sequence: number): boolean {
    const entry = this.#tail.removeAt(this.#tail.positionOf(sequence));
    if (entry === undefined) return false;
    this.#uncount(entry.size, entry.isQos0);
    return true;
  }

  /** Takes the oldest out of what is in the store only. */
  shiftStored(): QueuedEntry | undefined {
    const entry = this.#tail.shift();
    if (entry !== undefined) this.#uncount(entry.size, entry.isQos0);
    return entry;
  }

  /** Gives the oldest up, for that reason; false if there is none. */
  giveUpOldest(reason: DropReason): boolean {
    const depth = this.length;
    const entry = this.shift();
    if (entry !== undefined) {
      this.#owner.lost(reason, entry, depth);
      return true;
    }
    const stored = this.shiftStored();
    if (stored === undefined) return false;
    this.#owner.lostStored(reason, stored, depth);
    return true;
  }

  #fits(size: number, limits: QueueLimits): boolean {
    return this.length < limits.queueMessagesMax && this.#bytes + size <= limits.queueBytesMax;
  }

  #dropExpired(nowMs: number): void {
    this.#soonestExpiryMs = Number.POSITIVE_INFINITY;
    for (const entry of this.drainHead()) {
      if (entry.message.isExpired(nowMs)) {
        this.#owner.lost(DropReason.Expired, entry, -1);
      } else {
        this.restoreHead(entry);
      }
    }
    // Twice over what stays is linear; removal from the middle would not be.
    const rest: QueuedEntry[] = [];
    for (;;) {
      const entry = this.shiftStored();
      if (entry === undefined) break;
      if (entry.expiresAtMs > nowMs) rest.push(entry);
      else this.#owner.lostStored(DropReason.Expired, entry, -1);
    }
    for (const entry of rest) this.appendStored(entry);
  }

  /** An older message of the topic gives way to a newer one. */
  #dropTopic(topicName: string): void {
    const depth = this.length;
    for (let i = 0; i < this.#head.length; i++) {
      const entry = this.#head.at(i);
      if (entry?.message.topic.name !== topicName) continue;
      for (const other of this.drainHead()) if (other !== entry) this.restoreHead(other);
      this.#owner.lost(DropReason.QueueReplaced, entry, depth);
      return;
    }
    const stored = this.#tail.removeAt(this.#tail.positionOfTopic(topicName));
    if (stored === undefined) return;
    this.#uncount(stored.size, stored.isQos0);
    this.#owner.lostStored(DropReason.QueueReplaced, stored, depth);
  }

  #pushHead(entry: OutboundMessage, size: number): void {
    this.#head.push(entry);
    this.#headBytes += size;
  }

  #count(size: number, isQos0: boolean, expiresAtMs: number): void {
    if (expiresAtMs < this.#soonestExpiryMs) this.#soonestExpiryMs = expiresAtMs;
    if (isQos0) this.#qos0Messages++;
    this.#bytes += size;
  }

  #uncount(size: number, isQos0: boolean): void {
    this.#bytes -= size;
    if (isQos0) this.#qos0Messages--;
  }
}

function storedEntry(entry: OutboundMessage, size: number): QueuedEntry {
  return {
    sequence: entry.sequence,
    topicName: entry.message.topic.name,
    size,
    isQos0: entry.qos === 0,
    isShared: entry.group !== null,
    expiresAtMs: entry.message.expiresAtMs,
  };
}
