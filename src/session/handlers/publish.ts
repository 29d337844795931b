// PUBLISH from a client, in two halves: may it, and what follows. An authorizer that must think parks the connection between
// them; everybody else goes straight through. MQTT 5 §3.3.4.

import type { Verdict } from '../../auth/auth.ts';
import { DropReason } from '../../core/drop.ts';
import { OVER_DISCONNECT } from '../../core/quota-share.ts';
import { isServersOwn } from '../../core/server-topics.ts';
import type { Framer } from '../../protocol/framer.ts';
import type { Message } from '../../protocol/message.ts';
import { PacketType } from '../../protocol/packet.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { PublishView } from '../../protocol/publish-view.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Topic } from '../../protocol/topic.ts';
import { checkUtf8 } from '../../protocol/utf8.ts';
import type { Subscriber } from '../../router/subscription.ts';
import type { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import { distribute } from '../distribute.ts';
import { isPending, park, verdictOf } from '../parking.ts';
import { mayRetain, tellOver } from '../quota.ts';
import { Session } from '../session.ts';
import { OverloadLevel } from '../shedding.ts';
import { refuse, refuseForStore } from './publish-refused.ts';

export function onPublish(connection: Connection, session: Session, framer: Framer): ReasonCode {
  const { context } = connection;
  const { limits, message, metrics, publishView: view, shedding } = context;
  view.read(
    framer.header,
    framer.bytes,
    framer.start,
    framer.end,
    connection.version,
    limits.userPropertiesMax,
  );
  view.isOwn = framer.isOwn;
  if (shedding.level === OverloadLevel.Publishers) {
    shedding.onPublish(connection, framer.packetLength);
  }
  metrics.publishReceived[view.qos]++;
  connection.messagesReceived++;
  metrics.publishBytesReceived += view.payloadEnd - view.payloadStart;
  const topic = topicOf(connection, view);
  if (view.qos > limits.qosMax) {
    context.drops.drop(DropReason.Limit, session.clientId, topic.name);
    return ReasonCode.QoSNotSupported; // [MQTT-3.2.2-11]
  }
  if (view.retain && !limits.retainAvailable) {
    context.drops.drop(DropReason.Limit, session.clientId, topic.name);
    return ReasonCode.RetainNotSupported; // [MQTT-3.2.2-14]
  }
  if (view.qos > 0) {
    if (view.qos === 2 && session.inboundPacketIds?.has(view.packetId) === true) {
      repeat(connection, session, view.packetId);
      return ReasonCode.Success;
    }
    if (connection.version === 5 && connection.writer.unacknowledged >= limits.receiveMaximum) {
      context.drops.drop(DropReason.ReceiveMaximum, session.clientId, topic.name);
      return ReasonCode.ReceiveMaximumExceeded; // [MQTT-3.3.4-7]
    }
  }
  message.borrow(view, topic, session.publisher, connection.lastReceivedMs);
  if (limits.checkPayloadFormat && view.payloadFormatIndicator === 1 && !isUtf8(message)) {
    return refuse(connection, session, message, view.packetId, ReasonCode.PayloadFormatInvalid);
  }
  const { packetId } = view;
  const nowMs = connection.lastReceivedMs;
  if (connection.quota === null) return authorize(connection, session, message, packetId, nowMs);
  return admit(connection, session, message, packetId, framer.packetLength, nowMs);
}

/** By the quotas of its client it may pass, must wait, or may not. `bytes`: of its packet; 0: they are paid. */
function admit(
  connection: Connection,
  session: Session,
  message: Message,
  packetId: number,
  bytes: number,
  nowMs: number,
): ReasonCode {
  const { context, quota } = connection;
  const waitMs = quota === null || bytes === 0 ? 0 : quota.take(bytes, nowMs);
  if (quota === null || waitMs === 0) {
    return authorize(connection, session, message, packetId, nowMs);
  }
  if (waitMs > 0) {
    quota.hold(message, packetId, bytes, waitMs, admit);
    return ReasonCode.Success;
  }
  context.metrics.quotaRefusals++;
  if (waitMs !== OVER_DISCONNECT) {
    tellOver(context, session.client, session.quota, 'its messages are refused');
    return refuse(connection, session, message, packetId, ReasonCode.QuotaExceeded);
  }
  tellOver(context, session.client, session.quota, 'it is disconnected');
  // What is of QoS 1 or 2 was not acknowledged: its publisher still has it.
  if (message.qos === 0) context.drops.drop(DropReason.Quota, session.clientId, message.topic.name);
  connection.disconnect(ReasonCode.MessageRateTooHigh, 'more messages than its quota allows');
  return ReasonCode.Success;
}

/** May it, by whoever decides that. */
function authorize(
  connection: Connection,
  session: Session,
  message: Message,
  packetId: number,
  nowMs: number,
): ReasonCode {
  const { context } = connection;
  const { access } = context;
  const { topic } = message;
  if (topic.isReserved && (access.isReserved(topic.name) || isServersOwn(topic.name))) {
    return refuse(connection, session, message, packetId, ReasonCode.NotAuthorized);
  }
  if (access.authorizer === null) return take(connection, session, message, packetId, nowMs);
  const decision = ask(context, session, message, nowMs);
  if (!isPending(decision)) return judged(connection, session, message, packetId, nowMs, decision);
  const owned = message.own();
  const { permissions } = session;
  const basis = permissions.basis();
  park(
    connection,
    decision,
    (answer) => {
      const laterMs = context.clock.now();
      if (!permissions.isCurrent(basis)) {
        return authorize(connection, session, owned, packetId, laterMs);
      }
      const code = permissions.answered(owned, answer, laterMs);
      return judged(connection, session, owned, packetId, laterMs, code);
    },
    { orGone: (answer) => publisherLeft(context, session, owned, verdictOf(answer)) },
  );
  return ReasonCode.Success;
}

/** Throws what the authorizer throws, which costs the publisher its connection, and this message. */
function ask(
  { drops }: Context,
  session: Session,
  { topic, qos, retain }: Message,
  nowMs: number,
): ReasonCode | PromiseLike<Verdict> {
  try {
    const decision = session.permissions.publish(topic, qos, retain, nowMs);
    if (!isPending(decision)) return decision;
    return Promise.resolve(decision).catch((error: unknown) => {
      drops.drop(DropReason.NotAuthorized, session.clientId, topic.name);
      throw error;
    });
  } catch (error) {
    drops.drop(DropReason.NotAuthorized, session.clientId, topic.name);
    throw error;
  }
}

function judged(
  connection: Connection,
  session: Session,
  message: Message,
  packetId: number,
  nowMs: number,
  code: ReasonCode,
): ReasonCode {
  return code < ReasonCode.UnspecifiedError
    ? take(connection, session, message, packetId, nowMs)
    : refuse(connection, session, message, packetId, code);
}

/**
 * The answer came when the publisher had gone. QoS 0 was received and is delivered if it may be; QoS 1 and 2 were never
 * acknowledged, so the publisher still has them.
 */
function publisherLeft(
  context: Context,
  session: Session,
  message: Message,
  code: ReasonCode,
): void {
  if (message.qos > 0) return;
  const nowMs = context.clock.now();
  const isAllowed = code < ReasonCode.UnspecifiedError;
  if (isAllowed && (!message.retain || mayRetain(context, session, message, nowMs))) {
    distributeInTime(context, message, nowMs);
    return;
  }
  const { qos, retain, topic } = message;
  const reason = isAllowed ? DropReason.Quota : DropReason.NotAuthorized;
  context.drops.drop(reason, session.clientId, topic.name);
  if (isAllowed) return; // that it is over is told already
  context.denials.denied(session.client, { action: 'publish', topic: topic.name, qos, retain });
}

/** The topic by name or by alias, which it may also set. MQTT 5 §3.3.2.3.4 */
function topicOf(connection: Connection, view: PublishView): Topic {
  const { limits, topics } = connection.context;
  const alias = view.topicAlias;
  if (alias === 0) {
    if (view.topicEnd > view.topicStart) {
      return topics.intern(view.bytes, view.topicStart, view.topicEnd);
    }
    throw new ProtocolError(
      ReasonCode.ProtocolError, // §3.3.2.1
      'MQTT-4.7.3-1',
      'the topic name is empty and there is no topic alias',
    );
  }
  if (alias > limits.topicAliasMax || connection.inboundAliases === null) {
    throw new ProtocolError(
      ReasonCode.TopicAliasInvalid,
      'MQTT-3.3.2-9',
      `topic alias ${alias} is above the maximum of ${limits.topicAliasMax}`,
    );
  }
  if (view.topicEnd > view.topicStart) {
    const topic = topics.intern(view.bytes, view.topicStart, view.topicEnd);
    connection.inboundAliases.set(alias, topic); // [MQTT-3.3.2-12]
    return topic;
  }
  const topic = connection.inboundAliases.get(alias);
  if (topic === undefined) {
    throw new ProtocolError(
      ReasonCode.ProtocolError,
      'MQTT-3.3.2-7',
      `topic alias ${alias} stands for nothing on this connection`,
    );
  }
  return topic;
}

/** The client may: everybody gets it, and the client its acknowledgement once what it promises is durable. */
function take(
  connection: Connection,
  session: Session,
  message: Message,
  packetId: number,
  nowMs: number,
): ReasonCode {
  const { context } = connection;
  const { commits } = context;
  const { qos } = message;
  if (commits?.isFailing && needsStore(context, session, message)) {
    return refuseForStore(connection, message, packetId);
  }
  if (message.retain && !mayRetain(context, session, message, nowMs)) {
    return refuse(connection, session, message, packetId, ReasonCode.QuotaExceeded);
  }
  const { trace } = context.tracing;
  if (trace !== null) trace.published(message, packetId, ReasonCode.Success);
  const recordsBefore = commits === null ? 0 : commits.records;
  if (qos === 2) session.addInboundPacketId(packetId); // [MQTT-4.3.3-10]
  const delivered =
    context.shedding.level === OverloadLevel.Publishers
      ? distributeWhileFull(connection, message, nowMs)
      : distributeInTime(context, message, nowMs);
  const commit = commits === null || commits.records === recordsBefore ? 0 : commits.gathering;
  if (trace !== null) trace.routed(message, delivered, commit);
  if (qos === 0 || connection.session !== session) return ReasonCode.Success;
  const reasonCode = delivered === 0 ? ReasonCode.NoMatchingSubscribers : ReasonCode.Success;
  connection.writer.unacknowledged++;
  if (qos === 1) connection.writer.sendAck(PacketType.Puback, packetId, reasonCode, commit, true);
  else connection.writer.sendAck(PacketType.Pubrec, packetId, reasonCode, commit, false);
  return ReasonCode.Success;
}

/** It may have expired while its authorizer thought. [MQTT-3.3.2-5] */
function distributeInTime(context: Context, message: Message, nowMs: number): number {
  if (nowMs > message.receivedAtMs && message.isExpired(nowMs)) {
    const clientId = message.publisher?.clientId ?? null;
    context.drops.drop(DropReason.Expired, clientId, message.topic.name, 1, clientId);
    return 0;
  }
  return distribute(context, message, nowMs);
}

/** While the server is overloaded who brings what must be kept, or is lost, is not read on behind it. */
function distributeWhileFull(connection: Connection, message: Message, nowMs: number): number {
  const { context } = connection;
  const { retained, shedding } = context;
  const untakenBefore = shedding.untakenMessages;
  const retainedBefore = retained.bytes;
  const delivered = distributeInTime(context, message, nowMs);
  if (shedding.untakenMessages !== untakenBefore || retained.bytes > retainedBefore) {
    shedding.pausePublisher(connection);
  }
  return delivered;
}

/** A QoS 2 PUBLISH that came before: PUBREC again, not before the commit that holds the first. [MQTT-4.3.3-10] */
function repeat(connection: Connection, session: Session, packetId: number): void {
  connection.writer.sendAck(
    PacketType.Pubrec,
    packetId,
    ReasonCode.Success,
    session.record.commit,
    false,
  );
}

/** Whether taking the message would have to record something. */
function needsStore(context: Context, session: Session, message: Message): boolean {
  if (message.qos === 0) return false; // also retained: nobody waits for it
  if (message.retain) return true;
  if (message.qos === 2 && session.record.isStored) return true;
  for (const subscription of context.router.matching(message.topic.name)) {
    const subscriber: Subscriber = subscription.subscriber;
    if (subscription.qos > 0 && subscriber instanceof Session && subscriber.record.isStored) {
      return true;
    }
  }
  return false;
}

function isUtf8(message: Message): boolean {
  try {
    checkUtf8(message.bytes, message.payloadStart, message.payloadEnd, '§3.3.2.3.2');
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}
