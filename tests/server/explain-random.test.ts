// What is foretold is what happens: clients at random, with small queues, windows and packets, and before each message the
// question what would become of it.

import { describe, expect, test } from 'vitest';
import { Random } from '../../src/contracts/random.ts';
import { DROP_REASON_NAMES } from '../../src/core/drop.ts';
import type { QueuePolicy } from '../../src/core/limits.ts';
import { publishV5, subscriberV5 } from '../kit/traffic.ts';
import { startServer, type TestServer, type WireClient } from '../kit/wire.ts';
import { asksDelivery, asksPublish, countsOf } from './explain-kit.ts';

const POLICIES: readonly QueuePolicy[] = ['drop-new', 'drop-oldest', 'keep-latest-per-topic'];
const FILTERS = ['a', '+', 'a/#', '$share/g/a', '$share/g/a', '$share/g/+', '$share/h/b'];
const TOPICS = ['a', 'b', 'a/b'];
/** Session expiry of an hour, then: Receive Maximum 1, Maximum Packet Size 16, both, none. */
const PROPERTIES = ['21 0001', '27 00000010', '21 0001 27 00000010', ''].map(
  (properties) => `11 00000e10 ${properties}`,
);

interface Happened {
  readonly delivered: string[];
  readonly lost: string[];
}

class Crowd {
  readonly broker: TestServer;
  readonly #clients = new Map<string, WireClient>();
  readonly #lost: string[] = [];

  constructor(broker: TestServer) {
    this.broker = broker;
    broker.server.drops.listener = {
      onDrop: (reason, clientId) =>
        void this.#lost.push(`${clientId} ${DROP_REASON_NAMES[reason]}`),
    };
  }

  async join(clientId: string, random: Random): Promise<void> {
    const qos = random.below(3);
    const filter = random.pick(FILTERS);
    const options = filter.startsWith('$') ? qos : qos | (random.below(2) << 2);
    const properties = random.pick(PROPERTIES);
    const client = await subscriberV5(this.broker, clientId, filter, options, properties);
    if (random.below(2) === 0) await client.drop();
    this.#clients.set(clientId, client);
  }

  /** How many messages wait for each. */
  async queues(): Promise<Map<string, number>> {
    const queues = new Map<string, number>();
    for (const clientId of this.#clients.keys()) {
      const { queue } = await asksDelivery(this.broker, { clientId, topic: 'a' });
      queues.set(clientId, queue?.messages ?? 0);
    }
    return queues;
  }

  /** What a message brings to whom, and who loses what. */
  async publish(publisher: WireClient, packet: Uint8Array): Promise<Happened> {
    for (const client of this.#clients.values()) await client.packets();
    this.#lost.length = 0;
    await publisher.send(packet);
    const delivered: string[] = [];
    for (const [clientId, client] of this.#clients) {
      for (const received of await client.packets()) {
        if (received[0] >> 4 === 3) delivered.push(`${clientId} ${(received[0] >> 1) & 3}`);
      }
    }
    return { delivered, lost: [...this.#lost] };
  }
}

describe.each(POLICIES)('with %s', (queuePolicy) => {
  test.each([1, 2, 3, 4, 5, 6])('seed %d', async (seed) => {
    const random = new Random(seed);
    const broker = await startServer({
      limits: { queueMessagesMax: 2, queuePolicy, queueQos0: random.below(2) === 0 },
    });
    const crowd = new Crowd(broker);
    for (let i = 0; i < 12; i++) await crowd.join(`c${i}`, random);
    const publisher = await broker.v5('c9');
    for (let packetId = 1; packetId <= 40; packetId++) {
      const topicName = random.pick(TOPICS);
      const qos = random.below(2) as 0 | 1;
      const size = random.below(2) * 12;
      const before = countsOf(broker);
      const question = { topic: topicName, qos, size, clientId: 'c9' };
      const { subscribers, groups } = await asksPublish(broker, question);
      expect(countsOf(broker)).toEqual(before);
      const all = [...subscribers, ...groups.flatMap(({ next }) => next ?? [])];
      const nobody = groups.filter(({ next }) => next === null).map(() => 'c9 no_shared_member');
      const payload = new Uint8Array(size);
      const queues = await crowd.queues();
      const happened = await crowd.publish(
        publisher,
        publishV5({ topicName, qos, packetId, payload }),
      );
      const sent = all.filter(({ outcome }) => outcome === 'sent');
      expect(happened.delivered.sort()).toEqual(
        sent.map((one) => `${one.clientId} ${one.qos}`).sort(),
      );
      const lost = all.filter(({ outcome }) => outcome === 'lost');
      const foretold = [...lost.map((one) => `${one.clientId} ${one.drop}`), ...nobody];
      const made = happened.lost.filter((one) => !/ queue_(oldest|replaced)$/.test(one));
      for (const [clientId, messages] of await crowd.queues()) {
        const queued = all.filter((one) => one.clientId === clientId && one.outcome === 'queued');
        if (queuePolicy === 'keep-latest-per-topic') continue; // one may have taken another's place
        const former = queues.get(clientId) ?? 0;
        expect(messages).toBe(Math.min(former + queued.length, 2));
      }
      if (all.length + nobody.length === 0) foretold.push('c9 no_subscriber');
      expect(made.sort()).toEqual(foretold.sort());
    }
  });
});
