// The fixed header and topic name of PUBLISH: DUP, QoS, RETAIN, and what is answered. MQTT 5 §3.3.1, §3.3.2.1, §3.3.4.

import { expect, test } from 'vitest';
import { expectDisconnected } from '../kit/answers.ts';
import { toHex } from '../kit/hex.ts';
import { publishV5, subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

test('a QoS 0 message is delivered once with DUP 0 and answered with nothing [MQTT-3.3.1-2] [MQTT-3.3.4-1] [MQTT-4.3.1-1]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0x02);
  const publisher = await broker.v5('pub');
  await publisher.send("30 05 0001 't' 00 'm'");
  await publisher.expectNothing();
  await subscriber.expect("30 05 0001 't' 00 'm'");
  await broker.advance(60_000);
  await subscriber.expectNothing();
});

test('a v3.1.1 QoS 0 message is delivered once with DUP 0 [3.1.1 MQTT-3.3.1-2] [3.1.1 MQTT-4.3.1-1]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV3(broker, 'sub', 't', 2);
  const publisher = await broker.v3('pub');
  await publisher.send("30 04 0001 't' 'm'");
  await publisher.expectNothing();
  await subscriber.expect("30 04 0001 't' 'm'");
});

test('a QoS 1 message is answered with PUBACK [MQTT-3.3.4-1] [3.1.1 MQTT-3.3.4-1]', async () => {
  const broker = await startServer();
  await subscriberV5(broker, 'sub', 't', 0x01);
  const publisher = await broker.v5('pub');
  await publisher.send("32 07 0001 't' 1234 00 'm'");
  await publisher.expect('40 02 1234');
});

test('a QoS 2 message is answered with PUBREC [MQTT-3.3.4-1] [3.1.1 MQTT-3.3.4-1]', async () => {
  const broker = await startServer();
  await subscriberV5(broker, 'sub', 't', 0x01);
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 1234 00 'm'");
  await publisher.expect('50 02 1234');
});

test('a QoS 1 message that nobody subscribes to is answered with 0x10 [MQTT-3.4.2-1]', async () => {
  const publisher = await (await startServer()).v5('pub');
  await publisher.send("32 07 0001 't' 0001 00 'm'");
  await publisher.expect('40 03 0001 10');
});

test('a QoS 2 message that nobody subscribes to is answered with 0x10 [MQTT-3.5.2-1]', async () => {
  const publisher = await (await startServer()).v5('pub');
  await publisher.send("34 07 0001 't' 0001 00 'm'");
  await publisher.expect('50 03 0001 10');
});

test('a v3.1.1 PUBACK never carries a reason code', async () => {
  const publisher = await (await startServer()).v3('pub');
  await publisher.send("32 06 0001 't' 0001 'm'");
  await publisher.expect('40 02 0001');
});

test('DUP of the publisher is not passed on at QoS 1 [MQTT-3.3.1-3] [3.1.1 MQTT-3.3.1-3] [MQTT-4.3.2-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0x01);
  const publisher = await broker.v5('pub');
  await publisher.send("3a 07 0001 't' 0001 00 'm'");
  await subscriber.expect("32 07 0001 't' 0001 00 'm'");
});

test('DUP of the publisher is not passed on at QoS 2 [MQTT-3.3.1-3] [MQTT-4.3.3-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV3(broker, 'sub', 't', 2);
  const publisher = await broker.v3('pub');
  await publisher.send("3c 06 0001 't' 0001 'm'");
  await subscriber.expect("34 06 0001 't' 0001 'm'");
});

test('a PUBLISH with QoS 3 ends the connection with 0x81 [MQTT-3.3.1-4]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("36 07 0001 't' 0001 00 'm'");
  await expectDisconnected(client, 0x81, 'MQTT-3.3.1-4');
});

test('a v3.1.1 PUBLISH with QoS 3 closes the connection [3.1.1 MQTT-3.3.1-4]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send("36 06 0001 't' 0001 'm'");
  await client.expectClosed();
});

