// Deliveries are asked about, each topic once: live and retained messages, shared subscriptions, and what was queued while the
// client was away. A subscription that is granted as a whole is not asked about.

import { expect, test } from 'vitest';
import { type Authorizer, type Client, UNDECIDED } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { CONNACK_PRESENT } from '../kit/answers.ts';
import { LogBook } from '../kit/log-book.ts';
import { ReceiveOnly } from '../kit/rules.ts';
import { subscriberV3, subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { connectPacket, startServer, type TestServer } from '../kit/wire.ts';

const FOR_A_MINUTE = '11 0000003c';

test('what a client may not receive is dropped and counted, what it may is delivered', async () => {
  const broker = await startServer({ authorizer: new ReceiveOnly('a/#') });
  const five = await subscriberV5(broker, 's5', '#');
  const three = await subscriberV3(broker, 's3', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("30 06 0003 'b/x' 00 30 06 0003 'a/x' 00");
  await five.expect("30 06 0003 'a/x' 00");
  await three.expect("30 05 0003 'a/x'");
  expect(broker.server.stats().dropped.receive_not_authorized).toBe(2);
});

test('a topic is asked about once for each session, however many messages follow', async () => {
  const authorizer = new ReceiveOnly('a/#');
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  for (let i = 0; i < 10; i++) await publisher.send("30 06 0003 'a/x' 00 30 06 0003 'b/x' 00");
  expect(await subscriber.packets()).toHaveLength(10);
  expect(authorizer.asked).toBe(2);
});

test('an answer is remembered no longer than the authorizer says', async () => {
  const authorizer = Object.assign(new ReceiveOnly('a/#'), { rememberMs: 1_000 });
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("30 06 0003 'a/x' 00 30 06 0003 'a/x' 00");
  await broker.advance(1_000);
  authorizer.filters = [];
  await publisher.send("30 06 0003 'a/x' 00");
  expect(await subscriber.packets()).toHaveLength(2);
  expect(authorizer.asked).toBe(2);
});

test('a subscription that is granted as a whole is never asked about', async () => {
  const rules = new ReceiveOnly();
  const authorizer: Authorizer = {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => ({ qosMax: 2, isWhole: true }),
    authorizeReceive: () => rules.authorizeReceive({} as never, ''),
  };
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("30 06 0003 'b/x' 00");
  await subscriber.expect("30 06 0003 'b/x' 00");
  expect(rules.asked).toBe(0);
});

test('overlapping subscriptions deliver once, by the whole one where there is one [MQTT-3.3.4-2]', async () => {
  const authorizer: Authorizer = {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: (_client, filter) => ({ qosMax: 2, isWhole: filter === 'a/+' }),
    authorizeReceive: () => ReasonCode.NotAuthorized,
  };
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  await subscribeV5(subscriber, 'a/+');
  const publisher = await broker.v5('pub');
  await publisher.send("30 06 0003 'a/x' 00 30 06 0003 'b/x' 00");
  await subscriber.expect("30 06 0003 'a/x' 00");
});

/** As an endpoint decides: whoever may subscribe gets everything that matches. */
class BySubscription implements Authorizer {
  denied = '';

  authorizePublish() {
    return ReasonCode.Success;
  }

  authorizeSubscribe(_client: Client, topicFilter: string) {
    return topicFilter === this.denied ? ReasonCode.NotAuthorized : ReasonCode.Success;
  }
}

/** Has `no`, twice `yes` and again `no` in its queue, and comes back with room for one when `no` is forbidden. */
async function withForbiddenQueue(broker: TestServer, authorizer: BySubscription) {
  const before = await subscriberV5(broker, 'sub', 'no', 1, FOR_A_MINUTE);
  await subscribeV5(before, 'yes', 1);
  await before.drop();
  const publisher = await broker.v5('pub');
  await publisher.send(`
    32 07 0002 'no' 0001 00
    32 08 0003 'yes' 0002 00
    32 08 0003 'yes' 0003 00
    32 07 0002 'no' 0004 00`);
  authorizer.denied = 'no';
  const subscriber = broker.open();
  await subscriber.send(connectPacket(5, 'sub', false, `${FOR_A_MINUTE} 21 0001`)); // Receive Maximum 1
  await subscriber.expect(CONNACK_PRESENT, "32 08 0003 'yes' 0001 00");
  return { publisher, subscriber };
}

test('what a muted subscription has in the queue stays forbidden when its client gives it up', async () => {
  const authorizer = new BySubscription();
  const broker = await startServer({ authorizer });
  const { subscriber } = await withForbiddenQueue(broker, authorizer);
  await subscriber.send("a2 07 0001 00 0002 'no'");
  await subscriber.expect('b0 04 0001 00 00');
  await subscriber.send('40 02 0001');
  await subscriber.expect("32 08 0003 'yes' 0002 00");
  await subscriber.send('40 02 0002');
  await subscriber.expectNothing();
  expect(broker.server.stats().dropped.receive_not_authorized).toBe(2);
});

test('what was forbidden in the queue is not when another subscription allows it', async () => {
  const authorizer = new BySubscription();
  const broker = await startServer({ authorizer });
  const { publisher, subscriber } = await withForbiddenQueue(broker, authorizer);
  await subscribeV5(subscriber, '+', 1);
  await publisher.send("32 08 0002 'no' 0005 00 'm'");
  await subscriber.send('40 02 0001');
  await subscriber.expect("32 08 0003 'yes' 0002 00");
  await subscriber.send('40 02 0002');
  await subscriber.expect("32 07 0002 'no' 0003 00");
  await subscriber.send('40 02 0003');
  await subscriber.expect("32 08 0002 'no' 0004 00 'm'");
});

test('a SUBSCRIBE that is refused ends what an earlier one with that filter was granted', async () => {
  let isAllowed = true;
  const authorizer: Authorizer = {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => (isAllowed ? ReasonCode.Success : ReasonCode.NotAuthorized),
  };
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', 't', 1);
  const publisher = await broker.v5('pub');
  isAllowed = false;
  await subscriber.send("82 07 0001 00 0001 't' 01");
  await subscriber.expect('90 04 0001 00 87');
  await publisher.send("30 04 0001 't' 00");
  await subscriber.expectNothing();
  isAllowed = true;
  await subscribeV5(subscriber, 't');
  await publisher.send("30 04 0001 't' 00");
  await subscriber.expect("30 04 0001 't' 00");
});

test('a grant of a lower QoS is told in SUBACK and kept to [MQTT-3.9.3-2] [MQTT-3.8.4-8]', async () => {
  const authorizer: Authorizer = {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => ({ qosMax: 1, isWhole: true }),
  };
  const broker = await startServer({ authorizer });
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 02");
  await subscriber.expect('90 04 0001 00 01');
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0005 00 'm'");
  await subscriber.expect("32 07 0001 't' 0001 00 'm'");
});

test('retained messages are asked about, too [MQTT-3.3.1-9]', async () => {
  const broker = await startServer({ authorizer: new ReceiveOnly('a/#') });
  const publisher = await broker.v5('pub');
  await publisher.send("31 07 0003 'a/x' 00 '1' 31 07 0003 'b/x' 00 '2'");
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 '#' 00");
  await subscriber.expect('90 04 0001 00 00', "31 07 0003 'a/x' 00 '1'");
  expect(broker.server.stats().dropped.receive_not_authorized).toBe(1);
});

test('of a shared subscription a member gets what it may, whoever’s turn it is [MQTT-4.8.2-4]', async () => {
  const authorizer: Authorizer = {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => ReasonCode.Success,
    authorizeReceive: (client) => (client.clientId === 'yes' ? ReasonCode.Success : UNDECIDED),
  };
  const broker = await startServer({ authorizer });
  const yes = await subscriberV5(broker, 'yes', '$share/g/t');
  const no = await subscriberV5(broker, 'no', '$share/g/t');
  const publisher = await broker.v5('pub');
  for (let i = 0; i < 4; i++) await publisher.send("30 04 0001 't' 00");
  expect(await yes.packets()).toHaveLength(4);
  await no.expectNothing();
});

test('what was queued is looked at again when its client returns under other rules', async () => {
  const authorizer = new ReceiveOnly('a/#', 'b/#');
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', '#', 1, FOR_A_MINUTE);
  await subscriber.drop();
  const publisher = await broker.v5('pub');
  await publisher.send("32 08 0003 'b/x' 0001 00 32 08 0003 'a/x' 0002 00");
  authorizer.filters = ['a/#'];
  const again = broker.open();
  await again.send(connectPacket(5, 'sub', false, FOR_A_MINUTE));
  await again.expect(CONNACK_PRESENT, "32 08 0003 'a/x' 0001 00");
  expect(broker.server.stats()).toMatchObject({
    queuedMessages: 0,
    dropped: { receive_not_authorized: 1 },
  });
});

test('a subscription that is not allowed any more when its session is resumed gets nothing, and works again later', async () => {
  let verdict: ReasonCode = ReasonCode.Success;
  const authorizer: Authorizer = {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => verdict,
  };
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', 't', 1, FOR_A_MINUTE);
  const publisher = await broker.v5('pub');
  await subscriber.drop();
  await publisher.send("32 07 0001 't' 0001 00 '1'");
  verdict = ReasonCode.NotAuthorized;
  const again = broker.open();
  await again.send(connectPacket(5, 'sub', false, FOR_A_MINUTE));
  await again.expect(CONNACK_PRESENT);
  await publisher.send("32 07 0001 't' 0002 00 '2'");
  await again.expectNothing();
  expect(broker.server.stats().dropped.receive_not_authorized).toBe(2);
  verdict = ReasonCode.Success;
  await again.drop();
  const third = broker.open();
  await third.send(connectPacket(5, 'sub', false, FOR_A_MINUTE));
  await third.expect(CONNACK_PRESENT);
  await publisher.send("32 07 0001 't' 0003 00 '3'");
  await third.expect("32 07 0001 't' 0001 00 '3'");
});

test('an authorizer that throws, or wants to think, about a delivery refuses it and harms nobody', async () => {
  for (const authorizeReceive of [
    () => {
      throw new Error('broken on purpose');
    },
    () => Promise.resolve(ReasonCode.Success) as never,
    () => Promise.reject(new Error('broken on purpose')) as never,
  ]) {
    const authorizer: Authorizer = {
      authorizePublish: () => ReasonCode.Success,
      authorizeSubscribe: () => ReasonCode.Success,
      authorizeReceive,
    };
    const broker = await startServer({ authorizer });
    const subscriber = await subscriberV5(broker, 'sub', 't');
    const publisher = await broker.v5('pub');
    await publisher.send("32 06 0001 't' 0001 00");
    await publisher.expect('40 02 0001');
    await subscriber.expectNothing();
  }
});

test('a refusal is one line for each client and topic, with the rule that decided', async () => {
  const log = new LogBook();
  const authorizer: Authorizer = {
    authorizePublish: () => ReasonCode.NotAuthorized,
    authorizeSubscribe: () => ReasonCode.NotAuthorized,
    explain: () => ({
      outcome: 'deny',
      source: 'acl',
      rule: 'topic deny t',
      file: '/etc/acl',
      line: 7,
      reason: 'a deny rule fits',
    }),
  };
  const broker = await startServer({ authorizer, logger: log });
  const client = await broker.v5('c');
  for (let i = 1; i < 4; i++) await client.send("30 04 0001 't' 00");
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 87'); // [MQTT-3.8.4-7]
  const lines = log.lines.filter(({ fields }) => 'topic' in fields);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatchObject({
    fields: { clientId: 'c', topic: 't', by: 'acl', rule: 'topic deny t', at: '/etc/acl:7' },
  });
});
