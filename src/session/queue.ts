// What waits behind a session's in-flight window, bounded in messages and bytes. The policy says who goes when it is full.

import { DropReason, type Drops } from '../core/drop.ts';
import type { Limits } from '../core/limits.ts';
import { RingBuffer } from '../lib/ring-buffer.ts';
import type { OutboundMessage } from './outbound-message.ts';
import type { SessionRecord } from './session-record.ts';

/** What `push` did: the message waits, or it was dropped, or the policy wants the client gone (and it was dropped). */
export type PushOutcome = 'queued' | 'dropped' | 'disconnect';

export class Queue {
  readonly #entries = new RingBuffer<OutboundMessage>();
  #bytes = 0;
  #qos0Messages = 0;
  /** No message of the queue expires before; monotonic milliseconds. */
  #soonestExpiryMs = Number.POSITIVE_INFINITY;

  get length(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Messages of QoS 0 among them. */
  get qos0Messages(): number {
    return this.#qos0Messages;
  }

  hasRoom(limits: Limits): boolean {
    return this.#entries.length < limits.queueMessagesMax && this.#bytes < limits.queueBytesMax;
  }

  /** Appends, or does what the policy says; the record forgets each older message that had to go. */
  push(
    entry: OutboundMessage,
    limits: Limits,
    drops: Drops,
    clientId: string,
    record: SessionRecord,
    nowMs: number,
  ): PushOutcome {
    const size = entry.message.size;
    if (!this.#fits(size, limits) && nowMs >= this.#soonestExpiryMs) {
      this.#dropExpired(drops, clientId, record, nowMs);
    }
    if (this.#fits(size, limits)) {
      this.#append(entry, size);
      return 'queued';
    }
    if (limits.queuePolicy === 'drop-oldest' && size <= limits.queueBytesMax) {
      while (this.#entries.length > 0 && !this.#fits(size, limits)) {
        const oldest = this.shift();
        if (oldest === undefined) break;
        drops.drop(DropReason.QueueOldest, clientId, oldest.message.topic.name);
        record.dequeue(oldest);
      }
      if (this.#fits(size, limits)) {
        this.#append(entry, size);
        return 'queued';
      }
    }
    drops.drop(DropReason.QueueFull, clientId, entry.message.topic.name);
    return limits.queuePolicy === 'disconnect' ? 'disconnect' : 'dropped';
  }

  /** Appends without asking for room: what came back from the store was within the limits. */
  restore(entry: OutboundMessage): void {
    this.#append(entry, entry.message.size);
  }

  peek(): OutboundMessage | undefined {
    return this.#entries.peek();
  }

  at(index: number): OutboundMessage | undefined {
    return this.#entries.at(index);
  }

  shift(): OutboundMessage | undefined {
    const entry = this.#entries.shift();
    if (entry === undefined) return undefined;
    this.#bytes -= entry.message.size;
    if (entry.qos === 0) this.#qos0Messages--;
    return entry;
  }

  /** Takes everything out. */
  drain(): OutboundMessage[] {
    const entries: OutboundMessage[] = [];
    for (;;) {
      const entry = this.#entries.shift();
      if (entry === undefined) break;
      entries.push(entry);
    }
    this.#bytes = 0;
    this.#qos0Messages = 0;
    this.#soonestExpiryMs = Number.POSITIVE_INFINITY;
    return entries;
  }

  #fits(size: number, limits: Limits): boolean {
    return (
      this.#entries.length < limits.queueMessagesMax && this.#bytes + size <= limits.queueBytesMax
    );
  }

  /** What nobody will get any more makes room for what somebody will. [MQTT-3.3.2-5] */
  #dropExpired(drops: Drops, clientId: string, record: SessionRecord, nowMs: number): void {
    for (const entry of this.drain()) {
      if (entry.message.isExpired(nowMs)) {
        drops.drop(DropReason.Expired, clientId, entry.message.topic.name);
        record.dequeue(entry);
      } else {
        this.restore(entry);
      }
    }
  }

  #append(entry: OutboundMessage, size: number): void {
    if (entry.message.expiresAtMs < this.#soonestExpiryMs) {
      this.#soonestExpiryMs = entry.message.expiresAtMs;
    }
    if (entry.qos === 0) this.#qos0Messages++;
    this.#entries.push(entry);
    this.#bytes += size;
  }
}
