// What is sent again when a session is resumed: unfinished deliveries with their ids and DUP, in their order, then the queue.
// MQTT 5 §4.4, §4.6.

import { expect, test } from 'vitest';
import { subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

const DURABLE = '11 00000e10'; // Session Expiry Interval 3,600 s

test('a QoS 1 delivery without PUBACK is sent again with DUP and its id [MQTT-3.3.1-1] [MQTT-4.3.2-3] [MQTT-4.4.0-1]', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'sub', 't', 1, DURABLE);
  const publisher = await broker.v5('pub');
  await publisher.send("32 07 0001 't' 0009 00 'm'");
  await first.expect("32 07 0001 't' 0001 00 'm'");
  await first.drop();
  const second = await broker.v5('sub', false, DURABLE);
  await second.expect("3a 07 0001 't' 0001 00 'm'");
});

test('a v3.1.1 session is sent its unfinished deliveries again [3.1.1 MQTT-3.3.1-1] [3.1.1 MQTT-4.4.0-1]', async () => {
  const broker = await startServer();
  const first = await subscriberV3(broker, 'sub', 't', 2, false);
  const publisher = await broker.v3('pub');
  await publisher.send("32 06 0001 't' 0001 '1' 34 06 0001 't' 0002 '2' 34 06 0001 't' 0003 '3'");
  expect(await first.packets()).toHaveLength(3);
  await first.send('50 02 0003');
  await first.expect('62 02 0003');
  await first.drop();
  const second = await broker.v3('sub', false);
  await second.expect("3a 06 0001 't' 0001 '1'", "3c 06 0001 't' 0002 '2'", '62 02 0003');
});

test('a QoS 2 delivery without PUBREC is sent again with DUP and its id [MQTT-4.3.3-3] [MQTT-4.4.0-1]', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'sub', 't', 2, DURABLE);
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0009 00 'm'");
  await first.drop();
  const second = await broker.v5('sub', false, DURABLE);
  await second.expect("3c 07 0001 't' 0001 00 'm'");
});

test('after PUBREC only PUBREL is sent again, never the PUBLISH [MQTT-4.3.3-5] [MQTT-4.3.3-6] [MQTT-4.4.0-1]', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'sub', 't', 2, DURABLE);
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0009 00 'm'");
  await first.send('50 02 0001');
  await first.drop();
  const second = await broker.v5('sub', false, DURABLE);
  await second.expect('62 02 0001');
  await second.drop();
  const third = await broker.v5('sub', false, DURABLE);
  await third.expect('62 02 0001');
  await third.send('70 02 0001');
  expect(broker.server.stats().inflightMessages).toBe(0);
});

test('PUBLISH and PUBREL are sent again in the order in which their messages were sent first, before the queue [MQTT-4.6.0-5]', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'sub', '#', 2, `${DURABLE} 21 0004`);
  const publisher = await broker.v5('pub');
  await publisher.send(`
    34 07 0001 'a' 0001 00 '1'
    32 07 0001 'b' 0002 00 '2'
    34 07 0001 'c' 0003 00 '3'
    32 07 0001 'd' 0004 00 '4'
    32 07 0001 'e' 0005 00 '5'`);
  expect(await first.packets()).toHaveLength(4);
  await first.send('50 02 0003');
  await first.expect('62 02 0003');
  await first.drop();
  await publisher.send("30 05 0001 'x' 00 'q' 32 07 0001 'f' 0006 00 '6'");
  const second = await broker.v5('sub', false, DURABLE);
  await second.expect(
    "3c 07 0001 'a' 0001 00 '1'",
    "3a 07 0001 'b' 0002 00 '2'",
    '62 02 0003',
    "3a 07 0001 'd' 0004 00 '4'",
    "32 07 0001 'e' 0005 00 '5'",
    "32 07 0001 'f' 0006 00 '6'",
  );
});

test('what is sent again is more than the new Receive Maximum allows: the rest waits its turn [MQTT-3.3.4-9] [MQTT-4.9.0-1]', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'sub', 't', 1, DURABLE);
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00 32 06 0001 't' 0002 00 32 06 0001 't' 0003 00");
  expect(await first.packets()).toHaveLength(3);
  await first.drop();
  const second = await broker.v5('sub', false, `${DURABLE} 21 0002`);
  await second.expect("3a 06 0001 't' 0001 00", "3a 06 0001 't' 0002 00");
  await second.send('40 02 0001');
  await second.expect("3a 06 0001 't' 0003 00");
});

test('a live message waits behind what must be sent again [MQTT-4.6.0-5]', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'sub', 't', 1, DURABLE);
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00 32 06 0001 't' 0002 00");
  await first.drop();
  const second = await broker.v5('sub', false, `${DURABLE} 21 0001`);
  await second.expect("3a 06 0001 't' 0001 00");
  await publisher.send("32 07 0001 't' 0003 00 'n'");
  await second.send('40 02 0001');
  await second.expect("3a 06 0001 't' 0002 00");
  await second.send('40 02 0002');
  await second.expect("32 07 0001 't' 0003 00 'n'");
});

test('a v3.1.1 session may go on with v5: its deliveries take the form of the new connection [MQTT-4.4.0-1]', async () => {
  const broker = await startServer();
  const first = await subscriberV3(broker, 'sub', 't', 1, false);
  const publisher = await broker.v5('pub');
  await publisher.send("32 09 0001 't' 0001 02 01 01 'm'");
  await first.expect("32 06 0001 't' 0001 'm'");
  await first.drop();
  const second = await broker.v5('sub', false, DURABLE);
  await second.expect("3a 09 0001 't' 0001 02 01 01 'm'");
});

test('a clean start brings nothing of the former session, and what was under way is counted [MQTT-3.1.2-4]', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'sub', 't', 1, `${DURABLE} 21 0001`);
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00 32 06 0001 't' 0002 00");
  await first.drop();
  const second = await broker.v5('sub', true, DURABLE);
  await second.expectNothing();
  expect(broker.server.stats().dropped.session_ended).toBe(2);
});

test('what a client acknowledged on its last connection does not come again [MQTT-4.3.2-3]', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'sub', 't', 1, DURABLE);
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00 32 06 0001 't' 0002 00");
  await first.send('40 02 0001');
  await first.drop();
  const second = await broker.v5('sub', false, DURABLE);
  await second.expect("3a 06 0001 't' 0002 00");
});

test('a takeover sends unfinished deliveries again to the new connection only [MQTT-4.4.0-1]', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'sub', 't', 1, DURABLE);
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00");
  await first.expect("32 06 0001 't' 0001 00");
  const second = await broker.v5('sub', false, DURABLE);
  await second.expect("3a 06 0001 't' 0001 00");
  expect((await first.packets()).map((packet) => packet[0])).toEqual([0xe0]);
});

test('new ids after a resume do not collide with those sent again [MQTT-4.3.2-1] [MQTT-4.3.3-1]', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'sub', 't', 2, DURABLE);
  const publisher = await broker.v5('pub');
  await publisher.send("34 06 0001 't' 0001 00 34 06 0001 't' 0002 00");
  await first.send('50 02 0001');
  await first.drop();
  const second = await broker.v5('sub', false, DURABLE);
  await second.expect('62 02 0001', "3c 06 0001 't' 0002 00");
  await publisher.send("32 06 0001 't' 0003 00");
  await second.expect("32 06 0001 't' 0003 00");
});
