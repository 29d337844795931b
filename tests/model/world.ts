// A server under a fake clock beside the model of it: every step is done to both, then everything that every client received
// is compared with what the model says, and the server's counters with a recount.

import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import {
  type AckPacket,
  type Packet,
  PacketType,
  type ProtocolVersion,
  type PublishPacket,
} from '../../src/protocol/index.ts';
import { Server } from '../../src/server/server.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { turns } from '../kit/until.ts';
import { RESERVED_OPEN } from '../kit/wire.ts';
import {
  type Expected,
  Model,
  type ModelConnect,
  type ModelLimits,
  type ModelMessage,
  type ModelSession,
  type ModelSubscription,
} from './model.ts';

const TURNS = 5;
/** Everything happens on this grid, which is the timer wheel's, so that nothing is late. */
const GRID_MS = 50;

/** A client as it stands outside: its connection and what it has not acknowledged. */
class Client {
  readonly connection: PacketClient;
  readonly version: ProtocolVersion;
  /** Deliveries that it could acknowledge, and how. */
  readonly open: { readonly expected: Expected; step: 'puback' | 'pubrec' | 'pubcomp' }[] = [];
  readonly aliases = new Map<string, number>();

  constructor(connection: PacketClient) {
    this.connection = connection;
    this.version = connection.version;
  }
}

export class World {
  readonly server: Server;
  readonly model: Model;
  readonly clock = new FakeClock();
  readonly #clients = new Map<string, Client>();
  #serial = 0;

  constructor(limits: ModelLimits) {
    this.server = new Server({
      ...RESERVED_OPEN,
      clock: this.clock,
      limits: { ...limits, topicAliasMax: 4 },
    });
    this.model = new Model(limits, this.clock.now());
  }

  session(clientId: string): ModelSession | null {
    const session = this.model.sessions.get(clientId);
    return session?.isConnected === true && this.#clients.has(clientId) ? session : null;
  }

  client(clientId: string): Client {
    const client = this.#clients.get(clientId);
    if (client === undefined) throw new Error(`${clientId} is not connected`);
    return client;
  }

  message(
    publisher: string,
    fields: Pick<ModelMessage, 'topicName' | 'qos' | 'retain' | 'expiry'>,
  ) {
    return { ...fields, payload: `${++this.#serial}`, publisher, atMs: 0 };
  }

  async connect(connect: ModelConnect, topicAliasMaximum: number): Promise<void> {
    const { clientId, version, will } = connect;
    const previous = this.#clients.get(clientId);
    const isV5 = version === 5;
    await this.#avoidTies();
    const client = new Client(new PacketClient(this.server.connect(), version));
    client.connection.sendConnect(clientId, {
      cleanStart: connect.cleanStart,
      will: will && {
        topicName: will.message.topicName,
        payload: Buffer.from(will.message.payload),
        qos: will.message.qos,
        retain: will.message.retain,
        properties: isV5
          ? {
              willDelayInterval: will.delay,
              messageExpiryInterval: will.message.expiry ?? undefined,
            }
          : {},
      },
      properties: isV5
        ? {
            sessionExpiryInterval: connect.expiry,
            receiveMaximum: connect.receiveMaximum,
            topicAliasMaximum,
          }
        : {},
    });
    const sessionPresent = this.model.connect(connect);
    await turns(TURNS);
    if (previous !== undefined) {
      expect(previous.connection.hasEnded, 'the former connection was ended').toBe(true);
      const rest = previous.connection.take();
      if (previous.version === 5) expect(rest.at(-1)).toMatchObject({ type: 14, reasonCode: 0x8e });
    }
    this.#clients.set(clientId, client);
    const connack = client.connection.packets.shift();
    const shown = sessionPresent && version !== 3;
    sameFields(connack, { type: 2, reasonCode: 0, sessionPresent: shown }, 'CONNACK');
    await this.check();
  }

  /** Politely (DISCONNECT), with its will, or without a word. */
  async disconnect(clientId: string, how: 'normal' | 'with will' | 'rude'): Promise<void> {
    await this.#avoidTies();
    await this.#leave(clientId, how);
  }

