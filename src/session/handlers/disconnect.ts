// DISCONNECT from the client: it says whether its will is to be published, and may shorten or prolong its session.
// MQTT 5 §3.14.

import type { Framer } from '../../protocol/framer.ts';
import { decodeDisconnect } from '../../protocol/packets/disconnect.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Connection } from '../connection.ts';
import type { Session } from '../session.ts';

export function onDisconnect(connection: Connection, session: Session, framer: Framer): ReasonCode {
  const { limits } = connection.context;
  const { header, bytes, start, end } = framer;
  const packet = decodeDisconnect(header, bytes, start, end, connection.version, limits);
  const requested = packet.properties.sessionExpiryInterval;
  if (requested !== undefined) {
    const granted = Math.min(requested, limits.sessionExpiryMax);
    // Zero in CONNECT cannot be prolonged. §3.14.2.2.2
    if (session.expiryInterval === 0 && granted !== 0) return ReasonCode.ProtocolError;
    session.changeExpiry(granted);
  }
  const isNormal = packet.reasonCode === ReasonCode.NormalDisconnection;
  const ending = {
    side: 'client',
    reasonCode: packet.reasonCode,
    reason: 'the client disconnected',
    said: packet.properties.reasonString,
  } as const;
  connection.close(ending, !isNormal); // [MQTT-3.14.4-3]
  return ReasonCode.Success;
}
