// The fixed header: packet types and their flags. MQTT 5 §2.1, 3.1.1 §2.2.

import { test } from 'vitest';
import { expectDisconnected, expectRefused } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

/** Packets whose flags are not those of their type: v5, then v3.1.1. */
const WRONG_FLAGS = [
  ['PUBACK with flags 0001', '41 02 0001', '41 02 0001'],
  ['PUBREC with flags 0010', '52 02 0001', '52 02 0001'],
  ['PUBREL with flags 0000', '60 02 0001', '60 02 0001'],
  ['PUBCOMP with flags 1000', '78 02 0001', '78 02 0001'],
  ['SUBSCRIBE with flags 0000', "80 07 0001 00 0001 't' 00", "80 06 0001 0001 't' 00"],
  ['SUBSCRIBE with flags 0011', "83 07 0001 00 0001 't' 00", "83 06 0001 0001 't' 00"],
  ['UNSUBSCRIBE with flags 0000', "a0 06 0001 00 0001 't'", "a0 05 0001 0001 't'"],
  ['PINGREQ with flags 0001', 'c1 00', 'c1 00'],
  ['DISCONNECT with flags 0001', 'e1 00', 'e1 00'],
] as const;

for (const [what, v5, v3] of WRONG_FLAGS) {
  test(`${what} ends a v5 connection with 0x81 [MQTT-2.1.3-1]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(v5);
    await expectDisconnected(client, 0x81);
  });

  test(`${what} ends a v3.1.1 connection [3.1.1 MQTT-2.2.2-2]`, async () => {
    const client = await (await startServer()).v3('a');
    await client.send(v3);
    await client.expectClosed();
  });
}

test('CONNECT with flags 0001 is refused as malformed [MQTT-2.1.3-1]', async () => {
  const client = (await startServer()).open();
  await client.send("11 0e 0004 'MQTT' 05 02 0000 00 0001 'a'");
  await expectRefused(client, 0x81, 'MQTT-2.1.3-1');
});

test('a v3.1.1 CONNECT with flags 0001 closes the connection [3.1.1 MQTT-2.2.2-2]', async () => {
  const client = (await startServer()).open();
  await client.send("11 0d 0004 'MQTT' 04 02 0000 0001 'a'");
  await client.expectClosed();
});

test('AUTH with flags 0001 ends the connection with 0x81 [MQTT-2.1.3-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("f1 06 19 04 15 0001 'm'");
  await expectDisconnected(client, 0x81);
});

test('a SUBSCRIBE that a v3.1 client sends again with DUP is understood [MQTT 3.1 §2.1]', async () => {
  const broker = await startServer();
  const client = await broker.connect("10 0f 0006 'MQIsdp' 03 02 0000 0001 'a'", '20 02 0000');
  await client.send("8a 06 0001 0001 't' 01");
  await client.expect('90 03 0001 01');
});

test('the reserved packet type 0 ends a v5 connection [MQTT-4.13.1-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send('00 00');
  await expectDisconnected(client, 0x82);
});

for (const [name, packet] of [
  ['CONNACK', '20 03 00 00 00'],
  ['SUBACK', '90 04 0001 00 00'],
  ['UNSUBACK', 'b0 04 0001 00 00'],
  ['PINGRESP', 'd0 00'],
] as const) {
  test(`${name}, which only servers send, ends a v5 connection with 0x82 [MQTT-4.13.1-1]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(packet);
    await expectDisconnected(client, 0x82);
  });
}

test('packet type 15, which v3.1.1 does not have, closes the connection [3.1.1 MQTT-4.8.0-1]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send('f0 00');
  await client.expectClosed();
});
