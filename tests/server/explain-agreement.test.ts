// Where an explanation could say something else than the server does: each question is asked, and then done.

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { AuthorizerChain } from '../../src/auth/acl/authorizer-chain.ts';
import type { Authorizer, Client, Verdict } from '../../src/auth/auth.ts';
import { Guard } from '../../src/auth/guard/guard.ts';
import { DROP_REASON_NAMES } from '../../src/core/drop.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import type { PublishQuestion } from '../../src/server/contract/explain.ts';
import { Queue } from '../../src/session/queue.ts';
import { byName, connectAs } from '../kit/rules.ts';
import { ONE_HOUR, startStored } from '../kit/stored.ts';
import { publishV5, subscriberV5 } from '../kit/traffic.ts';
import { startServer, type TestServer, type WireClient } from '../kit/wire.ts';
import { asksDelivery, asksPublish, countsOf } from './explain-kit.ts';

/** Allows everything. */
const open: Authorizer = {
  authorizePublish: () => ReasonCode.Success,
  authorizeSubscribe: () => ReasonCode.Success,
};

type Asked = Partial<PublishQuestion> & { readonly topic: string };

/** The reasons that a message is foretold to be lost by. */
async function foretold(broker: TestServer, question: Asked): Promise<(string | null)[]> {
  const { groups, steps, subscribers } = await asksPublish(broker, question);
  const stopped = steps.filter(({ outcome }) => outcome === 'stop');
  const all = [...stopped, ...subscribers, ...groups.flatMap(({ next }) => next ?? [])];
  return all.flatMap(({ drop }) => drop ?? []);
}

/** The reasons that it is lost by. */
async function lost(broker: TestServer, publisher: WireClient, packet: Uint8Array) {
  const reasons: string[] = [];
  broker.server.drops.listener = {
    onDrop: (reason) => void reasons.push(DROP_REASON_NAMES[reason]),
  };
  await publisher.send(packet);
  return reasons;
}

test('nobody publishes below $SYS, whatever an authorizer says, or where no topic is reserved', async () => {
  const settings = [{ authorizer: open }, { accessRules: { reservedTopics: 'open' } }] as const;
  for (const options of settings) {
    const broker = await startServer(options);
    const publisher = await broker.v5('p');
    for (const topic of ['$SYS', '$SYS/a']) {
      const expected = await foretold(broker, { topic, clientId: 'p' });
      expect(expected).toEqual(['not_authorized']);
      expect(await lost(broker, publisher, publishV5({ topicName: topic }))).toEqual(expected);
    }
    expect((await asksPublish(broker, { topic: '$SYSTEM' })).isAccepted).toBe(true);
  }
});

test('a store that fails stops what would have to be stored, not all that a durable session publishes', async () => {
  const { broker, storage } = await startStored();
  await subscriberV5(broker, 's', 't', 1, ONE_HOUR);
  const publisher = await broker.v5('p', true, ONE_HOUR);
  storage.isFailing = true;
  await publisher.send(publishV5({ topicName: 't', qos: 1 }));
  await broker.advance(60_000);
  const cases = [
    { topic: 't', qos: 1, reasons: ['store_failing'] },
    { topic: 'u', qos: 2, reasons: ['store_failing'] },
    { topic: 'u', qos: 1, reasons: ['no_subscriber'] },
  ] as const;
  for (const [index, { topic, qos, reasons }] of cases.entries()) {
    const { isAccepted, steps } = await asksPublish(broker, { topic, qos, clientId: 'p' });
    expect([topic, qos, steps.flatMap(({ drop }) => drop ?? [])]).toEqual([topic, qos, reasons]);
    expect(isAccepted).toBe(reasons[0] === 'no_subscriber');
    const packet = publishV5({ topicName: topic, qos, packetId: index + 2 });
    expect(await lost(broker, publisher, packet)).toEqual(reasons);
  }
  storage.isFailing = false;
});

