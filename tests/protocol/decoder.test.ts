import { describe, expect, it } from 'vitest';
import { Decoder } from '../../src/protocol/decoder.ts';
import { PacketType } from '../../src/protocol/packet.ts';
import { hex, refusal } from './support.ts';

const CONNECT_V5 = '10 0e 00 04 4d 51 54 54 05 02 00 00 00 00 01 63';
const CONNECT_V4 = '10 0d 00 04 4d 51 54 54 04 02 00 00 00 01 63';
const PINGREQ = 'c0 00';
const PUBLISH_V5 = '30 06 00 01 61 00 68 69';
const PUBLISH_V4 = '30 05 00 01 61 68 69';

describe('Decoder', () => {
  it('learns the version from CONNECT', () => {
    for (const [connect, publish, version] of [
      [CONNECT_V5, PUBLISH_V5, 5],
      [CONNECT_V4, PUBLISH_V4, 4],
    ] as const) {
      const decoder = new Decoder();
      expect(decoder.protocolVersion).toBeNull();
      const [first, second] = decoder.push(hex(connect, publish));
      expect(first).toMatchObject({ type: PacketType.Connect, protocolVersion: version });
      expect(second).toMatchObject({ type: PacketType.Publish, payload: hex('68 69') });
      expect(decoder.protocolVersion).toBe(version);
    }
  });

  it('refuses any other first packet when it was not told the version [MQTT-3.1.0-1]', () => {
    const decoder = new Decoder();
    expect(refusal(() => [...decoder.push(hex(PINGREQ))])).toBe('0x82 MQTT-3.1.0-1');
    expect([...new Decoder({ protocolVersion: 4 }).push(hex(PINGREQ))]).toHaveLength(1);
  });

  it('must be told the version when it reads for a client', () => {
    expect(() => new Decoder({ role: 'client' })).toThrow(RangeError);
    const decoder = new Decoder({ role: 'client', protocolVersion: 4 });
    expect([...decoder.push(hex('20 02 00 00'))]).toMatchObject([{ reasonCode: 0 }]);
    expect(refusal(() => [...decoder.push(hex(PINGREQ))])).toBe('0x82 §2.1.2');
  });

  it('gives packets as they become whole', () => {
    const decoder = new Decoder({ protocolVersion: 5 });
    expect([...decoder.push(hex('30 06 00 01'))]).toEqual([]);
    expect([...decoder.push(hex('61 00 68 69 c0'))]).toHaveLength(1);
    expect([...decoder.push(hex('00'))]).toEqual([{ type: PacketType.Pingreq }]);
    expect([...decoder.push(hex(''))]).toEqual([]);
  });

  it('lets the chunk be reused at once', () => {
    const decoder = new Decoder({ protocolVersion: 5 });
    const chunk = hex(PUBLISH_V5, PUBLISH_V5);
    const packets = decoder.push(chunk);
    chunk.fill(0);
    for (const packet of packets) {
      expect(packet).toMatchObject({ topicName: 'a', payload: hex('68 69') });
    }
  });

  it('gives the packets before a faulty one, then throws, for good', () => {
    const decoder = new Decoder({ protocolVersion: 5 });
    const packets = decoder.push(hex(PINGREQ, 'c1 00', PINGREQ));
    expect(packets.next().value).toEqual({ type: PacketType.Pingreq });
    expect(refusal(() => packets.next())).toBe('0x81 MQTT-2.1.3-1');
    expect(refusal(() => [...decoder.push(hex(PINGREQ))])).toBe('0x81 MQTT-2.1.3-1');
  });

  it('holds packets to its maximum size and limits', () => {
    const small = new Decoder({ protocolVersion: 5, maximumPacketSize: 7 });
    expect(refusal(() => [...small.push(hex(PUBLISH_V5))])).toBe('0x95 MQTT-3.2.2-15');
    const limits = {
      userPropertiesMax: 0,
      filtersPerPacketMax: 1,
      topicLengthMax: 1,
      topicLevelsMax: 1,
    };
    const limited = new Decoder({ protocolVersion: 5, limits });
    expect([...limited.push(hex(PUBLISH_V5))]).toHaveLength(1);
    const longer = hex('30 05 00 02 61 62 00');
    expect(refusal(() => [...limited.push(longer)])).toBe('0x90 limit topic_length_max');
  });
});
