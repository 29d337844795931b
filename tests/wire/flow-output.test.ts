// A client that does not read: what is dropped for it, what waits, and that nobody else notices. Design §4.

import { expect, test } from 'vitest';
import {
  joined,
  publishV3,
  publishV5,
  subscriberV3,
  subscriberV5,
  subscribeV5,
} from '../kit/traffic.ts';
import { startServer, type WireClient } from '../kit/wire.ts';

/** More than a pipe takes: from here on a write is unfinished. */
const PIPE_BYTES = 65_536;
const PAYLOAD = 'x'.repeat(8_000);

/** Publishes `count` messages of 8,000 bytes each; returns once all are handled. */
async function flood(publisher: WireClient, topicName: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await publisher.send(publishV3({ topicName, payload: PAYLOAD }));
}

test('QoS 0 messages for a client that does not read are dropped past the limit and counted, the others’ are not', async () => {
  const broker = await startServer({ limits: { outputBytesMax: PIPE_BYTES + 1 } });
  const deaf = await subscriberV3(broker, 'deaf', 't');
  const well = await subscriberV3(broker, 'well', 't');
  const publisher = await broker.v3('pub');
  deaf.stream.pause();
  await flood(publisher, 't', 40);
  expect(await well.packets()).toHaveLength(40);
  const dropped = broker.server.stats().dropped.output_full;
  expect(dropped).toBeGreaterThan(0);
  deaf.stream.resume();
  expect(await deaf.packets()).toHaveLength(40 - dropped);
});

test('a client that reads again gets QoS 0 messages again', async () => {
  const broker = await startServer({ limits: { outputBytesMax: PIPE_BYTES + 1 } });
  const deaf = await subscriberV3(broker, 'deaf', 't');
  const publisher = await broker.v3('pub');
  deaf.stream.pause();
  await flood(publisher, 't', 40);
  deaf.stream.resume();
  await deaf.packets();
  await publisher.send("30 04 0001 't' 'm'");
  await deaf.expect("30 04 0001 't' 'm'");
});

test('QoS 1 messages for a client that does not read wait in its queue, and none is lost', async () => {
  const broker = await startServer({
    limits: { outputBytesMax: PIPE_BYTES, inflightMessagesMax: 100 },
  });
  const deaf = await subscriberV3(broker, 'deaf', 't', 1);
  const publisher = await broker.v3('pub');
  deaf.stream.pause();
  for (let i = 1; i <= 40; i++) {
    publisher.write(publishV3({ topicName: 't', payload: PAYLOAD, qos: 1, packetId: i }));
  }
  expect(await publisher.packets()).toHaveLength(40);
  expect(broker.server.stats().queuedMessages).toBeGreaterThan(0);
  deaf.stream.resume();
  const packets = [...(await deaf.packets()), ...(await deaf.packets())];
  expect(packets).toHaveLength(40);
  expect(broker.server.drops.total).toBe(0);
});

test('acknowledgements for a client that does not read are never lost [MQTT-3.3.4-1]', async () => {
  const broker = await startServer({ limits: { outputBytesMax: PIPE_BYTES + 1 } });
  const deaf = await subscriberV3(broker, 'deaf', 't');
  const publisher = await broker.v3('pub');
  deaf.stream.pause();
  await flood(publisher, 't', 20);
  await deaf.packets();
  await deaf.send("32 06 0001 'u' 0001 'm' 34 06 0001 'u' 0002 'm' c0 00 82 06 0003 0001 'v' 00");
  deaf.stream.resume();
  const control = (await deaf.packets()).filter((packet) => packet[0] >> 4 !== 3);
  expect(control.map((packet) => packet[0] >> 4)).toEqual([4, 5, 13, 9]);
});

test('a client whose output is full is not read until it reads', async () => {
  const broker = await startServer({ limits: { outputBytesMax: 100 } });
  const subscriber = await subscriberV3(broker, 'sub', 'u');
  const deaf = await subscriberV3(broker, 'deaf', 't');
  const publisher = await broker.v3('pub');
  deaf.stream.pause();
  await publisher.send(publishV3({ topicName: 't', payload: 'x'.repeat(70_000) }));
  await deaf.send('c0 00'); // its output is over the limit from here on
  await deaf.send("30 04 0001 'u' 'm'");
  await subscriber.expectNothing();
  deaf.stream.resume();
  await deaf.packets();
  await subscriber.expect("30 04 0001 'u' 'm'");
});

