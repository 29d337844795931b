// PINGREQ. MQTT 5 §3.12.

import { PINGRESP } from '../../protocol/encoder.ts';
import type { Framer } from '../../protocol/framer.ts';
import { PacketType } from '../../protocol/packet.ts';
import { decodePingreq } from '../../protocol/packets/ping.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Connection } from '../connection.ts';

/** [MQTT-3.12.4-1] */
export function onPingreq(connection: Connection, framer: Framer): ReasonCode {
  decodePingreq(framer.header, framer.bytes, framer.start, framer.end);
  connection.context.metrics.packetsSent[PacketType.Pingresp]++;
  connection.writer.append(PINGRESP);
  return ReasonCode.Success;
}
