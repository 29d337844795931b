// After anything that clients may do, every figure of `$SYS` is what the clients themselves have counted: packets, bytes and
// messages by what went through their hands, sessions, queues and retained messages by a model of them.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import { type Packet, PacketType, type PublishPacket } from '../../src/protocol/index.ts';
import { Server } from '../../src/server/server.ts';
import { sysFigures } from '../../src/server/sys-figures.ts';
import type { Stream } from '../../src/transport/stream.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { runs } from '../kit/runs.ts';
import { turns } from '../kit/until.ts';
import { RESERVED_OPEN } from '../kit/wire.ts';

const INTERVAL_MS = 10_000;
const QUEUE_MAX = 4;
const CLIENTS = 6;
const NEVER = 0xffff_ffff;
const SHORT_SECONDS = 5;

/** What all clients together sent and received. */
class Tally {
  packetsSent = 0;
  packetsReceived = 0;
  bytesSent = 0;
  bytesReceived = 0;
  publishesSent = 0;
  publishesReceived = 0;
  payloadSent = 0;
  payloadReceived = 0;
  sockets = 0;
  connects = 0;
  lost = 0;
  expired = 0;
}

class CountedClient extends PacketClient {
  readonly #tally: Tally;

  constructor(stream: Stream, tally: Tally) {
    super(stream);
    this.#tally = tally;
    tally.sockets++;
  }

  override send(packet: Packet): void {
    if (packet.type === PacketType.Connect) this.#tally.connects++;
    if (packet.type === PacketType.Publish) {
      this.#tally.publishesSent++;
      this.#tally.payloadSent += packet.payload.length;
    }
    super.send(packet);
  }

  override write(bytes: Uint8Array): void {
    this.#tally.packetsSent++;
    this.#tally.bytesSent += bytes.length;
    super.write(bytes);
  }

  override onData(chunk: Uint8Array, length: number): void {
    const before = this.packets.length;
    super.onData(chunk, length);
    this.#tally.bytesReceived += length;
    for (const packet of this.packets.slice(before)) {
      this.#tally.packetsReceived++;
      if (packet.type !== PacketType.Publish) continue;
      this.#tally.publishesReceived++;
      this.#tally.payloadReceived += packet.payload.length;
      if (packet.qos === 1) this.acknowledge(4, packet.packetId);
    }
  }
}

interface Kept {
  readonly expiry: number;
  client: CountedClient | null;
  readonly filters: Set<string>;
  /** Sizes of what waits. */
  queue: number[];
}

/** A server, its clients, and what the clients know. */
class World {
  readonly clock = new FakeClock();
  readonly server = new Server({
    ...RESERVED_OPEN,
    clock: this.clock,
    limits: { queueMessagesMax: QUEUE_MAX, connectTimeoutMs: 3_600_000 },
    sys: { intervalMs: INTERVAL_MS, version: '1' },
  });
  readonly tally = new Tally();
  readonly sessions = new Map<number, Kept>();
  readonly strangers: CountedClient[] = [];
  readonly retained = new Map<string, number>();
  readonly startedMs = this.clock.now();
  maximum = 0;
  loads: Record<string, { last: number; averages: number[] | null }> = {};
  reader: CountedClient | null = null;
  /** The last that was said of each topic. */
  readonly said = new Map<string, string>();

  open(): CountedClient {
    return new CountedClient(this.server.connect(), this.tally);
  }

  async start(): Promise<void> {
    await this.server.start();
    this.reader = this.open();
    this.reader.sendConnect('reader');
    this.reader.subscribe('$SYS/#');
    await turns(60);
  }

  connect(index: number, expiry: number): void {
    const former = this.sessions.get(index);
    const client = this.open();
    const clean = former === undefined || former.expiry !== expiry;
    client.sendConnect(`c${index}`, {
      cleanStart: clean,
      properties: { sessionExpiryInterval: expiry },
    });
    if (clean || former === undefined) {
      this.sessions.set(index, { expiry, client, filters: new Set(), queue: [] });
      return;
    }
    former.client = client;
    former.queue = [];
  }

  leave(index: number): void {
    const session = this.sessions.get(index);
    if (session === undefined || session.client === null) return;
    session.client.destroy();
    session.client = null;
    if (session.expiry === 0) this.sessions.delete(index);
  }

