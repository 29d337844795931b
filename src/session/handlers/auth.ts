// AUTH from the client: the next step of an authentication that runs, or the start of a re-authentication. MQTT 5 §3.15, §4.12.

import type { Client, Proven } from '../../auth/auth.ts';
import type { Framer } from '../../protocol/framer.ts';
import { type AuthPacket, PacketType } from '../../protocol/packet.ts';
import { decodeAuth } from '../../protocol/packets/auth.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import { clientOf } from '../admission.ts';
import type { Connection } from '../connection.ts';
import { EnhancedAuthentication } from '../enhanced-auth.ts';
import { isPending, park, verdictFor } from '../parking.ts';

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
  const { access, authentication } = connection.context;
  const { authenticator } = authentication;
  const { client, request, session } = connection;
  if (previous.isRunning || client === null || request === null || session === null) {
    return ReasonCode.ProtocolError;
  }
  const exchange = authenticator?.begin?.(previous.method, request, client.username) ?? null;
  if (exchange === null) return ReasonCode.NotAuthorized;
  const { generation } = access;
  const end = (reasonCode: ReasonCode, reason?: string): ReasonCode => {
    connection.disconnect(reasonCode, reason);
    return ReasonCode.Success;
  };
  const finish = (identity: Client, proven: Proven, mayConnect: unknown): ReasonCode => {
    if (generation !== access.generation) {
      return end(ReasonCode.ServerBusy, 'access control was changed meanwhile: try again');
    }
    if (connection.session !== session) return ReasonCode.Success;
    const verdict = verdictFor(PacketType.Disconnect, mayConnect);
    if (verdict >= ReasonCode.UnspecifiedError) return end(verdict, 'this client may not connect');
    connection.identify(session, identity, proven.expiresAtMs);
    const isSent = connection.writer.send({
      type: PacketType.Auth,
      reasonCode: ReasonCode.Success,
      properties: { authenticationMethod: previous.method, authenticationData: proven.data },
    });
    return isSent ? ReasonCode.Success : ReasonCode.PacketTooLarge;
  };
  const next = new EnhancedAuthentication(connection, previous.method, exchange, {
    onProven: (proven) => {
      if (proven.username !== client.username) {
        const reason = 'a re-authentication cannot change who the client is';
        return end(ReasonCode.NotAuthorized, reason);
      }
      const identity = clientOf(client, proven);
      // Its groups and claims may be others, by which it must not have this client id.
      const answer = access.authorizer?.authorizeConnect?.(identity, request) ?? ReasonCode.Success;
      if (!isPending(answer)) return finish(identity, proven, answer);
      park(connection, answer, (mayConnect) => finish(identity, proven, mayConnect));
      return ReasonCode.Success;
    },
    onRefused: (refused) => end(ReasonCode.NotAuthorized, refused.reasonString), // [MQTT-4.12.1-2]
  });
  connection.authentication = next;
  return next.step(packet.properties.authenticationData ?? null);
}
