// UNSUBACK (§3.11): in v5 one code for each filter of the UNSUBSCRIBE, in its order; in v3 the packet identifier alone.

import { type DecodeLimits, NO_LIMITS } from '../decode-limits.ts';
import { PacketType, type ProtocolVersion, type UnsubackPacket } from '../packet.ts';
import { protocolError, Reader, unencodable, Writer } from '../primitives.ts';
import { NO_PROPERTIES, readProperties, writeProperties } from '../properties.ts';
import { isLegalReasonCode } from '../reason-code-table.ts';
import { checkFixedFlags } from './fixed-header.ts';

/** Reads the body of an UNSUBACK. Throws ProtocolError. */
export function decodeUnsuback(
  header: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: ProtocolVersion,
  limits: DecodeLimits = NO_LIMITS,
): UnsubackPacket {
  checkFixedFlags('UNSUBACK', header, 0);
  const reader = new Reader('UNSUBACK', bytes, start, end);
  const packetId = reader.packetId();
  if (version !== 5) {
    reader.finish();
    return { type: PacketType.Unsuback, packetId, reasonCodes: [], properties: NO_PROPERTIES };
  }
  const properties = readProperties(reader, PacketType.Unsuback, limits);
  const reasonCodes = [...reader.rest()];
  if (reasonCodes.length === 0) throw protocolError('§3.11.3', 'UNSUBACK has no reason code');
  for (const code of reasonCodes) {
    if (!isLegalReasonCode(PacketType.Unsuback, code)) {
      throw protocolError('MQTT-3.11.3-2', `UNSUBACK has no code ${code}`);
    }
  }
  return { type: PacketType.Unsuback, packetId, reasonCodes, properties };
}

/** The packet's bytes; v3 leaves reason codes and properties out. Throws RangeError. */
export function encodeUnsuback(packet: UnsubackPacket, version: ProtocolVersion): Uint8Array {
  const { packetId, reasonCodes, properties } = packet;
  const writer = new Writer(reasonCodes.length + 16);
  writer.packetId(packetId);
  if (version === 5) {
    if (reasonCodes.length === 0) unencodable('UNSUBACK has no reason code');
    writeProperties(writer, PacketType.Unsuback, properties);
    for (const code of reasonCodes) {
      if (!isLegalReasonCode(PacketType.Unsuback, code)) {
        unencodable(`UNSUBACK has no code ${code}`); // [MQTT-3.11.3-2]
      }
      writer.byte(code);
    }
  }
  return writer.finish(PacketType.Unsuback << 4);
}
