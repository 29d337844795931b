// What would become of the message for one subscriber, and why.

import { DropReason } from '../../core/drop.ts';
import { isServersOwn } from '../../core/server-topics.ts';
import { splitSharedFilter } from '../../protocol/filter.ts';
import type { Message } from '../../protocol/message.ts';
import { type Subscription, SubscriptionAccess } from '../../router/subscription.ts';
import { type Foreseen, type ForeseenQueue, foreseeDelivery } from '../../session/foresee.ts';
import type { Session } from '../../session/session.ts';
import type {
  ExplainedConnection,
  ExplainedDelivery,
  ExplainedQueue,
  ExplainedSubscription,
} from '../contract/explain.ts';
import type { AclAnswer } from '../contract.ts';
import type { ExplainParts } from './parts.ts';
import { askRule, because } from './rule.ts';
import { dropName } from './steps.ts';

/** Whether a subscriber may get the topic, and by which rule. */
export interface Permission {
  readonly isAllowed: boolean;
  readonly rule: AclAnswer | null;
  readonly text: string;
}

/**
 * `subscription` is what the router would deliver by, merged from `made`; null: all there is says No Local, and it is the
 * client's own message.
 */
export async function explainDelivery(
  parts: ExplainParts,
  session: Session,
  made: readonly Subscription[],
  subscription: Subscription | null,
  message: Message,
): Promise<ExplainedDelivery> {
  if (subscription === null) {
    const text = 'No Local: it would be a message of its own';
    return described(session, made, message, { drop: DropReason.NoLocal, text });
  }
  const permission = await permissionOf(parts, session, subscription, message.topic.name);
  const { rule } = permission;
  const qos = message.qos < subscription.qos ? message.qos : subscription.qos;
  const retain = subscription.retainAsPublished && message.retain;
  const way = { qos, retain, rule };
  if (!permission.isAllowed) {
    const { text } = permission;
    return described(session, made, message, {
      ...way,
      drop: DropReason.ReceiveNotAuthorized,
      text,
    });
  }
  const { subscriptionIdentifiers } = subscription;
  const nowMs = parts.context.clock.now();
  const foreseen = foreseeDelivery(session, message, qos, subscriptionIdentifiers, nowMs);
  const { outcome, drop } = foreseen;
  const text = sentence(session, message, foreseen, qos);
  return described(session, made, message, { ...way, outcome, drop, text });
}

/** As `Permissions.mayTake`, asked anew. */
export async function permissionOf(
  { context }: ExplainParts,
  session: Session,
  subscription: Subscription,
  topicName: string,
): Promise<Permission> {
  const { authorizer } = context.access;
  const { access, topicFilter } = subscription;
  if (access === SubscriptionAccess.Muted) {
    const text = `its subscription ${topicFilter} is muted: rules do not allow it any more`;
    if (authorizer === null) return { isAllowed: false, rule: null, text };
    const { topicFilter: topic } = splitSharedFilter(topicFilter);
    const question = {
      action: 'subscribe',
      topic,
      qos: subscription.grantedQos,
      retain: false,
    } as const;
    const rule = await askRule(authorizer, session.client, question);
    return { isAllowed: false, rule, text: `${text} (${because(rule)})` };
  }
  const isAsked = authorizer?.authorizeReceive !== undefined;
  const question = { action: 'receive', topic: topicName, qos: 0, retain: false } as const;
  if (access === SubscriptionAccess.Whole) {
    const text = 'all that its subscription matches may be delivered';
    if (authorizer === null || !isAsked) return { isAllowed: true, rule: null, text };
    // Who granted it may not be who looks at deliveries: then nobody has a rule to show.
    const rule = await askRule(authorizer, session.client, question);
    return { isAllowed: true, rule: rule.isAllowed ? rule : null, text };
  }
  if (session.isUnknown) {
    const text = 'it waits until its client is back, and is looked at then';
    return { isAllowed: true, rule: null, text };
  }
  if (authorizer === null || !isAsked) {
    return { isAllowed: true, rule: null, text: 'no authorizer looks at deliveries' };
  }
  const rule = await askRule(authorizer, session.client, question);
  const may = rule.isAllowed ? 'may' : 'may not';
  return { isAllowed: rule.isAllowed, rule, text: `it ${may} receive the topic: ${because(rule)}` };
}

interface Way {
  readonly outcome?: ExplainedDelivery['outcome'];
  readonly drop: DropReason | null;
  readonly text: string;
  readonly qos?: ExplainedDelivery['qos'];
  readonly retain?: boolean;
  readonly rule?: AclAnswer | null;
}