  async #leave(clientId: string, how: 'normal' | 'with will' | 'rude'): Promise<void> {
    const { connection, version } = this.client(clientId);
    const session = this.session(clientId);
    if (session === null) return;
    this.#clients.delete(clientId);
    const isRude = how === 'rude' || (how === 'with will' && version !== 5);
    if (isRude) {
      connection.destroy();
    } else {
      const reasonCode = how === 'normal' ? 0 : 4;
      connection.send({ type: PacketType.Disconnect, reasonCode, properties: {} });
    }
    this.model.disconnect(session, how !== 'normal');
    await this.check();
    if (!isRude) expect(connection.take().length + Number(connection.hasEnded)).toBe(1);
  }

  async subscribe(clientId: string, requests: readonly ModelSubscription[]): Promise<void> {
    const { connection, version } = this.client(clientId);
    const session = this.session(clientId);
    if (session === null) return;
    const { identifier } = requests[0];
    const packetId = connection.nextPacketId;
    connection.send({
      type: PacketType.Subscribe,
      packetId,
      subscriptions: requests,
      properties:
        identifier === 0 || version !== 5 ? {} : { subscriptionIdentifiers: [identifier] },
    });
    this.model.subscribe(session, requests);
    const reasonCodes = requests.map((request) => request.qos);
    await this.check(clientId, { type: PacketType.Suback, packetId, reasonCodes });
  }

  async unsubscribe(clientId: string, topicFilters: readonly string[]): Promise<void> {
    const { connection, version } = this.client(clientId);
    const session = this.session(clientId);
    if (session === null) return;
    const packetId = connection.nextPacketId;
    connection.send({ type: PacketType.Unsubscribe, packetId, topicFilters, properties: {} });
    const codes = topicFilters.map((f) => (this.model.unsubscribe(session, f) ? 0 : 0x11));
    const reasonCodes = version === 5 ? codes : [];
    await this.check(clientId, { type: PacketType.Unsuback, packetId, reasonCodes });
  }

  /** `thenDies`: the client is gone before the answer can reach it. */
  async publish(
    clientId: string,
    message: ModelMessage,
    useAlias: boolean,
    thenDies = false,
  ): Promise<void> {
    const client = this.client(clientId);
    const session = this.session(clientId);
    if (session === null) return;
    const { connection, version } = client;
    const isV5 = version === 5;
    const packetId = message.qos === 0 ? 0 : connection.nextPacketId;
    if (message.qos === 2 && session.inbound.has(packetId)) return;
    await this.#avoidTies();
    const properties: PublishPacket['properties'] = {};
    let topicName = message.topicName;
    if (isV5 && message.expiry !== null) properties.messageExpiryInterval = message.expiry;
    if (isV5 && useAlias && (client.aliases.has(topicName) || client.aliases.size < 4)) {
      const known = client.aliases.get(topicName);
      properties.topicAlias = known ?? client.aliases.size + 1;
      client.aliases.set(topicName, properties.topicAlias);
      if (known !== undefined) topicName = '';
    }
    connection.publish(topicName, message.payload, message.qos, {
      retain: message.retain,
      packetId,
      properties,
    });
    const subscribers = this.model.publish(message);
    if (message.qos === 2) session.inbound.add(packetId);
    if (thenDies) {
      this.model.loseUnsent(clientId);
      await this.#leave(clientId, 'rude');
      return;
    }
    const reasonCode = isV5 && subscribers === 0 ? 0x10 : 0;
    const type = message.qos === 1 ? PacketType.Puback : PacketType.Pubrec;
    if (message.qos === 0) await this.check();
    else await this.check(clientId, { type, packetId, reasonCode });
  }

  /** Sends a QoS 2 PUBLISH again that was not released: PUBREC, and nobody gets it. */
  async repeat(clientId: string, pick: number): Promise<void> {
    const { connection } = this.client(clientId);
    const packetId = pickFrom([...(this.session(clientId)?.inbound ?? [])], pick);
    if (packetId === undefined) return;
    connection.publish('a/b', 'again', 2, { packetId, dup: true });
    await this.check(clientId, { type: PacketType.Pubrec, packetId, reasonCode: 0 });
  }

  /** PUBREL of one of its own QoS 2 messages, or of one that never was. */
  async release(clientId: string, pick: number): Promise<void> {
    const { connection, version } = this.client(clientId);
    const session = this.session(clientId);
    if (session === null) return;
    const known = pickFrom([...session.inbound], pick);
    const packetId = known ?? 60_000;
    session.inbound.delete(packetId);
    connection.acknowledge(6, packetId);
    const reasonCode = known === undefined && version === 5 ? 0x92 : 0;
    await this.check(clientId, { type: PacketType.Pubcomp, packetId, reasonCode });
  }

  /** The next step of one delivery that the client has not finished, in whatever order it likes. */
  async acknowledge(clientId: string, pick: number, refuses = false): Promise<void> {
    const { connection, open, version } = this.client(clientId);
    const session = this.session(clientId);
    const delivery = pickFrom(open, pick);
    if (session === null || delivery === undefined) return;
    const { entry } = delivery.expected;
    const { packetId } = entry;
    open.splice(open.indexOf(delivery), 1);
    if (refuses && version === 5 && delivery.step !== 'pubcomp') {
      const type = delivery.step === 'puback' ? 4 : 5;
      connection.send({ type, packetId, reasonCode: 0x80, properties: {} });
      this.model.finish(session, entry, true);
    } else if (delivery.step === 'pubrec') {
      connection.acknowledge(5, packetId);
      this.model.release(session, entry);
    } else {
      connection.acknowledge(delivery.step === 'puback' ? 4 : 7, packetId);
      this.model.finish(session, entry);
    }
    await this.check();
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    this.model.advance(this.clock.now());
    await this.check();
  }

  /** What everybody received is what they must have received; `answer` is what `clientId` gets for what it sent. */
  async check(clientId?: string, answer?: Partial<Packet>): Promise<void> {
    await turns(TURNS);
    for (const [id, client] of this.#clients) {
      const packets = client.connection.take();
      const isFlow = ({ type }: Packet) =>
        type === PacketType.Publish || type === PacketType.Pubrel;
      const answers = packets.filter((packet) => !isFlow(packet));
      same(answers.length, id === clientId ? 1 : 0, `answers to ${id}`);
      if (id === clientId) sameFields(answers[0], answer ?? {}, `the answer to ${id}`);
      this.#checkFlow(id, client, packets.filter(isFlow) as (PublishPacket | AckPacket)[]);
      same(client.connection.hasEnded, false, `the end of ${id}`);
    }
    this.model.expected.clear();
    this.checkCounters();
  }

  checkCounters(): void {
    const stats = this.server.stats();
    const sessions = [...this.model.sessions.values()];
    const sum = (count: (session: ModelSession) => number) =>
      sessions.reduce((total, session) => total + count(session), 0);
    const { dropped, retainedBytes: _, retainedMessages, ...counters } = stats;
    const recount = {
      connections: this.#clients.size,
      halfConnected: 0,
      sessions: sessions.length,
      sessionsConnected: this.#clients.size,
      subscriptions: sum((session) => session.subscriptions.length),
      sharedSubscriptions: 0,
      queuedMessages: sum((session) => session.queue.length),
      queuedBytes: sum((session) =>
        session.queue.reduce((bytes, entry) => bytes + sizeOf(entry.message), 0),
      ),
      inflightMessages: sum((session) => session.inflight.length),
    };
    same(counters, recount, 'the counters');
    const lost = Object.entries(dropped).filter(([, count]) => count > 0);
    same(Object.fromEntries(lost), this.model.drops, 'lost messages');
    // An expired retained message counts until a sweep finds it.
    const live = [...this.model.retained.values()].filter((m) => !this.model.isExpired(m));
    const { size } = this.model.retained;
    const isBetween = retainedMessages >= live.length && retainedMessages <= size;
    same(isBetween, true, `${retainedMessages} retained between ${live.length} and ${size}`);
  }

  /** Everybody comes back and takes all there is; then everybody goes, and nothing may be left. */
  async end(): Promise<void> {
    for (const session of [...this.model.sessions.values()]) {
      if (!this.#clients.has(session.clientId)) await this.#comeBack(session.clientId);
    }
    for (const clientId of this.#clients.keys()) {
      while (this.client(clientId).open.length > 0) await this.acknowledge(clientId, 0);
    }
    for (const session of this.model.sessions.values()) {
      expect([session.queue, session.inflight, session.scans], 'all was taken').toEqual([
        [],
        [],
        [],
      ]);
    }
    for (const clientId of [...this.#clients.keys()]) await this.disconnect(clientId, 'normal');
    // Now all that expires does, and sweeps find it.
    await this.advance(15_000);
    same(this.model.sessions.size, 0, 'sessions');
    const { retainedBytes, retainedMessages } = this.server.stats();
    const live = [...this.model.retained.values()].filter((m) => !this.model.isExpired(m));
    same(retainedMessages, live.length, 'retained messages');
    const bytes = live.reduce((total, message) => total + sizeOf(message), 0);
    same(retainedBytes, bytes, 'bytes of retained messages');
  }

  async #comeBack(clientId: string): Promise<void> {
    const version = this.model.sessions.get(clientId)?.version ?? 5;
    await this.connect(
      { clientId, version, cleanStart: false, expiry: 3, receiveMaximum: 2, will: null },
      0,
    );
  }

  /** Two wills at one moment would have no order: no two things happen at the same time. */
  async #avoidTies(): Promise<void> {
    this.clock.advance(GRID_MS);
    this.model.advance(this.clock.now());
    // what fell due just now comes first
    await turns(TURNS);
    const due = new Set(this.model.dueTimes());
    for (let seconds = 0; seconds <= 20; seconds++) {
      if (due.has(this.clock.now() + seconds * 1_000)) return this.#avoidTies();
    }
  }

  #checkFlow(id: string, client: Client, packets: (PublishPacket | AckPacket)[]): void {
    const expected = this.model.expected.get(id) ?? [];
    const plain = expected.map(({ entry: _, ...rest }) =>
      rest.kind === 'pubrel' ? { kind: 'pubrel' } : rest,
    );
    same(packets.map(plainOf), plain, `messages to ${id}`);
    const session = this.model.sessions.get(id);
    for (let i = 0; i < packets.length; i++) {
      const { packetId } = packets[i];
      const { dup, entry, kind, qos } = expected[i];
      if (qos === 0) continue;
      if (kind === 'publish' && (!dup || entry.packetId === 0)) {
        const others = session?.inflight.filter((other) => other !== entry) ?? [];
        const isUsed = others.some((other) => other.packetId === packetId);
        same(isUsed, false, `packet id ${packetId} in use`);
        entry.packetId = packetId;
      }
      same(packetId, entry.packetId, 'the packet id of the message');
      const step = kind === 'pubrel' ? 'pubcomp' : qos === 1 ? 'puback' : 'pubrec';
      client.open.push({ expected: expected[i], step });
    }
    const sent = session?.inflight.filter((entry) => entry.isSent).length ?? 0;
    same(sent <= (session?.window ?? 0), true, `${sent} in flight within the window`);
  }
}

