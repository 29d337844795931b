// Subscription options, replacing, overlapping and identifiers. MQTT 5 §3.8.3.1, §3.8.4, §3.3.4.

import { expect, test } from 'vitest';
import { subscriberV3, subscriberV5, subscribeV3, subscribeV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

test('a message is delivered at the lower of its QoS and the granted one [MQTT-3.8.4-8] [3.1.1 MQTT-3.8.4-6]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscribeV5(subscriber, 'q0', 0);
  await subscribeV5(subscriber, 'q1', 1);
  await subscribeV5(subscriber, 'q2', 2);
  const publisher = await broker.v5('pub');
  await publisher.send(`
    30 05 0002 'q0' 00       32 07 0002 'q0' 0001 00  34 07 0002 'q0' 0002 00
    30 05 0002 'q1' 00       32 07 0002 'q1' 0003 00  34 07 0002 'q1' 0004 00
    30 05 0002 'q2' 00       32 07 0002 'q2' 0005 00  34 07 0002 'q2' 0006 00`);
  await subscriber.expect(
    ...["30 05 0002 'q0' 00", "30 05 0002 'q0' 00", "30 05 0002 'q0' 00"],
    ...["30 05 0002 'q1' 00", "32 07 0002 'q1' 0001 00", "32 07 0002 'q1' 0002 00"],
    ...["30 05 0002 'q2' 00", "32 07 0002 'q2' 0003 00", "34 07 0002 'q2' 0004 00"],
  );
});

test('subscribing again to a filter replaces it: one delivery, with the new QoS [MQTT-3.8.4-3] [3.1.1 MQTT-3.8.4-3]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0);
  await subscribeV5(subscriber, 't', 1);
  const publisher = await broker.v5('pub');
  await publisher.send("32 07 0001 't' 0001 00 'm'");
  await subscriber.expect("32 07 0001 't' 0001 00 'm'");
  expect(broker.server.stats().subscriptions).toBe(1);
});

test('a replaced wildcard subscription has its new options, the old identifier is gone [MQTT-3.8.4-3]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscribeV5(subscriber, '+', 0x08, '0b 01');
  const publisher = await broker.v5('pub');
  await publisher.send("31 04 0001 't' 00");
  await subscriber.expect("31 06 0001 't' 02 0b 01");
  await subscribeV5(subscriber, '+', 0x20, '0b 02');
  await publisher.send("31 04 0001 't' 00");
  await subscriber.expect("30 06 0001 't' 02 0b 02");
});

test('a filter that stands twice in one SUBSCRIBE is as if it came in two [MQTT-3.8.4-5] [3.1.1 MQTT-3.8.4-4]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 0b 0001 00 0001 't' 00 0001 't' 01");
  await subscriber.expect('90 05 0001 00 00 01');
  const publisher = await broker.v5('pub');
  await publisher.send("32 07 0001 't' 0001 00 'm'");
  await subscriber.expect("32 07 0001 't' 0001 00 'm'");
});

test('replacing a subscription loses no live message [MQTT-3.8.4-4]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 1);
  const publisher = await broker.v5('pub');
  publisher.write("32 07 0001 't' 0001 00 '1'");
  subscriber.write("82 07 0001 00 0001 't' 01");
  publisher.write("32 07 0001 't' 0002 00 '2'");
  const packets = await subscriber.packets();
  const payloads = packets.filter((packet) => packet[0] === 0x32).map((packet) => packet.at(-1));
  expect(payloads).toEqual([0x31, 0x32]);
});

test('overlapping filters bring one delivery at the highest granted QoS [MQTT-3.3.4-2] [3.1.1 MQTT-3.3.5-1]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0);
  await subscribeV5(subscriber, '+', 2);
  await subscribeV5(subscriber, '#', 1);
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0001 00 'm'");
  await subscriber.expect("34 07 0001 't' 0001 00 'm'");
});

test('overlapping v3.1.1 filters bring one delivery at the highest granted QoS [3.1.1 MQTT-3.3.5-1]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV3(broker, 'sub', 't', 1);
  await subscribeV3(subscriber, '#', 2);
  await subscribeV3(subscriber, '+', 0);
  const publisher = await broker.v3('pub');
  await publisher.send("34 06 0001 't' 0001 'm'");
  await subscriber.expect("34 06 0001 't' 0001 'm'");
});

test('one copy has the identifiers of all matching subscriptions [MQTT-3.3.4-3] [MQTT-3.3.4-4]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscribeV5(subscriber, 't', 0, '0b 01');
  await subscribeV5(subscriber, '+', 1, '0b 8001'); // 128
  await subscribeV5(subscriber, 'other', 0, '0b 03');
  await subscribeV5(subscriber, '#', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00");
  const [packet, ...rest] = await subscriber.packets();
  expect(rest).toHaveLength(0);
  const identifiers = Buffer.from(packet).toString('hex').slice(14);
  expect(Buffer.from(packet).toString('hex').slice(0, 14)).toBe('320b0001740001');
  expect(['050b010b8001', '050b80010b01']).toContain(identifiers);
});

