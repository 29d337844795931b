// A queue whose messages lie in the store: read in pages when their turn comes, in order, each once, whatever happens meanwhile.

import { expect, test } from 'vitest';
import type { ServerOptions } from '../../src/server/options.ts';
import { type StoredServer, startStored } from '../kit/stored.ts';
import { hex16, joined, publishV3, subscribeV5 } from '../kit/traffic.ts';
import { settle, type WireClient } from '../kit/wire.ts';

/** More than two pages of 128. */
const MANY = 300;

const text = (packet: Uint8Array): string => new TextDecoder().decode(packet);

/** A durable subscriber of `t` that is away, and `count` messages for it. */
async function away(
  options: ServerOptions = {},
  count = MANY,
  qos: 0 | 1 | 2 = 1,
): Promise<StoredServer> {
  const stored = await startStored(options);
  const client = await stored.durable('sub');
  await subscribeV5(client, 't', 2);
  await client.drop();
  await publish(stored, 1, count, qos);
  return stored;
}

/** Messages whose payloads are numbers. */
async function publish(
  stored: StoredServer,
  first: number,
  last: number,
  qos: 0 | 1 | 2 = 1,
): Promise<void> {
  const publisher = await stored.broker.v3('pub');
  const packets = [];
  for (let i = first; i <= last; i++) {
    packets.push(publishV3({ topicName: 't', qos, packetId: i, payload: `#${i}` }));
  }
  await publisher.send(joined(packets));
  await publisher.drop();
}

/** Takes QoS 1 messages until none comes, acknowledging each; returns their numbers. */
async function drain(client: WireClient): Promise<number[]> {
  const numbers: number[] = [];
  for (;;) {
    const packets = (await client.packets()).filter((packet) => packet[0] >> 4 === 3);
    if (packets.length === 0) return numbers;
    for (const packet of packets) {
      numbers.push(Number(text(packet).split('#').at(-1)));
      if ((packet[0] & 6) !== 0) client.write(`40 02 ${hex16((packet[5] << 8) | packet[6])}`);
    }
  }
}

const upTo = (last: number, first = 1): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

test('comes in order, each message once, and is read in a few pages [MQTT-4.6.0-5]', async () => {
  const stored = await away();
  const { readCalls } = stored.storage;
  const client = await stored.durable('sub');
  expect(await drain(client)).toEqual(upTo(MANY));
  expect(stored.storage.readCalls - readCalls).toBe(3);
  expect(stored.broker.server.stats()).toMatchObject({ queuedMessages: 0, queuedBytes: 0 });
});

test('comes after a crash as it would have before', async () => {
  const stored = await away();
  await stored.crash();
  expect(stored.broker.server.stats().queuedMessages).toBe(MANY);
  expect(await drain(await stored.durable('sub'))).toEqual(upTo(MANY));
});

test('is not in memory while its client is away', async () => {
  const stored = await away({}, 10);
  const client = await stored.durable('sub');
  await client.drop();
  const { readCalls } = stored.storage;
  expect(await drain(await stored.durable('sub'))).toEqual(upTo(10));
  expect(stored.storage.readCalls).toBeGreaterThanOrEqual(readCalls);
});

test('live messages queue up behind what is still to be read', async () => {
  const stored = await away();
  stored.storage.isReadingSlow = true;
  const client = await stored.durable('sub');
  await publish(stored, MANY + 1, MANY + 5);
  await client.expectNothing();
  stored.storage.isReadingSlow = false;
  stored.storage.finishReads();
  expect(await drain(client)).toEqual(upTo(MANY + 5));
});

test('a client that goes while a page is read, and comes back, misses and doubles nothing', async () => {
  const stored = await away();
  stored.storage.isReadingSlow = true;
  const first = await stored.durable('sub');
  await first.drop();
  const second = await stored.durable('sub');
  stored.storage.finishReads();
  stored.storage.isReadingSlow = false;
  stored.storage.finishReads();
  expect(await drain(second)).toEqual(upTo(MANY));
});

test('what drop-oldest takes while its page is read does not come', async () => {
  const stored = await away({
    limits: { queueMessagesMax: MANY, queuePolicy: 'drop-oldest' },
  });
  stored.storage.isReadingSlow = true;
  const client = await stored.durable('sub');
  await publish(stored, MANY + 1, MANY + 5);
  stored.storage.isReadingSlow = false;
  stored.storage.finishReads();
  expect(await drain(client)).toEqual(upTo(MANY + 5, 6));
  expect(stored.broker.server.stats().dropped.queue_oldest).toBe(5);
});

