// The client of `iothub pub` and `iothub sub`: against a server in this process, and against one that says what the test wants.

import { once } from 'node:events';
import net from 'node:net';
import { Duplex, duplexPair } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type ClientHandler,
  type ClientOptions,
  type Ended,
  MqttClient,
} from '../../src/client/client.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import {
  Decoder,
  encodePacket,
  type Packet,
  PacketType,
  type Properties,
  type PublishPacket,
  type QoS,
} from '../../src/protocol/index.ts';
import { Server } from '../../src/server/server.ts';
import { until } from '../kit/until.ts';

const OPTIONS: ClientOptions = {
  protocolVersion: 5,
  clientId: 'c',
  cleanStart: true,
  keepAlive: 60,
  username: null,
  password: null,
  will: null,
  properties: {},
  inflightMax: 20,
};

class Handler implements ClientHandler {
  readonly messages: PublishPacket[] = [];
  readonly ends: Ended[] = [];
  readonly onPacket = null;
  wanted = Number.POSITIVE_INFINITY;

  onMessage(message: PublishPacket): boolean {
    this.messages.push(message);
    return this.messages.length < this.wanted;
  }

  onEnd(ended: Ended): void {
    this.ends.push(ended);
  }

  get texts(): string[] {
    return this.messages.map(({ payload }) => Buffer.from(payload).toString());
  }
}

async function startServer(): Promise<number> {
  const server = new Server({ listeners: [{ host: '127.0.0.1', port: 0 }] });
  onTestFinished(() => server.stop());
  await server.start();
  return server.addresses[0].port as number;
}

async function connect(
  port: number,
  options: Partial<ClientOptions> = {},
): Promise<{ client: MqttClient; handler: Handler }> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const handler = new Handler();
  const client = new MqttClient(socket, { ...OPTIONS, ...options }, handler);
  onTestFinished(() => client.disconnect());
  expect((await client.connect()).reasonCode).toBe(0);
  return { client, handler };
}

function filter(topicFilter: string, qos: QoS) {
  return [
    { topicFilter, qos, noLocal: false, retainAsPublished: false, retainHandling: 0 },
  ] as const;
}

function message(text: string, qos: QoS) {
  return { topicName: 't', payload: Buffer.from(text), qos, retain: false, properties: {} };
}

/** A server that does what the test says: what it gets, and how it answers. */
class Scripted {
  readonly stream: Duplex;
  readonly #far: Duplex;
  readonly received: Packet[] = [];

  constructor() {
    const [near, far] = duplexPair();
    this.stream = near;
    this.#far = far;
    const decoder = new Decoder({ role: 'server' });
    far.on('data', (chunk: Buffer) => this.received.push(...decoder.push(chunk)));
    far.on('error', () => {});
    onTestFinished(() => void far.destroy());
  }

  say(packet: Packet): void {
    this.#far.write(encodePacket(packet, 5) as Uint8Array);
  }

  close(): void {
    this.#far.end();
  }

  types(): number[] {
    return this.received.map(({ type }) => type);
  }

  of(type: PacketType): Packet[] {
    return this.received.filter((packet) => packet.type === type);
  }
}

async function scripted(properties: Properties = {}, options: Partial<ClientOptions> = {}) {
  const server = new Scripted();
  const handler = new Handler();
  const clock = new FakeClock();
  const client = new MqttClient(
    server.stream,
    { ...OPTIONS, ...options },
    handler,
    new Set(),
    clock,
  );
  const connected = client.connect();
  server.say({ type: PacketType.Connack, sessionPresent: false, reasonCode: 0, properties });
  await connected;
  return { server, client, handler, clock };
}