/** `expect` for the many cases where it holds, at a hundredth of its price. */
function same(actual: unknown, wanted: unknown, what: string): void {
  if (!isDeepStrictEqual(actual, wanted)) expect(actual, what).toStrictEqual(wanted);
}

/** The same for the fields that `wanted` has. */
function sameFields(actual: Packet | undefined, wanted: Partial<Packet>, what: string): void {
  const fields = Object.entries(actual ?? {}).filter(([name]) => name in wanted);
  same(Object.fromEntries(fields), wanted, what);
}

function plainOf(packet: PublishPacket | AckPacket): unknown {
  if (packet.type !== PacketType.Publish) return { kind: 'pubrel' };

  const { properties } = packet;
  return {
    kind: 'publish',
    topicName: packet.topicName,
    payload: Buffer.from(packet.payload).toString(),
    qos: packet.qos,
    retain: packet.retain,
    dup: packet.dup,
    identifiers: [...(properties.subscriptionIdentifiers ?? [])].sort((a, b) => a - b),
    expiry: properties.messageExpiryInterval ?? null,
  };
}

/** What a queue is charged for a message without properties: the topic as on the wire and the payload. */
/** Bytes that it is charged with. */
export function sizeOf(message: ModelMessage): number {
  return 2 + message.topicName.length + message.payload.length;
}

function pickFrom<T>(items: readonly T[], pick: number): T | undefined {
  return items.length === 0 ? undefined : items[pick % items.length];
}
