// One subscription of one session, and at the same time the shape in which the router hands a matched message to a session:
// where several subscriptions of a session match, the router merges them into one that nobody made (§3.3.4).

import type { Message } from '../protocol/message.ts';
import type { QoS, RetainHandling } from '../protocol/packet.ts';
import type { Topic } from '../protocol/topic.ts';
import type { SharedGroup } from './shared-subscription.ts';

/** How well a subscriber could take a message now; lower is better. */
export const Availability = {
  /** connected, and it would be sent at once */
  Window: 0,
  /** connected, and it would have to wait in the queue, which has room */
  Queue: 1,
  /** not connected, its session lives on, its queue has room */
  Offline: 2,
  /** cannot take it */
  None: 3,
} as const;
export type Availability = (typeof Availability)[keyof typeof Availability];

/** What access control made of a subscription. */
export const SubscriptionAccess = {
  /** Everything that matches may be delivered. */
  Whole: 0,
  /** Each topic is asked about. */
  Asked: 1,
  /** It may not be any more: it stays, and gets nothing, until rules allow it again. */
  Muted: 2,
} as const;
export type SubscriptionAccess = (typeof SubscriptionAccess)[keyof typeof SubscriptionAccess];

/** Whom the router delivers to. Session implements it; the router knows nothing else of sessions. */
export interface Subscriber {
  /** internal session id */
  readonly id: string;
  /** `size` in bytes, as `Message.size`. QoS 0 needs no window. */
  availability(isQos0: boolean, size: number, nowMs: number): Availability;
  /** Whether its client may get messages of this topic, through a subscription that is asked about each. */
  mayReceive(topic: Topic, nowMs: number): boolean;
  /** messages waiting in its queue */
  readonly queuedMessages: number;
  /**
   * Takes the message, queues or drops it, and never throws, waits or changes subscriptions of others.
   * The message is borrowed: what is kept must be `message.own()`.
   */
  deliver(message: Message, subscription: Subscription, nowMs: number): void;
}

const NO_IDENTIFIERS: readonly number[] = [];

export class Subscription {
  readonly subscriber: Subscriber;
  /** As the client wrote it, `$share/<name>/` included. */
  readonly topicFilter: string;
  /** As its client was granted it, in SUBACK. */
  readonly grantedQos: QoS;
  /** What of that the rules of now allow. */
  qos: QoS;
  noLocal: boolean;
  retainAsPublished: boolean;
  retainHandling: RetainHandling;
  /** None or one; several in a merged one. [MQTT-3.3.4-3] */
  subscriptionIdentifiers: readonly number[];
  access: SubscriptionAccess = SubscriptionAccess.Whole;
  /** The group it is a member of, or null. */
  group: SharedGroup | null = null;

  constructor(
    subscriber: Subscriber,
    topicFilter: string,
    qos: QoS,
    noLocal = false,
    retainAsPublished = false,
    retainHandling: RetainHandling = 0,
    subscriptionIdentifier = 0,
  ) {
    this.subscriber = subscriber;
    this.topicFilter = topicFilter;
    this.grantedQos = qos;
    this.qos = qos;
    this.noLocal = noLocal;
    this.retainAsPublished = retainAsPublished;
    this.retainHandling = retainHandling;
    this.subscriptionIdentifiers =
      subscriptionIdentifier === 0 ? NO_IDENTIFIERS : [subscriptionIdentifier];
  }
}
