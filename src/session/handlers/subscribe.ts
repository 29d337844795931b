// SUBSCRIBE: each filter is judged by itself, then all that are granted take effect at once, SUBACK follows, and the retained
// messages follow it. MQTT 5 §3.8.

import type { SubscribeVerdict } from '../../auth/auth.ts';
import { parseTopicFilter } from '../../protocol/filter.ts';
import type { Framer } from '../../protocol/framer.ts';
import {
  PacketType,
  type SubscribePacket,
  type SubscriptionRequest,
} from '../../protocol/packet.ts';
import { decodeSubscribe } from '../../protocol/packets/subscribe.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import { subackReturnCodeV3 } from '../../protocol/reason-codes-v3.ts';
import { grantOf } from '../admission.ts';
import type { Connection } from '../connection.ts';
import { isPending, park } from '../parking.ts';
import { maySubscribe } from '../quota.ts';
import { reauthorize } from '../reauthorize.ts';
import type { Session } from '../session.ts';

/** One filter on its way to a reason code. */
interface Judged {
  readonly request: SubscriptionRequest;
  /** without `$share/<name>/` */
  readonly innerFilter: string;
  readonly shareName: string | null;
  readonly verdict: SubscribeVerdict | PromiseLike<SubscribeVerdict>;
}

export function onSubscribe(connection: Connection, session: Session, framer: Framer): ReasonCode {
  const { limits } = connection.context;
  const { header, bytes, start, end } = framer;
  const packet = decodeSubscribe(header, bytes, start, end, connection.version, limits);
  if (
    packet.properties.subscriptionIdentifiers !== undefined &&
    !limits.subscriptionIdentifiersAvailable
  ) {
    return ReasonCode.SubscriptionIdentifiersNotSupported;
  }
  const judged: Judged[] = [];
  let mustWait = false;
  for (const request of packet.subscriptions) {
    const one = judge(connection, session, request);
    if (isPending(one.verdict)) mustWait = true;
    judged.push(one);
  }
  if (!mustWait) {
    const answers = judged.map((one) => one.verdict);
    return subscribe(connection, session, packet, judged, answers);
  }
  const { access } = connection.context;
  const { generation } = access;
  park(connection, Promise.all(judged.map((one) => one.verdict)), (verdicts) => {
    const reasonCode = subscribe(connection, session, packet, judged, verdicts);
    if (generation !== access.generation) void reauthorize(connection.context, session); // rules that are gone said that
    return reasonCode;
  });
  return ReasonCode.Success;
}

/** Success, or why not; a promise if the authorizer must think. Throws ProtocolError for what ends the connection. */
function judge(connection: Connection, session: Session, request: SubscriptionRequest): Judged {
  const { access, limits } = connection.context;
  const { authorizer } = access;
  checkNotEmpty(request.topicFilter);
  let innerFilter = request.topicFilter;
  let shareName: string | null = null;
  let verdict: SubscribeVerdict | PromiseLike<SubscribeVerdict> = ReasonCode.Success;
  try {
    const parsed = parseTopicFilter(request.topicFilter, limits);
    innerFilter = parsed.topicFilter;
    shareName = parsed.shareName;
    if (parsed.hasWildcard && !limits.wildcardSubscriptionAvailable) {
      verdict = ReasonCode.WildcardSubscriptionsNotSupported;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { request, innerFilter, shareName, verdict: error.reasonCode };
  }
  if (shareName !== null) {
    if (request.noLocal && connection.version === 5) {
      throw new ProtocolError(
        ReasonCode.ProtocolError,
        'MQTT-3.8.3-4',
        'No Local is set on a shared subscription',
      );
    }
    if (!limits.sharedSubscriptionAvailable) verdict = ReasonCode.SharedSubscriptionsNotSupported;
  }
  if (verdict === ReasonCode.Success) {
    if (authorizer !== null) {
      verdict = authorizer.authorizeSubscribe(session.client, innerFilter, request.qos, shareName);
    } else if (access.isReserved(innerFilter)) {
      verdict = ReasonCode.NotAuthorized;
    }
  }
  return { request, innerFilter, shareName, verdict };
}

function subscribe(
  connection: Connection,
  session: Session,
  packet: SubscribePacket,
  judged: readonly Judged[],
  answers: readonly unknown[],
): ReasonCode {
  const { context } = connection;
  const { access, denials, limits } = context;
  const subscriptionIdentifier = packet.properties.subscriptionIdentifiers?.[0] ?? 0;
  const reasonCodes: number[] = [];
  const withRetained: string[] = [];
  for (let i = 0; i < judged.length; i++) {
    const { innerFilter, shareName } = judged[i];
    let request = judged[i].request;
    const existing = session.subscriptions.get(request.topicFilter);
    let granted = grantOf(answers[i], access.authorizer);
    if (typeof granted === 'object' && existing === undefined) {
      const isFull = session.subscriptions.count >= limits.subscriptionsPerClientMax;
      if (isFull || !maySubscribe(context, session)) granted = ReasonCode.QuotaExceeded;
    }
    if (typeof granted === 'number') {
      reasonCodes.push(refusal(connection, request, granted)); // [MQTT-3.8.4-7]
      if (granted === ReasonCode.NotAuthorized) {
        const { qos } = request;
        const question = { action: 'subscribe', topic: innerFilter, qos, retain: false } as const;
        denials.denied(session.client, question);
        // Who is told that it is refused must not go on getting it by what it was granted before.
        if (existing !== undefined) session.subscriptions.mute(existing);
      }
      continue;
    }
    if (request.qos > granted.qosMax) request = { ...request, qos: granted.qosMax }; // [MQTT-3.9.3-2]
    if (connection.isBridge) {
      request = { ...request, noLocal: shareName === null, retainAsPublished: true };
    }
    session.subscriptions.set(
      request,
      innerFilter,
      shareName,
      subscriptionIdentifier,
      granted.access,
    );
    reasonCodes.push(request.qos);
    const { retainHandling } = request;
    const wantsRetained = retainHandling === 0 || (retainHandling === 1 && existing === undefined);
    if (shareName !== null || !wantsRetained) continue;
    session.requestRetained(request.topicFilter, innerFilter);
    withRetained.push(request.topicFilter);
  }
  const fits = connection.writer.sendWhenDurable(
    { type: PacketType.Suback, packetId: packet.packetId, reasonCodes, properties: {} },
    session.record.commit,
    () => session.startRetained(withRetained, context.clock.now()),
  );
  // Nobody is left to wonder whether it subscribed. [MQTT-3.8.4-1] [MQTT-3.1.2-24]
  return fits ? ReasonCode.Success : ReasonCode.PacketTooLarge;
}

/** An empty filter is not one that could be refused. Throws ProtocolError. */
export function checkNotEmpty(topicFilter: string): void {
  if (topicFilter !== '') return;
  throw new ProtocolError(ReasonCode.ProtocolError, 'MQTT-4.7.3-1', 'the topic filter is empty');
}

/** How a refused filter reads in this version: 3.1 has no failure and is told the QoS it asked for. */
function refusal(
  connection: Connection,
  request: SubscriptionRequest,
  reasonCode: ReasonCode,
): number {
  if (connection.version === 5) return reasonCode;
  return connection.version === 4 ? subackReturnCodeV3(reasonCode) : request.qos;
}
