// Every limit at its edge: the last value that is accepted, and the first that is not.

import { afterAll, expect, onTestFinished, test } from 'vitest';
import { DEFAULT_LIMITS, type Limits } from '../../src/core/limits.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import {
  type DisconnectPacket,
  encodePacket,
  type Packet,
  PacketType,
  type ProtocolVersion,
  type PublishPacket,
  ReasonCode,
  type SubackPacket,
} from '../../src/protocol/index.ts';
import { Server } from '../../src/server/server.ts';
import { type ConnectOptions, PacketClient } from '../kit/packet-client.ts';
import { turns } from '../kit/until.ts';

const TURNS = 24;
const tested = new Set<string>();

class Bench {
  readonly clock = new FakeClock();
  readonly server: Server;

  constructor(limits: Partial<Limits>) {
    this.server = new Server({ clock: this.clock, limits });
  }

  open(version: ProtocolVersion = 5): PacketClient {
    return new PacketClient(this.server.connect(), version);
  }

  async client(
    clientId: string,
    options: ConnectOptions = {},
    version: ProtocolVersion = 5,
  ): Promise<PacketClient> {
    const client = this.open(version);
    const connack = await client.connect(clientId, options);
    expect(connack.reasonCode).toBe(0);
    return client;
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await turns(TURNS);
  }
}

/** A test of that limit. */
function limit(name: keyof Limits, title: string, run: () => Promise<void>): void {
  tested.add(name);
  test(`${name}: ${title}`, run);
}

async function serve(limits: Partial<Limits>): Promise<Bench> {
  const bench = new Bench(limits);
  await bench.server.start();
  onTestFinished(async () => {
    bench.server.abort();
    await bench.server.stop();
  });
  return bench;
}

/** It is still there: PINGREQ is answered, and nothing else came. */
async function expectAlive(client: PacketClient): Promise<void> {
  await turns(TURNS);
  client.take();
  client.send({ type: PacketType.Pingreq });
  await turns(TURNS);
  expect(client.take().map((packet) => packet.type)).toEqual([PacketType.Pingresp]);
  expect(client.hasEnded).toBe(false);
}

/** The server ended it, a v5 client with that reason. */
async function expectDisconnected(client: PacketClient, reasonCode: ReasonCode): Promise<void> {
  await turns(TURNS);
  const last = client.take().at(-1);
  if (client.version === 5) {
    expect(last?.type).toBe(PacketType.Disconnect);
    expect((last as DisconnectPacket).reasonCode).toBe(reasonCode);
  } else {
    expect(last).toBeUndefined();
  }
  expect(client.hasEnded).toBe(true);
}

async function subscribeCodes(
  client: PacketClient,
  ...filters: Parameters<PacketClient['subscribe']>
): Promise<readonly number[]> {
  client.subscribe(...filters);
  return ((await client.next(PacketType.Suback)) as SubackPacket).reasonCodes;
}

function publishOf(size: number, version: ProtocolVersion): Packet {
  const packet = (payload: Uint8Array): PublishPacket => ({
    type: PacketType.Publish,
    dup: false,
    qos: 0,
    retain: false,
    topicName: 't',
    packetId: 0,
    payload,
    properties: {},
  });
  const head = encodePacket(packet(new Uint8Array(size - 10)), version)?.length ?? 0;
  const exact = packet(new Uint8Array(size - 10 + (size - head)));
  expect(encodePacket(exact, version)).toHaveLength(size);
  return exact;
}

const levels = (count: number) => new Array(count).fill('x').join('/');
const properties = (count: number) => ({
  userProperties: Array.from({ length: count }, (_, i): [string, string] => ['k', `${i}`]),
});

for (const version of [4, 5] as const) {
  limit(
    'packetSizeMax',
    `a packet of that size is read, one byte more is not (v${version})`,
    async () => {
      const bench = await serve({ packetSizeMax: 1_000 });
      const client = await bench.client('c', {}, version);
      client.send(publishOf(1_000, version));
      await expectAlive(client);
      client.send(publishOf(1_001, version));
      await expectDisconnected(client, ReasonCode.PacketTooLarge);
    },
  );
}

