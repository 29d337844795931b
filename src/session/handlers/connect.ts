// CONNECT: is it valid, who is it, may it come in, and which session does it get. MQTT 5 §3.1.4.

import type { Accepted, Client, ConnectRequest, Decision, Refused } from '../../auth/auth.ts';
import type { QueuePolicy } from '../../core/limits.ts';
import { QUEUE_POLICY_PROPERTY, queuePolicyOf } from '../../core/queue-rules.ts';
import { formatPeer } from '../../lib/address.ts';
import type { Framer } from '../../protocol/framer.ts';
import {
  type ConnackPacket,
  type ConnectPacket,
  PacketType,
  type Properties,
} from '../../protocol/packet.ts';
import { connectVersion, decodeConnect } from '../../protocol/packets/connect.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Connection } from '../connection.ts';
import { ConnectionState } from '../connection-state.ts';
import type { Context } from '../context.ts';
import { EnhancedAuthentication } from '../enhanced-auth.ts';
import { isPending, park } from '../parking.ts';
import { refuseConnect } from '../refuse.ts';
import { Session, sessionIdOf } from '../session.ts';
import { Will } from '../will.ts';

const RECEIVE_MAXIMUM_DEFAULT = 65_535;

export function onConnect(connection: Connection, framer: Framer): ReasonCode {
  const { bytes, start, end } = framer;
  const { limits } = connection.context;
  const { nameIsValid, level } = connectVersion(bytes, start, end);
  if (nameIsValid) {
    connection.isConnect = true;
    connection.writer.version = level >= 5 ? 5 : level === 3 ? 3 : 4;
  }
  if ((framer.header & 15) !== 0) {
    throw new ProtocolError(
      ReasonCode.MalformedPacket,
      'MQTT-2.1.3-1',
      'CONNECT has flags in its fixed header',
    );
  }
  const packet = decodeConnect(bytes, start, end, limits);
  connection.writer.version = packet.protocolVersion;
  connection.isBridge = packet.isBridge;
  connection.requestProblemInformation = packet.properties.requestProblemInformation !== false;
  connection.writer.maximumPacketSize =
    packet.properties.maximumPacketSize ?? Number.POSITIVE_INFINITY;
  const fault = check(connection, packet);
  if (fault !== null) {
    refuseConnect(connection, fault.reasonCode, fault.reasonString ?? '');
    return ReasonCode.Success;
  }
  connection.state = ConnectionState.Authenticating;
  return authenticate(connection, packet);
}

/** What a valid CONNECT may still ask for in vain. */
function check({ context, stream }: Connection, packet: ConnectPacket): Refused | null {
  const { limits } = context;
  const { will, protocolVersion } = packet;
  const clientId = stream.certificate?.clientId ?? packet.clientId;
  if (clientId === '' && (protocolVersion === 3 || (protocolVersion === 4 && !packet.cleanStart))) {
    return {
      reasonCode: ReasonCode.ClientIdentifierNotValid, // 3.1.1 [MQTT-3.1.3-8]
      reasonString: 'an empty client identifier needs a clean session',
    };
  }
  if (will !== null && will.qos > limits.qosMax) {
    return {
      reasonCode: ReasonCode.QoSNotSupported, // [MQTT-3.2.2-12]
      reasonString: `the Will QoS is above the maximum of ${limits.qosMax}`,
    };
  }
  if (will?.retain === true && !limits.retainAvailable) {
    return {
      reasonCode: ReasonCode.RetainNotSupported, // [MQTT-3.2.2-13]
      reasonString: 'retained messages are not available',
    };
  }
  return null;
}

function authenticate(connection: Connection, packet: ConnectPacket): ReasonCode {
  const { authenticator, ids } = connection.context;
  const { certificate } = connection.stream;
  const named = certificate?.clientId ?? packet.clientId;
  const request: ConnectRequest = {
    clientId: named === '' ? `auto-${ids.uuid()}` : named, // [MQTT-3.2.2-16]
    username: certificate?.username ?? packet.username,
    password: packet.password,
    authenticationMethod: packet.properties.authenticationMethod ?? null,
    protocolVersion: packet.protocolVersion,
    cleanStart: packet.cleanStart,
    keepAlive: packet.keepAlive,
    userProperties: packet.properties.userProperties ?? [],
    listener: connection.owner.name,
    transport: connection.stream.transport,
    remoteAddress: connection.stream.remoteAddress,
    remotePort: connection.stream.remotePort,
    certificate,
    get isGone(): boolean {
      return !connection.isOpen;
    },
  };
  connection.request = request;
  const method = packet.properties.authenticationMethod;
  if (method !== undefined) return authenticateEnhanced(connection, packet, request, method);
  if (authenticator === null) {
    return enter(connection, packet, request, {
      reasonCode: ReasonCode.Success,
      username: request.username,
    });
  }
  const decision = authenticator.authenticate(request);
  if (!isPending(decision)) return decide(connection, packet, request, decision);
  park(connection, decision, (result) => decide(connection, packet, request, result));
  return ReasonCode.Success;
}

