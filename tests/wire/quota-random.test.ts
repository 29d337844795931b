// A thousand random operations of clients that come, go, subscribe, retain and let expire, while quotas are changed and the server
// restarts. Whether each is allowed is counted anew from a model; the server, which counts as it goes, must say the same.

import { expect, test } from 'vitest';
import { Random } from '../../src/contracts/random.ts';
import type { QuotaRule } from '../../src/core/quota-rules.ts';
import { ONE_HOUR, type StoredServer, startStored } from '../kit/stored.ts';
import { publishV5 } from '../kit/traffic.ts';
import { connectPacket, RESERVED_OPEN, type WireClient } from '../kit/wire.ts';

const CLIENTS = 6;
const TOPICS = 'abcdefgh';

const RULE_SETS: readonly (readonly QuotaRule[])[] = [
  [
    { clientId: '*', per: 'rule', connectionsMax: 4, subscriptionsMax: 10 },
    { username: '*', per: 'user', connectionsMax: 2, subscriptionsMax: 5, retainedMessagesMax: 3 },
    { clientId: '*', subscriptionsMax: 4, retainedMessagesMax: 2, retainedBytesMax: 12 },
  ],
  [
    { username: 'u0', per: 'user', connectionsMax: 1, subscriptionsMax: 2, retainedBytesMax: 9 },
    { clientId: 'c5', retainedMessagesMax: 0 },
  ],
  [],
];

interface ModelSession {
  readonly isDurable: boolean;
  client: WireClient | null;
  readonly filters: Set<string>;
}

interface ModelMessage {
  readonly owner: number;
  readonly size: number;
  readonly expiresAtMs: number;
}

const clientIdOf = (i: number) => `c${i}`;
const usernameOf = (i: number) => (i % 3 === 2 ? null : `u${i % 3}`);

class Model {
  rules: readonly QuotaRule[] = RULE_SETS[0];
  readonly sessions = new Map<number, ModelSession>();
  readonly retained = new Map<string, ModelMessage>();
  readonly #stored: StoredServer;
  readonly #random: Random;

  constructor(stored: StoredServer, random: Random) {
    this.#stored = stored;
    this.#random = random;
  }

  async step(): Promise<void> {
    const i = this.#random.below(CLIENTS);
    const topic = this.#random.pick([...TOPICS]);
    const kinds = ['come', 'come', 'go', 'subscribe', 'subscribe', 'unsubscribe', 'retain'];
    const kind = this.#random.pick([...kinds, 'retain', 'delete', 'time', 'rules', 'restart']);
    const client = this.sessions.get(i)?.client ?? null;
    if (kind === 'come') await this.#come(i);
    else if (kind === 'time') await this.#pass(1_000);
    else if (kind === 'rules' && this.#random.below(3) === 0) await this.#change();
    else if (kind === 'restart' && this.#random.below(10) === 0) await this.#restart();
    else if (client === null) return;
    else if (kind === 'go') await this.#go(i, client);
    else if (kind === 'subscribe') await this.#subscribe(i, client, topic);
    else if (kind === 'unsubscribe') await this.#unsubscribe(i, client, topic);
    else if (kind === 'retain') await this.#retain(i, client, topic);
    else if (kind === 'delete') await this.#delete(client, topic);
  }

  /** What the server has in all is what the model has. */
  check(): void {
    const sessions = [...this.sessions.values()];
    const messages = [...this.retained.values()];
    expect(this.#stored.broker.server.stats()).toMatchObject({
      sessions: sessions.length,
      sessionsConnected: sessions.filter(({ client }) => client !== null).length,
      subscriptions: sessions.reduce((sum, { filters }) => sum + filters.size, 0),
      retainedMessages: messages.length,
      retainedBytes: messages.reduce((sum, { size }) => sum + size, 0),
    });
  }

  /** The rules that fit a client, each with the clients that it counts together with it. */
  #accountsOf(i: number): { rule: QuotaRule; others: (other: number) => boolean }[] {
    const fits = ({ clientId = '*', username = '**' }: QuotaRule, one: number) =>
      (clientId === '*' || clientId === clientIdOf(one)) &&
      (username === '**' ||
        (usernameOf(one) !== null && ['*', usernameOf(one)].includes(username)));
    return this.rules
      .filter((rule) => fits(rule, i))
      .map((rule) => ({
        rule,
        others: (other) => {
          if (rule.per === 'user') return usernameOf(other) === usernameOf(i);
          return rule.per === 'rule' ? fits(rule, other) : other === i;
        },
      }));
  }

