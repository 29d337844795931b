// `explain publish`: each decision along the way is named, and is the one that a real PUBLISH meets.

import { describe, expect, test } from 'vitest';
import { AuthorizerChain } from '../../src/auth/acl/authorizer-chain.ts';
import { RulesAuthorizer } from '../../src/auth/acl/rules.ts';
import type { Authorizer } from '../../src/auth/auth.ts';
import type { PublishExplanation } from '../../src/server/contract/explain.ts';
import { LogBook } from '../kit/log-book.ts';
import { byName, connectAs } from '../kit/rules.ts';
import { startStored } from '../kit/stored.ts';
import { publishV5, subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { startServer, type TestServer } from '../kit/wire.ts';
import { asksPublish, countsOf } from './explain-kit.ts';

const DURABLE = '11 00000e10';

/** The step that ends it, or the last one. */
function lastStep({ steps }: PublishExplanation): readonly [string, string, string | null] {
  const { step, outcome, drop } =
    steps.find((one) => one.outcome === 'stop') ?? steps[steps.length - 1];
  return [step, outcome, drop];
}

describe('what ends it', () => {
  test.each([
    ['topic', { topicLevelsMax: 2 }, { topic: 'a/b/c' }, null],
    ['topic', { topicLengthMax: 3 }, { topic: 'abcd' }, null],
    ['packet-size', { packetSizeMax: 100 }, { topic: 't', size: 100 }, null],
    ['qos', { qosMax: 1 }, { topic: 't', qos: 2 }, 'limit'],
    ['retain', { retainAvailable: false }, { topic: 't', retain: true }, 'limit'],
    ['permission', {}, { topic: '$SYS/x' }, 'not_authorized'],
  ] as const)('%s, by %o', async (step, limits, question, drop) => {
    const broker = await startServer({ limits });
    const explanation = await asksPublish(broker, question);
    expect(lastStep(explanation)).toEqual([step, 'stop', drop]);
    expect(explanation.isAccepted).toBe(false);
    expect(explanation.conclusion).toMatch(/^would not be published: /);
  });

  test('the size of the packet is the size that a client may send, to the byte', async () => {
    const broker = await startServer({ limits: { packetSizeMax: 100 } });
    const size = 100 - publishV5({ topicName: 't' }).length;
    expect((await asksPublish(broker, { topic: 't', size })).isAccepted).toBe(true);
    expect((await asksPublish(broker, { topic: 't', size: size + 1 })).isAccepted).toBe(false);
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 't', payload: new Uint8Array(size) }));
    await publisher.expectOpen();
    await publisher.send(publishV5({ topicName: 't', payload: new Uint8Array(size + 1) }));
    expect(publisher.isClosed).toBe(true);
  });

  test('what is no topic is no question', async () => {
    const broker = await startServer();
    await expect(asksPublish(broker, { topic: 'a/#' })).rejects.toThrow('contains a wildcard');
  });

  test('a rule, with the authorizer that has it', async () => {
    const rules = new RulesAuthorizer({
      name: 'ours',
      rules: [
        { effect: 'deny', actions: ['publish'], topics: ['plant/+/raw'] },
        { effect: 'allow', actions: ['publish'], topics: ['plant/#'], groups: ['staff'] },
      ],
    });
    const authorizer = new AuthorizerChain({ members: [{ name: 'ours', authorizer: rules }] });
    const broker = await startServer({ authenticator: byName, authorizer });
    const question = { topic: 'plant/1/raw', username: 'anna', groups: ['staff'] };
    const denied = await asksPublish(broker, question);
    expect(lastStep(denied)).toEqual(['permission', 'stop', 'not_authorized']);
    expect(denied.rule).toMatchObject({ isAllowed: false, source: 'ours' });
    expect(denied.rule?.rule).toContain('plant/+/raw');
    const allowed = await asksPublish(broker, { ...question, topic: 'plant/1' });
    expect(allowed.isAccepted).toBe(true);
    expect(allowed.rule?.rule).toContain('plant/#');
  });

  test('a quota that refuses, that disconnects; one that throttles only delays', async () => {
    const rate = { messagesPerSecond: 1 };
    const broker = await startServer({
      quotas: [
        { ...rate, clientId: 'r', over: 'refuse' },
        { ...rate, clientId: 'd', over: 'disconnect' },
        { ...rate, clientId: 'w', over: 'throttle' },
      ],
    });
    const steps: unknown[] = [];
    for (const clientId of ['r', 'd', 'w']) {
      const client = await broker.v5(clientId);
      const before = await asksPublish(broker, { topic: 't', clientId });
      expect(before.steps.map(({ outcome }) => outcome)).not.toContain('stop');
      await client.send(publishV5({ topicName: 't' }));
      const { isAccepted, steps: all } = await asksPublish(broker, { topic: 't', clientId });
      const { outcome, drop } = all.find(({ step }) => step === 'quota') ?? {};
      steps.push([clientId, isAccepted, outcome, drop]);
    }
    expect(steps).toEqual([
      ['r', false, 'stop', 'quota'],
      ['d', false, 'stop', 'quota'],
      ['w', true, 'wait', null],
    ]);
    await broker.advance(1_000);
    expect((await asksPublish(broker, { topic: 't', clientId: 'r' })).isAccepted).toBe(true);
  });

  test('a store that fails, for what would have to be stored', async () => {
    const stored = await startStored();
    const { broker } = stored;
    await subscriberV5(broker, 's', 't', 1, DURABLE);
    stored.storage.isFailing = true;
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 't', qos: 1 }));
    await broker.advance(60_000);
    expect(lastStep(await asksPublish(broker, { topic: 't', qos: 1 }))).toEqual([
      'store',
      'stop',
      'store_failing',
    ]);
    expect((await asksPublish(broker, { topic: 't', qos: 0 })).isAccepted).toBe(true);
    expect((await asksPublish(broker, { topic: 'u', qos: 1 })).isAccepted).toBe(true);
    stored.storage.isFailing = false;
  });

  test('messages that are not acknowledged yet, as many as the server takes', async () => {
    const broker = await startServer({ limits: { receiveMaximum: 1 } });
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 't', qos: 2 }));
    const explanation = await asksPublish(broker, { topic: 't', clientId: 'p', qos: 1 });
    expect(lastStep(explanation)).toEqual(['receive-maximum', 'stop', 'receive_maximum']);
  });
});

