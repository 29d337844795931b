// Who subscribes to what, and whom a topic reaches; and the topics that the server knows of, which are the filters that somebody
// subscribes to and those with a retained message.

import { checkTopicName, splitSharedFilter } from '../../protocol/filter.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { type Subscription, SubscriptionAccess } from '../../router/subscription.ts';
import type { Context } from '../../session/context.ts';
import { Session } from '../../session/session.ts';
import type {
  ControlledSubscription,
  ControlledTopic,
  Page,
  PageRequest,
  SubscriptionAccessName,
  SubscriptionFilter,
} from '../contract/management.ts';
import { ControlError } from '../contract.ts';
import type { Registry } from '../registry.ts';
import { FirstNames } from './first-names.ts';
import { globOf } from './names.ts';
import { nextTurn, Slices } from './slices.ts';

/** Subscriptions, sessions or topics that are looked at in one turn. */
const SLICE = 500;
/** Between client id and filter in the name of a subscription: neither contains it. [MQTT-1.5.4-2] */
const SEPARATOR = '\0';

const ACCESS_NAMES: Readonly<Record<SubscriptionAccess, SubscriptionAccessName>> = {
  [SubscriptionAccess.Whole]: 'all',
  [SubscriptionAccess.Asked]: 'asked',
  [SubscriptionAccess.Muted]: 'muted',
};

export function shownSubscription(
  clientId: string,
  subscription: Subscription,
): ControlledSubscription {
  const { access, grantedQos, noLocal, qos, retainAsPublished, retainHandling } = subscription;
  const { subscriptionIdentifiers, topicFilter } = subscription;
  return {
    ...{ clientId, topicFilter, shareName: splitSharedFilter(topicFilter).shareName },
    ...{ qos, grantedQos, noLocal, retainAsPublished, retainHandling },
    subscriptionIdentifier: subscriptionIdentifiers[0] ?? null,
    access: ACCESS_NAMES[access],
  };
}

/** By client id, then by filter. */
export async function listSubscriptions(
  registry: Registry,
  filter: SubscriptionFilter,
  request: PageRequest,
): Promise<Page<ControlledSubscription>> {
  const clientGlob = globOf(filter.clientId);
  const filterGlob = globOf(filter.topicFilter);
  const first = new FirstNames<Session>(request);
  const slices = new Slices(SLICE);
  for (const session of registry) {
    if (slices.isOver()) await nextTurn();
    const { clientId } = session;
    if (clientGlob !== null && !clientGlob.matches(clientId)) continue;
    for (const { topicFilter } of session.subscriptions) {
      if (slices.isOver()) await nextTurn();
      const name = clientId + SEPARATOR + topicFilter;
      if (!first.wants(name)) continue;
      if (filterGlob === null || filterGlob.matches(topicFilter)) first.set(name, session);
    }
  }
  return first.page((_, name) => {
    const at = name.indexOf(SEPARATOR);
    const clientId = name.slice(0, at);
    const subscription = registry.get(clientId)?.subscriptions.get(name.slice(at + 1));
    return subscription === undefined ? null : shownSubscription(clientId, subscription);
  });
}

/** Whom a message of this topic would reach. Throws ControlError for what is no topic name. */
export async function matchingSubscriptions(
  { limits, router }: Context,
  topic: string,
  request: PageRequest,
): Promise<Page<ControlledSubscription>> {
  try {
    checkTopicName(topic, limits);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ControlError('invalid', `${JSON.stringify(topic)}: ${error.message}`);
  }
  const first = new FirstNames<Subscription>(request);
  const slices = new Slices(SLICE);
  for (const subscription of router.matching(topic)) {
    if (slices.isOver()) await nextTurn();
    const { subscriber, topicFilter } = subscription;
    if (!(subscriber instanceof Session)) continue;
    const name = subscriber.clientId + SEPARATOR + topicFilter;
    if (first.wants(name)) first.set(name, subscription);
  }
  return first.page((subscription, name) =>
    shownSubscription(name.slice(0, name.indexOf(SEPARATOR)), subscription),
  );
}

/** What is counted of a topic on its way to the page. */
interface Counted {
  subscriptions: number;
  sharedSubscriptions: number;
}

/** Topics and filters that begin with the prefix. */
export async function listTopics(
  { clock, retained }: Context,
  registry: Registry,
  prefix: string,
  request: PageRequest,
): Promise<Page<ControlledTopic>> {
  const first = new FirstNames<Counted>(request);
  const slices = new Slices(SLICE);
  for (const session of registry) {
    if (slices.isOver()) await nextTurn();
    for (const subscription of session.subscriptions) {
      if (slices.isOver()) await nextTurn();
      const { shareName, topicFilter: topic } = splitSharedFilter(subscription.topicFilter);
      if (!topic.startsWith(prefix) || !first.wants(topic)) continue;
      const counted = first.get(topic) ?? { subscriptions: 0, sharedSubscriptions: 0 };
      counted.subscriptions++;
      if (shareName !== null) counted.sharedSubscriptions++;
      first.set(topic, counted);
    }
  }
  const { after } = request;
  const isPast = after !== null && after >= prefix;
  let name = retained.atOrAfter(isPast ? after + SEPARATOR : prefix);
  for (; name?.startsWith(prefix) === true && first.wants(name); ) {
    if (first.get(name) === undefined)
      first.set(name, { subscriptions: 0, sharedSubscriptions: 0 });
    name = retained.atOrAfter(name + SEPARATOR);
  }
  const nowMs = clock.now();
  return first.page((counted, topic) => {
    const isRetained = retained.get(topic, nowMs) !== null;
    return isRetained || counted.subscriptions > 0 ? { topic, ...counted, isRetained } : null;
  });
}