  async #come(i: number): Promise<void> {
    const isAllowed = this.#accountsOf(i).every(({ rule, others }) => {
      const connected = [...this.sessions].filter(
        ([other, { client }]) => other !== i && others(other) && client !== null,
      );
      return connected.length < (rule.connectionsMax ?? 1_000);
    });
    const isDurable = this.#random.below(2) === 0;
    const client = this.#stored.broker.open();
    const properties = isDurable ? ONE_HOUR : '';
    await client.send(connectPacket(5, clientIdOf(i), false, properties, usernameOf(i)));
    const connack = await client.packet();
    expect(connack[3]).toBe(isAllowed ? 0 : 0x97);
    if (!isAllowed) return;
    const former = this.sessions.get(i);
    const filters = former?.isDurable === true ? former.filters : new Set<string>();
    this.sessions.set(i, { isDurable, client, filters });
  }

  async #go(i: number, client: WireClient): Promise<void> {
    await client.drop();
    const session = this.sessions.get(i);
    if (session?.isDurable === true) session.client = null;
    else this.sessions.delete(i);
  }

  async #subscribe(i: number, client: WireClient, topic: string): Promise<void> {
    const filters = this.sessions.get(i)?.filters ?? new Set();
    const isAllowed =
      filters.has(topic) ||
      this.#accountsOf(i).every(({ rule, others }) => {
        let count = 0;
        for (const [other, session] of this.sessions) {
          if (others(other)) count += session.filters.size;
        }
        return count < (rule.subscriptionsMax ?? 1_000);
      });
    await client.send(`82 09 0001 00 0003 '$x${topic}' 00`);
    await client.expect(`90 04 0001 00 ${isAllowed ? '00' : '97'}`);
    if (isAllowed) filters.add(topic);
  }

  async #unsubscribe(i: number, client: WireClient, topic: string): Promise<void> {
    const existed = this.sessions.get(i)?.filters.delete(topic) === true;
    await client.send(`a2 08 0001 00 0003 '$x${topic}'`);
    await client.expect(`b0 04 0001 00 ${existed ? '00' : '11'}`);
  }

  async #retain(i: number, client: WireClient, topic: string): Promise<void> {
    const payload = 'x'.repeat(1 + this.#random.below(5));
    const expires = this.#random.below(2) === 0;
    const size = 3 + payload.length;
    const former = this.retained.get(topic);
    const isAllowed = this.#accountsOf(i).every(({ rule, others }) => {
      const own = [...this.retained.values()].filter(({ owner }) => others(owner));
      const isOwn = former !== undefined && own.includes(former);
      const before = own.reduce((sum, message) => sum + message.size, 0);
      const bytes = before + size - (isOwn ? former.size : 0);
      if (bytes > (rule.retainedBytesMax ?? 1_000) && bytes > before) return false;
      return isOwn || own.length < (rule.retainedMessagesMax ?? 1_000);
    });
    if (expires) {
      const length = (11 + payload.length).toString(16).padStart(2, '0');
      await client.send(`33 ${length} 0001 '${topic}' 0007 05 02 00000003 '${payload}'`);
    } else {
      await client.send(
        publishV5({ topicName: topic, qos: 1, retain: true, packetId: 7, payload }),
      );
    }
    await client.expect(`40 03 0007 ${isAllowed ? '10' : '97'}`);
    if (!isAllowed) return;
    const nowMs = this.#stored.clock.now();
    const expiresAtMs = expires ? nowMs + 3_000 : Number.POSITIVE_INFINITY;
    this.retained.set(topic, { owner: i, size, expiresAtMs });
  }

  async #delete(client: WireClient, topic: string): Promise<void> {
    await client.send(publishV5({ topicName: topic, qos: 1, retain: true, packetId: 7 }));
    await client.expect('40 03 0007 10');
    this.retained.delete(topic);
  }

  /** Expired messages are swept every second. */
  async #pass(ms: number): Promise<void> {
    await this.#stored.broker.advance(ms);
    for (const [topic, { expiresAtMs }] of this.retained) {
      if (expiresAtMs <= this.#stored.clock.now()) this.retained.delete(topic);
    }
  }

  async #change(): Promise<void> {
    this.rules = this.#random.pick(RULE_SETS);
    await this.#stored.broker.server.setQuotas(this.rules);
  }

  /** The server comes back with the first rules and without connections. */
  async #restart(): Promise<void> {
    await this.#stored.restart();
    this.rules = RULE_SETS[0];
    for (const [i, session] of this.sessions) {
      if (session.isDurable) session.client = null;
      else this.sessions.delete(i);
    }
  }
}

for (let seed = 1; seed <= 5; seed++) {
  test(`after 1,000 random operations all counts are those of a recount (seed ${seed})`, async () => {
    const stored = await startStored({ ...RESERVED_OPEN, quotas: RULE_SETS[0] });
    const model = new Model(stored, new Random(seed));
    for (let n = 0; n < 1_000; n++) {
      await model.step();
      if (n % 50 === 0) model.check();
    }
    model.check();
  });
}