describe('retained messages', () => {
  test('are stored, replaced, removed, or find no room', async () => {
    const broker = await startServer({ limits: { retainedMessagesMax: 1 } });
    const retained = async (topic: string, size = 1) => {
      const { isAccepted, steps } = await asksPublish(broker, { topic, size, retain: true });
      const step = steps.find((one) => one.step === 'retained');
      return [isAccepted, step?.outcome, step?.drop, step?.text.split(' ').slice(0, 2).join(' ')];
    };
    expect(await retained('a')).toEqual([true, 'pass', null, 'it becomes']);
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 'a', payload: '1', retain: true }));
    expect(await retained('a')).toEqual([true, 'pass', null, 'it takes']);
    expect(await retained('a', 0)).toEqual([true, 'pass', null, 'it has']);
    expect(await retained('b')).toEqual([true, 'note', 'retained_limit', 'there is']);
    expect(broker.server.stats().retainedMessages).toBe(1);
  });

  test('are bound by a quota of their publisher', async () => {
    const broker = await startServer({ quotas: [{ clientId: 'p', retainedMessagesMax: 1 }] });
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 'a', payload: '1', retain: true }));
    const asks = (topic: string) => asksPublish(broker, { topic, clientId: 'p', retain: true });
    expect((await asks('a')).isAccepted).toBe(true);
    expect(lastStep(await asks('b'))).toEqual(['retained-quota', 'stop', 'quota']);
  });
});

