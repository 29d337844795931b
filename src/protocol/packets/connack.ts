// CONNACK (§3.2): the server's answer to CONNECT.

import { type DecodeLimits, NO_LIMITS } from '../decode-limits.ts';
import { type ConnackPacket, PacketType, type ProtocolVersion } from '../packet.ts';
import { malformed, protocolError, Reader, unencodable, Writer } from '../primitives.ts';
import { NO_PROPERTIES, readProperties, writeProperties } from '../properties.ts';
import { isLegalReasonCode } from '../reason-code-table.ts';
import { checkFixedFlags } from './fixed-header.ts';

/** The largest return code of MQTT 3.x. 3.1.1 §3.2.2.3 */
const RETURN_CODE_MAX = 5;

/** Reads the body of a CONNACK. Throws ProtocolError. */
export function decodeConnack(
  header: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: ProtocolVersion,
  limits: DecodeLimits = NO_LIMITS,
): ConnackPacket {
  checkFixedFlags('CONNACK', header, 0);
  const reader = new Reader('CONNACK', bytes, start, end);
  const acknowledge = reader.byte('the Connect Acknowledge Flags', '§3.2.2.1');
  if (version !== 3 && acknowledge > 1) {
    throw malformed('MQTT-3.2.2-1', 'CONNACK has reserved flags set');
  }
  const sessionPresent = version !== 3 && acknowledge === 1; // 3.1 does not use the byte
  const reasonCode = reader.byte('the Connect Reason Code', '§3.2.2.2');
  if (!isKnown(reasonCode, version)) {
    throw protocolError('MQTT-3.2.2-8', `CONNACK has no code ${reasonCode}`);
  }
  if (sessionPresent && reasonCode !== 0) {
    throw protocolError('MQTT-3.2.2-6', 'CONNACK refuses and has Session Present set');
  }
  const properties =
    version === 5 ? readProperties(reader, PacketType.Connack, limits) : NO_PROPERTIES;
  reader.finish();
  return { type: PacketType.Connack, sessionPresent, reasonCode, properties };
}

function isKnown(code: number, version: ProtocolVersion): boolean {
  return version === 5 ? isLegalReasonCode(PacketType.Connack, code) : code <= RETURN_CODE_MAX;
}

/** The packet's bytes; in v3 `reasonCode` is a return code and properties are left out. Throws RangeError. */
export function encodeConnack(packet: ConnackPacket, version: ProtocolVersion): Uint8Array {
  const { sessionPresent, reasonCode } = packet;
  if (!isKnown(reasonCode, version)) unencodable(`CONNACK has no code ${reasonCode}`);
  if (sessionPresent && reasonCode !== 0) {
    unencodable('a CONNACK that refuses has no session present'); // [MQTT-3.2.2-6]
  }
  const writer = new Writer();
  writer.byte(sessionPresent && version !== 3 ? 1 : 0);
  writer.byte(reasonCode);
  if (version === 5) writeProperties(writer, PacketType.Connack, packet.properties);
  return writer.finish(PacketType.Connack << 4);
}
