// Clients as operators see them: pages, filters, detail; over sessions that are connected, away and stored.

import { describe, expect, test } from 'vitest';
import { PacketType } from '../../../src/protocol/index.ts';
import type { ClientFilter } from '../../../src/server/contract/management.ts';
import { LogBook } from '../../kit/log-book.ts';
import { startStored } from '../../kit/stored.ts';
import { publishV5, subscriberV5, subscribeV5 } from '../../kit/traffic.ts';
import { connectPacket, settle, startServer, type TestServer } from '../../kit/wire.ts';

const DURABLE = '11 00000e10';
const ALL = { limit: 1_000, after: null };

async function idsOf(broker: TestServer, filter: ClientFilter = {}): Promise<string[]> {
  const { items } = await broker.server.management.clients.list(filter, ALL);
  return items.map(({ clientId }) => clientId);
}

describe('the list of clients', () => {
  test('has those that are connected and those that are away, in the order of their ids', async () => {
    const broker = await startServer();
    await broker.v3('b');
    await (await broker.v5('c', true, DURABLE)).drop();
    await (await broker.v3('gone')).drop();
    await broker.v5('a');
    await broker.advance(5_000);
    const { items, next } = await broker.server.management.clients.list({}, ALL);
    expect(next).toBeNull();
    expect(items.map(({ clientId, state }) => [clientId, state])).toEqual([
      ['a', 'connected'],
      ['b', 'connected'],
      ['c', 'away'],
    ]);
    expect(items[0]).toEqual({
      clientId: 'a',
      username: null,
      state: 'connected',
      protocolVersion: 5,
      address: expect.any(String),
      listener: 'memory',
      connectedAt: new Date(broker.clock.wallNow() - 5_000).toISOString(),
      disconnectedAt: null,
      sessionExpiryInterval: 0,
      subscriptions: 0,
      queuedMessages: 0,
      queuedBytes: 0,
      inflightMessages: 0,
    });
    expect(items[2]).toMatchObject({
      connectedAt: null,
      disconnectedAt: new Date(broker.clock.wallNow() - 5_000).toISOString(),
      sessionExpiryInterval: 3_600,
    });
  });

  test('has only those that fit all of the filter', async () => {
    const broker = await startServer();
    const { v5 } = broker;
    await v5.call(broker, 'plant/a');
    await (await v5.call(broker, 'plant/b', true, DURABLE)).drop();
    const ann = broker.open();
    await ann.send(connectPacket(5, 'office', true, '', 'ann'));
    expect(await idsOf(broker, { state: 'connected' })).toEqual(['office', 'plant/a']);
    expect(await idsOf(broker, { state: 'away' })).toEqual(['plant/b']);
    expect(await idsOf(broker, { clientId: 'plant/*' })).toEqual(['plant/a', 'plant/b']);
    expect(await idsOf(broker, { clientId: 'plant/*', state: 'away' })).toEqual(['plant/b']);
    expect(await idsOf(broker, { username: 'an*' })).toEqual(['office']);
    expect(await idsOf(broker, { listener: 'memory' })).toHaveLength(3);
    expect(await idsOf(broker, { listener: 'mqtt*' })).toEqual([]);
    expect(await idsOf(broker, { address: '10.0.0.0/8' })).toEqual([]);
    await expect(idsOf(broker, { address: 'nowhere' })).rejects.toThrow('nowhere');
  });

  test('shows no token that stands in the place of a user name', async () => {
    const broker = await startServer();
    const client = broker.open();
    await client.send(connectPacket(5, 'c', true, '', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.c2ln'));
    const { items } = await broker.server.management.clients.list({}, ALL);
    expect(items[0].username).toBe('(a token)');
  });
});

describe('pages of clients', () => {
  test('list who stays exactly once, whoever comes, goes and comes anew meanwhile', async () => {
    const broker = await startServer();
    const { clients } = broker.server.management;
    const stays = Array.from({ length: 40 }, (_, i) => `stays-${String(i).padStart(2, '0')}`);
    const goes = Array.from({ length: 20 }, (_, i) => `goes-${String(i).padStart(2, '0')}`);
    for (const id of stays) await broker.v5(id, true, DURABLE);
    const going = [];
    for (const id of goes) going.push(await broker.v3(id));
    const seen: string[] = [];
    let after: string | null = null;
    let round = 0;
    do {
      const page = await clients.list({}, { limit: 7, after });
      seen.push(...page.items.map(({ clientId }) => clientId));
      after = page.next;
      await going.pop()?.drop();
      await broker.v3(`comes-${round}`); // before what was listed
      await broker.v3(`zebra-${round}`); // after it
      await broker.v5(stays[(round * 13) % 40], true, DURABLE); // a new session takes the place of the old
      round++;
    } while (after !== null);
    expect(round).toBeGreaterThan(6);
    expect(seen).toEqual([...new Set(seen)].sort());
    for (const id of stays) expect(seen).toContain(id);
  });

  test('look at a bounded number of sessions in one turn', async () => {
    const broker = await startServer({ limits: { sessionsMax: 20_000 } });
    const { management } = broker.server;
    for (let i = 0; i < 9_000; i++) {
      const client = broker.open();
      client.write(connectPacket(5, `c${i}`, true));
      if (i % 500 === 0) await settle(2);
    }
    await settle();
    let turns = 0;
    const count = () => {
      turns++;
      counting = setImmediate(count);
    };
    let counting = setImmediate(count);
    const page = await management.clients.list({}, { limit: 100, after: null });
    clearImmediate(counting);
    expect(page.items).toHaveLength(100);
    expect(turns).toBeGreaterThanOrEqual(9_000 / 500); // 500 a turn at most
    expect(page.items[99].clientId).toBe(page.next);
  }, 30_000);
});

describe('the detail of a client', () => {
  test('has its connection, subscriptions, queue, will and window', async () => {
    const broker = await startServer({ limits: { queueMessagesMax: 10 } });
    const client = broker.open();
    await client.send(`10 23                  // CONNECT
      0004 'MQTT' 05 16 003c                   // will QoS 2, clean start
      08 11 00000e10 21 0001                   // session expiry, Receive Maximum
      0001 'c'
      05 18 0000000a 0001 'w' 0002 'by'`);
    await client.packets();
    await subscribeV5(client, 't/+', 1, '0b 07');
    const publisher = await broker.v5('p');
    for (const payload of ['1', '2', '3']) {
      await publisher.send(publishV5({ topicName: 't/1', qos: 1, payload }));
    }
    const detail = await broker.server.management.clients.get('c');
    expect(detail).toMatchObject({
      clientId: 'c',
      state: 'connected',
      queuedMessages: 2,
      inflightMessages: 1,
      groups: [],
      authenticator: null,
      will: { topic: 'w', qos: 2, retain: false, delayInterval: 10, payloadBytes: 2 },
      queue: { messagesMax: 10, policy: 'drop-new' },
      quotas: [],
    });
    expect(detail.connection).toMatchObject({
      transport: 'memory',
      cleanStart: true,
      keepAlive: 60,
      certificateSubject: null,
      pendingBytes: 0,
      receiveMaximum: 1,
    });
    expect(detail.connection?.bytesReceived).toBeGreaterThan(40);
    expect(detail.subscriptionList).toEqual([
      {
        clientId: 'c',
        topicFilter: 't/+',
        shareName: null,
        qos: 1,
        grantedQos: 1,
        noLocal: false,
        retainAsPublished: false,
        retainHandling: 0,
        subscriptionIdentifier: 7,
        access: 'all',
      },
    ]);
  });

  test('has the quotas that count it', async () => {
    const quotas = [{ clientId: 'c*', per: 'rule', connectionsMax: 5 } as const];
    const broker = await startServer({ quotas });
    await broker.v5('c1');
    await subscriberV5(broker, 'c2', 't');
    const { quotas: shown } = await broker.server.management.clients.get('c1');
    expect(shown).toEqual([
      {
        number: 1,
        per: 'rule',
        over: 'throttle',
        connections: 2,
        connectionsMax: 5,
        subscriptions: 1,
        subscriptionsMax: null,
      },
    ]);
  });

  test('is refused for who is not there', async () => {
    const broker = await startServer();
    await expect(broker.server.management.clients.get('x"')).rejects.toThrow(
      'there is no client "x\\""',
    );
  });
});

describe('kicking a client', () => {
  const KICK = { clientId: 'c', wasConnected: true, sessionEnded: false, messages: 0 };

  test('tells it why, and keeps its session', async () => {
    const broker = await startServer();
    const client = await broker.v5('c', true, DURABLE);
    const { clients } = broker.server.management;
    expect(await clients.kick('c', { reasonString: 'bye' })).toEqual(KICK);
    await client.expectClosed("e0 08 98 06 1f 0003 'bye'");
    expect(await idsOf(broker, { state: 'away' })).toEqual(['c']);
  });

  test('sends it elsewhere, if that is said with the right reason code', async () => {
    const broker = await startServer();
    const client = await broker.v5('c');
    const { clients } = broker.server.management;
    await expect(clients.kick('c', { serverReference: 'b' })).rejects.toThrow('0x9C');
    await expect(clients.kick('c', { reasonCode: 0x86 })).rejects.toThrow('no reason code 134');
    await client.expectOpen();
    expect(await clients.kick('c', { reasonCode: 0x9c, serverReference: 'b' })).toEqual({
      ...KICK,
      sessionEnded: true, // it ends with its connection
    });
    await client.expectClosed("e0 06 9c 04 1c 0001 'b'");
  });

  test('closes one of v3, which is told nothing', async () => {
    const broker = await startServer();
    const client = await broker.v3('c');
    const { clients } = broker.server.management;
    expect(await clients.kick('c', { reasonCode: 0x9c, serverReference: 'b' })).toMatchObject({
      wasConnected: true,
    });
    await client.expectClosed();
  });

  test('is refused for words that no packet can say [MQTT-1.5.4-2]', async () => {
    const broker = await startServer();
    const client = await broker.v5('c');
    const { clients } = broker.server.management;
    await expect(clients.kick('c', { reasonString: 'a\0b' })).rejects.toThrow('U+0000');
    await expect(clients.kick('c', { reasonString: '\udc00' })).rejects.toThrow('lone surrogate');
    const elsewhere = { reasonCode: 0x9c, serverReference: 'b\0' };
    await expect(clients.kick('c', elsewhere)).rejects.toThrow('U+0000');
    await client.expectOpen();
  });

  test('is refused for one that is away, unless its session is to end', async () => {
    const broker = await startServer();
    await (await subscriberV5(broker, 'c', 't', 1, DURABLE)).drop();
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 't', qos: 1 }));
    const { clients } = broker.server.management;
    await expect(clients.kick('c', {})).rejects.toThrow('is not connected; its session is there');
    expect(await clients.kick('c', { endSession: true })).toEqual({
      clientId: 'c',
      wasConnected: false,
      sessionEnded: true,
      messages: 1,
    });
    expect(broker.server.stats()).toMatchObject({ sessions: 1, dropped: { session_ended: 1 } });
  });
});

