// Clients whose network breaks, again and again, and a server that is killed: MQTT.js comes back by itself.

import type { IClientOptions } from 'mqtt';
import { describe, expect, test } from 'vitest';
import { type Collector, open, publishMany } from './collector.ts';
import { startHub, within } from './hub.ts';

const COUNT = 1_000;
const LARGE_QUEUE = ['--config', 'tests/integration/large-queue.toml'];

function durable(protocolVersion: 4 | 5, clientId: string): IClientOptions {
  return {
    protocolVersion,
    clientId,
    clean: false,
    reconnectPeriod: 20,
    resubscribe: false,
    properties: protocolVersion === 5 ? { sessionExpiryInterval: 3_600 } : undefined,
  };
}

/** Cuts the connection each time that another so many messages have come. */
function cutEvery(count: number, { client }: Collector): () => number {
  let arrived = 0;
  let cuts = 0;
  client.on('message', () => {
    if (++arrived % count !== 0) return;
    cuts++;
    client.stream.destroy();
  });
  return () => cuts;
}

describe.each([4, 5] as const)('MQTT.js in version %i, whose network breaks,', (version) => {
  test('gets every message at QoS 1, and repeats only what it had not acknowledged', async () => {
    const hub = await startHub(...LARGE_QUEUE);
    const subscriber = await open(hub, durable(version, 'sub'));
    await subscriber.client.subscribeAsync('t', { qos: 1 });
    const cuts = cutEvery(150, subscriber);
    const publisher = await open(hub, { protocolVersion: version });
    const sent = Array.from({ length: COUNT }, (_, i) => String(i));
    await publishMany(publisher, 't', sent, 1);
    await publisher.client.publishAsync('t', 'last', { qos: 1 });
    await within(
      new Promise<void>((resolve) => {
        subscriber.client.on('message', (_topic, payload) => {
          if (payload.toString() === 'last') resolve();
        });
        if (subscriber.arrived.at(-1)?.payload === 'last') resolve();
      }),
      () => `the last message; ${subscriber.arrived.length} came`,
    );
    const payloads = subscriber.arrived.map(({ payload }) => payload);
    expect([...new Set(payloads)]).toEqual([...sent, 'last']);
    const seen = new Set<string>();
    for (const { payload, packet } of subscriber.arrived) {
      if (seen.has(payload)) expect(packet.dup, `${payload} came again`).toBe(true);
      seen.add(payload);
    }
    expect(cuts()).toBeGreaterThan(5);
  });

  test('gets every message at QoS 2 exactly once, in order', async () => {
    const hub = await startHub(...LARGE_QUEUE);
    const subscriber = await open(hub, durable(version, 'sub'));
    await subscriber.client.subscribeAsync('t', { qos: 2 });
    const cuts = cutEvery(150, subscriber);
    const publisher = await open(hub, { protocolVersion: version });
    const sent = Array.from({ length: COUNT }, (_, i) => String(i));
    await publishMany(publisher, 't', sent, 2);
    await publisher.client.publishAsync('t', 'last', { qos: 2 });
    const arrived = await subscriber.has(COUNT + 1);
    expect(arrived.map(({ payload }) => payload)).toEqual([...sent, 'last']);
    expect(cuts()).toBeGreaterThan(5);
  });

  test('publishes every message at QoS 2 exactly once', async () => {
    const hub = await startHub(...LARGE_QUEUE);
    const subscriber = await open(hub, { protocolVersion: version });
    await subscriber.client.subscribeAsync('t', { qos: 2 });
    const publisher = await open(hub, durable(version, 'pub'));
    let acknowledged = 0;
    publisher.client.on('packetreceive', (packet) => {
      if (packet.cmd === 'pubrec' && ++acknowledged % 150 === 0) publisher.client.stream.destroy();
    });
    const sent = Array.from({ length: COUNT }, (_, i) => String(i));
    await within(publishMany(publisher, 't', sent, 2), () => `${acknowledged} PUBRECs so far`);
    await publisher.client.publishAsync('t', 'last', { qos: 2 });
    const arrived = await subscriber.has(COUNT + 1);
    const got = arrived.map(({ payload }) => payload);
    expect(got.toSorted()).toEqual([...sent, 'last'].toSorted());
  });

  test('finds a server that was killed and started again', async () => {
    const hub = await startHub();
    const client = await open(hub, {
      ...durable(version, 'faithful'),
      resubscribe: true,
      clean: true,
    });
    await client.client.subscribeAsync('t', { qos: 1 });
    const isBack = new Promise((resolve) => client.client.once('connect', resolve));
    expect(await hub.stop('SIGKILL')).toBe('SIGKILL');
    const again = await startHub('--port', String(hub.port));
    await within(isBack, 'the client is back');
    const publisher = await open(again, { protocolVersion: version });
    // Its SUBSCRIBE follows its CONNECT; a retained message comes whichever is first.
    await publisher.client.publishAsync('t', 'x', { qos: 1, retain: true });
    expect((await client.has(1))[0].payload).toBe('x');
  });
});
