import { describe, expect, it } from 'vitest';
import { encodePacket } from '../../src/protocol/encoder.ts';
import {
  PacketType,
  type SubackPacket,
  type SubscribePacket,
  type SubscriptionRequest,
  type UnsubackPacket,
  type UnsubscribePacket,
} from '../../src/protocol/packet.ts';
import { decode, expectBothWays, hex, refused, toHex } from './support.ts';

const client = { role: 'client' } as const;

function request(more: Partial<SubscriptionRequest> = {}): SubscriptionRequest {
  return {
    topicFilter: 'a',
    qos: 0,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    ...more,
  };
}

function subscribe(...subscriptions: readonly SubscriptionRequest[]): SubscribePacket {
  return { type: PacketType.Subscribe, packetId: 10, subscriptions, properties: {} };
}

describe('SUBSCRIBE', () => {
  it('is read and written in each version', () => {
    const packet = subscribe(request({ qos: 1 }), request({ topicFilter: 'b/#', qos: 2 }));
    const old = hex('82 0c', '00 0a', '00 01 61 01', '00 03 62 2f 23 02');
    expectBothWays(packet, old, { version: 3 });
    expectBothWays(packet, old, { version: 4 });
    expectBothWays(packet, hex('82 0d', '00 0a', '00', '00 01 61 01', '00 03 62 2f 23 02'));
  });

  it('has four options and an identifier in version 5', () => {
    const bytes = hex(
      '82', // SUBSCRIBE
      '0a', // Remaining Length
      '00 0a', // Packet Identifier
      '03', // Property Length
      '0b 80 01', // Subscription Identifier
      '00 01 61', // Topic Filter
      '2e', // Retain Handling 2, Retain As Published, No Local, QoS 2
    );
    const options = { qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 } as const;
    const properties = { subscriptionIdentifiers: [128] };
    expectBothWays({ ...subscribe(request(options)), properties }, bytes);
  });

  it('leaves options and properties out before version 5', () => {
    const options = { qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 1 } as const;
    const packet = {
      ...subscribe(request(options)),
      properties: { subscriptionIdentifiers: [1] },
    };
    expect(toHex(encodePacket(packet, 4))).toBe('82 06 00 0a 00 01 61 02');
  });

  it.each([
    ['no filter [MQTT-3.8.3-2]', '82 03 00 0a 00', '0x82 MQTT-3.8.3-2'],
    ['option bit 6 [MQTT-3.8.3-5]', '82 07 00 0a 00 00 01 61 40', '0x81 MQTT-3.8.3-5'],
    ['option bit 7 [MQTT-3.8.3-5]', '82 07 00 0a 00 00 01 61 80', '0x81 MQTT-3.8.3-5'],
    ['QoS 3', '82 07 00 0a 00 00 01 61 03', '0x82 §3.8.3.1'],
    ['Retain Handling 3', '82 07 00 0a 00 00 01 61 30', '0x82 §3.8.3.1'],
    ['header flags 0000 [MQTT-3.8.1-1]', '80 07 00 0a 00 00 01 61 00', '0x81 MQTT-3.8.1-1'],
    ['header flags 1010 [MQTT-3.8.1-1]', '8a 07 00 0a 00 00 01 61 00', '0x81 MQTT-3.8.1-1'],
    ['packet identifier 0 [MQTT-2.2.1-3]', '82 07 00 00 00 00 01 61 00', '0x81 MQTT-2.2.1-3'],
    ['a filter in bad UTF-8 [MQTT-3.8.3-1]', '82 07 00 0a 00 00 01 ff 00', '0x81 MQTT-3.8.3-1'],
    ['U+0000 in a filter [MQTT-4.7.3-2]', '82 07 00 0a 00 00 01 00 00', '0x81 MQTT-3.8.3-1'],
    ['a filter without options', '82 06 00 0a 00 00 01 61', '0x81 §3.8.3.1'],
    ['half a filter', '82 06 00 0a 00 00 02 61', '0x81 MQTT-3.8.3-1'],
    ['identifier 0', '82 09 00 0a 02 0b 00 00 01 61 00', '0x82 §3.8.2.1.2'],
    ['two identifiers', '82 0b 00 0a 04 0b 01 0b 01 00 01 61 00', '0x82 §3.8.2.1.2'],
  ])('is refused for %s', (_name, digits, expected) => {
    expect(refused(hex(digits))).toBe(expected);
  });

  it('of 3.1.1 has six reserved bits in its options [3.1.1 MQTT-3.8.3-4]', () => {
    for (const options of ['03', '04', '08', '10', '20', '40', '80']) {
      const bytes = hex('82 06', '00 0a', '00 01 61', options);
      expect(refused(bytes, { version: 4 })).toBe('0x81 MQTT-3.8.3-4');
    }
  });

  it('of 3.1 may have DUP and any upper option bits', () => {
    const bytes = hex('8a 06', '00 0a', '00 01 61', 'fd');
    expect(decode(bytes, { version: 3 })).toEqual(subscribe(request({ qos: 1 })));
  });

  it('leaves the filters’ meaning to the server, which answers each', () => {
    const packet = subscribe(request({ topicFilter: 'a#' }), request({ topicFilter: '' }));
    expect(decode(encodePacket(packet, 5) ?? hex(''))).toEqual(packet);
  });

  it('is refused for more filters than the limit allows', () => {
    const bytes = hex('82 0b', '00 0a', '00', '00 01 61 00', '00 01 62 00');
    const one = { limits: { filtersPerPacketMax: 1 } };
    expect(refused(bytes, one)).toBe('0x97 limit filters_per_packet_max');
    expect(refused(bytes, { limits: { filtersPerPacketMax: 2 } })).toBe('accepted');
  });

  it('is not written with what cannot be said', () => {
    const faulty = [
      subscribe(),
      subscribe(request({ qos: 3 as 2 })),
      subscribe(request({ retainHandling: 3 as 2 })),
      { ...subscribe(request()), packetId: 0 },
      { ...subscribe(request()), properties: { subscriptionIdentifiers: [1, 2] } },
      { ...subscribe(request()), properties: { subscriptionIdentifiers: [0] } },
      { ...subscribe(request()), properties: { subscriptionIdentifiers: [268_435_456] } },
    ];
    for (const packet of faulty) expect(() => encodePacket(packet, 5)).toThrow(RangeError);
  });
});

