// The client's Maximum Packet Size and Topic Alias Maximum. MQTT 5 §3.1.2.11.4, §3.1.2.11.5.

import { expect, test } from 'vitest';
import { CONNACK } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

const CONNECT = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";

/** CONNECT of `a` with a Maximum Packet Size, a 32-bit number in hex. */
const connectWith = (size: string) => `10 13 0004 'MQTT' 05 02 0000 05 27 ${size} 0001 'a'`;

test('a message of just the client’s Maximum Packet Size is sent, one byte more is not [MQTT-3.1.2-24]', async () => {
  const broker = await startServer();
  const client = await broker.connect(connectWith('00000014'), CONNACK); // 20
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00');
  const publisher = await broker.v3('p');
  await publisher.send("30 12 0001 't' '0123456789abcde'"); // 21 bytes in v5
  await client.expectNothing();
  await publisher.send("30 11 0001 't' '0123456789abcd'");
  await client.expect("30 12 0001 't' 00 '0123456789abcd'"); // 20 bytes
});

test('a message that is too large for one client reaches the others [MQTT-3.1.2-25]', async () => {
  const broker = await startServer();
  const small = await broker.connect(connectWith('00000014'), CONNACK);
  const other = await broker.v5('b');
  for (const client of [small, other]) {
    await client.send("82 07 0001 00 0001 't' 00");
    await client.expect('90 04 0001 00 00');
  }
  await other.send("30 13 0001 't' 00 '0123456789abcde'");
  await other.expect("30 13 0001 't' 00 '0123456789abcde'");
  await small.expectNothing();
  expect(broker.server.stats().dropped).toMatchObject({ packet_too_large: 1 });
});

for (const [qos, header] of [
  [1, '32'],
  [2, '34'],
] as const) {
  test(`a QoS ${qos} message that is too large takes no place in the window, and the next one arrives [MQTT-3.1.2-25]`, async () => {
    const broker = await startServer();
    const client = await broker.connect(
      "10 16 0004 'MQTT' 05 02 0000 08 27 00000014 21 0001 0001 'a'", // Receive Maximum 1
      CONNACK,
    );
    await client.send(`82 07 0001 00 0001 't' 0${qos}`);
    await client.expect(`90 04 0001 00 0${qos}`);
    const publisher = await broker.v3('p');
    await publisher.send(`${header} 14 0001 't' 0001 '0123456789abcde'`);
    await client.expectNothing();
    expect(broker.server.stats().inflightMessages).toBe(0);
    await publisher.send(`${header} 06 0001 't' 0002 'x'`);
    const [publish] = await client.packets();
    expect([publish[0], publish.at(-1)]).toEqual([Number.parseInt(header, 16), 0x78]);
  });
}

test('a queued message that is too large for the new connection is skipped [MQTT-3.1.2-25]', async () => {
  const broker = await startServer();
  const first = await broker.v5('a', true, '11 0000003c');
  await first.send("82 07 0001 00 0001 't' 01");
  await first.drop();
  const publisher = await broker.v3('p');
  await publisher.send("32 14 0001 't' 0001 '0123456789abcde' 32 06 0001 't' 0002 'x'");
  const second = broker.open();
  await second.send(connectWith('00000014').replace('05 02', '05 00'));
  const [, publish, ...rest] = await second.packets();
  expect(publish.at(-1)).toBe(0x78); // x
  expect(rest).toEqual([]);
});

test('a retained message that is too large is not sent to a new subscriber [MQTT-3.1.2-24]', async () => {
  const broker = await startServer();
  const publisher = await broker.v3('p');
  await publisher.send("31 12 0001 't' '0123456789abcde'");
  const client = await broker.connect(connectWith('00000014'), CONNACK);
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00');
});

test('a CONNACK of just the client’s Maximum Packet Size is sent [MQTT-3.1.2-24]', async () => {
  await (await startServer()).connect(connectWith('00000010'), CONNACK); // 16
});

test('a client whose Maximum Packet Size is below its CONNACK is closed without a word [MQTT-3.1.2-24] [MQTT-3.2.0-1]', async () => {
  const broker = await startServer();
  const client = broker.open();
  await client.send(connectWith('0000000f')); // 15
  await client.expectClosed();
  expect(broker.server.stats()).toMatchObject({ sessions: 0, connections: 0 });
});

