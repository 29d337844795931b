// Random authorizers, clients and requests: what `explain` says is what happens on the wire, of a PUBLISH, of a SUBSCRIBE, of
// deliveries live, retained, shared and queued; and again when other rules take their place.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AclFileAuthorizer } from '../../src/auth/acl/acl-file.ts';
import { parseAclFile } from '../../src/auth/acl/acl-lines.ts';
import { AuthorizerChain } from '../../src/auth/acl/authorizer-chain.ts';
import { ClaimsAuthorizer } from '../../src/auth/acl/claims.ts';
import { RulesAuthorizer } from '../../src/auth/acl/rules.ts';
import type { AccessQuestion, Authenticator, Authorizer, Client } from '../../src/auth/auth.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { matchesFilter } from '../../src/protocol/filter.ts';
import { type Packet, PacketType, type PublishPacket, type QoS } from '../../src/protocol/index.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { Server } from '../../src/server/server.ts';
import { aclLines } from '../auth/acl/acl-arbitraries.ts';
import { LogBook } from '../kit/log-book.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { accessRules, permissions, plainFilter } from '../kit/rule-arbitraries.ts';
import { runs } from '../kit/runs.ts';
import { settle } from '../kit/wire.ts';

const ADMIN = 'admin';
const TOPICS = [
  'a',
  'bob',
  '1',
  'a/b',
  'a/bob',
  'b/1',
  'bob/1',
  '/a',
  'a/',
  '$s',
  '$s/a',
  '$s/bob',
];
const TURNS = 10;

const authorizers = fc.record({
  order: fc.shuffledSubarray(['rules', 'acl', 'claims'], { minLength: 1 }),
  rules: accessRules,
  lines: aclLines,
  suback: fc.constantFrom('filter', 'mosquitto'),
});
type Written = typeof authorizers extends fc.Arbitrary<infer T> ? T : never;

const identity: fc.Arbitrary<Client> = fc
  .tuple(
    fc.constantFrom(['bob', '1'], [null, '1'], ['bob', 'bob'], ['al', 'a+b'], ['al ice', 'a']),
    fc.subarray(['g1', 'g2']),
    fc.option(permissions, { nil: undefined }),
  )
  .map(([[username, clientId], groups, allowed]) => ({
    ...{ username, clientId: clientId ?? '', groups, permissions: allowed },
    ...{ protocolVersion: 5, remoteAddress: '' },
  }));

function chainOf({ order, rules, lines, suback }: Written): AuthorizerChain {
  const made: Readonly<Record<string, () => Authorizer>> = {
    rules: () => new RulesAuthorizer({ name: 'rules', rules }),
    claims: () => new ClaimsAuthorizer({ name: 'claims' }),
    acl: () => {
      const content = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''));
      return new AclFileAuthorizer({ name: 'acl', acl: parseAclFile('acl', content), suback });
    },
  };
  const members = order.map((name) => ({ name, authorizer: made[name](), timeoutMs: 1_000 }));
  return new AuthorizerChain({ members, clock: new FakeClock(), logger: new LogBook(), suback });
}

/** As the chain says, but that one client may do everything. */
function withAdmin(chain: AuthorizerChain): Authorizer {
  const isAdmin = ({ username }: Client) => username === ADMIN;
  return {
    authorizePublish: (client, ...what) =>
      isAdmin(client) ? ReasonCode.Success : chain.authorizePublish(client, ...what),
    authorizeSubscribe: (client, ...what) =>
      isAdmin(client) ? ReasonCode.Success : chain.authorizeSubscribe(client, ...what),
    authorizeReceive: (client, topicName) =>
      chain.authorizeReceive?.(client, topicName) ?? ReasonCode.Success,
  };
}

/** What the chain says of the client, in words. */
class Explained {
  readonly #chain: AuthorizerChain;
  readonly #client: Client;

  constructor(chain: AuthorizerChain, client: Client) {
    this.#chain = chain;
    this.#client = client;
  }

  async may(action: AccessQuestion['action'], topic: string, qos: QoS = 1, retain = false) {
    const question = { action, topic, qos, retain };
    return (await this.#chain.explain(this.#client, question)).outcome === 'allow';
  }

  /** The topics that match one of the filters that may be subscribed to, and may be received. */
  async receivable(filters: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (const topic of TOPICS) {
      if (!(await this.may('receive', topic))) continue;
      for (const filter of filters) {
        if (!matchesFilter(topic, filter) || !(await this.may('subscribe', filter))) continue;
        found.push(topic);
        break;
      }
    }
    return found.sort();
  }
}

/** The client in question, and the admin. */
class World {
  readonly server: Server;
  readonly #client: Client;
  readonly #authenticator: Authenticator;

  private constructor(client: Client, authorizer: Authorizer) {
    const { groups, username: name } = client;
    this.#client = client;
    this.#authenticator = {
      authenticate: ({ username }) =>
        username === ADMIN
          ? { reasonCode: ReasonCode.Success, username }
          : {
              ...{ reasonCode: ReasonCode.Success, username: name, groups },
              permissions: client.permissions,
            },
    };
    const authenticator = this.#authenticator;
    this.server = new Server({ clock: new FakeClock(), authenticator, authorizer });
  }

  static async start(client: Client, authorizer: Authorizer): Promise<World> {
    const world = new World(client, authorizer);
    await world.server.start();
    return world;
  }

