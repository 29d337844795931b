import { describe, expect, it } from 'vitest';
import { encodePacket } from '../../src/protocol/encoder.ts';
import { type ConnackPacket, PacketType } from '../../src/protocol/packet.ts';
import { decode, expectBothWays, hex, refused, toHex } from './support.ts';

const client = { role: 'client' } as const;

function connack(reasonCode: number, more: Partial<ConnackPacket> = {}): ConnackPacket {
  return { type: PacketType.Connack, sessionPresent: false, reasonCode, properties: {}, ...more };
}

describe('CONNACK', () => {
  it('is read and written in each version', () => {
    expectBothWays(connack(0), hex('20', '02', '00', '00'), { ...client, version: 3 });
    expectBothWays(connack(5), hex('20', '02', '00', '05'), { ...client, version: 4 });
    expectBothWays(connack(0x87), hex('20', '03', '00', '87', '00'), client);
  });

  it('tells whether a session is present, but not in 3.1 [MQTT-3.2.2-3]', () => {
    const present = connack(0, { sessionPresent: true });
    expectBothWays(present, hex('20', '03', '01', '00', '00'), client);
    expectBothWays(present, hex('20', '02', '01', '00'), { ...client, version: 4 });
    expect(toHex(encodePacket(present, 3))).toBe('20 02 00 00');
    expect(decode(hex('20', '02', '01', '00'), { ...client, version: 3 })).toEqual(connack(0));
  });

  it('has a property length even without properties [MQTT-2.2.2-1]', () => {
    expect(toHex(encodePacket(connack(0), 5))).toBe('20 03 00 00 00');
    expect(refused(hex('20', '02', '00', '00'), client)).toBe('0x81 MQTT-2.2.2-1');
  });

  it.each([
    ['reserved flags [MQTT-3.2.2-1]', hex('20 03 02 00 00'), '0x81 MQTT-3.2.2-1'],
    ['a session although it refuses [MQTT-3.2.2-6]', hex('20 03 01 87 00'), '0x82 MQTT-3.2.2-6'],
    ['an unlisted code [MQTT-3.2.2-8]', hex('20 03 00 8b 00'), '0x82 MQTT-3.2.2-8'],
    ['header flags [MQTT-2.1.3-1]', hex('21 03 00 00 00'), '0x81 MQTT-2.1.3-1'],
    ['bytes too many', hex('20 04 00 00 00 00'), '0x81 §2.1.4'],
    ['no reason code', hex('20 01 00'), '0x81 §3.2.2.2'],
    ['no body', hex('20 00'), '0x81 §3.2.2.1'],
  ])('is refused for %s', (_name, bytes, expected) => {
    expect(refused(bytes, client)).toBe(expected);
  });

  it('of 3.1.1 knows the return codes 0 to 5', () => {
    const v4 = { ...client, version: 4 } as const;
    expect(refused(hex('20 02 00 05'), v4)).toBe('accepted');
    expect(refused(hex('20 02 00 06'), v4)).toBe('0x82 MQTT-3.2.2-8');
    expect(refused(hex('20 02 02 00'), v4)).toBe('0x81 MQTT-3.2.2-1');
    expect(refused(hex('20 03 00 00 00'), v4)).toBe('0x81 §2.1.4');
  });

  it('is not written with what cannot be said', () => {
    const refusedWithSession = connack(0x87, { sessionPresent: true });
    expect(() => encodePacket(refusedWithSession, 5)).toThrow(RangeError);
    expect(() => encodePacket(connack(0x8b), 5)).toThrow(RangeError);
    expect(() => encodePacket(connack(0x87), 4)).toThrow(RangeError);
  });

  it('is not for a server to receive', () => {
    expect(refused(hex('20 03 00 00 00'))).toBe('0x82 §2.1.2');
  });
});