limit('packetSizeMax', 'a packet is refused by its announced length alone', async () => {
  const bench = await serve({ packetSizeMax: 1_000 });
  const client = await bench.client('c');
  client.write(Uint8Array.of(0x30, 0xe6, 0x07)); // 998 bytes follow, 1,001 in all
  await expectDisconnected(client, ReasonCode.PacketTooLarge);
});

limit('packetSizeMax', 'is announced', async () => {
  const bench = await serve({ packetSizeMax: 1_000 });
  const connack = await bench.open().connect('c');
  expect(connack.properties.maximumPacketSize).toBe(1_000);
});

limit('topicLengthMax', 'a topic name of that many bytes is taken, one more is not', async () => {
  const bench = await serve({ topicLengthMax: 20 });
  const client = await bench.client('c');
  client.publish('é'.repeat(10), 'x');
  await expectAlive(client);
  client.publish(`${'é'.repeat(10)}x`, 'x');
  await expectDisconnected(client, ReasonCode.TopicNameInvalid);
});

limit('topicLengthMax', 'a filter of that many bytes is granted, one more is refused', async () => {
  const bench = await serve({ topicLengthMax: 20 });
  const client = await bench.client('c');
  const codes = await subscribeCodes(client, 'x'.repeat(20), 'x'.repeat(21), `${'é'.repeat(9)}/#`);
  expect(codes).toEqual([0, ReasonCode.TopicFilterInvalid, 0]);
  await expectAlive(client);
});

limit('topicLevelsMax', 'a topic name of that many levels is taken, one more is not', async () => {
  const bench = await serve({ topicLevelsMax: 8 });
  const client = await bench.client('c');
  client.publish(levels(8), 'x');
  await expectAlive(client);
  client.publish(levels(9), 'x');
  await expectDisconnected(client, ReasonCode.TopicNameInvalid);
});

limit(
  'topicLevelsMax',
  'a filter of that many levels is granted, one more is refused',
  async () => {
    const bench = await serve({ topicLevelsMax: 8 });
    const client = await bench.client('c');
    const codes = await subscribeCodes(client, levels(8), levels(9), `$share/g/${levels(8)}`);
    expect(codes).toEqual([0, ReasonCode.TopicFilterInvalid, 0]);
  },
);

limit('userPropertiesMax', 'PUBLISH may have that many, one more ends the connection', async () => {
  const bench = await serve({ userPropertiesMax: 3 });
  const client = await bench.client('c');
  client.publish('t', 'x', 0, { properties: properties(3) });
  await expectAlive(client);
  client.publish('t', 'x', 0, { properties: properties(4) });
  await expectDisconnected(client, ReasonCode.QuotaExceeded);
});

limit('userPropertiesMax', 'CONNECT may have that many, one more is refused', async () => {
  const bench = await serve({ userPropertiesMax: 3 });
  await bench.client('c', { properties: properties(3) });
  const connack = await bench.open().connect('d', { properties: properties(4) });
  expect(connack.reasonCode).toBe(ReasonCode.QuotaExceeded);
  expect(bench.server.stats().sessions).toBe(1);
});

limit(
  'connectionsMax',
  'that many are let in, one more is closed until another has gone',
  async () => {
    const bench = await serve({ connectionsMax: 3 });
    const clients = [await bench.client('a'), await bench.client('b'), bench.open()];
    const refused = bench.open();
    await turns(TURNS);
    expect(refused.hasEnded).toBe(true);
    expect(bench.server.stats()).toMatchObject({ connections: 3, halfConnected: 1 });
    clients[0].destroy();
    await turns(TURNS);
    await bench.client('d');
    await expectAlive(clients[1]);
  },
);

limit('halfConnectedMax', 'that many may wait with their CONNECT, one more is closed', async () => {
  const bench = await serve({ halfConnectedMax: 2 });
  const waiting = [bench.open(), bench.open()];
  const refused = bench.open();
  await turns(TURNS);
  expect([waiting[0].hasEnded, waiting[1].hasEnded, refused.hasEnded]).toEqual([
    false,
    false,
    true,
  ]);
  await waiting[0].connect('a');
  await bench.client('b');
  expect(bench.server.stats()).toMatchObject({ connections: 3, halfConnected: 1 });
});

