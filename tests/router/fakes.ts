// What the router's tests need around it: subscribers that write down what they get, messages, and matching as the
// specification tells it, one level after the other.

import { Message, type Publisher } from '../../src/protocol/message.ts';
import type { QoS } from '../../src/protocol/packet.ts';
import { type Topic, TopicTable } from '../../src/protocol/topic.ts';
import { Availability, type Subscriber, type Subscription } from '../../src/router/subscription.ts';

export interface Delivery {
  readonly message: Message;
  readonly subscription: Subscription;
}

export class FakeSubscriber implements Subscriber {
  readonly id: string;
  readonly deliveries: Delivery[] = [];
  state: Availability = Availability.Window;
  queuedMessages = 0;
  /** Called in `deliver`, as a session might do something of its own there. */
  onDeliver: (() => void) | null = null;

  constructor(id: string) {
    this.id = id;
  }

  availability(): Availability {
    return this.state;
  }

  mayReceive(): boolean {
    return true;
  }

  deliver(message: Message, subscription: Subscription): void {
    this.deliveries.push({ message, subscription });
    this.onDeliver?.();
  }

  /** How often `deliver` was called since the last time this was asked. */
  take(): number {
    return this.deliveries.splice(0).length;
  }
}

export const topics = new TopicTable({ topicLengthMax: 65_535, topicLevelsMax: 65_535 });

export function messageTo(topic: string | Topic, publisher: string | null = null, qos: QoS = 1) {
  const text = new TextEncoder().encode('payload');
  const known = typeof topic === 'string' ? topics.of(topic) : topic;
  const message = new Message(known, qos, false, text, 0);
  message.publisher = publisher === null ? null : publisherOf(publisher);
  return message;
}

/** A message as it would be retained. */
export function retained(topicName: string, payload: string, expirySeconds = -1): Message {
  const message = new Message(topics.of(topicName), 1, true, new TextEncoder().encode(payload), 0);
  message.messageExpiryInterval = expirySeconds;
  return message;
}

export function publisherOf(clientId: string): Publisher {
  return { sessionId: `__client_${clientId}`, clientId, username: null };
}

/** MQTT 5 §4.7, told naively. */
export function matchesNaively(topicFilter: string, topicName: string): boolean {
  const filter = topicFilter.split('/');
  const name = topicName.split('/');
  if (topicName.startsWith('$') && (filter[0] === '+' || filter[0] === '#')) return false;
  for (let i = 0; i < filter.length; i++) {
    if (filter[i] === '#') return true; // i <= name.length here: the parent level matches, too
    if (i >= name.length) return false;
    if (filter[i] !== '+' && filter[i] !== name[i]) return false;
  }
  return filter.length === name.length;
}