describe.each([3, 4, 5] as const)('in version %s, against the server', (protocolVersion) => {
  test.each([0, 1, 2] as const)('messages go to and fro at QoS %s, in order', async (qos) => {
    const port = await startServer();
    const { client, handler } = await connect(port, { protocolVersion });
    expect(await client.subscribe(filter('t', qos), {})).toEqual([qos]);
    const texts = Array.from({ length: 100 }, (_, i) => `message ${i}`);
    const codes = await Promise.all(texts.map((text) => client.publish(message(text, qos))));
    expect(codes.every((code) => code === 0)).toBe(true);
    await until(() => handler.messages.length === 100);
    expect(handler.texts).toEqual(texts);
    client.disconnect();
    expect(handler.ends).toEqual([{ by: 'client' }]);
  });
});

test('a subscription that is refused has its reason code', async () => {
  const { client } = await connect(await startServer());
  expect(await client.subscribe(filter('$SYS/#', 0), {})).toEqual([0x87]);
  expect(await client.publish(message('x', 1))).toBe(0x10); // nobody subscribes
});

test('no more than Receive Maximum messages are under way, and all arrive', async () => {
  const { server, client } = await scripted({ receiveMaximum: 2 });
  const codes = [1, 2, 3].map((i) => client.publish(message(String(i), 1)));
  await until(() => server.of(PacketType.Publish).length === 2);
  const [first] = server.of(PacketType.Publish) as PublishPacket[];
  server.say({
    ...{ type: PacketType.Puback, packetId: first.packetId },
    ...{ reasonCode: 0x87, properties: {} },
  });
  expect(await codes[0]).toBe(0x87);
  await until(() => server.of(PacketType.Publish).length === 3);
});

test('a PUBREC that refuses ends the exchange', async () => {
  const { server, client } = await scripted({ receiveMaximum: 1 });
  const refused = client.publish(message('1', 2));
  await until(() => server.of(PacketType.Publish).length === 1);
  server.say({ type: PacketType.Pubrec, packetId: 1, reasonCode: 0x97, properties: {} });
  expect(await refused).toBe(0x97);
  expect(server.of(PacketType.Pubrel)).toEqual([]);
});

test('what the server does not take is not sent', async () => {
  const { client, server } = await scripted({
    ...{ maximumQoS: 1, retainAvailable: false, maximumPacketSize: 40 },
  });
  await expect(client.publish(message('x', 2))).rejects.toThrow('up to QoS 1 only');
  const retained = { ...message('x', 0), retain: true };
  await expect(client.publish(retained)).rejects.toThrow('does not retain');
  await expect(client.publish(message('x'.repeat(50), 1))).rejects.toThrow('40 bytes at most');
  expect(server.of(PacketType.Publish)).toEqual([]);
});

test('a QoS 2 message that is sent again is handed out once', async () => {
  const { server, handler } = await scripted();
  const publish = { ...message('x', 2), type: PacketType.Publish, packetId: 7, dup: false };
  server.say(publish);
  server.say({ ...publish, dup: true });
  await until(() => server.of(PacketType.Pubrec).length === 2);
  server.say({ type: PacketType.Pubrel, packetId: 7, reasonCode: 0, properties: {} });
  await until(() => server.of(PacketType.Pubcomp).length === 1);
  expect(handler.texts).toEqual(['x']);
});

test('the last message that is wanted is acknowledged, and none after it', async () => {
  const { server, handler } = await scripted();
  handler.wanted = 1;
  for (const packetId of [1, 2]) {
    server.say({ ...message('x', 1), type: PacketType.Publish, packetId, dup: false });
  }
  server.say({ type: PacketType.Pubrel, packetId: 9, reasonCode: 0, properties: {} });
  await until(() => server.of(PacketType.Pubcomp).length === 1); // so it has read all before
  expect(server.of(PacketType.Puback)).toMatchObject([{ packetId: 1 }]);
  expect(handler.messages).toHaveLength(1);
});

test('topic aliases that were allowed stand for their topics', async () => {
  const { server, handler } = await scripted({}, { properties: { topicAliasMaximum: 1 } });
  const publish = { ...message('x', 0), type: PacketType.Publish, packetId: 0, dup: false };
  server.say({ ...publish, properties: { topicAlias: 1 } });
  server.say({ ...publish, topicName: '', properties: { topicAlias: 1 } });
  await until(() => handler.messages.length === 2);
  expect(handler.messages.map(({ topicName }) => topicName)).toEqual(['t', 't']);
  server.say({ ...publish, properties: { topicAlias: 2 } });
  await until(() => handler.ends.length === 1);
  expect(handler.ends[0]).toMatchObject({ by: 'server', reasonCode: 0x82 });
});

