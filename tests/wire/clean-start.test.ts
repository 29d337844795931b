// Clean Start, Session Present, and Clean Session of 3.x. MQTT 5 §3.1.2.4, §3.2.2.1.1.

import { expect, test } from 'vitest';
import { CONNACK, CONNACK_PRESENT } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

const EXPIRY = '11 0000003c'; // 60 s
const CONNECT_CLEAN = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";
const CONNECT_RESUME = "10 0e 0004 'MQTT' 05 00 0000 00 0001 'a'";

/** A server that stores a session of `a` subscribed to `t` with QoS 1, with one message in its queue. */
async function withStoredSession() {
  const broker = await startServer();
  const client = await broker.v5('a', true, EXPIRY);
  await client.send("82 07 0001 00 0001 't' 01");
  await client.expect('90 04 0001 00 01');
  await client.drop();
  const publisher = await broker.v3('p');
  await publisher.send("32 06 0001 't' 0001 'q'");
  await publisher.expect('40 02 0001');
  return { broker, publisher };
}

test('Clean Start 1 begins without a session [MQTT-3.2.2-2] [3.1.1 MQTT-3.2.2-1]', async () => {
  const broker = await startServer();
  await broker.connect(CONNECT_CLEAN, CONNACK);
});

test('Clean Start 1 removes the subscriptions of the stored session [MQTT-3.1.2-4] [MQTT-3.1.4-4]', async () => {
  const { broker, publisher } = await withStoredSession();
  const client = await broker.connect(CONNECT_CLEAN, CONNACK);
  await publisher.send("30 04 0001 't' 'x'");
  await client.expectNothing();
});

test('Clean Start 1 removes the queue of the stored session [MQTT-3.1.2-4]', async () => {
  const { broker } = await withStoredSession();
  expect(broker.server.stats().queuedMessages).toBe(1);
  const client = await broker.connect(CONNECT_CLEAN, CONNACK);
  await client.expectNothing();
  expect(broker.server.stats().queuedMessages).toBe(0);
});

test('Clean Start 1 removes what was in flight to the client [MQTT-3.1.2-4]', async () => {
  const { broker } = await withStoredSession();
  const first = broker.open();
  await first.send(`10 13 0004 'MQTT' 05 00 0000 05 11 0000003c 0001 'a'`);
  await first.expect(CONNACK_PRESENT, "32 07 0001 't' 0001 00 'q'");
  await first.drop();
  const second = await broker.connect(CONNECT_CLEAN, CONNACK);
  await second.expectNothing();
});

test('Clean Start 1 forgets the identifiers of QoS 2 messages from the client [MQTT-3.1.2-4]', async () => {
  const broker = await startServer();
  const first = await broker.v5('a', true, EXPIRY);
  await first.send("34 06 0001 't' 0005 00");
  await first.expect('50 03 0005 10');
  await first.drop();
  const second = await broker.connect(CONNECT_CLEAN, CONNACK);
  await second.send('62 02 0005');
  await second.expect('70 03 0005 92'); // Packet Identifier not found
});

test('Clean Start 0 brings the stored session back, with Session Present 1 [MQTT-3.1.2-5] [MQTT-3.2.2-3]', async () => {
  const { broker, publisher } = await withStoredSession();
  const client = await broker.connect(
    CONNECT_RESUME,
    CONNACK_PRESENT,
    "32 07 0001 't' 0001 00 'q'", // from the queue
  );
  await publisher.send("30 04 0001 't' 'x'");
  await client.expect("30 05 0001 't' 00 'x'"); // by its subscription
});

test('Clean Start 0 brings back the identifiers of QoS 2 messages from the client [MQTT-3.1.2-5]', async () => {
  const broker = await startServer();
  const first = await broker.v5('a', true, EXPIRY);
  await first.send("34 06 0001 't' 0005 00");
  await first.expect('50 03 0005 10');
  await first.drop();
  const second = await broker.connect(CONNECT_RESUME, CONNACK_PRESENT);
  await second.send('62 02 0005');
  await second.expect('70 02 0005');
});