for (const [what, size, connack] of [
  ['is in a CONNACK that just fits', '0000000a', "20 08 00 87 05 1f 0002 'no'"], // 10
  ['is left out of a CONNACK that would be a byte too large', '00000009', '20 03 00 87 00'],
] as const) {
  test(`the Reason String ${what} [MQTT-3.2.2-19]`, async () => {
    const broker = await startServer({
      authenticator: { authenticate: () => ({ reasonCode: 0x87, reasonString: 'no' }) },
    });
    const client = broker.open();
    await client.send(connectWith(size));
    await client.expectClosed(connack);
  });
}

test('a CONNACK has no User Property that could pass the client’s limit [MQTT-3.2.2-20]', async () => {
  const broker = await startServer({
    authenticator: { authenticate: () => ({ reasonCode: 0x87, reasonString: 'no' }) },
  });
  const client = broker.open();
  await client.send(connectWith('00000005'));
  await client.expectClosed('20 03 00 87 00');
});

for (const [what, size, disconnect] of [
  [
    'is in a DISCONNECT that just fits',
    '0000001b', // 27
    "e0 19 98 17 1f 0014 '0123456789abcdefghij'",
  ],
  ['is left out of a DISCONNECT that would be a byte too large', '0000001a', 'e0 01 98'],
] as const) {
  test(`the Reason String ${what} [MQTT-3.14.2-3]`, async () => {
    const broker = await startServer();
    const client = await broker.connect(connectWith(size), CONNACK);
    broker.server.disconnectClient('a', 0x98, { reasonString: '0123456789abcdefghij' });
    await client.expectClosed(disconnect);
  });
}

test('a DISCONNECT has no User Property that could pass the client’s limit [MQTT-3.14.2-4]', async () => {
  const broker = await startServer();
  const client = await broker.connect(connectWith('00000010'), CONNACK);
  broker.server.disconnectClient('a', 0x98);
  await client.expectClosed('e0 01 98');
});

/** Topic Alias Maximum n. */
const connectWithAliases = (n: number) => `10 11 0004 'MQTT' 05 02 0000 03 22 000${n} 0001 'a'`;

test('topic aliases in deliveries stay within the client’s Topic Alias Maximum [MQTT-3.1.2-26]', async () => {
  const broker = await startServer();
  const client = await broker.connect(connectWithAliases(1), CONNACK);
  await client.send("82 07 0001 00 0001 '#' 00");
  await client.expect('90 04 0001 00 00');
  const publisher = await broker.v3('p');
  await publisher.send("30 06 0004 'aaaa'");
  await client.expect("30 0a 0004 'aaaa' 03 23 0001"); // alias 1
  await publisher.send("30 06 0004 'bbbb'");
  await client.expect("30 0a 0004 'bbbb' 03 23 0001"); // alias 1 again, for another topic
  await publisher.send("30 06 0004 'bbbb'");
  await client.expect('30 06 0000 03 23 0001'); // the alias alone
});

test('deliveries have no topic alias for a client that gave no maximum [MQTT-3.1.2-27]', async () => {
  const client = await (await startServer()).connect(CONNECT, CONNACK);
  await client.send("82 07 0001 00 0001 '#' 00");
  await client.expect('90 04 0001 00 00');
  await client.send("30 07 0004 'aaaa' 00 30 07 0004 'aaaa' 00");
  await client.expect("30 07 0004 'aaaa' 00", "30 07 0004 'aaaa' 00");
});

test('deliveries have no topic alias for a client that gave a maximum of 0 [MQTT-3.1.2-27]', async () => {
  const client = await (await startServer()).connect(connectWithAliases(0), CONNACK);
  await client.send("82 07 0001 00 0001 '#' 00");
  await client.expect('90 04 0001 00 00');
  await client.send("30 07 0004 'aaaa' 00 30 07 0004 'aaaa' 00");
  await client.expect("30 07 0004 'aaaa' 00", "30 07 0004 'aaaa' 00");
});

test('a message that just fits comes, too, when the client allows topic aliases [MQTT-3.1.2-24]', async () => {
  const broker = await startServer();
  const client = await broker.v5('a', true, '27 00000014 22 0005'); // 20 bytes, five aliases
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00');
  await (await broker.v3('p')).send("30 11 0001 't' '0123456789abcd'");
  await client.expect("30 12 0001 't' 00 '0123456789abcd'");
  await (await broker.v3('p')).send("30 12 0001 't' '0123456789abcde'");
  await client.expectNothing();
});
