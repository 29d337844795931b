// The queue behind a session's window: bounded, with a policy; every loss is counted.

import { expect, test } from 'vitest';
import { publishV5, subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer, type TestServer } from '../kit/wire.ts';

const DURABLE = '11 00000e10';

/** QoS 1 messages with payloads 1, 2, 3 … to `t`. */
async function publish(broker: TestServer, first: number, last: number): Promise<void> {
  const publisher = await broker.v5('pub');
  for (let i = first; i <= last; i++) {
    publisher.write(publishV5({ topicName: 't', payload: String(i), qos: 1, packetId: i }));
  }
  await publisher.packets();
}

test('with drop-new the newest are lost, exactly as many as are too many', async () => {
  const broker = await startServer({ limits: { queueMessagesMax: 3, queuePolicy: 'drop-new' } });
  await (await subscriberV5(broker, 'sub', 't', 1, DURABLE)).drop();
  await publish(broker, 1, 3);
  expect(broker.server.stats().dropped.queue_full).toBe(0);
  await publish(broker, 4, 5);
  expect(broker.server.stats().dropped.queue_full).toBe(2);
  expect(broker.server.stats().queuedMessages).toBe(3);
  const back = await broker.v5('sub', false, DURABLE);
  await back.expect(
    "32 07 0001 't' 0001 00 '1'",
    "32 07 0001 't' 0002 00 '2'",
    "32 07 0001 't' 0003 00 '3'",
  );
});

test('with drop-oldest the oldest are lost, exactly as many as are too many', async () => {
  const broker = await startServer({ limits: { queueMessagesMax: 3, queuePolicy: 'drop-oldest' } });
  await (await subscriberV5(broker, 'sub', 't', 1, DURABLE)).drop();
  await publish(broker, 1, 5);
  expect(broker.server.stats().dropped.queue_oldest).toBe(2);
  expect(broker.server.stats().dropped.queue_full).toBe(0);
  const back = await broker.v5('sub', false, DURABLE);
  await back.expect(
    "32 07 0001 't' 0001 00 '3'",
    "32 07 0001 't' 0002 00 '4'",
    "32 07 0001 't' 0003 00 '5'",
  );
});

test('drop-oldest never takes a message that is in flight [MQTT-4.3.2-3]', async () => {
  const broker = await startServer({ limits: { queueMessagesMax: 1, queuePolicy: 'drop-oldest' } });
  const subscriber = await subscriberV5(broker, 'sub', 't', 1, '21 0001');
  await publish(broker, 1, 3);
  await subscriber.expect("32 07 0001 't' 0001 00 '1'");
  await subscriber.send('40 02 0001');
  await subscriber.expect("32 07 0001 't' 0002 00 '3'");
  expect(broker.server.stats().dropped.queue_oldest).toBe(1);
});

test('with disconnect a connected client is ended with 0x97; its session lives on', async () => {
  const broker = await startServer({ limits: { queueMessagesMax: 1, queuePolicy: 'disconnect' } });
  const subscriber = await subscriberV5(broker, 'sub', 't', 1, `${DURABLE} 21 0001`);
  await publish(broker, 1, 2);
  await subscriber.expect("32 07 0001 't' 0001 00 '1'");
  await publish(broker, 3, 3);
  const packets = await subscriber.packets();
  expect(packets.map((packet) => [packet[0], packet[2]])).toEqual([[0xe0, 0x97]]);
  expect(subscriber.isClosed).toBe(true);
  expect(broker.server.stats().dropped.queue_full).toBe(1);
  const back = await broker.v5('sub', false, DURABLE);
  await back.expect("3a 07 0001 't' 0001 00 '1'", "32 07 0001 't' 0002 00 '2'");
});

test('with disconnect the other subscribers of that message get it', async () => {
  const broker = await startServer({ limits: { queueMessagesMax: 1, queuePolicy: 'disconnect' } });
  await subscriberV5(broker, 'one', 't', 1, '21 0001');
  const two = await subscriberV5(broker, 'two', 't', 1);
  await publish(broker, 1, 3);
  expect(await two.packets()).toHaveLength(3);
});

test('the bytes of a queue are bounded, too', async () => {
  // a message of topic `t` and a payload of 1 weighs 2 + 1 + 1 = 4 bytes
  const broker = await startServer({ limits: { queueBytesMax: 8 } });
  await (await subscriberV5(broker, 'sub', 't', 1, DURABLE)).drop();
  await publish(broker, 1, 2);
  expect(broker.server.stats().queuedBytes).toBe(8);
  expect(broker.server.stats().dropped.queue_full).toBe(0);
  await publish(broker, 3, 3);
  expect(broker.server.stats().queuedBytes).toBe(8);
  expect(broker.server.stats().dropped.queue_full).toBe(1);
});

test('with drop-oldest a message larger than the whole queue is lost itself, and nothing else', async () => {
  const broker = await startServer({ limits: { queueBytesMax: 8, queuePolicy: 'drop-oldest' } });
  await (await subscriberV5(broker, 'sub', 't', 1, DURABLE)).drop();
  await publish(broker, 1, 2);
  const publisher = await broker.v5('big');
  await publisher.send("32 0c 0001 't' 0001 00 '123456'");
  expect(broker.server.stats().dropped.queue_full).toBe(1);
  expect(broker.server.stats().dropped.queue_oldest).toBe(0);
  expect(broker.server.stats().queuedMessages).toBe(2);
});

test('QoS 0 messages are not kept for a client that is away, and counted', async () => {
  const broker = await startServer();
  await (await subscriberV5(broker, 'sub', 't', 1, DURABLE)).drop();
  const publisher = await broker.v5('pub');
  await publisher.send("30 05 0001 't' 00 'm'");
  expect(broker.server.stats().dropped.offline).toBe(1);
  const back = await broker.v5('sub', false, DURABLE);
  await back.expectNothing();
});

test('QoS 0 messages are kept for a client that is away when the server is told to, in order with the others', async () => {
  const broker = await startServer({ limits: { queueQos0: true } });
  await (await subscriberV3(broker, 'sub', 't', 1, false)).drop();
  const publisher = await broker.v3('pub');
  await publisher.send("32 06 0001 't' 0001 '1' 30 04 0001 't' '2' 32 06 0001 't' 0002 '3'");
  const back = await broker.v3('sub', false);
  await back.expect("32 06 0001 't' 0001 '1'", "30 04 0001 't' '2'", "32 06 0001 't' 0002 '3'");
});

test('one full queue does not keep others from their messages [MQTT-4.5.0-1]', async () => {
  const broker = await startServer({ limits: { queueMessagesMax: 1 } });
  await subscriberV5(broker, 'slow', 't', 1, '21 0001');
  const well = await subscriberV5(broker, 'well', 't', 1);
  await publish(broker, 1, 5);
  expect(await well.packets()).toHaveLength(5);
  expect(broker.server.stats().dropped.queue_full).toBe(3);
});
