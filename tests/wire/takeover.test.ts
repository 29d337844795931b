// One connection for each client identifier: the newer one takes over. MQTT 5 §3.1.4.

import { expect, test } from 'vitest';
import { CONNACK, CONNACK_PRESENT, expectDisconnected } from '../kit/answers.ts';
import { toHex } from '../kit/hex.ts';
import { startServer } from '../kit/wire.ts';

const CLEAN = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";
const RESUME = "10 0e 0004 'MQTT' 05 00 0000 00 0001 'a'";
/** Session expiry 60 s, will `w` to `t`. */
const WITH_WILL = `10 1a 0004 'MQTT' 05 04 0000
  05 11 0000003c
  0001 'a'
  00 0001 't' 0001 'w'`;
/** The same, delayed by 10 s. */
const WITH_DELAYED_WILL = `10 1f 0004 'MQTT' 05 04 0000
  05 11 0000003c
  0001 'a'
  05 18 0000000a 0001 't' 0001 'w'`;

async function withSubscriber() {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00');
  return { broker, subscriber };
}

test('the older connection gets DISCONNECT 0x8E and is closed [MQTT-3.1.4-3]', async () => {
  const broker = await startServer();
  const older = await broker.connect(CLEAN, CONNACK);
  await broker.connect(CLEAN, CONNACK);
  await expectDisconnected(older, 0x8e);
});

test('an older v3.1.1 connection is closed without a word [3.1.1 MQTT-3.1.4-2]', async () => {
  const broker = await startServer();
  const older = await broker.v3('a');
  await broker.v3('a');
  await older.expectClosed();
});

test('a v3.1.1 connection takes over from a v5 one [MQTT-3.1.4-3]', async () => {
  const broker = await startServer();
  const older = await broker.connect(CLEAN, CONNACK);
  await broker.v3('a');
  await expectDisconnected(older, 0x8e);
});

test('what the older connection sends afterwards has no effect [MQTT-3.1.4-3]', async () => {
  const { broker, subscriber } = await withSubscriber();
  const older = await broker.connect(CLEAN, CONNACK);
  await broker.connect(CLEAN, CONNACK);
  await older.send("30 05 0001 't' 00 'x'");
  await subscriber.expectNothing();
});

test('the newer connection lives on when the older stream closes [MQTT-3.1.4-3]', async () => {
  const broker = await startServer();
  const older = await broker.connect(CLEAN, CONNACK);
  const newer = await broker.connect(CLEAN, CONNACK);
  await older.drop();
  await newer.send('c0 00');
  await newer.expect('d0 00');
  expect(broker.server.stats().sessionsConnected).toBe(1);
});

test('ten connections with one identifier leave one session [MQTT-3.1.4-3]', async () => {
  const broker = await startServer();
  const clients = Array.from({ length: 10 }, () => broker.open());
  for (const client of clients) client.write(RESUME);
  for (const client of clients.slice(0, -1)) {
    const [, disconnect] = await client.packets();
    expect(toHex(disconnect)).toMatch(/^e0 .. 8e/);
  }
  await clients[9].expect(CONNACK);
  expect(broker.server.stats()).toMatchObject({ sessions: 1, connections: 1 });
});

test('what was in flight on the older connection is sent again on the newer one [MQTT-3.1.4-4]', async () => {
  const broker = await startServer();
  const older = await broker.v5('a', true, '11 0000003c');
  await older.send("82 07 0001 00 0001 't' 01");
  await older.expect('90 04 0001 00 01');
  await older.send("32 07 0001 't' 0009 00 'x'");
  await older.expect("32 07 0001 't' 0001 00 'x'", '40 02 0009');
  await broker.connect(RESUME, CONNACK_PRESENT, "3a 07 0001 't' 0001 00 'x'");
});

test('the will of the older connection is published [MQTT-3.1.4-3] [MQTT-3.1.2-8]', async () => {
  const { broker, subscriber } = await withSubscriber();
  await broker.connect(WITH_WILL, CONNACK);
  await broker.connect(RESUME, CONNACK_PRESENT);
  await subscriber.expect("30 05 0001 't' 00 'w'");
});

test('a delayed will of the older connection is suppressed when the session goes on [MQTT-3.1.3-9]', async () => {
  const { broker, subscriber } = await withSubscriber();
  await broker.connect(WITH_DELAYED_WILL, CONNACK);
  await broker.connect(RESUME, CONNACK_PRESENT);
  await broker.advance(60_000);
  await subscriber.expectNothing();
});

test('a delayed will of the older connection is published when Clean Start 1 ends its session [MQTT-3.1.2-8]', async () => {
  const { broker, subscriber } = await withSubscriber();
  await broker.connect(WITH_DELAYED_WILL, CONNACK);
  await broker.connect(CLEAN, CONNACK);
  await subscriber.expect("30 05 0001 't' 00 'w'");
});

test('a refused CONNECT does not take over [MQTT-3.1.4-2]', async () => {
  let isOpen = true;
  const broker = await startServer({
    authenticator: {
      authenticate: () => (isOpen ? { reasonCode: 0, username: null } : { reasonCode: 0x87 }),
    },
  });
  const older = await broker.connect(CLEAN, CONNACK);
  isOpen = false;
  await broker.open().send(CLEAN);
  await older.send('c0 00');
  await older.expect('d0 00');
});

test('a malformed CONNECT does not take over [MQTT-3.1.4-1]', async () => {
  const broker = await startServer();
  const older = await broker.connect(CLEAN, CONNACK);
  await broker.open().send("10 0e 0004 'MQTT' 05 03 0000 00 0001 'a'");
  await older.send('c0 00');
  await older.expect('d0 00');
});
