// Which subscriptions bring retained messages, and how many at a time. MQTT 5 §3.3.1.3, §3.8.3.1; design §4a.10.

import { expect, test } from 'vitest';
import { publishV3, publishV5, subscriberV5 } from '../kit/traffic.ts';
import { RESERVED_OPEN, startServer, type TestServer, type WireClient } from '../kit/wire.ts';

/** A server with a retained message `r` on `t`. */
async function withRetained(): Promise<TestServer> {
  const broker = await startServer();
  const publisher = await broker.v5('pub');
  await publisher.send("31 05 0001 't' 00 'r'");
  return broker;
}

const RETAINED = "31 05 0001 't' 00 'r'";
const SUBACK = '90 04 0001 00 00';
const HANDLING_0 = "82 07 0001 00 0001 't' 00";
const HANDLING_1 = "82 07 0001 00 0001 't' 10";
const HANDLING_2 = "82 07 0001 00 0001 't' 20";

test('with Retain Handling 0 each SUBSCRIBE brings the retained message, a repeated one too [MQTT-3.3.1-9] [MQTT-3.8.4-4]', async () => {
  const subscriber = await (await withRetained()).v5('sub');
  await subscriber.send(HANDLING_0);
  await subscriber.expect(SUBACK, RETAINED);
  await subscriber.send(HANDLING_0);
  await subscriber.expect(SUBACK, RETAINED);
});

test('each v3.1.1 SUBSCRIBE brings the retained message, a repeated one too [3.1.1 MQTT-3.8.4-3]', async () => {
  const subscriber = await (await withRetained()).v3('sub');
  await subscriber.send("82 06 0001 0001 't' 00");
  await subscriber.expect('90 03 0001 00', "31 04 0001 't' 'r'");
  await subscriber.send("82 06 0002 0001 't' 00");
  await subscriber.expect('90 03 0002 00', "31 04 0001 't' 'r'");
});

test('with Retain Handling 1 a new subscription brings the retained message, a repeated one does not [MQTT-3.3.1-10]', async () => {
  const subscriber = await (await withRetained()).v5('sub');
  await subscriber.send(HANDLING_1);
  await subscriber.expect(SUBACK, RETAINED);
  await subscriber.send(HANDLING_1);
  await subscriber.expect(SUBACK);
});

test('with Retain Handling 1 a subscription made again after UNSUBSCRIBE is new [MQTT-3.3.1-10]', async () => {
  const subscriber = await (await withRetained()).v5('sub');
  await subscriber.send(HANDLING_1);
  await subscriber.send("a2 06 0002 00 0001 't'");
  await subscriber.expect(SUBACK, RETAINED, 'b0 04 0002 00 00');
  await subscriber.send(HANDLING_1);
  await subscriber.expect(SUBACK, RETAINED);
});

test('with Retain Handling 1 a subscription of the resumed session is not new [MQTT-3.3.1-10]', async () => {
  const broker = await withRetained();
  const first = await broker.v5('sub', true, '11 00000e10');
  await first.send(HANDLING_2);
  await first.drop();
  const second = await broker.v5('sub', false, '11 00000e10');
  await second.send(HANDLING_1);
  await second.expect(SUBACK);
});

test('with Retain Handling 2 a SUBSCRIBE brings no retained message [MQTT-3.3.1-11]', async () => {
  const subscriber = await (await withRetained()).v5('sub');
  await subscriber.send(HANDLING_2);
  await subscriber.expect(SUBACK);
});

test('Retain Handling 3 ends the connection with 0x82', async () => {
  const subscriber = await (await withRetained()).v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 30");
  const [packet] = await subscriber.packets();
  expect([packet[0], packet[2]]).toEqual([0xe0, 0x82]);
});

test('Retain As Published 0 does not take RETAIN from the retained message of a new subscription [MQTT-3.3.1-9]', async () => {
  const subscriber = await (await withRetained()).v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 08");
  await subscriber.expect(SUBACK, RETAINED);
});

