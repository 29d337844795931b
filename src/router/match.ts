// What routing found for a topic: who gets its messages, each once, and how. It is built when a topic is first published to or
// a filter that concerns it has changed, and never altered afterwards, so a loop over it stays valid whatever the deliveries
// do. All merging of overlapping subscriptions happens here, none when a message passes. MQTT 5 §3.3.4.

import type { QoS } from '../protocol/packet.ts';
import type { Destination } from './destinations.ts';
import { type Generations, Stamp } from './generations.ts';
import { SharedGroup } from './shared-subscription.ts';
import { type Subscriber, Subscription, SubscriptionAccess } from './subscription.ts';

/** What a merged subscription weighs against a mere reference. */
const MERGED_WEIGHT = 16;
const MATCH_WEIGHT = 16;

export class Match {
  /** One for each subscriber. */
  readonly subscriptions: readonly Subscription[];
  readonly groups: readonly SharedGroup[];
  /** For subscribers with No Local here: what they get of their own messages, if anything. Null if nobody has it. */
  readonly own: ReadonlyMap<Subscriber, Subscription | null> | null;
  /** Memory it holds, in references of eight bytes, roughly. */
  readonly weight: number;
  readonly stamp = new Stamp();
  /** Its stamp is one of these. */
  readonly generations: Generations;

  constructor(
    generations: Generations,
    subscriptions: readonly Subscription[],
    groups: readonly SharedGroup[],
    own: ReadonlyMap<Subscriber, Subscription | null> | null,
    weight: number,
  ) {
    this.generations = generations;
    this.subscriptions = subscriptions;
    this.groups = groups;
    this.own = own;
    this.weight = weight;
  }

  /** Whether it needs no more than one delivery after the other. */
  get isPlain(): boolean {
    return this.own === null && this.groups.length === 0;
  }
}

const NO_SUBSCRIPTIONS: readonly Subscription[] = [];
const NO_GROUPS: readonly SharedGroup[] = [];

/** Makes the match of a topic from what its `filters` matching filters lead to; the caller stamps it. */
export function buildMatch(
  generations: Generations,
  found: readonly Destination[],
  filters: number,
): Match {
  if (found.length === 0) {
    return new Match(generations, NO_SUBSCRIPTIONS, NO_GROUPS, null, MATCH_WEIGHT);
  }
  const all: Subscription[] = [];
  const groups: SharedGroup[] = [];
  let hasNoLocal = false;
  for (let i = 0; i < found.length; i++) {
    const destination = found[i];
    if (destination instanceof SharedGroup) {
      groups.push(destination);
    } else {
      all.push(destination);
      if (destination.noLocal) hasNoLocal = true;
    }
  }
  const weight = MATCH_WEIGHT + found.length;
  // under one filter each subscriber stands once, so nothing can overlap
  if (!hasNoLocal && (filters === 1 || all.length < 2)) {
    return new Match(generations, all, groups, null, weight);
  }
  return mergeMatch(generations, all, groups, hasNoLocal, weight);
}

function mergeMatch(
  generations: Generations,
  all: readonly Subscription[],
  groups: readonly SharedGroup[],
  hasNoLocal: boolean,
  weight: number,
): Match {
  const bySubscriber = new Map<Subscriber, Subscription | Subscription[]>();
  for (const subscription of all) {
    const known = bySubscriber.get(subscription.subscriber);
    if (known === undefined) bySubscriber.set(subscription.subscriber, subscription);
    else if (Array.isArray(known)) known.push(subscription);
    else bySubscriber.set(subscription.subscriber, [known, subscription]);
  }
  const subscriptions: Subscription[] = [];
  const own = hasNoLocal ? new Map<Subscriber, Subscription | null>() : null;
  let total = weight;
  for (const [subscriber, known] of bySubscriber) {
    const overlapping = Array.isArray(known) ? known : [known];
    if (overlapping.length > 1) total += MERGED_WEIGHT;
    subscriptions.push(merge(overlapping));
    if (own === null || !overlapping.some((subscription) => subscription.noLocal)) continue;
    const others = overlapping.filter((subscription) => !subscription.noLocal);
    own.set(subscriber, others.length === 0 ? null : merge(others));
    total += MERGED_WEIGHT + others.length;
  }
  return new Match(generations, subscriptions, groups, own, total);
}

/**
 * The one delivery that stands for several matching subscriptions of a session: the highest QoS, every identifier, also a
 * repeated one. [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4] Muted ones do not count beside others.
 */
function merge(all: readonly Subscription[]): Subscription {
  const first = all[0];
  if (all.length === 1) return first;
  const overlapping = all.filter(({ access }) => access !== SubscriptionAccess.Muted);
  if (overlapping.length < 2) return overlapping[0] ?? first;
  let qos: QoS = 0;
  let retainAsPublished = false;
  const identifiers: number[] = [];
  let access: SubscriptionAccess = SubscriptionAccess.Asked;
  for (const subscription of overlapping) {
    if (subscription.access < access) access = subscription.access; // one that gets all of its filter gets this topic
    if (subscription.qos > qos) qos = subscription.qos;
    if (subscription.retainAsPublished) retainAsPublished = true;
    for (const identifier of subscription.subscriptionIdentifiers) identifiers.push(identifier);
  }
  const merged = new Subscription(
    first.subscriber,
    first.topicFilter,
    qos,
    false,
    retainAsPublished,
    first.retainHandling,
  );
  merged.subscriptionIdentifiers = identifiers;
  merged.access = access;
  return merged;
}
