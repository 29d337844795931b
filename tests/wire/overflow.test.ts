// A full queue under policy `disconnect`, and who of a group has room: what happens to many at once happens to them one after
// the other, never one inside the other.

import { expect, test } from 'vitest';
import { publishV3, subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { settle, startServer } from '../kit/wire.ts';

const GROUP = '$share/g/t';
/** Session Expiry Interval an hour, Receive Maximum 1. */
const DURABLE_ONE = '11 00000e10 21 0001';
const ONE = '21 0001';

function payloadOf(length: number): Uint8Array {
  return publishV3({ topicName: 't', qos: 1, payload: 'x'.repeat(length) });
}

/** CONNECT of a v5 client with Receive Maximum 1 and a QoS 1 will `w` of one byte. */
function connectWithWill(clientId: string): string {
  return `10 ${(23 + clientId.length).toString(16)} 0004 'MQTT' 05 0e 0000 03 ${ONE}
    ${clientId.length.toString(16).padStart(4, '0')} '${clientId}' 00 0001 'w' 0001 'x'`;
}

test('when a client goes, thousands whom its will pushes over the edge go one after the other', async () => {
  const broker = await startServer({
    limits: { queueMessagesMax: 1, queuePolicy: 'disconnect' },
  });
  const clients = [];
  for (let i = 0; i < 1_500; i++) {
    const client = broker.open();
    client.write(connectWithWill(`c${i.toString().padStart(5, '0')}`));
    client.write("82 07 0009 00 0001 'w' 01"); // SUBSCRIBE
    clients.push(client);
    if (i % 500 === 499) await settle();
  }
  const publisher = await broker.v3('pub');
  await publisher.send(publishV3({ topicName: 'w', qos: 1, payload: '1' })); // fills each window
  await publisher.send(publishV3({ topicName: 'w', qos: 1, payload: '2' })); // and each queue
  expect(broker.server.stats().queuedMessages).toBe(1_500);
  clients[0].stream.destroy();
  await settle(200);
  await publisher.expectOpen();
  expect(broker.server.metrics.assertionFailures).toBe(0);
  expect(broker.server.stats().sessions).toBe(1);
  expect(broker.server.metrics.willsPublished).toBe(1_500);
});

test('so do the members of a group to whom one after the other a message is passed on', async () => {
  const broker = await startServer({
    limits: { queueBytesMax: 200, queuePolicy: 'disconnect' },
  });
  for (let i = 0; i < 300; i++) await subscriberV5(broker, `m${i}`, GROUP, 1, DURABLE_ONE);
  const publisher = await broker.v3('pub');
  for (let i = 0; i < 300; i++) publisher.write(payloadOf(1));
  for (let i = 0; i < 300; i++) publisher.write(payloadOf(150));
  await publisher.send(payloadOf(100)); // fits nowhere
  expect(broker.server.stats()).toMatchObject({ sessionsConnected: 301, queuedMessages: 300 });
  expect(broker.server.drops.total).toBe(1);
});

test('a shared message goes to the member whose queue has room for its size', async () => {
  const broker = await startServer({ limits: { queueBytesMax: 200 } });
  for (const id of ['a', 'b']) {
    await subscribeV5(await subscriberV5(broker, id, GROUP, 1, ONE), 'own', 1);
  }
  const publisher = await broker.v3('pub');
  await publisher.send(publishV3({ topicName: 'own', qos: 1, payload: 'fills the windows' }));
  await publisher.send(payloadOf(150)); // at a
  await publisher.send(payloadOf(100)); // at b
  await publisher.send(payloadOf(80)); // it is a's turn, but only b has room
  expect(broker.server.stats().dropped.queue_full).toBe(0);
});

test('a message that is safe in a durable queue is not given to a member that would lose it', async () => {
  const broker = await startServer({ limits: { queueBytesMax: 200 } });
  const a = await subscriberV5(broker, 'a', GROUP, 1, DURABLE_ONE);
  const publisher = await broker.v3('pub');
  await publisher.send(payloadOf(1));
  await publisher.send(payloadOf(150)); // waits at a
  const b = await subscriberV5(broker, 'b', GROUP, 1, ONE);
  await subscribeV5(b, 'own', 1);
  await publisher.send(publishV3({ topicName: 'own', qos: 1, payload: '1' }));
  await publisher.send(publishV3({ topicName: 'own', qos: 1, payload: 'x'.repeat(150) }));
  await a.drop();
  expect(broker.server.stats().dropped.queue_full).toBe(0);
});

test('a message of an ended session goes to a member that is away and keeps QoS 0', async () => {
  const broker = await startServer({ limits: { queueQos0: true } });
  await (await subscriberV5(broker, 'away', GROUP, 0, '11 00000e10')).drop();
  const a = await subscriberV5(broker, 'a', GROUP, 1);
  await (await broker.v3('pub')).send("32 06 0001 't' 0001 '1'");
  await a.drop(); // its session ends
  const away = await broker.v5('away', false, '11 00000e10');
  await away.expect("30 05 0001 't' 00 '1'");
});

test('a session with hundreds of thousands of queued messages ends', async () => {
  const count = 200_000;
  const broker = await startServer({
    limits: { queueMessagesMax: count, queueBytesMax: 2 ** 30 },
  });
  await (await subscriberV5(broker, 's', 't', 1, '11 0000003c')).drop();
  const publisher = await broker.v3('p');
  const chunk = Buffer.concat(Array.from({ length: 10_000 }, () => payloadOf(0)));
  for (let i = 0; i < count; i += 10_000) await publisher.send(chunk);
  broker.clock.advance(61_000);
  expect(broker.server.stats().dropped.session_ended).toBe(count);
});
