// CONNECT: is it valid, who is it, may it come in, and which session does it get. MQTT 5 §3.1.4.

import type { Accepted, ConnectRequest, Decision, Next, Refused } from '../../auth/auth.ts';
import type { Framer } from '../../protocol/framer.ts';
import type { ConnectPacket, Properties } from '../../protocol/packet.ts';
import { connectVersion, decodeConnect } from '../../protocol/packets/connect.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import { type Admitted, admit, clientOf, coversAll, ownerObjection } from '../admission.ts';
import type { Connection } from '../connection.ts';
import { ConnectionState } from '../connection-state.ts';
import type { Context } from '../context.ts';
import { EnhancedAuthentication } from '../enhanced-auth.ts';
import { type Entrant, enter } from '../enter.ts';
import {
  bannedMeanwhile,
  countRefusal,
  guardObjection,
  lateObjection,
  takeoverObjection,
} from '../guarding.ts';
import { Newcomer } from '../newcomer.ts';
import { isPending, park } from '../parking.ts';
import { refuseConnect } from '../refuse.ts';

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

/** Asks who it is. */
function authenticate(connection: Connection, packet: ConnectPacket): ReasonCode {
  const { context } = connection;
  const request = new Newcomer(connection, packet);
  connection.request = request;
  const objection = context.draining.refusal ?? context.guard?.objection(request) ?? null;
  if (objection !== null) return refuse(connection, objection);
  const method = packet.properties.authenticationMethod;
  if (method !== undefined) return authenticateEnhanced(connection, packet, request, method);
  const { authenticator } = context.authentication;
  if (authenticator === null) {
    return welcome(connection, packet, request, {
      reasonCode: ReasonCode.Success,
      username: request.username,
    });
  }
  const { generation } = context.access;
  const decision = authenticator.authenticate(request);
  if (!isPending(decision)) return decide(connection, packet, request, decision);
  const andThen = (result: Decision): ReasonCode =>
    generation === context.access.generation
      ? decide(connection, packet, request, result)
      : authenticate(connection, packet); // by users and rules that are gone
  park(connection, decision, andThen, {
    isBounded: authenticator.endsByItself === true,
    // Work was done for it, though nobody waits for the answer any more.
    orGone: (result) => {
      if (!isAccepted(result)) countRefusal(context, request, refusalOf(result));
    },
  });
  return ReasonCode.Success;
}

function decide(
  connection: Connection,
  packet: ConnectPacket,
  request: ConnectRequest,
  decision: Decision,
): ReasonCode {
  if (isAccepted(decision)) return welcome(connection, packet, request, decision);
  const refused = refusalOf(decision);
  const objection = lateObjection(connection.context, request, refused);
  if (objection === null) countRefusal(connection.context, request, refused);
  return refuse(connection, objection ?? refused);
}

function refuse(connection: Connection, refused: Refused): ReasonCode {
  const { reasonCode, reasonString, serverReference, detail } = refused;
  refuseConnect(
    connection,
    reasonCode,
    reasonString ?? 'refused by the authenticator',
    serverReference,
    detail,
  );
  return ReasonCode.Success;
}

function refusalOf(decision: Refused | Next): Refused {
  return decision === 'next' ? NOBODY_DECIDED : decision;
}

const NOBODY_DECIDED: Refused = {
  reasonCode: ReasonCode.NotAuthorized,
  reasonString: 'nobody knows this client',
};

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
  const { context } = connection;
  const exchange = context.authentication.authenticator?.begin?.(method, request, null) ?? null;
  if (exchange === null) {
    return refuse(connection, {
      reasonCode: ReasonCode.BadAuthenticationMethod, // [MQTT-4.12.0-1]
      reasonString: 'this authentication method is not offered',
    });
  }
  const { generation } = context.access;
  connection.authentication = new EnhancedAuthentication(connection, method, exchange, {
    onProven: (proven) => {
      if (generation !== context.access.generation) return refuse(connection, TRY_AGAIN);
      return welcome(connection, packet, request, proven, {
        authenticationMethod: method,
        authenticationData: proven.data,
      });
    },
    onRefused: (refused) => decide(connection, packet, request, refused), // [MQTT-4.12.0-4]
  });
  return connection.authentication.step(packet.properties.authenticationData ?? null);
}

/** Users or rules changed between its first packet and its last. */
const TRY_AGAIN: Refused = {
  reasonCode: ReasonCode.ServerBusy,
  reasonString: 'access control was changed meanwhile: try again',
};

/** It is who it says: may it have its session? */
function welcome(
  connection: Connection,
  packet: ConnectPacket,
  request: ConnectRequest,
  accepted: Accepted,
  properties: Properties = {},
): ReasonCode {
  const { context, stream } = connection;
  const { clientId } = request;
  const { protocolVersion } = packet;
  const { remoteAddress } = stream;
  const { certificate } = request;
  const certificateName = certificate?.username ?? certificate?.clientId;
  const client = clientOf({ clientId, certificateName, protocolVersion, remoteAddress }, accepted);
  const entrant: Entrant = { packet, request, client, accepted, properties };
  const objection =
    guardObjection(context, request, accepted) ??
    ownerObjection(context, client) ??
    expiryObjection(context, accepted);
  return objection === null ? seekAdmission(connection, entrant) : refuse(connection, objection);
}

function seekAdmission(connection: Connection, entrant: Entrant): ReasonCode {
  const { context } = connection;
  const { packet, request, client } = entrant;
  const { identities } = context.access;
  const answer = admit(context, packet, request, client);
  if (!isPending(answer)) return admitted(connection, entrant, answer);
  park(connection, answer, (result) => {
    const objection = bannedMeanwhile(context, request, client);
    if (objection !== null) return refuse(connection, objection);
    if (identities === context.access.identities) return admitted(connection, entrant, result);
    // Who it is, or what it may, was asked of those who are gone. A method has had its last word already.
    if (request.authenticationMethod !== null) return refuse(connection, TRY_AGAIN);
    return authenticate(connection, packet);
  });
  return ReasonCode.Success;
}

function admitted(
  connection: Connection,
  entrant: Entrant,
  answer: Admitted | Refused,
): ReasonCode {
  if ('reasonCode' in answer) return refuse(connection, answer);
  const { context } = connection;
  // While the answer was waited for its session may have got more subscriptions, which were granted to whoever had it then.
  if (!coversAll(context, entrant, answer)) return seekAdmission(connection, entrant);
  // And somebody else may have come with this client id, or its time be over.
  const objection =
    ownerObjection(context, entrant.client) ??
    expiryObjection(context, entrant.accepted) ??
    takeoverObjection(context, entrant.request);
  if (objection !== null) return refuse(connection, objection);
  enter(connection, entrant, answer);
  return ReasonCode.Success;
}

function expiryObjection(
  { clock }: Context,
  { expiresAtMs = Number.POSITIVE_INFINITY }: Accepted,
): Refused | null {
  if (expiresAtMs > clock.wallNow()) return null;
  return { reasonCode: ReasonCode.NotAuthorized, reasonString: 'the authorization has expired' };
}
