// Draining a server: who is let in, who goes when, and how it is undone.

import { expect, test } from 'vitest';
import { LogBook } from '../../kit/log-book.ts';
import {
  connectPacket,
  settle,
  startServer,
  type TestServer,
  type WireClient,
} from '../../kit/wire.ts';

async function crowd(broker: TestServer, count: number): Promise<WireClient[]> {
  const clients: WireClient[] = [];
  for (let i = 0; i < count; i++) clients.push(await broker.v5(`c${i}`));
  return clients;
}

function left(clients: readonly WireClient[]): number {
  return clients.filter(({ isClosed }) => !isClosed).length;
}

test('clients go evenly over the time, and are told so', async () => {
  const log = new LogBook();
  const broker = await startServer({ logger: log });
  const clients = await crowd(broker, 100);
  const { drain } = broker.server.management;
  drain.begin({ overMs: 10_000 });
  await settle();
  expect(left(clients)).toBe(100);
  expect(drain.state).toMatchObject({ isDraining: true, disconnected: 0, left: 100 });
  for (const [ms, expected] of [
    [2_500, 75],
    [2_500, 50],
    [4_000, 10],
    [1_100, 0],
  ] as const) {
    for (let passed = 0; passed < ms; passed += 100) await broker.advance(100);
    expect(left(clients)).toBeGreaterThanOrEqual(expected);
    expect(left(clients)).toBeLessThanOrEqual(expected + 2);
  }
  await clients[0].expectClosed("e0 20 8b 1e 1f 001b 'the server is being drained'");
  expect(drain.state).toMatchObject({ isDraining: true, disconnected: 100, left: 0 });
  expect(log.lines.filter(({ message }) => message === 'the server is drained')).toHaveLength(1);
});

test('nobody is let in meanwhile, and everybody afterwards', async () => {
  const broker = await startServer();
  const { drain } = broker.server.management;
  drain.begin({ overMs: 0 });
  const turnedAway = broker.open();
  await turnedAway.send(connectPacket(5, 'c', true));
  await turnedAway.expectClosed();
  drain.end();
  expect(drain.state.isDraining).toBe(false);
  await broker.v5('c');
});

test('clients of v5 are sent elsewhere: those who are here and those who come', async () => {
  const broker = await startServer();
  const [client] = await crowd(broker, 1);
  const old = await broker.v3('old');
  const { drain } = broker.server.management;
  drain.begin({ overMs: 100, serverReference: 'b' });
  await broker.advance(200);
  await client.expectClosed("e0 24 9c 22 1f 001b 'the server is being drained' 1c 0001 'b'");
  await old.expectClosed();
  const late = broker.open();
  await late.send(connectPacket(5, 'd', true));
  await late.expectClosed("20 25 00 9c 22 1f 001b 'the server is being drained' 1c 0001 'b'");
  const lateV3 = broker.open();
  await lateV3.send(connectPacket(4, 'e', true));
  await lateV3.expectClosed('20 02 00 03');
});

test('for good, if that is said', async () => {
  const broker = await startServer();
  const [client] = await crowd(broker, 1);
  broker.server.management.drain.begin({ overMs: 100, serverReference: 'b', isPermanent: true });
  await broker.advance(200);
  await client.expectClosed("e0 24 9d 22 1f 001b 'the server is being drained' 1c 0001 'b'");
});

test('a reference that no packet can say is refused, and nothing begins [MQTT-1.5.4-2]', async () => {
  const broker = await startServer();
  const { drain } = broker.server.management;
  expect(() => drain.begin({ overMs: 0, serverReference: 'a\0' })).toThrow('U+0000');
  expect(drain.isOn).toBe(false);
});

test('undone half way, the rest stays', async () => {
  const broker = await startServer();
  const clients = await crowd(broker, 20);
  const { drain } = broker.server.management;
  drain.begin({ overMs: 2_000 });
  for (let i = 0; i < 10; i++) await broker.advance(100);
  drain.end();
  const stays = left(clients);
  expect(stays).toBeGreaterThan(5);
  for (let i = 0; i < 30; i++) await broker.advance(100);
  expect(left(clients)).toBe(stays);
});

test('a stop while it is drained ends all the same', async () => {
  const broker = await startServer();
  await crowd(broker, 3);
  broker.server.management.drain.begin({ overMs: 60_000 });
  await broker.server.stop();
  expect(broker.server.management.drain.state.left).toBe(0);
});
