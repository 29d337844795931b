// QoS 1 and 2 from the server to the client, on one connection. MQTT 5 §4.3.

import { expect, test } from 'vitest';
import { expectDisconnected } from '../kit/answers.ts';
import { publishV3, subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

test('a QoS 1 delivery has an id, QoS bits 01 and DUP 0, and ends with PUBACK [MQTT-4.3.2-1] [MQTT-4.3.2-2] [3.1.1 MQTT-4.3.2-1]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV3(broker, 'sub', 't', 1);
  const publisher = await broker.v3('pub');
  await publisher.send("32 06 0001 't' 0009 'm'");
  await subscriber.expect("32 06 0001 't' 0001 'm'");
  expect(broker.server.stats().inflightMessages).toBe(1);
  await subscriber.send('40 02 0001');
  await subscriber.expectNothing();
  expect(broker.server.stats().inflightMessages).toBe(0);
});

test('a QoS 2 delivery runs PUBLISH, PUBREC, PUBREL, PUBCOMP with one id [MQTT-4.3.3-1] [MQTT-4.3.3-2] [MQTT-4.3.3-4] [MQTT-3.6.1-1] [MQTT-3.6.2-1]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 2);
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0009 00 'm'");
  await subscriber.expect("34 07 0001 't' 0001 00 'm'");
  await subscriber.send('50 02 0001');
  await subscriber.expect('62 02 0001');
  expect(broker.server.stats().inflightMessages).toBe(1);
  await subscriber.send('70 02 0001');
  await subscriber.expectNothing();
  expect(broker.server.stats().inflightMessages).toBe(0);
});

test('a v3.1.1 QoS 2 delivery runs the same way [3.1.1 MQTT-4.3.3-1] [3.1.1 MQTT-3.6.1-1]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV3(broker, 'sub', 't', 2);
  const publisher = await broker.v3('pub');
  await publisher.send("34 06 0001 't' 0009 'm'");
  await subscriber.expect("34 06 0001 't' 0001 'm'");
  await subscriber.send('50 02 0001');
  await subscriber.expect('62 02 0001');
  await subscriber.send('70 02 0001');
  expect(broker.server.stats().inflightMessages).toBe(0);
});

test('nothing is sent again while the connection lasts, however long [MQTT-4.4.0-1] [3.1.1 MQTT-4.4.0-1]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 2);
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00 34 06 0001 't' 0002 00 34 06 0001 't' 0003 00");
  expect(await subscriber.packets()).toHaveLength(3);
  await subscriber.send('50 02 0002');
  await subscriber.expect('62 02 0002');
  await broker.advance(3_600_000);
  await subscriber.expectNothing();
});

test('a PUBREC that comes again is answered with PUBREL again [MQTT-4.3.3-4]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 2);
  const publisher = await broker.v5('pub');
  await publisher.send("34 06 0001 't' 0001 00");
  await subscriber.send('50 02 0001 50 02 0001');
  await subscriber.expect("34 06 0001 't' 0001 00", '62 02 0001', '62 02 0001');
});

test('PUBREC for an id that is not known is answered with PUBREL 0x92 [MQTT-3.6.2-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send('50 02 0007');
  await client.expect('62 03 0007 92');
  await client.expectOpen();
});

test('a v3.1.1 PUBREC for an id that is not known is answered with PUBREL [3.1.1 MQTT-3.6.1-1]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send('50 02 0007');
  await client.expect('62 02 0007');
});

test('a refusing PUBREC for an id that is not known is answered with nothing', async () => {
  const client = await (await startServer()).v5('a');
  await client.send('50 03 0007 80');
  await client.expectNothing();
  await client.expectOpen();
});

test('PUBACK and PUBCOMP for ids that are not known change nothing', async () => {
  const client = await (await startServer()).v5('a');
  await client.send('40 02 0007 70 02 0008 c0 00');
  await client.expect('d0 00');
});

test('PUBREL has no Reason String or User Property, so it fits any Maximum Packet Size [MQTT-3.6.2-2] [MQTT-3.6.2-3]', async () => {
  const client = await (await startServer()).v5('a', true, '27 00000020');
  await client.send('50 02 0007');
  await client.expect('62 03 0007 92');
});

