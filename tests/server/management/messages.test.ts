// Subscriptions, topics, retained messages, queues and publishing, as operators see and change them.

import { describe, expect, test } from 'vitest';
import { PacketType } from '../../../src/protocol/index.ts';
import { LmdbStorage } from '../../../src/storage/lmdb/lmdb.ts';
import { ListAuthorizer } from '../../kit/list-authorizer.ts';
import { PacketClient } from '../../kit/packet-client.ts';
import { startStored } from '../../kit/stored.ts';
import { publishV5, subscriberV5, subscribeV5 } from '../../kit/traffic.ts';
import { until } from '../../kit/until.ts';
import { startServer, type TestServer } from '../../kit/wire.ts';
import { makeFolder } from '../../storage/lmdb-kit.ts';

const DURABLE = '11 00000e10';
const ALL = { limit: 1_000, after: null };

async function retain(broker: TestServer, clientId: string, ...topics: string[]): Promise<void> {
  const client = await broker.v5(clientId);
  for (const topicName of topics) {
    await client.send(publishV5({ topicName, retain: true, payload: `of ${topicName}` }));
  }
  await client.drop();
}

describe('subscriptions', () => {
  async function three(): Promise<TestServer> {
    const broker = await startServer();
    const a = await subscriberV5(broker, 'a', 'x/+', 1);
    await subscribeV5(a, '$share/g/x/1', 2);
    await subscriberV5(broker, 'b', 'x/#');
    return broker;
  }

  test('come by client and filter, in pages', async () => {
    const { subscriptions } = (await three()).server.management;
    const first = await subscriptions.list({}, { limit: 2, after: null });
    expect(first.items.map((one) => [one.clientId, one.topicFilter, one.shareName])).toEqual([
      ['a', '$share/g/x/1', 'g'],
      ['a', 'x/+', null],
    ]);
    const second = await subscriptions.list({}, { limit: 2, after: first.next });
    expect(second.items.map(({ clientId, topicFilter }) => [clientId, topicFilter])).toEqual([
      ['b', 'x/#'],
    ]);
    expect(second.next).toBeNull();
  });

  test('are found by patterns of client and filter', async () => {
    const { subscriptions } = (await three()).server.management;
    const shared = await subscriptions.list({ topicFilter: '$share/*' }, ALL);
    expect(shared.items.map(({ topicFilter }) => topicFilter)).toEqual(['$share/g/x/1']);
    expect((await subscriptions.list({ clientId: 'b' }, ALL)).items).toHaveLength(1);
    expect((await subscriptions.list({ topicFilter: 'x/+', clientId: 'b' }, ALL)).items).toEqual(
      [],
    );
  });

  test('that a topic matches are all told, members of groups included', async () => {
    const { subscriptions } = (await three()).server.management;
    const { items } = await subscriptions.matching('x/1', ALL);
    expect(items.map(({ clientId, topicFilter }) => `${clientId} ${topicFilter}`)).toEqual([
      'a $share/g/x/1',
      'a x/+',
      'b x/#',
    ]);
    expect((await subscriptions.matching('y', ALL)).items).toEqual([]);
    await expect(subscriptions.matching('x/#', ALL)).rejects.toThrow('"x/#"');
  });

  test('that rules have muted say so', async () => {
    const broker = await startServer();
    await subscriberV5(broker, 'a', 't');
    await broker.server.setAccess({ authorizer: new ListAuthorizer(false) });
    const { items } = await broker.server.management.subscriptions.list({}, ALL);
    expect(items.map(({ access }) => access)).toEqual(['muted']);
  });
});

describe('topics', () => {
  test('are those that somebody subscribes to or that are retained, counted, by prefix', async () => {
    const broker = await startServer();
    const a = await subscriberV5(broker, 'a', 'x/+');
    await subscribeV5(a, '$share/g/x/1', 0);
    await subscriberV5(broker, 'b', 'x/+');
    await retain(broker, 'p', 'x/1', 'x/2', 'y');
    const { topics } = broker.server.management.subscriptions;
    const all = [
      { topic: 'x/+', subscriptions: 2, sharedSubscriptions: 0, isRetained: false },
      { topic: 'x/1', subscriptions: 1, sharedSubscriptions: 1, isRetained: true },
      { topic: 'x/2', subscriptions: 0, sharedSubscriptions: 0, isRetained: true },
      { topic: 'y', subscriptions: 0, sharedSubscriptions: 0, isRetained: true },
    ];
    expect((await topics('', ALL)).items).toEqual(all);
    expect((await topics('x/', ALL)).items).toEqual(all.slice(0, 3));
    const paged = await topics('x/', { limit: 1, after: 'x/+' });
    expect(paged).toEqual({ items: [all[1]], next: 'x/1' });
    const last = await topics('x/', { limit: 1, after: 'x/1' });
    expect(last).toEqual({ items: [all[2]], next: null });
  });
});

