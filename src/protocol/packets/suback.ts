// SUBACK (§3.9): one code for each filter of the SUBSCRIBE, in its order.

import { type DecodeLimits, NO_LIMITS } from '../decode-limits.ts';
import { PacketType, type ProtocolVersion, type SubackPacket } from '../packet.ts';
import { protocolError, Reader, unencodable, Writer } from '../primitives.ts';
import { NO_PROPERTIES, readProperties, writeProperties } from '../properties.ts';
import { isLegalReasonCode } from '../reason-code-table.ts';
import { SUBSCRIBE_FAILURE } from '../reason-codes-v3.ts';
import { checkFixedFlags } from './fixed-header.ts';

/** Reads the body of a SUBACK. Throws ProtocolError. */
export function decodeSuback(
  header: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: ProtocolVersion,
  limits: DecodeLimits = NO_LIMITS,
): SubackPacket {
  checkFixedFlags('SUBACK', header, 0);
  const reader = new Reader('SUBACK', bytes, start, end);
  const packetId = reader.packetId();
  const properties =
    version === 5 ? readProperties(reader, PacketType.Suback, limits) : NO_PROPERTIES;
  const reasonCodes = [...reader.rest()];
  if (reasonCodes.length === 0) throw protocolError('§3.9.3', 'SUBACK has no reason code');
  for (const code of reasonCodes) {
    if (!isKnown(code, version)) throw protocolError('MQTT-3.9.3-2', `SUBACK has no code ${code}`);
  }
  return { type: PacketType.Suback, packetId, reasonCodes, properties };
}

function isKnown(code: number, version: ProtocolVersion): boolean {
  if (version === 5) return isLegalReasonCode(PacketType.Suback, code);
  return code <= 2 || code === SUBSCRIBE_FAILURE;
}

/** The packet's bytes; in v3 `reasonCodes` are return codes and properties are left out. Throws RangeError. */
export function encodeSuback(packet: SubackPacket, version: ProtocolVersion): Uint8Array {
  const { packetId, reasonCodes, properties } = packet;
  if (reasonCodes.length === 0) unencodable('SUBACK has no reason code');
  const writer = new Writer(reasonCodes.length + 16);
  writer.packetId(packetId);
  if (version === 5) writeProperties(writer, PacketType.Suback, properties);
  for (const code of reasonCodes) {
    if (!isKnown(code, version)) unencodable(`SUBACK has no code ${code}`); // [MQTT-3.9.3-2]
    writer.byte(code);
  }
  return writer.finish(PacketType.Suback << 4);
}
