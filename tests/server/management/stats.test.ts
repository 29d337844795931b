// Figures for operators: the same as are counted at once, in slices.

import { expect, test } from 'vitest';
import { publishV5, subscriberV5 } from '../../kit/traffic.ts';
import {
  connectPacket,
  RESERVED_OPEN,
  settle,
  startServer,
  type TestServer,
  type WireClient,
} from '../../kit/wire.ts';

const DURABLE = '11 00000e10';

/** Turns of the event loop that pass until it is there. */
async function turnsOf(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  const count = (): void => {
    turns++;
    counting = setImmediate(count);
  };
  let counting = setImmediate(count);
  await work();
  clearImmediate(counting);
  return turns;
}

async function crowd(broker: TestServer, count: number): Promise<WireClient[]> {
  const clients: WireClient[] = [];
  for (let i = 0; i < count; i++) {
    const client = broker.open();
    client.write(connectPacket(5, `c${i}`, true));
    clients.push(client);
    if (i % 500 === 0) await settle(2);
  }
  await settle();
  return clients;
}

test('are those that are counted at once', async () => {
  const broker = await startServer();
  await (await subscriberV5(broker, 'away', '#', 1, DURABLE)).drop();
  const publisher = await broker.v5('p');
  await publisher.send(publishV5({ topicName: 't', qos: 1, payload: '12345' }));
  const { management } = broker.server;
  const stats = broker.server.stats();
  expect(stats).toMatchObject({ sessions: 2, sessionsConnected: 1, queuedMessages: 1 });
  expect(await management.stats()).toEqual(stats);
  const { sessions, queuedMessages, queuedBytes } = stats;
  expect(await management.store()).toMatchObject({ sessions, queuedMessages, queuedBytes });
});

test('hold the event loop for a bounded number of sessions, and all who ask share one walk', async () => {
  const broker = await startServer({ limits: { sessionsMax: 20_000 } });
  await crowd(broker, 5_500);
  const { management } = broker.server;
  expect(await turnsOf(() => management.stats())).toBeGreaterThanOrEqual(5);
  expect(await turnsOf(() => management.store())).toBeGreaterThanOrEqual(5);
  const [one, other] = [management.stats(), management.stats()];
  expect(other).toBe(one);
  expect((await one).sessions).toBe(5_500);
  expect(management.stats()).not.toBe(one);
}, 30_000);

test('know the same of sessions that end while they are counted: no more are connected than there are', async () => {
  const broker = await startServer({ limits: { sessionsMax: 20_000 } });
  const clients = await crowd(broker, 2_500);
  const counting = broker.server.management.stats(); // the first thousand is counted
  for (const client of clients.slice(0, 900)) client.stream.destroy();
  const { sessions, sessionsConnected } = await counting;
  expect(broker.server.stats().sessions).toBe(1_600);
  expect(sessions - sessionsConnected).toBe(0);
}, 30_000);

test('of $SYS do, too', async () => {
  const limits = { sessionsMax: 20_000 };
  const sys = { intervalMs: 10_000, version: '1' };
  const broker = await startServer({ ...RESERVED_OPEN, limits, sys });
  const clients = await crowd(broker, 4_500);
  const reader = await broker.v5('reader');
  await reader.send("82 26 0009 00 0020 '$SYS/broker/clients/disconnected' 00");
  await reader.packets();
  broker.clock.advance(10_000);
  for (const client of clients.slice(0, 900)) client.stream.destroy();
  const told = (await reader.packets()).map((packet) => Buffer.from(packet).toString('latin1'));
  expect(broker.server.stats().sessions).toBe(3_601);
  expect(told.filter((text) => text.endsWith('-900'))).toEqual([]);
}, 30_000);
