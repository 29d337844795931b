// The Will Delay Interval. MQTT 5 §3.1.3.2.2.

import { test } from 'vitest';
import { CONNACK, CONNACK_PRESENT } from '../kit/answers.ts';
import { startServer, type TestServer } from '../kit/wire.ts';

/** CONNECT of `a`: session expiry 60 s, will `w` to `t` delayed by 10 s; clean start 1, then 0. */
const CONNECT = `10 1f           // CONNECT
  0004 'MQTT' 05 06 0000
  05 11 0000003c                 // Session Expiry Interval
  0001 'a'
  05 18 0000000a 0001 't' 0001 'w'`;
const CONNECT_AGAIN = CONNECT.replace('05 06', '05 04');
const WILL = "30 05 0001 't' 00 'w'";
const RESUME = "10 0e 0004 'MQTT' 05 00 0000 00 0001 'a'";
const CLEAN = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";

async function subscriberOf(broker: TestServer) {
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00');
  return subscriber;
}

test('a delayed will is published when its delay has passed [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  await (await broker.connect(CONNECT, CONNACK)).drop();
  await broker.advance(9_900);
  await subscriber.expectNothing();
  await broker.advance(200);
  await subscriber.expect(WILL);
});

test('a client that is back before the delay has passed gets its will suppressed [MQTT-3.1.3-9] [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  await (await broker.connect(CONNECT, CONNACK)).drop();
  await broker.advance(9_900);
  await broker.connect(CONNECT_AGAIN, CONNACK_PRESENT);
  await broker.advance(60_000);
  await subscriber.expectNothing();
});

test('a client that is back without a will gets its old one suppressed for good [MQTT-3.1.3-9]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  await (await broker.connect(CONNECT, CONNACK)).drop();
  await (await broker.connect(RESUME, CONNACK_PRESENT)).drop();
  await broker.advance(60_000);
  await subscriber.expectNothing();
});

test('the delay counts from the last disconnection [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  await (await broker.connect(CONNECT, CONNACK)).drop();
  await broker.advance(9_000);
  await (await broker.connect(CONNECT_AGAIN, CONNACK_PRESENT)).drop();
  await broker.advance(9_000);
  await subscriber.expectNothing();
  await broker.advance(1_100);
  await subscriber.expect(WILL);
});

test('a delayed will is published when its session ends before [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(
    CONNECT.replace('0000003c', '00000005'), // Session Expiry Interval 5 s
    CONNACK,
  );
  await client.drop();
  await broker.advance(4_900);
  await subscriber.expectNothing();
  await broker.advance(200);
  await subscriber.expect(WILL);
});

test('a delayed will of a session that ends with its connection is published at once [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(
    "10 1a 0004 'MQTT' 05 06 0000 00 0001 'a' 05 18 0000000a 0001 't' 0001 'w'",
    CONNACK,
  );
  await client.drop();
  await subscriber.expect(WILL);
});

test('a delayed will is published at once when its session is replaced by Clean Start 1 [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  await (await broker.connect(CONNECT, CONNACK)).drop();
  await broker.connect(CLEAN, CONNACK);
  await subscriber.expect(WILL);
});

test('a delayed will is published once, though delay and session end later [MQTT-3.1.2-10]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  await (await broker.connect(CONNECT, CONNACK)).drop();
  await broker.connect(CLEAN, CONNACK);
  await subscriber.expect(WILL);
  await broker.advance(120_000);
  await subscriber.expectNothing();
});

test('a delayed will of a session that DISCONNECT 0x04 leaves is published after its delay [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send('e0 01 04');
  await subscriber.expectNothing();
  await broker.advance(10_100);
  await subscriber.expect(WILL);
});

test('a delayed will is published at once when DISCONNECT 0x04 ends the session [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send('e0 07 04 05 11 00000000'); // Session Expiry Interval 0
  await subscriber.expect(WILL);
});