  /** Access by another chain from now on. */
  async replace(authorizer: Authorizer): Promise<void> {
    await this.server.setAccess({ authenticator: this.#authenticator, authorizer });
  }

  async connect(username = this.#client.username): Promise<PacketClient> {
    const client = new PacketClient(this.server.connect());
    client.send({
      ...{ type: PacketType.Connect, protocolVersion: 5, isBridge: false, cleanStart: false },
      ...{ keepAlive: 0, will: null, username, password: null },
      clientId: username === ADMIN ? ADMIN : this.#client.clientId,
      properties: { sessionExpiryInterval: 1_000 },
    });
    await settle(TURNS);
    expect(client.packets.shift()).toMatchObject({ type: PacketType.Connack, reasonCode: 0 });
    return client;
  }

  async stop(): Promise<void> {
    this.server.abort();
    await this.server.stop();
  }
}

/** A message to each topic; the topics of those that were not refused. */
async function publishAll(client: PacketClient, qos: 1 | 2, retain = false, payload = '') {
  const ids = TOPICS.map((topic) => {
    const packetId = client.nextPacketId;
    client.publish(topic, payload, qos, { packetId, retain });
    return packetId;
  });
  await settle(TURNS);
  const type = qos === 1 ? PacketType.Puback : PacketType.Pubrec;
  const taken = TOPICS.filter((_, i) =>
    client.packets.some(
      (packet) => packet.type === type && packet.packetId === ids[i] && packet.reasonCode < 0x80,
    ),
  );
  if (qos === 2) for (const id of ids) client.acknowledge(6, id);
  await settle(TURNS);
  client.take();
  return taken;
}

const isPublish = (packet: Packet): packet is PublishPacket => packet.type === PacketType.Publish;

/** The topics that came, in order of their names. */
function received(client: PacketClient): string[] {
  const messages = client.take().filter(isPublish);
  for (const { qos, packetId } of messages) if (qos === 1) client.acknowledge(4, packetId);
  return messages.map(({ topicName }) => topicName).sort();
}

/** Subscribes with QoS 1; whether it is granted. */
async function subscribe(client: PacketClient, topicFilter: string): Promise<boolean> {
  client.subscribe({ topicFilter, qos: 1 });
  await settle(TURNS);
  const suback = client.packets.find(({ type }) => type === PacketType.Suback);
  return suback?.type === PacketType.Suback && suback.reasonCodes[0] < 0x80;
}

async function checkPublish(subject: PacketClient, explained: Explained): Promise<void> {
  for (const qos of [1, 2] as const) {
    for (const retain of [false, true]) {
      const expected: string[] = [];
      for (const topic of TOPICS) {
        if (await explained.may('publish', topic, qos, retain)) expected.push(topic);
      }
      expect([qos, retain, await publishAll(subject, qos, retain)]).toEqual([
        qos,
        retain,
        expected,
      ]);
    }
  }
}

/** Each SUBSCRIBE, and the retained messages behind it; returns what was granted. */
async function checkSubscribe(
  subject: PacketClient,
  explained: Explained,
  filters: readonly string[],
): Promise<string[]> {
  const granted: string[] = [];
  for (const filter of filters) {
    const isGranted = await subscribe(subject, filter);
    expect([filter, isGranted]).toEqual([filter, await explained.may('subscribe', filter)]);
    if (isGranted) granted.push(filter);
    const retained = isGranted ? await explained.receivable([filter]) : [];
    expect(['retained', filter, received(subject)]).toEqual(['retained', filter, retained]);
  }
  return granted;
}

async function check(client: Client, first: Written, second: Written, filters: readonly string[]) {
  const [chain, other] = [chainOf(first), chainOf(second)];
  const explained = new Explained(chain, client);
  const world = await World.start(client, withAdmin(chain));
  try {
    const subject = await world.connect();
    const admin = await world.connect(ADMIN);
    await checkPublish(subject, explained);
    await publishAll(admin, 1, true, 'retained');
    const granted = await checkSubscribe(subject, explained, filters);
    await publishAll(admin, 1);
    expect(['live', received(subject)]).toEqual(['live', await explained.receivable(granted)]);
    await world.replace(withAdmin(other));
    await publishAll(admin, 1);
    const byOther = await new Explained(other, client).receivable(granted);
    expect(['by other rules', received(subject)]).toEqual(['by other rules', byOther]);
    // Queued by the ones, sent by the others.
    await world.replace(withAdmin(chain));
    subject.destroy();
    await settle(TURNS);
    await publishAll(admin, 1);
    await world.replace(withAdmin(other));
    const again = await world.connect();
    expect(received(again).filter((topic) => !byOther.includes(topic))).toEqual([]);
    await world.replace(withAdmin(chain));
    for (const filter of granted) again.send(unsubscribe(filter));
    const [filter] = filters;
    const isShared = await subscribe(again, `$share/g/${filter}`);
    again.take();
    await publishAll(admin, 1);
    const shared = isShared ? await explained.receivable([filter]) : [];
    expect(['shared', filter, received(again)]).toEqual(['shared', filter, shared]);
  } finally {
    await world.stop();
  }
}

function unsubscribe(topicFilter: string): Packet {
  return {
    ...{ type: PacketType.Unsubscribe, packetId: 65_000, properties: {} },
    topicFilters: [topicFilter],
  };
}

test('what is explained is what happens, by whatever rules', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      identity,
      authorizers,
      authorizers,
      fc.uniqueArray(plainFilter, { minLength: 2, maxLength: 3 }),
      check,
    ),
    { numRuns: runs(150), interruptAfterTimeLimit: 30_000 },
  );
});
