import { describe, expect, it } from 'vitest';
import { encodePacket } from '../../src/protocol/encoder.ts';
import {
  type ConnectPacket,
  PacketType,
  type ProtocolVersion,
  type Will,
} from '../../src/protocol/packet.ts';
import { connectVersion, decodeConnect } from '../../src/protocol/packets/connect.ts';
import { decode, expectBothWays, hex, refusal, refused } from './support.ts';

const MQTT = '00 04 4d 51 54 54'; // `MQTT`
const MQISDP = '00 06 4d 51 49 73 64 70'; // `MQIsdp`
const ID = '00 01 63'; // `c`

/** A CONNECT whose body is given; its Remaining Length is below 128. */
function connect(...body: readonly string[]): Uint8Array {
  const bytes = hex(...body);
  return Uint8Array.of(0x10, bytes.length, ...bytes);
}

/** A CONNECT of 3.1.1 with these flags and what follows the client identifier. */
const v4 = (flags: string, ...more: readonly string[]) =>
  connect(MQTT, '04', flags, '00 00', ID, ...more);
const v3 = (flags: string, ...more: readonly string[]) =>
  connect(MQISDP, '03', flags, '00 00', ID, ...more);
const v5 = (flags: string, ...more: readonly string[]) =>
  connect(MQTT, '05', flags, '00 00', '00', ID, ...more);

function packet(
  protocolVersion: ProtocolVersion,
  more: Partial<ConnectPacket> = {},
): ConnectPacket {
  return {
    type: PacketType.Connect,
    protocolVersion,
    isBridge: false,
    cleanStart: true,
    keepAlive: 0,
    clientId: 'c',
    will: null,
    username: null,
    password: null,
    properties: {},
    ...more,
  };
}

const WILL: Will = {
  topicName: 'w',
  payload: hex('01 02'),
  qos: 0,
  retain: false,
  properties: {},
};

