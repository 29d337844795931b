// DISCONNECT, AUTH, PINGREQ and PINGRESP: the packets that say little or nothing.

import { describe, expect, it } from 'vitest';
import { encodePacket, PINGRESP } from '../../src/protocol/encoder.ts';
import { type AuthPacket, type DisconnectPacket, PacketType } from '../../src/protocol/packet.ts';
import { decode, expectBothWays, hex, refused, toHex } from './support.ts';

const client = { role: 'client' } as const;

describe('DISCONNECT', () => {
  const disconnect = (more: Partial<DisconnectPacket> = {}): DisconnectPacket => ({
    type: PacketType.Disconnect,
    reasonCode: 0,
    properties: {},
    ...more,
  });

  it('without a body is a normal disconnection in each version', () => {
    for (const version of [3, 4, 5] as const) {
      expectBothWays(disconnect(), hex('e0 00'), { version });
    }
  });

  it('may stop behind its reason code', () => {
    expectBothWays(disconnect({ reasonCode: 0x8e }), hex('e0 01', '8e'), client);
    expect(decode(hex('e0 01', '00'))).toEqual(disconnect());
    expect(decode(hex('e0 02', '00', '00'))).toEqual(disconnect());
  });

  it('carries properties', () => {
    const bytes = hex(
      'e0', // DISCONNECT
      '07', // Remaining Length
      '04', // Disconnect with Will Message
      '05', // Property Length
      '11 00 00 00 0a', // Session Expiry Interval
    );
    const properties = { sessionExpiryInterval: 10 };
    expectBothWays(disconnect({ reasonCode: 4, properties }), bytes);
    expect(refused(bytes, client)).toBe('0x82 MQTT-3.14.2-2');
  });

  it('leaves everything out before version 5', () => {
    expect(toHex(encodePacket(disconnect({ reasonCode: 0x8e }), 4))).toBe('e0 00');
    expect(refused(hex('e0 01', '00'), { version: 4 })).toBe('0x81 §2.1.4');
  });

  it.each([
    ['header flags [MQTT-3.14.1-1]', 'e1 00', '0x81 MQTT-3.14.1-1'],
    ['an unlisted reason code [MQTT-3.14.2-1]', 'e0 01 86', '0x82 MQTT-3.14.2-1'],
    ['bytes too many', 'e0 03 00 00 00', '0x81 §2.1.4'],
  ])('is refused for %s', (_name, digits, expected) => {
    expect(refused(hex(digits))).toBe(expected);
  });

  it('is not written with an unlisted reason code', () => {
    expect(() => encodePacket(disconnect({ reasonCode: 0x86 }), 5)).toThrow(RangeError);
  });
});

describe('AUTH', () => {
  const auth = (more: Partial<AuthPacket> = {}): AuthPacket => ({
    type: PacketType.Auth,
    reasonCode: 0,
    properties: {},
    ...more,
  });

  it('without a body is a success', () => {
    expectBothWays(auth(), hex('f0 00'));
    expect(decode(hex('f0 02', '00', '00'))).toEqual(auth());
  });

  it('carries method and data', () => {
    const bytes = hex(
      'f0', // AUTH
      '0a', // Remaining Length
      '18', // Continue authentication
      '08', // Property Length
      '15 00 01 6d', // Authentication Method
      '16 00 01 ff', // Authentication Data
    );
    const properties = { authenticationMethod: 'm', authenticationData: hex('ff') };
    expectBothWays(auth({ reasonCode: 0x18, properties }), bytes);
  });

  it.each([
    ['header flags [MQTT-3.15.1-1]', 'f1 00', '0x81 MQTT-3.15.1-1'],
    ['an unlisted reason code [MQTT-3.15.2-1]', 'f0 02 01 00', '0x82 MQTT-3.15.2-1'],
    ['data without a method', 'f0 06 18 04 16 00 01 ff', '0x82 §3.1.2.11.10'],
    ['no method', 'f0 02 18 00', '0x82 §3.15.2.2.2'],
    ['no property length [MQTT-2.2.2-1]', 'f0 01 00', '0x81 MQTT-2.2.2-1'],
  ])('is refused for %s', (_name, digits, expected) => {
    expect(refused(hex(digits))).toBe(expected);
  });

  it('does not exist before version 5', () => {
    expect(refused(hex('f0 00'), { version: 4 })).toBe('0x81 §2.1.2');
    expect(() => encodePacket(auth(), 4)).toThrow(RangeError);
  });

  it('is not written with what cannot be said', () => {
    expect(() => encodePacket(auth({ reasonCode: 0x18 }), 5)).toThrow(RangeError);
    expect(() => encodePacket(auth({ reasonCode: 0x01 }), 5)).toThrow(RangeError);
    const properties = { authenticationData: hex('ff') };
    expect(() => encodePacket(auth({ properties }), 5)).toThrow(RangeError);
  });
});

describe('PINGREQ and PINGRESP', () => {
  it('are two bytes', () => {
    for (const version of [3, 4, 5] as const) {
      expectBothWays({ type: PacketType.Pingreq }, hex('c0 00'), { version });
      expectBothWays({ type: PacketType.Pingresp }, hex('d0 00'), { ...client, version });
    }
    expect(toHex(PINGRESP)).toBe('d0 00');
  });

  it('are refused for header flags [MQTT-2.1.3-1] and for a body', () => {
    expect(refused(hex('c1 00'))).toBe('0x81 MQTT-2.1.3-1');
    expect(refused(hex('c0 01 00'))).toBe('0x81 §3.12.1');
    expect(refused(hex('d2 00'), client)).toBe('0x81 MQTT-2.1.3-1');
    expect(refused(hex('d0 01 00'), client)).toBe('0x81 §3.13.1');
  });
});

describe('packet types', () => {
  it('0 is reserved', () => {
    expect(refused(hex('00 00'))).toBe('0x81 §2.1.2');
  });

  it('are refused by those who cannot receive them', () => {
    for (const first of ['20', '90', 'b0', 'd0']) {
      expect(refused(hex(first, '00'))).toBe('0x82 §2.1.2');
    }
    for (const first of ['10', '82', 'a2', 'c0']) {
      expect(refused(hex(first, '00'), client)).toBe('0x82 §2.1.2');
    }
  });
});