test('a wildcard filter brings the retained messages of all topics that match, and no others [MQTT-3.3.1-9]', async () => {
  const broker = await startServer();
  const publisher = await broker.v3('pub');
  for (const topicName of ['a', 'a/b', 'a/b/c', 'a!', 'a/', 'b', '$a']) {
    publisher.write(publishV3({ topicName, payload: 'r', retain: true }));
  }
  const subscriber = await broker.v3('sub');
  await subscriber.send("82 08 0001 0003 'a/+' 00");
  await subscriber.expect('90 03 0001 00', "31 05 0002 'a/' 'r'", "31 06 0003 'a/b' 'r'");
  await subscriber.send("82 08 0002 0003 'a/#' 00");
  const packets = await subscriber.packets();
  const topics = packets.slice(1).map((packet) => new TextDecoder().decode(packet.subarray(4, -1)));
  expect(topics.toSorted()).toEqual(['a', 'a/', 'a/b', 'a/b/c']);
});

test('retained messages of $ topics come only for filters that name them [MQTT-4.7.2-1]', async () => {
  const broker = await startServer(RESERVED_OPEN);
  const publisher = await broker.v3('pub');
  await publisher.send("31 07 0004 '$a/b' 'r'");
  const subscriber = await broker.v3('sub');
  await subscriber.send("82 0c 0001 0001 '#' 00 0003 '+/b' 00");
  await subscriber.expect('90 04 0001 00 00');
  await subscriber.send("82 09 0002 0004 '$a/#' 00");
  await subscriber.expect('90 03 0002 00', "31 07 0004 '$a/b' 'r'");
});

test('two overlapping filters of one SUBSCRIBE bring the retained message once each [MQTT-3.8.4-5]', async () => {
  const subscriber = await (await withRetained()).v5('sub');
  await subscriber.send("82 0b 0001 00 0001 't' 00 0001 '+' 00");
  await subscriber.expect('90 05 0001 00 00 00', RETAINED, RETAINED);
});

test('retained QoS 1 messages come as the window allows [MQTT-3.3.4-9] [MQTT-4.9.0-2]', async () => {
  const broker = await startServer();
  const publisher = await broker.v3('pub');
  await publisher.send("33 06 0001 'a' 0001 'r' 33 06 0001 'b' 0002 'r' 33 06 0001 'c' 0003 'r'");
  const subscriber = await broker.v5('sub', true, '21 0002');
  await subscriber.send("82 07 0001 00 0001 '#' 01");
  await subscriber.expect(
    '90 04 0001 00 01',
    "33 07 0001 'a' 0001 00 'r'",
    "33 07 0001 'b' 0002 00 'r'",
  );
  await subscriber.send('40 02 0001');
  await subscriber.expect("33 07 0001 'c' 0003 00 'r'");
});

test('a retained message that changes before its turn comes with its new value, and only once after the live one [MQTT-3.3.1-5]', async () => {
  const broker = await startServer();
  const publisher = await broker.v3('pub');
  await publisher.send("33 06 0001 'a' 0001 '1' 33 06 0001 'b' 0002 '1'");
  const subscriber = await broker.v5('sub', true, '21 0001');
  await subscriber.send("82 07 0001 00 0001 '#' 01");
  await subscriber.expect('90 04 0001 00 01', "33 07 0001 'a' 0001 00 '1'");
  await publisher.send("33 06 0001 'b' 0003 '2'");
  const got: string[] = [];
  for (let id = 1; id <= 4; id++) {
    await subscriber.send(`40 02 000${id}`);
    for (const packet of await subscriber.packets())
      got.push(new TextDecoder().decode(packet.subarray(-1)));
  }
  expect(got).not.toContain('1');
  expect(got[0]).toBe('2');
});

test('UNSUBSCRIBE ends what is left of the retained messages [MQTT-3.10.4-2]', async () => {
  const broker = await startServer();
  const publisher = await broker.v3('pub');
  await publisher.send("33 06 0001 'a' 0001 'r' 33 06 0001 'b' 0002 'r'");
  const subscriber = await broker.v5('sub', true, '21 0001');
  await subscriber.send("82 07 0001 00 0001 '#' 01");
  await subscriber.expect('90 04 0001 00 01', "33 07 0001 'a' 0001 00 'r'");
  await subscriber.send("a2 06 0002 00 0001 '#'");
  await subscriber.expect('b0 04 0002 00 00');
  await subscriber.send('40 02 0001');
  await subscriber.expectNothing();
});

