// PUBREL: the client releases an inbound QoS 2 message; its packet id is free from here on. MQTT 5 §4.3.3.

import type { Framer } from '../../protocol/framer.ts';
import { PacketType } from '../../protocol/packet.ts';
import { decodeAck } from '../../protocol/packets/acks.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Connection } from '../connection.ts';
import type { Session } from '../session.ts';

export function onPubrel(connection: Connection, session: Session, framer: Framer): ReasonCode {
  const { bytes, start, end, header } = framer;
  const isShort = end - start === 2 && (header & 15) === 2;
  let packetId = isShort ? (bytes[start] << 8) | bytes[start + 1] : 0;
  if (packetId === 0) {
    const { limits } = connection.context;
    const { version } = connection;
    packetId = decodeAck(header, bytes, start, end, version, limits).packetId;
  }
  const isKnown = session.removeInboundPacketId(packetId); // [MQTT-4.3.3-12]
  connection.writer.sendAck(
    PacketType.Pubcomp, // [MQTT-4.3.3-11]
    packetId,
    isKnown ? ReasonCode.Success : ReasonCode.PacketIdentifierNotFound,
    isKnown ? session.record.commit : 0,
    true, // the client counts every PUBCOMP, whatever its reason code. §4.9
  );
  return ReasonCode.Success;
}
