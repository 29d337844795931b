import { describe, expect, it } from 'vitest';
import { Message } from '../../src/protocol/message.ts';
import { PacketType, type Properties, type QoS } from '../../src/protocol/packet.ts';
import {
  Delivery,
  packetIdOffset,
  packetSize,
  publishRemainingLength,
  writePublishHead,
  writePublishPayload,
} from '../../src/protocol/publish-encoder.ts';
import { TopicTable } from '../../src/protocol/topic.ts';
import { decode, hex, toHex } from './support.ts';

const topics = new TopicTable({ topicLengthMax: 65_535, topicLevelsMax: 10 });
const USER = '26 00 01 6b 00 01 76';

/** A message on `topicName` with these properties, as bytes, and this payload. */
function message(payload: Uint8Array, properties = '', topicName = 'a'): Message {
  const head = hex(properties);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return new Message(topics.of(topicName), 2, true, bytes, head.length);
}

function delivery(more: Partial<Delivery> = {}): Delivery {
  return Object.assign(new Delivery(), more);
}

/** Writes at a place in the middle, and checks that the size foretold is the size written. */
function written(of: Message, to: Delivery): Uint8Array {
  const remaining = publishRemainingLength(of, to);
  const size = packetSize(remaining);
  const target = new Uint8Array(size + 6).fill(0xee);
  const payloadAt = writePublishHead(of, to, remaining, target, 3);
  expect(writePublishPayload(of, target, payloadAt)).toBe(3 + size);
  expect([...target.subarray(0, 3), ...target.subarray(3 + size)]).toEqual(Array(6).fill(0xee));
  return target.slice(3, 3 + size);
}

describe('the publish encoder', () => {
  it('writes for 3.1 and 3.1.1 without properties', () => {
    const one = message(hex('68 69'), USER);
    for (const version of [3, 4] as const) {
      expect(toHex(written(one, delivery({ version })))).toBe('30 05 00 01 61 68 69');
    }
    const second = delivery({ version: 4, qos: 2, packetId: 258, dup: true, retain: true });
    expect(toHex(written(one, second))).toBe('3d 07 00 01 61 01 02 68 69');
  });

  it('writes for 5.0 what is the subscriber’s before what is the publisher’s', () => {
    const to = delivery({
      version: 5,
      qos: 1,
      packetId: 1,
      messageExpiryInterval: 60,
      topicAlias: 7,
      subscriptionIdentifiers: [1, 128],
    });
    const bytes = hex(
      '32', // PUBLISH, QoS 1
      '1c', // Remaining Length
      '00 01 61', // Topic Name
      '00 01', // Packet Identifier
      '14', // Property Length
      '02 00 00 00 3c', // Message Expiry Interval
      '23 00 07', // Topic Alias
      '0b 01', // Subscription Identifier
      '0b 80 01', // Subscription Identifier
      USER, // as the publisher wrote it
      '68 69', // payload
    );
    expect(toHex(written(message(hex('68 69'), USER), to))).toBe(toHex(bytes));
  });

  it('writes a property length of 0 when there are none [MQTT-2.2.2-1]', () => {
    expect(toHex(written(message(hex('68')), delivery({ version: 5 })))).toBe(
      '30 05 00 01 61 00 68',
    );
  });

  it('lets an alias stand for the topic [MQTT-3.3.2-12]', () => {
    const to = delivery({ version: 5, topicAlias: 1, withTopic: false });
    expect(toHex(written(message(hex('68')), to))).toBe('30 07 00 00 03 23 00 01 68');
  });

  it.each([1, 127, 128, 16_384, 65_535])(
    'tells where the packet id lies, topic of %i bytes',
    (n) => {
      const one = message(new Uint8Array(200), '', 'a'.repeat(n));
      for (const version of [4, 5] as const) {
        const to = delivery({ version, qos: 1, packetId: 0xabcd });
        const bytes = written(one, to);
        const offset = packetIdOffset(one, publishRemainingLength(one, to));
        expect(toHex(bytes.subarray(offset, offset + 2))).toBe('ab cd');
      }
    },
  );

  it('is read by the decoder as it was meant, in every version, QoS and size', () => {
    const identifiers = [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455];
    for (const length of [0, 1, 95, 96, 97, 127, 128, 16_383, 16_384, 65_536]) {
      const payload = new Uint8Array(length).fill(0x61);
      for (const version of [3, 4, 5] as const) {
        for (const qos of [0, 1, 2] as readonly QoS[]) {
          const packetId = qos === 0 ? 0 : 65_535;
          const to = delivery({ version, qos, packetId, retain: true });
          to.subscriptionIdentifiers = identifiers;
          to.messageExpiryInterval = 0xffff_ffff;
          const properties: Properties = {
            messageExpiryInterval: 0xffff_ffff,
            subscriptionIdentifiers: identifiers,
            userProperties: [['k', 'v']],
          };
          const read = decode(written(message(payload, USER), to), { version, role: 'client' });
          if (read.type !== PacketType.Publish) throw new Error('not a PUBLISH');
          expect(Buffer.compare(read.payload, payload)).toBe(0);
          expect({ ...read, payload: null }).toEqual({
            type: PacketType.Publish,
            dup: false,
            qos,
            retain: true,
            topicName: 'a',
            packetId,
            payload: null,
            properties: version === 5 ? properties : {},
          });
        }
      }
    }
  });
});
