// Access is replaced in one moment while clients are connected: who may not be here any more is ended, what may not be received
// any more is muted, everybody else notices nothing; and nobody is judged by rules that are gone.

import { expect, test } from 'vitest';
import type { Authenticator, Authorizer, Client } from '../../src/auth/auth.ts';
import type { QoS } from '../../src/protocol/packet.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { CONNACK, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { LogBook } from '../kit/log-book.ts';
import { byName, connectAs, connectAsV3, ReceiveOnly } from '../kit/rules.ts';
import { startStored } from '../kit/stored.ts';
import { subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { settle, startServer } from '../kit/wire.ts';

const FOR_A_MINUTE = '11 0000003c';
const ACCEPTED = { reasonCode: ReasonCode.Success } as const;

/** Lets in these users, and knows them again. */
function users(...names: string[]): Authenticator {
  return {
    authenticate: ({ username }) =>
      username !== null && names.includes(username)
        ? { reasonCode: ReasonCode.Success, username, by: 'users' }
        : { reasonCode: ReasonCode.BadUserNameOrPassword },
    review: (client) =>
      client.by === 'users' && names.includes(client.username ?? '') ? client : null,
  };
}

const allow = (topic: string): Authorizer => ({
  authorizePublish: (_client, name) =>
    name === topic ? ReasonCode.Success : ReasonCode.NotAuthorized,
  authorizeSubscribe: (_client, filter) =>
    filter === topic ? ReasonCode.Success : ReasonCode.NotAuthorized,
});

test('a user that is gone is disconnected with 0x87, others stay', async () => {
  const broker = await startServer({ authenticator: users('ann', 'bob') });
  const ann = await broker.connect(connectAs('ann', 'a'), CONNACK);
  const bob = await broker.connect(connectAs('bob', 'b'), CONNACK);
  const old = await broker.connect(connectAsV3('bob', 'b3'), '20 02 00 00');
  const would = await broker.server.previewAccess({ authenticator: users('ann') });
  expect(would).toEqual({ ended: 2, muted: 0, sessions: 3 });
  await bob.expectOpen(); // a preview changes nothing
  const review = await broker.server.setAccess({ authenticator: users('ann') });
  expect(review).toEqual(would);
  await expectDisconnected(bob, 0x87);
  await old.expectClosed();
  await ann.expectOpen();
  const again = broker.open();
  await again.send(connectAs('bob', 'b'));
  await expectRefused(again, 0x86);
});

test('who came in while nobody asked is ended when somebody does', async () => {
  const broker = await startServer();
  const client = await broker.connect(connectAs('ann', 'a'), CONNACK);
  await broker.server.setAccess({ authenticator: users('ann') });
  await expectDisconnected(client, 0x87);
});

test('rules count from the next packet on, also for topics that were published to before', async () => {
  const broker = await startServer({ authorizer: allow('t') });
  const client = await broker.v5('c');
  await client.send("32 06 0001 't' 0001 00");
  await client.expect('40 03 0001 10');
  await broker.server.setAccess({ authorizer: allow('u') });
  await client.send("32 06 0001 't' 0002 00 32 06 0001 'u' 0003 00");
  await client.expect('40 03 0002 87', '40 03 0003 10');
  await broker.server.setAccess({});
  await client.send("32 06 0001 't' 0004 00");
  await client.expect('40 03 0004 10');
});

test('a subscription that is not allowed any more is muted, and heard again when rules allow it again', async () => {
  const broker = await startServer({ authorizer: allow('t') });
  const subscriber = await subscriberV5(broker, 's', 't', 1);
  const away = await subscriberV5(broker, 'away', 't', 1, FOR_A_MINUTE);
  await away.drop();
  await broker.server.setAccess({});
  const publisher = await broker.v5('p');
  const would = await broker.server.previewAccess({ authorizer: allow('u') });
  expect(would).toEqual({ ended: 0, muted: 2, sessions: 3 });
  expect(await broker.server.setAccess({ authorizer: allow('u') })).toEqual(would);
  const others = { ...allow('u'), authorizePublish: () => ReasonCode.Success };
  const nothingNew = { ended: 0, muted: 0, sessions: 3 }; // they are muted already
  expect(await broker.server.previewAccess({ authorizer: others })).toEqual(nothingNew);
  expect(await broker.server.setAccess({ authorizer: others })).toEqual(nothingNew);
  await publisher.send("32 06 0001 't' 0001 00");
  await publisher.expect('40 02 0001');
  await subscriber.expectNothing();
  expect(broker.server.stats()).toMatchObject({ queuedMessages: 0, subscriptions: 2 });
  await broker.server.setAccess({});
  await publisher.send("32 06 0001 't' 0002 00");
  await subscriber.expect("32 06 0001 't' 0001 00");
  expect(broker.server.stats().queuedMessages).toBe(1);
});

test('a merged subscription is told apart again when a part of it is muted', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 's', 't', 0);
  await subscribeV5(subscriber, '#', 1);
  const publisher = await broker.v5('p');
  await publisher.send("32 06 0001 't' 0001 00");
  await subscriber.expect("32 06 0001 't' 0001 00");
  await broker.server.setAccess({
    authorizer: { ...allow('t'), authorizePublish: () => ReasonCode.Success },
  });
  await publisher.send("32 06 0001 't' 0001 00 32 06 0001 'u' 0001 00");
  await subscriber.expect("30 04 0001 't' 00"); // QoS 0, of the subscription that is left
});

