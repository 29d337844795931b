// What one session may do, by the rules of this moment: the authorizer is asked, and its answers remembered. An answer that
// is none, or an exception, refuses.

import type { Client, Verdict } from '../auth/auth.ts';
import { matchesFilter, splitSharedFilter } from '../protocol/filter.ts';
import type { Message } from '../protocol/message.ts';
import { PacketType, type QoS } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Topic } from '../protocol/topic.ts';
import { type Subscription, SubscriptionAccess } from '../router/subscription.ts';
import type { Context } from './context.ts';
import { Decisions, Known, publishSlot, RECEIVE, RECEIVE_QUEUED, type Slot } from './decisions.ts';
import { tellFault } from './faults.ts';
import { isPending, verdictFor, verdictOf } from './parking.ts';
import type { Session } from './session.ts';

/** By which rules, and about whom, a question was asked. */
interface Basis {
  readonly generation: number;
  readonly client: Client;
}

export class Permissions {
  readonly #context: Context;
  readonly #session: Session;
  readonly #decisions: Decisions;
  /** What is queued was queued by other rules, or for another identity: each is looked at before it is sent. */
  #looksAgain = false;
  /** Muted when its client gave them up: what they have in the queue stays forbidden. */
  #mutedBefore: Subscription[] = [];

  constructor(context: Context, session: Session) {
    this.#context = context;
    this.#session = session;
    this.#decisions = new Decisions(context.access);
  }

  /** May its client publish this? Below 0x80: yes. Throws what the authorizer throws. */
  publish(
    topic: Topic,
    qos: QoS,
    retain: boolean,
    nowMs: number,
  ): ReasonCode | PromiseLike<Verdict> {
    const { authorizer } = this.#context.access;
    if (authorizer === null) return ReasonCode.Success;
    const slot = publishSlot(qos, retain);
    const known = this.#decisions.get(topic, slot, nowMs);
    if (known === Known.Allowed) return ReasonCode.Success;
    if (known === Known.Denied) return ReasonCode.NotAuthorized;
    const answer = authorizer.authorizePublish(this.#session.client, topic.name, qos, retain);
    if (isPending(answer)) return answer;
    return this.#remember(topic, slot, verdictFor(PacketType.Puback, answer), nowMs);
  }

  /** An answer that `publish` had to wait for, by rules that are still current. */
  answered(message: Message, answer: unknown, nowMs: number): ReasonCode {
    const code = verdictFor(PacketType.Puback, answer);
    const slot = publishSlot(message.qos, message.retain);
    return this.#remember(message.topic, slot, code, nowMs);
  }

  /** What a question that is asked now goes by. */
  basis(): Basis {
    return { generation: this.#context.access.generation, client: this.#session.client };
  }

  /** Whether an answer to it counts: not if the rules are others meanwhile, or the client is. */
  isCurrent({ generation, client }: Basis): boolean {
    return generation === this.#context.access.generation && client === this.#session.client;
  }

  /** May it get messages of this topic, through a subscription that is asked about each? */
  receive(topic: Topic, nowMs: number): boolean {
    if (this.#session.isUnknown) return true; // it only waits, and is looked at when its client is back
    const known = this.#decisions.get(topic, RECEIVE, nowMs);
    if (known !== Known.No) return known === Known.Allowed;
    return this.#decide(topic, RECEIVE, this.#mayReceive(topic), nowMs);
  }

  /** The same of a message that was queued before, by a subscription that nobody remembers. */
  receiveQueued(topic: Topic, nowMs: number): boolean {
    const { access } = this.#context;
    if (access.authorizer === null) return !access.isReserved(topic.name);
    const known = this.#decisions.get(topic, RECEIVE_QUEUED, nowMs);
    if (known !== Known.No) return known === Known.Allowed;
    return this.#decide(topic, RECEIVE_QUEUED, this.#mayReceiveQueued(topic), nowMs);
  }

  /** Of a subscription that does not get everything. */
  mayTake({ topic }: Message, { access }: Subscription, nowMs: number): boolean {
    return access === SubscriptionAccess.Asked && this.receive(topic, nowMs);
  }

  /** Whether a queued message must not be sent any more. */
  isForbidden({ topic }: Message, nowMs: number): boolean {
    return this.#looksAgain && !this.receiveQueued(topic, nowMs);
  }

  /** Nothing that was answered counts any more: rules, identity or subscriptions are others. */
  changed(hasQueue: boolean): void {
    this.#decisions.clear();
    if (hasQueue) this.#looksAgain = true;
    else this.queueIsEmpty();
  }

  queueIsEmpty(): void {
    this.#looksAgain = false;
    this.#mutedBefore = [];
  }

  /** What was forbidden in the queue may be allowed by the new subscription. */
  subscribed(): void {
    if (this.#looksAgain) this.#decisions.clear();
  }

  unsubscribed(subscription: Subscription): void {
    if (!this.#looksAgain || subscription.access !== SubscriptionAccess.Muted) return;
    this.#mutedBefore.push(subscription);
  }

  #mayReceiveQueued(topic: Topic): boolean {
    let isAsked = false;
    let isMuted = this.#mutedBefore.some((subscription) => matches(subscription, topic));
    for (const subscription of this.#session.subscriptions) {
      if (!matches(subscription, topic)) continue;
      if (subscription.access === SubscriptionAccess.Whole) return true;
      if (subscription.access === SubscriptionAccess.Asked) isAsked = true;
      else isMuted = true;
    }
    // Without any it was unsubscribed from since it was queued, which takes nothing back. MQTT 5 §3.10.4
    return (isAsked || !isMuted) && this.#mayReceive(topic);
  }

  #mayReceive(topic: Topic): boolean {
    const { access } = this.#context;
    const { authorizer } = access;
    if (authorizer?.authorizeReceive === undefined) return true;
    const { client } = this.#session;
    try {
      const answer: unknown = authorizer.authorizeReceive(client, topic.name);
      if (isPending(answer)) Promise.resolve(answer).catch(() => {}); // a delivery waits for nobody
      return verdictOf(answer) < ReasonCode.UnspecifiedError;
    } catch (error) {
      const fields = { error: String(error) };
      tellFault(this.#context, client, fields, 'the authorizer failed on a delivery');
      return false;
    }
  }

  #decide(topic: Topic, slot: Slot, isAllowed: boolean, nowMs: number): boolean {
    this.#decisions.remember(topic, slot, isAllowed, nowMs);
    if (!isAllowed) this.#tellDenied('receive', topic);
    return isAllowed;
  }

  /** Only plain answers are remembered: another code may stand for something that passes. */
  #remember(topic: Topic, slot: Slot, code: ReasonCode, nowMs: number): ReasonCode {
    const isAllowed = code < ReasonCode.UnspecifiedError;
    if (isAllowed || code === ReasonCode.NotAuthorized) {
      this.#decisions.remember(topic, slot, isAllowed, nowMs);
    }
    return code;
  }

  #tellDenied(action: 'receive', topic: Topic): void {
    const question = { action, topic: topic.name, qos: 0, retain: false } as const;
    this.#context.denials.denied(this.#session.client, question);
  }
}

function matches(subscription: Subscription, topic: Topic): boolean {
  return matchesFilter(topic.name, splitSharedFilter(subscription.topicFilter).topicFilter);
}