/** A clock that may stand still for its timers while time goes on: a loop that is late. */
class LateClock extends FakeClock {
  lateMs = 0;

  override now(): number {
    return super.now() + this.lateMs;
  }
}

limit('loopLagMaxMs', 'a loop that is so late lets nobody in until it has caught up', async () => {
  const clock = new LateClock();
  const server = new Server({ clock, limits: { loopLagMaxMs: 1_000 } });
  await server.start();
  onTestFinished(() => server.stop());
  const isLetIn = async () => {
    const client = new PacketClient(server.connect());
    await turns(TURNS);
    return !client.hasEnded;
  };
  clock.lateMs += 1_900; // half of a sample counts: 950
  clock.advance(100);
  expect(await isLetIn()).toBe(true);
  clock.lateMs += 2_100;
  clock.advance(100);
  expect(await isLetIn()).toBe(false);
  expect(server.refusals).toEqual({ overload: 1 });
  for (let i = 0; i < 20; i++) clock.advance(100);
  expect(await isLetIn()).toBe(true);
});

limit(
  'unacceptedBytesMax',
  'a CONNECT of that many bytes is accepted, one more byte is refused; afterwards it does not count',
  async () => {
    const bench = await serve({ unacceptedBytesMax: 100 });
    // 12 bytes of fixed and variable header and property length, and two of the client identifier's length
    const client = await bench.client('c'.repeat(100 - 15));
    const refused = bench.open();
    refused.write(Uint8Array.of(0x10, 99, 0x00)); // 101 bytes with its fixed header
    await turns(TURNS);
    expect(refused.hasEnded).toBe(true);
    client.send(publishOf(1_000, 5));
    await expectAlive(client);
  },
);

limit(
  'connectTimeoutMs',
  'a CONNECT that comes before is accepted, later the stream is closed',
  async () => {
    const bench = await serve({ connectTimeoutMs: 1_000 });
    const late = bench.open();
    const early = bench.open();
    late.write(Uint8Array.of(0x10, 0x20, 0x00)); // the beginning of a CONNECT does not count
    await bench.advance(999);
    expect(late.hasEnded).toBe(false);
    await early.connect('early');
    await bench.advance(101); // the wheel is at most two resolutions late
    expect(late.hasEnded).toBe(true);
    expect(bench.server.stats()).toMatchObject({ connections: 1, halfConnected: 0 });
    await bench.advance(10_000);
    await expectAlive(early);
  },
);

limit(
  'keepAliveMax',
  'a v5 client that asks for more, or for none, is told the maximum',
  async () => {
    const bench = await serve({ keepAliveMax: 10 });
    const told = async (keepAlive: number) =>
      (await bench.open().connect(`k${keepAlive}`, { keepAlive })).properties.serverKeepAlive;
    expect(await told(10)).toBeUndefined();
    expect(await told(11)).toBe(10);
    expect(await told(0)).toBe(10);
  },
);

limit(
  'keepAliveMax',
  'holds a v5 client to it; a v3 client, who cannot be told, keeps its own',
  async () => {
    const bench = await serve({ keepAliveMax: 10 });
    const v5 = await bench.client('v5', { keepAlive: 100 });
    const v4 = await bench.client('v4', { keepAlive: 100 }, 4);
    const none = await bench.client('none', { keepAlive: 0 }, 4);
    await bench.advance(14_999);
    expect(v5.hasEnded).toBe(false);
    await bench.advance(151);
    await expectDisconnected(v5, ReasonCode.KeepAliveTimeout);
    await bench.advance(130_000);
    expect(v4.hasEnded).toBe(false);
    await bench.advance(10_000);
    expect([v4.hasEnded, none.hasEnded]).toEqual([true, false]);
  },
);

limit('sessionExpiryMax', 'a v5 client that asks for more is told the maximum', async () => {
  const bench = await serve({ sessionExpiryMax: 60 });
  const told = async (sessionExpiryInterval: number) => {
    const connack = await bench.open().connect('e', { properties: { sessionExpiryInterval } });
    return connack.properties.sessionExpiryInterval;
  };
  expect(await told(60)).toBeUndefined();
  expect(await told(61)).toBe(60);
  expect(await told(0xffff_ffff)).toBe(60);
});

