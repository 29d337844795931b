// Quotas that change while the server runs: connected clients have the new ones at once, and what everybody has already counts.

import { expect, test } from 'vitest';
import type { QuotaRule } from '../../src/core/quota-rules.ts';
import { startStored } from '../kit/stored.ts';
import { joined, publishV3, subscriberV3 } from '../kit/traffic.ts';
import { startServer, type WireClient } from '../kit/wire.ts';

const SLOW: QuotaRule = { clientId: '*', messagesPerSecond: 1 };

const messages = (count: number) =>
  joined(
    Array.from({ length: count }, (_, i) =>
      publishV3({ topicName: 't', qos: 1, packetId: i + 1, payload: `${i + 1}` }),
    ),
  );

async function acknowledged(client: WireClient): Promise<number> {
  return (await client.packets()).filter((packet) => packet[0] === 0x40).length;
}

test('a client that had no quota has one with the next message, and none again after that', async () => {
  const broker = await startServer();
  const client = await broker.v3('c');
  await client.send(messages(10));
  expect(await acknowledged(client)).toBe(10);
  await broker.server.setQuotas([SLOW]);
  await client.send(messages(3));
  expect(await acknowledged(client)).toBe(1);
  await broker.server.setQuotas([]);
  await broker.advance(100);
  expect(await acknowledged(client)).toBe(2);
  await client.send(messages(10));
  expect(await acknowledged(client)).toBe(10);
});

test('what waits by an old rule goes by the new one', async () => {
  const broker = await startServer({
    quotas: [{ clientId: '*', messagesPerSecond: 0.001, messagesBurst: 1 }],
  });
  const client = await broker.v3('c');
  await client.send(messages(20));
  expect(await acknowledged(client)).toBe(1);
  await broker.server.setQuotas([{ clientId: '*', messagesPerSecond: 10, messagesBurst: 5 }]);
  await broker.advance(1_000);
  expect(await acknowledged(client)).toBe(10);
  await broker.server.setQuotas([{ clientId: '*', messagesPerSecond: 1, over: 'refuse' }]);
  await broker.advance(100);
  expect(await acknowledged(client)).toBe(9); // also that which waited: v3 is not told
  expect(broker.server.stats().dropped.quota).toBe(9);
});

test('what waits under a rule that goes, while its client goes, is counted as any other', async () => {
  const broker = await startServer({ quotas: [SLOW] });
  const client = await broker.v3('c');
  await client.send("30 04 0001 't' '1' 30 04 0001 't' '2'");
  await broker.server.setQuotas([]);
  await client.drop();
  expect(broker.server.stats().dropped.quota).toBe(1);
  await broker.advance(1_000);
});

test('the same rules again change nothing: what waits goes on waiting', async () => {
  const broker = await startServer({ quotas: [SLOW] });
  const client = await broker.v3('c');
  await client.send(messages(2));
  await broker.advance(900);
  await broker.server.setQuotas([{ ...SLOW }]);
  await broker.advance(100);
  expect(await acknowledged(client)).toBe(2);
});

test('a reload is no new burst', async () => {
  const broker = await startServer({ quotas: [{ ...SLOW, messagesBurst: 4 }] });
  const client = await broker.v3('c');
  await client.send(messages(4));
  await broker.server.setQuotas([{ ...SLOW, messagesBurst: 3, over: 'refuse' }]);
  await client.send(messages(1));
  expect(broker.server.stats().dropped.quota).toBe(1);
});

test('rules that are wrong are refused with all that is wrong, and those in force stay', async () => {
  const broker = await startServer({ quotas: [SLOW] });
  const client = await broker.v3('c');
  const wrong = [{ clientId: '*' }, { connectionsMax: 1 }];
  await expect(broker.server.setQuotas(wrong)).rejects.toThrowError(
    /^quotas\[0\]: it limits nothing.*\nquotas\[1\]: it fits nobody/,
  );
  await client.send(messages(2));
  expect(await acknowledged(client)).toBe(1);
});

test('connections, subscriptions and retained messages that were there before count; nobody is ended for them', async () => {
  const stored = await startStored();
  const { broker } = stored;
  const client = await subscriberV3(broker, 'c', 'a');
  await client.send("31 04 0001 'x' '1' 31 04 0001 'y' '1'");
  const away = await stored.durable('away');
  await away.send("82 07 0001 00 0001 'b' 01");
  await away.drop();
  await broker.server.setQuotas([
    { clientId: '*', per: 'rule', connectionsMax: 1, subscriptionsMax: 2 },
    { clientId: '*', retainedMessagesMax: 1 },
  ]);
  await client.expectOpen();
  const refused = broker.open();
  await refused.send("10 0d 0004 'MQTT' 04 02 0000 0001 'd'");
  await refused.expectClosed('20 02 00 03');
  await client.send("82 06 0001 0001 'c' 00");
  await client.expect('90 03 0001 80');
  await client.send("31 04 0001 'z' '1'");
  expect(broker.server.stats().retainedMessages).toBe(2);
  await client.send("31 03 0001 'x' 31 03 0001 'y' 31 04 0001 'z' '1'"); // two are deleted
  expect(broker.server.stats()).toMatchObject({ retainedMessages: 1, dropped: { quota: 1 } });
  await client.send("a2 05 0002 0001 'a' 82 06 0003 0001 'c' 00");
  await client.expect('b0 02 0002', '90 03 0003 00');
});

test('thousands of sessions that are away are counted, in slices', async () => {
  const broker = await startServer({ limits: { halfConnectedMax: 4_500 } });
  for (let i = 0; i < 4_500; i++) {
    const client = broker.open();
    const id = `${i}`.padStart(4, '0');
    client.write(`10 10 0004 'MQTT' 04 00 0000 0004 '${id}' 82 06 0001 0001 'a' 00 e0 00`);
  }
  await broker.advance(0);
  expect(broker.server.stats()).toMatchObject({ sessions: 4_500, sessionsConnected: 0 });
  await broker.server.setQuotas([{ clientId: '*', per: 'rule', subscriptionsMax: 4_501 }]);
  const client = await broker.v3('c');
  await client.send("82 0a 0001 0001 'b' 00 0001 'c' 00");
  await client.expect('90 04 0001 00 80');
});

test('queue bounds follow: what is there stays, what comes is bounded', async () => {
  const stored = await startStored();
  const { broker } = stored;
  const subscriber = await stored.durable('s');
  await subscriber.send("82 07 0001 00 0001 't' 01");
  await subscriber.drop();
  const publisher = await broker.v3('p');
  await publisher.send(messages(3));
  await broker.server.setQuotas([{ clientId: 's', queueMessagesMax: 4 }]);
  await publisher.send(messages(3));
  expect(broker.server.stats()).toMatchObject({ queuedMessages: 4, dropped: { queue_full: 2 } });
});
