// Retained messages: the last one of each topic, bounded in number and bytes. A Map finds one by its topic, an ordered index
// of the names serves the walks: new subscriptions with wildcards, the sweep of what has expired, listings of the admin API.
// MQTT 5 §3.3.1.3.
//
// Whether a message may be retained at all, and to whom it is sent when, is decided elsewhere.

import type { Limits } from '../core/limits.ts';
import type { RetainedOwners } from '../core/retained-owners.ts';
import { type Message, NO_EXPIRY } from '../protocol/message.ts';
import { RetainedScan } from './retained-scan.ts';
import { TopicIndex } from './topic-index.ts';

export type RetainedLimits = Pick<Limits, 'retainedMessagesMax' | 'retainedBytesMax'>;

/** `deleted`, `absent`: the payload was empty, and there was a message to remove or none. */
export type RetainedOutcome = 'stored' | 'deleted' | 'full' | 'absent';

/** Told of what nobody asked for: the storage has to forget it, too. */
export interface RetainedListener {
  onRetainedExpired(topicName: string): void;
}

/** Messages that are looked at for expired ones when there is no room for another. */
const SWEEP_WHEN_FULL = 1_000;
/** Not more often than this. */
const SWEEP_WHEN_FULL_MS = 50;

export class RetainedStore {
  /** May be swapped: what is there already stays, and may be replaced by what is no larger. */
  limits: RetainedLimits;
  /** Set by whoever stores retained messages elsewhere; null while nobody does. */
  listener: RetainedListener | null = null;
  /** Counts whose the messages are; null while nobody asks. */
  #owners: RetainedOwners | null;
  readonly #messages = new Map<string, Message>();
  readonly #names = new TopicIndex();
  #bytes = 0;
  /** Messages that can expire. */
  #expiring = 0;
  /** Where the next sweep begins. */
  #sweepFrom = '';
  #sweptFullMs = Number.NEGATIVE_INFINITY;

  constructor(limits: RetainedLimits, owners: RetainedOwners | null = null) {
    this.limits = limits;
    this.#owners = owners;
  }

  get count(): number {
    return this.#messages.size;
  }

  /** Sum of `Message.size` of all. */
  get bytes(): number {
    return this.#bytes;
  }

  /** From now on all messages are counted there, those included that are here already; null: nowhere any more. */
  countIn(owners: RetainedOwners | null): void {
    if (owners === this.#owners) return;
    this.#owners = owners;
    if (owners === null) return;
    for (const message of this.#messages.values()) owners.add(message);
  }

  /**
   * Keeps a compact copy of the message in place of the topic's former one, or removes that if the payload is empty. When
   * full nothing changes: the former message stays, and the caller counts the loss. [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7]
   */
  set(message: Message, nowMs: number): RetainedOutcome {
    const name = message.topic.name;
    if (message.payloadLength === 0) return this.delete(name) ? 'deleted' : 'absent';
    const outcome = this.#keep(message, name);
    const isTooSoon = nowMs - this.#sweptFullMs < SWEEP_WHEN_FULL_MS;
    if (outcome === 'stored' || this.#expiring === 0 || isTooSoon) return outcome;
    // What has expired makes room; a little at a time, as the sweep does.
    this.#sweptFullMs = nowMs;
    return this.sweepExpired(nowMs, SWEEP_WHEN_FULL) > 0 ? this.#keep(message, name) : outcome;
  }

  #keep(message: Message, name: string): RetainedOutcome {
    const former = this.#messages.get(name);
    const bytes = this.#bytes + message.size - (former === undefined ? 0 : former.size);
    if (bytes > this.limits.retainedBytesMax && bytes > this.#bytes) return 'full';
    if (former === undefined) {
      if (this.#messages.size >= this.limits.retainedMessagesMax) return 'full';
      this.#names.add(name);
    } else if (former.messageExpiryInterval !== NO_EXPIRY) {
      this.#expiring--;
    }
    if (message.messageExpiryInterval !== NO_EXPIRY) this.#expiring++;
    this.#bytes = bytes;
    this.#messages.set(name, message.compact());
    if (this.#owners !== null) {
      if (former !== undefined) this.#owners.remove(former);
      this.#owners.add(message);
    }
    return 'stored';
  }

  /** The topic's message, or null; one that has expired is removed. */
  get(topicName: string, nowMs: number): Message | null {
    const message = this.#messages.get(topicName);
    if (message === undefined) return null;
    return this.#removeExpired(message, nowMs) ? null : message;
  }

  /** Removes the topic's message; false if there is none. */
  delete(topicName: string): boolean {
    const message = this.#messages.get(topicName);
    if (message === undefined) return false;
    this.#remove(message);
    return true;
  }

  /** The first topic name with a message that is not less than `name`, as strings compare; or null. */
  atOrAfter(name: string): string | null {
    return this.#names.atOrAfter(name);
  }

  /** Walks the messages that match the valid topic filter, at the caller's pace; only those after `after`, if it is given. */
  scan(topicFilter: string, after: string | null = null): RetainedScan {
    return new RetainedScan(this, topicFilter, after);
  }

  /**
   * Looks at up to `maxVisited` messages, from where the last sweep ended, and removes those that have expired; returns how
   * many. A sweep that comes to the end stops there; the next one begins anew. [MQTT-3.3.2-5]
   */
  sweepExpired(nowMs: number, maxVisited: number): number {
    let removed = 0;
    for (let visited = 0; visited < maxVisited && this.#expiring > 0; visited++) {
      const name = this.#names.atOrAfter(this.#sweepFrom);
      if (name === null) {
        this.#sweepFrom = '';
        break;
      }
      this.#sweepFrom = `${name}\0`; // just after it: no name contains U+0000
      const message = this.#messages.get(name);
      if (message !== undefined && this.#removeExpired(message, nowMs)) removed++;
    }
    return removed;
  }

  #removeExpired(message: Message, nowMs: number): boolean {
    if (!message.isExpired(nowMs)) return false;
    this.#remove(message);
    if (this.listener !== null) this.listener.onRetainedExpired(message.topic.name);
    return true;
  }

  #remove(message: Message): void {
    const name = message.topic.name;
    this.#messages.delete(name);
    this.#names.remove(name);
    if (this.#owners !== null) this.#owners.remove(message);
    this.#bytes -= message.size;
    if (message.messageExpiryInterval !== NO_EXPIRY) this.#expiring--;
  }
}
