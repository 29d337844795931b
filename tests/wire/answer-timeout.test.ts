// Access control that does not answer: the connection that waits for it is closed in time, and nobody else notices.

import { expect, test } from 'vitest';
import type { Authenticator, Authorizer } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { expectDisconnected } from '../kit/answers.ts';
import { subscriberV5 } from '../kit/traffic.ts';
import { settle, startServer } from '../kit/wire.ts';

const NEVER = new Promise<never>(() => {});

const silent: Authorizer = {
  authorizePublish: (_client, topicName) => (topicName === 'wait' ? NEVER : ReasonCode.Success),
  authorizeSubscribe: (_client, topicFilter) =>
    topicFilter === 'wait' ? NEVER : ReasonCode.Success,
};

const LIMITS = { answerTimeoutMs: 5_000 };

test('a PUBLISH that the authorizer does not judge in time ends its connection unacknowledged, with 0x89 [MQTT-4.13.2-1]', async () => {
  const broker = await startServer({ authorizer: silent, limits: LIMITS });
  const publisher = await broker.v5('pub');
  const other = await broker.v5('other');
  await publisher.send("32 09 0004 'wait' 0001 00");
  await broker.advance(4_900);
  await publisher.expectOpen();
  await broker.advance(200);
  await expectDisconnected(publisher, 0x89);
  await other.send("32 06 0001 't' 0001 00");
  await other.expect('40 03 0001 10');
});

test('a v3.1.1 client is closed, and sends the message again [3.1.1 MQTT-4.8.0-2]', async () => {
  const broker = await startServer({ authorizer: silent, limits: LIMITS });
  const publisher = await broker.v3('pub');
  await publisher.send("32 08 0004 'wait' 0001");
  await broker.advance(5_100);
  await publisher.expectClosed();
});

test('so does a SUBSCRIBE that is not judged in time', async () => {
  const broker = await startServer({ authorizer: silent, limits: LIMITS });
  const client = await broker.v5('sub');
  await client.send("82 0a 0001 00 0004 'wait' 00");
  await broker.advance(5_100);
  await expectDisconnected(client, 0x89);
});

test('a CONNECT that is not judged in time is refused with 0x89, or 0x03 for v3.1.1', async () => {
  const authenticator: Authenticator = { authenticate: () => NEVER };
  const broker = await startServer({ authenticator, limits: LIMITS });
  const five = broker.open();
  await five.send("10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'");
  const four = broker.open();
  await four.send("10 0d 0004 'MQTT' 04 02 0000 0001 'b'");
  await broker.advance(5_100);
  expect((await five.packet()).subarray(2, 4)).toEqual(Uint8Array.of(0x00, 0x89));
  await four.expectClosed('20 02 00 03');
});

test('an answer in time is followed by no end, however long the client stays', async () => {
  let answer: (code: ReasonCode) => void = () => {};
  const authorizer: Authorizer = {
    authorizePublish: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
    authorizeSubscribe: () => ReasonCode.Success,
  };
  const broker = await startServer({ authorizer, limits: LIMITS });
  const publisher = await broker.v5('pub');
  await publisher.send("32 09 0004 'wait' 0001 00");
  answer(ReasonCode.Success);
  await settle();
  await broker.advance(60_000);
  await publisher.expect('40 03 0001 10');
  await publisher.expectOpen();
});

test('a will that the authorizer does not judge in time is dropped and counted', async () => {
  let isSilent = false; // at CONNECT
  const authorizer: Authorizer = {
    ...silent,
    authorizePublish: () => (isSilent ? NEVER : ReasonCode.Success),
  };
  const broker = await startServer({ authorizer, limits: LIMITS });
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const client = broker.open();
  await client.send("10 19 0004 'MQTT' 05 06 0000 00 0002 'wi' 00 0004 'wait' 0001 'x'");
  await client.packet();
  isSilent = true;
  await client.drop();
  await broker.advance(5_100);
  expect(broker.server.stats().dropped.not_authorized).toBe(1);
  await subscriber.expectNothing();
});

test('an answer that is a thenable of another make counts like a promise', async () => {
  const authorizer: Authorizer = {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => ReasonCode.Success,
  };
  const authenticator: Authenticator = {
    authenticate: () => {
      const refused = { reasonCode: ReasonCode.NotAuthorized };
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      const thenable = { then: (resolve: (value: typeof refused) => void) => resolve(refused) };
      return thenable as unknown as PromiseLike<typeof refused>;
    },
  };
  const broker = await startServer({ authenticator, authorizer });
  const client = broker.open();
  await client.send("10 0d 0004 'MQTT' 04 02 0000 0001 'b'");
  await client.expectClosed('20 02 00 05');
});
