// Garbage and hostile input: it costs its sender the connection and nobody else anything.

import { expect, test } from 'vitest';
import { CONNACK, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { hex } from '../kit/hex.ts';
import { startServer, type TestServer } from '../kit/wire.ts';

const CONNECT = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";

/** Somebody who has nothing to do with it: connected before, served after. */
async function bystanderOf(broker: TestServer) {
  const client = await broker.v5('bystander');
  await client.send("82 07 0001 00 0001 't' 01");
  await client.expect('90 04 0001 00 01');
  return async () => {
    await client.send("32 07 0001 't' 0001 00 'x'");
    const packets = await client.packets();
    expect(packets.map((packet) => packet[0])).toEqual([0x32, 0x40]);
    const packetId = packets[0].slice(5, 7);
    await client.send(Uint8Array.of(0x40, 2, ...packetId));
    expect(broker.server.stats()).toMatchObject({ connections: 1, sessions: 1, subscriptions: 1 });
  };
}

/** A CONNECT of `a` with `count` empty user properties. */
function connectWithUserProperties(count: number): Uint8Array {
  const section = new Uint8Array(count * 5);
  for (let at = 0; at < section.length; at += 5) section[at] = 0x26;
  const head = [...hex("0004 'MQTT' 05 02 0000"), ...vbi(section.length)];
  const tail = hex("0001 'a'");
  const length = head.length + section.length + tail.length;
  const packet = new Uint8Array(1 + vbi(length).length + length);
  packet.set([0x10, ...vbi(length), ...head]);
  packet.set(section, packet.length - tail.length - section.length);
  packet.set(tail, packet.length - tail.length);
  return packet;
}

function vbi(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; ) {
    bytes.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>>= 7;
    if (rest === 0) return bytes;
  }
}

for (const [what, bytes] of [
  ['an HTTP request', "'GET / HTTP/1.1' 0d0a 'Host: x' 0d0a 0d0a"],
  ['a TLS ClientHello', '16 03 01 00 05 01 00 00 01 00'],
  ['zeros', '00 00 00 00 00 00 00 00'],
  ['ones', 'ff ff ff ff ff ff ff ff'],
  ['a PROXY header', "'PROXY TCP4 1.2.3.4 1.2.3.4 1 2' 0d0a"],
  ['a length of five bytes', '10 80 80 80 80 01'],
  ['the largest length there is', '10 ff ff ff 7f'],
  ['a SUBSCRIBE', "82 07 0001 00 0001 '#' 00"],
] as const) {
  test(`a stream that begins with ${what} is closed without an answer, and nobody else notices [MQTT-3.1.0-1]`, async () => {
    const broker = await startServer();
    const stillServed = await bystanderOf(broker);
    const client = broker.open();
    await client.send(bytes);
    await client.expectClosed();
    await stillServed();
  });
}

test('all one-byte beginnings and two-byte beginnings of packets that are no CONNECT are harmless [MQTT-3.1.0-1]', async () => {
  const broker = await startServer();
  const stillServed = await bystanderOf(broker);
  for (let header = 0; header < 256; header++) {
    const client = broker.open();
    client.write(Uint8Array.of(header, 0));
    if (header >> 4 === 1) continue;
    await client.expectClosed();
  }
  await stillServed();
});

test('a CONNECT of a million user properties is refused by its length [MQTT-3.2.2-15]', async () => {
  const broker = await startServer();
  const stillServed = await bystanderOf(broker);
  const client = broker.open();
  await client.send(connectWithUserProperties(1_000_000));
  await client.expectClosed();
  await stillServed();
});

test('a CONNECT of a million user properties is refused by their number where its length is allowed [MQTT-3.1.4-2]', async () => {
  const broker = await startServer({
    limits: { packetSizeMax: 16_777_216, unacceptedBytesMax: 16_777_216 },
  });
  const stillServed = await bystanderOf(broker);
  const client = broker.open();
  await client.send(connectWithUserProperties(1_000_000));
  await expectRefused(client, 0x97, 'user_properties_max');
  await stillServed();
});

test('64 user properties are accepted, 65 are refused [MQTT-3.1.4-2]', async () => {
  const broker = await startServer();
  const client = broker.open();
  await client.send(connectWithUserProperties(64));
  await client.expect(CONNACK);
  const other = broker.open();
  await other.send(connectWithUserProperties(65));
  await expectRefused(other, 0x97, 'user_properties_max');
});

