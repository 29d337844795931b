// PINGREQ and PINGRESP (§3.12, §3.13): two bytes each, always the same.

import { PacketType, type PingreqPacket, type PingrespPacket } from '../packet.ts';
import { malformed } from '../primitives.ts';
import { checkFixedFlags } from './fixed-header.ts';

const PINGREQ: PingreqPacket = Object.freeze({ type: PacketType.Pingreq });
const PINGRESP: PingrespPacket = Object.freeze({ type: PacketType.Pingresp });

/** Checks that a PINGREQ is empty. Throws ProtocolError. */
export function decodePingreq(
  header: number,
  _bytes: Uint8Array,
  start: number,
  end: number,
): PingreqPacket {
  checkFixedFlags('PINGREQ', header, 0);
  if (start < end) throw malformed('§3.12.1', 'PINGREQ has a body');
  return PINGREQ;
}

/** Checks that a PINGRESP is empty. Throws ProtocolError. */
export function decodePingresp(
  header: number,
  _bytes: Uint8Array,
  start: number,
  end: number,
): PingrespPacket {
  checkFixedFlags('PINGRESP', header, 0);
  if (start < end) throw malformed('§3.13.1', 'PINGRESP has a body');
  return PINGRESP;
}

/** The packet's bytes. */
export function encodePing(packet: PingreqPacket | PingrespPacket): Uint8Array {
  return Uint8Array.of(packet.type << 4, 0);
}
