// What the authorizer answered for one session, remembered by topic, so that the message path asks a rule set once and then
// compares a few numbers. It is bounded, and forgotten as a whole: when access changes, when the client is somebody else's
// equal no more (re-authentication), when answers get too old. Many sessions have to do with one topic: those need no Map, which
// takes 180 bytes.

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
  /** The topic last asked about, and its answers: two bits for each slot. Null: nothing is remembered. */
  #topic: Topic | null = null;
  #answers = 0;
  /** All topics, once there are two. */
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
    if (topic !== this.#topic && !this.#find(topic)) return Known.No;
    return ((this.#answers >>> (slot * 2)) & 3) as Known;
  }

  remember(topic: Topic, slot: Slot, isAllowed: boolean, nowMs: number): void {
    const { authorizer, rules } = this.#access;
    const rememberMs = authorizer?.rememberMs ?? Number.POSITIVE_INFINITY;
    if (rememberMs <= 0 || rules.decisionsMax === 0) return;
    if (this.#generation !== this.#access.generation) this.clear();
    const isKnown = topic === this.#topic || this.#find(topic);
    if (!isKnown && this.#topic !== null) this.#makeRoom(this.#topic, rules.decisionsMax);
    if (this.#topic === null) this.#validUntilMs = nowMs + rememberMs;
    if (!isAllowed && rememberMs < Number.POSITIVE_INFINITY) {
      const deniedMs = Math.min(rememberMs * DENIED_PART, DENIED_MS_MAX);
      this.#validUntilMs = Math.min(this.#validUntilMs, nowMs + deniedMs);
    }
    const others = isKnown ? this.#answers & ~(3 << (slot * 2)) : 0;
    this.#topic = topic;
    this.#answers = others | ((isAllowed ? Known.Allowed : Known.Denied) << (slot * 2));
    this.#byTopic?.set(topic, this.#answers);
  }

  clear(): void {
    this.#generation = this.#access.generation;
    this.#validUntilMs = Number.POSITIVE_INFINITY;
    this.#topic = null;
    this.#byTopic = null;
  }

  /** Makes it the topic last asked about; false: nothing is known of it. */
  #find(topic: Topic): boolean {
    const answers = this.#byTopic === null ? undefined : this.#byTopic.get(topic);
    if (answers === undefined) return false;
    this.#topic = topic;
    this.#answers = answers;
    return true;
  }

  /** For one more topic beside `known` and all others; all are forgotten where there are as many as allowed. */
  #makeRoom(known: Topic, topicsMax: number): void {
    if ((this.#byTopic === null ? 1 : this.#byTopic.size) >= topicsMax) this.clear();
    else this.#byTopic ??= new Map<Topic, number>().set(known, this.#answers);
  }
}
