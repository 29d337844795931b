// Why a client gets, or does not get, the messages of a topic: its session, its subscriptions, and all that stands between.

import { matchesFilter, splitSharedFilter } from '../../protocol/filter.ts';
import type { Message } from '../../protocol/message.ts';
import { SharedGroup } from '../../router/shared-subscription.ts';
import { Subscription, SubscriptionAccess } from '../../router/subscription.ts';
import type { Session } from '../../session/session.ts';
import type {
  DeliveryExplanation,
  DeliveryQuestion,
  ExplainedDelivery,
  ExplainedGroup,
  ExplainedRetained,
  ExplainedStep,
} from '../contract/explain.ts';
import { explainedClient, nameOf } from './client.ts';
import { explainGroup } from './groups.ts';
import { checkAsked, messageOf } from './message.ts';
import type { ExplainParts } from './parts.ts';
import { note, pass, stop, wait, whyStopped } from './steps.ts';
import { connectionOf, explainDelivery, permissionOf, queueOf } from './subscribers.ts';

const RECENT_DROPS_MAX = 10;
/** Subscriptions that are named where none of them matches. */
const NAMED_MAX = 5;

/** Rejects with ControlError. */
export async function explainReceiving(
  parts: ExplainParts,
  { clientId, topic, qos, size }: DeliveryQuestion,
): Promise<DeliveryExplanation> {
  checkAsked(topic);
  const { clock } = parts.context;
  const session = parts.registry.get(clientId) ?? null;
  const recentDrops = parts.recentDrops?.recentDropsOf(clientId, topic, RECENT_DROPS_MAX) ?? null;
  const message = messageOf({ topic, qos, retain: false, size }, null, clock.now());
  if (session === null) return withoutSession(clientId, topic, recentDrops);
  const { delivery, groups } = await ways(parts, session, message);
  const steps = [...standing(session), ...matching(session, delivery, groups)];
  if (delivery !== null) steps.push(deliveryStep(delivery));
  for (const group of groups) steps.push(groupStep(group, clientId));
  const isDelivered = isTaken(delivery) || groups.some((group) => isTheirs(group, clientId));
  return {
    client: explainedClient(session.client, session),
    ...{ topic, steps, isDelivered, delivery, groups, recentDrops },
    queue: queueOf(session),
    connection: connectionOf(session),
    retained: await retainedOf(parts, session, message),
    conclusion: conclusionOf(delivery, groups, clientId, steps),
  };
}

function withoutSession(
  clientId: string,
  topic: string,
  recentDrops: DeliveryExplanation['recentDrops'],
): DeliveryExplanation {
  const text = 'no client with this client id is connected, and none has left a session';
  return {
    client: {
      ...{ clientId, username: null, groups: [], hasSession: false },
      ...{ isConnected: false, listener: null },
    },
    ...{ topic, steps: [stop('session', text)], isDelivered: false, delivery: null, groups: [] },
    ...{
      queue: null,
      connection: null,
      retained: null,
      recentDrops,
      conclusion: `would not: ${text}`,
    },
  };
}

interface Ways {
  readonly delivery: ExplainedDelivery | null;
  readonly groups: readonly ExplainedGroup[];
}

/** By its own subscriptions, and by those that it shares with others. */
async function ways(parts: ExplainParts, session: Session, message: Message): Promise<Ways> {
  const { match, found } = parts.context.router.foresee(message.topic.name);
  const own = found.filter(
    (one): one is Subscription => one instanceof Subscription && one.subscriber === session,
  );
  const merged = match.subscriptions.find(({ subscriber }) => subscriber === session) ?? null;
  const delivery =
    merged === null ? null : await explainDelivery(parts, session, own, merged, message);
  const groups: ExplainedGroup[] = [];
  for (const destination of found) {
    if (!(destination instanceof SharedGroup)) continue;
    const isMember = destination.members.some(({ subscriber }) => subscriber === session);
    if (isMember) groups.push(await explainGroup(parts, destination, message));
  }
  return { delivery, groups };
}