function described(
  session: Session,
  made: readonly Subscription[],
  message: Message,
  { outcome = 'lost', drop, text, qos = message.qos, retain = false, rule = null }: Way,
): ExplainedDelivery {
  const { clientId, client } = session;
  return {
    ...{ clientId, username: client.username, outcome, drop: dropName(drop), text, qos, retain },
    subscriptions: made.map(subscriptionOf),
    rule,
    queue: queueOf(session),
    connection: connectionOf(session),
  };
}

const ACCESS_NAMES = ['whole', 'asked', 'muted'] as const;

function subscriptionOf(subscription: Subscription): ExplainedSubscription {
  const { topicFilter, grantedQos, qos, noLocal, retainAsPublished } = subscription;
  return {
    ...{ topicFilter, grantedQos, qos, noLocal, retainAsPublished },
    subscriptionIdentifiers: [...subscription.subscriptionIdentifiers],
    access: ACCESS_NAMES[subscription.access],
  };
}

export function queueOf({ outbound, queueLimits }: Session): ExplainedQueue {
  return {
    messages: outbound.queuedMessages,
    messagesMax: queueLimits.queueMessagesMax,
    bytes: outbound.queuedBytes,
    bytesMax: queueLimits.queueBytesMax,
    policy: queueLimits.queuePolicy,
    keepsQos0: queueLimits.queueQos0,
  };
}

export function connectionOf({ connection, outbound }: Session): ExplainedConnection | null {
  if (connection === null) return null;
  const { maximumPacketSize, output } = connection.writer;
  return {
    inflight: outbound.inflightCount,
    inflightMax: connection.sendWindow,
    outputBytes: output.pendingBytes,
    outputBytesMax: connection.context.limits.outputBytesMax,
    packetSizeMax: Number.isFinite(maximumPacketSize) ? maximumPacketSize : null,
  };
}

/** What happens, in a few words, with the figures that decide. */
function sentence(session: Session, message: Message, foreseen: Foreseen, qos: number): string {
  const { outcome, drop, queue, isTooLarge } = foreseen;
  const depth = depthOf(session);
  if (outcome === 'sent') return `it is sent at once, at QoS ${qos}`;
  if (drop === DropReason.PacketTooLarge) return 'it is larger than its Maximum Packet Size';
  if (drop === DropReason.OutputFull) return 'QoS 0, and its client does not read fast enough';
  if (drop === DropReason.Overload) {
    return 'QoS 0, its client does not keep up, and the server is overloaded';
  }
  if (drop === DropReason.Offline && isServersOwn(message.topic.name)) {
    return 'QoS 0, and what the server says of itself is kept for nobody';
  }
  if (drop === DropReason.Offline) {
    return session.connection === null
      ? 'QoS 0, and its client is away: its queue keeps QoS 1 and 2 only'
      : 'QoS 0, and its client cannot be written to yet: its queue keeps QoS 1 and 2 only';
  }
  if (drop === DropReason.QueueFull) {
    const { queueBytesMax, queuePolicy } = session.queueLimits;
    const ends = queuePolicy === 'disconnect' && session.connection !== null;
    const why =
      message.size > queueBytesMax ? 'it is larger than its whole queue' : 'its queue is full';
    return `${why} (${depth}), and the policy is ${queuePolicy}${ends ? ': the client is disconnected' : ''}`;
  }
  const large = isTooLarge
    ? '; it is larger than its Maximum Packet Size, and lost when its turn comes'
    : '';
  return `it waits in its queue (${depth}), at QoS ${qos}: ${whyQueued(session)}${givenUp(queue)}${large}`;
}

function depthOf(session: Session): string {
  const { messages, messagesMax, bytes, bytesMax } = queueOf(session);
  return `${messages} of ${messagesMax} messages, ${bytes} of ${bytesMax} bytes`;
}

function whyQueued({ connection, outbound }: Session): string {
  if (connection === null) return 'its client is away';
  if (!connection.isReady) return 'its client has no CONNACK yet';
  if (!connection.writer.hasRoom) return 'its client does not read fast enough';
  if (!outbound.hasWindowRoom) {
    return `${outbound.inflightCount} messages are in flight, and ${connection.sendWindow} may be`;
  }
  return 'others wait before it';
}

function givenUp(queue: ForeseenQueue | null): string {
  if (queue === null) return '';
  const { expired, oldest, replaced } = queue;
  const all = [
    ...(replaced > 0
      ? [`the waiting one of its topic [${dropName(DropReason.QueueReplaced)}]`]
      : []),
    ...(expired > 0 ? [`${expired} that have expired [${dropName(DropReason.Expired)}]`] : []),
    ...(oldest > 0 ? [`the ${oldest} oldest [${dropName(DropReason.QueueOldest)}]`] : []),
  ];
  return all.length === 0 ? '' : `; ${all.join(' and ')} would be given up for it`;
}
