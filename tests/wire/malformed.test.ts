// Malformed packets and protocol errors: each ends its connection, with a code that fits. MQTT 5 §4.13.

import { expect, test } from 'vitest';
import { expectDisconnected, expectRefused } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

/** CONNECT of `a` with these properties, at most 100 bytes of them, as hex pairs without spaces. */
function connectWith(properties: string): string {
  const length = properties.length / 2;
  const size = (n: number) => n.toString(16).padStart(2, '0');
  return `10 ${size(14 + length)} 0004 'MQTT' 05 02 0000 ${size(length)} ${properties} 0001 'a'`;
}

for (const [what, properties, code] of [
  ['a property that does not exist', '7f00', 0x81],
  ['a property of PUBLISH', '230001', 0x81],
  ['a property of CONNACK', '2501', 0x81],
  ['a property that is cut off', '1100', 0x81],
  ['a string property longer than the section', '150005', 0x81],
  ['two Session Expiry Intervals', '11000000011100000001', 0x82],
  ['two Receive Maximums', '210001210001', 0x82],
  ['Receive Maximum 0', '210000', 0x82],
  ['two Maximum Packet Sizes', '27000000642700000064', 0x82],
  ['Maximum Packet Size 0', '2700000000', 0x82],
  ['two Topic Alias Maximums', '220001220001', 0x82],
  ['two Request Response Informations', '19011901', 0x82],
  ['Request Response Information 2', '1902', 0x82],
  ['two Request Problem Informations', '17011701', 0x82],
  ['Request Problem Information 2', '1702', 0x82],
  ['two Authentication Methods', '1500015415000154', 0x82],
] as const) {
  test(`CONNECT with ${what} is refused with 0x${code.toString(16)} [MQTT-4.13.1-1] [MQTT-3.1.4-1]`, async () => {
    const client = (await startServer()).open();
    await client.send(connectWith(properties));
    await expectRefused(client, code);
  });
}

for (const [what, connect, code] of [
  ['a Property Length beyond its end', "10 0e 0004 'MQTT' 05 02 0000 7f 0001 'a'", 0x81],
  ['a client identifier beyond its end', "10 0e 0004 'MQTT' 05 02 0000 00 0002 'a'", 0x81],
  ['a byte too many', "10 0f 0004 'MQTT' 05 02 0000 00 0001 'a' 00", 0x81],
  ['nothing after its flags', "10 08 0004 'MQTT' 05 02", 0x81],
  [
    'two Will Delay Intervals',
    "10 1f 0004 'MQTT' 05 06 0000 00 0001 'a' 0a 18 00000001 18 00000001 0001 't' 0001 'w'",
    0x82,
  ],
  [
    'a will property that belongs to CONNECT',
    "10 18 0004 'MQTT' 05 06 0000 00 0001 'a' 03 21 0001 0001 't' 0001 'w'",
    0x81,
  ],
  ['an empty Will Topic', "10 14 0004 'MQTT' 05 06 0000 00 0001 'a' 00 0000 0001 'w'", 0x90],
] as const) {
  test(`CONNECT with ${what} is refused with 0x${code.toString(16)} [MQTT-4.13.1-1] [MQTT-3.1.4-1]`, async () => {
    const client = (await startServer()).open();
    await client.send(connect);
    await expectRefused(client, code);
  });
}

for (const [what, connect] of [
  ['no bytes at all', '10 00'],
  ['a name that is cut off', "10 05 0004 'MQT'"],
] as const) {
  test(`a first packet with ${what} closes the connection without a word [MQTT-3.1.4-1]`, async () => {
    const client = (await startServer()).open();
    await client.send(connect);
    await client.expectClosed();
  });
}

for (const [what, connect] of [
  ['a client identifier beyond its end', "10 0d 0004 'MQTT' 04 02 0000 0002 'a'"],
  ['a byte too many', "10 0e 0004 'MQTT' 04 02 0000 0001 'a' 00"],
  ['nothing after its level', "10 07 0004 'MQTT' 04"],
] as const) {
  test(`a v3.1.1 CONNECT with ${what} closes the connection without CONNACK [3.1.1 MQTT-3.1.4-1] [3.1.1 MQTT-4.8.0-1]`, async () => {
    const client = (await startServer()).open();
    await client.send(connect);
    await client.expectClosed();
  });
}

for (const [what, packet, code] of [
  ['PUBLISH with QoS 3', "36 06 0001 't' 0001 00", 0x81],
  ['PUBLISH without a topic', '30 00', 0x81],
  ['PUBLISH with a property of CONNECT', "30 07 0001 't' 03 21 0001", 0x81],
  ['PUBLISH with Payload Format Indicator 2', "30 06 0001 't' 02 01 02", 0x82],
  ['PUBLISH with two Content Types', "30 0c 0001 't' 08 03 0001 'c' 03 0001 'c'", 0x82],
  ['SUBSCRIBE without a filter', '82 03 0001 00', 0x82],
  ['SUBSCRIBE with QoS 3', "82 07 0001 00 0001 't' 03", 0x82],
  ['SUBSCRIBE with a filter that is cut off', "82 07 0001 00 0003 't' 00", 0x81],
  ['UNSUBSCRIBE without a filter', 'a2 03 0001 00', 0x82],
  ['PUBACK of one byte', '40 01 00', 0x81],
  ['PUBACK with an unlisted code', '40 03 0001 01', 0x82],
  ['PINGREQ with a body', 'c0 01 00', 0x81],
  ['DISCONNECT with a byte too many', 'e0 03 00 00 00', 0x81],
  ['DISCONNECT with two Reason Strings', 'e0 0a 00 08 1f 0001 61 1f 0001 61', 0x82],
  ['AUTH without a method', 'f0 02 18 00', 0x82],
] as const) {
  test(`${what} ends the connection with 0x${code.toString(16)} [MQTT-4.13.1-1] [MQTT-4.13.2-1]`, async () => {
    const broker = await startServer();
    const client = await broker.v5('a');
    await client.send(packet);
    await expectDisconnected(client, code);
    expect(broker.server.stats().connections).toBe(0);
  });
}

test('any error code that the server itself decides on closes the connection [MQTT-4.13.2-1]', async () => {
  const broker = await startServer();
  for (const code of [0x80, 0x89, 0x96, 0x97, 0x98, 0xa0] as const) {
    const client = await broker.v5('a');
    broker.server.disconnectClient('a', code);
    await expectDisconnected(client, code);
  }
  expect(broker.server.stats().connections).toBe(0);
});

test('a refused PUBLISH is no error of the connection: PUBACK says so and it lives on [MQTT-4.13.2-1]', async () => {
  const broker = await startServer({
    authorizer: { authorizePublish: () => 0x87, authorizeSubscribe: () => 0 },
  });
  const client = await broker.v5('a');
  await client.send("32 06 0001 't' 0001 00");
  await client.expect('40 03 0001 87');
  await client.expectOpen();
});