test('PUBACK with a failure ends the delivery and is counted [MQTT-4.4.0-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 1, '11 00000e10');
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00");
  await subscriber.expect("32 06 0001 't' 0001 00");
  await subscriber.send('40 03 0001 80');
  await subscriber.drop();
  const back = await broker.v5('sub', false, '11 00000e10');
  await back.expectNothing();
  expect(broker.server.stats().dropped.refused).toBe(1);
});

test('PUBREC with a failure ends the delivery: no PUBREL, nothing on resume [MQTT-4.4.0-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 2, '11 00000e10');
  const publisher = await broker.v5('pub');
  await publisher.send("34 06 0001 't' 0001 00");
  await subscriber.expect("34 06 0001 't' 0001 00");
  await subscriber.send('50 03 0001 97');
  await subscriber.expectNothing();
  await subscriber.drop();
  const back = await broker.v5('sub', false, '11 00000e10');
  await back.expectNothing();
  expect(broker.server.stats().dropped.refused).toBe(1);
});

test('PUBACK 0x10 is a success like 0x00 [MQTT-3.4.2-1]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 1);
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00");
  await subscriber.send('40 03 0001 10');
  expect(broker.server.stats().inflightMessages).toBe(0);
  expect(broker.server.stats().dropped.refused).toBe(0);
});

for (const [name, packet, clause] of [
  ['PUBACK', '40 03 0001 92', 'MQTT-3.4.2-1'],
  ['PUBREC', '50 03 0001 92', 'MQTT-3.5.2-1'],
  ['PUBCOMP', '70 03 0001 80', 'MQTT-3.7.2-1'],
] as const) {
  test(`a reason code that ${name} does not have ends the connection with 0x82 [${clause}]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(packet);
    await expectDisconnected(client, 0x82, clause);
  });
}

test('PUBACK for a QoS 2 delivery ends the connection with 0x82', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 2);
  const publisher = await broker.v5('pub');
  await publisher.send("34 06 0001 't' 0001 00");
  await subscriber.packets();
  await subscriber.send('40 02 0001');
  await expectDisconnected(subscriber, 0x82);
});

test('PUBREC for a QoS 1 delivery ends the connection with 0x82', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 1);
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00");
  await subscriber.packets();
  await subscriber.send('50 02 0001');
  await expectDisconnected(subscriber, 0x82);
});

test('after 65,535 ids come the first again, without 0 and without the one in flight [MQTT-4.3.2-1]', async () => {
  const broker = await startServer({ limits: { inflightMessagesMax: 1_000 } });
  const subscriber = await subscriberV3(broker, 'sub', 't', 1);
  const publisher = await broker.v3('pub');
  const seen: number[] = [];
  let kept = 0;
  while (seen.length < 68_000) {
    for (let i = 0; i < 500; i++) {
      publisher.write(publishV3({ topicName: 't', qos: 1, packetId: 1 + i }));
    }
    const acknowledgements: number[] = [];
    for (const packet of await subscriber.packets()) {
      const id = (packet[5] << 8) | packet[6];
      seen.push(id);
      if (kept === 0) kept = id;
      else acknowledgements.push(0x40, 2, packet[5], packet[6]);
    }
    subscriber.write(Uint8Array.from(acknowledgements));
  }
  expect(seen).not.toContain(0);
  expect(Math.max(...seen.slice(-1_000))).toBeLessThan(5_000); // they have wrapped around
  expect(seen.filter((id) => id === kept)).toHaveLength(1);
});

test('PUBCOMP without PUBREC acknowledges nothing: 0x82, and the message comes again [MQTT-4.3.3-3]', async () => {
  const broker = await startServer();
  const client = await subscriberV5(broker, 'a', 't', 2, '11 0000003c');
  await (await broker.v3('p')).send("34 06 0001 't' 0001 'x'");
  await client.expect("34 07 0001 't' 0001 00 'x'");
  await client.send('70 02 0001');
  await expectDisconnected(client, 0x82);
  const back = await broker.v5('a', false, '11 0000003c');
  await back.expect("3c 07 0001 't' 0001 00 'x'");
});
