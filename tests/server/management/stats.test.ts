// Figures for operators: the same as are counted at once, in slices.

import { expect, test } from 'vitest';
import { publishV5, subscriberV5 } from '../../kit/traffic.ts';
import { connectPacket, settle, startServer, type TestServer } from '../../kit/wire.ts';

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

async function crowd(broker: TestServer, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    broker.open().write(connectPacket(5, `c${i}`, true));
    if (i % 500 === 0) await settle(2);
  }
  await settle();
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