describe('CONNECT', () => {
  it('is read and written in each version', () => {
    expectBothWays(packet(3), v3('02'));
    expectBothWays(packet(4), v4('02'));
    expectBothWays(packet(5), v5('02'));
    expectBothWays(packet(4, { cleanStart: false }), v4('00'));
  });

  it('has its fields in order: will, user name, password [MQTT-3.1.3-1]', () => {
    const bytes = hex(
      '10', // CONNECT
      '2b', // Remaining Length
      '00 04 4d 51 54 54', // Protocol Name `MQTT`
      '05', // Protocol Version
      'f6', // user name, password, Will Retain, Will QoS 2, will, Clean Start
      '00 3c', // Keep Alive
      '05', // Property Length
      '11 00 00 00 0a', // Session Expiry Interval
      '00 02 63 31', // Client Identifier
      '05', // Will Property Length
      '18 00 00 00 05', // Will Delay Interval
      '00 03 61 2f 62', // Will Topic
      '00 02 00 ff', // Will Payload
      '00 01 75', // User Name
      '00 03 ff 00 70', // Password
    );
    const expected = packet(5, {
      keepAlive: 60,
      properties: { sessionExpiryInterval: 10 },
      clientId: 'c1',
      will: {
        topicName: 'a/b',
        payload: hex('00 ff'),
        qos: 2,
        retain: true,
        properties: { willDelayInterval: 5 },
      },
      username: 'u',
      password: hex('ff 00 70'),
    });
    expectBothWays(expected, bytes);
  });

  it('may name no client and use empty fields', () => {
    const bytes = connect(MQTT, '04', 'c2', '00 00', '00 00', '00 00', '00 00');
    const expected = packet(4, { clientId: '', username: '', password: hex('') });
    expectBothWays(expected, bytes);
  });

  it.each([
    ['an unknown protocol name [MQTT-3.1.2-1]', connect('00 04 6d 71 74 74', '04'), '-1'],
    ['an empty protocol name [MQTT-3.1.2-1]', connect('00 00', '04'), '-1'],
    ['MQTT with level 3 [MQTT-3.1.2-2]', connect(MQTT, '03'), '-2'],
    ['MQTT with level 6 [MQTT-3.1.2-2]', connect(MQTT, '06'), '-2'],
    ['MQTT with level 0 [MQTT-3.1.2-2]', connect(MQTT, '00'), '-2'],
    ['a bridge of MQTT 5 [MQTT-3.1.2-2]', connect(MQTT, '85'), '-2'],
    ['MQIsdp with level 4 [MQTT-3.1.2-2]', connect(MQISDP, '04'), '-2'],
  ])('is refused for %s', (_name, bytes, clause) => {
    expect(refused(bytes)).toBe(`0x84 MQTT-3.1.2${clause}`);
  });

  it('carries the bridge bit in levels 3 and 4', () => {
    const bridge = { isBridge: true };
    expectBothWays(packet(4, bridge), connect(MQTT, '84', '02', '00 00', ID));
    expectBothWays(packet(3, bridge), connect(MQISDP, '83', '02', '00 00', ID));
    expect(() => encodePacket(packet(5, bridge), 5)).toThrow(RangeError);
  });

  it('is refused for flags in its fixed header [MQTT-2.1.3-1]', () => {
    const bytes = v4('02');
    bytes[0] = 0x11;
    expect(refused(bytes)).toBe('0x81 MQTT-2.1.3-1');
  });

  it.each([
    ['the reserved flag [MQTT-3.1.2-3]', '03', 'MQTT-3.1.2-3'],
    ['Will QoS without a will [MQTT-3.1.2-11]', '0a', 'MQTT-3.1.2-11'],
    ['Will Retain without a will [MQTT-3.1.2-13]', '22', 'MQTT-3.1.2-13'],
  ])('of 3.1.1 and 5.0 is refused for %s; 3.1 does not care', (_name, flags, clause) => {
    expect(refused(v4(flags))).toBe(`0x81 ${clause}`);
    expect(refused(v5(flags))).toBe(`0x81 ${clause}`);
    expect(decode(v3(flags))).toEqual(packet(3));
  });

  it('is refused for Will QoS 3 in every version [MQTT-3.1.2-12]', () => {
    const will = '00 01 77 00 00';
    expect(refused(v3('1e', will))).toBe('0x81 MQTT-3.1.2-12');
    expect(refused(v4('1e', will))).toBe('0x81 MQTT-3.1.2-12');
    expect(refused(v5('1e', '00', will))).toBe('0x81 MQTT-3.1.2-12');
  });

  it('may have a password without a user name in 5.0 only [3.1.1 MQTT-3.1.2-22]', () => {
    expect(refused(v3('42', '00 01 70'))).toBe('0x81 MQTT-3.1.2-22');
    expect(refused(v4('42', '00 01 70'))).toBe('0x81 MQTT-3.1.2-22');
    expectBothWays(packet(5, { password: hex('70') }), v5('42', '00 01 70'));
    expect(() => encodePacket(packet(4, { password: hex('70') }), 4)).toThrow(RangeError);
  });

  it.each([
    ['no will topic [MQTT-3.1.2-9]', v4('06'), 'MQTT-3.1.2-9'],
    ['no will payload [MQTT-3.1.2-9]', v4('06', '00 01 77'), 'MQTT-3.1.2-9'],
    ['no will properties [MQTT-2.2.2-1]', v5('06'), 'MQTT-2.2.2-1'],
    ['a will topic in bad UTF-8 [MQTT-3.1.3-11]', v4('06', '00 01 ff 00 00'), 'MQTT-3.1.3-11'],
    ['no user name [MQTT-3.1.2-17]', v4('82'), 'MQTT-3.1.2-17'],
    ['a user name in bad UTF-8 [MQTT-3.1.3-12]', v4('82', '00 01 ff'), 'MQTT-3.1.3-12'],
    ['U+0000 in the user name [MQTT-1.5.4-2]', v4('82', '00 01 00'), 'MQTT-3.1.3-12'],
    ['no password [MQTT-3.1.2-19]', v4('c2', '00 01 75'), 'MQTT-3.1.2-19'],
    ['half a password [MQTT-3.1.2-19]', v4('c2', '00 01 75', '00 02 70'), 'MQTT-3.1.2-19'],
    ['a user name without its flag [MQTT-3.1.2-16]', v4('02', '00 01 75'), 'MQTT-3.1.2-16'],
    ['a password without its flag [MQTT-3.1.2-18]', v4('82', '00 01 75 00 01 70'), 'MQTT-3.1.2-18'],
    ['bytes behind the password', v4('c2', '00 01 75 00 01 70 00'), '§3.1.3'],
    ['no client identifier [MQTT-3.1.3-3]', connect(MQTT, '04 02 00 00'), 'MQTT-3.1.3-3'],
    [
      'a client identifier in bad UTF-8 [MQTT-3.1.3-4]',
      connect(MQTT, '04 02 00 00', '00 01 c3'),
      'MQTT-3.1.3-4',
    ],
    ['half a client identifier', connect(MQTT, '04 02 00 00', '00 02 63'), 'MQTT-3.1.3-4'],
    ['no property length [MQTT-2.2.2-1]', connect(MQTT, '05 02 00 00'), 'MQTT-2.2.2-1'],
    ['half a keep alive', connect(MQTT, '04 02 00'), '§3.1.2.10'],
    ['no flags', connect(MQTT, '04'), '§3.1.2.3'],
    ['no protocol version', connect(MQTT), '§3.1.2.2'],
    ['no body', connect(), 'MQTT-3.1.2-1'],
  ])('is malformed with %s', (_name, bytes, clause) => {
    expect(refused(bytes)).toBe(`0x81 ${clause}`);
  });

  it('of 3.1 may lack the user name and password that its flags announce', () => {
    expect(decode(v3('c2'))).toEqual(packet(3));
    expect(decode(v3('c2', '00 01 75'))).toEqual(packet(3, { username: 'u' }));
    expect(refused(v3('c2', '00 02 75'))).toBe('0x81 MQTT-3.1.3-12');
  });

  it.each([
    ['empty [MQTT-4.7.3-1]', '00 00', 'MQTT-4.7.3-1'],
    ['with + [MQTT-4.7.0-1]', '00 01 2b', 'MQTT-4.7.0-1'],
    ['with # [MQTT-4.7.0-1]', '00 03 61 2f 23', 'MQTT-4.7.0-1'],
  ])('is refused for a will topic that is %s', (_name, topic, clause) => {
    expect(refused(v3('06', topic, '00 00'))).toBe(`0x90 ${clause}`);
    expect(refused(v4('06', topic, '00 00'))).toBe(`0x90 ${clause}`);
    expect(refused(v5('06', '00', topic, '00 00'))).toBe(`0x90 ${clause}`);
  });

  it('holds the will topic to the limits', () => {
    const bytes = v4('06', '00 05 61 2f 62 2f 63', '00 00');
    expect(refused(bytes, { limits: { topicLengthMax: 4 } })).toBe('0x90 limit topic_length_max');
    expect(refused(bytes, { limits: { topicLevelsMax: 2 } })).toBe('0x90 limit topic_levels_max');
    expect(refused(bytes, { limits: { topicLengthMax: 5, topicLevelsMax: 3 } })).toBe('accepted');
  });

  it('copies what it gives, so that the read buffer may be reused', () => {
    const bytes = v4('c6', '00 01 77', '00 02 01 02', '00 01 75', '00 01 70');
    const read = decodeConnect(bytes, 2, bytes.length);
    bytes.fill(0xff);
    expect(read).toEqual(packet(4, { will: WILL, username: 'u', password: hex('70') }));
  });

  it('is not written with what cannot be said', () => {
    const wills = [
      { ...WILL, topicName: '' },
      { ...WILL, topicName: 'a/#' },
      { ...WILL, topicName: 'a\0' },
      { ...WILL, qos: 3 as 2 },
      { ...WILL, payload: new Uint8Array(65_536) },
    ];
    for (const will of wills) {
      expect(() => encodePacket(packet(5, { will }), 5)).toThrow(RangeError);
    }
    expect(() => encodePacket(packet(5, { keepAlive: 65_536 }), 5)).toThrow(RangeError);
    expect(() => encodePacket(packet(5, { keepAlive: -1 }), 5)).toThrow(RangeError);
    expect(() => encodePacket(packet(5, { keepAlive: 0.5 }), 5)).toThrow(RangeError);
    expect(() => encodePacket(packet(5, { clientId: '\ud800' }), 5)).toThrow(RangeError);
    expect(() => encodePacket(packet(5, { clientId: 'c'.repeat(65_536) }), 5)).toThrow(RangeError);
  });

  it('leaves the properties out before version 5', () => {
    const will = { ...WILL, properties: { willDelayInterval: 1 } };
    const properties = { receiveMaximum: 1 };
    const bytes = encodePacket(packet(4, { will, properties }), 4);
    expect(bytes).toEqual(v4('06', '00 01 77', '00 02 01 02'));
  });
});

describe('connectVersion', () => {
  const look = (digits: string) => connectVersion(hex(digits), 0, hex(digits).length);

  it.each([
    [`${MQTT} 04`, true, 4],
    [`${MQTT} 05`, true, 5],
    [`${MQTT} 84`, true, 4],
    [`${MQTT} 07`, true, 7],
    [`${MQISDP} 03`, true, 3],
    [`${MQISDP} 83`, true, 3],
    ['00 04 6d 71 74 74 05', false, 5],
    ['00 04 4d 51 54', false, 0],
    [MQTT, true, 0],
    ['00', false, 0],
    ['', false, 0],
    ['ff ff 00', false, 0],
  ])('of %j: name valid %j, level %i', (digits, nameIsValid, level) => {
    expect(look(digits)).toEqual({ nameIsValid, level });
  });

  it('tells how to answer a CONNECT that is refused', () => {
    const bytes = v5('03');
    expect(refusal(() => decodeConnect(bytes, 2, bytes.length))).toBe('0x81 MQTT-3.1.2-3');
    expect(connectVersion(bytes, 2, bytes.length)).toEqual({ nameIsValid: true, level: 5 });
  });
});
