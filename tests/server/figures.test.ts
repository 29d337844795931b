// The figures of a server with many clients: they are counted in slices, and are right all the same.

import { expect, onTestFinished, test } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import { Server } from '../../src/server/server.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { settle } from '../kit/wire.ts';

/** More than two slices. */
const CLIENTS = 2_100;

async function crowded(): Promise<{ server: Server; clients: PacketClient[] }> {
  const server = new Server({ clock: new FakeClock(), limits: { halfConnectedMax: CLIENTS } });
  await server.start();
  onTestFinished(async () => {
    server.abort();
    await server.stop();
  });
  const clients = Array.from({ length: CLIENTS }, () => new PacketClient(server.connect()));
  for (const [i, client] of clients.entries()) {
    client.sendConnect(`c${i}`, { properties: { sessionExpiryInterval: 60 } });
  }
  await settle();
  return { server, clients };
}

test('many sessions are counted over several turns', async () => {
  const { server } = await crowded();
  let turns = 0;
  let isOver = false;
  const figures = server.figures().finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve));
    turns++;
  }
  expect((await figures).sessionsConnected).toBe(CLIENTS);
  expect(turns).toBeGreaterThan(3); // twice for sessions, twice for connections
});

test('clients that go meanwhile are counted before or after, and never twice', async () => {
  const { server, clients } = await crowded();
  const counting = server.figures();
  for (const client of clients) client.destroy();
  const { sessionsConnected, sessionsDisconnected, listeners } = await counting;
  expect(sessionsConnected + sessionsDisconnected).toBe(CLIENTS);
  await settle();
  const after = await server.figures();
  expect([after.sessionsConnected, after.sessionsDisconnected]).toEqual([0, CLIENTS]);
  expect(after.listeners).toEqual([]);
  expect(listeners.length).toBeLessThanOrEqual(1);
});

test('figures are what they were, whatever happens afterwards', async () => {
  const { server } = await crowded();
  const figures = await server.figures();
  const copy = structuredClone(figures);
  server.metrics.packetsReceived[1]++;
  server.metrics.commitDurations.observe(1);
  server.drops.counts[0]++;
  expect(figures).toEqual(copy);
});

test('are plain values', async () => {
  const { server } = await crowded();
  const figures = await server.figures();
  expect(JSON.parse(JSON.stringify(figures))).toEqual(figures);
});
