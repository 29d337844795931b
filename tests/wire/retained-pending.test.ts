// Retained messages that a new subscription still waits for: they belong to the session, not to the SUBACK or the connection,
// and their pace is one a session, however many filters ask.

import { expect, test } from 'vitest';
import { startStored } from '../kit/stored.ts';
import { joined, publishV3, subscriberV5 } from '../kit/traffic.ts';
import { settle, startServer } from '../kit/wire.ts';

test('a filter twice in one SUBSCRIBE, Retain Handling 1, brings them once [MQTT-3.3.1-10]', async () => {
  const broker = await startServer();
  await (await broker.v3('pub')).send("31 04 0001 't' 'x'");
  const client = await broker.v5('sub');
  await client.send("82 0b 0001 00 0001 't' 10 0001 't' 10");
  await client.expect('90 05 0001 00 00 00', "31 05 0001 't' 00 'x'");
});

test('a second SUBSCRIBE that wants none, before the first SUBACK is out, takes none away [MQTT-3.8.4-5]', async () => {
  const stored = await startStored();
  await (await stored.broker.v3('pub')).send("31 04 0001 't' 'x'");
  const client = await stored.durable('sub');
  stored.slow();
  await client.send("82 07 0001 00 0001 't' 00");
  await client.send("82 07 0002 00 0001 't' 20");
  for (let i = 0; i < 4; i++) await stored.commit();
  await client.expect('90 04 0001 00 00', "31 05 0001 't' 00 'x'", '90 04 0002 00 00');
});

test('they come on the next connection when this one is lost before its SUBACK [MQTT-3.3.1-10]', async () => {
  const stored = await startStored();
  await (await stored.broker.v3('pub')).send("31 04 0001 't' 'x'");
  const client = await stored.durable('sub');
  stored.slow();
  await client.send("82 07 0001 00 0001 't' 10");
  await client.drop();
  for (let i = 0; i < 4; i++) await stored.commit();
  stored.storage.commitDelayMs = 0;
  const again = await stored.durable('sub');
  await again.send("82 07 0002 00 0001 't' 10"); // no SUBACK came: once more
  const packets = await again.packets();
  expect(packets.filter((packet) => packet[0] >> 4 === 3)).toHaveLength(1);
});

test('after UNSUBSCRIBE none comes any more [MQTT-3.10.4-2]', async () => {
  const stored = await startStored();
  await (await stored.broker.v3('pub')).send("31 04 0001 't' 'x'");
  const client = await stored.durable('sub');
  stored.slow();
  await client.send("82 07 0001 00 0001 't' 00 a2 06 0002 00 0001 't'");
  for (let i = 0; i < 4; i++) await stored.commit();
  await client.expect('90 04 0001 00 00', 'b0 04 0002 00 00');
});

test('a session gets 128 a turn, however many filters match them', async () => {
  const broker = await startServer();
  const publisher = await broker.v3('pub');
  const messages = Array.from({ length: 300 }, (_, i) =>
    publishV3({ topicName: `r/${i}`, payload: 'x', retain: true }),
  );
  await publisher.send(joined(messages));
  const client = await broker.v5('sub');
  const { metrics } = broker.server;
  let most = 0;
  client.write("82 1f 0001 00 0003 'r/+' 00 0003 'r/#' 00 0003 '+/+' 00 0001 '#' 00 0003 '+/#' 00");
  for (let sent = 0, i = 0; i < 40; i++) {
    await settle(1);
    most = Math.max(most, metrics.publishSent[0] - sent);
    sent = metrics.publishSent[0];
  }
  expect(metrics.publishSent[0]).toBe(1_500);
  expect(most).toBe(128);
});

test('a client’s own retained messages do not come to a subscription with No Local [MQTT-3.8.3-3]', async () => {
  const broker = await startServer();
  const own = await broker.v5('own');
  await own.send("31 05 0001 'a' 00 '1'");
  await (await broker.v5('other')).send("31 05 0001 'b' 00 '2'");
  await own.send("82 07 0001 00 0001 '#' 04");
  await own.expect('90 04 0001 00 00', "31 05 0001 'b' 00 '2'");
  expect(broker.server.stats().dropped.no_local).toBe(1);
});

test('expired ones make room for new ones at the limit [MQTT-3.3.2-5]', async () => {
  const broker = await startServer({ limits: { retainedMessagesMax: 1 } });
  const publisher = await broker.v5('pub');
  await broker.advance(500); // between two sweeps
  await publisher.send("31 0a 0001 'a' 05 02 00000001 'x'");
  await broker.advance(1_400);
  await publisher.send("31 05 0001 'b' 00 'y'");
  expect(broker.server.stats()).toMatchObject({
    retainedMessages: 1,
    dropped: { retained_limit: 0 },
  });
});

test('a bridge may get its own messages through a shared subscription, which knows no No Local', async () => {
  const broker = await startServer();
  const bridge = broker.open();
  await bridge.send("10 0d 0004 'MQTT' 84 02 0000 0001 'b'");
  await bridge.expect('20 02 00 00');
  await bridge.send("82 0f 0001 000a '$share/g/t' 00");
  await bridge.expect('90 03 0001 00');
  await bridge.send("30 04 0001 't' 'x'");
  await bridge.expect("30 04 0001 't' 'x'");
});

test('who subscribes anew is not served by what waited for another session', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'a', 'u');
  await first.drop();
  await (await broker.v3('pub')).send("31 04 0001 'u' 'x'");
  const second = await broker.v5('a');
  await second.expectNothing();
});
