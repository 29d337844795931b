// What the tests of the wire codec share: literal hex to bytes, one packet in, and the error of a refused one.

import { expect } from 'vitest';
import { type DecodeLimits, NO_LIMITS, type Role } from '../../src/protocol/decode-limits.ts';
import { decodePacket } from '../../src/protocol/decoder.ts';
import { encodePacket } from '../../src/protocol/encoder.ts';
import { Framer } from '../../src/protocol/framer.ts';
import type { Packet, ProtocolVersion } from '../../src/protocol/packet.ts';
import { ProtocolError } from '../../src/protocol/protocol-error.ts';

/** Bytes from hex; blanks do not matter, so that every field can stand on a line of its own. */
export function hex(...parts: readonly string[]): Uint8Array {
  const digits = parts.join('').replaceAll(/\s/g, '');
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex: ${digits}`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function toHex(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null';
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

export interface DecodeOptions {
  readonly version?: ProtocolVersion;
  readonly role?: Role;
  readonly limits?: Partial<DecodeLimits>;
}

/** The one packet in `bytes`. */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): Packet {
  const framer = new Framer(Number.POSITIVE_INFINITY);
  framer.feed(bytes, 0, bytes.length);
  expect(framer.next(), 'the bytes are a whole packet').toBe(true);
  const packet = decodePacket(
    framer.header,
    framer.bytes,
    framer.start,
    framer.end,
    options.version ?? 5,
    { ...NO_LIMITS, ...options.limits },
    options.role ?? 'server',
  );
  expect(framer.hasMore, 'nothing follows the packet').toBe(false);
  return packet;
}

/** Reason code and clause, as `0x81 MQTT-2.1.3-1`, of the ProtocolError that `action` throws. */
export function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    expect(error.message).not.toBe('');
    return `0x${error.reasonCode.toString(16)} ${error.clause}`;
  }
  return 'accepted';
}

/** How the packet in `bytes` is refused; see `refusal`. */
export function refused(bytes: Uint8Array, options: DecodeOptions = {}): string {
  return refusal(() => decode(bytes, options));
}

/** Expects `packet` to be written as `bytes` and read from them. */
export function expectBothWays(
  packet: Packet,
  bytes: Uint8Array,
  options: DecodeOptions = {},
): void {
  expect(toHex(encodePacket(packet, options.version ?? 5))).toBe(toHex(bytes));
  expect(decode(bytes, options)).toEqual(packet);
}
