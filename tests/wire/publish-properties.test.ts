// Properties of PUBLISH that travel from the publisher to its subscribers as they are. MQTT 5 §3.3.2.3.

import { expect, test } from 'vitest';
import { expectDisconnected } from '../kit/answers.ts';
import { hex } from '../kit/hex.ts';
import { subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

for (const [what, clause, property] of [
  ['Payload Format Indicator 1', 'MQTT-3.3.2-4', '01 01'],
  ['Payload Format Indicator 0', 'MQTT-3.3.2-4', '01 00'],
  ['Response Topic', 'MQTT-3.3.2-15', "08 0003 'a/b'"],
  ['Correlation Data', 'MQTT-3.3.2-16', '09 0004 00 ff 80 7f'],
  ['empty Correlation Data', 'MQTT-3.3.2-16', '09 0000'],
  ['Content Type', 'MQTT-3.3.2-20', "03 0004 'text'"],
  [
    'User Properties, doubles included',
    'MQTT-3.3.2-17',
    "26 0001 'k' 0001 'v' 26 0001 'k' 0001 'v'",
  ],
] as const) {
  const length = hex(property).length;
  const packet = `30 ${two(5 + length)} 0001 't' ${two(length)} ${property} 'm'`;

  test(`${what} reaches every v5 subscriber as published [${clause}]`, async () => {
    const broker = await startServer();
    const one = await subscriberV5(broker, 'one', 't');
    const two = await subscriberV5(broker, 'two', '+');
    const publisher = await broker.v5('pub');
    await publisher.send(packet);
    await one.expect(packet);
    await two.expect(packet);
  });

  test(`${what} is left out for a v3.1.1 subscriber`, async () => {
    const broker = await startServer();
    const subscriber = await subscriberV3(broker, 'sub', 't');
    const publisher = await broker.v5('pub');
    await publisher.send(packet);
    await subscriber.expect("30 04 0001 't' 'm'");
  });
}

test('User Properties arrive in the order in which they were published, also between others [MQTT-3.3.2-18]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  await publisher.send(`
    30 21                  // PUBLISH, QoS 0
    0001 't'
    1d                     // properties
    26 0001 'b' 0001 '1'   // User Property
    01 01                  // Payload Format Indicator
    26 0001 'a' 0001 '2'   // User Property
    03 0001 'c'            // Content Type
    26 0001 'b' 0000       // User Property
    23 0001                // Topic Alias: not passed on`);
  await subscriber.expect(`
    30 1e
    0001 't'
    1a
    26 0001 'b' 0001 '1'
    01 01
    26 0001 'a' 0001 '2'
    03 0001 'c'
    26 0001 'b' 0000`);
});

test('properties of a queued message arrive as published [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0x01, '11 00000e10');
  await subscriber.drop();
  const publisher = await broker.v5('pub');
  const properties = "08 0001 'r' 09 0001 ff 26 0000 0001 'v' 03 0000";
  await publisher.send(`32 18 0001 't' 0001 11 ${properties} 'm'`);
  await publisher.expect('40 02 0001');
  const back = await broker.v5('sub', false, '11 00000e10');
  await back.expect(`32 18 0001 't' 0001 11 ${properties} 'm'`);
});

for (const [what, clause, property] of [
  ['a Response Topic that is not UTF-8', 'MQTT-3.3.2-13', '08 0001 ff'],
  ['a Content Type that is not UTF-8', 'MQTT-3.3.2-19', '03 0001 ff'],
] as const) {
  test(`${what} ends the connection with 0x81 [${clause}]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(`30 08 0001 't' 04 ${property}`);
    await expectDisconnected(client, 0x81, clause);
  });
}

for (const wildcard of ['+', '#']) {
  test(`a Response Topic with ${wildcard} ends the connection with 0x90 [MQTT-3.3.2-14]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(`30 0a 0001 't' 06 08 0003 'a/${wildcard}'`);
    await expectDisconnected(client, 0x90, 'MQTT-3.3.2-14');
  });
}

test('a client that sends a Subscription Identifier with PUBLISH is disconnected with 0x82 [MQTT-3.3.4-6]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("30 06 0001 't' 02 0b 01");
  await expectDisconnected(client, 0x82, 'MQTT-3.3.4-6');
});

test('a Payload Format Indicator above 1 ends the connection with 0x82', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("30 06 0001 't' 02 01 02");
  await expectDisconnected(client, 0x82);
});

test('a property that stands twice ends the connection with 0x82', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("30 08 0001 't' 04 01 01 01 01");
  await expectDisconnected(client, 0x82);
});

test('a payload that is not the UTF-8 it claims to be passes unchecked by default [MQTT-3.3.2-4]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  await publisher.send("30 07 0001 't' 02 01 01 ff");
  await subscriber.expect("30 07 0001 't' 02 01 01 ff");
});

test('when payload formats are checked, a QoS 1 payload that is not UTF-8 is refused with 0x99 [MQTT-3.4.2-1]', async () => {
  const broker = await startServer({ limits: { checkPayloadFormat: true } });
  const subscriber = await subscriberV5(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  await publisher.send("32 09 0001 't' 0001 02 01 01 ff");
  await publisher.expect('40 03 0001 99');
  await subscriber.expectNothing();
  expect(broker.server.stats().dropped.limit).toBe(1);
});

test('when payload formats are checked, a QoS 2 payload that is not UTF-8 is refused with 0x99, and its id is free [MQTT-3.5.2-1] [MQTT-4.3.3-9]', async () => {
  const broker = await startServer({ limits: { checkPayloadFormat: true } });
  const subscriber = await subscriberV5(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  await publisher.send("34 09 0001 't' 0001 02 01 01 ff");
  await publisher.expect('50 03 0001 99');
  await publisher.send("34 09 0001 't' 0001 02 01 01 'm'");
  await publisher.expect('50 02 0001');
  await subscriber.expect("30 07 0001 't' 02 01 01 'm'");
});

test('when payload formats are checked, a payload that claims nothing passes', async () => {
  const broker = await startServer({ limits: { checkPayloadFormat: true } });
  const subscriber = await subscriberV5(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  await publisher.send("30 07 0001 't' 02 01 00 ff");
  await subscriber.expect("30 07 0001 't' 02 01 00 ff");
});

function two(value: number): string {
  return value.toString(16).padStart(2, '0');
}
