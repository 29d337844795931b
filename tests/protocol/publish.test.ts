import { describe, expect, it } from 'vitest';
import { encodePacket } from '../../src/protocol/encoder.ts';
import { PacketType, type PublishPacket } from '../../src/protocol/packet.ts';
import { decode, expectBothWays, hex, refused, toHex } from './support.ts';

function publish(more: Partial<PublishPacket> = {}): PublishPacket {
  return {
    type: PacketType.Publish,
    dup: false,
    qos: 0,
    retain: false,
    topicName: 'a',
    packetId: 0,
    payload: hex('68 69'),
    properties: {},
    ...more,
  };
}

describe('PUBLISH', () => {
  it('at QoS 0 has no packet identifier [MQTT-2.2.1-2]', () => {
    expectBothWays(publish(), hex('30 05', '00 01 61', '68 69'), { version: 3 });
    expectBothWays(publish(), hex('30 05', '00 01 61', '68 69'), { version: 4 });
    expectBothWays(publish(), hex('30 06', '00 01 61', '00', '68 69'));
    expect(() => encodePacket(publish({ packetId: 1 }), 5)).toThrow(RangeError);
  });

  it('has its flags in the first byte', () => {
    const bytes = hex(
      '3d', // PUBLISH, DUP, QoS 2, RETAIN
      '08', // Remaining Length
      '00 01 61', // Topic Name
      'ff ff', // Packet Identifier
      '00', // Property Length
      '68 69', // payload
    );
    expectBothWays(publish({ dup: true, qos: 2, retain: true, packetId: 65_535 }), bytes);
    const first = hex('32 07', '00 01 61', '00 01', '68 69');
    expectBothWays(publish({ qos: 1, packetId: 1 }), first, { version: 4 });
  });

  it('carries any payload, none as well', () => {
    expectBothWays(publish({ payload: hex('') }), hex('30 04', '00 01 61', '00'));
    expectBothWays(publish({ payload: hex('00 ff') }), hex('30 06', '00 01 61', '00', '00 ff'));
  });

  it('takes an alias in place of the topic name', () => {
    const aliased = publish({ topicName: '', properties: { topicAlias: 1 } });
    expectBothWays(aliased, hex('30 08', '00 00', '03', '23 00 01', '68 69'));
  });

  it('passes on the subscription identifiers that a server adds [MQTT-3.3.4-3]', () => {
    const bytes = hex(
      '30', // PUBLISH, QoS 0
      '0b', // Remaining Length
      '00 01 61', // Topic Name
      '05', // Property Length
      '0b 01', // Subscription Identifier
      '0b 80 01', // Subscription Identifier
      '68 69', // payload
    );
    const packet = publish({ properties: { subscriptionIdentifiers: [1, 128] } });
    expectBothWays(packet, bytes, { role: 'client' });
    expect(refused(bytes)).toBe('0x82 MQTT-3.3.4-6');
  });

  it.each([
    ['QoS 3 [MQTT-3.3.1-4]', '36 08 00 01 61 00 01 00 68 69', '0x81 MQTT-3.3.1-4'],
    ['DUP at QoS 0 [MQTT-3.3.1-2]', '38 06 00 01 61 00 68 69', '0x81 MQTT-3.3.1-2'],
    ['packet identifier 0 [MQTT-2.2.1-3]', '32 06 00 01 61 00 00 00', '0x81 MQTT-2.2.1-3'],
    ['half a packet identifier', '32 04 00 01 61 00', '0x81 §2.2.1'],
    ['half a topic name [MQTT-3.3.2-1]', '30 02 00 01', '0x81 MQTT-3.3.2-1'],
    ['a topic in bad UTF-8 [MQTT-3.3.2-1]', '30 04 00 01 ff 00', '0x81 MQTT-3.3.2-1'],
    ['U+0000 in the topic [MQTT-4.7.3-2]', '30 04 00 01 00 00', '0x81 MQTT-3.3.2-1'],
    ['a wildcard [MQTT-3.3.2-2]', '30 04 00 01 2b 00', '0x90 MQTT-3.3.2-2'],
    ['neither topic nor alias [MQTT-4.7.3-1]', '30 03 00 00 00', '0x82 MQTT-4.7.3-1'],
    ['alias 0 [MQTT-3.3.2-8]', '30 07 00 01 61 03 23 00 00', '0x94 MQTT-3.3.2-8'],
    ['no property length [MQTT-2.2.2-1]', '30 03 00 01 61', '0x81 MQTT-2.2.2-1'],
    ['half its properties', '30 06 00 01 61 03 23 00', '0x81 §2.2.2.1'],
  ])('is refused for %s', (_name, digits, expected) => {
    expect(refused(hex(digits))).toBe(expected);
  });

  it('before version 5 needs its topic name', () => {
    expect(refused(hex('30 02', '00 00'), { version: 4 })).toBe('0x82 MQTT-4.7.3-1');
  });

  it('holds its topic name to the limits', () => {
    const bytes = hex('30 07', '00 05 61 2f 62 2f 63');
    const with4 = (limits: object) => refused(bytes, { version: 4, limits });
    expect(with4({ topicLengthMax: 4 })).toBe('0x90 limit topic_length_max');
    expect(with4({ topicLevelsMax: 2 })).toBe('0x90 limit topic_levels_max');
    expect(with4({ topicLengthMax: 5, topicLevelsMax: 3 })).toBe('accepted');
  });

  it('has a payload that outlives the read buffer', () => {
    const bytes = hex('30 06', '00 01 61', '00', '68 69');
    const read = decode(bytes);
    bytes.fill(0);
    expect(read).toEqual(publish());
  });

  it.each([
    [127, '7f'],
    [128, '80 01'],
    [16_383, 'ff 7f'],
    [16_384, '80 80 01'],
    [2_097_151, 'ff ff 7f'],
    [2_097_152, '80 80 80 01'],
  ])('has the shortest Remaining Length for %i bytes [MQTT-1.5.5-1]', (remaining, digits) => {
    const packet = publish({ payload: new Uint8Array(remaining - 3) });
    const bytes = encodePacket(packet, 4) ?? hex('');
    const head = hex('30', digits);
    expect(bytes.length).toBe(head.length + remaining);
    expect(toHex(bytes.subarray(0, head.length))).toBe(toHex(head));
  });

  it('has a topic name of up to 65,535 bytes [MQTT-4.7.3-3]', () => {
    const longest = publish({ topicName: 'a'.repeat(65_535) });
    expect(decode(encodePacket(longest, 5) ?? hex(''))).toEqual(longest);
    expect(() => encodePacket(publish({ topicName: 'a'.repeat(65_536) }), 5)).toThrow(RangeError);
  });

  it.each([
    ['QoS 3', { qos: 3 as 2, packetId: 1 }],
    ['DUP at QoS 0', { dup: true }],
    ['no packet identifier at QoS 1', { qos: 1 as const }],
    ['packet identifier 65,536', { qos: 1 as const, packetId: 65_536 }],
    ['an empty topic name', { topicName: '' }],
    ['a wildcard', { topicName: 'a/#' }],
    ['alias 0', { properties: { topicAlias: 0 } }],
    ['a response topic with a wildcard', { properties: { responseTopic: '+' } }],
    ['a reason string', { properties: { reasonString: 'no' } }],
  ])('is not written with %s', (_name, more) => {
    expect(() => encodePacket(publish(more), 5)).toThrow(RangeError);
  });
});
