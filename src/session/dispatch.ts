// Which handler gets a packet. What a client may not send at all, or not now, ends here. A handler returns a reason code: 0x80
// or more ends the connection with it.

import type { Framer } from '../protocol/framer.ts';
import { PacketType } from '../protocol/packet.ts';
import { decodeAck } from '../protocol/packets/acks.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Connection } from './connection.ts';
import { ConnectionState } from './connection-state.ts';
import { byServer, CLIENT_CLOSED } from './departure.ts';
import { onAuth } from './handlers/auth.ts';
import { onConnect } from './handlers/connect.ts';
import { onDisconnect } from './handlers/disconnect.ts';
import { onPingreq } from './handlers/pingreq.ts';
import { onPublish } from './handlers/publish.ts';
import { onPubrel } from './handlers/pubrel.ts';
import { onSubscribe } from './handlers/subscribe.ts';
import { onUnsubscribe } from './handlers/unsubscribe.ts';
import type { Session } from './session.ts';

/** Handles the framer's current packet. Throws ProtocolError. */
export function dispatch(connection: Connection, framer: Framer): ReasonCode {
  const type = framer.header >> 4;
  connection.context.metrics.packetsReceived[type]++;
  const session = connection.session;
  if (session === null || connection.state !== ConnectionState.Connected) {
    return dispatchEarly(connection, framer, type);
  }
  switch (type) {
    case PacketType.Publish:
      return onPublish(connection, session, framer);
    case PacketType.Puback:
    case PacketType.Pubrec:
    case PacketType.Pubcomp:
      return dispatchAck(connection, session, framer, type);
    case PacketType.Pubrel:
      return onPubrel(connection, session, framer);
    case PacketType.Subscribe:
      return onSubscribe(connection, session, framer);
    case PacketType.Unsubscribe:
      return onUnsubscribe(connection, session, framer);
    case PacketType.Pingreq:
      return onPingreq(connection, framer);
    case PacketType.Disconnect:
      return onDisconnect(connection, session, framer);
    case PacketType.Auth:
      if (connection.version === 5) return onAuth(connection, framer);
      throw unexpected('§2.1.2', 'AUTH, which is a packet of MQTT 5.0 only');
    case PacketType.Connect:
      throw unexpected('MQTT-3.1.0-2', 'a second CONNECT');
    default:
      throw unexpected('§2.1.2', `a packet of type ${type}, which no client may send`);
  }
}

function unexpected(clause: string, what: string): ProtocolError {
  return new ProtocolError(ReasonCode.ProtocolError, clause, what);
}

/** Before CONNECT was accepted. */
function dispatchEarly(connection: Connection, framer: Framer, type: number): ReasonCode {
  if (connection.state === ConnectionState.Opening) {
    if (type === PacketType.Connect) return onConnect(connection, framer);
    connection.close(byServer('the first packet is not CONNECT')); // [MQTT-3.1.0-1]
    return ReasonCode.Success;
  }
  // During an enhanced authentication only AUTH and DISCONNECT are allowed. [MQTT-3.1.2-30]
  if (type === PacketType.Auth) return onAuth(connection, framer);
  if (type === PacketType.Disconnect) {
    connection.close({ ...CLIENT_CLOSED, reason: 'the client gave up its authentication' });
    return ReasonCode.Success;
  }
  connection.fail(ReasonCode.ProtocolError, 'only AUTH may follow before CONNACK (MQTT-3.1.2-30)');
  return ReasonCode.Success;
}

/** PUBACK, PUBREC and PUBCOMP: the client's answers to our PUBLISH. */
function dispatchAck(
  connection: Connection,
  session: Session,
  framer: Framer,
  type: 4 | 5 | 7,
): ReasonCode {
  const { bytes, start, end } = framer;
  let reasonCode: number = ReasonCode.Success;
  // the short form: success
  const isShort = end - start === 2 && (framer.header & 15) === 0;
  let packetId = isShort ? (bytes[start] << 8) | bytes[start + 1] : 0;
  if (packetId === 0) {
    const { limits } = connection.context;
    const packet = decodeAck(framer.header, bytes, start, end, connection.version, limits);
    packetId = packet.packetId;
    reasonCode = packet.reasonCode;
  }
  const nowMs = connection.lastReceivedMs;
  switch (type) {
    case PacketType.Puback:
      return session.outbound.onPuback(packetId, reasonCode, nowMs);
    case PacketType.Pubrec:
      return session.outbound.onPubrec(packetId, reasonCode, nowMs);
    case PacketType.Pubcomp:
      return session.outbound.onPubcomp(packetId, nowMs);
  }
}
