// What clients notice of an overloaded server, level by level, and that nothing acknowledged is lost. docs/overload.md.

import { expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import type { MemoryGauge, MemoryReading } from '../../src/server/memory-gauge.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { ONE_HOUR, startStored } from '../kit/stored.ts';
import { publishV3, publishV5, subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import {
  connectPacket,
  settle,
  startServer,
  type TestServer,
  type WireClient,
} from '../kit/wire.ts';
import { asksPublish } from '../server/explain-kit.ts';

const LOOK_MS = 100;
const MEMORY_MAX = 1_000;
const QOS0 = 750;
const CONNECTIONS = 850;
const PUBLISHERS = 920;
const FULL = 960;
const PAYLOAD = 'x'.repeat(8_000);

class FakeMemory implements MemoryGauge {
  readonly heapMaxBytes = Number.POSITIVE_INFINITY;
  resident = 0;

  read(): MemoryReading {
    return { residentBytes: this.resident, heldBytes: this.resident, heapBytes: 0 };
  }

  close(): void {}
}

/** Of a bound as small as the default hardly a byte is left at level 3: each message is too many. */
function watched(
  options: Omit<ServerOptions, 'clock'> = {},
  memoryMax = MEMORY_MAX,
): { memory: FakeMemory; options: Omit<ServerOptions, 'clock'> } {
  const memory = new FakeMemory();
  const overload = { memoryMax, memory, collect: null };
  return { memory, options: { ...options, overload } };
}

/** From now on so much memory is used; a look has seen it. */
async function use(broker: TestServer, memory: FakeMemory, resident: number): Promise<void> {
  memory.resident = resident;
  await broker.advance(LOOK_MS);
}

/** It is over, from whatever level. */
async function recover(broker: TestServer, memory: FakeMemory): Promise<void> {
  await use(broker, memory, 0);
  await broker.advance(3_000);
  expect(broker.server.overload.level).toBe(0);
}

async function flood(publisher: WireClient, topicName: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await publisher.send(publishV3({ topicName, payload: PAYLOAD }));
}

test('level 1: QoS 0 is dropped for a client that does not keep up, others get everything', async () => {
  const { memory, options } = watched();
  const broker = await startServer(options);
  const deaf = await subscriberV3(broker, 'deaf', 't');
  const well = await subscriberV3(broker, 'well', 't');
  const publisher = await broker.v3('pub');
  deaf.stream.pause();
  await flood(publisher, 't', 30);
  expect(broker.server.drops.total).toBe(0);
  await use(broker, memory, QOS0);
  const { subscribers } = await asksPublish(broker, { topic: 't' });
  const foretold = subscribers.map(({ clientId, drop }) => [clientId, drop]);
  expect(foretold.sort()).toEqual([
    ['deaf', 'overload'],
    ['well', null],
  ]);
  await flood(publisher, 't', 10);
  expect(broker.server.stats().dropped).toMatchObject({ overload: 10, output_full: 0 });
  expect(await well.packets()).toHaveLength(40);
  deaf.stream.resume();
  expect(await deaf.packets()).toHaveLength(30);
  await flood(publisher, 't', 1); // it reads again: it keeps up
  expect(await deaf.packets()).toHaveLength(1);
});

test('level 1: QoS 1 for such a client waits in its queue, and comes', async () => {
  const { memory, options } = watched({ limits: { inflightMessagesMax: 100 } });
  const broker = await startServer(options);
  const deaf = await subscriberV3(broker, 'deaf', 't', 1);
  const publisher = await broker.v3('pub');
  deaf.stream.pause();
  await use(broker, memory, QOS0);
  for (let i = 1; i <= 40; i++) {
    publisher.write(publishV3({ topicName: 't', payload: PAYLOAD, qos: 1, packetId: i }));
  }
  expect(await publisher.packets()).toHaveLength(40);
  expect(broker.server.stats().queuedMessages).toBeGreaterThan(20);
  deaf.stream.resume();
  const got = [...(await deaf.packets()), ...(await deaf.packets()), ...(await deaf.packets())];
  expect(got).toHaveLength(40);
  expect(broker.server.drops.total).toBe(0);
});

test('level 2: clients without a session are told to come later, v5 with 0x89, v3 with 0x03; who is there stays', async () => {
  const { memory, options } = watched();
  const broker = await startServer(options);
  const there = await subscriberV5(broker, 'there', 't');
  await use(broker, memory, CONNECTIONS);
  const five = broker.open();
  await five.send(connectPacket(5, 'five', true));
  expect((await five.packet()).subarray(2, 4)).toEqual(Uint8Array.of(0, 0x89));
  await five.expectClosed();
  const three = broker.open();
  await three.send(connectPacket(4, 'three', true));
  await three.expectClosed('20 02 00 03');
  expect(broker.server.metrics.overloadRefusals).toBe(2);
  await there.send(publishV5({ topicName: 't', payload: 'm' }));
  await there.expect(publishV5({ topicName: 't', payload: 'm' }));
  await recover(broker, memory);
  await broker.v5('five');
});

test('level 2: what is queued and stored comes in order, once there is room to read it', async () => {
  const { memory, options } = watched({ limits: { inflightMessagesMax: 1 } });
  const { broker } = await startStored(options);
  const slow = await subscriberV5(broker, 'slow', 't', 1, ONE_HOUR);
  const publisher = await broker.v5('pub');
  const send = (id: number) =>
    publisher.send(publishV5({ topicName: 't', payload: `${id}`, qos: 1, packetId: id }));
  for (let id = 1; id <= 5; id++) await send(id);
  await use(broker, memory, CONNECTIONS); // takes what waits out of memory
  for (let id = 6; id <= 10; id++) await send(id);
  expect(await publisher.packets()).toHaveLength(10);
  for (let id = 1; id <= 10; id++) {
    await slow.expect(publishV5({ topicName: 't', payload: `${id}`, qos: 1, packetId: id }));
    if (id === 7) await recover(broker, memory);
    await slow.send(`40 02 ${id.toString(16).padStart(4, '0')}`);
  }
  expect(broker.server.drops.total).toBe(0);
});

test('level 3: a publisher is read one message a second, nothing of it is lost, and it is read again when it is over', async () => {
  const { memory, options } = watched();
  const broker = await startServer(options);
  const subscriber = await subscriberV5(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  await use(broker, memory, PUBLISHERS);
  const all = [1, 2, 3, 4].map((packetId) =>
    publishV5({ topicName: 't', payload: `${packetId}`, qos: 1, packetId }),
  );
  for (const packet of all) publisher.write(packet);
  expect(await publisher.packets()).toHaveLength(1);
  expect(broker.server.overload.pausedPublishers).toBe(1);
  await broker.advance(1_000);
  expect(await publisher.packets()).toHaveLength(1);
  await recover(broker, memory);
  expect(await publisher.packets()).toHaveLength(2);
  expect(await subscriber.packets()).toHaveLength(4);
  expect(broker.server.overload.pausedPublishers).toBe(0);
  expect(broker.server.metrics.overloadPauses).toBe(2);
});

/** A server at level 3 with a tenth of a gigabyte left: publishers may bring ten megabytes a second. */
async function startRoomy(limits: ServerOptions['limits'] = {}) {
  const { memory, options } = watched({ limits }, 1_000_000_000);
  const broker = await startServer(options);
  const publisher = await broker.v5('pub');
  return { broker, memory, publisher, fill: () => use(broker, memory, 900_000_000) };
}

/** So many are written at once; what has been answered then. */
async function publishAll(publisher: WireClient, topicName: string, count: number, payload = 'm') {
  for (let packetId = 1; packetId <= count; packetId++) {
    publisher.write(publishV5({ topicName, payload, qos: 1, packetId }));
  }
  return (await publisher.packets()).length;
}

test('level 3: whose messages are taken at once is not paused, before it has brought 64 KiB in a second', async () => {
  const { broker, fill, publisher } = await startRoomy();
  const subscriber = await subscriberV5(broker, 'sub', 't');
  await fill();
  expect(await publishAll(publisher, 't', 20)).toBe(20);
  expect(await subscriber.packets()).toHaveLength(20);
  expect(broker.server.metrics.overloadPauses).toBe(0);
  // 8,011 bytes each: the ninth passes the mark, and the next one waits.
  expect(await publishAll(publisher, 't', 12, PAYLOAD)).toBe(9);
  await broker.advance(1_000);
  expect(await publisher.packets()).toHaveLength(3);
});

test('level 3: whose message has to wait in a queue, or is lost, is paused behind it', async () => {
  const { broker, fill, publisher } = await startRoomy({ inflightMessagesMax: 1 });
  await subscriberV5(broker, 'slow', 't', 1);
  await fill();
  expect(await publishAll(publisher, 't', 5)).toBe(2); // one is in flight, one is queued
  await broker.advance(1_000);
  expect(await publisher.packets()).toHaveLength(1);
  expect(broker.server.metrics.overloadPauses).toBe(2);
});

test('level 3: QoS 0 that a client does not read pauses its publisher', async () => {
  const { broker, fill } = await startRoomy();
  const publisher = await broker.v3('three');
  const deaf = await subscriberV3(broker, 'deaf', 't');
  deaf.stream.pause();
  await flood(publisher, 't', 30);
  await fill();
  await flood(publisher, 't', 5);
  expect(broker.server.stats().dropped).toMatchObject({ overload: 1 });
  expect(broker.server.overload.pausedPublishers).toBe(1);
});

test('level 3: a retained message that takes the place of another is nothing new, one that adds to them is', async () => {
  const { broker, fill, publisher } = await startRoomy();
  const retained = (payload: string) =>
    publisher.send(publishV5({ topicName: 'r', payload, qos: 0, retain: true }));
  await retained('1234');
  await fill();
  await retained('5678');
  expect(broker.server.overload.pausedPublishers).toBe(0);
  await retained('56789');
  expect(broker.server.overload.pausedPublishers).toBe(1);
});

test('level 3: all publishers together may bring a tenth of what is left', async () => {
  const { memory, options } = watched({}, 1_000_000);
  const broker = await startServer(options);
  const publishers = await Promise.all(['a', 'b', 'c'].map((id) => broker.v5(id)));
  await use(broker, memory, 900_000);
  const answered = [];
  for (const publisher of publishers) answered.push(await publishAll(publisher, 't', 2, PAYLOAD));
  expect(answered).toEqual([2, 1, 1]); // 10,000 bytes: the second message of the first passes them
});

test('memory is looked at when so much has come, not only when it is time', async () => {
  const { broker, memory, publisher } = await startRoomy();
  memory.resident = 950_000_000;
  const payload = 'x'.repeat(200_000);
  for (let i = 0; i < 70; i++) await publisher.send(publishV5({ topicName: 't', payload }));
  expect(broker.server.overload.level).toBe(0);
  for (let i = 0; i < 20; i++) await publisher.send(publishV5({ topicName: 't', payload }));
  expect(broker.server.overload.level).toBe(3); // 15.6 MB are a sixty-fourth of what it may use
});

test('level 3, hardly anything left: only those publishers are read for whom something waits', async () => {
  const { memory, options } = watched();
  const broker = await startServer(options);
  const both = await subscriberV5(broker, 'both', 't', 1);
  const publisher = await broker.v5('pub');
  await use(broker, memory, FULL);
  for (const packetId of [1, 2]) {
    publisher.write(publishV5({ topicName: 't', qos: 1, packetId }));
    both.write(publishV5({ topicName: 'other', qos: 1, packetId }));
  }
  both.write('40 02 0001'); // behind what it published
  for (let i = 0; i < 5; i++) await broker.advance(1_000);
  expect(await publisher.packets()).toHaveLength(1);
  // One delivery, both of its PUBACKs; its acknowledgement was heard, too.
  expect(await both.packets()).toHaveLength(3);
  expect(broker.server.stats().inflightMessages).toBe(0);
  await recover(broker, memory);
  expect(await publisher.packets()).toHaveLength(1);
});

/** A v5 client with a keep-alive, in seconds. */
async function connectAlive(broker: TestServer, keepAlive: number): Promise<WireClient> {
  const bytes = connectPacket(5, `alive-${keepAlive}`, true);
  bytes[11] = keepAlive;
  const client = broker.open();
  await client.send(bytes);
  await client.packets();
  return client;
}

test('level 3, hardly anything left: who could not be heard for a minute and its keep-alive is given up', async () => {
  const { memory, options } = watched();
  const broker = await startServer(options);
  const watcher = await subscriberV5(broker, 'watcher', 'w');
  const [short, long] = await Promise.all(
    [10, 200].map((keepAlive) => connectAlive(broker, keepAlive)),
  );
  const both = await subscriberV5(broker, 'both', 't', 1);
  await use(broker, memory, FULL);
  for (const client of [short, long, both]) {
    for (const packetId of [1, 2]) client.write(publishV5({ topicName: 't', qos: 1, packetId }));
  }
  for (let i = 0; i < 55; i++) await broker.advance(1_000);
  expect([short, long, both].map(({ isClosed }) => isClosed)).toEqual([false, false, false]);
  for (let i = 0; i < 10; i++) await broker.advance(1_000);
  expect([short, long, both].map(({ isClosed }) => isClosed)).toEqual([true, false, false]);
  const [type, , reasonCode] = (await short.packets()).at(-1) ?? [];
  expect([type, reasonCode]).toEqual([0xe0, 0x89]);
  await watcher.expectOpen();
  expect(broker.server.overload.pausedPublishers).toBe(1);
});

test('level 3: whose message its authorizer lets in when it was about to be read again stays paused behind it', async () => {
  const { memory, options } = watched();
  let answer: (code: ReasonCode) => void = () => {};
  const authorizer: Authorizer = {
    authorizePublish: (_client, topicName) =>
      topicName !== 'think' ? 0 : new Promise((resolve) => (answer = resolve)),
    authorizeSubscribe: () => 0,
  };
  const broker = await startServer({ ...options, authorizer });
  const others: WireClient[] = [];
  for (let i = 0; i < 110; i++) others.push(await broker.v5(`other-${i}`)); // more than a turn hears again
  const publisher = await broker.v5('pub');
  await use(broker, memory, PUBLISHERS);
  for (const other of others) await other.send(publishV5({ topicName: 't' }));
  for (const [i, topicName] of ['think', 'a', 'b'].entries()) {
    publisher.write(publishV5({ topicName, qos: 1, packetId: i + 1, payload: 'm', retain: true }));
  }
  await settle();
  broker.clock.advance(1_000);
  answer(ReasonCode.Success);
  expect(await publisher.packets()).toHaveLength(1);
  await broker.advance(1_000);
  expect(await publisher.packets()).toHaveLength(1);
});

test('level 3: acknowledgements are heard, so that queues drain', async () => {
  const { memory, options } = watched({ limits: { inflightMessagesMax: 1 } });
  const broker = await startServer(options);
  const slow = await subscriberV5(broker, 'slow', 't', 1);
  const publisher = await broker.v5('pub');
  for (const packetId of [1, 2, 3]) {
    await publisher.send(publishV5({ topicName: 't', qos: 1, packetId }));
  }
  await use(broker, memory, PUBLISHERS);
  await slow.expect(publishV5({ topicName: 't', qos: 1, packetId: 1 }));
  await slow.send('40 02 0001');
  await slow.expect(publishV5({ topicName: 't', qos: 1, packetId: 2 }));
  await slow.send('40 02 0002');
  await slow.expect(publishV5({ topicName: 't', qos: 1, packetId: 3 }));
});

test('level 3: a publisher that does not ping meanwhile is not thrown out for that', async () => {
  const { memory, options } = watched();
  const broker = await startServer(options);
  const publisher = broker.open();
  await publisher.send("10 0e 0004 'MQTT' 04 02 0001 0002 'pp'"); // keep alive 1 s
  await publisher.packets();
  await use(broker, memory, PUBLISHERS);
  for (let i = 0; i < 40; i++) publisher.write("30 03 0001 't'");
  for (let i = 0; i < 10; i++) await broker.advance(1_000);
  await publisher.expectOpen();
});

test('level 3: who has a session is let in, and takes what waits for it', async () => {
  const { memory, options } = watched();
  const broker = await startServer(options);
  const away = await subscriberV5(broker, 'away', 't', 1, ONE_HOUR);
  await away.drop();
  const publisher = await broker.v5('pub');
  await publisher.send(publishV5({ topicName: 't', qos: 1, packetId: 1 }));
  await use(broker, memory, PUBLISHERS);
  const back = await broker.v5('away', false, ONE_HOUR);
  await back.expect(publishV5({ topicName: 't', qos: 1, packetId: 1 }));
  const other = broker.open();
  await other.send(connectPacket(5, 'other', true));
  expect((await other.packet()).subarray(2, 4)).toEqual(Uint8Array.of(0, 0x89));
});

test('level 3: QoS 0 in large queues is given up, oldest first; QoS 1 of the same queue is kept', async () => {
  const { memory, options } = watched({ limits: { queueQos0: true } });
  const broker = await startServer(options);
  const away = await subscriberV5(broker, 'away', 't', 1, ONE_HOUR);
  await away.drop();
  const publisher = await broker.v5('pub');
  for (let i = 1; i <= 20; i++) {
    const qos = i % 2 === 0 ? 1 : 0;
    await publisher.send(publishV5({ topicName: 't', payload: PAYLOAD, qos, packetId: i }));
  }
  await publisher.packets();
  await use(broker, memory, CONNECTIONS);
  expect(broker.server.drops.total).toBe(0);
  await use(broker, memory, PUBLISHERS);
  await broker.advance(1_000);
  // 160,000 bytes wait, 80,000 of them acknowledged: all of the other half goes.
  expect(broker.server.stats()).toMatchObject({
    queuedMessages: 10,
    dropped: { overload: 10, queue_full: 0 },
  });
});
