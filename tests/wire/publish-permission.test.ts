// A publisher that may not: v5 is told, v3 is acknowledged and its message dropped; an authorizer that thinks parks its client
// and nobody else.

import { expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { settle, startServer } from '../kit/wire.ts';

/** Nobody may publish to topics that begin with `no`. */
const denying: Authorizer = {
  authorizePublish: (_client, topicName) =>
    topicName.startsWith('no') ? ReasonCode.NotAuthorized : ReasonCode.Success,
  authorizeSubscribe: () => ReasonCode.Success,
};

/** Answers when the test says so, in any order. */
class Thinking implements Authorizer {
  readonly asked: string[] = [];
  readonly #answers: ((code: ReasonCode) => void)[] = [];

  authorizePublish(_client: unknown, topicName: string): ReasonCode | Promise<ReasonCode> {
    this.asked.push(topicName);
    if (topicName === 'now') return ReasonCode.Success;
    return new Promise((resolve) => this.#answers.push(resolve));
  }

  authorizeSubscribe(): ReasonCode {
    return ReasonCode.Success;
  }

  async answer(code: ReasonCode): Promise<void> {
    this.#answers.shift()?.(code);
    await settle();
  }
}

test('a v5 QoS 1 message without permission is answered with 0x87 and dropped [MQTT-3.4.2-1]', async () => {
  const broker = await startServer({ authorizer: denying });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("32 07 0002 'no' 0001 00");
  await publisher.expect('40 03 0001 87');
  await publisher.expectOpen();
  await subscriber.expectNothing();
  expect(broker.server.stats().dropped.not_authorized).toBe(1);
});

test('a v5 QoS 2 message without permission is answered with 0x87, and its id is free again [MQTT-3.5.2-1] [MQTT-4.3.3-9]', async () => {
  const broker = await startServer({ authorizer: denying });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0002 'no' 0001 00");
  await publisher.expect('50 03 0001 87');
  await publisher.send("3c 08 0002 'ok' 0001 00 'm'");
  await publisher.expect('50 02 0001');
  await subscriber.expect("30 06 0002 'ok' 00 'm'");
});

test('a v5 QoS 0 message without permission is dropped, and the connection goes on', async () => {
  const broker = await startServer({ authorizer: denying });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("30 05 0002 'no' 00 30 05 0002 'ok' 00");
  await publisher.expectOpen();
  await subscriber.expect("30 05 0002 'ok' 00");
});

test('a v3.1.1 QoS 1 message without permission is acknowledged and dropped [3.1.1 MQTT-3.3.5-2]', async () => {
  const broker = await startServer({ authorizer: denying });
  const subscriber = await subscriberV3(broker, 'sub', '#');
  const publisher = await broker.v3('pub');
  await publisher.send("32 06 0002 'no' 0001");
  await publisher.expect('40 02 0001');
  await publisher.expectOpen();
  await subscriber.expectNothing();
  expect(broker.server.stats().dropped.not_authorized).toBe(1);
});

test('a v3.1.1 QoS 2 message without permission runs through its handshake and is dropped once [3.1.1 MQTT-3.3.5-2]', async () => {
  const broker = await startServer({ authorizer: denying });
  const subscriber = await subscriberV3(broker, 'sub', '#');
  const publisher = await broker.v3('pub');
  await publisher.send("34 06 0002 'no' 0001");
  await publisher.expect('50 02 0001');
  await publisher.send("3c 06 0002 'no' 0001");
  await publisher.expect('50 02 0001');
  await publisher.send('62 02 0001');
  await publisher.expect('70 02 0001');
  await subscriber.expectNothing();
  expect(broker.server.stats().dropped.not_authorized).toBe(1);
});

test.each([
  [1, "32 06 0002 'no' 0001"],
  [2, "34 06 0002 'no' 0001"],
])(
  'a v3.1.1 QoS %i message that nobody could judge is not acknowledged: its publisher is closed, and keeps it [3.1.1 MQTT-3.3.5-2]',
  async (_, publish) => {
    const authorizer = { ...denying, authorizePublish: () => ReasonCode.ServerUnavailable };
    const broker = await startServer({ authorizer });
    const subscriber = await subscriberV3(broker, 'sub', '#');
    const publisher = await broker.v3('pub');
    await publisher.send(`30 04 0002 'no' ${publish}`);
    await publisher.expectNothing();
    await broker.advance(4_000);
    await publisher.expectOpen();
    await broker.advance(1_500);
    await publisher.expectClosed();
    await subscriber.expectNothing();
  },
);

test('a retained message without permission changes nothing', async () => {
  const broker = await startServer({ authorizer: denying });
  const publisher = await broker.v5('pub');
  await publisher.send("31 06 0002 'no' 00 'm'");
  expect(broker.server.stats().retainedMessages).toBe(0);
});

test('a client whose authorizer thinks keeps the order of its packets [MQTT-4.6.0-5]', async () => {
  const authorizer = new Thinking();
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send(`
    32 0a 0004 'wait' 0001 00 '1'
    32 09 0003 'now' 0002 00 '2'
    c0 00`);
  await publisher.expectNothing();
  expect(authorizer.asked).toEqual(['wait']);
  await authorizer.answer(ReasonCode.Success);
  await publisher.expect('40 02 0001', '40 02 0002', 'd0 00');
  await subscriber.expect("30 08 0004 'wait' 00 '1'", "30 07 0003 'now' 00 '2'");
});

test('packets that arrive while the authorizer thinks wait for it, too [MQTT-4.6.0-5]', async () => {
  const authorizer = new Thinking();
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("30 08 0004 'wait' 00 '1'");
  await publisher.send("30 07 0003 'now' 00 '2'");
  await subscriber.expectNothing();
  await authorizer.answer(ReasonCode.Success);
  await subscriber.expect("30 08 0004 'wait' 00 '1'", "30 07 0003 'now' 00 '2'");
});

test('other clients do not wait for the one whose authorizer thinks', async () => {
  const authorizer = new Thinking();
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const parked = await broker.v5('parked');
  await parked.send("30 07 0004 'wait' 00");
  const other = await broker.v5('other');
  await other.send("30 06 0003 'now' 00");
  await subscriber.expect("30 06 0003 'now' 00");
});

test('an answer that comes late refuses like one at once [MQTT-3.4.2-1]', async () => {
  const authorizer = new Thinking();
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("32 09 0004 'wait' 0001 00 30 06 0003 'now' 00");
  await authorizer.answer(ReasonCode.NotAuthorized);
  await publisher.expect('40 03 0001 87');
  await subscriber.expect("30 06 0003 'now' 00");
});

test('an answer for a client that has gone meanwhile publishes nothing', async () => {
  const authorizer = new Thinking();
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("32 09 0004 'wait' 0001 00");
  await publisher.drop();
  await authorizer.answer(ReasonCode.Success);
  await subscriber.expectNothing();
});

test('a payload is what it was although the authorizer thought about it while others sent', async () => {
  const authorizer = new Thinking();
  const broker = await startServer({ authorizer });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const parked = await broker.v5('parked');
  await parked.send("30 09 0004 'wait' 00 'ab'");
  const other = await broker.v5('other');
  await other.send("30 08 0003 'now' 00 'xy'");
  await authorizer.answer(ReasonCode.Success);
  await subscriber.expect("30 08 0003 'now' 00 'xy'", "30 09 0004 'wait' 00 'ab'");
});

test('a denial of an authorizer whose answers get old is remembered a quarter of the time, 10 s at most', async () => {
  let isAllowed = false;
  let asked = 0;
  const authorizer: Authorizer = {
    rememberMs: 60_000,
    authorizePublish() {
      asked++;
      return isAllowed ? ReasonCode.Success : ReasonCode.NotAuthorized;
    },
    authorizeSubscribe: () => ReasonCode.Success,
  };
  const broker = await startServer({ authorizer });
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00");
  await publisher.expect('40 03 0001 87');
  isAllowed = true;
  await broker.advance(9_000);
  await publisher.send("32 06 0001 't' 0002 00");
  await publisher.expect('40 03 0002 87');
  await broker.advance(2_000);
  await publisher.send("32 06 0001 't' 0003 00");
  await publisher.expect('40 03 0003 10');
  await broker.advance(50_000);
  await publisher.send("32 06 0001 't' 0004 00");
  await publisher.expect('40 03 0004 10');
  expect(asked).toBe(2);
});

test.each([
  [1, "32 06 0002 'no' 0001", '40 02 0001', '40 03 0001 87'],
  [2, "34 06 0002 'no' 0001", '50 02 0001', '50 03 0001 87'],
])(
  'a QoS %i message that is refused with a code that its acknowledgement cannot carry is refused, not put off',
  async (_, publish, v3, v5) => {
    const authorizer = { ...denying, authorizePublish: () => ReasonCode.BadUserNameOrPassword };
    const broker = await startServer({ authorizer });
    const publisher = await broker.v3('pub');
    await publisher.send(publish);
    await publisher.expect(v3);
    await broker.advance(6_000);
    await publisher.expectOpen();
    const newer = await broker.v5('newer');
    await newer.send(publish.replace(/^(..) 06(.*)$/, '$1 07$2 00'));
    await newer.expect(v5);
  },
);