function decide(
  connection: Connection,
  packet: ConnectPacket,
  request: ConnectRequest,
  decision: Decision,
): ReasonCode {
  if (isAccepted(decision)) return enter(connection, packet, request, decision);
  const refused = decision === 'next' ? NOBODY_DECIDED : decision;
  refuseConnect(
    connection,
    refused.reasonCode,
    refused.reasonString ?? 'refused by the authenticator',
    refused.serverReference,
  );
  return ReasonCode.Success;
}

const NOBODY_DECIDED: Refused = { reasonCode: ReasonCode.NotAuthorized };

/** The reason code decides, whatever else is said. */
function isAccepted(decision: Decision): decision is Accepted {
  return decision !== 'next' && decision.reasonCode === ReasonCode.Success;
}

/** MQTT 5 §4.12 */
function authenticateEnhanced(
  connection: Connection,
  packet: ConnectPacket,
  request: ConnectRequest,
  method: string,
): ReasonCode {
  const { authenticator } = connection.context;
  const exchange = authenticator?.begin?.(method, request, null) ?? null;
  if (exchange === null) {
    refuseConnect(
      connection,
      ReasonCode.BadAuthenticationMethod, // [MQTT-4.12.0-1]
      'this authentication method is not offered',
    );
    return ReasonCode.Success;
  }
  connection.authentication = new EnhancedAuthentication(
    connection,
    method,
    exchange,
    (proven) =>
      enter(connection, packet, request, proven, {
        authenticationMethod: method,
        authenticationData: proven.data,
      }),
    (refused) => decide(connection, packet, request, refused), // [MQTT-4.12.0-4]
  );
  return connection.authentication.step(packet.properties.authenticationData ?? null);
}

/** The client is let in: it gets its session, new or resumed. */
function enter(
  connection: Connection,
  packet: ConnectPacket,
  request: ConnectRequest,
  accepted: Accepted,
  properties: Properties = {},
): ReasonCode {
  const { context } = connection;
  const { commits, limits, logger, metrics } = context;
  const { clientId } = request;
  const expiryInterval = expiryOf(packet, limits.sessionExpiryMax);
  // The new session is stored, or an old one has to go from the store: then CONNACK promises that.
  const discards =
    context.registry.get(clientId)?.record.isStored === true ||
    (commits !== null && commits.removalOf(clientId) > 0);
  if (commits?.isFailing === true && (expiryInterval > 0 || discards)) {
    refuseConnect(connection, ReasonCode.ServerUnavailable, 'the store cannot be written');
    return ReasonCode.Success;
  }
  const client: Client = {
    clientId,
    username: accepted.username,
    groups: accepted.groups ?? [],
    protocolVersion: packet.protocolVersion,
    remoteAddress: connection.stream.remoteAddress,
  };
  const will = willOf(context, packet, client);
  const resumed = takeOver(context, packet, clientId);
  const session = resumed ?? new Session(context, client);
  if (resumed === null && !context.registry.add(session)) {
    refuseConnect(connection, ReasonCode.QuotaExceeded, 'there are as many sessions as allowed');
    return ReasonCode.Success;
  }
  if (resumed === null) metrics.sessionsCreated++;
  else metrics.sessionsResumed++;
  connection.sendWindow = Math.min(
    packet.properties.receiveMaximum ?? RECEIVE_MAXIMUM_DEFAULT,
    limits.inflightMessagesMax,
  );
  connection.accept(session, client, packet.properties.topicAliasMaximum ?? 0);
  session.attach(connection, client, will, expiryInterval, queuePolicyIn(packet));
  const keepAlive = keepAliveOf(packet, limits.keepAliveMax);
  connection.startKeepAlive(keepAlive);
  logger.info(
    {
      clientId,
      remote: formatPeer(request.remoteAddress, request.remotePort),
      transport: request.transport,
      version: packet.protocolVersion,
      cleanStart: packet.cleanStart,
      keepAlive,
      username: client.username,
      sessionPresent: resumed !== null,
    },
    'client connected',
  );
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
  welcome(connection, session, connack, commit);
  return ReasonCode.Success;
}

/** CONNACK, and what follows it. */
function welcome(
  connection: Connection,
  session: Session,
  connack: ConnackPacket,
  commit: number,
): void {
  const { clock, logger } = connection.context;
  try {
    const isSent = connection.writer.sendWhenDurable(connack, commit, () =>
      session.resume(clock.now()),
    );
    if (!isSent) connection.close('CONNACK is larger than the client allows'); // [MQTT-3.1.2-24]
  } catch (error) {
    // Text or data of the authenticator's that no packet can carry: CONNACK is still the first packet. [MQTT-3.2.0-1]
    logger.error(
      { clientId: session.clientId, error: String(error) },
      'CONNACK cannot be encoded: does the authenticator give it something invalid?',
    );
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
function takeOver(context: Context, packet: ConnectPacket, clientId: string): Session | null {
  const { metrics, registry } = context;
  const existing = registry.get(clientId);
  if (existing === undefined) return null;
  if (existing.connection !== null) {
    metrics.sessionsTakenOver++;
    existing.connection.disconnect(
      ReasonCode.SessionTakenOver,
      'another connection came with the same client identifier',
    );
  }
  if (existing.hasEnded) return null;
  if (!packet.cleanStart && existing.isDurable) return existing; // [MQTT-3.1.2-5]
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
