// What the way of a message through the server costs without a socket: PUBLISH in, routed, delivered to online sessions, out, and
// the acknowledgements of both sides. Nanoseconds per delivered message, over pipes in memory, in batches as a busy socket
// brings them. What the clients of this benchmark do themselves is measured and taken off. `npm run bench:micro -- session
// [memory|delivery|quotas|access|ledger]`.

import type { Authorizer } from '../../src/auth/auth.ts';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';
import { encodePacket, Framer, PacketType, type QoS } from '../../src/protocol/index.ts';
import { TopicTable } from '../../src/protocol/topic.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { Server } from '../../src/server/server.ts';
import { Access } from '../../src/session/access.ts';
import { Decisions, publishSlot } from '../../src/session/decisions.ts';
import type { Stream, StreamSink } from '../../src/transport/stream.ts';
import { round } from './timing.ts';

const PAYLOAD_BYTES = 64;
/** Messages that come in one chunk; below every window and limit. */
const BATCH = 32;
const WARM_UP_BATCHES = 500;
const BATCHES = 200;
const ROUNDS = 9;
const PACKET_IDS = 60_000;

const ACK_HEADERS: Readonly<Record<number, number>> = {
  [PacketType.Puback]: 0x40,
  [PacketType.Pubrec]: 0x50,
  [PacketType.Pubrel]: 0x62,
  [PacketType.Pubcomp]: 0x70,
};

/** Nanoseconds that clients took; not the server's. */
let clientNs = 0n;

/** Acknowledges what it must, all of a chunk in one write, and counts. */
class Client implements StreamSink {
  received = 0;
  acknowledged = 0;
  readonly stream: Stream;
  readonly #framer = new Framer(Number.POSITIVE_INFINITY);
  readonly #acks = Buffer.allocUnsafeSlow(65_536);
  #acksEnd = 0;

  constructor(stream: Stream) {
    this.stream = stream;
    stream.open(this);
  }

  onData(chunk: Uint8Array, length: number): void {
    const start = process.hrtime.bigint();
    const framer = this.#framer;
    framer.feed(chunk, 0, length);
    this.#acksEnd = 0;
    while (framer.next()) this.#onPacket(framer);
    framer.keep();
    if (this.#acksEnd > 0) this.stream.write(this.#acks.subarray(0, this.#acksEnd));
    clientNs += process.hrtime.bigint() - start;
  }

  onWritten(): void {}
  onEnd(): void {}
  onClose(): void {}

  #onPacket({ header, bytes, start }: Framer): void {
    const type = header >> 4;
    if (type === PacketType.Publish) {
      this.received++;
      const qos = (header >> 1) & 3;
      const idAt = start + 2 + ((bytes[start] << 8) | bytes[start + 1]);
      if (qos > 0) this.#ack(qos === 1 ? PacketType.Puback : PacketType.Pubrec, bytes, idAt);
    } else if (type === PacketType.Puback || type === PacketType.Pubcomp) this.acknowledged++;
    else if (type === PacketType.Pubrec) this.#ack(PacketType.Pubrel, bytes, start);
    else if (type === PacketType.Pubrel) this.#ack(PacketType.Pubcomp, bytes, start);
  }

