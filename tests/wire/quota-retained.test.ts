// Quotas for retained messages: whose they are, what a refused PUBLISH gets, and when there is room again. In literal bytes.

import { expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import type { QuotaRule } from '../../src/core/quota-rules.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { startStored } from '../kit/stored.ts';
import { publishV5, subscriberV5 } from '../kit/traffic.ts';
import {
  connectPacket,
  settle,
  startServer,
  type TestServer,
  type WireClient,
} from '../kit/wire.ts';

const TWO: QuotaRule = { clientId: 'p*', retainedMessagesMax: 2 };
const PER_USER: QuotaRule = { username: '*', per: 'user', retainedMessagesMax: 2 };

const TAKEN = 0x10; // no subscribers
const REFUSED = 0x97;

/** Publishes a retained message at QoS 1; returns the reason code of its PUBACK. */
async function retain(client: WireClient, topicName: string, payload: string): Promise<number> {
  await client.send(publishV5({ topicName, payload, qos: 1, retain: true, packetId: 7 }));
  const puback = await client.packet();
  expect([...puback.subarray(0, 4)]).toEqual([0x40, puback.length - 2, 0, 7]);
  return puback[4] ?? 0;
}

async function named(broker: TestServer, clientId: string, username: string): Promise<WireClient> {
  const client = broker.open();
  await client.send(connectPacket(5, clientId, true, '', username));
  await client.packet();
  return client;
}

test('v5: one too many gets 0x97 and nobody gets it; replacing one’s own and deleting are free', async () => {
  const broker = await startServer({ quotas: [TWO] });
  const publisher = await broker.v5('p');
  await publisher.send("33 07 0001 'a' 0001 00 '1' 33 07 0001 'b' 0002 00 '1'");
  await publisher.expect('40 03 0001 10', '40 03 0002 10');
  const subscriber = await subscriberV5(broker, 's', '#', 0x20); // no retained messages
  await publisher.send("33 07 0001 'c' 0003 00 '1' 35 07 0001 'd' 0004 00 '1'");
  await publisher.expect('40 03 0003 97', '50 03 0004 97');
  await publisher.send("31 05 0001 'c' 00 '1'"); // QoS 0
  await subscriber.expectNothing();
  expect(broker.server.stats()).toMatchObject({ retainedMessages: 2, dropped: { quota: 3 } });
  await publisher.send("33 07 0001 'a' 0005 00 '2'");
  await publisher.expect('40 02 0005');
  await publisher.send("33 06 0001 'c' 0006 00 33 06 0001 'a' 0007 00"); // no payload
  await publisher.expect('40 02 0006', '40 02 0007');
  await publisher.send("33 07 0001 'c' 0008 00 '1'");
  await publisher.expect('40 02 0008');
  expect(broker.server.stats().retainedMessages).toBe(2);
});

test('what is not retained is not concerned', async () => {
  const broker = await startServer({ quotas: [{ clientId: 'p', retainedMessagesMax: 0 }] });
  const publisher = await broker.v5('p');
  await publisher.send("32 07 0001 'a' 0001 00 '1' 33 07 0001 'a' 0002 00 '1'");
  await publisher.expect('40 03 0001 10', '40 03 0002 97');
});

test('v3.1.1: acknowledged and dropped, or closed where that is wished [3.1.1 MQTT-3.3.5-2]', async () => {
  const broker = await startServer({ quotas: [TWO] });
  const publisher = await broker.v3('p');
  for (const topic of ['a', 'b', 'c']) await publisher.send(`33 06 0001 '${topic}' 0001 '1'`);
  await publisher.expect('40 02 0001', '40 02 0001', '40 02 0001');
  expect(broker.server.stats()).toMatchObject({ retainedMessages: 2, dropped: { quota: 1 } });
  const strict = await startServer({ quotas: [TWO], accessRules: { deniedV3: 'disconnect' } });
  const closed = await strict.v3('p');
  for (const topic of ['a', 'b', 'c']) await closed.send(`33 06 0001 '${topic}' 0001 '1'`);
  await closed.expectClosed('40 02 0001', '40 02 0001');
});

test('a message belongs to who published it last', async () => {
  const broker = await startServer({ quotas: [TWO] });
  const [first, second] = [await broker.v5('p1'), await broker.v5('p2')];
  expect([await retain(first, 'a', '1'), await retain(first, 'b', '1')]).toEqual([TAKEN, TAKEN]);
  expect(await retain(first, 'c', '1')).toBe(REFUSED);
  expect(await retain(second, 'a', '2')).toBe(TAKEN);
  expect(await retain(first, 'c', '1')).toBe(TAKEN);
  expect(await retain(first, 'a', '3')).toBe(REFUSED); // it is not its own any more
  const stranger = await broker.v5('stranger'); // whom no rule fits
  expect(await retain(stranger, 'b', '2')).toBe(TAKEN);
  await stranger.send("30 04 0001 'c' 00"); // empty, but not retained
  expect(await retain(first, 'd', '1')).toBe(TAKEN);
  expect(await retain(stranger, 'd', '')).toBe(TAKEN); // deleted by somebody else
  expect(await retain(first, 'e', '1')).toBe(TAKEN);
});

test('those of a user are counted together, whoever of its clients published them and wherever they are', async () => {
  const broker = await startServer({ quotas: [PER_USER] });
  const first = await named(broker, 'a', 'u');
  expect(await retain(first, 'a', '1')).toBe(TAKEN);
  await first.drop();
  const second = await named(broker, 'b', 'u');
  expect([await retain(second, 'a', '2'), await retain(second, 'b', '2')]).toEqual([TAKEN, TAKEN]);
  expect(await retain(second, 'c', '2')).toBe(REFUSED);
  const other = await named(broker, 'c', 'v');
  expect(await retain(other, 'c', '2')).toBe(TAKEN);
});

test('bytes are those of topic, properties and payload; less is always allowed', async () => {
  const broker = await startServer({
    quotas: [{ clientId: 'p', retainedBytesMax: 20 }],
  });
  const publisher = await broker.v5('p');
  expect(await retain(publisher, 'a', '1234567')).toBe(TAKEN); // 10
  expect(await retain(publisher, 'b', '12345678')).toBe(REFUSED); // 11
  expect(await retain(publisher, 'b', '1234567')).toBe(TAKEN);
  expect(await retain(publisher, 'a', '12345678')).toBe(REFUSED);
  await broker.server.setQuotas([{ clientId: 'p', retainedBytesMax: 5 }]);
  expect(await retain(publisher, 'a', '123456')).toBe(TAKEN);
  expect(await retain(publisher, 'a', '1234567')).toBe(REFUSED);
});

test('one that expired makes room when it is removed [MQTT-3.3.2-5]', async () => {
  const broker = await startServer({ quotas: [TWO] });
  const publisher = await broker.v5('p');
  await publisher.send("31 0a 0001 'a' 05 02 00000005 '1' 31 0a 0001 'b' 05 02 00000064 '1'");
  expect(await retain(publisher, 'c', '1')).toBe(REFUSED);
  await broker.advance(6_000);
  expect(await retain(publisher, 'c', '1')).toBe(TAKEN);
  expect(await retain(publisher, 'd', '1')).toBe(REFUSED);
});

test('a message whose authorizer answers when its publisher has gone has to have room, too', async () => {
  const answers: ((code: ReasonCode) => void)[] = [];
  const authorizer: Authorizer = {
    authorizePublish: () => new Promise((resolve) => answers.push(resolve)),
    authorizeSubscribe: () => ReasonCode.Success,
  };
  const quotas = [{ clientId: 'p', retainedMessagesMax: 1 }];
  const broker = await startServer({ authorizer, quotas });
  for (const topic of ['a', 'b']) {
    const publisher = await broker.v5('p');
    await publisher.send(`31 05 0001 '${topic}' 00 '1'`);
    await publisher.drop();
    answers.shift()?.(ReasonCode.Success);
    await settle();
  }
  expect(broker.server.stats()).toMatchObject({ retainedMessages: 1, dropped: { quota: 1 } });
});

test('what is in the store belongs to the same after a restart', async () => {
  const stored = await startStored({ quotas: [PER_USER] });
  const publisher = await named(stored.broker, 'a', 'u');
  await retain(publisher, 'a', '1');
  await retain(publisher, 'b', '1');
  await stored.restart();
  const again = await named(stored.broker, 'b', 'u');
  expect(await retain(again, 'c', '1')).toBe(REFUSED);
  expect(await retain(again, 'a', '')).toBe(TAKEN);
  expect(await retain(again, 'c', '1')).toBe(TAKEN);
});

test('a will is always sent; where its client has no room it is not retained, and that is counted', async () => {
  const broker = await startServer({ quotas: [{ clientId: 'p', retainedMessagesMax: 1 }] });
  const subscriber = await subscriberV5(broker, 's', 'w');
  for (const retained of [1, 1, 2]) {
    const client = broker.open();
    await client.send("10 15 0004 'MQTT' 05 26 0000 00 0001 'p' 00 0001 'w' 0001 'w'");
    await client.packet();
    if (retained === 2) await client.send("33 06 0001 'w' 0001 00 33 07 0001 'a' 0002 00 '1'");
    await client.drop();
    expect(broker.server.stats().retainedMessages).toBe(1);
  }
  const will = "30 05 0001 'w' 00 'w'";
  await subscriber.expect(will, will, "30 04 0001 'w' 00", will);
  expect(broker.server.stats().dropped.quota).toBe(1);
});
