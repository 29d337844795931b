// Keep Alive and Server Keep Alive, under the fake clock. MQTT 5 §3.1.2.10, §3.2.2.3.14.

import { expect, test } from 'vitest';
import { CONNACK, expectDisconnected } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

/** Keep Alive 10 s. */
const CONNECT = "10 0e 0004 'MQTT' 05 02 000a 00 0001 'a'";
const CONNECT_V3 = "10 0d 0004 'MQTT' 04 02 000a 0001 'a'";
/** CONNACK with Server Keep Alive 4 s. */
const CONNACK_4 = `20 11   // CONNACK
  00 00
  0e 21 0064 27 001e8480 22 0020
  13 0004             // Server Keep Alive`;

test('a client that is silent for 1.5 × Keep Alive gets DISCONNECT 0x8D [MQTT-3.1.2-22] [MQTT-3.1.2-20] [MQTT-3.2.2-22]', async () => {
  const broker = await startServer();
  const client = await broker.connect(CONNECT, CONNACK);
  await broker.advance(14_900);
  await client.expectOpen();
  await broker.advance(200);
  await expectDisconnected(client, 0x8d);
});

test('a v3.1.1 client that is silent for 1.5 × Keep Alive is closed [3.1.1 MQTT-3.1.2-24]', async () => {
  const broker = await startServer();
  const client = await broker.connect(CONNECT_V3, '20 02 0000');
  await broker.advance(14_900);
  await client.expectOpen();
  await broker.advance(200);
  await client.expectClosed();
});

test('PINGREQ alone keeps a client connected [MQTT-3.1.2-20] [3.1.1 MQTT-3.1.2-23]', async () => {
  const broker = await startServer();
  const client = await broker.connect(CONNECT, CONNACK);
  for (let i = 0; i < 10; i++) {
    await broker.advance(10_000);
    await client.send('c0 00');
    await client.expect('d0 00');
  }
});

test('any packet restarts the Keep Alive [MQTT-3.1.2-22]', async () => {
  const broker = await startServer();
  const client = await broker.connect(CONNECT, CONNACK);
  await broker.advance(14_000);
  await client.send("30 04 0001 't' 00");
  await broker.advance(14_000);
  await client.expectOpen();
  await broker.advance(1_100);
  await expectDisconnected(client, 0x8d);
});

test('what the server sends does not restart the Keep Alive [MQTT-3.1.2-22]', async () => {
  const broker = await startServer();
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00');
  const publisher = await broker.v3('p');
  await broker.advance(10_000);
  await publisher.send("30 03 0001 't'");
  await client.expect("30 04 0001 't' 00");
  await broker.advance(5_100);
  await expectDisconnected(client, 0x8d);
});

test('the will of a client that is silent too long is published [MQTT-3.1.2-22]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00');
  await broker.connect("10 15 0004 'MQTT' 05 06 000a 00 0001 'a' 00 0001 't' 0001 'w'", CONNACK);
  await broker.advance(15_100);
  await subscriber.expect("30 05 0001 't' 00 'w'");
});

test('Keep Alive 0 means no Keep Alive [MQTT-3.1.2-22]', async () => {
  const broker = await startServer();
  const client = await broker.connect("10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'", CONNACK);
  await broker.advance(86_400_000);
  await client.send('c0 00');
  await client.expect('d0 00');
});

test('the longest Keep Alive is 65,535 s, and half of that again [MQTT-3.1.2-22]', async () => {
  const broker = await startServer();
  const client = await broker.connect("10 0e 0004 'MQTT' 05 02 ffff 00 0001 'a'", CONNACK);
  await broker.advance(98_302_000);
  await client.expectOpen();
  await broker.advance(600);
  await expectDisconnected(client, 0x8d);
});

test('a Keep Alive above the server’s maximum is replaced by it [MQTT-3.1.2-21] [MQTT-3.2.2-21]', async () => {
  const broker = await startServer({ limits: { keepAliveMax: 4 } });
  const client = await broker.connect(CONNECT, CONNACK_4);
  await broker.advance(5_900);
  await client.expectOpen();
  await broker.advance(200);
  await expectDisconnected(client, 0x8d);
});

test('no Keep Alive is replaced by the server’s maximum too [MQTT-3.1.2-21]', async () => {
  const broker = await startServer({ limits: { keepAliveMax: 4 } });
  const client = await broker.connect("10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'", CONNACK_4);
  await broker.advance(6_100);
  await expectDisconnected(client, 0x8d);
});

test('a Keep Alive of just the server’s maximum is the client’s own [MQTT-3.2.2-22]', async () => {
  const broker = await startServer({ limits: { keepAliveMax: 10 } });
  const client = await broker.connect(CONNECT, CONNACK);
  await broker.advance(14_900);
  await client.expectOpen();
  await broker.advance(200);
  await expectDisconnected(client, 0x8d);
});

test('a silent client ends nobody’s connection but its own [MQTT-3.1.2-22]', async () => {
  const broker = await startServer();
  const silent = await broker.connect(CONNECT, CONNACK);
  const other = await broker.v5('b');
  await broker.advance(15_100);
  await expectDisconnected(silent, 0x8d);
  await other.send('c0 00');
  await other.expect('d0 00');
  expect(broker.server.stats().connections).toBe(1);
});

test('bytes now and then that are no whole packet do not restart the Keep Alive [MQTT-3.1.2-22]', async () => {
  const broker = await startServer();
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send("30 64 0001 't'"); // PUBLISH of 100 bytes, begun
  await broker.advance(14_000);
  await client.send('00');
  await broker.advance(1_100);
  await expectDisconnected(client, 0x8d);
});

test('a large packet on a slow line keeps its client alive while it comes', async () => {
  const broker = await startServer();
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send("30 80 80 02 0001 't' 00"); // PUBLISH of 32 KiB, begun
  for (let i = 0; i < 10; i++) {
    await client.send(new Uint8Array(1_100));
    await broker.advance(10_000);
  }
  await client.expectOpen();
  await broker.advance(5_100);
  await expectDisconnected(client, 0x8d);
});
