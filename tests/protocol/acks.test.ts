import { describe, expect, it } from 'vitest';
import { encodePacket, writeAck, writeAckWithReason } from '../../src/protocol/encoder.ts';
import { type AckPacket, PacketType } from '../../src/protocol/packet.ts';
import { decode, expectBothWays, hex, refused, toHex } from './support.ts';

const TYPES = [
  ['PUBACK', PacketType.Puback, '40', 0x97, 'MQTT-3.4.2-1'],
  ['PUBREC', PacketType.Pubrec, '50', 0x97, 'MQTT-3.5.2-1'],
  ['PUBREL', PacketType.Pubrel, '62', 0x92, 'MQTT-3.6.2-1'],
  ['PUBCOMP', PacketType.Pubcomp, '70', 0x92, 'MQTT-3.7.2-1'],
] as const;

describe.each(TYPES)('%s', (_name, type, first, failure, codeClause) => {
  const ack = (more: Partial<AckPacket> = {}): AckPacket => ({
    type,
    packetId: 258,
    reasonCode: 0,
    properties: {},
    ...more,
  });

  it('is two bytes of packet identifier when it says nothing else [MQTT-2.2.1-5]', () => {
    const bytes = hex(first, '02', '01 02');
    for (const version of [3, 4, 5] as const) expectBothWays(ack(), bytes, { version });
  });

  it('may stop behind its reason code', () => {
    const bytes = hex(first, '03', '01 02', failure.toString(16));
    expectBothWays(ack({ reasonCode: failure }), bytes);
    expect(decode(hex(first, '03', '01 02', '00'))).toEqual(ack());
    expect(decode(hex(first, '04', '01 02', '00', '00'))).toEqual(ack());
  });

  it('carries a reason string and user properties', () => {
    const bytes = hex(
      first, // type and flags
      '10', // Remaining Length
      '01 02', // Packet Identifier
      failure.toString(16), // Reason Code
      '0c', // Property Length
      '1f 00 02 6e 6f', // Reason String
      '26 00 01 6b 00 01 76', // User Property
    );
    const properties = { reasonString: 'no', userProperties: [['k', 'v']] as const };
    expectBothWays(ack({ reasonCode: failure, properties }), bytes);
  });

  it('leaves reason and properties out before version 5', () => {
    const packet = ack({ reasonCode: failure, properties: { reasonString: 'no' } });
    expect(toHex(encodePacket(packet, 4))).toBe(`${first} 02 01 02`);
    expect(refused(hex(first, '03', '01 02', '00'), { version: 4 })).toBe('0x81 §2.1.4');
  });

  it(`is refused for a reason code that is not in its table [${codeClause}]`, () => {
    expect(refused(hex(first, '03', '01 02', '01'))).toBe(`0x82 ${codeClause}`);
    expect(() => encodePacket(ack({ reasonCode: 0x8d }), 5)).toThrow(RangeError);
  });

  it('is refused without a packet identifier, and for 0 [MQTT-2.2.1-3]', () => {
    expect(refused(hex(first, '00'))).toBe('0x81 §2.2.1');
    expect(refused(hex(first, '01', '01'))).toBe('0x81 §2.2.1');
    expect(refused(hex(first, '02', '00 00'))).toBe('0x81 MQTT-2.2.1-3');
    expect(() => encodePacket(ack({ packetId: 0 }), 5)).toThrow(RangeError);
  });

  it('is refused for bytes too many', () => {
    expect(refused(hex(first, '05', '01 02', '00', '00', '00'))).toBe('0x81 §2.1.4');
  });

  it('is written for the hot path without an allocation', () => {
    const target = new Uint8Array(8);
    expect(writeAck(target, 1, type, 258)).toBe(5);
    expect(toHex(target)).toBe(`00 ${first} 02 01 02 00 00 00`);
    expect(writeAckWithReason(target, 2, type, 65_535, failure)).toBe(7);
    expect(toHex(target.subarray(2))).toBe(`${first} 03 ff ff ${failure.toString(16)} 00`);
    expect(decode(target.slice(2, 7))).toEqual(ack({ packetId: 65_535, reasonCode: failure }));
  });
});

describe('the header flags of acknowledgements', () => {
  it('are 0000 but for PUBREL [MQTT-2.1.3-1]', () => {
    for (const first of ['41', '52', '78']) {
      expect(refused(hex(first, '02', '01 02'))).toBe('0x81 MQTT-2.1.3-1');
    }
  });

  it('are 0010 in PUBREL [MQTT-3.6.1-1]', () => {
    for (const first of ['60', '63', '66', '6a']) {
      expect(refused(hex(first, '02', '01 02'), { version: 4 })).toBe('0x81 MQTT-3.6.1-1');
    }
  });

  it('may hold DUP in a PUBREL of 3.1, and nowhere else', () => {
    expect(refused(hex('48', '02', '01 02'), { version: 3 })).toBe('0x81 MQTT-2.1.3-1');
    expect(refused(hex('e8', '00'), { version: 3 })).toBe('0x81 MQTT-3.14.1-1');
    expect(refused(hex('6a', '02', '01 02'), { version: 3 })).toBe('accepted');
    expect(refused(hex('68', '02', '01 02'), { version: 3 })).toBe('0x81 MQTT-3.6.1-1');
  });
});
