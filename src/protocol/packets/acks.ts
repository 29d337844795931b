// PUBACK, PUBREC, PUBREL and PUBCOMP (§3.4 to §3.7): four packets of one shape. Reason code and properties are left out where
// they say nothing, as most peers do.

import { type DecodeLimits, NO_LIMITS } from '../decode-limits.ts';
import { type AckPacket, PacketType, type ProtocolVersion } from '../packet.ts';
import { protocolError, Reader, unencodable, Writer } from '../primitives.ts';
import { hasProperties, NO_PROPERTIES, readProperties, writeProperties } from '../properties.ts';
import { ReasonCode } from '../reason-code.ts';
import { isLegalReasonCode } from '../reason-code-table.ts';
import { checkFixedFlags } from './fixed-header.ts';

/** The four types of acknowledgement. */
export type AckType = AckPacket['type'];

const NAMES = { 4: 'PUBACK', 5: 'PUBREC', 6: 'PUBREL', 7: 'PUBCOMP' } as const;
/** The statement that an unlisted reason code breaks. */
const CODE_CLAUSES = {
  4: 'MQTT-3.4.2-1',
  5: 'MQTT-3.5.2-1',
  6: 'MQTT-3.6.2-1',
  7: 'MQTT-3.7.2-1',
} as const;

/** Reads the body of the acknowledgement whose first byte is `header`. Throws ProtocolError. */
export function decodeAck(
  header: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: ProtocolVersion,
  limits: DecodeLimits = NO_LIMITS,
): AckPacket {
  const type = (header >> 4) as AckType; // who calls has looked
  const name = NAMES[type];
  if (type === PacketType.Pubrel) checkFixedFlags(name, header, 2, version, 'MQTT-3.6.1-1');
  else checkFixedFlags(name, header, 0);
  const reader = new Reader(name, bytes, start, end);
  const packetId = reader.packetId();
  if (version !== 5 || reader.remaining === 0) {
    reader.finish();
    return { type, packetId, reasonCode: ReasonCode.Success, properties: NO_PROPERTIES };
  }
  const reasonCode = reader.byte('the Reason Code', '§3.4.2.1');
  if (!isLegalReasonCode(type, reasonCode)) {
    throw protocolError(CODE_CLAUSES[type], `${name} has no reason code ${reasonCode}`);
  }
  const properties = reader.remaining === 0 ? NO_PROPERTIES : readProperties(reader, type, limits);
  reader.finish();
  return { type, packetId, reasonCode, properties };
}

/** The packet's bytes in their shortest form; v3 leaves reason code and properties out. Throws RangeError. */
export function encodeAck(packet: AckPacket, version: ProtocolVersion): Uint8Array {
  const { type, packetId, reasonCode, properties } = packet;
  const writer = new Writer(hasProperties(properties) ? 64 : 4);
  writer.packetId(packetId);
  if (version === 5) {
    if (!isLegalReasonCode(type, reasonCode)) {
      unencodable(`${NAMES[type]} has no reason code ${reasonCode}`);
    }
    const withProperties = hasProperties(properties);
    if (withProperties || reasonCode !== ReasonCode.Success) writer.byte(reasonCode);
    if (withProperties) writeProperties(writer, type, properties);
  }
  return writer.finish((type << 4) | (type === PacketType.Pubrel ? 2 : 0));
}
