// DISCONNECT both ways. MQTT 5 §3.14.

import { expect, test } from 'vitest';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { isServerDisconnectCode } from '../../src/protocol/reason-code-table.ts';
import { CONNACK, expectDisconnected } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

const CONNECT = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";

for (const [what, bytes] of [
  ['another packet', 'c0 00'],
  ['a reserved flag', "10 0e 0004 'MQTT' 05 03 0000 00 0001 'a'"],
  ['an unknown version', "10 0e 0004 'MQTT' 06 02 0000 00 0001 'a'"],
  ['an unknown name', "10 0e 0004 'MQTX' 05 02 0000 00 0001 'a'"],
  ['an unknown authentication method', "10 12 0004 'MQTT' 05 02 0000 04 15 0001 'X' 0001 'a'"],
  ['a length of five bytes', '10 ff ff ff ff 01'],
  ['a length above the maximum', '10 ff ff ff 7f'],
  ['a DISCONNECT', 'e0 00'],
] as const) {
  test(`no DISCONNECT leaves the server before CONNACK: a client that begins with ${what} [MQTT-3.14.0-1]`, async () => {
    const client = (await startServer()).open();
    await client.send(bytes);
    const types = (await client.packets()).map((packet) => packet[0] >> 4);
    expect(types.filter((type) => type !== 2)).toEqual([]);
    await client.expectClosed();
  });
}

test('no DISCONNECT leaves the server before CONNACK: a client that is silent [MQTT-3.14.0-1]', async () => {
  const broker = await startServer();
  const client = broker.open();
  await broker.advance(10_100);
  await client.expectClosed();
});

test('no DISCONNECT leaves the server before CONNACK: a stop while the client is half-connected [MQTT-3.14.0-1]', async () => {
  const broker = await startServer();
  const client = broker.open();
  await client.send('10 0e 0004');
  await broker.server.stop();
  await client.expectClosed();
});

test('DISCONNECT with header flags is answered with 0x81 [MQTT-3.14.1-1]', async () => {
  const client = await (await startServer()).connect(CONNECT, CONNACK);
  await client.send('e2 00');
  await expectDisconnected(client, 0x81, 'MQTT-3.14.1-1');
});

test('a v3.1.1 DISCONNECT with header flags closes the connection and publishes the will [3.1.1 MQTT-3.14.1-1]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v3('sub');
  await subscriber.send("82 06 0001 0001 't' 00");
  await subscriber.expect('90 03 0001 00');
  const client = await broker.connect(
    "10 13 0004 'MQTT' 04 06 0000 0001 'a' 0001 't' 0001 'w'",
    '20 02 0000',
  );
  await client.send('e2 00');
  await client.expectClosed();
  await subscriber.expect("30 04 0001 't' 'w'");
});

test('DISCONNECT with a code that its table does not have is answered with 0x82 [MQTT-3.14.2-1]', async () => {
  const client = await (await startServer()).connect(CONNECT, CONNACK);
  await client.send('e0 01 01');
  await expectDisconnected(client, 0x82, 'MQTT-3.14.2-1');
});

test('the server sends every code that its table allows, and refuses to send any other [MQTT-3.14.2-1]', async () => {
  const broker = await startServer();
  const allowed: number[] = [];
  for (const code of new Set(Object.values(ReasonCode))) {
    const client = await broker.connect(CONNECT, CONNACK);
    if (isServerDisconnectCode(code)) {
      broker.server.disconnectClient('a', code);
      const [disconnect] = await client.packets();
      expect(disconnect).toEqual(
        code === 0 ? Uint8Array.of(0xe0, 0) : Uint8Array.of(0xe0, 1, code),
      );
      allowed.push(code);
    } else {
      expect(() => broker.server.disconnectClient('a', code)).toThrow(RangeError);
      await client.expectNothing();
      await client.expectOpen();
      await client.send('e0 00');
    }
  }
  // MQTT 5 §3.14.2.1, those a server may send
  expect(allowed.sort((a, b) => a - b)).toEqual([
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
  ]);
});