  subscribe(index: number, filter: string): void {
    const session = this.sessions.get(index);
    if (session === undefined || session.client === null) return;
    session.filters.add(filter);
    session.client.subscribe({ topicFilter: filter, qos: 1 });
  }

  unsubscribe(index: number, filter: string): void {
    const session = this.sessions.get(index);
    if (session === undefined || session.client === null) return;
    session.filters.delete(filter);
    const { client } = session;
    const packetId = client.nextPacketId;
    client.send({
      type: PacketType.Unsubscribe,
      packetId,
      topicFilters: [filter],
      properties: {},
    });
  }

  publish(index: number, topicName: string, length: number, rest: Partial<PublishPacket>): void {
    const session = this.sessions.get(index);
    if (session === undefined || session.client === null) return;
    const qos = rest.qos ?? 0;
    session.client.publish(topicName, new Uint8Array(length), qos, rest);
    const size = 2 + topicName.length + length;
    if (rest.retain === true) {
      if (length === 0) this.retained.delete(topicName);
      else this.retained.set(topicName, size);
    }
    if (qos === 0) return;
    for (const other of this.sessions.values()) {
      if (other.client !== null) continue;
      const hasAll = topicName.startsWith('t/') && other.filters.has('t/#');
      if (!other.filters.has(topicName) && !hasAll) continue;
      if (other.queue.length < QUEUE_MAX) other.queue.push(size);
      else this.tally.lost++;
    }
  }

  /** Takes in what the reader was told. */
  hear(): void {
    const decoder = new TextDecoder();
    for (const { topicName, payload } of this.reader?.takePublishes() ?? []) {
      this.said.set(topicName.slice('$SYS/broker/'.length), decoder.decode(payload));
    }
  }

  /** What `$SYS` must say at a look now. */
  expected(): Map<string, string> {
    const { tally } = this;
    const all = [...this.sessions.values()];
    const connected = 1 + all.filter(({ client }) => client !== null).length;
    const waiting = all.flatMap(({ queue }) => queue);
    const kept = this.retained.size + waiting.length;
    const filters = all.flatMap((session) => [...session.filters]);
    const shared = filters.filter((filter) => filter.startsWith('$share/')).length;
    const sum = (sizes: Iterable<number>) => [...sizes].reduce((total, one) => total + one, 0);
    this.maximum = Math.max(this.maximum, connected);
    const figures = {
      version: 'iothub version 1',
      uptime: `${Math.floor((this.clock.now() - this.startedMs) / 1_000)} seconds`,
      'clients/total': all.length + 1,
      'clients/maximum': this.maximum,
      'clients/connected': connected,
      'clients/active': connected,
      'clients/disconnected': all.length + 1 - connected,
      'clients/inactive': all.length + 1 - connected,
      'clients/expired': tally.expired,
      'messages/received': tally.packetsSent,
      'messages/sent': tally.packetsReceived,
      'messages/stored': kept,
      'publish/messages/received': tally.publishesSent,
      'publish/messages/sent': tally.publishesReceived,
      'publish/messages/dropped': tally.lost,
      'publish/bytes/received': tally.payloadSent,
      'publish/bytes/sent': tally.payloadReceived,
      'store/messages/count': kept,
      'store/messages/bytes': sum(this.retained.values()) + sum(waiting),
      'retained messages/count': this.retained.size,
      'subscriptions/count': filters.length + 1,
      'shared_subscriptions/count': shared,
      'connections/socket/count': connected + this.strangers.length,
      'bytes/received': tally.bytesSent,
      'bytes/sent': tally.bytesReceived,
      'packet/out/bytes': 0,
      ...this.#expectedLoads(),
    };
    return new Map(Object.entries(figures).map(([topic, value]) => [topic, `${value}`]));
  }

  #expectedLoads(): Record<string, string> {
    const { tally } = this;
    const counts: Record<string, number> = {
      'messages/received': tally.packetsSent,
      'messages/sent': tally.packetsReceived,
      'publish/received': tally.publishesSent,
      'publish/sent': tally.publishesReceived,
      'publish/dropped': tally.lost,
      'bytes/received': tally.bytesSent,
      'bytes/sent': tally.bytesReceived,
      sockets: tally.sockets,
      connections: tally.connects,
    };
    const shown: Record<string, string> = {};
    for (const [name, count] of Object.entries(counts)) {
      this.loads[name] ??= { last: 0, averages: null };
      const load = this.loads[name];
      const rate = (count - load.last) * (60_000 / INTERVAL_MS);
      load.last = count;
      load.averages = [1, 5, 15].map((minutes, i) => {
        if (load.averages === null) return rate;
        const weight = Math.exp(-INTERVAL_MS / 60_000 / minutes);
        return rate * (1 - weight) + load.averages[i] * weight;
      });
      for (const [i, minutes] of [1, 5, 15].entries()) {
        shown[`load/${name}/${minutes}min`] = load.averages[i].toFixed(2);
      }
    }
    return shown;
  }
}