test('a DISCONNECT of the server says why, and fails what is under way', async () => {
  const { server, client, handler } = await scripted();
  const unanswered = client.publish(message('x', 1));
  server.say({
    ...{ type: PacketType.Disconnect, reasonCode: 0x8b },
    properties: { reasonString: 'bye' },
  });
  await expect(unanswered).rejects.toThrow('bye');
  expect(handler.ends).toEqual([{ by: 'server', reasonCode: 0x8b, message: 'bye' }]);
});

test('a connection that is closed is the network’s fault', async () => {
  const { server, handler } = await scripted();
  server.close();
  await until(() => handler.ends.length === 1);
  expect(handler.ends).toEqual([{ by: 'network', message: 'the server closed the connection' }]);
});

test('a CONNACK that refuses is told, and ends nothing else', async () => {
  const server = new Scripted();
  const handler = new Handler();
  const client = new MqttClient(server.stream, OPTIONS, handler);
  const connected = client.connect();
  server.say({ type: PacketType.Connack, sessionPresent: false, reasonCode: 0x87, properties: {} });
  expect(await connected).toMatchObject({ reasonCode: 0x87 });
  expect(handler.ends).toEqual([]);
});

describe('keep alive', () => {
  test('sends PINGREQ when nothing was sent for so long, the server’s time first', async () => {
    const { server, clock, handler } = await scripted({ serverKeepAlive: 10 });
    clock.advance(9_000);
    expect(server.of(PacketType.Pingreq)).toEqual([]);
    clock.advance(1_000);
    await until(() => server.of(PacketType.Pingreq).length === 1);
    server.say({ type: PacketType.Pingresp });
    server.say({ ...message('x', 0), type: PacketType.Publish, packetId: 0, dup: false });
    await until(() => handler.messages.length === 1); // PINGRESP is read
    clock.advance(10_000);
    await until(() => server.of(PacketType.Pingreq).length === 2);
    expect(handler.ends).toEqual([]);
  });

  test('gives up a server that does not answer, unless it is not read', async () => {
    const { client, clock, handler } = await scripted();
    clock.advance(60_000);
    client.pause();
    clock.advance(120_000);
    expect(handler.ends).toEqual([]);
    client.resume();
    clock.advance(60_000);
    clock.advance(60_000);
    expect(handler.ends).toEqual([
      { by: 'network', message: 'the server does not answer PINGREQ' },
    ]);
  });

  test('gives up a server that does not answer CONNECT', async () => {
    const clock = new FakeClock();
    const server = new Scripted();
    const client = new MqttClient(server.stream, OPTIONS, new Handler(), new Set(), clock);
    const connected = client.connect();
    clock.advance(30_000);
    await expect(connected).rejects.toThrow('did not answer CONNECT in 30000 ms');
  });
});

test('what answers the packets of one chunk is written at once', async () => {
  const writes: number[] = [];
  const stream = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      writes.push(1);
      done();
    },
    writev(chunks, done) {
      writes.push(chunks.length);
      done();
    },
  });
  const client = new MqttClient(stream, OPTIONS, new Handler());
  onTestFinished(() => client.disconnect());
  const connected = client.connect();
  const connack = { type: PacketType.Connack, sessionPresent: false, reasonCode: 0 } as const;
  const publish = { type: PacketType.Publish, dup: false, ...message('x', 1) } as const;
  stream.push(encodePacket({ ...connack, properties: {} }, 5));
  await connected;
  const packets = [1, 2, 3].map((packetId) => encodePacket({ ...publish, packetId }, 5));
  stream.push(Buffer.concat(packets as Uint8Array[]));
  await until(() => writes.length > 1);
  expect(writes).toEqual([1, 3]);
});
