// What an embedder's access control may answer: the reason code decides, nothing is given by mistake, and what waited for an
// answer is as old as it is.

import { expect, test } from 'vitest';
import type { Authenticator, Authorizer, Decision } from '../../src/auth/auth.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import { TestMethod } from '../kit/test-method.ts';
import { subscriberV5 } from '../kit/traffic.ts';
import { connectPacket, settle, startServer } from '../kit/wire.ts';

const CONNECT_V3 = "10 0d 0004 'MQTT' 04 02 0000 0001 'a'";

test('a refusal that names the user is a refusal', async () => {
  const authenticator: Authenticator = {
    authenticate: (request) =>
      ({
        reasonCode: request.password === null ? ReasonCode.NotAuthorized : ReasonCode.Success,
        username: request.username,
      }) as Decision,
  };
  const client = (await startServer({ authenticator })).open();
  await client.send(CONNECT_V3);
  await client.expectClosed('20 02 00 05');
});

test.each([
  ['false', false],
  ['null', null],
  ['undefined', undefined],
  ['a promise of false', Promise.resolve(false)],
  ['NaN', Number.NaN],
  ['minus one', -1],
])('an authorizer that answers %s lets nobody publish or subscribe', async (_, answer) => {
  const publishing = await startServer({
    authorizer: { authorizePublish: () => answer as never, authorizeSubscribe: () => 0 },
  });
  const subscriber = await subscriberV5(publishing, 's', 't');
  const publisher = await publishing.v5('p');
  await publisher.send("32 07 0001 't' 0001 00 'x'");
  await publisher.expect('40 03 0001 87');
  await subscriber.expectNothing();
  const subscribing = await startServer({
    authorizer: { authorizePublish: () => 0, authorizeSubscribe: () => answer as never },
  });
  const client = await subscribing.v5('s');
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 87');
});

test.each([
  ['0000003c', ["30 0a 0001 't' 05 02 00000032 'x'"]],
  ['00000005', []],
])(
  'a message that waited ten seconds for its authorizer, to live %s s, is ten seconds old [MQTT-3.3.2-5] [MQTT-3.3.2-6]',
  async (interval, expected) => {
    let answer: () => void = () => {};
    const authorizer: Authorizer = {
      authorizePublish: () =>
        new Promise<ReasonCode>((resolve) => {
          answer = () => resolve(ReasonCode.Success);
        }),
      authorizeSubscribe: () => ReasonCode.Success,
    };
    const broker = await startServer({ authorizer, limits: { answerTimeoutMs: 20_000 } });
    const subscriber = await subscriberV5(broker, 's', 't');
    const publisher = await broker.v5('p');
    await publisher.send(`32 0c 0001 't' 0001 05 02 ${interval} 'x'`);
    await broker.advance(10_000);
    answer();
    await publisher.expect(expected.length === 0 ? '40 03 0001 10' : '40 02 0001');
    await subscriber.expect(...expected);
    expect(broker.server.stats().dropped.expired).toBe(expected.length === 0 ? 1 : 0);
  },
);

test('a challenge that does not fit into the client’s Maximum Packet Size ends the connection [MQTT-3.1.2-24]', async () => {
  const client = (await startServer({ authenticator: new TestMethod() })).open();
  await client.send("10 17 0004 'MQTT' 05 02 0000 09 15 0001 'T' 27 0000000a 0001 'a'");
  await client.expectClosed('20 03 00 95 00');
});

test('so does the AUTH that would end a re-authentication [MQTT-3.1.2-24]', async () => {
  let runs = 0;
  const authenticator: Authenticator = {
    authenticate: () => ({ reasonCode: 0, username: null }),
    begin: () => {
      const data = new Uint8Array(runs++ * 100);
      return { step: () => ({ reasonCode: 0, username: 'u', data }) };
    },
  };
  const client = (await startServer({ authenticator })).open();
  await client.send("10 17 0004 'MQTT' 05 02 0000 09 15 0001 'T' 27 00000040 0001 'a'");
  expect((await client.packet())[0]).toBe(0x20);
  await client.send("f0 06 19 04 15 0001 'T'");
  await client.expectClosed('e0 01 95');
});

test('text that no packet can carry is answered with CONNACK 0x80, not with DISCONNECT [MQTT-3.2.0-1]', async () => {
  const broker = await startServer({
    authenticator: {
      authenticate: () => ({ reasonCode: 0, username: null, responseInformation: 'a\0b' }),
    },
  });
  const client = broker.open();
  await client.send(connectPacket(5, 'a', true, '19 01'));
  expect([...(await client.packet())].slice(0, 4).filter((_, i) => i !== 1)).toEqual([
    0x20, 0x00, 0x80,
  ]);
  await client.expectClosed();
});

test('a will whose authorizer thinks is published by a stop', async () => {
  const clock = new FakeClock();
  const storage = new MemoryStorage({ clock });
  const authorizer: Authorizer = {
    authorizePublish: () =>
      new Promise((resolve) => setImmediate(() => setImmediate(() => resolve(0)))),
    authorizeSubscribe: () => 0,
  };
  const first = await startServer({ storage, clock, authorizer });
  await subscriberV5(first, 'sub', 't', 1, '11 00000e10');
  const client = first.open();
  await client.send("10 13 0004 'MQTT' 04 0e 0000 0001 'a' 0001 't' 0001 'w'");
  await client.expect('20 02 00 00');
  await first.server.stop();
  const second = await startServer({ storage, clock });
  const back = await second.v5('sub', false, '11 00000e10');
  await back.expect("32 07 0001 't' 0001 00 'w'");
});

// A rejection that nobody looks at would end the process; here it fails the run.
test('a promise of an authorizer that throws at the next question harms nobody when it is rejected', async () => {
  let reject: () => void = () => {};
  const later = (): Promise<ReasonCode> =>
    new Promise((_, rejected) => {
      reject = () => rejected(new Error('later'));
    });
  const throwing = (): never => {
    throw new Error('at once');
  };
  const broker = await startServer({
    authorizer: {
      authorizeConnect: ({ clientId }) => (clientId === 'w' ? later() : ReasonCode.Success),
      authorizePublish: throwing,
      authorizeSubscribe: (_client, topicFilter) => (topicFilter === 'a' ? later() : throwing()),
    },
  });
  const subscriber = await broker.v5('s');
  await subscriber.send("82 0b 0001 00 0001 'a' 00 0001 'b' 00");
  await subscriber.packets();
  reject();
  const client = broker.open();
  await client.send("10 15 0004 'MQTT' 05 06 0000 00 0001 'w' 00 0001 't' 0001 'w'");
  await client.packets();
  reject();
  await settle();
  expect([subscriber.isClosed, client.isClosed]).toEqual([true, true]);
});