test('Clean Start 0 without a stored session begins a new one that works [MQTT-3.1.2-6] [MQTT-3.2.2-3]', async () => {
  const broker = await startServer();
  const client = await broker.connect(CONNECT_RESUME, CONNACK);
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00');
  await client.send("30 05 0001 't' 00 'x'");
  await client.expect("30 05 0001 't' 00 'x'");
});

test('Clean Start 1 on a takeover ends the session of the older connection [MQTT-3.1.4-4] [MQTT-3.1.2-4]', async () => {
  const broker = await startServer();
  const first = await broker.v5('a', true, EXPIRY);
  await first.send("82 07 0001 00 0001 't' 00");
  await first.expect('90 04 0001 00 00');
  const second = await broker.connect(CONNECT_CLEAN, CONNACK);
  await second.send("30 05 0001 't' 00 'x'");
  await second.expectNothing();
});

test('Clean Start 0 on a takeover goes on with the session of the older connection [MQTT-3.1.4-4] [MQTT-3.1.2-5]', async () => {
  const broker = await startServer();
  const first = await broker.v5('a', true, EXPIRY);
  await first.send("82 07 0001 00 0001 't' 00");
  await first.expect('90 04 0001 00 00');
  const second = await broker.connect(CONNECT_RESUME, CONNACK_PRESENT);
  await second.send("30 05 0001 't' 00 'x'");
  await second.expect("30 05 0001 't' 00 'x'");
});

test('Clean Start 0 on a takeover of a session that ends with its connection begins a new one [MQTT-3.1.4-4] [MQTT-3.1.2-6]', async () => {
  const broker = await startServer();
  await broker.v5('a');
  await broker.connect(CONNECT_RESUME, CONNACK);
});

test('a v3.1.1 session with Clean Session 0 comes back with its queue [3.1.1 MQTT-3.1.2-4] [3.1.1 MQTT-3.1.2-5] [3.1.1 MQTT-3.2.2-2]', async () => {
  const broker = await startServer();
  const first = await broker.connect(
    "10 0d 0004 'MQTT' 04 00 0000 0001 'a'",
    '20 02 00 00', // [3.1.1 MQTT-3.2.2-3]
  );
  await first.send("82 06 0001 0001 't' 01");
  await first.expect('90 03 0001 01');
  await first.send('e0 00');
  const publisher = await broker.v3('p');
  await publisher.send("32 06 0001 't' 0001 'q'");
  await broker.connect(
    "10 0d 0004 'MQTT' 04 00 0000 0001 'a'",
    '20 02 01 00',
    "32 06 0001 't' 0001 'q'",
  );
});

test('a v3.1.1 session with Clean Session 1 ends with its connection [3.1.1 MQTT-3.1.2-6]', async () => {
  const broker = await startServer();
  const first = await broker.v3('a', true);
  await first.send("82 06 0001 0001 't' 01");
  await first.drop();
  await broker.connect("10 0d 0004 'MQTT' 04 00 0000 0001 'a'", '20 02 00 00');
});

test('Clean Session 1 removes a stored v3.1.1 session for good [3.1.1 MQTT-3.1.2-6] [3.1.1 MQTT-3.2.2-1]', async () => {
  const broker = await startServer();
  await (await broker.v3('a', false)).drop();
  const clean = await broker.connect("10 0d 0004 'MQTT' 04 02 0000 0001 'a'", '20 02 00 00');
  await clean.drop();
  await broker.connect("10 0d 0004 'MQTT' 04 00 0000 0001 'a'", '20 02 00 00');
});

test('a session of a v3.1.1 client is resumed by a v5 client of the same identifier [MQTT-3.1.2-5]', async () => {
  const broker = await startServer();
  await (await broker.v3('a', false)).drop();
  await broker.connect(CONNECT_RESUME, CONNACK_PRESENT);
});
