// Wills: when they are published, and what of them arrives. MQTT 5 §3.1.2.5 to §3.1.2.7, §3.1.3.2.

import { expect, test } from 'vitest';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { CONNACK } from '../kit/answers.ts';
import { startServer, type TestServer } from '../kit/wire.ts';

/** CONNECT of `a`, v5, clean start, will `w` to `t`. */
const CONNECT = "10 15 0004 'MQTT' 05 06 0000 00 0001 'a' 00 0001 't' 0001 'w'";
const CONNECT_V3 = "10 13 0004 'MQTT' 04 06 0000 0001 'a' 0001 't' 0001 'w'";
const WILL = "30 05 0001 't' 00 'w'";

async function subscriberOf(broker: TestServer) {
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 02");
  await subscriber.expect('90 04 0001 00 02');
  return subscriber;
}

test('the will is published when the client goes without DISCONNECT [MQTT-3.1.2-7] [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(CONNECT, CONNACK);
  await subscriber.expectNothing();
  await client.drop();
  await subscriber.expect(WILL);
});

test('the v3.1.1 will is published when the client goes without DISCONNECT [3.1.1 MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(CONNECT_V3, '20 02 0000');
  await client.drop();
  await subscriber.expect(WILL);
});

test('the will is published when the client breaks the protocol [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send('c1 00');
  await subscriber.expect(WILL);
});

test('the will is published when the client ends its stream without DISCONNECT [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(CONNECT, CONNACK);
  client.stream.end();
  await subscriber.expect(WILL);
});

test('the will is published when the server ends the connection [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  await broker.connect(CONNECT, CONNACK);
  broker.server.disconnectClient('a', 0x98); // Administrative action
  await subscriber.expect(WILL);
});

test('DISCONNECT 0x00 removes the will [MQTT-3.14.4-3] [MQTT-3.1.2-10] [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send('e0 00');
  await client.expectClosed();
  await subscriber.expectNothing();
});

test('a v3.1.1 DISCONNECT removes the will [3.1.1 MQTT-3.1.2-10] [3.1.1 MQTT-3.14.4-3]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(CONNECT_V3, '20 02 0000');
  await client.send('e0 00');
  await client.expectClosed();
  await subscriber.expectNothing();
});

test('DISCONNECT 0x00 removes the will of a session that lives on [MQTT-3.14.4-3]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(
    `10 1f              // CONNECT
    0004 'MQTT' 05 06 0000
    05 11 0000000a     // Session Expiry Interval 10 s
    0001 'a'
    05 18 00000005 0001 't' 0001 'w' // will, delayed by 5 s
`,
    CONNACK,
  );
  await client.send('e0 00');
  await broker.advance(20_000);
  await subscriber.expectNothing();
});

test('DISCONNECT 0x04 publishes the will [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send('e0 01 04'); // Disconnect with Will Message
  await client.expectClosed();
  await subscriber.expect(WILL);
});

test('DISCONNECT with an error publishes the will [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send('e0 01 81');
  await client.expectClosed();
  await subscriber.expect(WILL);
});

test('a will is published once, not again when its session is resumed and ends [MQTT-3.1.2-10]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(
    `10 1a              // CONNECT
    0004 'MQTT' 05 06 0000
    05 11 0000000a     // Session Expiry Interval 10 s
    0001 'a'
    00 0001 't' 0001 'w'  // will
`,
    CONNACK,
  );
  await client.drop();
  await subscriber.expect(WILL);
  await (await broker.v5('a', false, '11 0000000a')).drop();
  await broker.advance(20_000);
  expect(broker.server.stats().sessions).toBe(1); // the subscriber's
  await subscriber.expectNothing();
});

test('a will that was published is not published again when its session expires [MQTT-3.1.2-10]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(
    `10 1a              // CONNECT
    0004 'MQTT' 05 06 0000
    05 11 0000000a     // Session Expiry Interval 10 s
    0001 'a'
    00 0001 't' 0001 'w'  // will
`,
    CONNACK,
  );
  await client.drop();
  await subscriber.expect(WILL);
  await broker.advance(20_000);
  expect(broker.server.stats().sessions).toBe(1); // the subscriber's
  await subscriber.expectNothing();
});