test('a subscription has the QoS that the rules of now allow, up to the one that SUBACK granted [MQTT-3.8.4-8]', async () => {
  const upTo = (qosMax: QoS): Authorizer => ({
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => ({ qosMax, isWhole: true }),
  });
  const broker = await startServer({ authorizer: upTo(1) });
  const subscriber = await broker.v5('s');
  await subscriber.send("82 07 0001 00 0001 't' 02");
  await subscriber.expect('90 04 0001 00 01');
  const publisher = await broker.v5('p');
  await broker.server.setAccess({ authorizer: upTo(0) });
  await publisher.send("32 06 0001 't' 0001 00");
  await subscriber.expect("30 04 0001 't' 00");
  await broker.server.setAccess({ authorizer: upTo(2) });
  await publisher.send("34 06 0001 't' 0002 00");
  await subscriber.expect("32 06 0001 't' 0001 00");
});

test('deliveries of the next message go by the new rules', async () => {
  const broker = await startServer({ authorizer: new ReceiveOnly('a') });
  const subscriber = await subscriberV5(broker, 's', '#');
  const publisher = await broker.v5('p');
  await publisher.send("30 04 0001 'a' 00 30 04 0001 'b' 00");
  await subscriber.expect("30 04 0001 'a' 00");
  await broker.server.setAccess({ authorizer: new ReceiveOnly('b') });
  await publisher.send("30 04 0001 'a' 00 30 04 0001 'b' 00");
  await subscriber.expect("30 04 0001 'b' 00");
});

test('a client is ended when the rules for connecting forbid it', async () => {
  const broker = await startServer({ authenticator: byName });
  const client = await broker.connect(connectAs('ann', 'a'), CONNACK);
  const authorizer: Authorizer = {
    ...new ReceiveOnly('#'),
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => ReasonCode.Success,
    authorizeConnect: ({ username }: Client) =>
      username === 'bob' ? ReasonCode.Success : ReasonCode.NotAuthorized,
  };
  await broker.server.setAccess({ authenticator: byName, authorizer });
  await expectDisconnected(client, 0x87);
});

test('who is just being authenticated is asked again by the new authenticator', async () => {
  let answer: () => void = () => {};
  const slow: Authenticator = {
    authenticate: ({ username }) =>
      new Promise((resolve) => {
        answer = () => resolve({ reasonCode: ReasonCode.Success, username });
      }),
  };
  const broker = await startServer({ authenticator: slow });
  const client = broker.open();
  await client.send(connectAs('bob', 'b'));
  await broker.server.setAccess({ authenticator: users('ann') });
  answer();
  await expectRefused(client, 0x86);
});

/** Asks elsewhere: answers when the test says so, and refuses what still waits when it is closed. */
class Asking implements Authorizer {
  readonly #waiting: { client: Client; settle: (code: ReasonCode) => void }[] = [];
  readonly #decide: (client: Client) => ReasonCode;

  constructor(decide: (client: Client) => ReasonCode = () => ReasonCode.Success) {
    this.#decide = decide;
  }