describe('retained messages', () => {
  test('are listed in order, in pages, with who set them and when they end', async () => {
    const broker = await startServer();
    await retain(broker, 'p', 'b', 'a/2', 'a/1', '$x');
    const q = await broker.v5('q');
    await q.send("33 10 0001 'e' 0001 05 02 0000003c 'hello'"); // expires in a minute
    await broker.advance(10_000);
    const { retained } = broker.server.management;
    const first = await retained.list(null, { limit: 3, after: null });
    expect(first.items.map(({ topic }) => topic)).toEqual(['a/1', 'a/2', 'b']);
    const second = await retained.list(null, { limit: 3, after: first.next });
    expect(second.next).toBeNull();
    const nowMs = broker.clock.wallNow();
    expect(second.items).toEqual([
      {
        topic: 'e',
        qos: 1,
        payloadBytes: 5,
        size: 8,
        by: { clientId: 'q', username: null },
        receivedAt: new Date(nowMs - 10_000).toISOString(),
        expiresAt: new Date(nowMs + 50_000).toISOString(),
      },
    ]);
    await broker.advance(60_000);
    expect((await retained.list('e', ALL)).items).toEqual([]);
  });

  test('that match a filter are found after any of them, as a subscription would', async () => {
    const broker = await startServer();
    await retain(broker, 'p', 'a', 'a/1', 'a/1/x', 'a/2', 'a/2/x', 'b/1');
    const { retained } = broker.server.management;
    const topicsOf = async (filter: string, after: string | null, limit = 10) => {
      const { items, next } = await retained.list(filter, { limit, after });
      return [items.map(({ topic }) => topic), next];
    };
    expect(await topicsOf('a/+', null)).toEqual([['a/1', 'a/2'], null]);
    expect(await topicsOf('a/+', null, 1)).toEqual([['a/1'], 'a/1']);
    expect(await topicsOf('a/+', 'a/1', 1)).toEqual([['a/2'], null]);
    expect(await topicsOf('a/+', 'zzz')).toEqual([[], null]);
    expect(await topicsOf('+/+', 'a/1')).toEqual([['a/2', 'b/1'], null]);
    expect(await topicsOf('a/2', 'a/1')).toEqual([['a/2'], null]);
    expect(await topicsOf('a/2', 'a/2')).toEqual([[], null]);
    await expect(topicsOf('a/#/b', null)).rejects.toThrow('"a/#/b"');
    await expect(topicsOf('$share/g/a', null)).rejects.toThrow('$share');
  });

  test('are shown as text if they are text, clipped, with their properties', async () => {
    const broker = await startServer();
    const { publish, retained } = broker.server.management;
    const properties = {
      payloadFormatIndicator: 1,
      contentType: 'text/plain',
      correlationData: 'AAE=',
      userProperties: [
        ['a', '1'],
        ['a', '2'],
      ],
    } as const;
    const { management } = broker.server;
    await publish.call(management, { topic: 't', payload: 'grün', retain: true, properties });
    expect(await retained.get('t', 100)).toMatchObject({
      ...{ encoding: 'utf8', payload: 'grün', isClipped: false, by: null },
      properties,
    });
    // the third byte is half of a character
    expect(await retained.get('t', 3)).toMatchObject({ payload: 'gr', isClipped: true });
    await management.publish({ topic: 'b', payload: '/wA=', encoding: 'base64', retain: true });
    expect(await retained.get('b', 100)).toMatchObject({ encoding: 'base64', payload: '/wA=' });
    await expect(retained.get('none', 1)).rejects.toThrow('no message is retained for "none"');
  });

  test('are removed by filter, after a dry run that counts them, and tell no subscriber', async () => {
    const broker = await startServer();
    await retain(broker, 'p', 'a/1', 'a/2', 'b');
    const subscriber = await broker.v5('s');
    await subscribeV5(subscriber, 'a/+', 0x20); // retain handling 2: nothing now
    const { retained } = broker.server.management;
    expect(await retained.delete('a/#', true)).toEqual({ messages: 2 });
    expect(broker.server.stats().retainedMessages).toBe(3);
    expect(await retained.delete('a/#', false)).toEqual({ messages: 2 });
    expect((await retained.list(null, ALL)).items.map(({ topic }) => topic)).toEqual(['b']);
    await subscriber.expectNothing();
  });

  test('of the server itself stay, and nobody is told that they went', async () => {
    const broker = await startServer({ sys: { intervalMs: 1_000, version: '1' } });
    const { retained } = broker.server.management;
    await broker.advance(1_000);
    expect((await retained.list('$SYS/#', ALL)).items).not.toEqual([]);
    for (const filter of ['$SYS/#', '$SYS/broker/+', '$SYS']) {
      await expect(retained.delete(filter, true)).rejects.toThrow('the server’s own');
      await expect(retained.delete(filter, false)).rejects.toThrow('the server’s own');
    }
  });

  test('that were removed are gone after a crash, those whose setting was not written yet as well', async () => {
    const stored = await startStored();
    await retain(stored.broker, 'p', 'a', 'b');
    expect(await stored.broker.server.management.retained.delete('a', false)).toEqual({
      messages: 1,
    });
    await stored.crash();
    const { items } = await stored.broker.server.management.retained.list(null, ALL);
    expect(items.map(({ topic }) => topic)).toEqual(['b']);
  });
});

