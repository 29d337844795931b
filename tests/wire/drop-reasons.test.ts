// Every reason for which a message may be lost, brought about on the wire, and seen wherever an operator would look: in the
// counters and metrics, in the ledger by the admin API, and in the log.

import { describe, expect, test } from 'vitest';
import type { AccessRule } from '../../src/auth/acl/access-rule.ts';
import { RulesAuthorizer } from '../../src/auth/acl/rules.ts';
import type { Explanation } from '../../src/auth/auth.ts';
import { DROP_REASON_NAMES, type DropReason } from '../../src/core/drop.ts';
import { DROP_REASON_INFO } from '../../src/core/drop-reasons.ts';
import type { ShownDrop } from '../../src/server/contract/drops.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { CONNACK } from '../kit/answers.ts';
import { DropApi } from '../kit/drop-api.ts';
import { LogBook } from '../kit/log-book.ts';
import { metricsOf, readPage } from '../kit/metrics.ts';
import { byName, connectAs, ReceiveOnly } from '../kit/rules.ts';
import { ONE_HOUR, type StoredServer, startStored } from '../kit/stored.ts';
import { publishV3, publishV5, subscriberV3, subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { startServer, type TestServer, type WireClient } from '../kit/wire.ts';

/** Receive Maximum 1, and a session that lasts an hour. */
const NARROW = `${ONE_HOUR} 21 0001`;
const PLACE = { file: 'iothub.toml', line: 7 };

/** A server whose log is read, lines for debugging as well. */
class Place {
  readonly log = Object.assign(new LogBook(), { isLevelEnabled: () => true });
  #broker: TestServer | null = null;

  get broker(): TestServer {
    if (this.#broker === null) throw new Error('not started');
    return this.#broker;
  }

  async start(options: Omit<ServerOptions, 'clock'> = {}): Promise<TestServer> {
    this.#broker = await startServer({ logger: this.log, ...options });
    return this.#broker;
  }

  async startStored(): Promise<StoredServer> {
    const stored = await startStored({ logger: this.log });
    this.#broker = stored.broker;
    return stored;
  }
}

/** Messages of QoS 1 to `t`, from `pub`. */
async function publish(broker: TestServer, count: number): Promise<WireClient> {
  const publisher = await broker.v3('pub');
  for (let packetId = 1; packetId <= count; packetId++) {
    await publisher.send(publishV3({ topicName: 't', qos: 1, packetId }));
  }
  return publisher;
}

/** One message in the window, one in the queue, one more. */
async function overfill(place: Place, limits: ServerOptions['limits'] = {}, filter = 't') {
  const broker = await place.start({ limits: { queueMessagesMax: 1, ...limits } });
  await subscriberV5(broker, 'sub', filter, 1, NARROW);
  await publish(broker, 3);
}

/** A durable subscriber that goes, then messages of QoS 1 for it. */
async function wait(broker: TestServer, count: number): Promise<void> {
  await (await subscriberV5(broker, 'sub', 't', 1, ONE_HOUR)).drop();
  await publish(broker, count);
}

type Expected = Partial<ShownDrop> & {
  /** Of the line that tells it, where that is none of lost messages. */
  readonly line?: string;
};

/** To whom messages of `pub` are lost. */
const TO_SUB: Expected = { clientId: 'sub', publisher: 'pub', topic: 't' };
const OF_PUB: Expected = { clientId: 'pub', publisher: 'pub', topic: 't' };

const CAUSES: Readonly<Record<string, (place: Place) => Promise<Expected>>> = {
  async no_subscriber(place) {
    await publish(await place.start(), 1);
    return OF_PUB;
  },
  async no_local(place) {
    const client = await subscriberV5(await place.start(), 'pub', 't', 4);
    await client.send(publishV5({ topicName: 't' }));
    return OF_PUB;
  },
  async queue_full(place) {
    await overfill(place);
    return { ...TO_SUB, queuedMessages: 1 };
  },
  async queue_oldest(place) {
    await overfill(place, { queuePolicy: 'drop-oldest' });
    return { ...TO_SUB, queuedMessages: 1 };
  },
  async output_full(place) {
    const broker = await place.start({ limits: { outputBytesMax: 65_537 } });
    const deaf = await subscriberV3(broker, 'sub', 't');
    const publisher = await broker.v3('pub');
    deaf.stream.pause();
    const payload = 'x'.repeat(8_000);
    while (broker.server.drops.total === 0) {
      await publisher.send(publishV3({ topicName: 't', payload }));
    }
    return { ...TO_SUB, outputBytes: expect.any(Number) };
  },
  async unsent(place) {
    const broker = await place.start();
    const deaf = await subscriberV3(broker, 'sub', 't');
    const publisher = await broker.v3('pub');
    deaf.stream.pause();
    // What the socket was given is beyond knowing; one more waits behind it.
    while ((await broker.server.figures()).memory.connections === 0) {
      await publisher.send(publishV3({ topicName: 't', payload: 'x'.repeat(8_000) }));
    }
    await publisher.send(publishV3({ topicName: 't' }));
    await deaf.drop();
    return { ...TO_SUB, publisher: null };
  },
  async overload(place) {
    const memory = {
      read: () => ({ residentBytes: 75, heldBytes: 75, heapBytes: 0 }),
      heapMaxBytes: 100,
      close: () => {},
    };
    const broker = await place.start({ overload: { memoryMax: 100, memory, collect: null } });
    const deaf = await subscriberV3(broker, 'sub', 't');
    const publisher = await broker.v3('pub');
    await broker.advance(100);
    deaf.stream.pause();
    const payload = 'x'.repeat(8_000);
    while (broker.server.drops.total === 0) {
      await publisher.send(publishV3({ topicName: 't', payload }));
    }
    return { ...TO_SUB, outputBytes: expect.any(Number) };
  },
  async offline(place) {
    const broker = await place.start();
    await (await subscriberV3(broker, 'sub', 't', 0, false)).drop();
    await (await broker.v3('pub')).send(publishV3({ topicName: 't' }));
    return TO_SUB;
  },
  async expired(place) {
    const broker = await place.start();
    await (await subscriberV5(broker, 'sub', 't', 1, ONE_HOUR)).drop();
    const publisher = await broker.v5('pub');
    await publisher.send("32 0b 0001 't' 0001 05 02 00000001"); // Message Expiry Interval 1
    await broker.advance(2_000);
    await broker.v5('sub', false, ONE_HOUR);
    return TO_SUB;
  },
  async packet_too_large(place) {
    const broker = await place.start();
    await subscriberV5(broker, 'sub', 't', 0, '27 00000014'); // Maximum Packet Size 20
    const publisher = await broker.v3('pub');
    await publisher.send(publishV3({ topicName: 't', payload: 'x'.repeat(50) }));
    return TO_SUB;
  },
  async not_authorized(place) {
    const rules: AccessRule[] = [{ effect: 'deny', actions: ['publish'], topics: ['t'], ...PLACE }];
    const authorizer = new RulesAuthorizer({
      name: 'rules',
      rules: [...rules, { effect: 'allow', actions: ['connect'] }],
    });
    const broker = await place.start({ authorizer, authenticator: byName });
    const client = await broker.connect(connectAs('ann', 'pub'), CONNACK);
    await client.send(publishV5({ topicName: 't' }));
    const rule = { by: 'rules', at: 'iothub.toml:7', why: 'the first rule that fits denies it' };
    return {
      ...OF_PUB,
      rule: { ...rule, rule: expect.stringContaining('effect = "deny"') },
      line: 'a client may not publish this',
    };
  },
  async retained_limit(place) {
    const broker = await place.start({ limits: { retainedMessagesMax: 1 } });
    const publisher = await broker.v3('pub');
    await subscriberV3(broker, 'sub', '#');
    for (const topicName of ['kept', 't']) {
      await publisher.send(publishV3({ topicName, payload: 'x', retain: true }));
    }
    return OF_PUB;
  },
  async session_ended(place) {
    const broker = await place.start();
    const subscriber = await subscriberV3(broker, 'sub', 't', 1);
    await publish(broker, 1);
    await subscriber.drop(); // which it never acknowledged
    return TO_SUB;
  },
  async refused(place) {
    const broker = await place.start();
    const subscriber = await subscriberV5(broker, 'sub', 't', 1);
    await publish(broker, 1);
    await subscriber.send('40 03 0001 80'); // PUBACK, Unspecified error
    return TO_SUB;
  },
  async no_shared_member(place) {
    await overfill(place, {}, '$share/g/t');
    return OF_PUB;
  },
  async store_failing(place) {
    const stored = await place.startStored();
    await wait(stored.broker, 0);
    stored.storage.isFailing = true;
    await publish(stored.broker, 2); // the first is the one whose commit fails
    return OF_PUB;
  },
  async limit(place) {
    const publisher = await (await place.start({ limits: { qosMax: 0 } })).v5('pub');
    await publisher.send(publishV5({ topicName: 't', qos: 1 }));
    return OF_PUB;
  },
  async store_damaged(place) {
    const stored = await place.startStored();
    await wait(stored.broker, 1);
    stored.storage.readDeliveries = () => [];
    await stored.durable('sub');
    return { ...TO_SUB, publisher: null }; // only the store knew
  },
  async queue_replaced(place) {
    await overfill(place, { queuePolicy: 'keep-latest-per-topic' });
    return { ...TO_SUB, queuedMessages: 1 };
  },
  async receive_not_authorized(place) {
    const explanation: Explanation = {
      ...{ outcome: 'deny', source: 'list', rule: 'x', file: 'list', line: 1, reason: 'it is so' },
    };
    const authorizer = Object.assign(new ReceiveOnly('own'), { explain: () => explanation });
    const broker = await place.start({ authorizer });
    await subscriberV5(broker, 'sub', '#');
    await publish(broker, 1);
    const rule = { by: 'list', rule: 'x', at: 'list:1', why: 'it is so' };
    return { ...TO_SUB, rule, line: 'a client may not receive this' };
  },
  async quota(place) {
    const quotas = [{ clientId: 'pub', messagesPerSecond: 1, over: 'refuse' as const }];
    const broker = await place.start({ quotas });
    await subscriberV3(broker, 'sub', 't');
    await publish(broker, 2);
    return { ...OF_PUB, line: 'a client has used up its quota: its messages are refused' };
  },
  async receive_maximum(place) {
    const broker = await place.start({ limits: { receiveMaximum: 1 } });
    await subscriberV3(broker, 'sub', 't');
    const publisher = await broker.v5('pub');
    for (const packetId of [1, 2]) {
      await publisher.send(publishV5({ topicName: 't', qos: 2, packetId })); // and no PUBREL
    }
    return OF_PUB;
  },
  async shutdown(place) {
    const broker = await place.start();
    await wait(broker, 1);
    await broker.server.stop();
    return TO_SUB;
  },
  async queue_cleared(place) {
    const broker = await place.start();
    await wait(broker, 1);
    await broker.server.management.queues.clear('sub', false);
    return { ...TO_SUB, queuedMessages: 1 };
  },
};

describe.each(DROP_REASON_NAMES.map((name, index) => ({ name, reason: index as DropReason })))(
  '$name',
  ({ name, reason }) => {
    test('is counted, listed and in the log', async () => {
      const place = new Place();
      const { line, ...entry } = await CAUSES[name](place);
      const { server } = place.broker;
      expect(server.stats().dropped[name]).toBe(1);
      expect(server.drops.total, 'nothing else was lost').toBe(1);
      const { text } = await readPage(metricsOf(server));
      expect(text).toContain(`\niothub_dropped_messages_total{reason="${name}"} 1\n`);
      const api = new DropApi(server);
      const { total, reasons } = await api.totals();
      expect(total).toBe(1);
      expect(reasons.find((one) => one.reason === name)?.count).toBe(1);
      const { items } = await api.list({ reason: name });
      expect(items).toMatchObject([{ reason: name, count: 1, ...entry }]);
      const { level, sentence, isOfServer } = DROP_REASON_INFO[reason];
      const told = place.log.lines.filter(({ message }) => message === (line ?? sentence));
      const whose = isOfServer === true ? {} : { clientId: entry.clientId };
      expect(told, 'lines of the log').toMatchObject([{ level: level ?? 'info', fields: whose }]);
    });
  },
);

describe('also lost is', () => {
  test('what is to be retained where nothing may be', async () => {
    const place = new Place();
    const publisher = await (await place.start({ limits: { retainAvailable: false } })).v5('pub');
    await publisher.send(publishV5({ topicName: 't', retain: true }));
    expect(place.broker.server.stats().dropped.limit).toBe(1);
  });

  test('a payload that is not the UTF-8 that it claims to be', async () => {
    const place = new Place();
    const publisher = await (await place.start({ limits: { checkPayloadFormat: true } })).v5('pub');
    await publisher.send("30 07 0001 't' 02 01 01 ff"); // Payload Format Indicator 1
    expect(place.broker.server.stats().dropped.limit).toBe(1);
  });

  test.each([
    ['at once', () => 0x83 as const],
    ['later', async () => 0x83 as const],
  ])('what an authorizer refuses with another code, %s', async (_, authorizePublish) => {
    const place = new Place();
    const authorizer = Object.assign(new ReceiveOnly('#'), { authorizePublish });
    const publisher = await (await place.start({ authorizer })).v5('pub');
    await publisher.send(publishV5({ topicName: 't' }));
    expect(place.broker.server.stats().dropped).toMatchObject({ not_authorized: 1, limit: 0 });
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no idea'))],
  ])('what an authorizer %s for', async (_, authorizePublish) => {
    const place = new Place();
    const authorizer = Object.assign(new ReceiveOnly('#'), { authorizePublish });
    const publisher = await (await place.start({ authorizer })).v5('pub');
    await publisher.send(publishV5({ topicName: 't' }));
    expect(place.broker.server.stats().dropped.not_authorized).toBe(1);
  });

  test('what a session that ends with its connection had when the server stops', async () => {
    const place = new Place();
    const broker = await place.start();
    await subscriberV3(broker, 'sub', 't', 1);
    await publish(broker, 2);
    await broker.server.stop();
    expect(broker.server.stats().dropped).toMatchObject({ shutdown: 2, session_ended: 0 });
  });

  test('a message of a shared subscription when the server stops: once, whoever had it', async () => {
    const broker = await new Place().start();
    for (const id of ['a', 'b', 'c']) {
      await (await subscriberV5(broker, id, '$share/g/t', 1, ONE_HOUR)).drop();
    }
    await publish(broker, 3);
    await broker.server.stop();
    expect(broker.server.stats().dropped.shutdown).toBe(3);
  });

  test('a will whose time has not come, when a server stops that stores nothing', async () => {
    const broker = await new Place().start();
    const client = broker.open();
    // CONNECT, clean start, with a will to `w` that waits an hour, in a session that lasts a day
    await client.send(`10 1f 0004 'MQTT' 05 06 0000 05 11 00015180 0001 'c'
      05 18 00000e10 0001 'w' 0001 'x'`);
    await client.drop();
    await broker.server.stop();
    const { items } = await new DropApi(broker.server).list();
    expect(items).toMatchObject([
      { reason: 'shutdown', clientId: 'c', publisher: 'c', topic: 'w' },
    ]);
  });

  test('nothing that a store keeps, when the server stops', async () => {
    const stored = await startStored();
    await wait(stored.broker, 2);
    const { server } = stored.broker;
    await server.stop();
    expect(server.drops.total).toBe(0);
  });

  test('a retained message of the store that is past the limit of now', async () => {
    const stored = await startStored();
    const publisher = await stored.broker.v3('pub');
    for (const topicName of ['a', 'b']) {
      await publisher.send(publishV3({ topicName, payload: 'x', retain: true, qos: 1 }));
    }
    await stored.broker.server.stop();
    const { clock, storage } = stored;
    const { server } = await startServer({ clock, storage, limits: { retainedMessagesMax: 1 } });
    expect(server.stats().dropped.retained_limit).toBe(1);
  });
});

test('a muted subscription: what it does not get has the rule that mutes it', async () => {
  const place = new Place();
  const open = new ReceiveOnly('#');
  const broker = await place.start({ authorizer: open });
  const subscriber = await subscriberV5(broker, 'sub', 'a/#');
  const explanation: Explanation = {
    ...{ outcome: 'deny', source: 'new', rule: null, file: null, line: null, reason: 'no rule' },
  };
  const closed = Object.assign(new ReceiveOnly('#'), {
    authorizeSubscribe: () => 0x87 as const,
    explain: () => explanation,
  });
  await broker.server.setAccess({ authorizer: closed });
  const publisher = await broker.v3('pub');
  await publisher.send(publishV3({ topicName: 'a/b' }));
  await subscriber.expectNothing();
  const { items } = await new DropApi(broker.server).list();
  const rule = { by: 'new', rule: null, at: null, why: 'no rule' };
  expect(items).toMatchObject([{ reason: 'receive_not_authorized', clientId: 'sub', rule }]);
});

test('without a ledger all is counted and told, and the API says why it lists nothing', async () => {
  const place = new Place();
  await publish(await place.start({ drops: { ledger: false } }), 1);
  const api = new DropApi(place.broker.server);
  expect(await api.totals()).toMatchObject({ total: 1, ledgerMax: 0 });
  expect(JSON.stringify(await api.list())).toContain('the ledger of lost messages is off');
});

test('a flood of one reason leaves the losses of the others to be found', async () => {
  const place = new Place();
  const broker = await place.start({ limits: { queueMessagesMax: 1 }, drops: { ledgerMax: 8 } });
  await subscribeV5(await broker.v5('sub', true, NARROW), 't', 1);
  const publisher = await publish(broker, 3);
  for (let i = 0; i < 100; i++) await publisher.send(publishV3({ topicName: `nobody/${i}` }));
  const api = new DropApi(broker.server);
  expect((await api.list({ reason: 'no_subscriber' })).items).toHaveLength(8);
  expect((await api.list({ client: 'sub' })).items).toMatchObject([{ reason: 'queue_full' }]);
});
