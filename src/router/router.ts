// Topic name → subscribed sessions. Routing a message to a topic that was routed before costs a few array reads and then one
// call for each subscriber; what was found lies on the topic itself. The router never waits for a subscriber and knows of
// sessions only what `Subscriber` says; who gets a message twice, once or not at all is decided here and nowhere else.
//
// It keeps no index by session: a session knows its own subscriptions and takes them out one by one when it ends.

import { DropReason, type Drops } from '../core/drop.ts';
import type { Message } from '../protocol/message.ts';
import type { Topic } from '../protocol/topic.ts';
import type { Destination } from './destinations.ts';
import { Generations } from './generations.ts';
import { buildMatch, Match } from './match.ts';
import { roundRobin, SharedGroup, type SharedStrategy } from './shared-subscription.ts';
import { Availability, type Subscriber, type Subscription } from './subscription.ts';
import { TopicTree } from './topic-tree.ts';

export interface RouterOptions {
  readonly strategy?: SharedStrategy;
  /** Topics whose match is remembered; as many as the topic table holds. */
  readonly cachedTopicsMax?: number;
  /** What all remembered matches may hold together, in references of eight bytes; past it all are forgotten. */
  readonly cachedReferencesMax?: number;
}

const CACHED_TOPICS_MAX = 65_536;
const CACHED_REFERENCES_MAX = 4_194_304;
/** Removed subscriptions after which all matches are forgotten, if it is more than there are left. */
const REMOVALS_MIN = 1_024;
// What is behind `memoryEstimate`, measured with 200,000 subscriptions: a node, or a filter without wildcards, with its text; a
// subscription with its place in its session; a reference of a remembered match.
const NODE_BYTES = 96;
const SUBSCRIPTION_BYTES = 160;
const REFERENCE_BYTES = 8;

export class Router {
  readonly #drops: Drops;
  readonly #strategy: SharedStrategy;
  readonly #cachedTopicsMax: number;
  readonly #cachedReferencesMax: number;
  readonly #tree = new TopicTree();
  readonly #generations = new Generations();
  /** By `<share name>/<topic filter>`; a share name has no slash. [MQTT-4.8.2-2] */
  readonly #groups = new Map<string, SharedGroup>();
  /** The topics that a match lies on. */
  #cached: Topic[] = [];
  #cachedReferences = 0;
  #subscriptions = 0;
  #sharedSubscriptions = 0;
  /** Subscriptions taken out since all matches were forgotten. */
  #removals = 0;

  constructor(drops: Drops, options: RouterOptions = {}) {
    this.#drops = drops;
    this.#strategy = options.strategy ?? roundRobin;
    this.#cachedTopicsMax = options.cachedTopicsMax ?? CACHED_TOPICS_MAX;
    this.#cachedReferencesMax = options.cachedReferencesMax ?? CACHED_REFERENCES_MAX;
  }

  /** Subscriptions, shared ones included. */
  get subscriptionCount(): number {
    return this.#subscriptions;
  }

  /** Members of all shared groups. */
  get sharedSubscriptionCount(): number {
    return this.#sharedSubscriptions;
  }

  /** Shared groups that have members. */
  get groupCount(): number {
    return this.#groups.size;
  }

  /** Nodes of the topic tree: 0 when nobody subscribes. */
  get nodeCount(): number {
    return this.#tree.nodeCount;
  }

  /** Bytes of memory that subscriptions and remembered matches take, roughly. */
  get memoryEstimate(): number {
    return (
      this.nodeCount * NODE_BYTES +
      this.#subscriptions * SUBSCRIPTION_BYTES +
      this.#cachedReferences * REFERENCE_BYTES
    );
  }

