// Clients that ask for far too much: it costs them their connection or gets a refusal. Everybody else goes on, and the memory
// comes back.

import { expect, onTestFinished, test } from 'vitest';
import type { Limits } from '../../src/core/limits.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import {
  encodePacket,
  PacketType,
  type PublishPacket,
  type SubackPacket,
} from '../../src/protocol/index.ts';
import { Server } from '../../src/server/server.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { usedBytes } from '../kit/resources.ts';
import { turns, until } from '../kit/until.ts';

const MIB = 1_048_576;
/** What measuring itself and the compiler may add. */
const SLACK = 6 * MIB;

async function serve(limits: Partial<Limits> = {}): Promise<[Server, FakeClock]> {
  const clock = new FakeClock();
  const listeners = [{ host: '127.0.0.1', port: 0 }];
  const server = new Server({ clock, limits, listeners });
  await server.start();
  onTestFinished(async () => {
    server.abort();
    await server.stop();
  });
  return [server, clock];
}

async function connected(server: Server, clientId: string): Promise<PacketClient> {
  const client = PacketClient.tcp(server.addresses[0].port);
  onTestFinished(() => client.destroy());
  expect((await client.connect(clientId)).reasonCode).toBe(0);
  return client;
}

/** Two clients of good will, and a way to see that a message still gets from one to the other. */
async function bystanders(server: Server): Promise<() => Promise<void>> {
  const subscriber = await connected(server, 'good-subscriber');
  subscriber.subscribe({ topicFilter: 'good', qos: 1 });
  await subscriber.next(PacketType.Suback);
  const publisher = await connected(server, 'good-publisher');
  let count = 0;
  return async () => {
    publisher.publish('good', `${++count}`, 1);
    const packet = (await subscriber.next(PacketType.Publish)) as PublishPacket;
    subscriber.acknowledge(4, packet.packetId);
    expect(Buffer.from(packet.payload).toString()).toBe(`${count}`);
    expect(await publisher.next(PacketType.Puback)).toMatchObject({ reasonCode: 0 });
    await until(() => server.stats().inflightMessages === 0);
  };
}

/** Sends and goes on sending until the server has had enough of it. */
async function insist(client: PacketClient, bytes: Uint8Array): Promise<void> {
  client.write(bytes);
  await until(() => client.hasEnded);
}

const tenThousandLevels = new Array(10_000).fill('x').join('/');

test('a topic with ten thousand levels costs its sender the connection, and no more', async () => {
  const [server] = await serve({ topicLengthMax: 65_535 });
  const goOn = await bystanders(server);
  const before = server.stats();
  for (let i = 0; i < 20; i++) {
    const client = await connected(server, 'hostile');
    client.publish(tenThousandLevels, 'x', 1, { retain: true });
    await until(() => client.hasEnded);
    expect(client.take()).toMatchObject([{ type: PacketType.Disconnect, reasonCode: 0x90 }]);
    await goOn();
  }
  await until(() => server.stats().connections === before.connections);
  expect(server.stats()).toEqual(before);
});

test('a filter with ten thousand levels is refused', async () => {
  const [server] = await serve({ topicLengthMax: 65_535 });
  const goOn = await bystanders(server);
  const client = await connected(server, 'hostile');
  for (const prefix of ['', '$share/g/']) {
    client.subscribe(prefix + tenThousandLevels, `${prefix}${tenThousandLevels}/#`);
    const { reasonCodes } = (await client.next(PacketType.Suback)) as SubackPacket;
    expect(reasonCodes).toEqual([0x8f, 0x8f]);
  }
  await goOn();
  expect(server.stats().subscriptions).toBe(1);
});

test('a SUBSCRIBE with ten thousand filters costs its sender the connection, and no more', async () => {
  const [server] = await serve();
  const goOn = await bystanders(server);
  const filters = Array.from({ length: 10_000 }, (_, i) => `a/${i}/+/b/#`);
  const rounds = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const client = await connected(server, 'hostile');
      client.subscribe(...filters);
      await until(() => client.hasEnded);
      expect(client.take()).toMatchObject([{ type: PacketType.Disconnect, reasonCode: 0x97 }]);
      await goOn();
    }
    await until(() => server.stats().connections === 2);
  };
  await rounds(2);
  const before = await usedBytes();
  await rounds(10);
  expect(server.stats()).toMatchObject({ connections: 2, sessions: 2, subscriptions: 1 });
  expect((await usedBytes()) - before).toBeLessThan(SLACK);
});

test('ten thousand filters where they are allowed are granted, and leave nothing behind', async () => {
  const [server] = await serve({ filtersPerPacketMax: 10_000 });
  const goOn = await bystanders(server);
  const filters = Array.from({ length: 10_000 }, (_, i) => `a/${i}/+/b/#`);
  const round = async () => {
    const client = await connected(server, 'hostile');
    client.subscribe(...filters);
    const { reasonCodes } = (await client.next(PacketType.Suback)) as SubackPacket;
    expect(reasonCodes.every((code) => code === 0)).toBe(true);
    expect(server.stats().subscriptions).toBe(10_001);
    await goOn();
    client.destroy();
    await until(() => server.stats().connections === 2);
    expect(server.stats().subscriptions).toBe(1);
  };
  await round();
  const before = await usedBytes();
  for (let i = 0; i < 4; i++) await round();
  expect((await usedBytes()) - before).toBeLessThan(SLACK);
});