describe('who gets it', () => {
  /** Client id, outcome, QoS and drop reason of each. */
  async function reached(broker: TestServer, question: Parameters<typeof asksPublish>[1]) {
    const { subscribers, groups } = await asksPublish(broker, question);
    const all = [...subscribers, ...groups.flatMap(({ next }) => next ?? [])];
    return all.map(({ clientId, outcome, qos, drop }) => [clientId, outcome, qos, drop]);
  }

  test('nobody', async () => {
    const broker = await startServer();
    const explanation = await asksPublish(broker, { topic: 't' });
    expect(lastStep(explanation)).toEqual(['match', 'note', 'no_subscriber']);
    expect(explanation).toMatchObject({ isAccepted: true, subscribers: [] });
  });

  test('overlapping subscriptions of a client are one delivery, with all that were made', async () => {
    const broker = await startServer();
    const client = await subscriberV5(broker, 's', 'a/#', 0);
    await subscribeV5(client, 'a/+', 1);
    const { subscribers } = await asksPublish(broker, { topic: 'a/b', qos: 2 });
    expect(subscribers).toHaveLength(1);
    expect(subscribers[0]).toMatchObject({ outcome: 'sent', qos: 1, rule: null });
    const filters = subscribers[0].subscriptions.map(({ topicFilter }) => topicFilter);
    expect(filters.sort()).toEqual(['a/#', 'a/+']);
  });

  test('not its publisher, where that said No Local', async () => {
    const broker = await startServer();
    await subscriberV5(broker, 's', 't', 0b100);
    expect(await reached(broker, { topic: 't', clientId: 's' })).toEqual([
      ['s', 'lost', 0, 'no_local'],
    ]);
    expect(await reached(broker, { topic: 't', clientId: 'x' })).toEqual([['s', 'sent', 0, null]]);
  });

  test('who is away by its queue, until that is full', async () => {
    const broker = await startServer({ limits: { queueMessagesMax: 1 } });
    await (await subscriberV5(broker, 's', 't', 1, DURABLE)).drop();
    expect(await reached(broker, { topic: 't' })).toEqual([['s', 'lost', 0, 'offline']]);
    expect(await reached(broker, { topic: 't', qos: 2 })).toEqual([['s', 'queued', 1, null]]);
    await (await broker.v5('p')).send(publishV5({ topicName: 't', qos: 1 }));
    expect(await reached(broker, { topic: 't', qos: 2 })).toEqual([['s', 'lost', 1, 'queue_full']]);
    const { subscribers } = await asksPublish(broker, { topic: 't', qos: 1 });
    expect(subscribers[0].queue).toMatchObject({ messages: 1, messagesMax: 1, policy: 'drop-new' });
    expect(subscribers[0].text).toContain('1 of 1 messages');
  });

  test('what an older message must give way for says so', async () => {
    const broker = await startServer({
      limits: { queueMessagesMax: 1, queuePolicy: 'keep-latest-per-topic' },
    });
    await (await subscriberV5(broker, 's', '+', 1, DURABLE)).drop();
    await (await broker.v5('p')).send(publishV5({ topicName: 't', qos: 1 }));
    const texts = await Promise.all(
      ['t', 'u'].map(async (topic) => {
        const { subscribers } = await asksPublish(broker, { topic, qos: 1 });
        return subscribers[0].text;
      }),
    );
    expect(texts[0]).toContain('the waiting one of its topic [queue_replaced] would be given up');
    expect(texts[1]).toContain('the 1 oldest [queue_oldest] would be given up');
  });

  test('who has a full window, and whose Maximum Packet Size is too small', async () => {
    const broker = await startServer();
    await subscriberV5(broker, 's', 't', 1, '21 0001 27 00000014');
    expect(await reached(broker, { topic: 't', qos: 1 })).toEqual([['s', 'sent', 1, null]]);
    const room = 20 - publishV5({ topicName: 't', qos: 1 }).length;
    expect(await reached(broker, { topic: 't', qos: 1, size: room })).toEqual([
      ['s', 'sent', 1, null],
    ]);
    expect(await reached(broker, { topic: 't', qos: 1, size: room + 1 })).toEqual([
      ['s', 'lost', 1, 'packet_too_large'],
    ]);
    await (await broker.v5('p')).send(publishV5({ topicName: 't', qos: 1 }));
    const { subscribers } = await asksPublish(broker, { topic: 't', qos: 1, size: 30 });
    expect(subscribers[0]).toMatchObject({
      outcome: 'queued',
      connection: { inflight: 1, inflightMax: 1, packetSizeMax: 20 },
    });
    expect(subscribers[0].text).toMatch(/1 messages are in flight.*lost when its turn comes/);
  });

  test('who may not receive it, by which rule', async () => {
    const rules = new RulesAuthorizer({
      name: 'ours',
      rules: [
        { effect: 'deny', actions: ['receive'], topics: ['plant/raw'] },
        { effect: 'allow', actions: ['publish', 'subscribe'], topics: ['plant/#'] },
      ],
    });
    const authorizer = new AuthorizerChain({ members: [{ name: 'ours', authorizer: rules }] });
    const broker = await startServer({ authorizer });
    await subscriberV5(broker, 's', 'plant/#');
    const { subscribers } = await asksPublish(broker, { topic: 'plant/raw' });
    expect(subscribers[0]).toMatchObject({
      ...{ outcome: 'lost', drop: 'receive_not_authorized' },
      rule: { isAllowed: false, source: 'ours' },
      subscriptions: [{ access: 'asked' }],
    });
    expect(await reached(broker, { topic: 'plant/x' })).toEqual([['s', 'sent', 0, null]]);
  });

  test('whose subscription is muted', async () => {
    const open = new RulesAuthorizer({
      name: 'open',
      rules: [{ effect: 'allow', actions: ['publish', 'subscribe'], topics: ['#'] }],
    });
    const broker = await startServer({ authorizer: open });
    await subscriberV5(broker, 's', 't');
    const closed = new RulesAuthorizer({
      name: 'closed',
      rules: [{ effect: 'allow', actions: ['publish'], topics: ['#'] }],
    });
    await broker.server.setAccess({ authorizer: closed });
    const { subscribers } = await asksPublish(broker, { topic: 't' });
    expect(subscribers[0]).toMatchObject({
      drop: 'receive_not_authorized',
      subscriptions: [{ access: 'muted' }],
    });
    expect(subscribers[0].text).toContain('is muted');
  });

  test('whose turn it is in a shared subscription, however often one asks', async () => {
    const broker = await startServer();
    await subscriberV5(broker, 'a', '$share/g/t');
    await subscriberV5(broker, 'b', '$share/g/t');
    const publisher = await broker.v5('p');
    const turns: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) {
      await asksPublish(broker, { topic: 't' });
      const { groups } = await asksPublish(broker, { topic: 't' });
      turns.push(groups[0].next?.clientId);
      await publisher.send(publishV5({ topicName: 't' }));
    }
    expect(turns).toEqual(['a', 'b', 'a', 'b']);
  });

  test('of members that are away the one with the shorter queue, then none that would lose it', async () => {
    const broker = await startServer({ limits: { queueMessagesMax: 2 } });
    const first = await subscriberV5(broker, 'a', '$share/g/t', 1, DURABLE);
    await subscribeV5(first, 'x', 1);
    await first.drop();
    await (await subscriberV5(broker, 'b', '$share/g/t', 1, DURABLE)).drop();
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 'x', qos: 1 }));
    expect(await reached(broker, { topic: 't', qos: 1 })).toEqual([['b', 'queued', 1, null]]);
    for (let i = 0; i < 3; i++) await publisher.send(publishV5({ topicName: 't', qos: 1 }));
    const { groups, conclusion } = await asksPublish(broker, { topic: 't', qos: 1 });
    expect(groups).toMatchObject([
      { members: 2, lookedAt: 2, next: null, drop: 'no_shared_member' },
    ]);
    expect(conclusion).toBe('would be published: lost for 1');
  });

  test('a hundred are listed, and the others counted', async () => {
    const broker = await startServer();
    for (let i = 0; i < 103; i++) {
      const client = broker.open();
      client.write(`10 10 0004 'MQTT' 05 02 0000 00 0003 '${String(i).padStart(3, '0')}'`);
      await client.send("82 07 0009 00 0001 't' 00");
    }
    const { subscribers, moreSubscribers } = await asksPublish(broker, { topic: 't' });
    expect([subscribers.length, moreSubscribers]).toEqual([100, 3]);
  });
});

