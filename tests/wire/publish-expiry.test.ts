// Message Expiry Interval, counted down while a message waits. MQTT 5 §3.3.2.3.3.

import { expect, test } from 'vitest';
import { subscriberV3, subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

const DURABLE = '11 00000e10'; // Session Expiry Interval 3,600 s

test('a message that does not wait is delivered with its whole interval [MQTT-3.3.2-6]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  await publisher.send("30 09 0001 't' 05 02 0000000a");
  await subscriber.expect("30 09 0001 't' 05 02 0000000a");
});

test('the properties around an interval arrive as published [MQTT-3.3.2-6] [MQTT-3.3.2-18]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  await publisher.send(`
    30 15                 // PUBLISH, QoS 0
    0001 't'
    10                    // properties
    26 0001 'k' 0001 'v'  // User Property
    02 0000000a           // Message Expiry Interval
    03 0001 'c'           // Content Type
    'm'`);
  await subscriber.expect(`
    30 15
    0001 't'
    10
    02 0000000a           // the server's own comes first
    26 0001 'k' 0001 'v'
    03 0001 'c'
    'm'`);
});

test('a queued message is delivered with what is left of its interval [MQTT-3.3.2-6]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0x01, DURABLE);
  await subscriber.drop();
  const publisher = await broker.v5('pub');
  await publisher.send("32 0b 0001 't' 0001 05 02 0000000a");
  await broker.advance(3_999);
  const back = await broker.v5('sub', false, DURABLE);
  await back.expect("32 0b 0001 't' 0001 05 02 00000007");
});

test('a queued message is delivered up to its last second, not after it, and counted [MQTT-3.3.2-5]', async () => {
  const broker = await startServer();
  for (const id of ['a', 'b']) {
    await (await subscriberV5(broker, id, 't', 0x01, DURABLE)).drop();
  }
  const publisher = await broker.v5('pub');
  await publisher.send("32 0b 0001 't' 0001 05 02 0000000a");
  await broker.advance(9_999);
  const inTime = await broker.v5('a', false, DURABLE);
  await inTime.expect("32 0b 0001 't' 0001 05 02 00000001");
  await broker.advance(1);
  const late = await broker.v5('b', false, DURABLE);
  await late.expectNothing();
  expect(broker.server.stats().dropped.expired).toBe(1);
  expect(broker.server.stats().queuedMessages).toBe(0);
});

test('an expired message in the queue does not hold up the ones behind it [MQTT-3.3.2-5]', async () => {
  const broker = await startServer();
  await (await subscriberV5(broker, 'sub', 't', 0x01, DURABLE)).drop();
  const publisher = await broker.v5('pub');
  await publisher.send(`
    32 0c 0001 't' 0001 05 02 00000001 '1'
    32 07 0001 't' 0002 00 '2'`);
  await broker.advance(2_000);
  const back = await broker.v5('sub', false, DURABLE);
  await back.expect("32 07 0001 't' 0001 00 '2'");
});

test('a message expires while it waits for room in the window of a connected client [MQTT-3.3.2-5]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0x01, '21 0001');
  const publisher = await broker.v5('pub');
  await publisher.send(`
    32 07 0001 't' 0001 00 '1'
    32 0c 0001 't' 0002 05 02 00000005 '2'`);
  await subscriber.expect("32 07 0001 't' 0001 00 '1'");
  await broker.advance(5_000);
  await subscriber.send('40 02 0001');
  await subscriber.expectNothing();
  expect(broker.server.stats().dropped.expired).toBe(1);
});

test('a retained message is sent with what is left of its interval [MQTT-3.3.2-6]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send("31 0a 0001 't' 05 02 0000000a 'm'");
  await broker.advance(4_000);
  const subscriber = await broker.v5('sub');
  await subscribeV5WithRetained(subscriber);
  await subscriber.expect('90 04 0001 00 00', "31 0a 0001 't' 05 02 00000006 'm'");
});

test('a retained message is gone when its interval has passed [MQTT-3.3.2-5]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send("31 0a 0001 't' 05 02 0000000a 'm'");
  expect(broker.server.stats().retainedMessages).toBe(1);
  await broker.advance(10_000);
  const subscriber = await broker.v5('sub');
  await subscribeV5WithRetained(subscriber);
  await subscriber.expect('90 04 0001 00 00');
  expect(broker.server.stats().retainedMessages).toBe(0);
});

test('an expired retained message is removed although nobody subscribes [MQTT-3.3.2-5]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send("31 0a 0001 't' 05 02 0000000a 'm'");
  await broker.advance(12_000);
  expect(broker.server.stats().retainedBytes).toBe(0);
});

test('a v3.1.1 subscriber is not told of an interval, but gets no expired message either [MQTT-3.3.2-5]', async () => {
  const broker = await startServer();
  await (await subscriberV3(broker, 'sub', 't', 1, false)).drop();
  const publisher = await broker.v5('pub');
  await publisher.send(`
    32 0c 0001 't' 0001 05 02 00000001 '1'
    32 0c 0001 't' 0002 05 02 00000064 '2'`);
  await broker.advance(2_000);
  const back = await broker.v3('sub', false);
  await back.expect("32 06 0001 't' 0001 '2'");
});

test('a QoS 2 message that was sent is sent again on resume although it has expired [MQTT-4.3.3-7]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub', true, DURABLE);
  await subscribeV5(subscriber, 't', 0x02);
  const publisher = await broker.v5('pub');
  await publisher.send("34 0b 0001 't' 0001 05 02 00000005");
  await subscriber.expect("34 0b 0001 't' 0001 05 02 00000005");
  await subscriber.drop();
  await broker.advance(60_000);
  const back = await broker.v5('sub', false, DURABLE);
  await back.expect("3c 0b 0001 't' 0001 05 02 00000000");
});

test('an inbound QoS 2 handshake runs to its end although the message expires meanwhile [MQTT-4.3.3-13]', async () => {
  const broker = await startServer();
  await subscriberV5(broker, 'sub', 't', 0x02);
  const publisher = await broker.v5('pub');
  await publisher.send("34 0b 0001 't' 0001 05 02 00000001");
  await publisher.expect('50 02 0001');
  await broker.advance(60_000);
  await publisher.send('62 02 0001');
  await publisher.expect('70 02 0001');
});

test('an outbound QoS 2 handshake runs to its end although the message expires meanwhile [MQTT-4.3.3-7]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0x02);
  const publisher = await broker.v5('pub');
  await publisher.send("34 0b 0001 't' 0001 05 02 00000001");
  await subscriber.expect("34 0b 0001 't' 0001 05 02 00000001");
  await broker.advance(60_000);
  await subscriber.send('50 02 0001');
  await subscriber.expect('62 02 0001');
});

async function subscribeV5WithRetained(client: { send(bytes: string): Promise<void> }) {
  await client.send("82 07 0001 00 0001 't' 00");
}
