// Wills of connected clients are stored: after a crash they are published once their clients had time to come back.

import { describe, expect, test } from 'vitest';
import { CONNACK } from '../kit/answers.ts';
import { ONE_HOUR, type StoredServer, startStored } from '../kit/stored.ts';
import { connectPacket, type WireClient } from '../kit/wire.ts';

const GRACE_MS = 30_000;

const CONNECT_DURABLE = `
  10 1c                     // CONNECT
  0004 'MQTT' 05            // protocol
  0c 0000                   // will QoS 1, clean start 0; keep alive 0
  05 ${ONE_HOUR}            // Session Expiry Interval 3600
  0002 'c1'                 // client identifier
  00 0001 'w' 0002 'me'     // the will`;

const CONNECT_CLEAN = `
  10 17                     // CONNECT
  0004 'MQTT' 05            // protocol
  0e 0000                   // will QoS 1, clean start; keep alive 0
  00                        // no properties
  0002 'c1'                 // client identifier
  00 0001 'w' 0002 'me'     // the will`;

const CONNECT_DELAY = `
  10 21                     // CONNECT
  0004 'MQTT' 05            // protocol
  0c 0000                   // will QoS 1, clean start 0; keep alive 0
  05 ${ONE_HOUR}            // Session Expiry Interval 3600
  0002 'c1'                 // client identifier
  05 18 0000003c            // Will Delay Interval 60
  0001 'w' 0002 'me'        // the will`;

async function watch(stored: StoredServer): Promise<WireClient> {
  const watcher = await stored.broker.v5('watcher');
  await watcher.send("82 07 0001 00 0001 'w' 00");
  await watcher.expect('90 04 0001 00 00');
  return watcher;
}

const THE_WILL = "30 06 0001 'w' 00 'me'";

describe('after a crash', () => {
  test.each([
    { session: 'a durable session', connect: CONNECT_DURABLE, afterMs: GRACE_MS },
    { session: 'a clean session', connect: CONNECT_CLEAN, afterMs: GRACE_MS },
    { session: 'a session with a delay of a minute', connect: CONNECT_DELAY, afterMs: 60_000 },
  ])('the will of $session is published, once', async ({ connect, afterMs }) => {
    const stored = await startStored();
    await stored.broker.connect(connect, CONNACK);
    await stored.crash();
    const watcher = await watch(stored);
    await stored.broker.advance(afterMs - 100);
    await watcher.expectNothing();
    await stored.broker.advance(200);
    await watcher.expect(THE_WILL);
    await stored.crash();
    const later = await watch(stored);
    await stored.broker.advance(100_000);
    await later.expectNothing();
  });

  test.each([
    { session: 'a durable session', connect: CONNECT_DURABLE },
    { session: 'a clean session', connect: CONNECT_CLEAN },
  ])('the will of $session is not, if its client is back', async ({ connect }) => {
    const stored = await startStored();
    await stored.broker.connect(connect, CONNACK);
    await stored.crash();
    const watcher = await watch(stored);
    await stored.broker.advance(20_000);
    const client = stored.broker.open();
    await client.send(connectPacket(5, 'c1', false, ONE_HOUR));
    const isPresent = (await client.packet())[2];
    expect(isPresent, 'session present').toBe(connect === CONNECT_DURABLE ? 1 : 0);
    await stored.broker.advance(100_000);
    await watcher.expectNothing();
  });

  test('nor if its client is back with a clean start', async () => {
    const stored = await startStored();
    await stored.broker.connect(CONNECT_DURABLE, CONNACK);
    await stored.crash();
    const watcher = await watch(stored);
    await stored.broker.v5('c1');
    await stored.broker.advance(100_000);
    await watcher.expectNothing();
  });

  test('a will that its client took back with DISCONNECT is not there', async () => {
    const stored = await startStored();
    for (const connect of [CONNECT_DURABLE, CONNECT_CLEAN]) {
      const client = await stored.broker.connect(connect, CONNACK);
      await client.send('e0 00');
    }
    await stored.crash();
    const watcher = await watch(stored);
    await stored.broker.advance(100_000);
    await watcher.expectNothing();
  });

  test('a will that was published before is not published again', async () => {
    const stored = await startStored();
    const watcher = await watch(stored);
    const client = await stored.broker.connect(CONNECT_CLEAN, CONNACK);
    await client.drop();
    await watcher.expect(THE_WILL);
    await stored.crash();
    const later = await watch(stored);
    await stored.broker.advance(100_000);
    await later.expectNothing();
    expect(stored.broker.server.stats().sessions).toBe(1); // the watcher's
  });

  test('a client that comes back with another will has only that', async () => {
    const stored = await startStored();
    const first = await stored.broker.connect(CONNECT_CLEAN, CONNACK);
    await stored.crash();
    expect(first.isClosed).toBe(true);
    const client = stored.broker.open();
    await client.send(CONNECT_CLEAN.replace("'me'", "'it'"));
    await client.expect(CONNACK);
    await stored.crash();
    const watcher = await watch(stored);
    await stored.broker.advance(GRACE_MS + 100);
    await watcher.expect("30 06 0001 'w' 00 'it'");
  });
});

test('a delayed will goes on waiting after a graceful stop, and is gone when its client resumes', async () => {
  const stored = await startStored();
  await stored.broker.connect(CONNECT_DELAY, CONNACK);
  await stored.restart();
  const watcher = await watch(stored);
  await stored.broker.advance(50_000);
  await stored.durable('c1');
  await stored.broker.advance(100_000);
  await watcher.expectNothing();
});

test('a CONNECT with a will that cannot be is refused, and harms no session', async () => {
  const stored = await startStored({ limits: { topicLevelsMax: 2 } });
  const first = await stored.durable('c1');
  const client = stored.broker.open();
  await client.send(`
    10 21                     // CONNECT
    0004 'MQTT' 05            // protocol
    0c 0000                   // will QoS 1, clean start 0; keep alive 0
    05 ${ONE_HOUR}            // Session Expiry Interval 3600
    0002 'c1'                 // client identifier
    00 0005 'a/b/c' 0003 'now'`);
  await client.packets();
  expect(client.isClosed).toBe(true);
  await first.expectOpen();
  expect(stored.broker.server.stats().sessions).toBe(1);
});
