// Overlapping subscriptions of two clients, shared ones among them, with and without No Local, of which access control grants
// some as a whole, asks about some and forbids some, differently after each change: each message comes once where it may, with
// the highest QoS of those that may bring it, and nowhere else. MQTT 5 §3.3.4, §4.8.2.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { matchesFilter, splitSharedFilter } from '../../src/protocol/filter.ts';
import { PacketType, type PublishPacket, type QoS } from '../../src/protocol/index.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { Server } from '../../src/server/server.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { runs } from '../kit/runs.ts';
import { settle } from '../kit/wire.ts';

const SHARED = ['$share/g/a/+', '$share/g/#', '$share/h/a/b'];
const FILTERS = ['#', 'a/#', 'a/+', '+/b', 'a/b', '+', 'a', ...SHARED];
const TOPICS = ['a', 'b', 'a/b', 'a/c', 'c/b'];
const TURNS = 6;

/** What access control says of a filter. */
type Grant = { readonly qosMax: QoS; readonly isWhole: boolean } | null;

/** By filter, in the order of FILTERS, and the topics that may be received; null: there is none. */
type Table = { readonly grants: readonly Grant[]; readonly received: readonly string[] } | null;

const grant = fc.constantFrom<Grant>(
  null,
  { qosMax: 2, isWhole: true },
  { qosMax: 0, isWhole: true },
  { qosMax: 2, isWhole: false },
  { qosMax: 1, isWhole: false },
);
const grants = fc.array(grant, { minLength: FILTERS.length, maxLength: FILTERS.length });
const table: fc.Arbitrary<Table> = fc.option(fc.record({ grants, received: fc.subarray(TOPICS) }), {
  freq: 6,
});
const who = fc.constantFrom<0 | 1>(0, 1);
const topicFilter = fc.constantFrom(...FILTERS);
const qos = fc.constantFrom<QoS>(0, 1, 2);

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ kind: fc.constant('subscribe'), who, topicFilter, qos, noLocal: fc.boolean() },
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unsubscribe'), who, topicFilter }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('publish'),
      who,
      topic: fc.constantFrom(...TOPICS),
      qos,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('change'), table }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function authorizerOf(now: NonNullable<Table>): Authorizer {
  return {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: (_client, filter, _qos, shareName) => {
      const whole = shareName === null ? filter : `$share/${shareName}/${filter}`;
      return now.grants[FILTERS.indexOf(whole)] ?? ReasonCode.NotAuthorized;
    },
    authorizeReceive: (_client, topicName) =>
      now.received.includes(topicName) ? ReasonCode.Success : ReasonCode.NotAuthorized,
  };
}

interface Subscribed {
  readonly topicFilter: string;
  readonly qos: QoS;
  readonly noLocal: boolean;
}

/** Two clients, and what each should have. */
class Pair {
  readonly #server: Server;
  readonly #clients: readonly PacketClient[];
  readonly #subscriptions: readonly Map<string, Subscribed>[] = [new Map(), new Map()];
  #table: Table;

  private constructor(server: Server, first: Table) {
    this.#server = server;
    this.#table = first;
    this.#clients = [0, 1].map(() => new PacketClient(server.connect()));
  }

  static async start(first: Table): Promise<Pair> {
    const access = first === null ? {} : { authorizer: authorizerOf(first) };
    const server = new Server({ clock: new FakeClock(), ...access });
    await server.start();
    const pair = new Pair(server, first);
    for (const [i, client] of pair.#clients.entries()) await client.connect(`c${i}`);
    return pair;
  }

  async take(one: Step): Promise<void> {
    if (one.kind === 'change') await this.#change(one.table);
    else if (one.kind === 'subscribe') await this.#subscribe(one);
    else if (one.kind === 'unsubscribe') await this.#unsubscribe(one);
    else await this.#publish(one);
  }

  async stop(): Promise<void> {
    this.#server.abort();
    await this.#server.stop();
  }

  async #change(next: Table): Promise<void> {
    this.#table = next;
    await this.#server.setAccess(next === null ? {} : { authorizer: authorizerOf(next) });
  }

