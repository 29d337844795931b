// What the way of a message through the server costs without a socket: PUBLISH in, routed, delivered to online sessions, out, and
// the acknowledgements of both sides. Nanoseconds per delivered message, over pipes in memory, in batches as a busy socket
// brings them. What the clients of this benchmark do themselves is measured and taken off. `npm run bench:micro -- session`.

import { encodePacket, Framer, PacketType, type QoS } from '../../src/protocol/index.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { Server } from '../../src/server/server.ts';
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
  const subscriptions = [{ topicFilter: 'site/12/temperature', qos, ...rest }];
  const type = PacketType.Subscribe;
  client.stream.write(
    encodePacket({ type, packetId: 1, subscriptions, properties: {} }, 4) ?? new Uint8Array(0),
  );
}

/** Chunks of BATCH messages each, packet ids going round. */
function chunksOf(qos: QoS): Uint8Array[] {
  const payload = new Uint8Array(PAYLOAD_BYTES).fill(0x2e);
  const topicName = 'site/12/temperature';
  const chunks: Uint8Array[] = [];
  let packetId = 0;
  while (packetId + BATCH <= PACKET_IDS) {
    const packets: Uint8Array[] = [];
    for (let i = 0; i < BATCH; i++) {
      packetId++;
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
): Promise<number> {
  const server = new Server(options);
  await server.start();
  const publisher = connected(server, 'publisher');
  const receivers = Array.from({ length: subscribers }, (_, i) => connected(server, `s${i}`));
  await turn();
  for (const receiver of receivers) subscribe(receiver, qos);
  const chunks = chunksOf(qos);
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
  await send(Math.ceil(WARM_UP_BATCHES / subscribers) + 50);
  const batches = Math.ceil(BATCHES / Math.sqrt(subscribers));
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    clientNs = 0n;
    const start = process.hrtime.bigint();
    await send(batches);
    const elapsed = process.hrtime.bigint() - start - clientNs;
    times.push(Number(elapsed) / (batches * BATCH * subscribers));
  }
  server.abort();
  await server.stop();
  return times.sort((a, b) => a - b)[ROUNDS >> 1];
}

console.log('\nsession, ns per delivered message, in batches of 32: 1 subscriber | 50 subscribers');
for (const qos of [0, 1, 2] as const) {
  const [alone, many] = [await measure(qos, 1), await measure(qos, 50)];
  console.log(`  QoS ${qos} ${round(alone)} | ${round(many)}`);
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

/** In turns, the least of them: the others were disturbed. */
const RUNS = 5;

const least = Object.keys(QUOTAS).map(() => Number.POSITIVE_INFINITY);
for (let run = 0; run < RUNS; run++) {
  for (const [i, options] of Object.values(QUOTAS).entries()) {
    least[i] = Math.min(least[i], await measure(0, 1, options));
  }
}
console.log(`\nquotas, ns per message of QoS 0, 1 subscriber: ${Object.keys(QUOTAS).join(' | ')}`);
console.log(`  ${least.map(round).join(' | ')}`);