test('what expired unread is dropped and counted [MQTT-3.3.2-5]', async () => {
  const stored = await startStored();
  const client = await stored.durable('sub');
  await subscribeV5(client, 't', 1);
  await client.drop();
  const publisher = await stored.broker.v5('pub');
  await publisher.send("32 0d 0001 't' 0001 05 02 00000005 '#1'");
  await publisher.send("32 08 0001 't' 0002 00 '#2'");
  await stored.broker.advance(6_000);
  expect(await drain(await stored.durable('sub'))).toEqual([2]);
  expect(stored.broker.server.stats().dropped.expired).toBe(1);
});

test('QoS 0 among QoS 1 keeps its place', async () => {
  const stored = await away({ limits: { queueQos0: true } }, 3, 0);
  await publish(stored, 4, 5, 1);
  await publish(stored, 6, 6, 0);
  await stored.crash();
  expect(await drain(await stored.durable('sub'))).toEqual(upTo(6));
});

test('a store that cannot be read costs the client its connection and no message', async () => {
  const stored = await away({}, 5);
  stored.storage.failReads = true;
  const client = stored.broker.open();
  await client.send("10 15 0004 'MQTT' 05 00 0000 05 11 00000e10 0003 'sub'");
  const packets = await client.packets();
  expect(packets.map((packet) => packet[0])).toEqual([0x20, 0xe0]);
  expect(packets[1][2]).toBe(0x80);
  expect(client.isClosed).toBe(true);
  stored.storage.failReads = false;
  expect(await drain(await stored.durable('sub'))).toEqual(upTo(5));
});

test('one message for many sessions has one number in the store', async () => {
  const stored = await startStored();
  for (const id of ['a', 'b', 'c']) {
    const client = await stored.durable(id);
    await subscribeV5(client, 't', 1);
    await client.drop();
  }
  const sequences = new Set<number>();
  const { storage } = stored;
  const enqueue = storage.enqueue.bind(storage);
  storage.enqueue = (session, delivery) => {
    sequences.add(delivery.sequence);
    enqueue(session, delivery);
  };
  await publish(stored, 1, 2);
  expect(sequences.size).toBe(2);
});

test('a session that gets a message twice, once of its own and once as a member, has two numbers', async () => {
  const stored = await startStored();
  const client = await stored.durable('a');
  await subscribeV5(client, 't', 1);
  await subscribeV5(client, '$share/g/t', 1);
  await client.drop();
  await publish(stored, 1, 1);
  await stored.crash();
  expect(await drain(await stored.durable('a'))).toEqual([1, 1]);
});

test.each([false, true])(
  'shared messages that only the store has move when their session ends (slow reads: %s)',
  async (isSlow) => {
    const stored = await startStored();
    const leaving = await stored.broker.v5('leaving', true, '11 0000003c');
    await subscribeV5(leaving, '$share/g/t', 1);
    await leaving.drop();
    await publish(stored, 1, 200);
    const staying = await stored.durable('staying');
    await subscribeV5(staying, '$share/g/t', 1);
    await staying.drop();
    stored.storage.isReadingSlow = isSlow;
    await stored.broker.advance(61_000); // `leaving` expires
    stored.storage.isReadingSlow = false;
    stored.storage.finishReads();
    await settle(); // a store that answers later than at once moves them in a later batch
    await stored.crash();
    expect(await drain(await stored.durable('staying'))).toEqual(upTo(200));
    expect(stored.broker.server.stats().dropped.session_ended).toBe(0);
  },
);

test('a session that ends with its connection may read its queue first', async () => {
  const stored = await away({}, 150);
  const client = await stored.broker.v5('sub', false);
  expect(await drain(client)).toEqual(upTo(150));
});

test('shared messages that only the store has are read page by page, turn by turn, when their member goes', async () => {
  const stored = await startStored();
  const member = await stored.durable('member');
  await subscribeV5(member, '$share/g/t', 1);
  await member.drop();
  await publish(stored, 1, 1_000);
  const { readCalls } = stored.storage;
  const again = await stored.durable('member');
  await again.packets();
  const read = stored.storage.readCalls;
  expect(read - readCalls).toBe(1);
  await again.drop(); // it has the group to itself: there is nobody to give them to
  expect(stored.storage.readCalls).toBe(read);
  const back = await stored.durable('member');
  await back.packets();
  const other = await stored.durable('other');
  await subscribeV5(other, '$share/g/t', 1);
  const before = stored.storage.readCalls;
  await back.drop();
  await settle(40);
  expect(stored.storage.readCalls - before).toBeGreaterThan(5);
  expect((await drain(other)).length).toBeGreaterThan(900);
});
