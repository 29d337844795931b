// What packets cost, nanoseconds each: the server's own way with PUBLISH (`PublishView` in, `publish-encoder` out, nothing
// allocated) and the friendly functions of `iothub/protocol`. `npm run bench:micro -- codec`.

import {
  decodePacket,
  encodePacket,
  Framer,
  type Packet,
  PacketType,
  type Properties,
  type ProtocolVersion,
  type PublishPacket,
  type QoS,
} from '../../src/protocol/index.ts';
import { Message } from '../../src/protocol/message.ts';
import {
  Delivery,
  publishRemainingLength,
  writePublishHead,
  writePublishPayload,
} from '../../src/protocol/publish-encoder.ts';
import { PublishView } from '../../src/protocol/publish-view.ts';
import { TopicTable } from '../../src/protocol/topic.ts';
import { medianOf, round } from './timing.ts';

const PAYLOAD_BYTES = 64;
const CHUNK_BYTES = 65_536;
const CALLS = 2_000;
const SLICES = 200;
const USER_PROPERTIES_MAX = 64;

const PROPERTIES: Properties = {
  payloadFormatIndicator: 1,
  contentType: 'application/json',
  responseTopic: 'devices/7/answers',
  correlationData: Uint8Array.of(1, 2, 3, 4),
  userProperties: [
    ['unit', 'celsius'],
    ['site', 'north'],
  ],
};

function publish(qos: QoS, properties: Properties): PublishPacket {
  const payload = new Uint8Array(PAYLOAD_BYTES).fill(0x2e);
  const topicName = 'site/12/floor/3/room/7/temperature';
  const packetId = qos === 0 ? 0 : 300;
  const type = PacketType.Publish;
  return { type, dup: false, qos, retain: false, topicName, packetId, payload, properties };
}

const CONNECT: Packet = {
  type: PacketType.Connect,
  protocolVersion: 5,
  isBridge: false,
  cleanStart: true,
  keepAlive: 60,
  clientId: 'thermometer-0007',
  will: null,
  username: 'thermometer',
  password: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  properties: { sessionExpiryInterval: 3_600, receiveMaximum: 100 },
};

const SUBSCRIBE: Packet = {
  type: PacketType.Subscribe,
  packetId: 300,
  subscriptions: ['commands/7/#', 'site/12/+/3/alarm', 'broadcast'].map((topicFilter) => ({
    topicFilter,
    qos: 1 as const,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0 as const,
  })),
  properties: {},
};

type Case = readonly [name: string, packet: Packet, version: ProtocolVersion];

const PUBLISHES: readonly (readonly [name: string, packet: PublishPacket, ProtocolVersion])[] = [
  ['PUBLISH v4 QoS 0', publish(0, {}), 4],
  ['PUBLISH v4 QoS 1', publish(1, {}), 4],
  ['PUBLISH v5 QoS 0', publish(0, {}), 5],
  ['PUBLISH v5 QoS 1', publish(1, {}), 5],
  ['PUBLISH v5 QoS 0, 6 properties', publish(0, PROPERTIES), 5],
  ['PUBLISH v5 QoS 1, 6 properties', publish(1, PROPERTIES), 5],
];

const CASES: readonly Case[] = [
  ...PUBLISHES,
  ['CONNECT v4', { ...CONNECT, protocolVersion: 4, properties: {} }, 4],
  ['CONNECT v5', CONNECT, 5],
  ['SUBSCRIBE v4, 3 filters', SUBSCRIBE, 4],
  ['SUBSCRIBE v5, 3 filters', SUBSCRIBE, 5],
];

/** Keeps what was computed from being optimised away. */
let sum = 0;

function measure(run: () => number): number {
  const slice = () => {
    for (let i = 0; i < CALLS; i++) sum += run();
  };
  return medianOf(SLICES, CALLS, slice);
}

function encoded(packet: Packet, version: ProtocolVersion): Uint8Array {
  const bytes = encodePacket(packet, version);
  if (bytes === null) throw new Error('it has no maximum size');
  return bytes;
}

/** Where the one packet in `bytes` has its body. */
function framed(bytes: Uint8Array): Framer {
  const framer = new Framer(Number.POSITIVE_INFINITY);
  framer.feed(bytes, 0, bytes.length);
  if (!framer.next()) throw new Error('it is whole');
  return framer;
}

function benchFriendly(): void {
  console.log('\ncodec, ns per packet            encodePacket | decodePacket');
  for (const [name, packet, version] of CASES) {
    const bytes = encoded(packet, version);
    const { header, start, end } = framed(bytes);
    const encode = measure(() => encoded(packet, version).length);
    const decode = measure(() => decodePacket(header, bytes, start, end, version).type);
    console.log(`  ${name.padEnd(30)} ${round(encode)} | ${round(decode)}`);
  }
}

function benchServer(): void {
  console.log('\nthe server, ns per packet       read | write | bytes');
  const topics = new TopicTable({ topicLengthMax: 65_535, topicLevelsMax: 128 });
  const view = new PublishView();
  const delivery = new Delivery();
  const target = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const scratch = new Message(topics.of('scratch'), 0, false, new Uint8Array(0), 0);
  for (const [name, packet, version] of PUBLISHES) {
    const bytes = encoded(packet, version);
    const { header, start, end } = framed(bytes);
    const read = measure(() => {
      view.read(header, bytes, start, end, version, USER_PROPERTIES_MAX);
      return view.payloadStart;
    });
    scratch.borrow(view, topics.of(packet.topicName), null, 0);
    const message = scratch.own();
    delivery.version = version;
    delivery.qos = packet.qos;
    delivery.packetId = packet.packetId;
    const write = measure(() => {
      const remaining = publishRemainingLength(message, delivery);
      const at = writePublishHead(message, delivery, remaining, target, 0);
      return writePublishPayload(message, target, at);
    });
    console.log(`  ${name.padEnd(30)} ${round(read)} | ${round(write)} | ${bytes.length}`);
  }
}

function benchFramer(): void {
  const one = encoded(publish(0, {}), 4);
  const count = Math.floor(CHUNK_BYTES / one.length);
  const chunk = Buffer.concat(Array.from({ length: count }, () => one));
  const framer = new Framer(Number.POSITIVE_INFINITY);
  const each = medianOf(SLICES, count, () => {
    framer.feed(chunk, 0, chunk.length);
    while (framer.next()) sum += framer.start;
  });
  console.log(
    `\nframing, ns per packet of ${one.length} bytes in a chunk of 64 KiB ${round(each)}`,
  );
}

benchFriendly();
benchServer();
benchFramer();
if (!Number.isFinite(sum)) throw new Error('nothing was measured');
