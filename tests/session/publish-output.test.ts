// A PUBLISH that goes out as it came, but for its fixed header and packet id, is the packet that would have been encoded.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BufferPool } from '../../src/core/buffer-pool.ts';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';
import { Framer } from '../../src/protocol/framer.ts';
import { encodePacket, PacketType, type PublishPacket } from '../../src/protocol/index.ts';
import { Message, NO_EXPIRY } from '../../src/protocol/message.ts';
import type { ProtocolVersion, QoS } from '../../src/protocol/packet.ts';
import { Delivery } from '../../src/protocol/publish-encoder.ts';
import { PublishView } from '../../src/protocol/publish-view.ts';
import { Topic, TopicTable } from '../../src/protocol/topic.ts';
import { EncodeOnce } from '../../src/session/encode-once.ts';
import { Output } from '../../src/session/output.ts';
import { appendPublish, encodePublish } from '../../src/session/publish-output.ts';
import { toHex } from '../kit/hex.ts';
import { runs } from '../kit/runs.ts';

const qos = fc.constantFrom<QoS>(0, 1, 2);
const version = fc.constantFrom<ProtocolVersion>(3, 4, 5);

const published = fc.record({
  version,
  qos,
  retain: fc.boolean(),
  topicName: fc.constantFrom('t', 'a/b', 'größe/7', 'x'.repeat(300)),
  payload: fc.uint8Array({ maxLength: 600 }),
  contentType: fc.option(fc.constantFrom('', 'text/plain'), { nil: undefined }),
  expiry: fc.option(fc.nat(100), { nil: undefined }),
  alias: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
});

const delivered = fc.record({
  version,
  qos,
  retain: fc.boolean(),
  dup: fc.boolean(),
  packetId: fc.integer({ min: 1, max: 65_535 }),
  identifiers: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 2 }),
  alias: fc.constantFrom(0, 0, 0, 3),
});

test('an appended PUBLISH is the encoded one, whether it goes out as it came, once or again', () => {
  const topics = new TopicTable(DEFAULT_LIMITS);
  const pool = new BufferPool();
  fc.assert(
    fc.property(
      published,
      fc.array(delivered, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (from, all, isOwned) => {
        const packet: PublishPacket = {
          type: PacketType.Publish,
          topicName: from.topicName,
          payload: from.payload,
          qos: from.qos,
          retain: from.retain,
          dup: false,
          packetId: from.qos === 0 ? 0 : 77,
          properties:
            from.version === 5
              ? {
                  contentType: from.contentType,
                  messageExpiryInterval: from.expiry,
                  topicAlias: from.alias,
                }
              : {},
        };
        const framer = new Framer(Number.POSITIVE_INFINITY);
        const bytes = encodePacket(packet, from.version) as Uint8Array;
        framer.feed(bytes, 0, bytes.length);
        framer.next();
        const view = new PublishView();
        view.read(framer.header, framer.bytes, framer.start, framer.end, from.version, 9);
        const topic = topics.intern(view.bytes, view.topicStart, view.topicEnd);
        const borrowed = new Message(
          new Topic('', new Uint8Array(2), 0),
          0,
          false,
          new Uint8Array(0),
          0,
        );
        borrowed.borrow(view, topic, null, 0);
        const message = isOwned ? borrowed.own() : borrowed;
        const output = new Output(pool);
        const encodeOnce = new EncodeOnce();
        const expected: string[] = [];
        for (const to of all) {
          const delivery = new Delivery();
          delivery.version = to.version;
          delivery.qos = to.qos;
          delivery.retain = to.retain;
          delivery.dup = to.dup;
          delivery.packetId = to.qos === 0 ? 0 : to.packetId;
          if (to.version === 5) {
            delivery.subscriptionIdentifiers = to.identifiers;
            delivery.topicAlias = to.alias;
            delivery.withTopic = to.alias === 0;
            delivery.messageExpiryInterval = from.expiry ?? NO_EXPIRY;
          }
          if (from.version !== 5 || to.version !== 5) delivery.messageExpiryInterval = NO_EXPIRY;
          expected.push(toHex(encodePublish(message.compact(), delivery)));
          const before = output.length;
          const size = appendPublish(output, message, delivery, encodeOnce);
          expect(size).toBe(output.length - before);
          expect(toHex(output.buffer.subarray(before, output.length))).toBe(expected.at(-1));
        }
        output.clear();
      },
    ),
    { numRuns: runs(1_000) },
  );
});

test('messages that share a buffer keep their bytes', () => {
  const topic = new Topic('t', Uint8Array.of(0, 1, 0x74), 0);
  const view = new PublishView();
  const kept: { message: Message; payload: string }[] = [];
  const bytes = new Uint8Array(70_000);
  for (let i = 0; i < 500; i++) {
    const length = i % 10 === 0 ? 3_000 + i : i;
    bytes.set([0, 1, 0x74]);
    bytes.fill(i & 0xff, 3, 3 + length);
    view.read(0x30, bytes, 0, 3 + length, 4, 0);
    const borrowed = new Message(topic, 0, false, new Uint8Array(0), 0);
    borrowed.borrow(view, topic, null, 0);
    kept.push({ message: borrowed.own(), payload: toHex(bytes.subarray(3, 3 + length)) });
  }
  for (const { message, payload } of kept) expect(toHex(message.payload)).toBe(payload);
});

test('a large message that came in pieces keeps the buffer of its packet, and nobody else gets that', () => {
  const topics = new TopicTable(DEFAULT_LIMITS);
  const framer = new Framer(Number.POSITIVE_INFINITY);
  const view = new PublishView();
  const kept: { message: Message; payload: Uint8Array }[] = [];
  for (let i = 1; i <= 3; i++) {
    const payload = new Uint8Array(100_000).fill(i);
    const packet: PublishPacket = {
      type: PacketType.Publish,
      topicName: 't',
      payload,
      qos: 0,
      retain: false,
      dup: false,
      packetId: 0,
      properties: {},
    };
    const bytes = encodePacket(packet, 5) as Uint8Array;
    for (let at = 0; at < bytes.length; at += 30_000) {
      const chunk = bytes.slice(at, at + 30_000);
      framer.feed(chunk, 0, chunk.length);
      if (!framer.next()) continue;
      expect(framer.isOwn).toBe(true);
      view.read(framer.header, framer.bytes, framer.start, framer.end, 5, 0);
      view.isOwn = framer.isOwn;
      const topic = topics.intern(view.bytes, view.topicStart, view.topicEnd);
      const borrowed = new Message(topic, 0, false, new Uint8Array(0), 0);
      borrowed.borrow(view, topic, null, 0);
      const message = borrowed.own();
      expect(message.bytes === framer.bytes).toBe(true);
      kept.push({ message, payload });
      chunk.fill(0xff);
    }
  }
  for (const { message, payload } of kept) {
    expect(Buffer.compare(message.payload, payload)).toBe(0);
  }
});
