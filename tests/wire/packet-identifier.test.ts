// Packet identifiers, and property sections that are empty. MQTT 5 §2.2, 3.1.1 §2.3.1.

import { expect, test } from 'vitest';
import { expectDisconnected, expectRefused } from '../kit/answers.ts';
import { hex, toHex } from '../kit/hex.ts';
import { settle, startServer } from '../kit/wire.ts';

const SUBSCRIBE_QOS_2 = "82 07 0001 00 0001 't' 02";

test('a QoS 0 message comes and goes without a packet identifier [MQTT-2.2.1-2]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send(SUBSCRIBE_QOS_2);
  await client.expect('90 04 0001 00 02');
  await client.send("30 06 0001 't' 00 'hi'");
  await client.expect("30 06 0001 't' 00 'hi'");
});

test('a v3.1.1 QoS 0 message has no packet identifier [3.1.1 MQTT-2.3.1-5]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send("82 06 0001 0001 't' 02");
  await client.expect('90 03 0001 02');
  await client.send("30 05 0001 't' 'hi'");
  await client.expect("30 05 0001 't' 'hi'");
});

for (const [name, v5, v3] of [
  ['a QoS 1 PUBLISH', "32 06 0001 't' 0000 00", "32 05 0001 't' 0000"],
  ['a QoS 2 PUBLISH', "34 06 0001 't' 0000 00", "34 05 0001 't' 0000"],
  ['SUBSCRIBE', "82 07 0000 00 0001 't' 00", "82 06 0000 0001 't' 00"],
  ['UNSUBSCRIBE', "a2 06 0000 00 0001 't'", "a2 05 0000 0001 't'"],
  ['PUBREL', '62 02 0000', '62 02 0000'],
] as const) {
  test(`${name} with packet identifier 0 ends the connection with 0x81 [MQTT-2.2.1-3]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(v5);
    await expectDisconnected(client, 0x81, 'MQTT-2.2.1-3');
  });

  test(`${name} with packet identifier 0 ends a v3.1.1 connection [3.1.1 MQTT-2.3.1-1]`, async () => {
    const client = await (await startServer()).v3('a');
    await client.send(v3);
    await client.expectClosed();
  });
}

test('the largest packet identifier is as good as any [MQTT-2.2.1-3]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("82 07 ffff 00 0001 't' 00");
  await client.expect('90 04 ffff 00 00');
});

test('deliveries in flight have packet identifiers of their own, never 0 [MQTT-2.2.1-4] [3.1.1 MQTT-2.3.1-4]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send(SUBSCRIBE_QOS_2);
  await client.expect('90 04 0001 00 02');
  await client.send("32 07 0001 't' 0009 00 '1' 32 07 0001 't' 0009 00 '2'");
  await client.expect(
    "32 07 0001 't' 0001 00 '1'",
    '40 02 0009',
    "32 07 0001 't' 0002 00 '2'",
    '40 02 0009',
  );
});

test('with 65,535 deliveries in flight all identifiers are used once, and the next message takes the first that is free [MQTT-2.2.1-4]', async () => {
  const broker = await startServer({
    limits: { inflightMessagesMax: 65_535, outputBytesMax: 16_777_216 },
  });
  const subscriber = await broker.v3('sub');
  await subscriber.send("82 06 0001 0001 't' 01");
  await subscriber.expect('90 03 0001 01');
  const publisher = await broker.v3('pub');
  const publish = hex("32 05 0001 't' 0001");
  const flood = new Uint8Array(publish.length * 65_536);
  for (let at = 0; at < flood.length; at += publish.length) flood.set(publish, at);
  await publisher.send(flood);
  await settle(200);
  const identifiers = new Set((await subscriber.packets()).map((packet) => toHex(packet.slice(5))));
  expect(identifiers.size).toBe(65_535);
  expect(identifiers).not.toContain('00 00');
  await subscriber.send('40 02 1234');
  await subscriber.expect("32 05 0001 't' 1234");
});

test('PUBACK repeats the identifier of its PUBLISH [MQTT-2.2.1-5] [3.1.1 MQTT-2.3.1-6]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("32 06 0001 't' abcd 00");
  await client.expect('40 03 abcd 10');
});

test('PUBREC and PUBCOMP repeat the identifier of the PUBLISH [MQTT-2.2.1-5] [3.1.1 MQTT-2.3.1-6]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("34 06 0001 't' abcd 00");
  await client.expect('50 03 abcd 10');
  await client.send('62 02 abcd');
  await client.expect('70 02 abcd');
});

test('PUBREL repeats the identifier of the PUBLISH [MQTT-2.2.1-5] [3.1.1 MQTT-2.3.1-6]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send(SUBSCRIBE_QOS_2);
  await client.expect('90 04 0001 00 02');
  await client.send("34 06 0001 't' 0007 00");
  await client.expect("34 06 0001 't' 0001 00", '50 02 0007');
  await client.send('50 02 0001');
  await client.expect('62 02 0001');
});

test('SUBACK and UNSUBACK repeat the identifier of their request [MQTT-2.2.1-6] [3.1.1 MQTT-2.3.1-7]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("82 07 1234 00 0001 't' 00");
  await client.expect('90 04 1234 00 00');
  await client.send("a2 06 4321 00 0001 't'");
  await client.expect('b0 04 4321 00 00');
});

test('packets of the server without properties have a Property Length of 0 [MQTT-2.2.2-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send(SUBSCRIBE_QOS_2);
  await client.expect('90 04 0001 00 02'); // SUBACK
  await client.send("30 05 0001 't' 00 'x'");
  await client.expect("30 05 0001 't' 00 'x'"); // PUBLISH
  await client.send("a2 06 0002 00 0001 't'");
  await client.expect('b0 04 0002 00 00'); // UNSUBACK
});

test('a refusing CONNACK without room for its reason has a Property Length of 0 [MQTT-2.2.2-1]', async () => {
  const broker = await startServer({
    authenticator: { authenticate: () => ({ reasonCode: 0x87, reasonString: 'no' }) },
  });
  const client = broker.open();
  await client.send(`10 13  // CONNECT
    0004 'MQTT' 05 02 0000
    05 27 00000005   // Maximum Packet Size 5
    0001 'a'`);
  await client.expectClosed('20 03 00 87 00');
});

test('CONNECT that ends before its Property Length is refused as malformed [MQTT-2.2.2-1]', async () => {
  const client = (await startServer()).open();
  await client.send("10 0a 0004 'MQTT' 05 02 0000");
  await expectRefused(client, 0x81, 'MQTT-2.2.2-1');
});
