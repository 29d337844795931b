// Whose queue does what when it is full: as the server says, as a rule for some clients says, as the client itself asks.

import { expect, test } from 'vitest';
import { startStored } from '../kit/stored.ts';
import { joined, publishV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer, type TestServer } from '../kit/wire.ts';

const DURABLE = '11 00000e10';
/** User property `queue-policy` = `keep-latest-per-topic`, in hex. */
const KEEP_LATEST =
  '26 000c 71756575652d706f6c696379 0015 6b6565702d6c61746573742d7065722d746f706963';

async function publish(broker: TestServer, messages: string): Promise<void> {
  const publisher = await broker.v3('pub');
  const packets = messages
    .split(' ')
    .map((message, i) =>
      publishV3({ topicName: message[0], qos: 1, packetId: i + 1, payload: message.slice(1) }),
    );
  await publisher.send(joined(packets));
  await publisher.drop();
}

/** Topic and payload of what waited for a client. */
async function waiting(broker: TestServer, clientId: string): Promise<string> {
  const client = await broker.v5(clientId, false, DURABLE);
  const packets = await client.packets();
  return packets
    .map((packet) => new TextDecoder().decode(packet))
    .map((packet) => packet[4] + packet.slice(8))
    .join(' ');
}

test('keep-latest-per-topic keeps one message of each topic, the newest, and counts the others', async () => {
  const broker = await startServer({ limits: { queuePolicy: 'keep-latest-per-topic' } });
  await (await subscriberV5(broker, 'sub', '+', 1, DURABLE)).drop();
  await publish(broker, 'a1 b1 a2 c1 a3 b2');
  expect(broker.server.stats()).toMatchObject({
    queuedMessages: 3,
    queuedBytes: 12,
    dropped: { queue_replaced: 3, queue_full: 0 },
  });
  expect(await waiting(broker, 'sub')).toBe('c1 a3 b2');
});

test('so it does in the store, and after a crash', async () => {
  const stored = await startStored({ limits: { queuePolicy: 'keep-latest-per-topic' } });
  await (await subscriberV5(stored.broker, 'sub', '+', 1, DURABLE)).drop();
  await publish(stored.broker, 'a1 b1 a2');
  await stored.crash();
  await publish(stored.broker, 'b2 c1 c2');
  await stored.crash();
  expect(stored.broker.server.stats().queuedMessages).toBe(3);
  expect(await waiting(stored.broker, 'sub')).toBe('a2 b2 c2');
});

test('it touches nothing that is in flight [MQTT-4.3.2-3]', async () => {
  const broker = await startServer({ limits: { queuePolicy: 'keep-latest-per-topic' } });
  const client = await subscriberV5(broker, 'sub', '+', 1, '21 0001');
  await publish(broker, 'a1 a2 a3');
  await client.expect("32 07 0001 'a' 0001 00 '1'");
  await client.send('40 02 0001');
  await client.expect("32 07 0001 'a' 0002 00 '3'");
});

test('more topics than the queue holds: the oldest go', async () => {
  const broker = await startServer({
    limits: { queuePolicy: 'keep-latest-per-topic', queueMessagesMax: 2 },
  });
  await (await subscriberV5(broker, 'sub', '+', 1, DURABLE)).drop();
  await publish(broker, 'a1 b1 c1 b2');
  expect(await waiting(broker, 'sub')).toBe('c1 b2');
  expect(broker.server.stats().dropped).toMatchObject({ queue_oldest: 1, queue_replaced: 1 });
});

test('a client chooses by the CONNECT user property queue-policy, also after a crash', async () => {
  const stored = await startStored();
  const own = await subscriberV5(stored.broker, 'own', '+', 1, `${DURABLE} ${KEEP_LATEST}`);
  await own.drop();
  await (await subscriberV5(stored.broker, 'other', '+', 1, DURABLE)).drop();
  await stored.crash();
  await publish(stored.broker, 'a1 a2');
  expect(await waiting(stored.broker, 'own')).toBe('a2');
  expect(await waiting(stored.broker, 'other')).toBe('a1 a2');
});

test('rules give some clients other bounds; the first that fits counts', async () => {
  const broker = await startServer({
    limits: { queueMessagesMax: 3 },
    queueRules: [
      { clientId: 'dash-*', queuePolicy: 'keep-latest-per-topic' },
      { clientId: '*', queueMessagesMax: 1 },
    ],
  });
  for (const id of ['dash-1', 'xdash-1']) {
    await (await subscriberV5(broker, id, '+', 1, DURABLE)).drop();
  }
  await publish(broker, 'a1 a2 b1');
  expect(await waiting(broker, 'dash-1')).toBe('a2 b1');
  expect(await waiting(broker, 'xdash-1')).toBe('a1');
});

test('a rule may be for a user name; nobody without one fits it', async () => {
  const broker = await startServer({
    queueRules: [{ username: '*', queueMessagesMax: 1 }],
  });
  await (await subscriberV5(broker, 'anonymous', '+', 1, DURABLE)).drop();
  const named = broker.open();
  await named.send("10 1a 0004 'MQTT' 05 82 0000 05 11 00000e10 0005 'named' 0001 'u'");
  await named.packet();
  await named.send("82 07 0001 00 0001 '+' 01");
  await named.drop();
  await publish(broker, 'a1 a2');
  expect(broker.server.stats().queuedMessages).toBe(3);
});
