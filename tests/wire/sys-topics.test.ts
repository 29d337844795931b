// What the server publishes of itself under `$SYS/broker`: what changed, retained apart from all else, at QoS 0.

import { expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { sysFigures } from '../../src/server/sys-figures.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { ONE_HOUR, startStored } from '../kit/stored.ts';
import { until } from '../kit/until.ts';
import { RESERVED_OPEN, settle, startServer, type TestServer } from '../kit/wire.ts';

const INTERVAL_MS = 10_000;
const SYS = { intervalMs: INTERVAL_MS, version: '1.2.3' };
const OPTIONS = { ...RESERVED_OPEN, sys: SYS };

async function connected(broker: TestServer, clientId: string): Promise<PacketClient> {
  const client = new PacketClient(broker.server.connect());
  await client.connect(clientId);
  return client;
}

/** What came since the last call, by topic. */
async function said(client: PacketClient): Promise<Map<string, string>> {
  await settle(100);
  const decoder = new TextDecoder();
  return new Map(
    client
      .takePublishes()
      .map(({ topicName, payload }) => [
        topicName.replace('$SYS/broker/', ''),
        decoder.decode(payload),
      ]),
  );
}

test('a new subscriber gets every topic, retained', async () => {
  const broker = await startServer(OPTIONS);
  const client = await connected(broker, 'a');
  client.subscribe({ topicFilter: '$SYS/#', qos: 2 });
  await settle(100);
  const publishes = client.takePublishes();
  expect(publishes.every(({ retain, qos }) => retain && qos === 0)).toBe(true);
  expect(publishes.map(({ topicName }) => topicName).sort()).toEqual(
    sysFigures()
      .map(({ topic }) => `$SYS/broker/${topic}`)
      .sort(),
  );
});

test('figures have the form of Mosquitto', async () => {
  const broker = await startServer(OPTIONS);
  await broker.advance(61_500);
  const client = await connected(broker, 'a');
  client.subscribe('$SYS/broker/version', '$SYS/broker/uptime', '$SYS/broker/load/sockets/1min');
  expect(await said(client)).toEqual(
    new Map([
      ['version', 'iothub version 1.2.3'],
      ['uptime', '60 seconds'],
      ['load/sockets/1min', '0.00'],
    ]),
  );
});

test('a look publishes what has changed, not retained, and nothing else', async () => {
  const broker = await startServer(OPTIONS);
  const client = await connected(broker, 'a');
  client.subscribe('$SYS/broker/clients/+', '$SYS/broker/subscriptions/count');
  await said(client);
  await broker.advance(INTERVAL_MS);
  expect(await said(client)).toEqual(
    new Map([
      ['clients/total', '1'],
      ['clients/maximum', '1'],
      ['clients/connected', '1'],
      ['clients/active', '1'],
      ['subscriptions/count', '2'],
    ]),
  );
  await broker.advance(INTERVAL_MS);
  expect(await said(client)).toEqual(new Map());
});

test('the highest stays when it is over', async () => {
  const broker = await startServer(OPTIONS);
  const other = await connected(broker, 'b');
  const client = await connected(broker, 'a');
  await broker.advance(INTERVAL_MS);
  other.destroy();
  await settle();
  await broker.advance(INTERVAL_MS);
  client.subscribe('$SYS/broker/clients/maximum', '$SYS/broker/clients/connected');
  expect(await said(client)).toEqual(
    new Map([
      ['clients/maximum', '2'],
      ['clients/connected', '1'],
    ]),
  );
});

test('filters that begin with a wildcard do not match', async () => {
  const broker = await startServer(OPTIONS);
  const client = await connected(broker, 'a');
  client.subscribe('#', '+/broker/#', '+/broker/version');
  await broker.advance(INTERVAL_MS);
  expect(await said(client)).toEqual(new Map());
});

test('who may subscribe is for access control: by default nobody without an authorizer', async () => {
  const broker = await startServer({ sys: SYS });
  const client = await connected(broker, 'a');
  client.subscribe('$SYS/#');
  expect(await client.next(9)).toMatchObject({ reasonCodes: [ReasonCode.NotAuthorized] });
});

/** Everybody may do everything. */
const anything: Authorizer = {
  authorizePublish: () => ReasonCode.Success,
  authorizeSubscribe: () => ReasonCode.Success,
};

test.each([
  ['topics with $ are open', RESERVED_OPEN],
  ['an authorizer allows everything', { authorizer: anything }],
])('clients may not publish there, also where %s', async (_, access) => {
  const broker = await startServer({ ...access, sys: SYS });
  const client = await broker.v5('a');
  await client.send("32 0b 0006 '$SYS/a' 0001 00 32 09 0004 '$SYS' 0002 00");
  await client.expect('40 03 0001 87', '40 03 0002 87');
  await client.send("32 0a 0005 '$SYSa' 0003 00");
  await client.expect('40 03 0003 10');
});

test('a will there refuses the CONNECT, also where an authorizer allows everything', async () => {
  const broker = await startServer({ authorizer: anything, sys: SYS });
  const client = new PacketClient(broker.server.connect());
  const will = {
    ...({ topicName: '$SYS/x', payload: new Uint8Array(1), qos: 0, retain: false } as const),
    properties: {},
  };
  expect(await client.connect('a', { will })).toMatchObject({ reasonCode: 0x87 });
});

test('nothing of it is stored, queued or counted as lost', async () => {
  const stored = await startStored({ ...OPTIONS, limits: { queueQos0: true } });
  const { broker } = stored;
  const away = await broker.v5('away', false, ONE_HOUR);
  await away.send("82 0c 0001 00 0006 '$SYS/#' 01");
  await away.drop();
  const { commits } = broker.server.metrics;
  const { no_subscriber } = broker.server.stats().dropped;
  for (let i = 0; i < 5; i++) await broker.advance(INTERVAL_MS);
  const stats = broker.server.stats();
  expect(stats).toMatchObject({ queuedMessages: 0, retainedMessages: 0, retainedBytes: 0 });
  expect(stats.dropped.no_subscriber).toBe(no_subscriber);
  expect(broker.server.metrics.commits).toBe(commits);
  await stored.restart();
  expect(stored.broker.server.stats().retainedMessages).toBe(0);
});

test('with an interval of 0 there is nothing', async () => {
  const broker = await startServer({ ...OPTIONS, sys: { ...SYS, intervalMs: 0 } });
  const client = await connected(broker, 'a');
  client.subscribe('$SYS/#');
  await broker.advance(INTERVAL_MS * 3);
  expect(await said(client)).toEqual(new Map());
});

test('many sessions are counted in slices, and no look begins before the last is done', async () => {
  const broker = await startServer({ ...OPTIONS, limits: { halfConnectedMax: 10_000 } });
  const reader = await connected(broker, 'reader');
  const crowd = Array.from({ length: 4_500 }, (_, i) => {
    const client = new PacketClient(broker.server.connect());
    client.sendConnect(`c${i}`);
    return client;
  });
  await until(() => broker.server.stats().sessions === crowd.length + 1);
  reader.subscribe('$SYS/broker/clients/connected');
  await said(reader);
  broker.clock.advance(INTERVAL_MS * 2);
  expect(await said(reader)).toEqual(new Map([['clients/connected', '4501']]));
});