const client = fc.nat(CLIENTS - 1);
const filter = fc.constantFrom('t/0', 't/1', 't/#', '$share/g/x', '$share/h/x');
const operation = fc.oneof(
  fc.record({
    do: fc.constant('connect' as const),
    client,
    expiry: fc.constantFrom(0, SHORT_SECONDS, NEVER),
  }),
  fc.record({ do: fc.constant('leave' as const), client }),
  fc.record({ do: fc.constantFrom('subscribe' as const, 'unsubscribe' as const), client, filter }),
  fc.record({
    do: fc.constant('publish' as const),
    client,
    topic: fc.constantFrom('t/0', 't/1', 'other'),
    length: fc.constantFrom(0, 1, 300, 20_000),
    qos: fc.constantFrom(0 as const, 1 as const),
    retain: fc.boolean(),
    times: fc.integer({ min: 1, max: QUEUE_MAX + 2 }),
  }),
  fc.record({ do: fc.constant('stranger' as const) }),
  fc.record({ do: fc.constant('look' as const) }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** So that a run has somebody to publish, and somebody whose queue fills. */
const BEGINNING: readonly Operation[] = [
  { do: 'connect', client: 0, expiry: 0 },
  { do: 'connect', client: 1, expiry: NEVER },
  { do: 'subscribe', client: 1, filter: 't/#' },
  { do: 'leave', client: 1 },
];

async function perform(world: World, next: Operation): Promise<void> {
  switch (next.do) {
    case 'connect':
      if ((world.sessions.get(next.client)?.client ?? null) !== null) return;
      world.connect(next.client, next.expiry);
      break;
    case 'leave':
      world.leave(next.client);
      break;
    case 'subscribe':
      world.subscribe(next.client, next.filter);
      break;
    case 'unsubscribe':
      world.unsubscribe(next.client, next.filter);
      break;
    case 'publish': {
      // What is retained goes where nobody subscribes, so that no subscription brings any.
      const topic = next.retain ? `r/${next.topic}` : next.topic;
      for (let i = 0; i < next.times; i++) {
        world.publish(next.client, topic, next.length, { qos: next.qos, retain: next.retain });
      }
      break;
    }
    case 'stranger':
      world.strangers.push(world.open());
      break;
    case 'look':
      await look(world);
      return;
  }
  await turns(12);
}

/** Lets the time of a look come, and compares what it says with what must be. */
async function look(world: World): Promise<void> {
  world.clock.advance(INTERVAL_MS - 100);
  await turns(12);
  for (const [index, session] of world.sessions) {
    if (session.client !== null || session.expiry !== SHORT_SECONDS) continue;
    world.sessions.delete(index);
    world.tally.expired++;
  }
  world.clock.advance(100);
  const expected = world.expected();
  await turns(40);
  world.hear();
  const all = new Map(world.said);
  for (const topic of ['heap/current', 'heap/maximum']) {
    expect(Number(all.get(topic)), topic).toBeGreaterThan(1_000_000);
    all.delete(topic);
  }
  expect(Object.fromEntries(all)).toEqual(Object.fromEntries(expected));
}

test('every figure is what a recount gives, whatever clients do', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 60 }), async (operations) => {
      const world = new World();
      try {
        await world.start();
        const all = [...BEGINNING, ...operations, { do: 'look' as const }];
        for (const next of all) await perform(world, next);
      } finally {
        world.server.abort();
        await world.server.stop();
      }
    }),
    { numRuns: runs(40) },
  );
}, 60_000);

test('the documentation has every topic and its meaning, and no other', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../../docs/sys-topics.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)].map(([, topic, meaning]) => ({
    topic,
    meaning,
  }));
  expect(rows).toEqual(sysFigures().map(({ topic, meaning }) => ({ topic, meaning })));
});
