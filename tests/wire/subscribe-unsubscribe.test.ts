// UNSUBSCRIBE and its answer. MQTT 5 §3.10, §3.11.

import { expect, test } from 'vitest';
import { expectDisconnected } from '../kit/answers.ts';
import { subscriberV3, subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

test('publishes after UNSUBACK do not reach the client any more [MQTT-3.10.4-2] [3.1.1 MQTT-3.10.4-2]', async () => {
  const broker = await startServer();
  const client = await subscriberV5(broker, 'sub', 't', 0x01);
  await client.send("a2 06 0001 00 0001 't'");
  await client.expect('b0 04 0001 00 00');
  const publisher = await broker.v5('pub');
  await publisher.send("32 07 0001 't' 0001 00 'm'");
  await publisher.expect('40 03 0001 10');
  await client.expectNothing();
});

test('a v3.1.1 UNSUBACK has the packet id and nothing else [3.1.1 MQTT-3.10.4-4]', async () => {
  const broker = await startServer();
  const client = await subscriberV3(broker, 'sub', 't');
  await client.send("a2 05 0001 0001 't'");
  await client.expect('b0 02 0001');
});

test('a v3.1.1 UNSUBSCRIBE is answered although nothing matched [3.1.1 MQTT-3.10.4-5]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send("a2 05 abcd 0001 't'");
  await client.expect('b0 02 abcd');
});

test('an UNSUBSCRIBE of what does not exist is answered with 0x11 and its id [MQTT-3.10.4-4] [MQTT-3.10.4-5]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("a2 06 abcd 00 0001 't'");
  await client.expect('b0 04 abcd 00 11');
});

test('only the identically spelt filter goes; others that match the same topics stay [MQTT-3.10.4-1] [3.1.1 MQTT-3.10.4-1]', async () => {
  const broker = await startServer();
  const client = await subscriberV5(broker, 'sub', 'a/b');
  await subscribeV5(client, 'a/+');
  await client.send("a2 0d 0001 00 0003 'A/b' 0003 'a/#'");
  await client.expect('b0 05 0001 00 11 11');
  await client.send("a2 08 0002 00 0003 'a/b'");
  await client.expect('b0 04 0002 00 00');
  const publisher = await broker.v5('pub');
  await publisher.send("30 06 0003 'a/b' 00");
  await client.expect("30 06 0003 'a/b' 00");
  expect(broker.server.stats().subscriptions).toBe(1);
});

test('a shared subscription goes only by its whole name [MQTT-3.10.4-1]', async () => {
  const broker = await startServer();
  const client = await subscriberV5(broker, 'sub', '$share/g/t');
  await client.send("a2 0f 0001 00 000a '$share/h/t'");
  await client.expect('b0 04 0001 00 11');
  await client.send("a2 06 0002 00 0001 't'");
  await client.expect('b0 04 0002 00 11');
  await client.send("a2 0f 0003 00 000a '$share/g/t'");
  await client.expect('b0 04 0003 00 00');
  expect(broker.server.stats().sharedSubscriptions).toBe(0);
});

test('UNSUBACK has one code for each filter, in their order [MQTT-3.11.3-1] [MQTT-3.11.3-2] [MQTT-3.10.4-6] [3.1.1 MQTT-3.10.4-6]', async () => {
  const broker = await startServer();
  const client = await subscriberV5(broker, 'sub', 'b');
  await subscribeV5(client, 'd');
  await client.send("a2 0f 0001 00 0001 'a' 0001 'b' 0001 'c' 0001 'd'");
  await client.expect('b0 07 0001 00 11 00 11 00');
});

test('a filter that stands twice in one UNSUBSCRIBE goes once [MQTT-3.10.4-6]', async () => {
  const broker = await startServer();
  const client = await subscriberV5(broker, 'sub', 't');
  await client.send("a2 09 0001 00 0001 't' 0001 't'");
  await client.expect('b0 05 0001 00 00 11');
});

test('a QoS 1 delivery that began before UNSUBSCRIBE runs to its end, also over a reconnect [MQTT-3.10.4-3] [3.1.1 MQTT-3.10.4-3]', async () => {
  const broker = await startServer();
  const client = await subscriberV5(broker, 'sub', 't', 0x01, '11 00000e10');
  const publisher = await broker.v5('pub');
  await publisher.send("32 07 0001 't' 0001 00 'm'");
  await client.expect("32 07 0001 't' 0001 00 'm'");
  await client.send("a2 06 0001 00 0001 't'");
  await client.drop();
  const back = await broker.v5('sub', false, '11 00000e10');
  await back.expect("3a 07 0001 't' 0001 00 'm'");
  await back.send('40 02 0001');
  expect(broker.server.stats().inflightMessages).toBe(0);
});

test('a QoS 2 delivery that began before UNSUBSCRIBE runs to its end [MQTT-3.10.4-3]', async () => {
  const broker = await startServer();
  const client = await subscriberV5(broker, 'sub', 't', 0x02);
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0001 00 'm'");
  await client.expect("34 07 0001 't' 0001 00 'm'");
  await client.send("a2 06 0001 00 0001 't' 50 02 0001");
  await client.expect('b0 04 0001 00 00', '62 02 0001');
  await client.send('70 02 0001');
  expect(broker.server.stats().inflightMessages).toBe(0);
});

for (const [what, packet, code, clause] of [
  ['with flags 0000', "a0 06 0001 00 0001 't'", 0x81, 'MQTT-3.10.1-1'],
  ['with a filter that is not UTF-8', 'a2 06 0001 00 0001 ff', 0x81, 'MQTT-3.10.3-1'],
  ['without any filter', 'a2 03 0001 00', 0x82, 'MQTT-3.10.3-2'],
  ['with an empty filter', 'a2 05 0001 00 0000', 0x82, 'MQTT-4.7.3-1'],
] as const) {
  test(`an UNSUBSCRIBE ${what} ends the connection with 0x${code.toString(16)} [${clause}]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(packet);
    await expectDisconnected(client, code, clause);
  });
}

for (const [what, packet, clause] of [
  ['with flags 0000', "a0 05 0001 0001 't'", 'MQTT-3.10.1-1'],
  ['with a filter that is not UTF-8', 'a2 05 0001 0001 ff', 'MQTT-3.10.3-1'],
  ['without any filter', 'a2 02 0001', 'MQTT-3.10.3-2'],
] as const) {
  test(`a v3.1.1 UNSUBSCRIBE ${what} closes the connection [3.1.1 ${clause}]`, async () => {
    const client = await (await startServer()).v3('a');
    await client.send(packet);
    await client.expectClosed();
  });
}

test('UNSUBACK has no Reason String or User Property, so it fits any Maximum Packet Size [MQTT-3.11.2-1] [MQTT-3.11.2-2]', async () => {
  const client = await (await startServer()).v5('a', true, '27 00000020');
  await client.send("a2 06 0001 00 0001 't'");
  await client.expect('b0 04 0001 00 11');
});
