// Shared subscriptions under random operations: which member gets a message is the server's choice, so the model says only
// what every choice must keep. One group per topic; members come, go and come back, and acknowledge late.
// * Each QoS 1 or 2 message reaches exactly one member, also when members went away with messages they had not been sent.
// * A message goes to a member who can take it at once while there is one.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import { PacketType, type PublishPacket, type QoS } from '../../src/protocol/index.ts';
import { Server } from '../../src/server/server.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { runs } from '../kit/runs.ts';
import { turns } from '../kit/until.ts';

const RUNS = runs(100);
const SEED = process.env.IOTHUB_MODEL_SEED;
const TURNS = 6;
const WINDOW = 2;
const MEMBERS = ['m0', 'm1', 'm2'];
const FILTER = '$share/group/jobs/+';

class Member {
  readonly clientId: string;
  connection: PacketClient | null = null;
  /** Sent to it and not acknowledged, on this connection. */
  open: PublishPacket[] = [];
  /** Payloads whose first sending it saw, in order. */
  readonly seen: number[] = [];

  constructor(clientId: string) {
    this.clientId = clientId;
  }

  get hasRoom(): boolean {
    return this.connection !== null && this.open.length < WINDOW;
  }
}

class Group {
  readonly server = new Server({
    clock: new FakeClock(),
    limits: { inflightMessagesMax: WINDOW },
  });
  readonly members = MEMBERS.map((clientId) => new Member(clientId));
  #publisher: PacketClient | null = null;
  published = 0;

  async start(): Promise<void> {
    await this.server.start();
    this.#publisher = new PacketClient(this.server.connect());
    await this.#publisher.connect('publisher');
    for (const member of this.members) {
      await this.comeBack(member);
      member.connection?.subscribe({ topicFilter: FILTER, qos: 2 });
      await member.connection?.next(PacketType.Suback);
    }
  }

  async comeBack(member: Member): Promise<void> {
    if (member.connection !== null) return;
    const connection = new PacketClient(this.server.connect());
    member.connection = connection;
    member.open = [];
    await connection.connect(member.clientId, {
      cleanStart: false,
      properties: { sessionExpiryInterval: 0xffff_ffff },
    });
    await this.look();
  }

  async goAway(member: Member): Promise<void> {
    member.connection?.destroy();
    member.connection = null;
    member.open = [];
    await this.look();
  }

  async publish(qos: QoS): Promise<void> {
    const readyBefore = this.members.filter((member) => member.hasRoom);
    const seenBefore = this.members.map((member) => member.seen.length);
    this.published++;
    this.#publisher?.publish(`jobs/${qos}`, `${this.published}`, qos);
    await this.look();
    const who = this.members.filter((member, i) => member.seen.length > seenBefore[i]);
    if (readyBefore.length > 0) {
      expect(who).toHaveLength(1);
      expect(readyBefore).toContain(who[0]);
    } else {
      expect(who).toHaveLength(0);
    }
  }

  async acknowledge(member: Member, pick: number): Promise<void> {
    if (member.connection === null || member.open.length === 0) return;
    const [packet] = member.open.splice(pick % member.open.length, 1);
    if (packet.qos === 1) {
      member.connection.acknowledge(4, packet.packetId);
    } else {
      member.connection.acknowledge(5, packet.packetId);
      await turns(TURNS);
      member.connection.acknowledge(7, packet.packetId);
    }
    await this.look();
  }

  /** Takes down what everybody received. */
  async look(): Promise<void> {
    await turns(TURNS);
    for (const member of this.members) {
      for (const packet of member.connection?.takePublishes() ?? []) {
        const serial = Number(Buffer.from(packet.payload).toString());
        if (!packet.dup || !member.seen.includes(serial)) member.seen.push(serial);
        member.open.push(packet);
      }
    }
  }

  /** Everybody comes back and takes all there is. */
  async end(): Promise<void> {
    for (const member of this.members) await this.comeBack(member);
    while (this.members.some((member) => member.open.length > 0)) {
      for (const member of this.members) await this.acknowledge(member, 0);
    }
    const all = this.members.flatMap((member) => member.seen).sort((a, b) => a - b);
    expect(all, 'each message once').toEqual(
      Array.from({ length: this.published }, (_, i) => i + 1),
    );
    const stats = this.server.stats();
    expect(stats.queuedMessages + stats.inflightMessages).toBe(0);
    expect(stats.sharedSubscriptions).toBe(MEMBERS.length);
    expect(Object.values(stats.dropped).every((count) => count === 0)).toBe(true);
  }
}

const member = fc.nat(MEMBERS.length - 1);
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('publish'), qos: fc.constantFrom(1, 2) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('acknowledge'), member, pick: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave'), member }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('return'), member }) },
);

test(
  `a shared subscription gives each message to one member over ${RUNS} random sequences`,
  async () => {
    const property = fc.asyncProperty(
      fc.array(operation, { minLength: 5, maxLength: 40, size: 'max' }),
      async (operations) => {
        const group = new Group();
        await group.start();
        try {
          for (const op of operations) {
            if ('qos' in op) await group.publish(op.qos as QoS);
            else if ('pick' in op) await group.acknowledge(group.members[op.member], op.pick);
            else if (op.do === 'leave') await group.goAway(group.members[op.member]);
            else await group.comeBack(group.members[op.member]);
          }
          await group.end();
        } finally {
          group.server.abort();
          await group.server.stop();
        }
      },
    );
    await fc.assert(property, {
      numRuns: RUNS,
      ...(SEED === undefined ? {} : { seed: Number(SEED) }),
    });
  },
  RUNS * 200 + 20_000,
);
