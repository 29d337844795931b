// When sessions end. MQTT 5 §3.1.2.11.2, §3.14.2.2.2, §4.1.

import { expect, test } from 'vitest';
import { CONNACK, CONNACK_PRESENT, expectDisconnected } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

const RESUME = "10 0e 0004 'MQTT' 05 00 0000 00 0001 'a'";
const HOUR = '11 00000e10'; // Session Expiry Interval 3,600 s

test('a session with an expiry above 0 outlives its connection [MQTT-3.1.2-23]', async () => {
  const broker = await startServer();
  await (await broker.v5('a', true, '11 0000000a')).drop();
  await broker.advance(9_900);
  await broker.connect(RESUME, CONNACK_PRESENT);
});

test('a session is gone when its expiry has passed since the disconnection [MQTT-4.1.0-2]', async () => {
  const broker = await startServer();
  await (await broker.v5('a', true, '11 0000000a')).drop();
  await broker.advance(10_100);
  expect(broker.server.stats().sessions).toBe(0);
  await broker.connect(RESUME, CONNACK);
});

test('a session is held while it is connected, however long that is [MQTT-4.1.0-1]', async () => {
  const broker = await startServer();
  const client = await broker.v5('a', true, '11 0000000a');
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00');
  await broker.advance(60_000);
  await client.drop();
  await broker.connect(RESUME, CONNACK_PRESENT);
});

test('the expiry counts from the last disconnection [MQTT-4.1.0-2]', async () => {
  const broker = await startServer();
  await (await broker.v5('a', true, '11 0000000a')).drop();
  await broker.advance(9_000);
  await (await broker.v5('a', false, '11 0000000a')).drop();
  await broker.advance(9_000);
  await broker.connect(RESUME, CONNACK_PRESENT);
});

test('a session without Session Expiry Interval ends with its connection [MQTT-4.1.0-2]', async () => {
  const broker = await startServer();
  await (await broker.v5('a')).drop();
  expect(broker.server.stats().sessions).toBe(0);
});

test('a resumed session takes the expiry of the new CONNECT [MQTT-3.1.2-23]', async () => {
  const broker = await startServer();
  await (await broker.v5('a', true, HOUR)).drop();
  await (await broker.connect(RESUME, CONNACK_PRESENT)).drop();
  expect(broker.server.stats().sessions).toBe(0);
});

test('the subscriptions of a session end with it [MQTT-4.1.0-2]', async () => {
  const broker = await startServer();
  const client = await broker.v5('a', true, '11 0000000a');
  await client.send("82 07 0001 00 0001 't' 00");
  await client.drop();
  await broker.advance(9_900);
  expect(broker.server.stats().subscriptions).toBe(1);
  await broker.advance(200);
  expect(broker.server.stats().subscriptions).toBe(0);
});

test('a session that asks for more than the server allows is told what it gets [MQTT-3.1.2-23]', async () => {
  const broker = await startServer({ limits: { sessionExpiryMax: 60 } });
  const client = broker.open();
  await client.send(`10 13  // CONNECT
    0004 'MQTT' 05 02 0000
    05 11 00000e10   // Session Expiry Interval 3,600 s
    0001 'a'`);
  await client.expect(`20 13 // CONNACK
    00 00
    10 11 0000003c     // Session Expiry Interval 60 s
    21 0064 27 001e8480 22 0020`);
  await client.drop();
  await broker.advance(59_900);
  expect(broker.server.stats().sessions).toBe(1);
  await broker.advance(200);
  expect(broker.server.stats().sessions).toBe(0);
});

test('a session that would never expire is cut to what the server allows [MQTT-3.1.2-23]', async () => {
  const broker = await startServer({ limits: { sessionExpiryMax: 60 } });
  const client = broker.open();
  await client.send(`10 13  // CONNECT
    0004 'MQTT' 05 02 0000
    05 11 ffffffff   // Session Expiry Interval: never
    0001 'a'`);
  await client.expect(`20 13 // CONNACK
    00 00
    10 11 0000003c     // Session Expiry Interval 60 s
    21 0064 27 001e8480 22 0020`);
});

test('a session that never expires stays where the server allows it [MQTT-4.1.0-2]', async () => {
  const broker = await startServer({ limits: { sessionExpiryMax: 0xffff_ffff } });
  await (await broker.v5('a', true, '11 ffffffff')).drop();
  await broker.advance(86_400_000);
  expect(broker.server.stats().sessions).toBe(1);
});

test('a v3.1.1 session with Clean Session 0 lives as long as the server allows [3.1.1 MQTT-3.1.2-5]', async () => {
  const broker = await startServer({ limits: { sessionExpiryMax: 60 } });
  await (await broker.v3('a', false)).drop();
  await broker.advance(59_900);
  expect(broker.server.stats().sessions).toBe(1);
  await broker.advance(200);
  expect(broker.server.stats().sessions).toBe(0);
});

test('DISCONNECT shortens the session [MQTT-4.1.0-2]', async () => {
  const broker = await startServer();
  const client = await broker.v5('a', true, HOUR);
  await client.send('e0 07 00 05 11 0000000a'); // Session Expiry Interval 10 s
  await client.expectClosed();
  await broker.advance(9_900);
  expect(broker.server.stats().sessions).toBe(1);
  await broker.advance(200);
  expect(broker.server.stats().sessions).toBe(0);
});

test('DISCONNECT prolongs the session [MQTT-4.1.0-2]', async () => {
  const broker = await startServer();
  const client = await broker.v5('a', true, '11 0000000a');
  await client.send(`e0 07 00 05 ${HOUR}`);
  await client.expectClosed();
  await broker.advance(3_599_900);
  expect(broker.server.stats().sessions).toBe(1);
  await broker.advance(200);
  expect(broker.server.stats().sessions).toBe(0);
});

test('DISCONNECT with Session Expiry Interval 0 ends the session at once [MQTT-4.1.0-2]', async () => {
  const broker = await startServer();
  const client = await broker.v5('a', true, HOUR);
  await client.send('e0 07 00 05 11 00000000');
  await client.expectClosed();
  expect(broker.server.stats().sessions).toBe(0);
});

test('DISCONNECT prolongs the session at most to what the server allows [MQTT-4.1.0-2]', async () => {
  const broker = await startServer({ limits: { sessionExpiryMax: 60 } });
  const client = await broker.v5('a', true, '11 0000000a');
  await client.send(`e0 07 00 05 ${HOUR}`);
  await broker.advance(60_100);
  expect(broker.server.stats().sessions).toBe(0);
});

test('DISCONNECT that prolongs a session of expiry 0 is answered with 0x82 [MQTT-4.13.1-1]', async () => {
  const broker = await startServer();
  const client = await broker.v5('a');
  await client.send(`e0 07 00 05 ${HOUR}`);
  await expectDisconnected(client, 0x82);
  expect(broker.server.stats().sessions).toBe(0);
});

test('a client whose expiry the server cut to 0 may repeat it in DISCONNECT [MQTT-3.14.4-3]', async () => {
  const broker = await startServer({ limits: { sessionExpiryMax: 0 } });
  const client = await broker.v5('a', true, HOUR);
  await client.send(`e0 07 00 05 ${HOUR}`);
  await client.expectClosed();
});