describe('publishing', () => {
  test('reaches subscribers like any message, and says how many', async () => {
    const broker = await startServer();
    const one = await subscriberV5(broker, 'one', 't', 1);
    const other = await subscriberV5(broker, 'other', '#');
    const { management } = broker.server;
    const request = { topic: 't', payload: 'x', qos: 1, retain: true } as const;
    expect(await management.publish(request)).toEqual({ subscribers: 2, isRetained: true });
    await one.expect("32 07 0001 't' 0001 00 'x'");
    await other.expect("30 05 0001 't' 00 'x'");
    const empty = { topic: 't', payload: '', retain: true };
    expect(await management.publish(empty)).toEqual({ subscribers: 2, isRetained: false });
    expect(await management.publish({ topic: 'q', payload: '' })).toMatchObject({ subscribers: 1 });
  });

  test('carries properties, and expires', async () => {
    const broker = await startServer();
    const subscriber = await subscriberV5(broker, 's', 't');
    await broker.server.management.publish({
      topic: 't',
      payload: '',
      properties: { messageExpiryInterval: 9, responseTopic: 'r', userProperties: [['k', 'v']] },
    });
    await subscriber.expect("30 14 0001 't' 10 02 00000009 08 0001 'r' 26 0001 'k' 0001 'v'");
  });

  test.each([
    [{ topic: 'a/#', payload: '' }, '"a/#"'],
    [{ topic: '', payload: '' }, 'empty'],
    [{ topic: '$SYS/x', payload: '' }, '$SYS/'],
    [{ topic: '$SYS', payload: '' }, '$SYS/'],
    [{ topic: 'a\ud800', payload: '' }, 'the topic has half a character'],
    [{ topic: 't', payload: '%', encoding: 'base64' }, 'the payload is not base64'],
    [{ topic: 't', payload: '\ud800' }, 'lone surrogate'],
    [{ topic: 't', payload: 'x'.repeat(100) }, 'limits.packet_size_max is 100'],
    [{ topic: 't', payload: '', qos: 2 }, 'limits.qos_max, 1'],
    [{ topic: 't', payload: '', retain: true }, 'limits.retain_available'],
    [{ topic: 't', payload: '', properties: { contentType: 'a\0' } }, 'U+0000'],
    [{ topic: 't', payload: '', properties: { responseTopic: 'a/+' } }, '"t"'],
  ] as const)('of %j is refused', async (request, sentence) => {
    const broker = await startServer({
      limits: { packetSizeMax: 100, qosMax: 1, retainAvailable: false },
    });
    await expect(broker.server.management.publish(request)).rejects.toThrow(sentence);
    expect(broker.server.drops.total).toBe(0);
  });

  test('says when there is no room to retain it', async () => {
    const broker = await startServer({ limits: { retainedMessagesMax: 1 } });
    const { management } = broker.server;
    expect(await management.publish({ topic: 'a', payload: 'x', retain: true })).toMatchObject({
      isRetained: true,
    });
    expect(await management.publish({ topic: 'b', payload: 'x', retain: true })).toMatchObject({
      isRetained: false,
    });
  });
});

