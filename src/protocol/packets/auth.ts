// AUTH (§3.15): enhanced authentication, v5 only. Whether the Authentication Method is the one that CONNECT named is the
// session's business.

import { type DecodeLimits, NO_LIMITS } from '../decode-limits.ts';
import { type AuthPacket, PacketType, type ProtocolVersion } from '../packet.ts';
import { malformed, protocolError, Reader, unencodable, Writer } from '../primitives.ts';
import { hasProperties, NO_PROPERTIES, readProperties, writeProperties } from '../properties.ts';
import { ReasonCode } from '../reason-code.ts';
import { isLegalReasonCode } from '../reason-code-table.ts';
import { checkFixedFlags } from './fixed-header.ts';

/** Reads the body of an AUTH. Throws ProtocolError. */
export function decodeAuth(
  header: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: ProtocolVersion,
  limits: DecodeLimits = NO_LIMITS,
): AuthPacket {
  if (version !== 5) throw malformed('§2.1.2', 'packet type 15 is reserved before MQTT 5');
  checkFixedFlags('AUTH', header, 0, version, 'MQTT-3.15.1-1');
  const reader = new Reader('AUTH', bytes, start, end);
  if (reader.remaining === 0) {
    return { type: PacketType.Auth, reasonCode: ReasonCode.Success, properties: NO_PROPERTIES };
  }
  const reasonCode = reader.byte('the Authenticate Reason Code', '§3.15.2.1');
  if (!isLegalReasonCode(PacketType.Auth, reasonCode)) {
    throw protocolError('MQTT-3.15.2-1', `AUTH has no reason code ${reasonCode}`);
  }
  const properties = readProperties(reader, PacketType.Auth, limits);
  reader.finish();
  if (!isAllowed(reasonCode, properties.authenticationMethod)) {
    throw protocolError('§3.15.2.2.2', 'AUTH has no Authentication Method');
  }
  return { type: PacketType.Auth, reasonCode, properties };
}

/** The method may only be missing where the whole body may: at Success. MQTT 5 §3.15.2.2.2 */
function isAllowed(reasonCode: ReasonCode, authenticationMethod: string | undefined): boolean {
  return reasonCode === ReasonCode.Success || authenticationMethod !== undefined;
}

/** The packet's bytes in their shortest form. Throws RangeError, also for any version but 5. */
export function encodeAuth(packet: AuthPacket, version: ProtocolVersion): Uint8Array {
  const { reasonCode, properties } = packet;
  if (version !== 5) unencodable('only MQTT 5 has AUTH');
  if (!isLegalReasonCode(PacketType.Auth, reasonCode)) {
    unencodable(`AUTH has no reason code ${reasonCode}`);
  }
  if (!isAllowed(reasonCode, properties.authenticationMethod)) {
    unencodable('AUTH needs an authenticationMethod');
  }
  const writer = new Writer();
  if (hasProperties(properties) || reasonCode !== ReasonCode.Success) {
    writer.byte(reasonCode);
    writeProperties(writer, PacketType.Auth, properties);
  }
  return writer.finish(PacketType.Auth << 4);
}
