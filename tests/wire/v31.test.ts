// MQTT 3.1 (`MQIsdp`), and the bridge bit that bridges set in the protocol level of 3.1 and 3.1.1.

import { expect, test } from 'vitest';
import { expectRefused } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

/** CONNECT of `a`, clean session 1 and 0. */
const CLEAN = "10 0f 0006 'MQIsdp' 03 02 0000 0001 'a'";
const RESUME = "10 0f 0006 'MQIsdp' 03 00 0000 0001 'a'";

test('a v3.1 client publishes and subscribes at all QoS [MQTT 3.1 §3]', async () => {
  const client = await (await startServer()).connect(CLEAN, '20 02 0000');
  await client.send("82 06 0001 0001 't' 02");
  await client.expect('90 03 0001 02');
  await client.send("30 04 0001 't' '0' 32 06 0001 't' 0002 '1' 34 06 0001 't' 0003 '2'");
  await client.expect(
    "30 04 0001 't' '0'",
    "32 06 0001 't' 0001 '1'",
    '40 02 0002',
    "34 06 0001 't' 0002 '2'",
    '50 02 0003',
  );
});

test('a v3.1 session with Clean Session 0 comes back, without Session Present in CONNACK [MQTT 3.1 §3.2]', async () => {
  const broker = await startServer();
  const first = await broker.connect(RESUME, '20 02 00 00');
  await first.send("82 06 0001 0001 't' 01");
  await first.expect('90 03 0001 01');
  await first.drop();
  const publisher = await broker.v3('p');
  await publisher.send("32 06 0001 't' 0001 'q'");
  await broker.connect(RESUME, '20 02 00 00', "32 06 0001 't' 0001 'q'");
});

test('a v3.1 session with Clean Session 1 forgets [MQTT 3.1 §3.1]', async () => {
  const broker = await startServer();
  const first = await broker.connect(RESUME, '20 02 00 00');
  await first.send("82 06 0001 0001 't' 01");
  await first.drop();
  const publisher = await broker.v3('p');
  await publisher.send("32 06 0001 't' 0001 'q'");
  await broker.connect(CLEAN, '20 02 00 00');
});

test('a v3.1 client with a wrong password gets return code 4 [MQTT 3.1 §3.2]', async () => {
  const broker = await startServer({
    authenticator: { authenticate: () => ({ reasonCode: 0x86 }) },
  });
  const client = broker.open();
  await client.send("10 15 0006 'MQIsdp' 03 c2 0000 0001 'a' 0001 'u' 0001 'p'");
  await client.expectClosed('20 02 00 04');
});

test('v3.1 flags without their user name and password are believed to have none [MQTT 3.1 §3.1]', async () => {
  const broker = await startServer();
  await broker.connect("10 0f 0006 'MQIsdp' 03 c2 0000 0001 'a'", '20 02 0000');
});

test('a v3.1 client is closed after 1.5 × Keep Alive, and its will published [MQTT 3.1 §3.1]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v3('sub');
  await subscriber.send("82 06 0001 0001 't' 00");
  await subscriber.expect('90 03 0001 00');
  const client = await broker.connect(
    "10 15 0006 'MQIsdp' 03 06 000a 0001 'a' 0001 't' 0001 'w'",
    '20 02 0000',
  );
  await broker.advance(14_900);
  await client.expectOpen();
  await broker.advance(200);
  await client.expectClosed();
  await subscriber.expect("30 04 0001 't' 'w'");
});

test('a v3.1 subscription that is refused gets the QoS it asked for, and no messages', async () => {
  const broker = await startServer({
    authorizer: { authorizePublish: () => 0, authorizeSubscribe: () => 0x87 },
  });
  const client = await broker.connect(CLEAN, '20 02 0000');
  await client.send("82 06 0001 0001 't' 01");
  await client.expect('90 03 0001 01');
  expect(broker.server.stats().subscriptions).toBe(0);
  await client.send("30 04 0001 't' 'x'");
  await client.expectNothing();
});

test('a v3.1.1 subscription that is refused gets 0x80 [3.1.1 MQTT-3.9.3-2]', async () => {
  const broker = await startServer({
    authorizer: { authorizePublish: () => 0, authorizeSubscribe: () => 0x87 },
  });
  const client = await broker.v3('a');
  await client.send("82 06 0001 0001 't' 01");
  await client.expect('90 03 0001 80');
});

test('a v3.1 DISCONNECT removes the will [MQTT 3.1 §3.14]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v3('sub');
  await subscriber.send("82 06 0001 0001 't' 00");
  await subscriber.expect('90 03 0001 00');
  const client = await broker.connect(
    "10 15 0006 'MQIsdp' 03 06 0000 0001 'a' 0001 't' 0001 'w'",
    '20 02 0000',
  );
  await client.send('e0 00');
  await client.expectClosed();
  await subscriber.expectNothing();
});

for (const [version, connect] of [
  ['3.1', "10 0f 0006 'MQIsdp' 83 02 0000 0001 'a'"],
  ['3.1.1', "10 0d 0004 'MQTT' 84 02 0000 0001 'a'"],
] as const) {
  test(`a v${version} bridge is accepted`, async () => {
    await (await startServer()).connect(connect, '20 02 0000');
  });

  test(`a v${version} bridge does not get its own messages back`, async () => {
    const broker = await startServer();
    const bridge = await broker.connect(connect, '20 02 0000');
    await bridge.send("82 06 0001 0001 't' 00");
    await bridge.expect('90 03 0001 00');
    await bridge.send("30 04 0001 't' 'x'");
    await bridge.expectNothing();
  });

  test(`a v${version} bridge gets messages with RETAIN as they were published`, async () => {
    const broker = await startServer();
    const bridge = await broker.connect(connect, '20 02 0000');
    await bridge.send("82 06 0001 0001 't' 00");
    await bridge.expect('90 03 0001 00');
    const publisher = await broker.v3('p');
    await publisher.send("31 04 0001 't' 'x' 30 04 0001 't' 'y'");
    await bridge.expect("31 04 0001 't' 'x'", "30 04 0001 't' 'y'");
  });
}

for (const [name, connect] of [
  ['MQIsdp with level 0x84', "10 0f 0006 'MQIsdp' 84 02 0000 0001 'a'"],
  ['MQTT with level 0x83', "10 0d 0004 'MQTT' 83 02 0000 0001 'a'"],
] as const) {
  test(`${name} is refused with return code 1`, async () => {
    const client = (await startServer()).open();
    await client.send(connect);
    await client.expectClosed('20 02 00 01');
  });
}

test('MQTT 5 has no bridge bit: level 0x85 is refused [MQTT-3.1.2-2]', async () => {
  const client = (await startServer()).open();
  await client.send("10 0e 0004 'MQTT' 85 02 0000 00 0001 'a'");
  await expectRefused(client, 0x84);
});
