// Maximum Packet Size of deliveries and of what a client sends, and PINGREQ. MQTT 5 §3.1.2.11.4, §3.2.2.3.6, §3.12.

import { expect, test } from 'vitest';
import { expectDisconnected } from '../kit/answers.ts';
import { publishV5, subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

test('a delivery as large as the client’s Maximum Packet Size comes, one byte more is dropped and counted [MQTT-3.1.2-24] [MQTT-3.1.2-25]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0, '27 00000020'); // 32
  const publisher = await broker.v5('pub');
  const fits = publishV5({ topicName: 't', payload: 'x'.repeat(26) });
  expect(fits).toHaveLength(32);
  await publisher.send(fits);
  await publisher.send(publishV5({ topicName: 't', payload: 'x'.repeat(27) }));
  await subscriber.expect(fits);
  await subscriber.expectOpen();
  expect(broker.server.stats().dropped.packet_too_large).toBe(1);
});

test('a QoS 1 delivery that is too large takes no slot and is not sent on resume [MQTT-3.1.2-25]', async () => {
  const broker = await startServer();
  const properties = '11 00000e10 21 0001 27 00000020';
  const subscriber = await subscriberV5(broker, 'sub', 't', 1, properties);
  const publisher = await broker.v5('pub');
  await publisher.send(publishV5({ topicName: 't', payload: 'x'.repeat(27), qos: 1 }));
  await publisher.send("32 07 0001 't' 0002 00 'm'");
  const [packet] = await subscriber.packets();
  expect(packet.at(-1)).toBe(0x6d);
  await subscriber.send(Uint8Array.of(0x40, 2, packet[5], packet[6]));
  await subscriber.drop();
  const back = await broker.v5('sub', false, properties);
  await back.expectNothing();
});

test('a queued message that is too large for the new connection is dropped, the next one comes [MQTT-3.1.2-25]', async () => {
  const broker = await startServer();
  await (await subscriberV5(broker, 'sub', 't', 1, '11 00000e10')).drop();
  const publisher = await broker.v5('pub');
  await publisher.send(publishV5({ topicName: 't', payload: 'x'.repeat(27), qos: 1 }));
  await publisher.send("32 07 0001 't' 0002 00 'm'");
  const back = await broker.v5('sub', false, '11 00000e10 27 00000020');
  expect((await back.packets()).map((packet) => packet.at(-1))).toEqual([0x6d]);
  expect(broker.server.stats().dropped.packet_too_large).toBe(1);
});

test('a retained message that is too large is passed over [MQTT-3.1.2-25]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send(publishV5({ topicName: 'a', payload: 'x'.repeat(27), retain: true }));
  await publisher.send(publishV5({ topicName: 'b', payload: 'm', retain: true }));
  const subscriber = await broker.v5('sub', true, '27 00000020');
  await subscriber.send("82 07 0001 00 0001 '#' 00");
  await subscriber.expect('90 04 0001 00 00', "31 05 0001 'b' 00 'm'");
});

test('a large message reaches those whose limit allows it [MQTT-3.1.2-25]', async () => {
  const broker = await startServer();
  const small = await subscriberV5(broker, 'small', 't', 0, '27 00000020');
  const large = await subscriberV5(broker, 'large', 't');
  const publisher = await broker.v5('pub');
  const packet = publishV5({ topicName: 't', payload: 'x'.repeat(100_000) });
  await publisher.send(packet);
  await large.expect(packet);
  await small.expectNothing();
});

test('subscription identifiers count: with them a message may be too large [MQTT-3.1.2-25]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub', true, '27 00000020');
  await subscribeV5(subscriber, 't', 0, '0b 01');
  const publisher = await broker.v5('pub');
  await publisher.send(publishV5({ topicName: 't', payload: 'x'.repeat(25) }));
  await subscriber.expectNothing();
  await publisher.send(publishV5({ topicName: 't', payload: 'x'.repeat(24) }));
  const [packet] = await subscriber.packets();
  expect(packet).toHaveLength(32);
});

test('a packet as large as the server’s maximum is taken, one byte more ends the connection with 0x95 [MQTT-3.2.2-15]', async () => {
  const broker = await startServer({ limits: { packetSizeMax: 64 } });
  const subscriber = await subscriberV5(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  const largest = publishV5({ topicName: 't', payload: 'x'.repeat(58) });
  expect(largest).toHaveLength(64);
  await publisher.send(largest);
  await subscriber.expect(largest);
  await publisher.send(publishV5({ topicName: 't', payload: 'x'.repeat(59) }));
  await expectDisconnected(publisher, 0x95);
  await subscriber.expectNothing();
});

test('PINGREQ is answered with PINGRESP, each one [MQTT-3.12.4-1] [3.1.1 MQTT-3.12.4-1]', async () => {
  const broker = await startServer();
  const five = await broker.v5('five');
  await five.send('c0 00 c0 00');
  await five.expect('d0 00', 'd0 00');
  const three = await broker.v3('three');
  await three.send('c0 00');
  await three.expect('d0 00');
});