for (const version of [4, 5] as const) {
  limit('sessionExpiryMax', `a session ends then, not before (v${version})`, async () => {
    const bench = await serve({ sessionExpiryMax: 60 });
    const durable = { cleanStart: false, properties: { sessionExpiryInterval: 0xffff_ffff } };
    for (const [waitMs, isPresent] of [
      [59_900, true],
      [60_100, false],
    ] as const) {
      const client = await bench.client('c', durable, version);
      client.destroy();
      await turns(TURNS);
      await bench.advance(waitMs);
      expect(bench.server.stats().sessions).toBe(isPresent ? 1 : 0);
      const again = bench.open(version);
      expect((await again.connect('c', durable)).sessionPresent).toBe(isPresent);
    }
  });
}

for (const version of [4, 5] as const) {
  limit('sessionsMax', `that many sessions, one more is refused (v${version})`, async () => {
    const bench = await serve({ sessionsMax: 2 });
    const durable = { cleanStart: false, properties: { sessionExpiryInterval: 100 } };
    const a = await bench.client('a', durable, version);
    const b = await bench.client('b', {}, version);
    const refused = await bench.open(version).connect('c');
    expect(refused.reasonCode).toBe(version === 5 ? ReasonCode.QuotaExceeded : 3);
    a.destroy();
    await turns(TURNS);
    expect((await bench.open(version).connect('c')).reasonCode).not.toBe(0); // a's lives on
    await bench.client('a', durable, version); // and may come back
    await bench.client('a', {}, version); // or begin anew
    b.destroy();
    await turns(TURNS);
    await bench.client('c', {}, version);
    expect(bench.server.stats().sessions).toBe(2);
  });
}

limit(
  'subscriptionsPerClientMax',
  'that many are granted, one more is not, a renewed one is',
  async () => {
    const bench = await serve({ subscriptionsPerClientMax: 3 });
    const client = await bench.client('c');
    expect(await subscribeCodes(client, 'a', 'b')).toEqual([0, 0]);
    expect(await subscribeCodes(client, '$share/g/c', 'd')).toEqual([0, ReasonCode.QuotaExceeded]);
    expect(await subscribeCodes(client, { topicFilter: 'a', qos: 1 })).toEqual([1]);
    const unsubscribe = { packetId: 50, topicFilters: ['b'], properties: {} };
    client.send({ type: PacketType.Unsubscribe, ...unsubscribe });
    expect(await subscribeCodes(client, 'd', 'e')).toEqual([0, ReasonCode.QuotaExceeded]);
    expect(bench.server.stats().subscriptions).toBe(3);
    const other = await bench.client('o');
    expect(await subscribeCodes(other, 'a')).toEqual([0]);
  },
);

limit(
  'filtersPerPacketMax',
  'SUBSCRIBE may have that many, one more ends the connection',
  async () => {
    const bench = await serve({ filtersPerPacketMax: 3 });
    const client = await bench.client('c');
    expect(await subscribeCodes(client, 'a', 'b', 'c')).toEqual([0, 0, 0]);
    client.subscribe('d', 'e', 'f', 'g');
    await expectDisconnected(client, ReasonCode.QuotaExceeded);
    expect(bench.server.stats().subscriptions).toBe(0);
  },
);

limit(
  'filtersPerPacketMax',
  'UNSUBSCRIBE may have that many, one more ends the connection',
  async () => {
    const bench = await serve({ filtersPerPacketMax: 3 });
    const client = await bench.client('c');
    const unsubscribe = (topicFilters: string[]) =>
      client.send({ type: PacketType.Unsubscribe, packetId: 9, topicFilters, properties: {} });
    unsubscribe(['a', 'b', 'c']);
    await client.next(PacketType.Unsuback);
    unsubscribe(['a', 'b', 'c', 'd']);
    await expectDisconnected(client, ReasonCode.QuotaExceeded);
  },
);

