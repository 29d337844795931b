// Expiry over restarts, whatever the wall clock does: it counts monotonic time while the server runs, and what passed by the wall
// clock while it did not; nothing, if that went backwards; and if it seems to be more than a day nothing is over for ten minutes.

import { expect, test } from 'vitest';
import { type StoredServer, startStored } from '../kit/stored.ts';
import { subscriberV5, subscribeV5 } from '../kit/traffic.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** A session for an hour, away, with a message for two hours in its queue and another retained. */
async function away(): Promise<StoredServer> {
  const stored = await startStored();
  await (await subscriberV5(stored.broker, 'sub', 't', 1, '11 00000e10')).drop();
  const publisher = await stored.broker.v5('pub');
  await publisher.send("33 0c 0001 't' 0001 05 02 00001c20 'x'");
  await publisher.expect('40 02 0001');
  return stored;
}

/** Stops, lets so much time pass by the wall clock, and starts again. */
async function downFor(stored: StoredServer, ms: number): Promise<void> {
  await stored.broker.server.stop();
  stored.clock.jumpWall(ms);
  await stored.start();
}

test('time that passed while the server was down counts [MQTT-3.1.2-23]', async () => {
  const stored = await away();
  await downFor(stored, HOUR_MS - 60_000);
  expect(stored.broker.server.stats().sessions).toBe(1);
  await stored.broker.advance(61_000);
  expect(stored.broker.server.stats().sessions).toBe(0);
});

test('so it does for messages, queued and retained [MQTT-3.3.2-6]', async () => {
  const stored = await away();
  await downFor(stored, HOUR_MS / 2);
  const client = await stored.broker.v5('sub', false, '11 00000e10');
  await client.expect("32 0c 0001 't' 0001 05 02 00001518 'x'"); // 5,400 s are left
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00', "31 0a 0001 't' 05 02 00001518 'x'");
});

test('messages that are over at start are gone, and counted [MQTT-3.3.2-5]', async () => {
  const stored = await startStored();
  await (await subscriberV5(stored.broker, 'sub', 't', 1, '11 000f4240')).drop();
  const publisher = await stored.broker.v5('pub');
  await publisher.send("33 0c 0001 't' 0001 05 02 00000e10 'x'");
  await downFor(stored, 2 * HOUR_MS);
  const client = await stored.broker.v5('sub', false, '11 00000e10');
  await client.expectNothing();
  await subscribeV5(client, 't', 0);
  await client.expectNothing();
  expect(stored.broker.server.stats().dropped.expired).toBe(1);
});

test('a clock that went backwards counts as no time', async () => {
  const stored = await away();
  await downFor(stored, -40 * 365 * DAY_MS); // 1970 or so
  await stored.broker.advance(HOUR_MS - 60_000);
  expect(stored.broker.server.stats().sessions).toBe(1);
  await stored.broker.advance(61_000);
  expect(stored.broker.server.stats().sessions).toBe(0);
  expect(stored.broker.server.alarms.active).toEqual([]);
});

test('a clock that is mended while the server runs ends nothing, now or at the next start', async () => {
  const stored = await away();
  stored.clock.jumpWall(40 * 365 * DAY_MS);
  await stored.broker.advance(60_000);
  await downFor(stored, 60_000);
  expect(stored.broker.server.stats().sessions).toBe(1);
  expect(stored.broker.server.alarms.active).toEqual([]);
  const client = await stored.broker.v5('sub', false, '11 00000e10');
  await client.expect("32 0c 0001 't' 0001 05 02 00001ba8 'x'"); // two minutes less
});

test('more than a day raises an alarm, and nothing is over for ten minutes', async () => {
  const stored = await away();
  await downFor(stored, 3 * DAY_MS);
  const { alarms } = stored.broker.server;
  expect(alarms.active.map(({ name, severity }) => [name, severity])).toEqual([
    ['clock_jump', 'warning'],
  ]);
  await stored.broker.advance(599_000);
  expect(stored.broker.server.stats()).toMatchObject({ sessions: 1, retainedMessages: 1 });
  await stored.broker.advance(3_000);
  expect(stored.broker.server.stats()).toMatchObject({ sessions: 0, retainedMessages: 0 });
  expect(alarms.active).toEqual([]);
});

test('who comes back within these ten minutes has all of it', async () => {
  const stored = await away();
  await downFor(stored, 3 * DAY_MS);
  await stored.broker.advance(300_000);
  const client = await stored.broker.v5('sub', false, '11 00000e10');
  const packets = await client.packets();
  expect(packets.map((packet) => packet[0])).toEqual([0x32]);
});

test('a session that never expires, and one that is connected at a crash, do not mind', async () => {
  const stored = await startStored({ limits: { sessionExpiryMax: 0xffff_ffff } });
  await (await stored.broker.v5('never', true, '11 ffffffff')).drop();
  await stored.broker.v5('connected', true, '11 00000e10');
  await stored.crash();
  stored.clock.jumpWall(3 * DAY_MS);
  await stored.crash();
  await stored.broker.advance(HOUR_MS - 60_000);
  expect(stored.broker.server.stats().sessions).toBe(2);
});

test('an idle server says now and then what time it is, so that its idleness is not taken for downtime', async () => {
  const stored = await away();
  const { commitCalls } = stored.storage;
  for (let i = 0; i < 30; i++) await stored.broker.advance(HOUR_MS);
  expect(stored.storage.commitCalls - commitCalls).toBeGreaterThanOrEqual(29);
  await stored.crash();
  expect(stored.broker.server.alarms.active).toEqual([]);
});

test('whoever mends the clock within these ten minutes, and restarts, has all of it', async () => {
  const stored = await away();
  await downFor(stored, 365 * DAY_MS);
  await stored.broker.advance(60_000);
  await downFor(stored, -365 * DAY_MS);
  expect(stored.broker.server.alarms.active).toEqual([]);
  await stored.broker.advance(HOUR_MS - 120_000);
  const client = await stored.broker.v5('sub', false, '11 00000e10');
  await client.expect("32 0c 0001 't' 0001 05 02 00000e4c 'x'"); // an hour less a minute has passed
});

test('a restart within these ten minutes judges anew', async () => {
  const stored = await away();
  await downFor(stored, 365 * DAY_MS);
  await stored.broker.advance(300_000);
  await stored.crash();
  expect(stored.broker.server.alarms.isRaised('clock_jump')).toBe(true);
  await stored.broker.advance(599_000);
  expect(stored.broker.server.stats().sessions).toBe(1);
  await stored.broker.advance(3_000);
  expect(stored.broker.server.stats().sessions).toBe(0);
});

test('what was stored while the clock was wrong is not from the future when it is mended', async () => {
  const stored = await startStored();
  await downFor(stored, 365 * DAY_MS);
  await (await subscriberV5(stored.broker, 'sub', 't', 1, '11 00000e10')).drop();
  const publisher = await stored.broker.v5('pub');
  await publisher.send("33 0c 0001 't' 0001 05 02 00001c20 'x'");
  await publisher.expect('40 02 0001');
  await downFor(stored, -365 * DAY_MS);
  await stored.broker.advance(HOUR_MS - 60_000);
  expect(stored.broker.server.stats()).toMatchObject({ sessions: 1, retainedMessages: 1 });
  await stored.broker.advance(61_000);
  expect(stored.broker.server.stats().sessions).toBe(0);
  await stored.broker.advance(HOUR_MS + 2_000);
  expect(stored.broker.server.stats().retainedMessages).toBe(0);
});