test('the largest identifier goes there and back [MQTT-3.3.4-3]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscribeV5(subscriber, 't', 0, '0b ffffff7f');
  const publisher = await broker.v5('pub');
  await publisher.send("30 04 0001 't' 00");
  await subscriber.expect("30 09 0001 't' 05 0b ffffff7f");
});

test('an identifier is kept with the session and comes with what was queued [MQTT-3.3.4-3]', async () => {
  const broker = await startServer();
  const first = await broker.v5('sub', true, '11 00000e10');
  await subscribeV5(first, 't', 1, '0b 07');
  await first.drop();
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00");
  const second = await broker.v5('sub', false, '11 00000e10');
  await second.expect("32 08 0001 't' 0001 02 0b 07");
  await publisher.send("30 04 0001 't' 00");
  await second.expect("30 06 0001 't' 02 0b 07");
});

test('a shared and an ordinary subscription that overlap bring two copies, each with its own identifier [MQTT-3.3.4-5]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscribeV5(subscriber, 't', 0, '0b 01');
  await subscribeV5(subscriber, '$share/g/t', 0, '0b 02');
  const publisher = await broker.v5('pub');
  await publisher.send("30 04 0001 't' 00");
  await subscriber.expect("30 06 0001 't' 02 0b 01", "30 06 0001 't' 02 0b 02");
});

test('with No Local a client does not get its own messages, but those of others [MQTT-3.8.3-3]', async () => {
  const broker = await startServer();
  const client = await subscriberV5(broker, 'a', 't', 0x04);
  const other = await subscriberV5(broker, 'b', 't');
  await client.send("30 05 0001 't' 00 '1'");
  await other.expect("30 05 0001 't' 00 '1'");
  await client.expectNothing();
  await other.send("30 05 0001 't' 00 '2'");
  await client.expect("30 05 0001 't' 00 '2'");
  expect(broker.server.stats().dropped.no_local).toBe(1);
});

test('without No Local a client gets its own messages [MQTT-3.8.3-3]', async () => {
  const broker = await startServer();
  const client = await subscriberV5(broker, 'a', 't');
  await client.send("30 05 0001 't' 00 'm'");
  await client.expect("30 05 0001 't' 00 'm'");
});

test('No Local of one filter does not keep back what another filter asks for [MQTT-3.8.3-3] [MQTT-3.3.4-4]', async () => {
  const broker = await startServer();
  const client = await broker.v5('a');
  await subscribeV5(client, 't', 0x06, '0b 01');
  await subscribeV5(client, '+', 0x01, '0b 02');
  await client.send("34 06 0001 't' 0001 00");
  await client.expect("32 08 0001 't' 0001 02 0b 02", '50 02 0001');
});

test('No Local is about the client, not the connection [MQTT-3.8.3-3]', async () => {
  const broker = await startServer();
  const first = await broker.v5('a', true, '11 00000e10');
  await subscribeV5(first, 't', 0x04);
  await first.drop();
  const second = await broker.v5('a', false, '11 00000e10');
  await second.send("30 05 0001 't' 00 'm'");
  await second.expectNothing();
});

test('a bridge does not get its own messages, and sees RETAIN as published', async () => {
  const broker = await startServer();
  const bridge = broker.open();
  await bridge.send("10 0d 0004 'MQTT' 84 02 0000 0001 'b'");
  await bridge.expect('20 02 00 00');
  await bridge.send("82 06 0001 0001 '#' 00");
  await bridge.expect('90 03 0001 00');
  await bridge.send("30 04 0001 't' '1'");
  await bridge.expectNothing();
  const publisher = await broker.v3('pub');
  await publisher.send("31 04 0001 't' '2' 30 04 0001 't' '3'");
  await bridge.expect("31 04 0001 't' '2'", "30 04 0001 't' '3'");
});

test('a bridge of v3.1 does so, too', async () => {
  const broker = await startServer();
  const bridge = broker.open();
  await bridge.send("10 0f 0006 'MQIsdp' 83 02 0000 0001 'b'");
  await bridge.expect('20 02 00 00');
  await bridge.send("82 06 0001 0001 '#' 00");
  await bridge.expect('90 03 0001 00');
  await bridge.send("30 04 0001 't' '1'");
  const publisher = await broker.v3('pub');
  await publisher.send("31 04 0001 't' '2'");
  await bridge.expect("31 04 0001 't' '2'");
});