  #ack(type: number, bytes: Uint8Array, idAt: number): void {
    const acks = this.#acks;
    acks[this.#acksEnd++] = ACK_HEADERS[type];
    acks[this.#acksEnd++] = 2;
    acks[this.#acksEnd++] = bytes[idAt];
    acks[this.#acksEnd++] = bytes[idAt + 1];
  }
}

function connected(server: Server, clientId: string): Client {
  const client = new Client(server.connect());
  client.stream.write(
    encodePacket(
      {
        type: PacketType.Connect,
        protocolVersion: 4,
        isBridge: false,
        cleanStart: true,
        keepAlive: 0,
        clientId,
        will: null,
        username: null,
        password: null,
        properties: {},
      },
      4,
    ) ?? new Uint8Array(0),
  );
  return client;
}

function subscribe(client: Client, qos: QoS): void {
  const rest = { noLocal: false, retainAsPublished: false, retainHandling: 0 as const };
  const subscriptions = [{ topicFilter: 'site/+/temperature', qos, ...rest }];
  const type = PacketType.Subscribe;
  client.stream.write(
    encodePacket({ type, packetId: 1, subscriptions, properties: {} }, 4) ?? new Uint8Array(0),
  );
}

/** Chunks of BATCH messages each, packet ids and topics going round. */
function chunksOf(qos: QoS, topics: number): Uint8Array[] {
  const payload = new Uint8Array(PAYLOAD_BYTES).fill(0x2e);
  const chunks: Uint8Array[] = [];
  let packetId = 0;
  while (packetId + BATCH <= PACKET_IDS) {
    const packets: Uint8Array[] = [];
    for (let i = 0; i < BATCH; i++) {
      const topicName = `site/${packetId++ % topics}/temperature`;
      const type = PacketType.Publish;
      const rest = { dup: false, retain: false, packetId: qos === 0 ? 0 : packetId };
      const packet = { type, qos, topicName, payload, properties: {}, ...rest };
      packets.push(encodePacket(packet, 4) ?? new Uint8Array(0));
    }
    chunks.push(Buffer.concat(packets));
  }
  return chunks;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Median of the rounds. */
async function measure(
  qos: QoS,
  subscribers: number,
  options: ServerOptions = {},
  topics = 1,
): Promise<number> {
  const server = new Server(options);
  await server.start();
  const publisher = connected(server, 'publisher');
  const receivers = Array.from({ length: subscribers }, (_, i) => connected(server, `s${i}`));
  await turn();
  for (const receiver of receivers) subscribe(receiver, qos);
  const chunks = chunksOf(qos, topics);
  let sent = 0;
  const send = async (batches: number) => {
    for (let i = 0; i < batches; i++) {
      publisher.stream.write(chunks[(sent / BATCH) % chunks.length]);
      sent += BATCH;
      const isDone = () =>
        receivers.every(({ received }) => received === sent) &&
        (qos === 0 || publisher.acknowledged === sent);
      for (let turns = 0; !isDone(); turns++) {
        if (turns > 1_000) throw new Error(`QoS ${qos}: messages are missing`);
        await turn();
      }
    }
  };
  const deliveries = Math.max(1, subscribers); // to nobody counts as one
  await send(Math.ceil(WARM_UP_BATCHES / deliveries) + 50);
  const batches = Math.ceil(BATCHES / Math.sqrt(deliveries));
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    clientNs = 0n;
    const start = process.hrtime.bigint();
    await send(batches);
    const elapsed = process.hrtime.bigint() - start - clientNs;
    times.push(Number(elapsed) / (batches * BATCH * deliveries));
  }
  server.abort();
  await server.stop();
  return times.sort((a, b) => a - b)[ROUNDS >> 1];
}

async function benchDelivery(): Promise<void> {
  console.log(
    '\nsession, ns per delivered message, in batches of 32: 1 subscriber | 50 subscribers',
  );
  for (const qos of [0, 1, 2] as const) {
    const [alone, many] = [await measure(qos, 1), await measure(qos, 50)];
    console.log(`  QoS ${qos} ${round(alone)} | ${round(many)}`);
  }
}

/** In turns, the least of them: the others were disturbed. */
const RUNS = 5;

/** Least of the runs, of each case. */
async function inTurns(
  cases: readonly ServerOptions[],
  qos: QoS,
  subscribers: number,
  topics = 1,
): Promise<number[]> {
  const least = cases.map(() => Number.POSITIVE_INFINITY);
  for (let run = 0; run < RUNS; run++) {
    for (const [i, options] of cases.entries()) {
      least[i] = Math.min(least[i], await measure(qos, subscribers, options, topics));
    }
  }
  return least;
}

/** What is never used up. */
const WIDE = { messagesPerSecond: 1e9, bytesPerSecond: 1e12 };
const QUOTAS: Readonly<Record<string, ServerOptions>> = {
  none: {},
  'for others': { quotas: [{ clientId: 'nobody', ...WIDE }] },
  one: { quotas: [{ clientId: '*', ...WIDE }] },
  three: {
    quotas: [
      { clientId: '*', ...WIDE },
      { clientId: '*', per: 'user', ...WIDE, over: 'refuse' },
      { clientId: '*', per: 'rule', ...WIDE, over: 'disconnect' },
    ],
  },
};

async function benchQuotas(): Promise<void> {
  const least = await inTurns(Object.values(QUOTAS), 0, 1);
  console.log(
    `\nquotas, ns per message of QoS 0, 1 subscriber: ${Object.keys(QUOTAS).join(' | ')}`,
  );
  console.log(`  ${least.map(round).join(' | ')}`);
}

/** Allows everything; what it costs to ask it is no part of this. */
function authorizer(isWhole: boolean): Authorizer {
  return {
    authorizePublish: () => 0,
    authorizeSubscribe: () => ({ qosMax: 2, isWhole }),
    authorizeReceive: () => 0,
  };
}

const ACCESS: Readonly<Record<string, ServerOptions>> = {
  none: {},
  'authorizer, cached topic': { authorizer: authorizer(true) },
  'receive asked, cached': { authorizer: authorizer(false) },
};

/** Topics: one that is asked about again and again; as many as come in turns from a gateway; more than are remembered. */
const ACCESS_LOADS: readonly (readonly [
  name: string,
  qos: QoS,
  subscribers: number,
  topics: number,
])[] = [
  ['QoS 0, 1 topic, 1 subscriber', 0, 1, 1],
  ['QoS 0, 1 topic, 50 subscribers', 0, 50, 1],
  ['QoS 1, 1 topic, 1 subscriber', 1, 1, 1],
  ['QoS 0, 100 topics, 1 subscriber', 0, 1, 100],
  ['QoS 0, 100 topics, 50 subscribers', 0, 50, 100],
  ['QoS 0, 1,000 topics, 1 subscriber', 0, 1, 1_000],
];

async function benchAccess(): Promise<void> {
  console.log(`\naccess, ns per delivered message: ${Object.keys(ACCESS).join(' | ')}`);
  for (const [name, qos, subscribers, topics] of ACCESS_LOADS) {
    const least = await inTurns(Object.values(ACCESS), qos, subscribers, topics);
    console.log(`  ${name.padEnd(34)} ${least.map(round).join(' | ')}`);
  }
}

/** The ledger of lost messages, which is asked nothing while nothing is lost. */
const LEDGER: Readonly<Record<string, ServerOptions>> = {
  'no ledger': { drops: { ledger: false } },
  ledger: {},
};

async function benchLedger(): Promise<void> {
  console.log(`\nlost messages, ns per message: ${Object.keys(LEDGER).join(' | ')}`);
  for (const [name, qos, subscribers, topics] of [
    ['QoS 0, 1 subscriber, none lost', 0, 1, 1],
    ['QoS 1, 1 subscriber, none lost', 1, 1, 1],
    ['QoS 1, for nobody, 1 topic', 1, 0, 1],
    ['QoS 1, for nobody, 100 topics', 1, 0, 100],
  ] as const) {
    const least = await inTurns(Object.values(LEDGER), qos, subscribers, topics);
    console.log(`  ${name.padEnd(34)} ${least.map(round).join(' | ')}`);
  }
}

const REMEMBERING = 5_000;

function heapUsed(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** What a session takes that remembers answers about so many topics. */
function benchMemory(): void {
  const access = new Access(authorizer(true));
  const table = new TopicTable(DEFAULT_LIMITS);
  const all = Array.from({ length: 200 }, (_, i) => table.of(`site/${i}/temperature`));
  console.log('\nbytes of heap for remembered answers about so many topics, per session');
  const alive: Decisions[][] = []; // none goes while the next ones are counted
  for (const count of [0, 1, 2, 10, 100, 200]) {
    const before = heapUsed();
    const kept = Array.from({ length: REMEMBERING }, () => {
      const decisions = new Decisions(access);
      for (let i = 0; i < count; i++) decisions.remember(all[i], publishSlot(0, false), true, 0);
      return decisions;
    });
    alive.push(kept);
    const bytes = (heapUsed() - before) / REMEMBERING;
    console.log(`  ${String(count).padStart(4)} ${round(bytes)}`);
  }
  if (alive.some((kept) => kept.length !== REMEMBERING)) throw new Error('some are gone');
}

/** Memory first, while nothing else is in the heap. */
const SUITES = {
  memory: benchMemory,
  delivery: benchDelivery,
  quotas: benchQuotas,
  access: benchAccess,
  ledger: benchLedger,
} as const;

const wanted = process.argv.slice(2);
for (const [name, run] of Object.entries(SUITES)) {
  if (wanted.length === 0 || wanted.includes(name)) await run();
}