  async #subscribe({
    who: i,
    topicFilter: filter,
    qos: wanted,
    noLocal,
  }: Step & { kind: 'subscribe' }) {
    const client = this.#clients[i];
    const isShared = SHARED.includes(filter);
    client.subscribe({
      topicFilter: filter,
      qos: wanted,
      noLocal: noLocal && !isShared,
      retainHandling: 2,
    });
    const now = this.#grantOf(filter);
    const granted = now === null ? null : (Math.min(wanted, now.qosMax) as QoS);
    const reasonCodes = [granted ?? ReasonCode.NotAuthorized];
    expect(await client.next(PacketType.Suback)).toMatchObject({ reasonCodes });
    if (granted === null) return;
    this.#subscriptions[i].set(filter, {
      topicFilter: filter,
      qos: granted,
      noLocal: noLocal && !isShared,
    });
  }

  async #unsubscribe({ who: i, topicFilter: filter }: Step & { kind: 'unsubscribe' }) {
    const client = this.#clients[i];
    const packetId = client.nextPacketId;
    client.send({ type: PacketType.Unsubscribe, packetId, properties: {}, topicFilters: [filter] });
    await client.next(PacketType.Unsuback);
    this.#subscriptions[i].delete(filter);
  }

  async #publish(message: Step & { kind: 'publish' }): Promise<void> {
    this.#clients[message.who].publish(message.topic, 'm', message.qos);
    await settle(TURNS);
    const came = await Promise.all(this.#clients.map(received));
    const expected = this.#subscriptions.map((_, i) => this.#ownDelivery(i, message));
    const groups = this.#groupsOf(message.topic);
    const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
    const total = sum(expected.map((one) => (one === null ? 0 : 1))) + groups.length;
    expect([message, sum(came.map(({ length }) => length))]).toEqual([message, total]);
    for (const [i, own] of expected.entries()) {
      const alone = groups.filter((members) => members.every((member) => member === i)).length;
      expect(came[i].length).toBeGreaterThanOrEqual((own === null ? 0 : 1) + alone);
      if (groups.length > 0 || own === null) continue;
      expect([message, came[i][0].qos]).toEqual([message, own]);
    }
  }

  #grantOf(filter: string): Grant {
    if (this.#table === null) return { qosMax: 2, isWhole: true };
    return this.#table.grants[FILTERS.indexOf(filter)];
  }

  /** It may be delivered by a subscription with this filter. */
  #mayPass(filter: string, topic: string): boolean {
    const now = this.#grantOf(filter);
    if (now === null || !matchesFilter(topic, splitSharedFilter(filter).topicFilter)) return false;
    return now.isWhole || this.#table?.received.includes(topic) === true;
  }

  /** The QoS with which the client gets the message by what it has not shared; null: it does not. */
  #ownDelivery(i: number, message: Step & { kind: 'publish' }): QoS | null {
    const able = [...this.#subscriptions[i].values()].filter(
      ({ topicFilter: filter, noLocal }) =>
        !SHARED.includes(filter) &&
        matchesFilter(message.topic, filter) &&
        this.#grantOf(filter) !== null &&
        !(noLocal && i === message.who),
    );
    if (!able.some(({ topicFilter: filter }) => this.#mayPass(filter, message.topic))) return null;
    const highest = Math.max(
      ...able.map((one) => Math.min(one.qos, this.#grantOf(one.topicFilter)?.qosMax ?? 0)),
    );
    return Math.min(message.qos, highest) as QoS;
  }

  /** The members of each group that may have it, groups without any left out. */
  #groupsOf(topic: string): number[][] {
    return SHARED.map((filter) =>
      [0, 1].filter((i) => this.#subscriptions[i].has(filter) && this.#mayPass(filter, topic)),
    ).filter((members) => members.length > 0);
  }
}

/** What came, and its handshakes to their end. */
async function received(client: PacketClient): Promise<PublishPacket[]> {
  const messages = client.take().filter((packet) => packet.type === PacketType.Publish);
  for (const { qos: one, packetId } of messages) {
    if (one === 1) client.acknowledge(4, packetId);
    if (one === 2) client.acknowledge(5, packetId);
  }
  await settle(TURNS);
  for (const packet of client.take()) {
    if (packet.type === PacketType.Pubrel) client.acknowledge(7, packet.packetId);
  }
  await settle(TURNS);
  return messages;
}

test('of overlapping subscriptions those that may bring a message bring it, once', {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      table,
      fc.array(step, { maxLength: 25, size: 'max' }),
      async (first, steps) => {
        const pair = await Pair.start(first);
        try {
          for (const one of steps) await pair.take(one);
        } finally {
          await pair.stop();
        }
      },
    ),
    { numRuns: runs(200), interruptAfterTimeLimit: 30_000 },
  );
});
