// Quotas for what is there: subscriptions, connections, and the bounds of queues. In literal bytes.

import { expect, test } from 'vitest';
import type { Authenticator } from '../../src/auth/auth.ts';
import type { QuotaRule } from '../../src/core/quota-rules.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { MemoryListener } from '../../src/transport/memory.ts';
import { LogBook } from '../kit/log-book.ts';
import { ONE_HOUR, startStored } from '../kit/stored.ts';
import { joined, publishV3, subscriberV5 } from '../kit/traffic.ts';
import { connectPacket, startServer, type TestServer, WireClient } from '../kit/wire.ts';

const TWO_SUBSCRIPTIONS: QuotaRule = { clientId: '*', subscriptionsMax: 2 };
const PER_USER: QuotaRule = {
  username: '*',
  per: 'user',
  connectionsMax: 2,
  subscriptionsMax: 3,
};

/** Connects as a user; returns the client and the return or reason code of its CONNACK. */
async function come(
  broker: TestServer,
  version: 3 | 4 | 5,
  clientId: string,
  username: string | null,
  { clean = true, properties = '' } = {},
): Promise<{ client: WireClient; code: number }> {
  const client = broker.open();
  await client.send(connectPacket(version, clientId, clean, properties, username));
  const connack = await client.packet();
  return { client, code: connack[3] };
}

/** Subscribes to one-letter filters, in one packet; returns the codes of its SUBACK. */
async function codes(client: WireClient, version: 3 | 4 | 5, filters: string): Promise<number[]> {
  const body = [0, 9, ...(version === 5 ? [0] : [])];
  for (const filter of filters) body.push(0, 1, filter.charCodeAt(0), 1);
  await client.send(Uint8Array.of(0x82, body.length, ...body));
  const suback = await client.packet();
  expect(suback[0]).toBe(0x90);
  return [...suback.subarray(version === 5 ? 5 : 4)];
}

async function unsubscribe(client: WireClient, filter: string): Promise<void> {
  await client.send(`a2 06 0009 00 0001 '${filter}'`);
  expect((await client.packet())[0]).toBe(0xb0);
}

test('v5: a subscription too many gets 0x97, those before it are granted; a renewed one is none more', async () => {
  const broker = await startServer({ quotas: [TWO_SUBSCRIPTIONS] });
  const client = await broker.v5('c');
  await client.send("82 0f 0009 00 0001 'a' 00 0001 'b' 01 0001 'c' 01");
  await client.expect('90 06 0009 00 00 01 97');
  expect(await codes(client, 5, 'ab')).toEqual([1, 1]);
  await unsubscribe(client, 'a');
  expect(await codes(client, 5, 'cd')).toEqual([1, 0x97]);
  expect(broker.server.stats().subscriptions).toBe(2);
  expect(broker.server.metrics.quotaRefusals).toBe(2);
});

test('v3.1.1: 0x80; v3.1, which has no failure: the QoS it asked for', async () => {
  const broker = await startServer({ quotas: [TWO_SUBSCRIPTIONS] });
  const v4 = await broker.v3('c');
  await v4.send("82 0e 0009 0001 'a' 00 0001 'b' 01 0001 'c' 02");
  await v4.expect('90 05 0009 00 01 80');
  const v3 = await come(broker, 3, 'd', null);
  expect(await codes(v3.client, 3, 'abc')).toEqual([1, 1, 1]);
  expect(broker.server.stats().subscriptions).toBe(4);
});

test('subscriptions of a user are counted together, those of sessions that are away, too, until they end', async () => {
  const broker = await startServer({ quotas: [PER_USER] });
  const options = { clean: false, properties: '11 00000064' }; // 100 s
  const away = await come(broker, 5, 'away', 'u', options);
  expect(await codes(away.client, 5, 'ab')).toEqual([1, 1]);
  await away.client.drop();
  const { client } = await come(broker, 5, 'here', 'u');
  expect(await codes(client, 5, 'cd')).toEqual([1, 0x97]);
  const stranger = await come(broker, 5, 'other', 'v');
  expect(await codes(stranger.client, 5, 'abcd')).toEqual([1, 1, 1, 0x97]);
  await broker.advance(100_100);
  expect(await codes(client, 5, 'def')).toEqual([1, 1, 0x97]);
  await client.drop(); // a clean session: what it had is free at once
  const again = await come(broker, 5, 'again', 'u');
  expect(await codes(again.client, 5, 'abcd')).toEqual([1, 1, 1, 0x97]);
});

test('a session that comes back with another user takes its subscriptions along', async () => {
  const broker = await startServer({ quotas: [PER_USER] });
  const options = { clean: false, properties: ONE_HOUR };
  const first = await come(broker, 5, 'c', 'u', options);
  expect(await codes(first.client, 5, 'abc')).toEqual([1, 1, 1]);
  await first.client.drop();
  const second = await come(broker, 5, 'c', 'v', { ...options });
  expect(await codes(second.client, 5, 'd')).toEqual([0x97]);
  const ofU = await come(broker, 5, 'd', 'u');
  expect(await codes(ofU.client, 5, 'abcd')).toEqual([1, 1, 1, 0x97]);
});

test('after a restart the subscriptions in the store count', async () => {
  const stored = await startStored({
    quotas: [{ clientId: '*', per: 'rule', subscriptionsMax: 3 }],
  });
  const client = await stored.durable('c');
  expect(await codes(client, 5, 'ab')).toEqual([1, 1]);
  await stored.restart();
  const other = await stored.durable('d');
  expect(await codes(other, 5, 'cd')).toEqual([1, 0x97]);
});