for (const receiveMaximum of [2, 3, 65_535]) {
  limit(
    'inflightMessagesMax',
    `no more are in flight, nor more than the client allows (${receiveMaximum})`,
    async () => {
      const bench = await serve({ inflightMessagesMax: 3 });
      const subscriber = await bench.client('s', { properties: { receiveMaximum } });
      await subscribeCodes(subscriber, { topicFilter: 't', qos: 2 });
      const publisher = await bench.client('p');
      for (let i = 0; i < 6; i++) publisher.publish('t', `${i}`, i % 2 === 0 ? 1 : 2);
      await turns(TURNS);
      const window = Math.min(3, receiveMaximum);
      expect(bench.server.stats()).toMatchObject({
        inflightMessages: window,
        queuedMessages: 6 - window,
      });
      const received = subscriber.takePublishes();
      expect(received).toHaveLength(window);
      subscriber.acknowledge(4, received[0].packetId);
      await turns(TURNS);
      expect(subscriber.takePublishes()).toHaveLength(1);
    },
  );
}

limit(
  'receiveMaximum',
  'a v5 client may have that many open, one more ends its connection',
  async () => {
    const bench = await serve({ receiveMaximum: 3 });
    const client = bench.open();
    const connack = await client.connect('c');
    expect(connack.properties.receiveMaximum).toBe(3);
    for (let i = 1; i <= 3; i++) client.publish('t', 'x', 2, { packetId: i });
    await expectAlive(client);
    client.acknowledge(6, 2);
    await client.next(PacketType.Pubcomp);
    client.publish('t', 'x', 2, { packetId: 4 });
    client.publish('t', 'x', 0);
    await expectAlive(client);
    client.publish('t', 'x', 1, { packetId: 5 });
    await expectDisconnected(client, ReasonCode.ReceiveMaximumExceeded);
  },
);

limit('receiveMaximum', 'does not bind a v3 client', async () => {
  const bench = await serve({ receiveMaximum: 3 });
  const client = await bench.client('c', {}, 4);
  for (let i = 1; i <= 50; i++) client.publish('t', 'x', 2, { packetId: i });
  await expectAlive(client);
});

limit('topicAliasMax', 'the highest alias is taken, one above ends the connection', async () => {
  const bench = await serve({ topicAliasMax: 4 });
  const client = bench.open();
  const connack = await client.connect('c');
  expect(connack.properties.topicAliasMaximum).toBe(4);
  client.publish('topic', 'x', 0, { properties: { topicAlias: 4 } });
  client.publish('', 'x', 0, { properties: { topicAlias: 4 } });
  await expectAlive(client);
  client.publish('topic', 'x', 0, { properties: { topicAlias: 5 } });
  await expectDisconnected(client, ReasonCode.TopicAliasInvalid);
});

limit('topicAliasMax', '0: none is taken', async () => {
  const bench = await serve({ topicAliasMax: 0 });
  const client = bench.open();
  expect((await client.connect('c')).properties.topicAliasMaximum).toBeUndefined();
  client.publish('topic', 'x', 0, { properties: { topicAlias: 1 } });
  await expectDisconnected(client, ReasonCode.TopicAliasInvalid);
});

for (const [ours, theirs, used] of [
  [3, 10, 3],
  [10, 3, 3],
  [0, 10, 0],
  [10, 0, 0],
]) {
  limit(
    'topicAliasOutboundMax',
    `of ${ours}, a client that takes ${theirs} gets ${used}`,
    async () => {
      const bench = await serve({ topicAliasOutboundMax: ours });
      const subscriber = await bench.client('s', { properties: { topicAliasMaximum: theirs } });
      await subscribeCodes(subscriber, '#');
      const publisher = await bench.client('p');
      for (let i = 0; i < 60; i++) publisher.publish(`topic/${i % 20}`, 'x');
      await turns(TURNS);
      const received = subscriber.takePublishes();
      expect(received).toHaveLength(60);
      const aliases = received.map((packet) => packet.properties.topicAlias ?? 0);
      expect(Math.max(...aliases)).toBe(used);
    },
  );
}

