// CONNACK: what the server says of itself, and holds its clients to. MQTT 5 §3.2.

import { expect, test } from 'vitest';
import { CONNACK, CONNACK_PRESENT, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { toHex } from '../kit/hex.ts';
import { startServer } from '../kit/wire.ts';

const CONNECT = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";
const WILL_QOS_2 = "10 15 0004 'MQTT' 05 16 0000 00 0001 'a' 00 0001 't' 0001 'w'";
const WILL_RETAINED = "10 15 0004 'MQTT' 05 26 0000 00 0001 'a' 00 0001 't' 0001 'w'";
const QOS_1_CONNACK = `20 10  // CONNACK
  00 00
  0d 21 0064
  24 01                   // Maximum QoS 1
  27 001e8480 22 0020`;
const NO_RETAIN_CONNACK = `20 10 // CONNACK
  00 00
  0d 21 0064
  25 00                      // Retain Available 0
  27 001e8480 22 0020`;

test('the flags of a CONNACK are 0 but for Session Present [MQTT-3.2.2-1]', async () => {
  const broker = await startServer();
  const first = await broker.connect(
    "10 13 0004 'MQTT' 05 02 0000 05 11 0000003c 0001 'a'",
    CONNACK, // flags 00
  );
  await first.drop();
  await broker.connect("10 0e 0004 'MQTT' 05 00 0000 00 0001 'a'", CONNACK_PRESENT); // flags 01
});

test('CONNACK comes before what was queued for the session [MQTT-3.2.0-1]', async () => {
  const broker = await startServer();
  const first = await broker.v5('a', true, '11 0000003c');
  await first.send("82 07 0001 00 0001 't' 01");
  await first.drop();
  const publisher = await broker.v3('p');
  await publisher.send("32 06 0001 't' 0001 '1' 32 06 0001 't' 0002 '2'");
  await broker.connect(
    "10 0e 0004 'MQTT' 05 00 0000 00 0001 'a'",
    CONNACK_PRESENT,
    "32 07 0001 't' 0001 00 '1'",
    "32 07 0001 't' 0002 00 '2'",
  );
});

test('a connection gets one CONNACK, whatever it sends [MQTT-3.2.0-2]', async () => {
  const client = await (await startServer()).connect(CONNECT, CONNACK);
  await client.send(`c0 00 82 07 0001 00 0001 't' 00 ${CONNECT}`);
  const types = (await client.packets()).map((packet) => packet[0] >> 4);
  expect(types).toEqual([13, 9, 14]); // PINGRESP, SUBACK, DISCONNECT
});

test('a server that allows QoS 1 at most says so in CONNACK [MQTT-3.2.2-9]', async () => {
  await (await startServer({ limits: { qosMax: 1 } })).connect(CONNECT, QOS_1_CONNACK);
});

test('a server that allows QoS 0 only says so in CONNACK [MQTT-3.2.2-9]', async () => {
  const broker = await startServer({ limits: { qosMax: 0 } });
  await broker.connect(CONNECT, '20 10 00 00 0d 21 0064 24 00 27 001e8480 22 0020');
});

test('a server that allows QoS 0 only takes subscriptions of QoS 0, 1 and 2 [MQTT-3.2.2-10]', async () => {
  const client = await (await startServer({ limits: { qosMax: 0 } })).v5('a');
  await client.send("82 0f 0001 00 0001 'a' 00 0001 'b' 01 0001 'c' 02");
  const [suback] = await client.packets();
  expect(toHex(suback)).toMatch(/^90 06 00 01 00( 0[012]){3}$/);
  await client.send("30 05 0001 'c' 00 'x'");
  await client.expect("30 05 0001 'c' 00 'x'");
});

test('PUBLISH above the announced Maximum QoS ends the connection with 0x9B [MQTT-3.2.2-11]', async () => {
  const client = await (await startServer({ limits: { qosMax: 1 } })).v5('a');
  await client.send("32 06 0001 't' 0001 00"); // QoS 1
  await client.expect('40 03 0001 10');
  await client.send("34 06 0001 't' 0002 00"); // QoS 2
  await expectDisconnected(client, 0x9b);
});

test('a v3.1.1 PUBLISH above the Maximum QoS closes the connection [3.1.1 MQTT-4.8.0-1]', async () => {
  const client = await (await startServer({ limits: { qosMax: 1 } })).v3('a');
  await client.send("34 05 0001 't' 0002");
  await client.expectClosed();
});

test('a will above the Maximum QoS is refused with 0x9B [MQTT-3.2.2-12]', async () => {
  const client = (await startServer({ limits: { qosMax: 1 } })).open();
  await client.send(WILL_QOS_2);
  await expectRefused(client, 0x9b);
});

test('a will of the Maximum QoS is accepted [MQTT-3.2.2-12]', async () => {
  const broker = await startServer({ limits: { qosMax: 1 } });
  await broker.connect(WILL_QOS_2.replace('05 16', '05 0e'), QOS_1_CONNACK);
});

test('a v3.1.1 will above the Maximum QoS is refused with return code 5 [MQTT-3.2.2-12]', async () => {
  const client = (await startServer({ limits: { qosMax: 1 } })).open();
  await client.send("10 13 0004 'MQTT' 04 16 0000 0001 'a' 0001 't' 0001 'w'");
  await client.expectClosed('20 02 00 05');
});

test('a server without retained messages says so in CONNACK [MQTT-3.2.2-14]', async () => {
  await (await startServer({ limits: { retainAvailable: false } })).connect(
    CONNECT,
    NO_RETAIN_CONNACK,
  );
});

test('a retained will where retained messages are off is refused with 0x9A [MQTT-3.2.2-13]', async () => {
  const client = (await startServer({ limits: { retainAvailable: false } })).open();
  await client.send(WILL_RETAINED);
  await expectRefused(client, 0x9a);
});

test('PUBLISH with RETAIN where retained messages are off ends the connection with 0x9A [MQTT-3.2.2-14]', async () => {
  const client = await (await startServer({ limits: { retainAvailable: false } })).v5('a');
  await client.send("31 04 0001 't' 00");
  await expectDisconnected(client, 0x9a);
});

test('features that are off are announced as such [MQTT-3.1.4-5]', async () => {
  const broker = await startServer({
    limits: {
      wildcardSubscriptionAvailable: false,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: false,
    },
  });
  await broker.connect(
    CONNECT,
    `20 14 // CONNACK
    00 00
    11 21 0064 27 001e8480 22 0020
    28 00  // Wildcard Subscription Available 0
    29 00  // Subscription Identifier Available 0
    2a 00  // Shared Subscription Available 0`,
  );
});

test('a Receive Maximum of 65,535 is the default and not announced [MQTT-3.1.4-5]', async () => {
  const broker = await startServer({ limits: { receiveMaximum: 65_535 } });
  await broker.connect(CONNECT, '20 0b 00 00 08 27 001e8480 22 0020');
});

test('a Receive Maximum below the default is announced, and holds [MQTT-3.1.4-5] [MQTT-4.13.2-1]', async () => {
  const broker = await startServer({ limits: { receiveMaximum: 2 } });
  const client = await broker.connect(CONNECT, CONNACK.replace('21 0064', '21 0002'));
  await client.send("34 06 0001 't' 0001 00 34 06 0001 't' 0002 00");
  await client.expect('50 03 0001 10', '50 03 0002 10');
  await client.send("34 06 0001 't' 0003 00");
  await expectDisconnected(client, 0x93);
});

test('a packet of the announced Maximum Packet Size is taken, one byte more ends the connection with 0x95 [MQTT-3.2.2-15]', async () => {
  const broker = await startServer({ limits: { packetSizeMax: 30 } });
  const client = await broker.connect(CONNECT, CONNACK.replace('001e8480', '0000001e'));
  await client.send("32 1c 0001 't' 0001 00 '0123456789abcdefghijkl'"); // 30 bytes
  await client.expect('40 03 0001 10');
  await client.send("32 1d 0001 't' 0002 00 '0123456789abcdefghijklm'"); // 31 bytes
  await expectDisconnected(client, 0x95, 'MQTT-3.2.2-15');
});

test('a packet above the Maximum Packet Size is refused by its length alone [MQTT-3.2.2-15]', async () => {
  const client = await (await startServer({ limits: { packetSizeMax: 30 } })).v5('a');
  await client.send('30 1d');
  await expectDisconnected(client, 0x95, 'MQTT-3.2.2-15');
});

test('a topic alias of the announced maximum is taken, one more ends the connection with 0x94 [MQTT-3.2.2-17]', async () => {
  const broker = await startServer({ limits: { topicAliasMax: 3 } });
  const client = await broker.connect(CONNECT, CONNACK.replace('22 0020', '22 0003'));
  await client.send("32 09 0001 't' 0001 03 23 0003");
  await client.expect('40 03 0001 10');
  await client.send("32 09 0001 't' 0002 03 23 0004");
  await expectDisconnected(client, 0x94);
});

test('any topic alias ends the connection with 0x94 where none was announced [MQTT-3.2.2-18]', async () => {
  const broker = await startServer({ limits: { topicAliasMax: 0 } });
  const client = await broker.connect(CONNECT, '20 0b 00 00 08 21 0064 27 001e8480');
  await client.send("30 07 0001 't' 03 23 0001");
  await expectDisconnected(client, 0x94);
});

test('Response Information goes to a client that asks for it [MQTT-3.1.2-28]', async () => {
  const broker = await startServer({
    authenticator: {
      authenticate: () => ({ reasonCode: 0, username: null, responseInformation: 'r/a' }),
    },
  });
  await broker.connect(
    "10 10 0004 'MQTT' 05 02 0000 02 19 01 0001 'a'", // Request Response Information 1
    "20 14 00 00 11 21 0064 27 001e8480 22 0020 1a 0003 'r/a'",
  );
});

for (const [what, properties] of [
  ['does not ask', '00'],
  ['says 0', '02 19 00'],
] as const) {
  test(`Response Information is left out for a client that ${what} [MQTT-3.1.2-28]`, async () => {
    const broker = await startServer({
      authenticator: {
        authenticate: () => ({ reasonCode: 0, username: null, responseInformation: 'r/a' }),
      },
    });
    const length = properties === '00' ? '0e' : '10';
    await broker.connect(`10 ${length} 0004 'MQTT' 05 02 0000 ${properties} 0001 'a'`, CONNACK);
  });
}

/** Request Problem Information 0. */
const NO_PROBLEMS = "10 10 0004 'MQTT' 05 02 0000 02 17 00 0001 'a'";

test('acknowledgements to a client that asks for no problem information have no Reason String [MQTT-3.1.2-29]', async () => {
  const broker = await startServer({
    authorizer: { authorizePublish: () => 0x87, authorizeSubscribe: () => 0x87 },
  });
  const client = await broker.connect(NO_PROBLEMS, CONNACK);
  await client.send("82 07 0001 00 0001 't' 00 32 06 0001 't' 0002 00 34 06 0001 't' 0003 00");
  await client.expect('90 04 0001 00 87', '40 03 0002 87', '50 03 0003 87');
  await client.send("a2 06 0004 00 0001 't'");
  await client.expect('b0 04 0004 00 11');
});

test('DISCONNECT says why even to a client that asks for no problem information [MQTT-3.1.2-29]', async () => {
  const client = await (await startServer()).connect(NO_PROBLEMS, CONNACK);
  await client.send('c1 00');
  await expectDisconnected(client, 0x81, 'PINGREQ');
});
