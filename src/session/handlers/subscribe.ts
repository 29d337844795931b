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
import { askAll, isPending, park } from '../parking.ts';
import { maySubscribe } from '../quota.ts';
import type { Session } from '../session.ts';

/** A filter that is valid, or why it is refused. */
interface Parsed {
  readonly request: SubscriptionRequest;
  /** without `$share/<name>/` */
  readonly innerFilter: string;
  readonly shareName: string | null;
  /** A code that refuses it, whoever is asked; null: there is none. */
  readonly objection: ReasonCode | null;
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
  const parsed = packet.subscriptions.map((request) => parse(connection, request));
  return authorize(connection, session, packet, parsed);
}

/** Asks about all filters; an authorizer that must think parks the connection. */
function authorize(
  connection: Connection,
  session: Session,
  packet: SubscribePacket,
  parsed: readonly Parsed[],
): ReasonCode {
  const answers = askAll(parsed.map((one) => () => judge(connection, session, one)));
  if (!answers.some(isPending)) return subscribe(connection, session, packet, parsed, answers);
  const { permissions } = session;
  const basis = permissions.basis();
  park(connection, Promise.all(answers), (verdicts) =>
    permissions.isCurrent(basis)
      ? subscribe(connection, session, packet, parsed, verdicts)
      : authorize(connection, session, packet, parsed),
  );
  return ReasonCode.Success;
}

/** Throws ProtocolError for what ends the connection. */
function parse(connection: Connection, request: SubscriptionRequest): Parsed {
  const { limits } = connection.context;
  checkNotEmpty(request.topicFilter);
  let innerFilter = request.topicFilter;
  let shareName: string | null = null;
  let objection: ReasonCode | null = null;
  try {
    const parsed = parseTopicFilter(request.topicFilter, limits);
    innerFilter = parsed.topicFilter;
    shareName = parsed.shareName;
    if (parsed.hasWildcard && !limits.wildcardSubscriptionAvailable) {
      objection = ReasonCode.WildcardSubscriptionsNotSupported;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { request, innerFilter, shareName, objection: error.reasonCode };
  }
  if (shareName !== null) {
    if (request.noLocal && connection.version === 5) {
      throw new ProtocolError(
        ReasonCode.ProtocolError,
        'MQTT-3.8.3-4',
        'No Local is set on a shared subscription',
      );
    }
    if (!limits.sharedSubscriptionAvailable) objection = ReasonCode.SharedSubscriptionsNotSupported;
  }
  return { request, innerFilter, shareName, objection };
}

/** Success, or why not; a promise if the authorizer must think. */
function judge(
  { context: { access } }: Connection,
  { client }: Session,
  { request, innerFilter, shareName, objection }: Parsed,
): SubscribeVerdict | PromiseLike<SubscribeVerdict> {
  if (objection !== null) return objection;
  if (access.authorizer !== null) {
    return access.authorizer.authorizeSubscribe(client, innerFilter, request.qos, shareName);
  }
  return access.isReserved(innerFilter) ? ReasonCode.NotAuthorized : ReasonCode.Success;
}

function subscribe(
  connection: Connection,
  session: Session,
  packet: SubscribePacket,
  parsed: readonly Parsed[],
  answers: readonly unknown[],
): ReasonCode {
  const { context } = connection;
  const { access, denials, limits } = context;
  const subscriptionIdentifier = packet.properties.subscriptionIdentifiers?.[0] ?? 0;
  const reasonCodes: number[] = [];
  const withRetained: string[] = [];
  for (let i = 0; i < parsed.length; i++) {
    const { innerFilter, shareName } = parsed[i];
    let request = parsed[i].request;
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
  const { trace } = context.tracing;
  if (trace !== null) {
    for (let i = 0; i < parsed.length; i++) {
      trace.subscribed(session, parsed[i].request.topicFilter, reasonCodes[i]);
    }
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