/** A durable session that is away, with as much sent to it as the sizes say. */
async function queued(bench: Bench, sizes: readonly number[]): Promise<PacketClient> {
  const durable = { cleanStart: false, properties: { sessionExpiryInterval: 100 } };
  const subscriber = await bench.client('s', durable);
  await subscribeCodes(subscriber, { topicFilter: 't', qos: 1 });
  subscriber.destroy();
  const publisher = await bench.client('p');
  for (const [i, size] of sizes.entries()) {
    publisher.publish('t', new Uint8Array(size).fill(i + 1), 1);
  }
  await turns(TURNS);
  return bench.client('s', durable);
}

const firstBytes = (packets: readonly PublishPacket[]) => packets.map(({ payload }) => payload[0]);
/** What a message on `t` is charged beyond its payload. */
const TOPIC_BYTES = 3;

limit('queueMessagesMax', 'that many wait, one more is dropped', async () => {
  const bench = await serve({ queueMessagesMax: 3 });
  const subscriber = await queued(bench, [1, 1, 1, 1, 1]);
  await turns(TURNS);
  expect(firstBytes(subscriber.takePublishes())).toEqual([1, 2, 3]);
  expect(bench.server.stats().dropped.queue_full).toBe(2);
});

limit('queueBytesMax', 'that many bytes wait, one more does not', async () => {
  const full = 2 * (100 + TOPIC_BYTES);
  const exact = await serve({ queueBytesMax: full });
  const a = await queued(exact, [100, 100, 0]);
  await turns(TURNS);
  expect(firstBytes(a.takePublishes())).toEqual([1, 2]);
  const less = await serve({ queueBytesMax: full - 1 });
  const b = await queued(less, [100, 100, 99]);
  await turns(TURNS);
  expect(firstBytes(b.takePublishes())).toEqual([1, 3]);
  expect(less.server.stats().dropped.queue_full).toBe(1);
});

limit('queuePolicy', 'drop-oldest makes room, in messages and bytes', async () => {
  const bench = await serve({
    queuePolicy: 'drop-oldest',
    queueMessagesMax: 3,
    queueBytesMax: 500,
  });
  const subscriber = await queued(bench, [1, 1, 1, 1, 490, 600]);
  await turns(TURNS);
  expect(firstBytes(subscriber.takePublishes())).toEqual([4, 5]);
  const { dropped } = bench.server.stats();
  expect([dropped.queue_oldest, dropped.queue_full]).toEqual([3, 1]);
});

limit('queuePolicy', 'disconnect ends the connection of who does not acknowledge', async () => {
  const limits = { inflightMessagesMax: 1, queueMessagesMax: 2 };
  const bench = await serve({ queuePolicy: 'disconnect', ...limits });
  const subscriber = await bench.client('s');
  await subscribeCodes(subscriber, { topicFilter: 't', qos: 1 });
  const publisher = await bench.client('p');
  for (let i = 0; i < 3; i++) publisher.publish('t', 'x', 1);
  await turns(TURNS);
  expect(subscriber.hasEnded).toBe(false);
  publisher.publish('t', 'x', 1);
  await expectDisconnected(subscriber, ReasonCode.QuotaExceeded);
  await expectAlive(publisher);
});

limit('queueQos0', 'decides whether QoS 0 waits for who is away', async () => {
  for (const queueQos0 of [false, true]) {
    const bench = await serve({ queueQos0 });
    const durable = { cleanStart: false, properties: { sessionExpiryInterval: 100 } };
    const subscriber = await bench.client('s', durable);
    await subscribeCodes(subscriber, 't');
    subscriber.destroy();
    (await bench.client('p')).publish('t', 'x');
    await turns(TURNS);
    expect(bench.server.stats()).toMatchObject({ queuedMessages: queueQos0 ? 1 : 0 });
    const again = await bench.client('s', durable);
    await turns(TURNS);
    expect(again.takePublishes()).toHaveLength(queueQos0 ? 1 : 0);
  }
});