describe('a will', () => {
  /** CONNECT of `a`: session expiry 60 s, will `w` to `t` delayed by 10 s. */
  const CONNECT =
    "10 1f 0004 'MQTT' 05 06 0000 05 11 0000003c 0001 'a' 05 18 0000000a 0001 't' 0001 'w'";
  const WILL = "30 05 0001 't' 00 'w'";

  test('waits for its delay when its client is kicked', async () => {
    const broker = await startServer();
    const subscriber = await subscriberV5(broker, 's', 't');
    await broker.open().send(CONNECT);
    await broker.server.management.clients.kick('a', {});
    await broker.advance(9_900);
    await subscriber.expectNothing();
    await broker.advance(200);
    await subscriber.expect(WILL);
  });

  test('is published at once, and once, when the session is ended with it [MQTT-3.1.2-8]', async () => {
    const broker = await startServer();
    const subscriber = await subscriberV5(broker, 's', 't');
    await broker.open().send(CONNECT);
    await broker.server.management.clients.kick('a', { endSession: true });
    await subscriber.expect(WILL);
    await broker.advance(60_000);
    await subscriber.expectNothing();
  });

  test('is published when the session of one that is away is ended', async () => {
    const broker = await startServer();
    const subscriber = await subscriberV5(broker, 's', 't');
    const client = broker.open();
    await client.send(CONNECT);
    await client.drop();
    await subscriber.expectNothing();
    await broker.server.management.clients.kick('a', { endSession: true });
    await subscriber.expect(WILL);
  });
});