test('the server’s DISCONNECT has no Session Expiry Interval, whatever the session’s is [MQTT-3.14.2-2]', async () => {
  const broker = await startServer();
  const client = await broker.v5('a', true, '11 0000003c');
  broker.server.disconnectClient('a', 0x98, { reasonString: 'why' });
  await client.expectClosed("e0 08 98 06 1f 0003 'why'");
});

test('nothing follows the server’s DISCONNECT, neither answers nor messages [MQTT-3.14.4-1]', async () => {
  const broker = await startServer();
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00');
  const publisher = await broker.v3('p');
  client.write('c0 00 c1 00 c0 00'); // an error between two PINGREQs
  publisher.write("30 03 0001 't'");
  const types = (await client.packets()).map((packet) => packet[0] >> 4);
  expect(types).toEqual([13, 14]);
});

test('what a client sends after the server’s DISCONNECT has no effect [MQTT-3.14.4-1]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00');
  const client = await broker.connect(CONNECT, CONNACK);
  broker.server.disconnectClient('a', 0x98);
  client.write("30 05 0001 't' 00 'x'");
  await client.expectClosed('e0 01 98');
  await subscriber.expectNothing();
});

test('the server closes the connection once its DISCONNECT is out [MQTT-3.14.4-2]', async () => {
  const broker = await startServer();
  const client = await broker.connect(CONNECT, CONNACK);
  broker.server.disconnectClient('a', 0x98);
  await client.expectClosed('e0 01 98');
  expect(broker.server.stats().connections).toBe(0);
});

test('a client that keeps its side open after DISCONNECT is cut off after a while [MQTT-3.14.4-2]', async () => {
  const broker = await startServer();
  const client = await broker.connect(CONNECT, CONNACK);
  client.onEnd = () => {}; // does not end its side
  broker.server.disconnectClient('a', 0x98);
  await client.expect('e0 01 98');
  expect(broker.server.stats().connections).toBe(1);
  await broker.advance(2_200);
  expect(broker.server.stats().connections).toBe(0);
});

test('a v3.1.1 connection that the server ends is closed without a word [3.1.1 MQTT-3.14.4-1]', async () => {
  const broker = await startServer();
  const client = await broker.v3('a');
  broker.server.disconnectClient('a', 0x98);
  await client.expectClosed();
});

test('a client’s DISCONNECT is not answered, and the server closes the connection [MQTT-3.14.4-2] [3.1.1 MQTT-3.14.4-2]', async () => {
  const broker = await startServer();
  for (const client of [await broker.v5('a'), await broker.v3('b')]) {
    await client.send('e0 00');
    await client.expectClosed();
  }
  expect(broker.server.stats().connections).toBe(0);
});

test('packets behind a client’s DISCONNECT have no effect [MQTT-3.14.4-1] [3.1.1 MQTT-3.14.4-1]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00');
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send("e0 00 30 05 0001 't' 00 'x'");
  await client.expectClosed();
  await subscriber.expectNothing();
});

test('packets before a client’s DISCONNECT have their effect [MQTT-3.14.4-2]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00');
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send("32 07 0001 't' 0001 00 'x' e0 00");
  await client.expectClosed('40 02 0001');
  await subscriber.expect("30 05 0001 't' 00 'x'");
});

test('a client’s DISCONNECT may say why at length [MQTT-3.14.4-3]', async () => {
  const client = await (await startServer()).connect(CONNECT, CONNACK);
  await client.send(`e0 0f      // DISCONNECT
    00
    0d 1f 0003 'bye'            // Reason String
    26 0001 'n' 0001 'v'        // User Property
`);
  await client.expectClosed();
});

test('a server that stops says 0x8B to v5 clients and nothing to others [MQTT-3.14.4-2]', async () => {
  const broker = await startServer();
  const v5 = await broker.v5('a');
  const v3 = await broker.v3('b');
  await broker.server.stop();
  await expectDisconnected(v5, 0x8b);
  await v3.expectClosed();
});