limit(
  'outputBytesMax',
  'QoS 0 past it is dropped, QoS 1 waits, and all goes on when it is read',
  async () => {
    const bench = await serve({ outputBytesMax: 100_000 });
    const subscriber = await bench.client('s');
    await subscribeCodes(subscriber, { topicFilter: 't', qos: 1 });
    const publisher = await bench.client('p');
    subscriber.stream.pause();
    // 65,536 bytes fill the pipe; from then on the server keeps what it sends
    for (let i = 0; i < 300; i++) {
      publisher.publish('t', new Uint8Array(1_000));
      await turns(1);
    }
    await turns(TURNS);
    const lost = bench.server.stats().dropped.output_full;
    const kept = (300 - lost) * 1_006;
    expect(kept).toBeGreaterThanOrEqual(100_000);
    expect(kept).toBeLessThanOrEqual(65_536 + 100_000 + 2 * 1_006);
    publisher.publish('t', 'late', 1);
    await expectAlive(publisher);
    expect(bench.server.stats().queuedMessages).toBe(1);
    subscriber.stream.resume();
    await turns(TURNS);
    const received = subscriber.takePublishes();
    expect(received).toHaveLength(300 - lost + 1);
    expect(received.at(-1)?.qos).toBe(1);
  },
);

limit(
  'outputBytesMax',
  'a client that does not read its acknowledgements is not read',
  async () => {
    const bench = await serve({ outputBytesMax: 4_096 });
    const client = await bench.client('c', {}, 4);
    client.stream.pause();
    const pings = new Uint8Array(2_000).map((_, i) => (i % 2 === 0 ? 0xc0 : 0));
    const received = bench.server.metrics.packetsReceived;
    for (let i = 0; i < 50; i++) {
      client.write(pings);
      await turns(2);
    }
    await turns(TURNS);
    expect(received[PacketType.Pingreq]).toBeGreaterThan(65_536 / 2);
    expect(received[PacketType.Pingreq]).toBeLessThan((65_536 + 2 * 4_096) / 2 + 1_000);
    client.stream.resume();
    await turns(200);
    expect(received[PacketType.Pingreq]).toBe(50_000);
    expect(client.take().length).toBe(50_000);
  },
);

limit(
  'writeTimeoutMs',
  'closes who reads nothing for so long, and nobody who reads a little',
  async () => {
    const bench = await serve({ writeTimeoutMs: 5_000 });
    const dead = await bench.client('dead');
    const slow = await bench.client('slow');
    for (const client of [dead, slow]) {
      await subscribeCodes(client, 't');
      client.stream.pause();
    }
    slow.onData = () => slow.stream.pause();
    const publisher = await bench.client('p');
    for (let i = 0; i < 8; i++) publisher.publish('t', new Uint8Array(60_000));
    await turns(TURNS);
    await bench.advance(4_900);
    expect(bench.server.stats().connections).toBe(3);
    slow.stream.resume();
    await turns(TURNS);
    await bench.advance(300);
    expect(bench.server.stats()).toMatchObject({ connections: 2, sessions: 2 });
    expect(slow.hasEnded).toBe(false);
    dead.stream.resume();
    await turns(TURNS);
    expect(dead.isClosed).toBe(true);
  },
);

limit('retainedMessagesMax', 'that many are kept, one more is only delivered', async () => {
  const bench = await serve({ retainedMessagesMax: 2 });
  const publisher = await bench.client('p');
  const subscriber = await bench.client('s');
  await subscribeCodes(subscriber, '#');
  for (const topic of ['a', 'b', 'c']) publisher.publish(topic, 'x', 1, { retain: true });
  await turns(TURNS);
  expect(bench.server.stats()).toMatchObject({
    retainedMessages: 2,
    dropped: { retained_limit: 1 },
  });
  expect(subscriber.takePublishes()).toHaveLength(3);
  publisher.publish('b', 'renewed', 1, { retain: true });
  publisher.publish('a', '', 1, { retain: true });
  publisher.publish('c', 'x', 1, { retain: true });
  await turns(TURNS);
  expect(bench.server.stats()).toMatchObject({
    retainedMessages: 2,
    dropped: { retained_limit: 1 },
  });
  const late = await bench.client('l');
  await subscribeCodes(late, '+');
  await turns(TURNS);
  expect(late.takePublishes().map((packet) => packet.topicName)).toEqual(['b', 'c']);
});