  authorizePublish(client: Client): Promise<ReasonCode> {
    return new Promise((settle) => this.#waiting.push({ client, settle }));
  }

  authorizeSubscribe(client: Client): Promise<ReasonCode> {
    return this.authorizePublish(client);
  }

  async answer(): Promise<void> {
    for (const { client, settle } of this.#waiting.splice(0)) settle(this.#decide(client));
    await settle();
  }

  async close(): Promise<void> {
    for (const { settle } of this.#waiting.splice(0)) settle(ReasonCode.ServerUnavailable);
    await settle();
  }
}

test('a SUBSCRIBE that waits for rules which are gone is judged by the new ones', async () => {
  const slow = new Asking();
  const broker = await startServer({ authorizer: slow });
  const subscriber = await broker.v5('s');
  await subscriber.send("82 0b 0001 00 0001 't' 00 0001 'u' 00");
  await broker.server.setAccess({ authorizer: allow('u') });
  await slow.answer();
  await subscriber.expect('90 05 0001 00 87 00');
});

test('a PUBLISH that waits for rules which are gone is judged by the new ones, also when the old ones end', async () => {
  const slow = new Asking();
  const broker = await startServer({ authorizer: slow });
  const three = await broker.v3('p3');
  const five = await broker.v5('p5');
  await three.send("32 05 0001 't' 0001");
  await five.send("32 06 0001 'u' 0001 00");
  await broker.server.setAccess({ authorizer: allow('t') });
  const subscriber = await subscriberV5(broker, 's', 't');
  await slow.close();
  await three.expect('40 02 0001');
  await subscriber.expect("30 04 0001 't' 00");
  await five.expect('40 03 0001 87');
});

test('a will that waits for rules which are gone is judged by the new ones', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 's', 't');
  const client = broker.open();
  await client.send("10 15 0004 'MQTT' 05 06 0000 00 0001 'a' 00 0001 't' 0001 'w'");
  await client.expect(CONNACK);
  const slow = new Asking();
  await broker.server.setAccess({
    authorizer: { ...allow('t'), authorizePublish: (one) => slow.authorizePublish(one) },
  });
  await client.drop();
  await broker.server.setAccess({ authorizer: allow('t') });
  await slow.close();
  await subscriber.expect("30 05 0001 't' 00 'w'");
});

test('what waits for an answer when its user changes is judged as that user is now', async () => {
  let group = 'writers';
  const authenticator: Authenticator = {
    authenticate: ({ username }) => ({ ...ACCEPTED, username, groups: [group], by: 'users' }),
    review: (client) => ({ ...client, groups: [group] }),
  };
  const slow = new Asking(({ groups }) =>
    groups?.includes('writers') === true ? ReasonCode.Success : ReasonCode.NotAuthorized,
  );
  const broker = await startServer({ authenticator, authorizer: slow });
  const publisher = await broker.connect(connectAs('ann', 'p'), CONNACK);
  const subscriber = await broker.connect(connectAs('ann', 's'), CONNACK);
  await publisher.send("32 06 0001 't' 0001 00");
  await subscriber.send("82 07 0001 00 0001 't' 00");
  group = 'readers';
  await broker.server.reviewUser('ann');
  await slow.answer();
  await slow.answer();
  await publisher.expect('40 03 0001 87');
  await subscriber.expect('90 04 0001 00 87');
});

test('a thousand clients are ended in slices, and those who may stay are served meanwhile', async () => {
  const broker = await startServer({ authenticator: byName });
  const stays = await broker.connect(connectAs('ann', 'stays'), CONNACK);
  const others = [];
  for (let i = 0; i < 1_000; i++) {
    const client = broker.open();
    client.write(connectAs('bob', `c${i}`));
    others.push(client);
  }
  await stays.expectNothing();
  const reviewed = broker.server.setAccess({
    authenticator: {
      ...byName,
      review: (client) => (client.username === 'ann' ? client : null),
    },
  });
  stays.write('c0 00');
  expect(await reviewed).toEqual({ ended: 1_000, muted: 0, sessions: 1_001 });
  await stays.expect('d0 00');
  expect(others.every(({ isClosed }) => isClosed)).toBe(true);
});

test('a listener whose authenticator is missing lets nobody in', async () => {
  const broker = await startServer({
    listeners: [{ host: '127.0.0.1', port: 0, authenticator: 'gone' }],
  });
  const { connect } = await import('mqtt');
  const [{ port }] = broker.server.addresses;
  const client = connect(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, protocolVersion: 5 });
  const error = await new Promise<object>((resolve) => client.on('error', resolve));
  expect(error).toMatchObject({ code: 0x88 });
  client.end(true);
});