/** A CONNECT with a million empty user properties: five bytes each. */
function millionPropertyConnect(): Uint8Array {
  const plain = encodePacket(
    {
      type: PacketType.Connect,
      protocolVersion: 5,
      isBridge: false,
      cleanStart: true,
      keepAlive: 0,
      clientId: 'hostile',
      will: null,
      username: null,
      password: null,
      properties: {},
    },
    5,
  );
  if (plain === null) throw new Error('it has no limit');
  const properties = new Uint8Array(5_000_000);
  for (let i = 0; i < properties.length; i += 5) properties[i] = 0x26;
  const length = (value: number) => {
    const bytes: number[] = [];
    for (let rest = value; rest > 0; rest >>>= 7) bytes.push((rest & 127) | (rest > 127 ? 128 : 0));
    return bytes;
  };
  const head = plain.subarray(2, 12); // protocol name, version, flags, keep alive
  const rest = plain.subarray(13); // behind the property length of 0
  const section = Uint8Array.of(...length(properties.length));
  const size = head.length + section.length + properties.length + rest.length;
  return Buffer.concat([Uint8Array.of(0x10, ...length(size)), head, section, properties, rest]);
}

test('a CONNECT with a million properties is refused by its length', async () => {
  const [server] = await serve();
  const goOn = await bystanders(server);
  const client = PacketClient.tcp(server.addresses[0].port);
  onTestFinished(() => client.destroy());
  await insist(client, millionPropertyConnect());
  await goOn();
  await until(() => server.stats().connections === 2);
  expect(server.stats().sessions).toBe(2);
  // the server must not have read and kept it
  expect(server.metrics.protocolErrors).toBe(1);
});

test('a CONNECT with a million properties that may be as long is refused by their number', async () => {
  const [server] = await serve({ packetSizeMax: 8 * MIB, unacceptedBytesMax: 8 * MIB });
  const goOn = await bystanders(server);
  const bytes = millionPropertyConnect();
  const round = async () => {
    const client = PacketClient.tcp(server.addresses[0].port);
    await insist(client, bytes);
    expect(client.take()).toMatchObject([{ type: PacketType.Connack, reasonCode: 0x97 }]);
    client.destroy();
    await goOn();
  };
  await round();
  const before = await usedBytes();
  for (let i = 0; i < 5; i++) await round();
  await until(() => server.stats().connections === 2);
  expect(server.stats().sessions).toBe(2);
  expect((await usedBytes()) - before).toBeLessThan(SLACK);
});

test('who never reads costs a bounded amount of memory, delays nobody and is closed in the end', async () => {
  const limits = { outputBytesMax: MIB, writeTimeoutMs: 5_000 };
  const [server, clock] = await serve(limits);
  const publisher = await connected(server, 'publisher');
  const payload = new Uint8Array(1_000);
  for (let i = 0; i < 5_000; i++) publisher.publish(`old/${i}`, payload, 0, { retain: true });
  publisher.publish('old/last', payload, 1, { retain: true });
  await publisher.next(PacketType.Puback);

  const reader = await connected(server, 'reader');
  reader.subscribe('live');
  await reader.next(PacketType.Suback);
  const dead: PacketClient[] = [];
  const before = await usedBytes();
  for (let i = 0; i < 5; i++) {
    const client = await connected(server, `dead-${i}`);
    client.subscribe('#');
    client.stream.pause();
    dead.push(client);
  }
  // Whatever the kernel takes of it, it has to stop in the end.
  let published = 0;
  const flood = async () => {
    for (let i = 0; i < 100; i++) publisher.publish('live', `${++published}`.padEnd(1_000));
    const received: number[] = [];
    await until(() => {
      for (const packet of reader.takePublishes()) {
        received.push(Number(Buffer.from(packet.payload).toString()));
      }
      return received.at(-1) === published;
    });
    expect(received).toEqual(Array.from({ length: 100 }, (_, i) => published - 99 + i));
  };
  while (server.stats().dropped.output_full < 5 * 2_000) await flood();
  // Of five clients there are no more than their outputs, and what the pool keeps.
  expect((await usedBytes()) - before).toBeLessThan(5 * MIB + 8 * MIB + SLACK);
  expect(server.stats().connections).toBe(7);
  expect(server.stats().dropped.queue_full).toBe(0);

  clock.advance(limits.writeTimeoutMs + 100);
  await until(() => server.stats().connections === 2);
  expect(server.stats().sessions).toBe(2);
  await flood();
  for (const client of dead) client.destroy();
  await turns(10);
});

test('half-connected streams that send nothing, or the beginning of something, are closed in time', async () => {
  const [server, clock] = await serve({ halfConnectedMax: 50, connectTimeoutMs: 1_000 });
  const goOn = await bystanders(server);
  const clients: PacketClient[] = [];
  for (let i = 0; i < 50; i++) {
    const client = PacketClient.tcp(server.addresses[0].port);
    if (i % 2 === 0) client.write(Uint8Array.of(0x10, 0xff, 0xff, 0x01, 0x00, 0x04));
    clients.push(client);
  }
  await until(() => server.stats().halfConnected === 50);
  const refused = PacketClient.tcp(server.addresses[0].port);
  await until(() => refused.hasEnded);
  await goOn();
  clock.advance(1_100);
  await until(() => clients.every((client) => client.hasEnded));
  expect(server.stats()).toMatchObject({ connections: 2, halfConnected: 0 });
  await goOn();
  for (const client of [refused, ...clients]) client.destroy();
});