describe('who publishes', () => {
  test('is whom the session says', async () => {
    const broker = await startServer({ authenticator: byName });
    await broker.open().send(connectAs('anna', 'c1'));
    const { client } = await asksPublish(broker, { topic: 't', clientId: 'c1' });
    expect(client).toMatchObject({ username: 'anna', hasSession: true, isConnected: true });
  });

  test('is somebody else than the session says, where that is said', async () => {
    const broker = await startServer({ authenticator: byName });
    await broker.open().send(connectAs('anna', 'c1'));
    const question = { topic: 't', clientId: 'c1', username: 'bob' };
    const { client, steps } = await asksPublish(broker, question);
    expect(client).toMatchObject({ username: 'bob', hasSession: false });
    expect(steps[0].text).toContain('belongs to user "anna"');
  });

  test('has the groups that the server knows', async () => {
    const broker = await startServer();
    const groupsOf = (username: string) => [`of-${username}`];
    const question = { username: 'bob', clientId: null, groups: ['own'], claims: {}, topic: 't' };
    const { client } = await broker.server
      .explain(groupsOf)
      .publish({ ...question, qos: 0, retain: false, size: 0 });
    expect(client.groups).toEqual(['of-bob', 'own']);
  });
});

test('nothing changes by asking: no counter, no line, no token, nothing that is remembered or has expired', async () => {
  const log = new LogBook();
  const asked: string[] = [];
  const authorizer: Authorizer = {
    authorizePublish: (_: unknown, topicName: string) => {
      asked.push(`publish ${topicName}`);
      return 0;
    },
    authorizeSubscribe: () => 0,
    authorizeReceive: (_: unknown, topicName: string) => {
      asked.push(`receive ${topicName}`);
      return topicName === 't' ? 0x87 : 0;
    },
  };
  const broker = await startServer({
    logger: log,
    authorizer,
    quotas: [{ clientId: 'p', messagesPerSecond: 1, over: 'refuse' }],
    limits: { queueMessagesMax: 1 },
  });
  const subscriber = await subscriberV5(broker, 's', '+');
  await (await subscriberV5(broker, 'away', 'u', 1, DURABLE)).drop();
  const publisher = await broker.v5('other');
  // A queue with a message, and a retained one, that expire in a second.
  await publisher.send("33 0c 0001 'u' 0001 05 02 00000001 '1'");
  await subscriber.packets();
  await broker.advance(1_500);
  const counts = countsOf(broker);
  const lines = log.lines.length;
  asked.length = 0;
  for (let i = 0; i < 3; i++) {
    await asksPublish(broker, { topic: 't', clientId: 'p' });
    await asksPublish(broker, { topic: 'u', clientId: 'p', qos: 1, retain: true });
  }
  expect(countsOf(broker)).toEqual(counts);
  expect(log.lines).toHaveLength(lines);
  // The answer was not remembered for the client: it is asked about its own message.
  const before = asked.length;
  await publisher.send(publishV5({ topicName: 't' }));
  expect(asked.slice(before)).toEqual(['publish t', 'receive t']);
  // And it has all the tokens that it had.
  const client = await broker.v5('p');
  await client.send(publishV5({ topicName: 'x', qos: 1 }));
  await client.expect('40 02 0001');
  await subscriber.expect("30 04 0001 'x' 00");
});
