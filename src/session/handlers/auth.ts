// AUTH from the client: the next step of an authentication that runs, or the start of a re-authentication. MQTT 5 §3.15, §4.12.

import type { Framer } from '../../protocol/framer.ts';
import { type AuthPacket, PacketType } from '../../protocol/packet.ts';
import { decodeAuth } from '../../protocol/packets/auth.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import { clientOf } from '../admission.ts';
import type { Connection } from '../connection.ts';
import { EnhancedAuthentication } from '../enhanced-auth.ts';

export function onAuth(connection: Connection, framer: Framer): ReasonCode {
  const { limits } = connection.context;
  const { header, bytes, start, end } = framer;
  const packet = decodeAuth(header, bytes, start, end, connection.version, limits);
  const { authentication } = connection;
  // [MQTT-4.12.0-7] and [MQTT-4.12.0-5], [MQTT-4.12.1-1]: only with the method of CONNECT
  if (authentication === null || packet.properties.authenticationMethod !== authentication.method) {
    connection.fail(
      ReasonCode.ProtocolError,
      'AUTH must name the Authentication Method of CONNECT',
    );
    return ReasonCode.Success;
  }
  const data = packet.properties.authenticationData ?? null;
  if (packet.reasonCode === ReasonCode.ContinueAuthentication && authentication.isRunning) {
    return authentication.step(data);
  }
  if (packet.reasonCode === ReasonCode.ReAuthenticate && connection.session !== null) {
    return reAuthenticate(connection, authentication, packet);
  }
  connection.fail(ReasonCode.ProtocolError, 'AUTH has a reason code that does not fit here'); // [MQTT-4.12.0-3]
  return ReasonCode.Success;
}

/** MQTT 5 §4.12.1. Messages go on flowing with the identity so far. */
function reAuthenticate(
  connection: Connection,
  previous: EnhancedAuthentication,
  packet: AuthPacket,
): ReasonCode {
  const { authenticator } = connection.context.authentication;
  const { client, request, session } = connection;
  if (previous.isRunning || client === null || request === null || session === null) {
    return ReasonCode.ProtocolError;
  }
  const exchange = authenticator?.begin?.(previous.method, request, client.username) ?? null;
  if (exchange === null) return ReasonCode.NotAuthorized;
  const { access } = connection.context;
  const { generation } = access;
  const authentication = new EnhancedAuthentication(
    connection,
    previous.method,
    exchange,
    (proven) => {
      if (proven.username !== client.username) {
        const reason = 'a re-authentication cannot change who the client is';
        connection.disconnect(ReasonCode.NotAuthorized, reason);
        return ReasonCode.Success;
      }
      if (connection.session !== session) return ReasonCode.Success;
      if (generation !== access.generation) {
        const reason = 'access control was reloaded meanwhile: connect again';
        connection.disconnect(ReasonCode.ServerBusy, reason); // users and rules that are gone let it in
        return ReasonCode.Success;
      }
      connection.identify(session, clientOf(client, proven), proven.expiresAtMs);
      const isSent = connection.writer.send({
        type: PacketType.Auth,
        reasonCode: ReasonCode.Success,
        properties: { authenticationMethod: previous.method, authenticationData: proven.data },
      });
      return isSent ? ReasonCode.Success : ReasonCode.PacketTooLarge;
    },
    (refused) => {
      connection.disconnect(ReasonCode.NotAuthorized, refused.reasonString); // [MQTT-4.12.1-2]
      return ReasonCode.Success;
    },
  );
  connection.authentication = authentication;
  return authentication.step(packet.properties.authenticationData ?? null);
}
