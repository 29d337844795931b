// What waits in the output of a client that goes is lost, as far as it is of QoS 0, and counted by its topic.

import { expect, test } from 'vitest';
import { ONE_HOUR } from '../kit/stored.ts';
import { publishV5, subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer, type TestServer, type WireClient } from '../kit/wire.ts';

interface Loss {
  readonly clientId: string | null;
  readonly topicName: string;
  readonly count: number;
}

function listen({ server }: TestServer): Loss[] {
  const lost: Loss[] = [];
  server.drops.listener = {
    onDrop: (_reason, clientId, topicName, count) => {
      lost.push({ clientId, topicName, count });
    },
  };
  return lost;
}

/** Publishes until a write to the client that does not read is unfinished: what comes from then on waits behind it. */
async function fill({ server }: TestServer, publisher: WireClient, topicName: string) {
  const payload = 'x'.repeat(8_100);
  while ((await server.figures()).memory.connections === 0) {
    await publisher.send(publishV5({ topicName, payload }));
  }
}

test('each message by its topic, also where the payload is shared by all, or the topic an alias', async () => {
  const broker = await startServer();
  const lost = listen(broker);
  const deaf = await subscriberV5(broker, 'sub', '#', 0, '22 0002'); // Topic Alias Maximum 2
  const publisher = await broker.v5('pub');
  deaf.stream.pause();
  await publisher.send(publishV5({ topicName: 'known/before' }));
  await publisher.send(publishV5({ topicName: 'other/topic' }));
  await fill(broker, publisher, 'known/before');
  const topics = ['known/before', 'new/topic', 'new/topic', 't', 'known/before', 'new/topic'];
  for (const topicName of topics) await publisher.send(publishV5({ topicName }));
  await publisher.send(publishV5({ topicName: 'l', payload: 'x'.repeat(20_000) }));
  await deaf.drop();
  const { dropped } = broker.server.stats();
  expect(dropped.unsent).toBe(7);
  expect(broker.server.drops.total).toBe(7);
  expect(lost).toHaveLength(4);
  expect(lost).toEqual(
    expect.arrayContaining([
      { clientId: 'sub', topicName: 'known/before', count: 2 },
      { clientId: 'sub', topicName: 'new/topic', count: 3 },
      { clientId: 'sub', topicName: 't', count: 1 },
      { clientId: 'sub', topicName: 'l', count: 1 },
    ]),
  );
});

test('without a topic where its alias is another topic’s by now', async () => {
  const broker = await startServer();
  const lost = listen(broker);
  const deaf = await subscriberV5(broker, 'sub', '#', 0, '22 0001'); // Topic Alias Maximum 1
  const publisher = await broker.v5('pub');
  deaf.stream.pause();
  await fill(broker, publisher, 'known/before');
  await publisher.send(publishV5({ topicName: 'known/before' }));
  await publisher.send(publishV5({ topicName: 'new/topic' }));
  await deaf.drop();
  expect(lost).toEqual([
    { clientId: 'sub', topicName: '', count: 1 },
    { clientId: 'sub', topicName: 'new/topic', count: 1 },
  ]);
});

test('by what an alias stood for, also where a message of QoS 1 gave it to another topic', async () => {
  const broker = await startServer();
  const lost = listen(broker);
  const deaf = await subscriberV5(broker, 'sub', '#', 1, '22 0001'); // Topic Alias Maximum 1
  const publisher = await broker.v5('pub');
  deaf.stream.pause();
  await fill(broker, publisher, 'known/before');
  await publisher.send(publishV5({ topicName: 'known/before' }));
  await publisher.send(publishV5({ topicName: 'new/topic', qos: 1, packetId: 1 }));
  await publisher.send(publishV5({ topicName: 'new/topic' }));
  await deaf.drop();
  expect(lost.filter(({ topicName }) => topicName === '')).toHaveLength(1);
  expect(broker.server.stats().dropped).toMatchObject({ unsent: 2, session_ended: 1 });
  expect(lost.filter(({ topicName }) => topicName === 'new/topic')).toEqual([
    { clientId: 'sub', topicName: 'new/topic', count: 1 }, // of QoS 0
    { clientId: 'sub', topicName: 'new/topic', count: 1 }, // of QoS 1, with the session
  ]);
});

test('by its whole topic, a byte order mark included', async () => {
  const broker = await startServer();
  const lost = listen(broker);
  const deaf = await subscriberV3(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  deaf.stream.pause();
  await fill(broker, publisher, 't');
  await publisher.send(publishV5({ topicName: '\ufefft' }));
  await deaf.drop();
  expect(lost).toEqual([{ clientId: 'sub', topicName: '\ufefft', count: 1 }]);
});

test('no message of QoS 1: its session has it, and sends it again', async () => {
  const broker = await startServer();
  const deaf = await subscriberV5(broker, 'sub', '#', 1, ONE_HOUR);
  const publisher = await broker.v5('pub');
  deaf.stream.pause();
  await fill(broker, publisher, 'a');
  await publisher.send(publishV5({ topicName: 'b', qos: 1, packetId: 1 }));
  await deaf.drop();
  expect(broker.server.drops.total).toBe(0);
  expect(broker.server.stats().inflightMessages).toBe(1);
});

test('nothing of a client that reads, and goes', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV3(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  await publisher.send(publishV5({ topicName: 't' }));
  await subscriber.drop();
  expect(broker.server.drops.total).toBe(0);
});

test('a server that cuts all off loses it to that', async () => {
  const broker = await startServer();
  const deaf = await subscriberV3(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  deaf.stream.pause();
  await fill(broker, publisher, 't');
  await publisher.send(publishV5({ topicName: 't' }));
  broker.server.abort();
  await broker.server.stop();
  expect(broker.server.stats().dropped).toMatchObject({ shutdown: 1, unsent: 0 });
});