  /**
   * Adds the subscription, or replaces the one that its subscriber has with this filter and share name, which is returned.
   * It may be the same object with other options: the router has to be told of every change. From the next message on all
   * is as it says; nothing is delivered twice or passed over meanwhile. [MQTT-3.8.4-3]
   * `topicFilter` is valid and without `$share/<name>/`.
   */
  subscribe(
    subscription: Subscription,
    topicFilter: string,
    shareName: string | null,
  ): Subscription | null {
    if (shareName !== null) return this.#join(subscription, topicFilter, shareName);
    const previous = this.#tree.add(topicFilter, subscription);
    this.#generations.advance(topicFilter);
    if (previous === null) this.#subscriptions++;
    return previous instanceof SharedGroup ? null : previous;
  }

  /**
   * Removes exactly that subscription; false if it is not there, for instance because another took its place.
   * A shared one keeps its `group`, so that messages which still wait can be given to other members.
   */
  unsubscribe(subscription: Subscription, topicFilter: string, shareName: string | null): boolean {
    if (shareName !== null) return this.#leave(subscription, topicFilter, shareName);
    if (!this.#tree.remove(topicFilter, subscription)) return false;
    this.#generations.advance(topicFilter);
    this.#subscriptions--;
    this.#removed();
    return true;
  }

  /**
   * Delivers the message to every matching subscriber once, and to one member of every matching group; returns how many were
   * given it. Who is left out, and if nobody is there at all, is counted as dropped. MQTT 5 §4.1, §4.8.2.
   */
  route(message: Message, nowMs: number): number {
    const cached = message.topic.route;
    const match =
      cached instanceof Match &&
      cached.generations === this.#generations &&
      cached.generations.isCurrent(cached.stamp)
        ? cached
        : this.#find(message.topic);
    const subscriptions = match.subscriptions;
    if (!match.isPlain || subscriptions.length === 0) {
      return this.#routeWithRules(match, message, nowMs);
    }
    for (let i = 0; i < subscriptions.length; i++) {
      const subscription = subscriptions[i];
      subscription.subscriber.deliver(message, subscription, nowMs);
    }
    return subscriptions.length;
  }

  /**
   * Offers a message that a member could not finish to another member, as `route` would; false if nobody else can take it,
   * which is not counted: the caller still has the message. `isLastChance`: it is lost otherwise. Design §4a.11. [MQTT-4.8.2-5] is the caller's to keep.
   */
  redistribute(
    group: SharedGroup,
    message: Message,
    except: Subscriber,
    nowMs: number,
    isLastChance: boolean,
  ): boolean {
    // the group may have ended and another of that name begun
    const current = this.#groups.get(groupKey(group.shareName, group.topicFilter));
    const member = current?.choose(message, this.#strategy, except, nowMs) ?? null;
    if (member === null) return false;
    // It would be lost there, and is safe where it is.
    const mayLoseIt = member.qos === 0 && message.qos > 0 && !isLastChance;
    if (
      mayLoseIt &&
      member.subscriber.availability(true, message.size, nowMs) === Availability.Offline
    ) {
      return false;
    }
    member.subscriber.deliver(message, member, nowMs);
    return true;
  }

  /** All subscriptions that match, members of groups included, as they were made: not merged, not from the cache. */
  matching(topicName: string): Subscription[] {
    const found: Destination[] = [];
    this.#tree.match(topicName, found);
    const subscriptions: Subscription[] = [];
    for (const destination of found) {
      if (destination instanceof SharedGroup) {
        for (const member of destination.members) subscriptions.push(member);
      } else subscriptions.push(destination);
    }
    return subscriptions;
  }

  /** What `route` would go by, looked up anew and not remembered; with the subscriptions and groups as they were made. */
  foresee(topicName: string): { readonly match: Match; readonly found: readonly Destination[] } {
    const found: Destination[] = [];
    const filters = this.#tree.match(topicName, found);
    return { match: buildMatch(this.#generations, found, filters), found };
  }

  /** The index of the member whose turn it is; nothing changes. */
  firstOf(group: SharedGroup, message: Message): number {
    return this.#strategy.first(group, message);
  }

  #join(subscription: Subscription, topicFilter: string, shareName: string): Subscription | null {
    const key = groupKey(shareName, topicFilter);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new SharedGroup(shareName, topicFilter);
      this.#groups.set(key, group);
      this.#tree.add(topicFilter, group);
      this.#generations.advance(topicFilter);
    }
    const previous = group.add(subscription);
    subscription.group = group;
    if (previous === null) {
      this.#subscriptions++;
      this.#sharedSubscriptions++;
    }
    return previous;
  }

  #leave(subscription: Subscription, topicFilter: string, shareName: string): boolean {
    const key = groupKey(shareName, topicFilter);
    const group = this.#groups.get(key);
    if (group === undefined || !group.remove(subscription)) return false;
    this.#subscriptions--;
    this.#sharedSubscriptions--;
    this.#removed();
    if (group.size > 0) return true;
    this.#groups.delete(key);
    this.#tree.remove(topicFilter, group);
    this.#generations.advance(topicFilter);
    return true;
  }

  /** The rest of `route`: No Local, groups, nobody. */
  #routeWithRules(match: Match, message: Message, nowMs: number): number {
    const publisher = message.publisher;
    const sessionId = publisher === null ? null : publisher.sessionId;
    const clientId = publisher === null ? null : publisher.clientId;
    const own = sessionId === null ? null : match.own;
    let delivered = 0;
    for (const subscription of match.subscriptions) {
      const subscriber = subscription.subscriber;
      // what is left of it for its publisher; undefined where nothing says No Local
      const left = own !== null && subscriber.id === sessionId ? own.get(subscriber) : undefined;
      if (left === null) {
        this.#drops.drop(DropReason.NoLocal, clientId, message.topic.name); // [MQTT-3.8.3-3]
        continue;
      }
      subscriber.deliver(message, left === undefined ? subscription : left, nowMs);
      delivered++;
    }
    for (const group of match.groups) {
      const member = group.choose(message, this.#strategy, null, nowMs);
      if (member === null) {
        this.#drops.drop(DropReason.NoSharedMember, clientId, message.topic.name);
        continue;
      }
      member.subscriber.deliver(message, member, nowMs);
      delivered++;
    }
    if (match.subscriptions.length === 0 && match.groups.length === 0) {
      this.#drops.drop(DropReason.NoSubscriber, clientId, message.topic.name);
    }
    return delivered;
  }

  /** Looks the topic up and remembers what was found. */
  #find(topic: Topic): Match {
    const found: Destination[] = [];
    const filters = this.#tree.match(topic.name, found);
    const match = buildMatch(this.#generations, found, filters);
    this.#generations.renew(match.stamp, topic.name);
    this.#remember(topic, match);
    return match;
  }

  /** Leaves the match on its topic. A topic is listed exactly while a match of this router lies on it. */
  #remember(topic: Topic, match: Match): void {
    if (match.weight > this.#cachedReferencesMax) return;
    const former = topic.route;
    let isListed = former instanceof Match && former.generations === this.#generations;
    if (isListed && former instanceof Match) this.#cachedReferences -= former.weight;
    if (
      this.#cachedReferences + match.weight > this.#cachedReferencesMax ||
      (!isListed && this.#cached.length >= this.#cachedTopicsMax)
    ) {
      this.#forgetAll();
      isListed = false;
    }
    if (!isListed) this.#cached.push(topic);
    topic.route = match;
    this.#cachedReferences += match.weight;
  }

  /** Matches that went stale refer to sessions that ended: after many removals none is kept. */
  #removed(): void {
    if (++this.#removals < REMOVALS_MIN + this.#subscriptions) return;
    this.#removals = 0;
    this.#forgetAll();
  }

  #forgetAll(): void {
    for (const topic of this.#cached) topic.route = null;
    this.#cached = [];
    this.#cachedReferences = 0;
  }
}

function groupKey(shareName: string, topicFilter: string): string {
  return `${shareName}/${topicFilter}`;
}
