// Shared subscriptions: which member gets a message. MQTT 5 §4.8.2; design §4a.11.

import { expect, test } from 'vitest';
import { subscriberV3, subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { RESERVED_OPEN, startServer, type WireClient } from '../kit/wire.ts';

const GROUP = '$share/g/t';
const DURABLE = '11 00000e10';

/** Payloads of the PUBLISH packets that came, a character each. */
async function payloads(client: WireClient): Promise<string> {
  const packets = (await client.packets()).filter((packet) => packet[0] >> 4 === 3);
  return packets.map((packet) => String.fromCharCode(packet.at(-1) ?? 0)).join('');
}

test('each message goes to one member, in turn', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP);
  const b = await subscriberV5(broker, 'b', GROUP);
  const publisher = await broker.v3('pub');
  await publisher.send(
    "30 04 0001 't' '1' 30 04 0001 't' '2' 30 04 0001 't' '3' 30 04 0001 't' '4'",
  );
  await a.expect("30 05 0001 't' 00 '1'", "30 05 0001 't' 00 '3'");
  await b.expect("30 05 0001 't' 00 '2'", "30 05 0001 't' 00 '4'");
});

test('v3.1.1 clients share, too, also with v5 ones', async () => {
  const broker = await startServer();
  const three = await subscriberV3(broker, 'three', GROUP);
  const five = await subscriberV5(broker, 'five', GROUP);
  const publisher = await broker.v3('pub');
  await publisher.send("30 04 0001 't' '1' 30 04 0001 't' '2'");
  await three.expect("30 04 0001 't' '1'");
  await five.expect("30 05 0001 't' 00 '2'");
});

test('groups with other names or filters get their own copy, and so do ordinary subscribers', async () => {
  const broker = await startServer();
  const one = await subscriberV5(broker, 'one', GROUP);
  const two = await subscriberV5(broker, 'two', '$share/h/t');
  const three = await subscriberV5(broker, 'three', '$share/g/+');
  const four = await subscriberV5(broker, 'four', 't');
  const publisher = await broker.v3('pub');
  await publisher.send("30 04 0001 't' '1'");
  for (const client of [one, two, three, four]) await client.expect("30 05 0001 't' 00 '1'");
});

test('a member that replaces its subscription is still one member', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP);
  await subscribeV5(a, GROUP, 1);
  const b = await subscriberV5(broker, 'b', GROUP, 1);
  const publisher = await broker.v3('pub');
  await publisher.send("32 06 0001 't' 0001 '1' 32 06 0001 't' 0002 '2'");
  await a.expect("32 07 0001 't' 0001 00 '1'");
  await b.expect("32 07 0001 't' 0001 00 '2'");
});

test('a member that unsubscribed gets nothing more, the others get all', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP);
  const b = await subscriberV5(broker, 'b', GROUP);
  await a.send("a2 0f 0003 00 000a '$share/g/t'");
  await a.expect('b0 04 0003 00 00');
  const publisher = await broker.v3('pub');
  await publisher.send("30 04 0001 't' '1' 30 04 0001 't' '2'");
  await a.expectNothing();
  expect(await payloads(b)).toBe('12');
});

test('the delivery has the lower of the published and the chosen member’s QoS [MQTT-4.8.2-3]', async () => {
  const broker = await startServer();
  const zero = await subscriberV5(broker, 'zero', GROUP, 0);
  const one = await subscriberV5(broker, 'one', GROUP, 1);
  const two = await subscriberV5(broker, 'two', GROUP, 2);
  const publisher = await broker.v3('pub');
  await publisher.send("34 06 0001 't' 0001 '1' 34 06 0001 't' 0002 '2' 34 06 0001 't' 0003 '3'");
  await zero.expect("30 05 0001 't' 00 '1'");
  await one.expect("32 07 0001 't' 0001 00 '2'");
  await two.expect("34 07 0001 't' 0001 00 '3'");
});

test('a publisher that is a member may get its own message', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP);
  await a.send("30 05 0001 't' 00 '1'");
  await a.expect("30 05 0001 't' 00 '1'");
});

test('a member whose window is full is passed over while another has room', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP, 1, '21 0001');
  const b = await subscriberV5(broker, 'b', GROUP, 1);
  const publisher = await broker.v3('pub');
  await publisher.send("32 06 0001 't' 0001 '1' 32 06 0001 't' 0002 '2' 32 06 0001 't' 0003 '3'");
  expect(await payloads(a)).toBe('1');
  expect(await payloads(b)).toBe('23');
});