test('a QoS 0 PUBLISH with DUP ends the connection with 0x81 [MQTT-3.3.1-2]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("38 05 0001 't' 00 'm'");
  await expectDisconnected(client, 0x81, 'MQTT-3.3.1-2');
});

for (const [what, packet] of [
  ['ends within its topic name', "30 04 0005 't' 00"],
  ['ends before its topic name', '30 01 00'],
  ['has a topic name that is not UTF-8', '30 04 0001 ff 00'],
] as const) {
  test(`a PUBLISH that ${what} ends the connection with 0x81 [MQTT-3.3.2-1]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(packet);
    await expectDisconnected(client, 0x81, 'MQTT-3.3.2-1');
  });
}

for (const topicName of ['#', '+', 'a/#', 'a/+/b', 'a+']) {
  const name = `00 0${topicName.length} '${topicName}'`;

  test(`a PUBLISH to ${topicName} ends the connection with 0x90 [MQTT-3.3.2-2] [MQTT-4.7.0-1]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(`30 0${3 + topicName.length} ${name} 00`);
    await expectDisconnected(client, 0x90);
  });

  test(`a v3.1.1 PUBLISH to ${topicName} closes the connection [3.1.1 MQTT-3.3.2-2] [3.1.1 MQTT-4.7.1-1]`, async () => {
    const client = await (await startServer()).v3('a');
    await client.send(`30 0${2 + topicName.length} ${name}`);
    await client.expectClosed();
  });
}

test('an empty topic name without an alias ends the connection with 0x82 [MQTT-4.7.3-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("30 04 0000 00 'm'");
  await expectDisconnected(client, 0x82, 'MQTT-4.7.3-1');
});

test('an empty v3.1.1 topic name closes the connection [3.1.1 MQTT-4.7.3-1]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send("30 03 0000 'm'");
  await client.expectClosed();
});

test('U+0000 in a topic name ends the connection with 0x81 [MQTT-4.7.3-2]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("30 06 0003 'a' 00 'b' 00");
  await expectDisconnected(client, 0x81);
});

test('U+0000 in a v3.1.1 topic name closes the connection [3.1.1 MQTT-4.7.3-2]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send("30 05 0003 'a' 00 'b'");
  await client.expectClosed();
});

test('a topic name of 65,535 bytes is delivered whole when the limit allows it [MQTT-4.7.3-3]', async () => {
  const broker = await startServer({ limits: { topicLengthMax: 65_535 } });
  const topicName = 'x'.repeat(65_535);
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send(publishV5({ topicName, payload: 'm' }));
  const [packet] = await subscriber.packets();
  expect(toHex(packet.subarray(0, 6))).toBe('30 83 80 04 ff ff');
  expect(new TextDecoder().decode(packet.subarray(6, 6 + 65_535))).toBe(topicName);
  expect(toHex(packet.subarray(6 + 65_535))).toBe('00 6d');
});

test('a topic name one byte past the limit ends the connection, and nobody gets it cut [MQTT-4.7.3-3]', async () => {
  const broker = await startServer({ limits: { topicLengthMax: 8 } });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("30 0b 0008 '12345678' 00");
  await subscriber.expect("30 0b 0008 '12345678' 00");
  await publisher.send("30 0c 0009 '123456789' 00");
  await expectDisconnected(publisher, 0x90, 'topic_length_max');
  await subscriber.expectNothing();
});

test('an empty payload is a message like any other', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV3(broker, 'sub', 't');
  const publisher = await broker.v3('pub');
  await publisher.send("30 03 0001 't'");
  await subscriber.expect("30 03 0001 't'");
});

test('what is delivered always matches a filter of its client [MQTT-3.3.2-3] [3.1.1 MQTT-3.3.2-3]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 'a/+');
  const publisher = await broker.v5('pub');
  await publisher.send(`
    30 06 0003 'a/b' 00 // matches
    30 06 0003 'b/a' 00
    30 08 0005 'a/b/c' 00
    30 04 0001 'a' 00`);
  await subscriber.expect("30 06 0003 'a/b' 00");
});
