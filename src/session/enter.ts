// CONNECT was accepted: the client gets its session, new or resumed, whoever had it is told, and CONNACK says what the server
// can do. MQTT 5 §3.1.4, §3.2.

import type { Accepted, Client, ConnectRequest } from '../auth/auth.ts';
import type { QueuePolicy } from '../core/limits.ts';
import { QUEUE_POLICY_PROPERTY, queuePolicyOf } from '../core/queue-rules.ts';
import {
  type ConnackPacket,
  type ConnectPacket,
  PacketType,
  type Properties,
} from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { type Admitted, isOwner } from './admission.ts';
import type { Connection } from './connection.ts';
import type { Context } from './context.ts';
import { byServer } from './departure.ts';
import { tellFault } from './faults.ts';
import { isOverQuota } from './quota.ts';
import { refuseConnect } from './refuse.ts';
import { Session, sessionIdOf } from './session.ts';
import { Will } from './will.ts';

const RECEIVE_MAXIMUM_DEFAULT = 65_535;

/** A client whom the authenticator accepted, with all that it said. */
export interface Entrant {
  readonly packet: ConnectPacket;
  readonly request: ConnectRequest;
  readonly client: Client;
  readonly accepted: Accepted;
  /** What an enhanced authentication adds to CONNACK. */
  readonly properties: Properties;
}

/** The client gets its session, new or resumed. */
export function enter(connection: Connection, entrant: Entrant, admitted: Admitted): void {
  const { packet, request, client, accepted, properties } = entrant;
  const { context } = connection;
  const { clock, commits, connectionLog, limits, metrics } = context;
  const { clientId } = client;
  const expiryInterval = expiryOf(packet, limits.sessionExpiryMax);
  // The new session is stored, or an old one has to go from the store: then CONNACK promises that.
  const discards =
    context.registry.get(clientId)?.record.isStored === true ||
    (commits !== null && commits.removalOf(clientId) > 0);
  if (commits?.isFailing === true && (expiryInterval > 0 || discards)) {
    refuseConnect(connection, ReasonCode.ServerUnavailable, 'the store cannot be written');
    return;
  }
  if (isOverQuota(connection, client)) return;
  const will = willOf(context, packet, client);
  const resumed = takeOver(context, packet, client);
  const session = resumed ?? new Session(context, client);
  if (resumed === null && !context.registry.add(session)) {
    refuseConnect(connection, ReasonCode.QuotaExceeded, 'there are as many sessions as allowed');
    return;
  }
  if (resumed === null) metrics.sessionsCreated++;
  else metrics.sessionsResumed++;
  connection.sendWindow = Math.min(
    packet.properties.receiveMaximum ?? RECEIVE_MAXIMUM_DEFAULT,
    limits.inflightMessagesMax,
  );
  connection.accept(session, client, packet.properties.topicAliasMaximum ?? 0);
  connection.writer.clientId = clientId;
  session.attach(connection, client, will, expiryInterval, queuePolicyIn(packet));
  session.subscriptions.judgeAll(admitted.subscriptions);
  connection.expireAt(accepted.expiresAtMs);
  if (context.tracing.trace !== null) {
    context.tracing.trace.connected(connection, session, resumed !== null);
  }
  const keepAlive = keepAliveOf(packet, limits.keepAliveMax);
  connection.startKeepAlive(keepAlive);
  connectionLog.connected(connection, {
    keepAlive,
    cleanStart: packet.cleanStart,
    sessionPresent: resumed !== null,
    expiryInterval,
    hasWill: will !== null,
    loginMs: clock.now() - (connection.request?.arrivedMs ?? connection.openedAtMs),
  });
  const connack: ConnackPacket = {
    type: PacketType.Connack,
    sessionPresent: resumed !== null && packet.protocolVersion !== 3, // 3.1 has no such flag
    reasonCode: ReasonCode.Success, // [MQTT-3.1.4-5]
    properties:
      packet.protocolVersion === 5
        ? {
            ...connackProperties(context, packet, request, keepAlive, expiryInterval),
            ...responseInformation(packet, accepted),
            ...properties,
          }
        : {},
  };
  const removal = commits === null ? 0 : commits.removalOf(clientId);
  const commit = Math.max(session.record.commit, removal);
  answer(connection, session, connack, commit);
}