describe('an authorizer that answers too late for a delivery', () => {
  const late: Authorizer = {
    ...open,
    authorizeReceive: (_client: Client, topicName: string) =>
      (topicName === 'now' ? ReasonCode.Success : Promise.resolve(ReasonCode.Success)) as Verdict,
  };

  test.each([
    ['alone', late],
    ['in a chain', new AuthorizerChain({ members: [{ name: 'late', authorizer: late }] })],
  ])('refuses it: %s', async (_, authorizer) => {
    const broker = await startServer({ authorizer });
    await subscriberV5(broker, 's', '+');
    const publisher = await broker.v5('p');
    for (const topicName of ['now', 'later']) {
      const expected = await foretold(broker, { topic: topicName });
      expect(expected).toEqual(topicName === 'now' ? [] : ['receive_not_authorized']);
      expect(await lost(broker, publisher, publishV5({ topicName }))).toEqual(expected);
    }
  });
});

test('what the server says of itself is not kept for who is away', async () => {
  const broker = await startServer({ authorizer: open, limits: { queueQos0: true } });
  await (await subscriberV5(broker, 's', '$SYS/#', 0, ONE_HOUR)).drop();
  await (await subscriberV5(broker, 'o', '#', 0, ONE_HOUR)).drop();
  const said = async (clientId: string, topic: string) => {
    const { delivery } = await asksDelivery(broker, { clientId, topic, qos: 0 });
    return [delivery?.outcome, delivery?.drop];
  };
  expect(await said('s', '$SYS/broker/uptime')).toEqual(['lost', 'offline']);
  expect(await said('o', 'uptime')).toEqual(['queued', null]);
});

test('what has expired in a full queue gives way', async () => {
  const broker = await startServer({ limits: { queueMessagesMax: 2 } });
  await (await subscriberV5(broker, 's', 't', 1, ONE_HOUR)).drop();
  const publisher = await broker.v5('p');
  await publisher.send("32 0c 0001 't' 0001 05 02 00000001 'x'"); // Message Expiry Interval of a second
  await publisher.send(publishV5({ topicName: 't', qos: 1, packetId: 2 }));
  expect(await foretold(broker, { topic: 't', qos: 1 })).toEqual(['queue_full']);
  await broker.advance(2_000);
  const { subscribers } = await asksPublish(broker, { topic: 't', qos: 1 });
  expect(subscribers[0].text).toContain('1 that have expired [expired] would be given up for it');
  const packet = publishV5({ topicName: 't', qos: 1, packetId: 3 });
  expect(await lost(broker, publisher, packet)).toEqual(['expired']);
});

test('a long queue is not looked through where nothing of it would go', async () => {
  const broker = await startServer({ limits: { queueMessagesMax: 2 } });
  await (await subscriberV5(broker, 's', 't', 1, ONE_HOUR)).drop();
  const publisher = await broker.v5('p');
  for (const packetId of [1, 2]) {
    await publisher.send(publishV5({ topicName: 't', qos: 1, packetId }));
  }
  const looking = vi.spyOn(Queue.prototype, 'entries');
  onTestFinished(() => looking.mockRestore());
  expect(await foretold(broker, { topic: 't', qos: 1 })).toEqual(['queue_full']);
  expect(looking).not.toHaveBeenCalled();
});

test('who is banned would not be let in; asking counts as no try', async () => {
  const clock = new FakeClock();
  const guard = new Guard({ clock });
  const broker = await startServer({ authenticator: byName, clock, guard });
  const connected = broker.open();
  await connected.send(connectAs('anna', 'line-7'));
  await guard.bans.add({ kind: 'client_id', pattern: 'line-*', reason: 'old firmware' });
  await guard.bans.add({ kind: 'username', pattern: 'bert' });
  const before = countsOf(broker);
  for (const question of [{ clientId: 'line-8' }, { clientId: 'x', username: 'bert' }]) {
    const { isAccepted, steps } = await asksPublish(broker, { topic: 't', ...question });
    expect(steps).toMatchObject([{ step: 'client', outcome: 'stop', drop: null }]);
    expect(steps[0].text).toMatch(/would not be let in \(0x8A\): banned by (username|client_id) /);
    expect(isAccepted).toBe(false);
  }
  expect(countsOf(broker)).toEqual(before);
  const refused = broker.open();
  await refused.send(connectAs('bert', 'x'));
  await refused.expectClosed("20 0c 00 8a 09 1f 0006 'banned'");
  // A ban is for those who come: who is connected stays.
  for (const clientId of ['x', 'line-7']) {
    expect((await asksPublish(broker, { topic: 't', clientId })).isAccepted).toBe(true);
  }
  expect(await lost(broker, connected, publishV5({ topicName: 't' }))).toEqual(['no_subscriber']);
});
