// Shared subscriptions: the sessions that subscribed with one `$share/<name>/<filter>` form a group, and each message goes to
// one of them. Who can take it best comes first, always; a strategy only says with whom the search begins, so no strategy can
// let a message wait at a busy member while another is idle. MQTT 5 §4.8.2.
//
// A choice asks members in turn and stops at the first with window room: with healthy consumers it costs one question.

import type { Message } from '../protocol/message.ts';
import {
  Availability,
  type Subscriber,
  type Subscription,
  SubscriptionAccess,
} from './subscription.ts';

/** With whom the search for a member begins. Has no state of its own: it is kept by the group, as `cursor`. */
export interface SharedStrategy {
  /** Index of the member to ask first, below `group.size`, which is not 0. */
  first(group: SharedGroup, message: Message): number;
  /** The group's next cursor, after the member with this index was chosen. */
  after(index: number): number;
}

/** Each member in its turn. */
export const roundRobin: SharedStrategy = {
  first: (group) => group.cursor,
  after: (index) => index + 1,
};

/** The same member, until another can take a message better: then that one. */
export const sticky: SharedStrategy = {
  first: (group) => group.cursor,
  after: (index) => index,
};

/** By the publisher's client id, so that while members do not change one member gets all of one publisher. */
export const hashClientId: SharedStrategy = {
  first: (group, message) => hashOf(message.publisher?.clientId ?? '') % group.size,
  after: () => 0,
};

/** By their names in the config file. */
export const SHARED_STRATEGIES = {
  round_robin: roundRobin,
  sticky,
  hash_clientid: hashClientId,
} as const;

export type SharedStrategyName = keyof typeof SHARED_STRATEGIES;

/** Members up to which looking through them all beats a Map. */
const SMALL_MAX = 16;

/** How well a member can take one message; lower is better. */
const Rank = { Window: 0, Queue: 1, Offline: 2, OfflineQos0: 3, None: 4 } as const;
type Rank = (typeof Rank)[keyof typeof Rank];

export class SharedGroup {
  readonly shareName: string;
  /** Without `$share/<name>/`. */
  readonly topicFilter: string;
  /** The strategy's memory: where the next search begins, always below `size` (or 0). */
  cursor = 0;
  readonly #members: Subscription[] = [];
  /** Index of each subscriber's subscription; null in a small group. */
  #places: Map<Subscriber, number> | null = null;

  constructor(shareName: string, topicFilter: string) {
    this.shareName = shareName;
    this.topicFilter = topicFilter;
  }

  get size(): number {
    return this.#members.length;
  }

  get members(): readonly Subscription[] {
    return this.#members;
  }

  /** Adds a member, or puts the subscription in the place of its subscriber's former one, which is returned. */
  add(subscription: Subscription): Subscription | null {
    const members = this.#members;
    const place = this.#placeOf(subscription.subscriber);
    if (place >= 0) {
      const previous = members[place];
      members[place] = subscription;
      return previous;
    }
    members.push(subscription);
    if (this.#places !== null) {
      this.#places.set(subscription.subscriber, members.length - 1);
    } else if (members.length > SMALL_MAX) {
      this.#places = new Map();
      for (let i = 0; i < members.length; i++) this.#places.set(members[i].subscriber, i);
    }
    return null;
  }

  /** Removes exactly that subscription, whose place the last member takes; false if it is not a member. */
  remove(subscription: Subscription): boolean {
    const members = this.#members;
    const place = this.#placeOf(subscription.subscriber);
    if (place < 0 || members[place] !== subscription) return false;
    const last = members[members.length - 1];
    members[place] = last;
    members.pop();
    if (this.#places !== null) {
      this.#places.set(last.subscriber, place);
      this.#places.delete(subscription.subscriber);
    }
    if (this.cursor === members.length) this.cursor = place < members.length ? place : 0;
    return true;
  }

  /**
   * The member that is to get the message, or null if none can take it: one online with window room, else online with queue
   * room, else the offline one with the shortest queue, last those offline who would get it with QoS 0. Never `except`.
   */
  choose(
    message: Message,
    strategy: SharedStrategy,
    except: Subscriber | null,
    nowMs: number,
  ): Subscription | null {
    const members = this.#members;
    const count = members.length;
    if (count === 0) return null;
    let index = strategy.first(this, message);
    let best = -1;
    let bestRank: Rank = Rank.None;
    for (let asked = 0; asked < count; asked++) {
      const member = members[index];
      const rank = member.subscriber === except ? Rank.None : rankOf(member, message, nowMs);
      if (
        rank < bestRank ||
        (rank === bestRank && best >= 0 && isShorter(rank, member, members[best]))
      ) {
        best = index;
        bestRank = rank;
        if (rank === Rank.Window) break;
      }
      index = index + 1 === count ? 0 : index + 1;
    }
    if (best < 0) return null;
    const next = strategy.after(best);
    this.cursor = next < count ? next : 0;
    return members[best];
  }

  /** Index of that subscriber's subscription, or -1. */
  #placeOf(subscriber: Subscriber): number {
    if (this.#places !== null) return this.#places.get(subscriber) ?? -1;
    const members = this.#members;
    for (let i = 0; i < members.length; i++) if (members[i].subscriber === subscriber) return i;
    return -1;
  }
}

function rankOf(member: Subscription, message: Message, nowMs: number): Rank {
  // Below the granted QoS only [MQTT-4.8.2-3]; QoS 0 is not sure to be kept for one who is away
  if (member.access !== SubscriptionAccess.Whole && !mayTake(member, message, nowMs)) {
    return Rank.None;
  }
  const isQos0 = message.qos === 0 || member.qos === 0;
  const availability = member.subscriber.availability(isQos0, message.size, nowMs);
  if (availability === Availability.Offline) return isQos0 ? Rank.OfflineQos0 : Rank.Offline;
  return availability === Availability.None ? Rank.None : availability;
}

function mayTake({ access, subscriber }: Subscription, message: Message, nowMs: number): boolean {
  return access === SubscriptionAccess.Asked && subscriber.mayReceive(message.topic, nowMs);
}

/** Among the offline the shorter queue decides; among the online the strategy's order, which comes first anyway. */
function isShorter(rank: Rank, member: Subscription, best: Subscription): boolean {
  if (rank !== Rank.Offline && rank !== Rank.OfflineQos0) return false;
  return member.subscriber.queuedMessages < best.subscriber.queuedMessages;
}

function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash ^ (hash >>> 15)) >>> 0;
}