limit('retainedBytesMax', 'that many bytes are kept, one more is not', async () => {
  const bench = await serve({ retainedBytesMax: 2 * (100 + TOPIC_BYTES) });
  const publisher = await bench.client('p');
  const retain = async (topic: string, size: number) => {
    publisher.publish(topic, new Uint8Array(size), 1, { retain: true });
    await turns(TURNS);
    const { dropped, retainedBytes } = bench.server.stats();
    return [retainedBytes, dropped.retained_limit];
  };
  expect(await retain('a', 100)).toEqual([103, 0]);
  expect(await retain('b', 101)).toEqual([103, 1]);
  expect(await retain('b', 100)).toEqual([206, 1]);
  expect(await retain('a', 101)).toEqual([206, 2]);
  expect(await retain('a', 50)).toEqual([156, 2]);
});

limit('qosMax', 'a higher QoS ends the connection, and a will of it is refused', async () => {
  const bench = await serve({ qosMax: 1 });
  const client = bench.open();
  expect((await client.connect('c')).properties.maximumQoS).toBe(1);
  client.publish('t', 'x', 1);
  await expectAlive(client);
  client.publish('t', 'x', 2);
  await expectDisconnected(client, ReasonCode.QoSNotSupported);
  const will = { topicName: 'w', payload: new Uint8Array(1), retain: false, properties: {} };
  const refused = await bench.open().connect('w', { will: { ...will, qos: 2 } });
  expect(refused.reasonCode).toBe(ReasonCode.QoSNotSupported);
  await bench.client('w', { will: { ...will, qos: 1 } });
});

limit('retainAvailable', 'false: a retained message ends the connection', async () => {
  const bench = await serve({ retainAvailable: false });
  const client = bench.open();
  expect((await client.connect('c')).properties.retainAvailable).toBe(false);
  client.publish('t', 'x', 0, { retain: true });
  await expectDisconnected(client, ReasonCode.RetainNotSupported);
});

limit('wildcardSubscriptionAvailable', 'false: a filter with a wildcard is refused', async () => {
  const bench = await serve({ wildcardSubscriptionAvailable: false });
  const codes = await subscribeCodes(await bench.client('c'), 'a', 'a/+', '#');
  const refused = ReasonCode.WildcardSubscriptionsNotSupported;
  expect(codes).toEqual([0, refused, refused]);
});

limit('sharedSubscriptionAvailable', 'false: a shared subscription is refused', async () => {
  const bench = await serve({ sharedSubscriptionAvailable: false });
  const codes = await subscribeCodes(await bench.client('c'), 'a', '$share/g/a');
  expect(codes).toEqual([0, ReasonCode.SharedSubscriptionsNotSupported]);
});

limit('subscriptionIdentifiersAvailable', 'false: an identifier ends the connection', async () => {
  const bench = await serve({ subscriptionIdentifiersAvailable: false });
  const client = await bench.client('c');
  client.send({
    type: PacketType.Subscribe,
    packetId: 1,
    subscriptions: [
      { topicFilter: 'a', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
    ],
    properties: { subscriptionIdentifiers: [1] },
  });
  await expectDisconnected(client, ReasonCode.SubscriptionIdentifiersNotSupported);
});

limit(
  'checkPayloadFormat',
  'true: a payload that claims to be text and is not is refused',
  async () => {
    for (const checkPayloadFormat of [false, true]) {
      const bench = await serve({ checkPayloadFormat });
      const client = await bench.client('c');
      const properties = { payloadFormatIndicator: 1 as const };
      client.publish('t', Uint8Array.of(0xff), 1, { properties });
      const answer = await client.next(PacketType.Puback);
      const wanted = checkPayloadFormat ? 0x99 : ReasonCode.NoMatchingSubscribers;
      expect(answer).toMatchObject({ reasonCode: wanted });
      await expectAlive(client);
    }
  },
);

tested.add('shutdownTimeoutMs'); // tests/server/lifecycle.test.ts
tested.add('answerTimeoutMs'); // tests/wire/answer-timeout.test.ts

afterAll(() => {
  expect([...tested].sort(), 'every limit has a test').toEqual(Object.keys(DEFAULT_LIMITS).sort());
});