test('with all windows full messages wait at members online, not at those away', async () => {
  const broker = await startServer();
  await (await subscriberV5(broker, 'away', GROUP, 1, DURABLE)).drop();
  const a = await subscriberV5(broker, 'a', GROUP, 1, '21 0001');
  const publisher = await broker.v3('pub');
  await publisher.send("32 06 0001 't' 0001 '1' 32 06 0001 't' 0002 '2'");
  expect(await payloads(a)).toBe('1');
  await a.send('40 02 0001');
  expect(await payloads(a)).toBe('2');
});

test('with no member online the one away with the shortest queue keeps the message', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP, 1, DURABLE); // its turn would be the first
  await subscribeV5(a, 'own', 1);
  await a.drop();
  await (await subscriberV5(broker, 'b', GROUP, 1, DURABLE)).drop();
  const publisher = await broker.v3('pub');
  await publisher.send("32 08 0003 'own' 0001 'x' 32 06 0001 't' 0002 '1'");
  expect(await payloads(await broker.v5('a', false, DURABLE))).toBe('x');
  expect(await payloads(await broker.v5('b', false, DURABLE))).toBe('1');
});

test('a message that no member can take is dropped and counted', async () => {
  const broker = await startServer({ limits: { queueMessagesMax: 1 } });
  await (await subscriberV5(broker, 'a', GROUP, 1, DURABLE)).drop();
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00 32 06 0001 't' 0002 00");
  await publisher.expect('40 02 0001', '40 03 0002 10');
  expect(broker.server.stats().dropped.no_shared_member).toBe(1);
});

test('sticky: one member gets all until it goes', async () => {
  const broker = await startServer({ sharedStrategy: 'sticky' });
  const a = await subscriberV5(broker, 'a', GROUP);
  const b = await subscriberV5(broker, 'b', GROUP);
  const publisher = await broker.v3('pub');
  await publisher.send("30 04 0001 't' '1' 30 04 0001 't' '2'");
  expect(await payloads(a)).toBe('12');
  await a.drop();
  await publisher.send("30 04 0001 't' '3'");
  expect(await payloads(b)).toBe('3');
});

test('hash by client id: one member gets all messages of one publisher', async () => {
  const broker = await startServer({ sharedStrategy: 'hash_clientid' });
  const members = [
    await subscriberV5(broker, 'a', GROUP),
    await subscriberV5(broker, 'b', GROUP),
    await subscriberV5(broker, 'c', GROUP),
  ];
  const chosen = new Set<number>();
  for (let i = 0; i < 20; i++) {
    const publisher = await broker.v3(`pub${i}`);
    await publisher.send("30 04 0001 't' '1' 30 04 0001 't' '2' 30 04 0001 't' '3'");
    const got: string[] = [];
    for (const member of members) got.push(await payloads(member));
    expect(got.toSorted()).toEqual(['', '', '123']);
    chosen.add(got.indexOf('123'));
  }
  expect(chosen.size).toBe(3);
});

test('$ topics are shared only by filters that name them [MQTT-4.7.2-1]', async () => {
  const broker = await startServer(RESERVED_OPEN);
  const all = await subscriberV5(broker, 'all', '$share/g/#');
  const named = await subscriberV5(broker, 'named', '$share/g/$x/#');
  const publisher = await broker.v3('pub');
  await publisher.send("30 06 0004 '$x/a'");
  await all.expectNothing();
  await named.expect("30 07 0004 '$x/a' 00");
});

test('a QoS 0 message goes to a member whose window and queue are full of QoS 1 messages: it needs neither', async () => {
  const broker = await startServer({ limits: { inflightMessagesMax: 1, queueMessagesMax: 1 } });
  const member = await subscriberV5(broker, 'only', GROUP, 1);
  const publisher = await broker.v3('pub');
  await publisher.send("32 06 0001 't' 0001 '1' 32 06 0001 't' 0002 '2'"); // sent, queued
  await publisher.send("30 04 0001 't' '3'");
  expect(await payloads(member)).toBe('13');
  expect(broker.server.stats().dropped.no_shared_member).toBe(0);
});
