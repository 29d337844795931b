// MQTT.js, the client of the JavaScript world, in both versions against the built server.

import type { IClientOptions } from 'mqtt';
import { describe, expect, test } from 'vitest';
import { open, publishMany } from './collector.ts';
import { startHub, within } from './hub.ts';

describe.each([4, 5] as const)('MQTT.js in version %i', (protocolVersion) => {
  test.each([0, 1, 2] as const)('sends and gets QoS %i', async (qos) => {
    const hub = await startHub();
    const subscriber = await open(hub, { protocolVersion });
    await subscriber.client.subscribeAsync('a/+', { qos });
    const publisher = await open(hub, { protocolVersion });
    await publisher.client.publishAsync('a/b', 'hello', { qos });
    const [message] = await subscriber.has(1);
    expect(message).toMatchObject({ topic: 'a/b', payload: 'hello', packet: { qos, dup: false } });
  });

  test.each([1, 2] as const)('gets 10,000 messages at QoS %i, each once, in order', async (qos) => {
    const hub = await startHub('--config', 'tests/integration/large-queue.toml');
    const subscriber = await open(hub, { protocolVersion });
    await subscriber.client.subscribeAsync('many', { qos });
    const publisher = await open(hub, { protocolVersion });
    const expected = Array.from({ length: 10_000 }, (_, i) => String(i));
    await publishMany(publisher, 'many', expected, qos);
    const arrived = await subscriber.has(expected.length, 40_000);
    expect(arrived.map(({ payload }) => payload)).toEqual(expected);
  });

  test('gets a retained message, and none after it is cleared', async () => {
    const hub = await startHub();
    const publisher = await open(hub, { protocolVersion });
    await publisher.client.publishAsync('state', 'on', { qos: 1, retain: true });
    const first = await open(hub, { protocolVersion });
    await first.client.subscribeAsync('state');
    expect((await first.has(1))[0]).toMatchObject({ payload: 'on', packet: { retain: true } });
    await publisher.client.publishAsync('state', '', { qos: 1, retain: true });
    const second = await open(hub, { protocolVersion });
    await second.client.subscribeAsync(['state', 'fence']);
    await publisher.client.publishAsync('fence', 'x', { qos: 1 });
    expect((await second.has(1))[0].topic).toBe('fence');
  });

  test('leaves its will when it goes without a word', async () => {
    const hub = await startHub();
    const watcher = await open(hub, { protocolVersion });
    await watcher.client.subscribeAsync('wills/#');
    const dying = await open(hub, {
      protocolVersion,
      will: { topic: 'wills/it', payload: Buffer.from('gone'), qos: 1, retain: false },
    });
    dying.client.stream.destroy();
    expect((await watcher.has(1))[0]).toMatchObject({ topic: 'wills/it', payload: 'gone' });
  });

  test('comes back to its session and gets what was published meanwhile', async () => {
    const hub = await startHub();
    const durable: IClientOptions = {
      protocolVersion,
      clientId: 'durable',
      clean: false,
      properties: protocolVersion === 5 ? { sessionExpiryInterval: 3_600 } : undefined,
    };
    const before = await open(hub, durable);
    await before.client.subscribeAsync('queue/#', { qos: 2 });
    await before.client.endAsync();
    const publisher = await open(hub, { protocolVersion });
    for (let i = 0; i < 100; i++) {
      await publisher.client.publishAsync(`queue/${i % 3}`, String(i), { qos: 2 });
    }
    const after = await open(hub, durable);
    const arrived = await after.has(100);
    expect(arrived.map(({ payload }) => Number(payload))).toEqual(Array.from(Array(100).keys()));
  });

  test('is put out by another with its client id', async () => {
    const hub = await startHub();
    const first = await open(hub, { protocolVersion, clientId: 'twin' });
    const closed = new Promise((resolve) => first.client.once('close', () => resolve(true)));
    await open(hub, { protocolVersion, clientId: 'twin' });
    await within(closed, 'the first is closed');
  });

  test('shares a subscription: each message goes to one member', async () => {
    const hub = await startHub();
    const members = [await open(hub, { protocolVersion }), await open(hub, { protocolVersion })];
    for (const { client } of members) await client.subscribeAsync('$share/g/work', { qos: 1 });
    const all = await open(hub, { protocolVersion });
    await all.client.subscribeAsync('work', { qos: 1 });
    const publisher = await open(hub, { protocolVersion });
    for (let i = 0; i < 50; i++) await publisher.client.publishAsync('work', String(i), { qos: 1 });
    await all.has(50);
    await Promise.all(members.map((member) => member.has(25)));
    const got = members.flatMap(({ arrived }) => arrived.map(({ payload }) => Number(payload)));
    expect(got.sort((a, b) => a - b)).toEqual(Array.from(Array(50).keys()));
  });

  test('sends and gets a megabyte', async () => {
    const hub = await startHub();
    const subscriber = await open(hub, { protocolVersion });
    await subscriber.client.subscribeAsync('big', { qos: 1 });
    const publisher = await open(hub, { protocolVersion });
    const payload = 'x'.repeat(1_048_576);
    await publisher.client.publishAsync('big', payload, { qos: 1 });
    expect((await subscriber.has(1))[0].payload).toBe(payload);
  });
});