test('a client that gets more than the limit in one turn is read on when the pipe takes it at once', async () => {
  const broker = await startServer({ limits: { outputBytesMax: 20_000 } });
  const client = await subscriberV3(broker, 'a', 't');
  const echoed = publishV3({ topicName: 't', payload: PAYLOAD });
  await client.send(joined([echoed, echoed, echoed, publishV3({ topicName: 'x' })]));
  await client.packets();
  await client.send('c0 00');
  await client.expect('d0 00');
});

test('QoS 1 messages that found no room in one turn go on when the pipe takes the rest at once', async () => {
  const broker = await startServer({ limits: { outputBytesMax: 20_000 } });
  const subscriber = await subscriberV3(broker, 'sub', 't', 1);
  const publisher = await broker.v3('pub');
  const packets: Uint8Array[] = [];
  for (let i = 1; i <= 5; i++) {
    packets.push(publishV3({ topicName: 't', payload: PAYLOAD, qos: 1, packetId: i }));
  }
  await publisher.send(joined(packets));
  expect(await subscriber.packets()).toHaveLength(5);
});

test('a client that reads nothing for the write timeout is cut off', async () => {
  const broker = await startServer({ limits: { writeTimeoutMs: 5_000 } });
  const deaf = await subscriberV3(broker, 'deaf', 't');
  const publisher = await broker.v3('pub');
  deaf.stream.pause();
  await flood(publisher, 't', 10);
  await broker.advance(4_900);
  expect(broker.server.stats().sessionsConnected).toBe(2);
  await broker.advance(300);
  expect(broker.server.stats().sessionsConnected).toBe(1);
});

test('a client that reads slowly, but reads, is not cut off by the write timeout', async () => {
  const broker = await startServer({
    limits: { writeTimeoutMs: 5_000, outputBytesMax: 4 * PIPE_BYTES },
  });
  const slow = await subscriberV3(broker, 'slow', 't');
  const publisher = await broker.v3('pub');
  slow.stream.pause();
  await flood(publisher, 't', 10);
  await broker.advance(4_000);
  slow.stream.resume();
  await slow.packets();
  slow.stream.pause();
  await flood(publisher, 't', 10);
  await broker.advance(4_000);
  await slow.expectOpen();
});

test('a fan-out to many clients of which one does not read reaches all others in order [MQTT-4.6.0-6]', async () => {
  const broker = await startServer({ limits: { outputBytesMax: PIPE_BYTES } });
  const deaf = await subscriberV5(broker, 'deaf', 't');
  const others: WireClient[] = [];
  for (let i = 0; i < 20; i++) others.push(await subscriberV5(broker, `other${i}`, 't'));
  const publisher = await broker.v5('pub');
  deaf.stream.pause();
  for (let i = 0; i < 30; i++) {
    await publisher.send(
      publishV5({ topicName: 't', payload: `${String(i).padStart(2, '0')}${PAYLOAD}` }),
    );
  }
  for (const other of others) {
    const numbers = (await other.packets()).map((packet) =>
      new TextDecoder().decode(packet.subarray(7, 9)),
    );
    expect(numbers).toEqual(Array.from({ length: 30 }, (_, i) => String(i).padStart(2, '0')));
  }
});

test('a resumed session gets its queue although it is more than the output may hold at a time [MQTT-4.5.0-1]', async () => {
  const broker = await startServer({ limits: { outputBytesMax: 20_000 } });
  const first = await broker.v5('sub', true, '11 00000e10');
  await subscribeV5(first, 't', 0x01);
  await first.drop();
  const publisher = await broker.v3('pub');
  for (let i = 1; i <= 10; i++) {
    publisher.write(publishV3({ topicName: 't', payload: PAYLOAD, qos: 1, packetId: i }));
  }
  expect(await publisher.packets()).toHaveLength(10);
  const second = await broker.v5('sub', false, '11 00000e10');
  expect([...(await second.packets()), ...(await second.packets())]).toHaveLength(10);
});