describe('SUBACK', () => {
  const suback = (...reasonCodes: readonly number[]): SubackPacket => ({
    type: PacketType.Suback,
    packetId: 10,
    reasonCodes,
    properties: {},
  });

  it('has one code for each filter, in order [MQTT-3.9.3-1] [MQTT-3.8.4-2]', () => {
    expectBothWays(suback(0, 1, 2, 0x87), hex('90 07', '00 0a', '00', '00 01 02 87'), client);
    const old = { ...client, version: 4 } as const;
    expectBothWays(suback(0, 1, 2, 0x80), hex('90 06', '00 0a', '00 01 02 80'), old);
  });

  it('has only codes of its table [MQTT-3.9.3-2]', () => {
    expect(refused(hex('90 04', '00 0a', '00', '03'), client)).toBe('0x82 MQTT-3.9.3-2');
    expect(refused(hex('90 03', '00 0a', '87'), { ...client, version: 4 })).toBe(
      '0x82 MQTT-3.9.3-2',
    );
    expect(() => encodePacket(suback(3), 5)).toThrow(RangeError);
    expect(() => encodePacket(suback(0x87), 4)).toThrow(RangeError);
  });

  it('has at least one code', () => {
    expect(refused(hex('90 03', '00 0a', '00'), client)).toBe('0x82 §3.9.3');
    expect(() => encodePacket(suback(), 5)).toThrow(RangeError);
  });

  it('is refused for header flags [MQTT-2.1.3-1] and for packet identifier 0', () => {
    expect(refused(hex('92 04', '00 0a', '00', '00'), client)).toBe('0x81 MQTT-2.1.3-1');
    expect(refused(hex('90 04', '00 00', '00', '00'), client)).toBe('0x81 MQTT-2.2.1-3');
  });
});

