// Shared subscriptions: what becomes of messages whose member goes. MQTT 5 §4.8.2; design §4a.11.

import { expect, test } from 'vitest';
import { subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer, type TestServer } from '../kit/wire.ts';

const GROUP = '$share/g/t';
const DURABLE = '11 00000e10';

/** Three messages of this QoS, payloads 1 to 3. */
async function publishThree(broker: TestServer, qos: 1 | 2): Promise<void> {
  const publisher = await broker.v3('pub');
  const header = qos === 1 ? '32' : '34';
  for (let i = 1; i <= 3; i++) publisher.write(`${header} 06 0001 't' 000${i} '${i}'`);
  await publisher.packets();
}

test('when a member goes, its messages without an id move to others; those with one come on its return', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP, 1, `${DURABLE} 21 0001`);
  await publishThree(broker, 1);
  await a.expect("32 07 0001 't' 0001 00 '1'");
  const b = await subscriberV5(broker, 'b', GROUP, 1);
  await a.drop();
  await b.expect("32 07 0001 't' 0001 00 '2'", "32 07 0001 't' 0002 00 '3'");
  const back = await broker.v5('a', false, DURABLE);
  await back.expect("3a 07 0001 't' 0001 00 '1'");
});

test('with no other member the messages wait for the one that went', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP, 1, `${DURABLE} 21 0001`);
  await publishThree(broker, 1);
  await a.drop();
  const back = await broker.v5('a', false, DURABLE);
  await back.expect(
    "3a 07 0001 't' 0001 00 '1'",
    "32 07 0001 't' 0002 00 '2'",
    "32 07 0001 't' 0003 00 '3'",
  );
});

test('messages of ordinary subscriptions do not move', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', 't', 1, `${DURABLE} 21 0001`);
  await publishThree(broker, 1);
  const b = await subscriberV5(broker, 'b', GROUP, 1);
  await a.drop();
  await b.expectNothing();
  expect(broker.server.stats().queuedMessages).toBe(2);
});

test('when a member’s session ends, its QoS 1 messages move, sent or not, in their order', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP, 1, '21 0002');
  await publishThree(broker, 1);
  const b = await subscriberV5(broker, 'b', GROUP, 1);
  await a.drop();
  await b.expect(
    "32 07 0001 't' 0001 00 '1'",
    "32 07 0001 't' 0002 00 '2'",
    "32 07 0001 't' 0003 00 '3'",
  );
  expect(broker.server.drops.total).toBe(0);
});

test('a QoS 2 delivery that was cut off goes on with its member on its return [MQTT-4.8.2-4]', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP, 2, `${DURABLE} 21 0002`);
  const b = await subscriberV5(broker, 'b', '$share/g/other', 2);
  await publishThree(broker, 2);
  await a.send('50 02 0001');
  await a.drop();
  const back = await broker.v5('a', false, `${DURABLE} 21 0001`);
  await back.expect('62 02 0001');
  await back.send('70 02 0001');
  await back.expect("3c 07 0001 't' 0002 00 '2'");
  await b.expectNothing();
});

test('when the session ends instead, a QoS 2 message that was sent is given to nobody and counted; one that was not moves [MQTT-4.8.2-5]', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP, 2, `${DURABLE} 21 0002`);
  await publishThree(broker, 2);
  await a.drop();
  const b = await subscriberV5(broker, 'b', GROUP, 2);
  await broker.advance(3_600_100);
  expect(broker.server.stats().sessions).toBe(2);
  await b.expect("34 07 0001 't' 0001 00 '3'");
  expect(broker.server.stats().dropped.session_ended).toBe(2);
});

test('a QoS 2 message in flight to a client that is away is not given to others meanwhile [MQTT-4.8.2-5]', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP, 2, `${DURABLE} 21 0003`);
  await publishThree(broker, 2);
  const b = await subscriberV5(broker, 'b', GROUP, 2);
  await a.drop();
  await b.expectNothing();
});

for (const [name, qos, packet] of [
  ['PUBACK', 1, '40 03 0001 83'],
  ['PUBREC', 2, '50 03 0001 83'],
] as const) {
  test(`a message that its member refuses with ${name} is dropped, not offered to others [MQTT-4.8.2-6]`, async () => {
    const broker = await startServer();
    const a = await subscriberV5(broker, 'a', GROUP, qos);
    const publisher = await broker.v3('pub');
    await publisher.send(`${qos === 1 ? '32' : '34'} 06 0001 't' 0001 '1'`);
    const b = await subscriberV5(broker, 'b', GROUP, qos);
    await a.send(packet);
    await b.expectNothing();
    expect(broker.server.stats().dropped.refused).toBe(1);
    expect(broker.server.stats().inflightMessages).toBe(0);
  });
}

test('messages of a v3.1.1 member move, too', async () => {
  const broker = await startServer({ limits: { inflightMessagesMax: 1 } });
  const a = await subscriberV3(broker, 'a', GROUP, 1, false);
  await publishThree(broker, 1);
  await a.expect("32 06 0001 't' 0001 '1'");
  const b = await subscriberV3(broker, 'b', GROUP, 1);
  await a.drop();
  await b.expect("32 06 0001 't' 0001 '2'");
  await b.send('40 02 0001');
  await b.expect("32 06 0001 't' 0002 '3'");
});

test('a message that moves keeps its expiry [MQTT-3.3.2-6]', async () => {
  const broker = await startServer();
  const a = await subscriberV5(broker, 'a', GROUP, 1, `${DURABLE} 21 0001`);
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00 32 0b 0001 't' 0002 05 02 0000000a");
  const b = await subscriberV5(broker, 'b', GROUP, 1);
  await broker.advance(4_000);
  await a.drop();
  await b.expect("32 0b 0001 't' 0001 05 02 00000006");
});

test('a message that moves has the identifier of its new member [MQTT-3.3.4-5]', async () => {
  const broker = await startServer();
  const a = await broker.v5('a', true, `${DURABLE} 21 0001`);
  await a.send("82 12 0001 02 0b 01 000a '$share/g/t' 01");
  await publishThree(broker, 1);
  const b = await broker.v5('b', true);
  await b.send("82 12 0001 02 0b 02 000a '$share/g/t' 00");
  await b.expect('90 04 0001 00 00');
  await a.drop();
  await b.expect("30 07 0001 't' 02 0b 02 '2'", "30 07 0001 't' 02 0b 02 '3'");
});

test('a queued QoS 1 message stays with its member rather than go to one who is away and would get it at QoS 0', async () => {
  const broker = await startServer();
  const expiry = '11 0000003c'; // Session Expiry Interval 60
  const away = await broker.v5('away', true, expiry);
  await away.send("82 10 0001 00 000a '$share/g/t' 00");
  await away.packets();
  await away.drop();
  const member = await broker.v5('member', true, `${expiry} 21 0001`); // Receive Maximum 1
  await member.send("82 10 0001 00 000a '$share/g/t' 01");
  await member.packets();
  const publisher = await broker.v3('pub');
  await publisher.send("32 06 0001 't' 0001 '1'");
  await publisher.send("32 06 0001 't' 0002 '2'");
  await member.expect("32 07 0001 't' 0001 00 '1'");
  await member.drop();
  expect(broker.server.stats()).toMatchObject({ queuedMessages: 1, inflightMessages: 1 });
  expect(broker.server.stats().dropped.offline).toBe(0);
});
