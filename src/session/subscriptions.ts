// The subscriptions of one session, by the filter as its client wrote it. The router holds them too; this is the side that
// knows which the client made and that takes them all back when the session ends.

import { splitSharedFilter } from '../protocol/filter.ts';
import type { QoS, SubscriptionRequest } from '../protocol/packet.ts';
import { Subscription, SubscriptionAccess } from '../router/subscription.ts';
import type { StoredSubscription } from '../storage/storage.ts';
import type { JudgedSubscription } from './admission.ts';
import type { Context } from './context.ts';
import type { Session } from './session.ts';

export class Subscriptions {
  readonly #context: Context;
  readonly #session: Session;
  #byFilter: Map<string, Subscription> | null = null;

  constructor(context: Context, session: Session) {
    this.#context = context;
    this.#session = session;
  }

  get count(): number {
    return this.#byFilter === null ? 0 : this.#byFilter.size;
  }

  /** How many are shared ones. */
  get sharedCount(): number {
    let count = 0;
    if (this.#byFilter === null) return 0;
    for (const subscription of this.#byFilter.values()) if (subscription.group !== null) count++;
    return count;
  }

  get(topicFilter: string): Subscription | undefined {
    return this.#byFilter?.get(topicFilter);
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return (this.#byFilter ?? new Map<string, Subscription>()).values();
  }

  /** Makes or replaces a subscription. [MQTT-3.8.4-3] The filter is valid: `innerFilter` is it without `$share/<name>/`. */
  set(
    request: SubscriptionRequest,
    innerFilter: string,
    shareName: string | null,
    subscriptionIdentifier: number,
    access: SubscriptionAccess = SubscriptionAccess.Whole,
  ): Subscription {
    const subscription = new Subscription(
      this.#session,
      request.topicFilter,
      request.qos,
      request.noLocal,
      request.retainAsPublished,
      request.retainHandling,
      subscriptionIdentifier,
    );
    subscription.access = access;
    this.#byFilter ??= new Map();
    const countBefore = this.#byFilter.size;
    this.#byFilter.set(request.topicFilter, subscription);
    this.#session.quota?.countSubscriptions(this.#byFilter.size - countBefore);
    this.#context.router.subscribe(subscription, innerFilter, shareName);
    this.#session.record.saveSubscription(subscription);
    this.#session.permissionsSoFar?.subscribed();
    return subscription;
  }

  /** Back from the store. */
  restore(stored: StoredSubscription): void {
    const { topicFilter, shareName } = splitSharedFilter(stored.topicFilter);
    const { access } = this.#context;
    let judged: SubscriptionAccess = SubscriptionAccess.Whole;
    if (access.authorizer !== null) judged = SubscriptionAccess.Asked;
    else if (access.isReserved(topicFilter)) judged = SubscriptionAccess.Muted;
    this.set(stored, topicFilter, shareName, stored.subscriptionIdentifier, judged);
  }

  /** What the rules say of these now, as far as they are still the same. */
  judgeAll(judgements: readonly JudgedSubscription[]): void {
    for (const { subscription, access, qosMax } of judgements) {
      this.#judge(subscription, access, qosMax);
    }
  }

  /** It brings nothing any more, neither what was queued. */
  mute(subscription: Subscription): void {
    this.#judge(subscription, SubscriptionAccess.Muted, 2);
    this.#session.permissionsChanged();
  }

  #judge(subscription: Subscription, access: SubscriptionAccess, qosMax: QoS): void {
    if (this.get(subscription.topicFilter) !== subscription) return;
    const { grantedQos } = subscription;
    const qos = grantedQos < qosMax ? grantedQos : qosMax;
    if (subscription.access === access && subscription.qos === qos) return;
    const { topicFilter, shareName } = splitSharedFilter(subscription.topicFilter);
    if (access === SubscriptionAccess.Muted && subscription.access !== access) {
      this.#context.denials.muted(this.#session.client, topicFilter, subscription.qos);
    }
    subscription.access = access;
    subscription.qos = qos;
    this.#context.router.subscribe(subscription, topicFilter, shareName);
  }

  /** False if there was none; only the identically spelt filter counts. [MQTT-3.10.4-1] */
  delete(topicFilter: string): boolean {
    const subscription = this.#byFilter?.get(topicFilter);
    if (subscription === undefined) return false;
    this.#byFilter?.delete(topicFilter);
    this.#session.quota?.countSubscriptions(-1);
    this.#unroute(subscription);
    this.#session.record.removeSubscription(topicFilter);
    this.#session.permissionsSoFar?.unsubscribed(subscription);
    return true;
  }

  /** The session ends: takes everything out of the router; the store forgets the session as a whole. */
  end(): void {
    if (this.#byFilter === null) return;
    for (const subscription of this.#byFilter.values()) this.#unroute(subscription);
    this.#byFilter = null;
  }

  #unroute(subscription: Subscription): void {
    const { router } = this.#context;
    const { topicFilter, shareName } = splitSharedFilter(subscription.topicFilter);
    router.unsubscribe(subscription, topicFilter, shareName);
  }
}
