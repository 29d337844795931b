// The same of `explain-random.test.ts` where rules change who may receive what, subscriptions are muted, and who cannot keep up
// is disconnected: what is foretold of each subscriber is what happens.

import { expect, test } from 'vitest';
import { RulesAuthorizer } from '../../src/auth/acl/rules.ts';
import { Random } from '../../src/contracts/random.ts';
import { DROP_REASON_NAMES } from '../../src/core/drop.ts';
import type { QueuePolicy } from '../../src/core/limits.ts';
import { publishV5, subscribeV5 } from '../kit/traffic.ts';
import { startServer, type WireClient } from '../kit/wire.ts';
import { asksPublish } from './explain-kit.ts';

const POLICIES: readonly QueuePolicy[] = ['drop-new', 'disconnect'];
const FILTERS = ['a', '+', '+/b', 'a/#', '#'];
const SHARED = ['$share/g/a', '$share/g/+', '$share/g/#'];
const TOPICS = ['a', 'b', 'a/b', 'c/b'];
const HOUR = '11 00000e10';
const WINDOWS = ['', '21 0001', '21 0001 27 00000018'];

function rules(random: Random): RulesAuthorizer {
  const denied = () => ({
    ...{ effect: 'deny', topics: [random.pick(TOPICS)] },
    ...{ actions: [random.pick(['receive', 'subscribe'])], client_ids: [`c${random.below(8)}`] },
  });
  return new RulesAuthorizer({
    name: 'ours',
    rules: [
      ...Array.from({ length: 12 }, denied),
      { effect: 'allow', actions: ['publish', 'subscribe'], topics: ['#'] },
    ],
  } as ConstructorParameters<typeof RulesAuthorizer>[0]);
}

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('seed %d', async (seed) => {
  const random = new Random(seed);
  const all = { effect: 'allow', actions: ['publish', 'subscribe'], topics: ['#'] } as const;
  const broker = await startServer({
    authorizer: new RulesAuthorizer({ name: 'open', rules: [all] }),
    limits: { queueMessagesMax: 2, queuePolicy: random.pick(POLICIES) },
  });
  const clients = new Map<string, WireClient>();
  for (let i = 0; i < 8; i++) {
    const properties = `${HOUR} ${random.pick(WINDOWS)}`;
    // One way only: what a message does to a client by the first of two is not foreseen for the second.
    const filters =
      i % 2 === 0 ? [random.pick(FILTERS), random.pick(FILTERS)] : [random.pick(SHARED)];
    const client = await broker.v5(`c${i}`, true, properties);
    for (const filter of filters) {
      await subscribeV5(client, filter, random.below(3), `0b 0${1 + random.below(9)}`);
    }
    if (random.below(3) === 0) await client.drop();
    clients.set(`c${i}`, client);
  }
  const lost: string[] = [];
  broker.server.drops.listener = {
    onDrop: (reason, clientId) => void lost.push(`${clientId} ${DROP_REASON_NAMES[reason]}`),
  };
  const publisher = await broker.v5('p');
  for (let packetId = 1; packetId <= 40; packetId++) {
    if (packetId % 10 === 5) await broker.server.setAccess({ authorizer: rules(random) });
    const [topicName, qos, size] = [
      random.pick(TOPICS),
      random.below(3) as 0 | 1 | 2,
      random.below(2) * 12,
    ];
    const { groups, subscribers } = await asksPublish(broker, { topic: topicName, qos, size });
    const foretold = [...subscribers, ...groups.flatMap(({ next }) => next ?? [])];
    const unserved = groups.filter(({ next }) => next === null).map(() => 'p no_shared_member');
    for (const client of clients.values()) await client.packets();
    lost.length = 0;
    await publisher.send(publishV5({ topicName, qos, packetId, payload: new Uint8Array(size) }));
    const delivered: string[] = [];
    for (const [clientId, client] of clients) {
      for (const received of await client.packets()) {
        if (received[0] >> 4 === 3) delivered.push(`${clientId} ${(received[0] >> 1) & 3}`);
      }
    }
    const sent = foretold.filter(({ outcome }) => outcome === 'sent');
    expect(delivered.sort()).toEqual(sent.map((one) => `${one.clientId} ${one.qos}`).sort());
    const losing = foretold.filter(({ outcome }) => outcome === 'lost');
    const reasons = [...losing.map((one) => `${one.clientId} ${one.drop}`), ...unserved];
    if (foretold.length + unserved.length === 0) reasons.push('p no_subscriber');
    expect([...lost].sort()).toEqual(reasons.sort());
  }
});
