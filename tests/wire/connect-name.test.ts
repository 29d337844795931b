// The first packet: CONNECT, its protocol name and version. MQTT 5 §3.1.0, §3.1.2.1, §3.1.2.2.

import { test } from 'vitest';
import { CONNACK, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

const CONNECT = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";

for (const [name, packet] of [
  ['PUBLISH', "30 04 0001 't' 00"],
  ['SUBSCRIBE', "82 07 0001 00 0001 't' 00"],
  ['PINGREQ', 'c0 00'],
  ['DISCONNECT', 'e0 00'],
  ['AUTH', "f0 06 18 04 15 0001 'm'"],
  ['CONNACK', '20 03 00 00 00'],
  ['the reserved type 0', '00 00'],
] as const) {
  test(`${name} as the first packet closes the connection without an answer [MQTT-3.1.0-1] [3.1.1 MQTT-3.1.0-1]`, async () => {
    const client = (await startServer()).open();
    await client.send(packet);
    await client.expectClosed();
  });
}

test('a CONNECT behind another first packet has no effect [MQTT-3.1.0-1]', async () => {
  const broker = await startServer();
  const client = broker.open();
  await client.send(`c0 00 ${CONNECT}`);
  await client.expectClosed();
});

test('a second CONNECT ends the connection with 0x82 [MQTT-3.1.0-2]', async () => {
  const client = await (await startServer()).connect(CONNECT, CONNACK);
  await client.send(CONNECT);
  await expectDisconnected(client, 0x82);
});

test('a second v3.1.1 CONNECT closes the connection [3.1.1 MQTT-3.1.0-2]', async () => {
  const broker = await startServer();
  const client = await broker.connect("10 0d 0004 'MQTT' 04 02 0000 0001 'a'", '20 02 0000');
  await client.send("10 0d 0004 'MQTT' 04 02 0000 0001 'a'");
  await client.expectClosed();
});

test('a second CONNECT right behind the first ends the connection with 0x82 after one CONNACK [MQTT-3.1.0-2]', async () => {
  const client = (await startServer()).open();
  await client.send(`${CONNECT} ${CONNECT}`);
  const [connack, disconnect] = await client.packets();
  if (connack[0] !== 0x20 || disconnect[0] !== 0xe0 || disconnect[2] !== 0x82) {
    throw new Error('CONNACK and DISCONNECT 0x82 were expected');
  }
  await client.expectClosed();
});

for (const [what, name] of [
  ['another name', "0004 'MQTX'"],
  ['lower case', "0004 'mqtt'"],
  ['an empty name', '0000'],
  ['a longer name', "0005 'MQTTX'"],
] as const) {
  test(`a protocol name that is not MQTT (${what}) closes the connection [MQTT-3.1.2-1] [3.1.1 MQTT-3.1.2-1]`, async () => {
    const client = (await startServer()).open();
    const length = { '0004': '0e', '0000': '0a', '0005': '0f' }[name.slice(0, 4)];
    await client.send(`10 ${length} ${name} 05 02 0000 00 0001 'a'`);
    await client.expectClosed();
  });
}

test('MQTT in version 6 is refused with 0x84 [MQTT-3.1.2-2]', async () => {
  const client = (await startServer()).open();
  await client.send("10 0e 0004 'MQTT' 06 02 0000 00 0001 'a'");
  await expectRefused(client, 0x84, 'MQTT-3.1.2-2');
});

test('MQTT in version 255 is refused [MQTT-3.1.2-2]', async () => {
  const client = (await startServer()).open();
  await client.send("10 0e 0004 'MQTT' ff 02 0000 00 0001 'a'");
  await expectRefused(client, 0x84, 'MQTT-3.1.2-2');
});

for (const level of ['00', '01', '02', '03']) {
  test(`MQTT in version ${level} is refused with return code 0x01 [MQTT-3.1.2-2] [3.1.1 MQTT-3.1.2-2]`, async () => {
    const client = (await startServer()).open();
    await client.send(`10 0d 0004 'MQTT' ${level} 02 0000 0001 'a'`);
    await client.expectClosed('20 02 00 01');
  });
}

test('MQIsdp in version 4 is refused with return code 0x01 [MQTT-3.1.2-2]', async () => {
  const client = (await startServer()).open();
  await client.send("10 0f 0006 'MQIsdp' 04 02 0000 0001 'a'");
  await client.expectClosed('20 02 00 01');
});

test('MQIsdp in version 5 is refused with 0x84 [MQTT-3.1.2-2]', async () => {
  const client = (await startServer()).open();
  await client.send("10 10 0006 'MQIsdp' 05 02 0000 00 0001 'a'");
  await expectRefused(client, 0x84, 'MQTT-3.1.2-2');
});

test('an acceptable v5 CONNECT is answered with CONNACK 0x00 [MQTT-3.1.4-5]', async () => {
  await (await startServer()).connect(CONNECT, CONNACK);
});

test('an acceptable v3.1.1 CONNECT is answered with CONNACK 0x00 [3.1.1 MQTT-3.1.4-4]', async () => {
  const broker = await startServer();
  await broker.connect("10 0d 0004 'MQTT' 04 02 0000 0001 'a'", '20 02 0000');
});

test('an acceptable v3.1 CONNECT is answered with CONNACK 0x00 [MQTT-3.1.4-5]', async () => {
  const broker = await startServer();
  await broker.connect("10 0f 0006 'MQIsdp' 03 02 0000 0001 'a'", '20 02 0000');
});