describe('UNSUBSCRIBE', () => {
  const unsubscribe = (...topicFilters: readonly string[]): UnsubscribePacket => ({
    type: PacketType.Unsubscribe,
    packetId: 10,
    topicFilters,
    properties: {},
  });

  it('is read and written in each version', () => {
    const old = hex('a2 09', '00 0a', '00 01 61', '00 02 62 2f');
    expectBothWays(unsubscribe('a', 'b/'), old, { version: 3 });
    expectBothWays(unsubscribe('a', 'b/'), old, { version: 4 });
    expectBothWays(unsubscribe('a', 'b/'), hex('a2 0a', '00 0a', '00', '00 01 61', '00 02 62 2f'));
  });

  it.each([
    ['no filter [MQTT-3.10.3-2]', 'a2 03 00 0a 00', '0x82 MQTT-3.10.3-2'],
    ['bad UTF-8 [MQTT-3.10.3-1]', 'a2 06 00 0a 00 00 01 ff', '0x81 MQTT-3.10.3-1'],
    ['half a filter', 'a2 06 00 0a 00 00 02 61', '0x81 MQTT-3.10.3-1'],
    ['header flags 0000 [MQTT-3.10.1-1]', 'a0 06 00 0a 00 00 01 61', '0x81 MQTT-3.10.1-1'],
    ['packet identifier 0 [MQTT-2.2.1-3]', 'a2 06 00 00 00 00 01 61', '0x81 MQTT-2.2.1-3'],
  ])('is refused for %s', (_name, digits, expected) => {
    expect(refused(hex(digits))).toBe(expected);
  });

  it('is refused for more filters than the limit allows', () => {
    const bytes = hex('a2 09', '00 0a', '00', '00 01 61', '00 01 62');
    expect(refused(bytes, { limits: { filtersPerPacketMax: 1 } })).toBe(
      '0x97 limit filters_per_packet_max',
    );
    expect(refused(bytes, { limits: { filtersPerPacketMax: 2 } })).toBe('accepted');
  });

  it('of 3.1 may have DUP', () => {
    const bytes = hex('aa 05', '00 0a', '00 01 61');
    expect(decode(bytes, { version: 3 })).toEqual(unsubscribe('a'));
  });

  it('is not written without a filter', () => {
    expect(() => encodePacket(unsubscribe(), 4)).toThrow(RangeError);
  });
});

describe('UNSUBACK', () => {
  const unsuback = (...reasonCodes: readonly number[]): UnsubackPacket => ({
    type: PacketType.Unsuback,
    packetId: 10,
    reasonCodes,
    properties: {},
  });

  it('has one code for each filter, in order, from version 5 on [MQTT-3.11.3-1]', () => {
    expectBothWays(unsuback(0, 0x11), hex('b0 05', '00 0a', '00', '00 11'), client);
    expectBothWays(unsuback(), hex('b0 02', '00 0a'), { ...client, version: 4 });
    expect(toHex(encodePacket(unsuback(0x11), 4))).toBe('b0 02 00 0a');
  });

  it('has only codes of its table, and at least one [MQTT-3.11.3-2]', () => {
    expect(refused(hex('b0 04', '00 0a', '00', '01'), client)).toBe('0x82 MQTT-3.11.3-2');
    expect(refused(hex('b0 03', '00 0a', '00'), client)).toBe('0x82 §3.11.3');
    expect(() => encodePacket(unsuback(0x01), 5)).toThrow(RangeError);
    expect(() => encodePacket(unsuback(), 5)).toThrow(RangeError);
  });

  it('of 3.1.1 has nothing behind its packet identifier', () => {
    expect(refused(hex('b0 03', '00 0a', '00'), { ...client, version: 4 })).toBe('0x81 §2.1.4');
  });
});
