// Retained messages: what is kept, what replaces it, what removes it. MQTT 5 §3.3.1.3.

import { expect, test } from 'vitest';
import { expectDisconnected } from '../kit/answers.ts';
import { subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

const SUBSCRIBE = "82 07 0001 00 0001 't' 02";
const SUBACK = '90 04 0001 00 02';

test('a later subscriber gets only the newest retained message of a topic, with RETAIN, after SUBACK [MQTT-3.3.1-5] [3.1.1 MQTT-3.3.1-6]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send("31 05 0001 't' 00 '1' 31 05 0001 't' 00 '2'");
  const subscriber = await broker.v5('sub');
  await subscriber.send(SUBSCRIBE);
  await subscriber.expect(SUBACK, "31 05 0001 't' 00 '2'");
});

test('a v3.1.1 subscriber gets the newest retained message with RETAIN [3.1.1 MQTT-3.3.1-5] [3.1.1 MQTT-3.3.1-8]', async () => {
  const broker = await startServer();
  const publisher = await broker.v3('pub');
  await publisher.send("31 04 0001 't' '1' 31 04 0001 't' '2'");
  const subscriber = await broker.v3('sub');
  await subscriber.send("82 06 0001 0001 't' 02");
  await subscriber.expect('90 03 0001 02', "31 04 0001 't' '2'");
});

test('a retained message is kept when its publisher has gone [MQTT-3.3.1-5]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send("31 05 0001 't' 00 '1' e0 00");
  const subscriber = await broker.v5('sub');
  await subscriber.send(SUBSCRIBE);
  await subscriber.expect(SUBACK, "31 05 0001 't' 00 '1'");
});

test('a retained QoS 0 message replaces one of QoS 2 [3.1.1 MQTT-3.3.1-7]', async () => {
  const broker = await startServer();
  const publisher = await broker.v3('pub');
  await publisher.send("35 06 0001 't' 0001 '1' 62 02 0001 31 04 0001 't' '2'");
  const subscriber = await broker.v3('sub');
  await subscriber.send("82 06 0001 0001 't' 02");
  await subscriber.expect('90 03 0001 02', "31 04 0001 't' '2'");
});

test('a retained message is sent at the lower of its QoS and the granted one [MQTT-3.8.4-8]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send("35 07 0001 't' 0001 00 '1'");
  const one = await broker.v5('one');
  await one.send("82 07 0001 00 0001 't' 01");
  await one.expect('90 04 0001 00 01', "33 07 0001 't' 0001 00 '1'");
  const two = await broker.v5('two');
  await two.send(SUBSCRIBE);
  await two.expect(SUBACK, "35 07 0001 't' 0001 00 '1'");
});

test('an empty retained payload is delivered now and clears the topic [MQTT-3.3.1-6] [MQTT-3.3.1-7] [3.1.1 MQTT-3.3.1-10] [3.1.1 MQTT-3.3.1-11]', async () => {
  const broker = await startServer();
  const live = await subscriberV5(broker, 'live', 't');
  const publisher = await broker.v5('pub');
  await publisher.send("31 05 0001 't' 00 '1' 31 04 0001 't' 00");
  await live.expect("30 05 0001 't' 00 '1'", "30 04 0001 't' 00");
  expect(broker.server.stats().retainedMessages).toBe(0);
  const later = await broker.v5('later');
  await later.send(SUBSCRIBE);
  await later.expect(SUBACK);
});

test('an empty retained payload for a topic without a message is not kept [MQTT-3.3.1-7]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send("31 04 0001 't' 00");
  expect(broker.server.stats().retainedMessages).toBe(0);
  const later = await broker.v5('later');
  await later.send(SUBSCRIBE);
  await later.expect(SUBACK);
});

test('an empty payload without RETAIN leaves the retained message [MQTT-3.3.1-8]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send("31 05 0001 't' 00 '1' 30 04 0001 't' 00");
  const later = await broker.v5('later');
  await later.send(SUBSCRIBE);
  await later.expect(SUBACK, "31 05 0001 't' 00 '1'");
});

test('a message without RETAIN leaves the retained message as it was [MQTT-3.3.1-8] [3.1.1 MQTT-3.3.1-12]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send("31 05 0001 't' 00 '1' 30 05 0001 't' 00 '2'");
  const later = await broker.v5('later');
  await later.send(SUBSCRIBE);
  await later.expect(SUBACK, "31 05 0001 't' 00 '1'");
});

test('a live message has RETAIN 0 by default [MQTT-3.3.1-12] [3.1.1 MQTT-3.3.1-9]', async () => {
  const broker = await startServer();
  const five = await subscriberV5(broker, 'five', 't');
  const three = await subscriberV3(broker, 'three', 't');
  const publisher = await broker.v5('pub');
  await publisher.send("31 05 0001 't' 00 'm'");
  await five.expect("30 05 0001 't' 00 'm'");
  await three.expect("30 04 0001 't' 'm'");
});

test('with Retain As Published a live message has the publisher’s RETAIN, 1 or 0 [MQTT-3.3.1-13]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0x08);
  const publisher = await broker.v5('pub');
  await publisher.send("31 05 0001 't' 00 '1' 30 05 0001 't' 00 '2'");
  await subscriber.expect("31 05 0001 't' 00 '1'", "30 05 0001 't' 00 '2'");
});

test('Retain As Published survives the queue [MQTT-3.3.1-13]', async () => {
  const broker = await startServer();
  await (await subscriberV5(broker, 'sub', 't', 0x09, '11 00000e10')).drop();
  const publisher = await broker.v5('pub');
  await publisher.send("33 06 0001 't' 0001 00 32 06 0001 't' 0002 00");
  const back = await broker.v5('sub', false, '11 00000e10');
  await back.expect("33 06 0001 't' 0001 00", "32 06 0001 't' 0002 00");
});

test('a retained message carries its properties and the identifier of the new subscription [MQTT-3.3.4-3] [MQTT-3.3.2-17]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send("31 0d 0001 't' 08 26 0001 'k' 0002 'vv' '1'");
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 09 0001 02 0b 05 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00', "31 0f 0001 't' 0a 0b 05 26 0001 'k' 0002 'vv' '1'");
});

test('a server without retained messages refuses RETAIN with 0x9A [MQTT-3.2.2-14]', async () => {
  const broker = await startServer({ limits: { retainAvailable: false } });
  const publisher = await broker.v5('pub');
  await publisher.send("31 05 0001 't' 00 'm'");
  await expectDisconnected(publisher, 0x9a);
});

test('past the limit of retained messages a new topic is delivered but not kept, and counted; a known topic is replaced', async () => {
  const broker = await startServer({ limits: { retainedMessagesMax: 1 } });
  const live = await subscriberV5(broker, 'live', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("31 05 0001 'a' 00 '1' 31 05 0001 'b' 00 '2' 31 05 0001 'a' 00 '3'");
  await live.expect("30 05 0001 'a' 00 '1'", "30 05 0001 'b' 00 '2'", "30 05 0001 'a' 00 '3'");
  expect(broker.server.stats().dropped.retained_limit).toBe(1);
  const later = await broker.v5('later');
  await later.send("82 07 0001 00 0001 '#' 00");
  await later.expect('90 04 0001 00 00', "31 05 0001 'a' 00 '3'");
});