test('an ended session is gone after a crash, and nothing ends while the store fails', async () => {
  const stored = await startStored();
  await (await stored.durable('a')).drop();
  await (await stored.durable('b')).drop();
  stored.storage.isFailing = true;
  await stored.broker.open().send(connectPacket(5, 'c', true, DURABLE)); // what it needs cannot be stored
  await settle();
  const { clients } = stored.broker.server.management;
  await expect(clients.kick('a', { endSession: true })).rejects.toThrow('nothing was changed');
  stored.storage.isFailing = false;
  await stored.broker.advance(1_000);
  await clients.kick('a', { endSession: true });
  await stored.crash();
  const left = await idsOf(stored.broker);
  expect(left).not.toContain('a');
  expect(left).toContain('b');
});

test('the answer comes when the end is durable', async () => {
  const stored = await startStored();
  await (await stored.durable('a')).drop();
  stored.slow();
  let isDone = false;
  const ended = stored.broker.server.management.clients.kick('a', { endSession: true }).then(() => {
    isDone = true;
  });
  await settle();
  expect(isDone).toBe(false);
  await stored.commit();
  await ended;
});

describe('sessions whose clients are away', () => {
  test('come by what they hold or how long they are away, and only so many', async () => {
    const broker = await startServer({ limits: { queueMessagesMax: 4 } });
    for (const [id, filter] of [
      ['a', 'x'],
      ['b', '+'],
      ['c', 'y'],
    ] as const) {
      await (await subscriberV5(broker, id, filter, 1, DURABLE)).drop();
      await broker.advance(1_000);
    }
    const publisher = await subscriberV5(broker, 'here', '#');
    await publisher.send(publishV5({ topicName: 'x', qos: 1, payload: '12345' }));
    await publisher.send(publishV5({ topicName: 'y', qos: 1, payload: '1' }));
    const { clients } = broker.server.management;
    const byBytes = await clients.offline('bytes', 2);
    expect(
      byBytes.map(({ clientId, queuedMessages, queuedBytes, fill }) => [
        clientId,
        queuedMessages,
        queuedBytes,
        fill,
      ]),
    ).toEqual([
      ['b', 2, 12, 0.5],
      ['a', 1, 8, 0.25],
    ]);
    const byAge = await clients.offline('age', 10);
    expect(byAge.map(({ clientId, awayForMs }) => [clientId, awayForMs])).toEqual([
      ['a', 3_000],
      ['b', 2_000],
      ['c', 1_000],
    ]);
  });
});