test('a connected client that announces the largest length there is gets 0x95 at once [MQTT-3.2.2-15]', async () => {
  const broker = await startServer();
  const stillServed = await bystanderOf(broker);
  const client = await broker.connect(CONNECT, CONNACK);
  await client.send('30 ff ff ff 7f');
  await expectDisconnected(client, 0x95);
  await stillServed();
});

test('a v3.1.1 client that announces the largest length there is gets closed [3.1.1 MQTT-4.8.0-1]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send('30 ff ff ff 7f');
  await client.expectClosed();
});

test('a stream that sends nothing is closed after the connect timeout', async () => {
  const broker = await startServer({ limits: { connectTimeoutMs: 3_000 } });
  const stillServed = await bystanderOf(broker);
  const client = broker.open();
  await broker.advance(2_900);
  await client.expectOpen();
  await broker.advance(200);
  await client.expectClosed();
  await stillServed();
});

test('half a CONNECT is closed after the connect timeout, though its bytes keep coming', async () => {
  const broker = await startServer({ limits: { connectTimeoutMs: 3_000 } });
  const client = broker.open();
  for (const byte of ['10', '0e', '00', '04', "'M'", "'Q'"]) {
    await client.send(byte);
    await broker.advance(450);
  }
  await client.expectOpen();
  await broker.advance(400);
  await client.expectClosed();
});

test('a CONNECT that is whole just before the connect timeout is accepted [MQTT-3.1.4-5]', async () => {
  const broker = await startServer({ limits: { connectTimeoutMs: 3_000 } });
  const client = broker.open();
  await client.send("10 0e 0004 'MQTT' 05 02 0000 00 0001");
  await broker.advance(2_900);
  await client.send("'a'");
  await client.expect(CONNACK);
  await broker.advance(3_000);
  await client.expectOpen();
});

test('half-connected streams above their maximum are closed, and those before them served', async () => {
  const broker = await startServer({ limits: { halfConnectedMax: 2 } });
  const first = broker.open();
  const second = broker.open();
  const third = broker.open();
  await third.expectClosed();
  await first.send(CONNECT);
  await first.expect(CONNACK);
  await second.expectOpen();
});

test('a CONNECT that is in makes room for another half-connected stream', async () => {
  const broker = await startServer({ limits: { halfConnectedMax: 1 } });
  await broker.open().send(CONNECT);
  const next = broker.open();
  await next.send("10 0e 0004 'MQTT' 05 02 0000 00 0001 'b'");
  await next.expect(CONNACK);
});

test('a half-connected stream that goes makes room for another', async () => {
  const broker = await startServer({ limits: { halfConnectedMax: 1 } });
  await broker.open().drop();
  const next = broker.open();
  await next.send(CONNECT);
  await next.expect(CONNACK);
});

test('connections above their maximum are closed, and one that goes makes room for another', async () => {
  const broker = await startServer({ limits: { connectionsMax: 2 } });
  const first = await broker.v5('a');
  const second = await broker.v5('b');
  const third = broker.open();
  await third.expectClosed();
  await first.send('c0 00');
  await first.expect('d0 00');
  await second.send('e0 00');
  await broker.v5('c');
  expect(broker.server.stats().connections).toBe(2);
});

test('a session above their maximum is refused with 0x97, v3.1.1 with return code 3 [MQTT-3.1.4-2] [3.1.1 MQTT-3.2.2-5]', async () => {
  const broker = await startServer({ limits: { sessionsMax: 1 } });
  const first = await broker.v5('a');
  const second = broker.open();
  await second.send("10 0e 0004 'MQTT' 05 02 0000 00 0001 'b'");
  await expectRefused(second, 0x97);
  const third = broker.open();
  await third.send("10 0d 0004 'MQTT' 04 02 0000 0001 'c'");
  await third.expectClosed('20 02 00 03');
  await first.send('c0 00');
  await first.expect('d0 00');
});

test('a flood of garbage behind a valid CONNECT costs that connection only [MQTT-4.13.1-1]', async () => {
  const broker = await startServer();
  const stillServed = await bystanderOf(broker);
  const client = await broker.connect(CONNECT, CONNACK);
  const garbage = new Uint8Array(1_000_000).fill(0xf7);
  await client.send(garbage);
  await expectDisconnected(client, 0x81);
  await stillServed();
});

test('a thousand broken connections leave nothing behind [MQTT-4.13.1-1]', async () => {
  const broker = await startServer();
  const stillServed = await bystanderOf(broker);
  for (let i = 0; i < 1_000; i++) {
    const client = broker.open();
    client.write("10 0e 0004 'MQTT' 05 03 0000 00 0001 'a'");
    if (i % 100 === 99) await client.packets();
  }
  await stillServed();
});