/** Where its session stands. */
function standing(session: Session): ExplainedStep[] {
  const { connection, outbound, quota, queueLimits } = session;
  const who = nameOf(session.client.username);
  const steps = [
    pass(
      'session',
      `it has a session, of ${who}${session.isDurable ? '' : ', that ends with its connection'}`,
    ),
  ];
  if (session.isUnknown) {
    steps.push(
      note('session', 'the session is back from the store, and its client has not come yet'),
    );
  }
  if (connection === null) {
    steps.push(wait('connection', 'its client is away'));
  } else {
    const { hasRoom, output } = connection.writer;
    steps.push(
      pass('connection', `it is connected, by ${session.listener ?? 'a listener that is gone'}`),
    );
    const max = connection.context.limits.outputBytesMax;
    const bytes = `${output.pendingBytes} of ${max} bytes wait for it to read`;
    steps.push(
      hasRoom ? pass('output', bytes) : wait('output', `${bytes}: it does not read fast enough`),
    );
    const window = `${outbound.inflightCount} of ${connection.sendWindow} QoS 1 and 2 messages are in flight`;
    steps.push(
      outbound.hasWindowRoom
        ? pass('window', window)
        : wait('window', `${window}: it does not acknowledge`),
    );
  }
  const { queueMessagesMax, queueBytesMax, queuePolicy } = queueLimits;
  const depth = `${outbound.queuedMessages} of ${queueMessagesMax} messages, ${outbound.queuedBytes} of ${queueBytesMax} bytes`;
  const bound = quota?.queueCap == null ? '' : '; a quota bounds it';
  steps.push(note('queue', `its queue has ${depth}, policy ${queuePolicy}${bound}`));
  return steps;
}

/** Whether any subscription matches; where none does, which ones there are. */
function matching(
  session: Session,
  delivery: ExplainedDelivery | null,
  groups: readonly ExplainedGroup[],
): ExplainedStep[] {
  const own = delivery?.subscriptions.map(({ topicFilter }) => topicFilter) ?? [];
  const shared = groups.map(({ shareName, topicFilter }) => `$share/${shareName}/${topicFilter}`);
  const all = [...own, ...shared];
  if (all.length > 0) return [pass('subscription', `matched by ${all.join(', ')}`)];
  const { count } = session.subscriptions;
  if (count === 0) return [stop('subscription', 'it has no subscriptions')];
  const names: string[] = [];
  for (const { topicFilter } of {
    [Symbol.iterator]: () => session.subscriptions[Symbol.iterator](),
  }) {
    if (names.length < NAMED_MAX) names.push(topicFilter);
  }
  const more = count > names.length ? ` and ${count - names.length} more` : '';
  return [stop('subscription', `none of its subscriptions matches: ${names.join(', ')}${more}`)];
}

function deliveryStep({ outcome, text, drop }: ExplainedDelivery): ExplainedStep {
  const outcomes = { sent: 'pass', queued: 'wait', lost: 'stop' } as const;
  return { step: 'delivery', outcome: outcomes[outcome], text, drop };
}

function groupStep(group: ExplainedGroup, clientId: string): ExplainedStep {
  const { drop, shareName, topicFilter, text } = group;
  const name = `$share/${shareName}/${topicFilter}`;
  if (group.next === null) {
    return { step: 'shared', outcome: 'stop', text: `${name}: ${text}`, drop };
  }
  return isTheirs(group, clientId)
    ? pass('shared', `${name}: ${text}`)
    : note('shared', `${name}: ${text}`);
}

function isTaken(delivery: ExplainedDelivery | null): boolean {
  return delivery !== null && delivery.outcome !== 'lost';
}

function isTheirs({ next }: ExplainedGroup, clientId: string): boolean {
  return next !== null && next.clientId === clientId && next.outcome !== 'lost';
}

function conclusionOf(
  delivery: ExplainedDelivery | null,
  groups: readonly ExplainedGroup[],
  clientId: string,
  steps: readonly ExplainedStep[],
): string {
  const group = groups.find((one) => isTheirs(one, clientId));
  const taken = isTaken(delivery) ? delivery : (group?.next ?? null);
  if (taken !== null) {
    const when = taken.outcome === 'sent' ? 'delivered' : 'queued, and delivered later,';
    return `would be ${when} at QoS ${taken.qos}`;
  }
  const other = groups.find(({ next }) => next !== null);
  if (delivery === null && other?.next != null) {
    return `would not, this time: it is the turn of ${other.next.clientId} in $share/${other.shareName}`;
  }
  return `would not: ${whyStopped(steps) ?? 'nothing brings it'}`;
}

/** The topic's retained message, and whether it would come with a new subscription. */
async function retainedOf(
  parts: ExplainParts,
  session: Session,
  { topic }: Message,
): Promise<ExplainedRetained | null> {
  const { clock, retained } = parts.context;
  const kept = retained.peek(topic.name, clock.now());
  if (kept === null) return null;
  const { qos, size, publisher } = kept;
  let mayReceive = false;
  for (const subscription of {
    [Symbol.iterator]: () => session.subscriptions[Symbol.iterator](),
  }) {
    const { topicFilter, shareName } = splitSharedFilter(subscription.topicFilter);
    if (shareName !== null || !matchesFilter(topic.name, topicFilter)) continue;
    if (subscription.access === SubscriptionAccess.Muted) continue;
    const permission = await permissionOf(parts, session, subscription, topic.name);
    if (permission.isAllowed) mayReceive = true;
  }
  return { qos, size, publisher: publisher?.clientId ?? null, mayReceive };
}