describe('a queue', () => {
  async function filled(broker: TestServer): Promise<void> {
    await (await subscriberV5(broker, 'c', '#', 2, DURABLE)).drop();
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 'one', qos: 1, payload: '12345' }));
    await broker.advance(2_000);
    await publisher.send("34 0f 0003 'two' 0002 05 02 0000003c '22'"); // QoS 2, a minute
    await publisher.send('62 02 0002');
    await publisher.send(publishV5({ topicName: 'three', qos: 1 }));
    await publisher.drop();
  }

  test.each([
    ['in memory', () => startServer()],
    ['in the store', async () => (await startStored()).broker],
  ])('%s is seen in its order, in pages', async (_, start) => {
    const broker = await start();
    await filled(broker);
    const { queues } = broker.server.management;
    const nowMs = broker.clock.wallNow();
    const first = await queues.peek('c', { limit: 2, after: null });
    expect(first).toEqual({
      items: [
        {
          ...{ position: 1, topic: 'one', size: 10, qos: 1, isShared: false },
          ...{ receivedAt: new Date(nowMs - 2_000).toISOString(), expiresAt: null },
        },
        {
          ...{ position: 2, topic: 'two', size: 7, qos: 2, isShared: false },
          receivedAt: new Date(nowMs).toISOString(),
          expiresAt: new Date(nowMs + 60_000).toISOString(),
        },
      ],
      next: '2',
    });
    const second = await queues.peek('c', { limit: 2, after: first.next });
    expect(second.items.map(({ position, topic }) => [position, topic])).toEqual([[3, 'three']]);
    expect(second.next).toBeNull();
    await expect(queues.peek('c', { limit: 1, after: 'x' })).rejects.toThrow('position');
    await expect(queues.peek('none', ALL)).rejects.toThrow('"none"');
  });

  test('is cleared, each message a drop with its reason, after a dry run that counts', async () => {
    const broker = await startServer();
    await filled(broker);
    const { queues } = broker.server.management;
    expect(await queues.clear('c', true)).toEqual({ messages: 3 });
    expect(broker.server.stats().queuedMessages).toBe(3);
    expect(await queues.clear('c', false)).toEqual({ messages: 3 });
    expect(broker.server.stats()).toMatchObject({
      queuedMessages: 0,
      queuedBytes: 0,
      dropped: { queue_cleared: 3 },
    });
    expect(await queues.peek('c', ALL)).toEqual({ items: [], next: null });
  });

  test('that is cleared keeps what is in flight, and goes on', async () => {
    const broker = await startServer();
    const client = await subscriberV5(broker, 'c', 't', 1, '21 0001');
    const publisher = await broker.v5('p');
    for (const payload of ['1', '2', '3']) {
      await publisher.send(publishV5({ topicName: 't', qos: 1, payload }));
    }
    await client.expect("32 07 0001 't' 0001 00 '1'");
    expect(await broker.server.management.queues.clear('c', false)).toEqual({ messages: 2 });
    await client.send('40 02 0001');
    await client.expectNothing();
    await publisher.send(publishV5({ topicName: 't', qos: 1, payload: '4' }));
    await client.expect("32 07 0001 't' 0002 00 '4'");
  });

  test('of many thousands is cleared over turns; what comes meanwhile stays', async () => {
    const broker = await startServer({ limits: { queueMessagesMax: 10_000 } });
    await (await subscriberV5(broker, 'c', 't', 1, DURABLE)).drop();
    const { management } = broker.server;
    for (let i = 0; i < 5_000; i++) await management.publish({ topic: 't', payload: '', qos: 1 });
    const cleared = management.queues.clear('c', false);
    const leftAfterTurn = broker.server.stats().queuedMessages;
    await management.publish({ topic: 't', payload: 'new', qos: 1 });
    expect(leftAfterTurn).toBe(4_000);
    expect(await cleared).toEqual({ messages: 5_000 });
    expect(broker.server.stats().queuedMessages).toBe(1);
  });
});

test('what an operator changed is as it was after a restart with the store on disk', async () => {
  const folder = makeFolder();
  const storage = () => new LmdbStorage({ folder, level: 'always', freeMinBytes: 0 });
  const broker = await startServer({ storage: storage() });
  const { management } = broker.server;
  for (const clientId of ['away', 'ended']) {
    const client = new PacketClient(broker.server.connect());
    await client.connect(clientId, { properties: { sessionExpiryInterval: 3_600 } });
    client.subscribe({ topicFilter: '#', qos: 1 });
    await client.next(PacketType.Suback);
    client.stream.destroy();
  }
  await until(() => broker.server.stats().sessionsConnected === 0);
  await management.publish({ topic: 'a', payload: '1', qos: 1, retain: true });
  await management.publish({ topic: 'b', payload: '2', qos: 1, retain: true });
  await management.clients.kick('ended', { endSession: true });
  await management.queues.clear('away', false);
  await management.publish({ topic: 'c', payload: '3', qos: 1 });
  await management.retained.delete('a', false);
  broker.server.abort(); // nothing more is said or written
  await broker.server.stop();
  const again = await startServer({ storage: storage() });
  const { clients, queues, retained } = again.server.management;
  expect((await clients.list({}, ALL)).items.map(({ clientId }) => clientId)).toEqual(['away']);
  expect((await queues.peek('away', ALL)).items.map(({ topic }) => topic)).toEqual(['c']);
  expect((await retained.list(null, ALL)).items.map(({ topic }) => topic)).toEqual(['b']);
});
