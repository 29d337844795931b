// DISCONNECT (§3.14): empty in v3; in v5 from either side, and everything in it may be left out.

import { type DecodeLimits, NO_LIMITS, type Role } from '../decode-limits.ts';
import { type DisconnectPacket, PacketType, type ProtocolVersion } from '../packet.ts';
import { protocolError, Reader, unencodable, Writer } from '../primitives.ts';
import { hasProperties, NO_PROPERTIES, readProperties, writeProperties } from '../properties.ts';
import { ReasonCode } from '../reason-code.ts';
import { isLegalReasonCode } from '../reason-code-table.ts';
import { checkFixedFlags } from './fixed-header.ts';

/** Reads the body of a DISCONNECT as `role` receives it. Throws ProtocolError. */
export function decodeDisconnect(
  header: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: ProtocolVersion,
  limits: DecodeLimits = NO_LIMITS,
  role: Role = 'server',
): DisconnectPacket {
  checkFixedFlags('DISCONNECT', header, 0, version, 'MQTT-3.14.1-1');
  const reader = new Reader('DISCONNECT', bytes, start, end);
  if (version !== 5 || reader.remaining === 0) {
    reader.finish();
    return {
      type: PacketType.Disconnect,
      reasonCode: ReasonCode.NormalDisconnection,
      properties: NO_PROPERTIES,
    };
  }
  const reasonCode = reader.byte('the Reason Code', '§3.14.2.1');
  if (!isLegalReasonCode(PacketType.Disconnect, reasonCode)) {
    throw protocolError('MQTT-3.14.2-1', `DISCONNECT has no reason code ${reasonCode}`);
  }
  const properties =
    reader.remaining === 0 ? NO_PROPERTIES : readProperties(reader, PacketType.Disconnect, limits);
  if (role === 'client' && properties.sessionExpiryInterval !== undefined) {
    throw protocolError('MQTT-3.14.2-2', 'a server’s DISCONNECT has a Session Expiry Interval');
  }
  reader.finish();
  return { type: PacketType.Disconnect, reasonCode, properties };
}

/** The packet's bytes in their shortest form; v3 leaves reason code and properties out. Throws RangeError. */
export function encodeDisconnect(packet: DisconnectPacket, version: ProtocolVersion): Uint8Array {
  const { reasonCode, properties } = packet;
  const writer = new Writer();
  if (version === 5) {
    if (!isLegalReasonCode(PacketType.Disconnect, reasonCode)) {
      unencodable(`DISCONNECT has no reason code ${reasonCode}`);
    }
    const withProperties = hasProperties(properties);
    if (withProperties || reasonCode !== ReasonCode.NormalDisconnection) writer.byte(reasonCode);
    if (withProperties) writeProperties(writer, PacketType.Disconnect, properties);
  }
  return writer.finish(PacketType.Disconnect << 4);
}