test('a will belongs to one CONNECT: the next one without it has none [MQTT-3.1.2-7]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const first = await broker.connect(CONNECT, CONNACK);
  await first.send('e0 00');
  const second = await broker.connect("10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'", CONNACK);
  await second.drop();
  await subscriber.expectNothing();
});

test('a will with Will Retain 0 leaves nothing behind [MQTT-3.1.2-14] [3.1.1 MQTT-3.1.2-16]', async () => {
  const broker = await startServer();
  await (await broker.connect(CONNECT, CONNACK)).drop();
  await (await broker.connect(CONNECT_V3, '20 02 0000')).drop();
  const subscriber = await subscriberOf(broker);
  await subscriber.expectNothing();
});

test('a will with Will Retain 1 is kept for later subscribers [MQTT-3.1.2-15]', async () => {
  const broker = await startServer();
  const client = await broker.connect(
    "10 15 0004 'MQTT' 05 26 0000 00 0001 'a' 00 0001 't' 0001 'w'",
    CONNACK,
  );
  await client.drop();
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00', "31 05 0001 't' 00 'w'");
});

test('a v3.1.1 will with Will Retain 1 is kept for later subscribers [3.1.1 MQTT-3.1.2-17]', async () => {
  const broker = await startServer();
  const client = await broker.connect(
    "10 13 0004 'MQTT' 04 26 0000 0001 'a' 0001 't' 0001 'w'",
    '20 02 0000',
  );
  await client.drop();
  const subscriber = await broker.v3('sub');
  await subscriber.send("82 06 0001 0001 't' 00");
  await subscriber.expect('90 03 0001 00', "31 04 0001 't' 'w'");
});

test('a retained will without a payload removes the retained message [MQTT-3.1.2-15]', async () => {
  const broker = await startServer();
  const publisher = await broker.v5('p');
  await publisher.send("31 05 0001 't' 00 'x'");
  const client = await broker.connect(
    "10 14 0004 'MQTT' 05 26 0000 00 0001 'a' 00 0001 't' 0000",
    CONNACK,
  );
  expect(broker.server.stats().retainedMessages).toBe(1);
  await client.drop();
  expect(broker.server.stats().retainedMessages).toBe(0);
});

test('a will arrives with its properties, user properties in their order [MQTT-3.1.3-10]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(
    `10 43                      // CONNECT
    0004 'MQTT' 05 06 0000 00 0001 'a'
    2e                            // will properties
    18 00000000                   // Will Delay Interval
    01 01                         // Payload Format Indicator
    02 0000003c                   // Message Expiry Interval 60 s
    03 0001 'c'                   // Content Type
    08 0001 'r'                   // Response Topic
    09 0002 00ff                  // Correlation Data
    26 0001 'z' 0001 '1'          // User Properties
    26 0001 'a' 0001 '2'
    26 0001 'z' 0001 '1'
    0001 't' 0001 'w'`,
    CONNACK,
  );
  await broker.advance(30_000);
  await client.drop();
  await subscriber.expect(`30 2e // PUBLISH, QoS 0
    0001 't'
    29
    02 0000003c                   // counted from when it was published
    01 01 03 0001 'c' 08 0001 'r' 09 0002 00ff
    26 0001 'z' 0001 '1'
    26 0001 'a' 0001 '2'
    26 0001 'z' 0001 '1'
    'w'`);
});

test('a will to a topic that the client may not publish to is dropped [MQTT-3.1.2-8]', async () => {
  let verdict: ReasonCode = ReasonCode.Success; // at CONNECT
  const broker = await startServer({
    authorizer: { authorizePublish: () => verdict, authorizeSubscribe: () => 0 },
  });
  const subscriber = await subscriberOf(broker);
  const client = await broker.connect(CONNECT, CONNACK);
  verdict = ReasonCode.NotAuthorized;
  await client.drop();
  await subscriber.expectNothing();
  expect(broker.server.stats().dropped).toMatchObject({ not_authorized: 1 });
});

test('a will reaches subscribers of all versions [MQTT-3.1.2-8]', async () => {
  const broker = await startServer();
  const first = await subscriberOf(broker);
  const second = await broker.v3('sub2');
  await second.send("82 06 0001 0001 't' 00");
  await second.expect('90 03 0001 00');
  await (await broker.connect(CONNECT, CONNACK)).drop();
  await first.expect(WILL);
  await second.expect("30 04 0001 't' 'w'");
});