for (const [version, refused] of [
  [5, 0x97],
  [4, 3],
  [3, 3],
] as const) {
  test(`v${version}: one connection too many is refused with ${refused}; when one goes there is room`, async () => {
    const broker = await startServer({ quotas: [PER_USER] });
    const first = await come(broker, version, 'a', 'u');
    const second = await come(broker, version, 'b', 'u');
    const third = await come(broker, version, 'c', 'u');
    expect([first.code, second.code, third.code]).toEqual([0, 0, refused]);
    expect(third.client.isClosed).toBe(true);
    expect((await come(broker, version, 'd', 'v')).code).toBe(0);
    expect((await come(broker, version, 'e', null)).code).toBe(0); // fits no user name
    await first.client.drop();
    expect((await come(broker, version, 'c', 'u')).code).toBe(0);
    expect((await come(broker, version, 'f', 'u')).code).toBe(refused);
  });
}

test('the literal CONNACK: v5 with the reason, v3.1.1 with 0x03', async () => {
  const broker = await startServer({ quotas: [{ clientId: 'c', connectionsMax: 0 }] });
  const v5 = broker.open();
  await v5.send("10 0e 0004 'MQTT' 05 02 0000 00 0001 'c'");
  await v5.expectClosed("20 2d 00 97 2a 1f 0027 'as many are connected as a quota allows'");
  const v3 = broker.open();
  await v3.send("10 0d 0004 'MQTT' 04 02 0000 0001 'c'");
  await v3.expectClosed('20 02 00 03');
});

test('a client that takes its own session over is none more, and one that is refused takes nothing over', async () => {
  const broker = await startServer({ quotas: [PER_USER] });
  const first = await come(broker, 5, 'a', 'u');
  const second = await come(broker, 5, 'b', 'u');
  expect((await come(broker, 5, 'a', 'u')).code).toBe(0);
  expect(first.client.isClosed).toBe(true);
  const stranger = await come(broker, 5, 'x', 'v');
  expect((await come(broker, 5, 'x', 'u')).code).toBe(0x97);
  await stranger.client.expectOpen();
  await second.client.expectOpen();
});

test('sessions that are away are no connections', async () => {
  const broker = await startServer({ quotas: [PER_USER] });
  const options = { clean: false, properties: ONE_HOUR };
  for (const id of ['a', 'b', 'c', 'd']) {
    const { client, code } = await come(broker, 5, id, 'u', options);
    expect(code).toBe(0);
    await client.drop();
  }
  expect(broker.server.stats().sessions).toBe(4);
});

test('per listener: each has its own count, found by its URL', async () => {
  const door = new MemoryListener();
  const broker = await startServer({
    listeners: [door],
    quotas: [{ listener: 'own', per: 'listener', connectionsMax: 1 }],
  });
  const comeByDoor = async () => {
    const client = new WireClient(door.connect());
    await client.send(connectPacket(5, '', true));
    return (await client.packet())[3];
  };
  expect([await comeByDoor(), await comeByDoor()]).toEqual([0, 0x97]);
  await broker.v5('a');
  await broker.v5('b');
});

test('a group, as the authenticator says it', async () => {
  const authenticator: Authenticator = {
    authenticate: ({ username }) => ({
      reasonCode: ReasonCode.Success,
      username,
      groups: username === 'u' ? ['sensors'] : [],
    }),
  };
  const broker = await startServer({
    authenticator,
    quotas: [{ group: 'sensors', per: 'rule', connectionsMax: 1 }],
  });
  expect((await come(broker, 5, 'a', 'u')).code).toBe(0);
  expect((await come(broker, 5, 'b', 'u')).code).toBe(0x97);
  expect((await come(broker, 5, 'c', 'v')).code).toBe(0);
});

test('queue bounds are the smallest of limits, queue rules and quotas; the policy stays that of the queue rule', async () => {
  const broker = await startServer({
    limits: { queueMessagesMax: 4 },
    queueRules: [{ clientId: 'r*', queueMessagesMax: 3, queuePolicy: 'drop-oldest' }],
    quotas: [
      { clientId: '*', queueMessagesMax: 1_000 },
      { clientId: '*2', queueMessagesMax: 2 },
      { clientId: 'b*', queueBytesMax: 7 },
    ],
  });
  for (const id of ['a1', 'a2', 'r1', 'r2', 'b1']) {
    await (await subscriberV5(broker, id, 't', 1, ONE_HOUR)).drop();
  }
  const publisher = await broker.v3('p');
  const packets = [1, 2, 3, 4, 5].map((n) =>
    publishV3({ topicName: 't', qos: 1, packetId: n, payload: `${n}` }),
  );
  await publisher.send(joined(packets));
  const waiting = async (id: string) => {
    const client = await broker.v5(id, false, ONE_HOUR);
    const text = (await client.packets()).map((packet) => String.fromCharCode(packet.at(-1) ?? 0));
    return text.join('');
  };
  expect(await waiting('a1')).toBe('1234');
  expect(await waiting('a2')).toBe('12');
  expect(await waiting('r1')).toBe('345');
  expect(await waiting('r2')).toBe('45');
  expect(await waiting('b1')).toBe('1'); // four bytes each: topic with its length, payload
});

test('the log says whose connection and whose subscription was refused, and for which quota', async () => {
  const logger = new LogBook();
  const broker = await startServer({ logger, quotas: [TWO_SUBSCRIPTIONS, PER_USER] });
  const { client } = await come(broker, 5, 'a', 'u');
  await codes(client, 5, 'abc');
  await come(broker, 5, 'b', 'u');
  await come(broker, 5, 'c', 'u');
  const lines = logger.lines.filter(({ message }) => message.includes('quota:'));
  expect(lines.map(({ fields, message }) => [fields.quota, fields.clientId, message])).toEqual([
    [1, 'a', 'a client has used up its quota: its subscription is refused'],
    [2, 'c', 'a client has used up its quota: its connection is refused'],
  ]);
});