test('whoever belongs to other groups is judged by those, by its quotas and after a restart, too', async () => {
  const inGroup = (group: string): Authenticator => {
    const groupsOf = (username: string | null) => [username === 'pub' ? 'writers' : group];
    return {
      authenticate: ({ username }) => ({
        reasonCode: ReasonCode.Success,
        username,
        groups: groupsOf(username),
      }),
      review: (client) => ({ ...client, groups: groupsOf(client.username) }),
    };
  };
  const isWriter = ({ groups }: Client) =>
    groups?.includes('writers') === true ? ReasonCode.Success : ReasonCode.NotAuthorized;
  const authorizer: Authorizer = {
    authorizePublish: isWriter,
    authorizeSubscribe: () => ReasonCode.Success,
    authorizeReceive: isWriter,
  };
  const stored = await startStored({ authenticator: inGroup('readers'), authorizer });
  const client = await stored.broker.connect(connectAs('ann', 'a', true, FOR_A_MINUTE), CONNACK);
  await subscribeV5(client, 't', 1);
  await client.send("32 06 0001 't' 0001 00");
  await client.expect('40 03 0001 87');
  const { server } = stored.broker;
  await server.setQuotas([{ group: 'writers', subscriptionsMax: 0 }]);
  await server.setAccess({ authenticator: inGroup('writers'), authorizer });
  await client.send("32 06 0001 't' 0002 00");
  await client.expect("32 06 0001 't' 0001 00", '40 02 0002');
  await client.send("40 02 0001 82 07 0001 00 0001 'u' 00");
  await client.expect('90 04 0001 00 97');
  await stored.crash(); // it is a reader again when it logs in, and a writer until then
  const publisher = await stored.broker.connect(connectAs('pub', 'p'), CONNACK);
  await publisher.send("32 06 0001 't' 0001 00");
  expect(stored.broker.server.stats()).toMatchObject({ queuedMessages: 1 });
});

test('a listener that names another authenticator asks those who are connected by that one', async () => {
  const { connectAsync } = await import('mqtt');
  const listener = (authenticator?: string) => ({
    host: '127.0.0.1',
    port: 0,
    ...(authenticator !== undefined && { authenticator }),
  });
  const broker = await startServer({
    listeners: [listener('a')],
    authenticators: { a: users('ann', 'bob') },
  });
  const [{ port }] = broker.server.addresses;
  const options = { protocolVersion: 5, reconnectPeriod: 0 } as const;
  const url = `mqtt://127.0.0.1:${port}`;
  const ann = await connectAsync(url, { ...options, username: 'ann', clientId: 'ann' });
  const bob = await connectAsync(url, { ...options, username: 'bob', clientId: 'bob' });
  const told = new Promise((resolve) => bob.on('disconnect', resolve));
  await broker.server.setListeners([listener('b')], { authenticators: { b: users('ann') } });
  expect(await broker.server.accessReviewed()).toMatchObject({ ended: 1, sessions: 2 });
  expect(await told).toMatchObject({ reasonCode: 0x87 });
  expect(ann.connected).toBe(true);
  await expect(connectAsync(url, { ...options, username: 'bob' })).rejects.toThrow();
  await broker.server.setListeners([listener()], {}); // nobody asks any more
  expect(await broker.server.accessReviewed()).toMatchObject({ ended: 0 });
  await ann.endAsync();
});

test('a re-authentication that those began who are gone is not finished by them: 0x89', async () => {
  const answers: (() => void)[] = [];
  const ticket: Authenticator = {
    authenticate: () => 'next',
    begin: () => ({
      step: () =>
        new Promise((resolve) => {
          answers.push(() => resolve({ reasonCode: ReasonCode.Success, username: 'ann' }));
        }),
    }),
    review: (client) => client,
  };
  const broker = await startServer({ authenticator: ticket });
  const client = broker.open();
  await client.send("10 12 0004 'MQTT' 05 02 0000 04 15 0001 'T' 0001 'c'");
  answers[0]();
  expect((await client.packet())[3]).toBe(0);
  await client.send("f0 06 19 04 15 0001 'T'"); // Re-authenticate
  await broker.server.setAccess({ authenticator: ticket });
  answers[1]();
  await expectDisconnected(client, 0x89);
});

test('the log says whom a change ended and what it muted, and by which rule', async () => {
  const log = new LogBook();
  const broker = await startServer({ authenticator: users('ann', 'bob'), logger: log });
  const ann = await broker.connect(connectAs('ann', 'a'), CONNACK);
  await subscribeV5(ann, 't');
  await broker.connect(connectAs('bob', 'b'), CONNACK);
  const authorizer: Authorizer = {
    ...allow('u'),
    explain: () => ({
      outcome: 'deny',
      source: 'acl',
      rule: 'topic deny t',
      file: '/etc/acl',
      line: 7,
      reason: 'a deny rule fits',
    }),
  };
  await broker.server.setAccess({ authenticator: users('ann'), authorizer });
  expect(log.lines).toContainEqual({
    level: 'info',
    fields: { clientId: 'b', username: 'bob', why: expect.stringContaining('its user') },
    message: 'a client is ended by new access rules',
  });
  expect(log.lines).toContainEqual({
    level: 'info',
    fields: expect.objectContaining({ clientId: 'a', topic: 't', by: 'acl', at: '/etc/acl:7' }),
    message: 'a subscription is muted: its client may not have it any more',
  });
});