test('MQTT.js in version 5 uses topic aliases both ways', async () => {
  const hub = await startHub();
  const subscriber = await open(hub, { protocolVersion: 5, properties: { topicAliasMaximum: 10 } });
  await subscriber.client.subscribeAsync('a/long/topic/name', { qos: 1 });
  const publisher = await open(hub, {
    protocolVersion: 5,
    autoUseTopicAlias: true,
    autoAssignTopicAlias: true,
  });
  for (let i = 0; i < 10; i++) {
    await publisher.client.publishAsync('a/long/topic/name', String(i), { qos: 1 });
  }
  const arrived = await subscriber.has(10);
  expect(arrived.map(({ topic, payload }) => [topic, payload])).toEqual(
    Array.from(Array(10).keys(), (i) => ['a/long/topic/name', String(i)]),
  );
  expect(arrived[9].packet.properties?.topicAlias).toBe(1);
});

test('MQTT.js in version 5 gets properties, identifiers and options as they were asked for', async () => {
  const hub = await startHub();
  const self = await open(hub, { protocolVersion: 5, clientId: 'self' });
  const { client } = self;
  await client.subscribeAsync('own', { qos: 1, nl: true });
  await client.subscribeAsync('props', {
    qos: 1,
    rap: true,
    properties: { subscriptionIdentifier: 7 },
  });
  await client.publishAsync('own', 'not for me', { qos: 1 });
  await client.publishAsync('props', 'p', {
    qos: 1,
    retain: true,
    properties: {
      contentType: 'text/plain',
      responseTopic: 'answer/here',
      correlationData: Buffer.from([1, 2, 3]),
      userProperties: { a: ['1', '2'], b: '3' },
      messageExpiryInterval: 60,
    },
  });
  const [message] = await self.has(1);
  expect(message).toMatchObject({ topic: 'props', packet: { retain: true } });
  expect(message.packet.properties).toMatchObject({
    contentType: 'text/plain',
    responseTopic: 'answer/here',
    correlationData: Buffer.from([1, 2, 3]),
    userProperties: { a: ['1', '2'], b: '3' },
    messageExpiryInterval: 60,
    subscriptionIdentifier: 7,
  });
});

test('MQTT.js in version 5 is told 0x8B when the server stops, which ends with code 0', async () => {
  const hub = await startHub();
  const { client } = await open(hub, { protocolVersion: 5 });
  const told = new Promise<number | undefined>((resolve) =>
    client.once('disconnect', ({ reasonCode }) => resolve(reasonCode)),
  );
  const stopped = hub.stop();
  expect(await within(told, 'DISCONNECT')).toBe(0x8b);
  expect(await stopped).toBe(0);
});

test('MQTT.js in version 5 gets retained messages as Retain Handling asks for', async () => {
  const hub = await startHub();
  const client = await open(hub, { protocolVersion: 5 });
  await client.client.publishAsync('kept', 'old', { qos: 1, retain: true });
  for (const rh of [2, 1, 1, 0]) await client.client.subscribeAsync('kept', { qos: 1, rh });
  await client.client.publishAsync('kept', 'new', { qos: 1 });
  // Not at 2, nor at 1, for it was subscribed by then; but at 0.
  expect((await client.has(2)).map(({ payload }) => payload)).toEqual(['old', 'new']);
});

test('MQTT.js in version 5 is told 0x8E when another takes its session over', async () => {
  const hub = await startHub();
  const durable: IClientOptions = {
    protocolVersion: 5,
    clientId: 'twin',
    clean: false,
    properties: { sessionExpiryInterval: 3_600 },
  };
  const first = await open(hub, durable);
  await first.client.subscribeAsync('for/twin', { qos: 1 });
  const told = new Promise<number | undefined>((resolve) =>
    first.client.once('disconnect', ({ reasonCode }) => resolve(reasonCode)),
  );
  const second = await open(hub, durable);
  expect(await within(told, 'DISCONNECT')).toBe(0x8e);
  const publisher = await open(hub, { protocolVersion: 5 });
  await publisher.client.publishAsync('for/twin', 'x', { qos: 1 });
  await second.has(1);
  expect(first.arrived).toEqual([]);
});
