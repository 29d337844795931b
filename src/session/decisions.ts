// What the authorizer answered for one session, remembered by topic, so that the message path asks a rule set once and then
// compares a few numbers. It is bounded, and forgotten as a whole: when access changes, when the client is somebody else's
// equal no more (re-authentication), when answers get too old.

import type { QoS } from '../protocol/packet.ts';
import type { Topic } from '../protocol/topic.ts';
import type { Access } from './access.ts';

/** A question, as the place of its answer among those of a topic. */
export type Slot = number;

/** Deliveries through a subscription that is asked about each topic. */
export const RECEIVE: Slot = 6;
/** Deliveries of what was queued before, by whatever subscription. */
export const RECEIVE_QUEUED: Slot = 7;

export function publishSlot(qos: QoS, retain: boolean): Slot {
  return qos * 2 + (retain ? 1 : 0);
}

/** An answer. */
export const Known = { No: 0, Allowed: 1, Denied: 2 } as const;
export type Known = (typeof Known)[keyof typeof Known];

/** Of the time that an answer counts, a denial counts this part, and so long at most: who is let in wants to be so soon. */
const DENIED_PART = 1 / 4;
const DENIED_MS_MAX = 10_000;

export class Decisions {
  readonly #access: Access;
  #generation: number;
  /** Monotonic milliseconds until which all of this counts. */
  #validUntilMs = Number.POSITIVE_INFINITY;
  /** The topic last asked about, and its answers: two bits for each slot. */
  #topic: Topic | null = null;
  #answers = 0;
  #byTopic: Map<Topic, number> | null = null;

  constructor(access: Access) {
    this.#access = access;
    this.#generation = access.generation;
  }

  get(topic: Topic, slot: Slot, nowMs: number): Known {
    if (this.#generation !== this.#access.generation || nowMs >= this.#validUntilMs) {
      this.clear();
      return Known.No;
    }
    if (topic !== this.#topic) {
      const answers = this.#byTopic === null ? undefined : this.#byTopic.get(topic);
      if (answers === undefined) return Known.No;
      this.#topic = topic;
      this.#answers = answers;
    }
    return ((this.#answers >>> (slot * 2)) & 3) as Known;
  }

  remember(topic: Topic, slot: Slot, isAllowed: boolean, nowMs: number): void {
    const { authorizer, rules } = this.#access;
    const rememberMs = authorizer?.rememberMs ?? Number.POSITIVE_INFINITY;
    if (rememberMs <= 0 || rules.decisionsMax === 0) return;
    if (this.#generation !== this.#access.generation) this.clear();
    this.#byTopic ??= new Map();
    if (this.#byTopic.size === 0) this.#validUntilMs = nowMs + rememberMs;
    const known = this.#byTopic.get(topic);
    if (known === undefined && this.#byTopic.size >= rules.decisionsMax) {
      this.clear();
      this.#byTopic = new Map();
      this.#validUntilMs = nowMs + rememberMs;
    }
    if (!isAllowed && rememberMs < Number.POSITIVE_INFINITY) {
      const deniedMs = Math.min(rememberMs * DENIED_PART, DENIED_MS_MAX);
      this.#validUntilMs = Math.min(this.#validUntilMs, nowMs + deniedMs);
    }
    const answer = isAllowed ? Known.Allowed : Known.Denied;
    this.#topic = topic;
    this.#answers = ((known ?? 0) & ~(3 << (slot * 2))) | (answer << (slot * 2));
    this.#byTopic.set(topic, this.#answers);
  }

  clear(): void {
    this.#generation = this.#access.generation;
    this.#validUntilMs = Number.POSITIVE_INFINITY;
    this.#topic = null;
    this.#byTopic = null;
  }
}