/** CONNACK, and what follows it. */
function answer(
  connection: Connection,
  session: Session,
  connack: ConnackPacket,
  commit: number,
): void {
  const { clock } = connection.context;
  try {
    const isSent = connection.writer.sendWhenDurable(connack, commit, () =>
      session.resume(clock.now()),
    );
    if (!isSent) {
      const reason = 'CONNACK is larger than the client allows'; // [MQTT-3.1.2-24]
      connection.close(byServer(reason, ReasonCode.PacketTooLarge));
    }
  } catch (error) {
    // Text or data of the authenticator's that no packet can carry: CONNACK is still the first packet. [MQTT-3.2.0-1]
    const sentence = 'CONNACK cannot be encoded: does the authenticator give it something invalid?';
    tellFault(connection.context, session.client, { error: String(error) }, sentence);
    refuseConnect(connection, ReasonCode.UnspecifiedError, 'an error of the server');
  }
}

/** The policy that the client wants for its queue; a name that is none has no effect. */
function queuePolicyIn(packet: ConnectPacket): QueuePolicy | null {
  const property = packet.properties.userProperties?.find(
    ([name]) => name === QUEUE_POLICY_PROPERTY,
  );
  return queuePolicyOf(property?.[1]);
}

/** Throws ProtocolError when its topic is not valid or past the limits. */
function willOf(context: Context, packet: ConnectPacket, client: Client): Will | null {
  if (packet.will === null) return null;
  const { clientId, username } = client;
  return Will.of(context, packet.will, { sessionId: sessionIdOf(clientId), clientId, username });
}

/** Ends the connection that has this client id now, if any; returns the session that goes on, or null. [MQTT-3.1.4-3] */
function takeOver(context: Context, packet: ConnectPacket, client: Client): Session | null {
  const { authentication, metrics, registry } = context;
  const existing = registry.get(client.clientId);
  if (existing === undefined) return null;
  if (existing.connection !== null) {
    metrics.sessionsTakenOver++;
    existing.connection.disconnect(
      ReasonCode.SessionTakenOver,
      'another connection came with the same client identifier',
    );
  }
  if (existing.hasEnded) return null;
  const isTheirs = authentication.authenticator === null || isOwner(existing, client);
  if (!packet.cleanStart && existing.isDurable && isTheirs) return existing; // [MQTT-3.1.2-5]
  existing.supersede();
  return null;
}

/** seconds; v3 sessions without Clean Session live as long as the server allows. MQTT 5 §3.1.2.11.2 */
function expiryOf(packet: ConnectPacket, sessionExpiryMax: number): number {
  if (packet.protocolVersion !== 5) return packet.cleanStart ? 0 : sessionExpiryMax;
  return Math.min(packet.properties.sessionExpiryInterval ?? 0, sessionExpiryMax);
}

/** Only v5 clients can be told another keep-alive than their own. MQTT 5 §3.2.2.3.14 */
function keepAliveOf(packet: ConnectPacket, keepAliveMax: number): number {
  if (keepAliveMax === 0 || packet.protocolVersion !== 5) return packet.keepAlive;
  return packet.keepAlive === 0 || packet.keepAlive > keepAliveMax
    ? keepAliveMax
    : packet.keepAlive;
}

/** Only a client that asked for it gets it. [MQTT-3.1.2-28] */
function responseInformation(packet: ConnectPacket, accepted: Accepted): Properties {
  if (packet.properties.requestResponseInformation !== true) return {};
  return { responseInformation: accepted.responseInformation };
}

/** What the server says of itself: only what differs from the specification's defaults. */
function connackProperties(
  context: Context,
  packet: ConnectPacket,
  request: ConnectRequest,
  keepAlive: number,
  expiryInterval: number,
): Properties {
  const { limits } = context;
  const requestedExpiry = packet.properties.sessionExpiryInterval ?? 0;
  return {
    sessionExpiryInterval: expiryInterval === requestedExpiry ? undefined : expiryInterval,
    receiveMaximum: limits.receiveMaximum === 65_535 ? undefined : limits.receiveMaximum,
    maximumQoS: limits.qosMax === 2 ? undefined : limits.qosMax, // [MQTT-3.2.2-9]
    retainAvailable: limits.retainAvailable ? undefined : false,
    maximumPacketSize: limits.packetSizeMax,
    assignedClientIdentifier: packet.clientId === '' ? request.clientId : undefined, // [MQTT-3.1.3-7]
    topicAliasMaximum: limits.topicAliasMax === 0 ? undefined : limits.topicAliasMax,
    wildcardSubscriptionAvailable: limits.wildcardSubscriptionAvailable ? undefined : false,
    subscriptionIdentifiersAvailable: limits.subscriptionIdentifiersAvailable ? undefined : false,
    sharedSubscriptionAvailable: limits.sharedSubscriptionAvailable ? undefined : false,
    serverKeepAlive: keepAlive === packet.keepAlive ? undefined : keepAlive,
  };
}