test('a replaced subscription decides the QoS of the retained messages that are left [MQTT-3.8.4-3] [MQTT-3.8.4-8]', async () => {
  const broker = await startServer();
  const publisher = await broker.v3('pub');
  await publisher.send("33 06 0001 'a' 0001 'r' 33 06 0001 'b' 0002 'r'");
  const subscriber = await broker.v5('sub', true, '21 0001');
  await subscriber.send("82 07 0001 00 0001 '#' 01");
  await subscriber.expect('90 04 0001 00 01', "33 07 0001 'a' 0001 00 'r'");
  await subscriber.send("82 07 0002 00 0001 '#' 20"); // QoS 0, Retain Handling 2
  await subscriber.expect('90 04 0002 00 00');
  await subscriber.send('40 02 0001');
  await subscriber.expect("31 05 0001 'b' 00 'r'");
});

test('retained messages that were not sent yet come on the next connection of the session [MQTT-3.3.1-9]', async () => {
  const broker = await startServer();
  const publisher = await broker.v3('pub');
  await publisher.send("33 06 0001 'a' 0001 'r' 33 06 0001 'b' 0002 'r'");
  const first = await broker.v5('sub', true, '21 0001 11 00000e10');
  await first.send("82 07 0001 00 0001 '#' 01");
  await first.drop();
  const second = await broker.v5('sub', false, '11 00000e10');
  await second.expect("3b 07 0001 'a' 0001 00 'r'", "33 07 0001 'b' 0002 00 'r'");
});

test('ten thousand retained messages all come, once each, and live messages meanwhile, too [MQTT-3.3.1-9] [MQTT-3.8.4-4]', async () => {
  const broker = await startServer();
  await retainMany(broker, 10_000);
  const subscriber = await broker.v3('sub');
  const publisher = await broker.v3('pub');
  subscriber.write("82 06 0001 0001 '#' 00");
  publisher.write("30 07 0004 'live' 'm'");
  const topics = await topicsOf(subscriber, 10_002);
  expect(new Set(topics).size).toBe(10_001);
  expect(topics).toContain('live');
});

test('retained messages with large payloads fill the output and go on when it is written [MQTT-3.3.1-9]', async () => {
  const broker = await startServer();
  const publisher = await broker.v3('pub');
  // SUBACK and the first four packets make exactly 65,536 bytes, which the pipe takes at once, without a call back
  for (const topicName of ['a', 'b', 'c', 'd', 'e']) {
    const payload = 'x'.repeat(topicName === 'a' ? 16_373 : 16_378);
    publisher.write(publishV3({ topicName, payload, retain: true }));
  }
  const subscriber = await broker.v3('sub');
  await subscriber.send("82 06 0001 0001 '#' 00");
  const topics = await topicsOf(subscriber, 6);
  expect(topics).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('a shared subscription brings no retained messages [MQTT-3.3.1-9]', async () => {
  const subscriber = await (await withRetained()).v5('sub');
  await subscriber.send("82 10 0001 00 000a '$share/g/t' 00");
  await subscriber.expect(SUBACK);
});

test('a refused filter brings no retained messages [MQTT-3.8.4-7]', async () => {
  const broker = await startServer({ limits: { wildcardSubscriptionAvailable: false } });
  const publisher = await broker.v5('pub');
  await publisher.send(publishV5({ topicName: 't', payload: 'r', retain: true }));
  const subscriber = await subscriberV5(broker, 'sub', 'other');
  await subscriber.send("82 07 0001 00 0001 '#' 00");
  await subscriber.expect('90 04 0001 00 a2');
});

async function retainMany(broker: TestServer, count: number): Promise<void> {
  const publisher = await broker.v3('many');
  for (let i = 0; i < count; i++) {
    publisher.write(publishV3({ topicName: `r/${i}`, payload: 'r', retain: true }));
  }
  await publisher.expectNothing();
  expect(broker.server.stats().retainedMessages).toBe(count);
}

/** Topics of what came besides SUBACK, once so many packets have come or nothing more comes. */
async function topicsOf(client: WireClient, packets: number): Promise<string[]> {
  const topics: string[] = [];
  let seen = 0;
  while (seen < packets) {
    const some = await client.packets();
    if (some.length === 0) break;
    seen += some.length;
    for (const packet of some) {
      if (packet[0] >> 4 !== 3) continue;
      const start = packet[1] < 128 ? 2 : 3;
      const length = (packet[start] << 8) | packet[start + 1];
      topics.push(new TextDecoder().decode(packet.subarray(start + 2, start + 2 + length)));
    }
  }
  return topics;
}
