// `explain delivery`: why a client gets the messages of a topic, or does not.

import { describe, expect, test } from 'vitest';
import { ReceiveOnly } from '../kit/rules.ts';
import { publishV5, subscriberV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';
import { asksDelivery, countsOf } from './explain-kit.ts';

const DURABLE = '11 00000e10';

describe('the last sentence', () => {
  test('of a client that gets it', async () => {
    const broker = await startServer();
    await subscriberV5(broker, 's', 'a/+', 1);
    expect(await asksDelivery(broker, { clientId: 's', topic: 'a/b' })).toMatchObject({
      isDelivered: true,
      conclusion: 'would be delivered at QoS 1',
      delivery: { outcome: 'sent', subscriptions: [{ topicFilter: 'a/+' }] },
    });
  });

  test('of one that is away', async () => {
    const broker = await startServer();
    await (await subscriberV5(broker, 's', 't', 1, DURABLE)).drop();
    expect(await asksDelivery(broker, { clientId: 's', topic: 't' })).toMatchObject({
      isDelivered: true,
      conclusion: 'would be queued, and delivered later, at QoS 1',
    });
    expect(await asksDelivery(broker, { clientId: 's', topic: 't', qos: 0 })).toMatchObject({
      isDelivered: false,
      conclusion: expect.stringMatching(/^would not: QoS 0, and its client is away/),
    });
  });

  test('of one without a session, without subscriptions, with others', async () => {
    const broker = await startServer();
    const conclusionOf = async (clientId: string) => {
      const { conclusion, isDelivered } = await asksDelivery(broker, { clientId, topic: 't' });
      expect(isDelivered).toBe(false);
      return conclusion;
    };
    await broker.v5('none');
    await subscriberV5(broker, 'other', 'a/#');
    expect(await conclusionOf('x')).toMatch(/^would not: no client with this client id/);
    expect(await conclusionOf('none')).toBe('would not: it has no subscriptions');
    expect(await conclusionOf('other')).toBe('would not: none of its subscriptions matches: a/#');
  });

  test('of one whose queue is full', async () => {
    const broker = await startServer({ limits: { queueMessagesMax: 1 } });
    await (await subscriberV5(broker, 's', 't', 1, DURABLE)).drop();
    await (await broker.v5('p')).send(publishV5({ topicName: 't', qos: 1 }));
    const { conclusion, delivery } = await asksDelivery(broker, { clientId: 's', topic: 't' });
    expect(delivery?.drop).toBe('queue_full');
    expect(conclusion).toMatch(/^would not: its queue is full \(1 of 1 messages/);
  });

  test('of one that may not receive it', async () => {
    const broker = await startServer({ authorizer: new ReceiveOnly('a/#') });
    await subscriberV5(broker, 's', '#');
    const { conclusion, delivery } = await asksDelivery(broker, { clientId: 's', topic: 't' });
    expect(delivery?.drop).toBe('receive_not_authorized');
    expect(conclusion).toMatch(/^would not: it may not receive the topic/);
    expect((await asksDelivery(broker, { clientId: 's', topic: 'a/t' })).isDelivered).toBe(true);
  });

  test('of a member of a shared subscription: whose turn it is', async () => {
    const broker = await startServer();
    await subscriberV5(broker, 'a', '$share/g/t');
    await subscriberV5(broker, 'b', '$share/g/t');
    expect(await asksDelivery(broker, { clientId: 'a', topic: 't' })).toMatchObject({
      isDelivered: true,
      conclusion: 'would be delivered at QoS 0',
      delivery: null,
    });
    expect(await asksDelivery(broker, { clientId: 'b', topic: 't' })).toMatchObject({
      isDelivered: false,
      conclusion: 'would not, this time: it is the turn of a in $share/g',
    });
  });
});

test('it says whether the client reads, acknowledges, and what waits for it', async () => {
  const broker = await startServer();
  await subscriberV5(broker, 's', 't', 1, '21 0001');
  const publisher = await broker.v5('p');
  for (const packetId of [1, 2]) {
    await publisher.send(publishV5({ topicName: 't', qos: 1, packetId }));
  }
  const { steps } = await asksDelivery(broker, { clientId: 's', topic: 't' });
  const outcomes = Object.fromEntries(steps.map(({ step, outcome }) => [step, outcome]));
  expect(outcomes).toEqual({
    ...{ session: 'pass', connection: 'pass', output: 'pass', window: 'wait', queue: 'note' },
    ...{ subscription: 'pass', delivery: 'wait' },
  });
  const texts = steps.map(({ text }) => text).join('\n');
  expect(texts).toContain('1 of 1 QoS 1 and 2 messages are in flight');
  expect(texts).toContain('1 of 1000 messages');
});

test('the retained message of the topic, and whether a subscription of its brings it', async () => {
  const broker = await startServer({ authorizer: new ReceiveOnly('a') });
  await subscriberV5(broker, 's', '+');
  const publisher = await broker.v5('p');
  for (const topicName of ['a', 'b']) {
    await publisher.send(publishV5({ topicName, payload: '12', retain: true, qos: 1 }));
  }
  const retained = async (topic: string) =>
    (await asksDelivery(broker, { clientId: 's', topic })).retained;
  const kept = { qos: 1, size: 5, publisher: 'p' };
  expect(await retained('a')).toEqual({ ...kept, mayReceive: true });
  expect(await retained('b')).toEqual({ ...kept, mayReceive: false });
  expect(await retained('c')).toBeNull();
});

test('what was lost of the topic before', async () => {
  const broker = await startServer();
  await (await subscriberV5(broker, 's', '+', 1, DURABLE)).drop();
  const publisher = await broker.v5('p');
  for (const topicName of ['t', 't', 'u']) await publisher.send(publishV5({ topicName }));
  const { recentDrops } = await asksDelivery(broker, { clientId: 's', topic: 't' });
  const at = new Date(broker.clock.wallNow()).toISOString();
  expect(recentDrops).toEqual([{ at, reason: 'offline', topic: 't', count: 2 }]);
});

test('nothing changes by asking', async () => {
  const authorizer = new ReceiveOnly('t');
  const broker = await startServer({ authorizer });
  const client = await subscriberV5(broker, 's', '+');
  const counts = countsOf(broker);
  await asksDelivery(broker, { clientId: 's', topic: 't' });
  await asksDelivery(broker, { clientId: 's', topic: 'u' });
  expect(countsOf(broker)).toEqual(counts);
  await client.expectNothing();
  authorizer.asked = 0;
  await (await broker.v5('p')).send(publishV5({ topicName: 't' }));
  expect(authorizer.asked).toBe(1);
});