describe('a queue that fills', () => {
  const WARNING =
    'the queue of a client is 80 % full; when it is full its policy decides what is lost';

  async function published(broker: TestServer, count: number): Promise<void> {
    const publisher = await broker.v5('p');
    for (let i = 0; i < count; i++) await publisher.send(publishV5({ topicName: 't', qos: 1 }));
    await publisher.drop();
  }

  test('is warned of once at 80 %, and again when it has been half empty', async () => {
    const log = new LogBook();
    const broker = await startServer({ logger: log, limits: { queueMessagesMax: 10 } });
    const warnings = () => log.lines.filter(({ message }) => message === WARNING);
    await (await subscriberV5(broker, 'c', 't', 1, DURABLE)).drop();
    await published(broker, 7);
    expect(warnings()).toEqual([]);
    await published(broker, 1);
    expect(warnings()).toEqual([
      {
        level: 'warn',
        message: WARNING,
        fields: expect.objectContaining({ clientId: 'c', queuedMessages: 8, queueMessagesMax: 10 }),
      },
    ]);
    await published(broker, 10); // it is full by now
    expect(warnings()).toHaveLength(1);
    const client = await broker.v5('c', false, `${DURABLE} 21 0006`); // takes six: four are left
    const packets = await client.packets();
    expect(packets.filter((packet) => packet[0] >> 4 === PacketType.Publish)).toHaveLength(6);
    await client.drop();
    await broker.advance(20_000);
    await published(broker, 3);
    expect(warnings()).toHaveLength(1);
    await published(broker, 1);
    expect(warnings()).toHaveLength(2);
  });

  test('and empties again and again is told with the number of times', async () => {
    const log = new LogBook();
    const broker = await startServer({ logger: log, limits: { queueMessagesMax: 1 } });
    const { management } = broker.server;
    await (await subscriberV5(broker, 'c', 't', 1, DURABLE)).drop();
    for (let i = 0; i < 5; i++) {
      await management.publish({ topic: 't', payload: '', qos: 1 });
      await management.queues.clear('c', false);
    }
    const warnings = () => log.lines.filter(({ message }) => message === WARNING);
    expect(warnings()).toHaveLength(1);
    for (let i = 0; i < 120; i++) await broker.advance(100);
    expect(warnings().map(({ fields }) => fields.again)).toEqual([undefined, 4]);
  });

  test('is warned of by its bytes as well', async () => {
    const log = new LogBook();
    const broker = await startServer({ logger: log, limits: { queueBytesMax: 100 } });
    await (await subscriberV5(broker, 'c', 't', 1, DURABLE)).drop();
    const publisher = await broker.v5('p');
    const payload = 'x'.repeat(37); // 40 bytes with its topic
    await publisher.send(publishV5({ topicName: 't', qos: 1, payload }));
    expect(log.lines.filter(({ message }) => message === WARNING)).toHaveLength(0);
    await publisher.send(publishV5({ topicName: 't', qos: 1, payload }));
    expect(log.lines.filter(({ message }) => message === WARNING)).toHaveLength(1);
  });
});
