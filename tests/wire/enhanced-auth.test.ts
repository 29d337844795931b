// Enhanced authentication in CONNECT. MQTT 5 §4.12, §3.15.

import { expect, test } from 'vitest';
import { CONNACK, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { TestMethod } from '../kit/test-method.ts';
import { startServer } from '../kit/wire.ts';

const CONNECT = `10 12   // CONNECT
  0004 'MQTT' 05 02 0000
  04 15 0001 'T'    // Authentication Method
  0001 'a'`;
const CHALLENGE_1 = "f0 0b 18 09 15 0001 'T' 16 0002 'c1'";
const CHALLENGE_2 = "f0 0b 18 09 15 0001 'T' 16 0002 'c2'";
const RESPONSE_1 = "f0 0b 18 09 15 0001 'T' 16 0002 'r1'";
const RESPONSE_2 = "f0 0b 18 09 15 0001 'T' 16 0002 'r2'";
const CONNACK_T = `20 17  // CONNACK
  00 00
  14 21 0064 27 001e8480 22 0020
  15 0001 'T'         // Authentication Method
  16 0002 'ok'        // Authentication Data`;

for (const isAsync of [false, true]) {
  const how = isAsync ? 'with promises' : 'at once';

  test(`challenges are AUTH 0x18, and CONNACK follows the last answer, ${how} [MQTT-4.12.0-2] [MQTT-4.12.0-5] [MQTT-3.2.0-1]`, async () => {
    const method = new TestMethod({ isAsync });
    const client = (await startServer({ authenticator: method })).open();
    await client.send(CONNECT);
    await client.expect(CHALLENGE_1);
    await client.send(RESPONSE_1);
    await client.expect(CHALLENGE_2);
    await client.send(RESPONSE_2);
    await client.expect(CONNACK_T);
    expect(method.received).toEqual([null, 'r1', 'r2']);
  });

  test(`a wrong answer is refused with CONNACK, ${how} [MQTT-4.12.0-4]`, async () => {
    const method = new TestMethod({ isAsync });
    const client = (await startServer({ authenticator: method })).open();
    await client.send(CONNECT);
    await client.expect(CHALLENGE_1);
    await client.send("f0 0b 18 09 15 0001 'T' 16 0002 'xx'");
    await expectRefused(client, 0x87, 'wrong answer');
  });

  test(`a method that breaks refuses the client with 0x80, ${how} [MQTT-4.12.0-4]`, async () => {
    const client = (await startServer({ authenticator: new TestMethod({ isAsync }) })).open();
    await client.send(CONNECT);
    await client.expect(CHALLENGE_1);
    await client.send("f0 0e 18 0c 15 0001 'T' 16 0005 'throw'");
    await expectRefused(client, 0x80);
  });

  test(`answers that come ahead of their challenges are taken in order, ${how} [MQTT-4.2-1]`, async () => {
    const client = (await startServer({ authenticator: new TestMethod({ isAsync }) })).open();
    await client.send(`${CONNECT} \n ${RESPONSE_1} ${RESPONSE_2}`);
    await client.expect(CHALLENGE_1, CHALLENGE_2, CONNACK_T);
  });

  test(`a SUBSCRIBE behind the last answer waits for CONNACK, ${how} [MQTT-3.2.0-1]`, async () => {
    const client = (await startServer({ authenticator: new TestMethod({ isAsync }) })).open();
    await client.send(CONNECT);
    await client.send(RESPONSE_1);
    await client.expect(CHALLENGE_1, CHALLENGE_2);
    await client.send(`${RESPONSE_2} 82 07 0001 00 0001 't' 00`);
    await client.expect(CONNACK_T, '90 04 0001 00 00');
  });
}

test('the Authentication Data of CONNECT is the first step’s [MQTT-4.12.0-2]', async () => {
  const method = new TestMethod();
  const client = (await startServer({ authenticator: method })).open();
  await client.send(`10 17        // CONNECT
    0004 'MQTT' 05 02 0000
    09 15 0001 'T' 16 0002 'hi' // Authentication Method and Data
    0001 'a'`);
  await client.expect(CHALLENGE_1);
  expect(method.received).toEqual(['hi']);
});

test('a method that needs no challenge lets the client in at once [MQTT-4.12.0-5]', async () => {
  const broker = await startServer({
    authenticator: {
      authenticate: () => ({ reasonCode: 0x87 }),
      begin: () => ({ step: () => ({ reasonCode: 0, username: 'u' }) }),
    },
  });
  await broker.connect(
    CONNECT,
    `20 12   // CONNACK
    00 00
    0f 21 0064 27 001e8480 22 0020
    15 0001 'T' // Authentication Method`,
  );
});

test('an unknown method is refused with 0x8C [MQTT-4.12.0-1]', async () => {
  const client = (await startServer({ authenticator: new TestMethod() })).open();
  await client.send("10 12 0004 'MQTT' 05 02 0000 04 15 0001 'X' 0001 'a'");
  await expectRefused(client, 0x8c);
});

test('any method is refused with 0x8C by a server that has none [MQTT-4.12.0-1]', async () => {
  const client = (await startServer()).open();
  await client.send(CONNECT);
  await expectRefused(client, 0x8c);
});

test('any method is refused with 0x8C by an authenticator that knows passwords only [MQTT-4.12.0-1]', async () => {
  const broker = await startServer({
    authenticator: { authenticate: () => ({ reasonCode: 0, username: null }) },
  });
  const client = broker.open();
  await client.send(CONNECT);
  await expectRefused(client, 0x8c);
});

for (const [name, auth] of [
  ['0x00 Success', "f0 0b 00 09 15 0001 'T' 16 0002 'r1'"],
  ['0x19 Re-authenticate', "f0 0b 19 09 15 0001 'T' 16 0002 'r1'"],
  ['nothing at all', 'f0 00'],
  ['0x01, which AUTH does not have', "f0 0b 01 09 15 0001 'T' 16 0002 'r1'"],
] as const) {
  test(`an answer that says ${name} is refused with 0x82 [MQTT-4.12.0-3] [MQTT-3.15.2-1]`, async () => {
    const client = (await startServer({ authenticator: new TestMethod() })).open();
    await client.send(CONNECT);
    await client.expect(CHALLENGE_1);
    await client.send(auth);
    await expectRefused(client, 0x82);
  });
}

test('an answer that names another method is refused with 0x82 [MQTT-4.12.0-5]', async () => {
  const client = (await startServer({ authenticator: new TestMethod() })).open();
  await client.send(CONNECT);
  await client.expect(CHALLENGE_1);
  await client.send("f0 0b 18 09 15 0001 'X' 16 0002 'r1'");
  await expectRefused(client, 0x82);
});

test('an answer that names no method is refused with 0x82 [MQTT-4.12.0-5]', async () => {
  const client = (await startServer({ authenticator: new TestMethod() })).open();
  await client.send(CONNECT);
  await client.expect(CHALLENGE_1);
  await client.send('f0 02 18 00');
  await expectRefused(client, 0x82);
});

test('an answer with header flags is refused as malformed [MQTT-3.15.1-1]', async () => {
  const client = (await startServer({ authenticator: new TestMethod() })).open();
  await client.send(CONNECT);
  await client.expect(CHALLENGE_1);
  await client.send("f2 0b 18 09 15 0001 'T' 16 0002 'r1'");
  await expectRefused(client, 0x81, 'MQTT-3.15.1-1');
});

for (const [name, packet] of [
  ['PUBLISH', "30 04 0001 't' 00"],
  ['SUBSCRIBE', "82 07 0001 00 0001 't' 00"],
  ['PINGREQ', 'c0 00'],
  ['a second CONNECT', CONNECT],
] as const) {
  test(`${name} between CONNECT and CONNACK is refused with 0x82 [MQTT-3.1.2-30]`, async () => {
    const broker = await startServer({ authenticator: new TestMethod() });
    const subscriber = await broker.v5('sub');
    await subscriber.send("82 07 0001 00 0001 't' 00");
    await subscriber.expect('90 04 0001 00 00');
    const client = broker.open();
    await client.send(CONNECT);
    await client.expect(CHALLENGE_1);
    await client.send(packet);
    await expectRefused(client, 0x82);
    await subscriber.expectNothing();
    expect(broker.server.stats().subscriptions).toBe(1);
  });
}

test('a client that gives up with DISCONNECT aborts the method and hears nothing more [MQTT-3.14.0-1]', async () => {
  const method = new TestMethod();
  const client = (await startServer({ authenticator: method })).open();
  await client.send(CONNECT);
  await client.expect(CHALLENGE_1);
  await client.send('e0 00');
  await client.expectClosed();
  expect(method.aborted).toBe(1);
});

test('a client that goes in the middle aborts the method [MQTT-4.12.0-4]', async () => {
  const method = new TestMethod();
  const client = (await startServer({ authenticator: method })).open();
  await client.send(CONNECT);
  await client.drop();
  expect(method.aborted).toBe(1);
});

test('a client that does not answer in time is closed, and the method aborted [MQTT-3.14.0-1]', async () => {
  const method = new TestMethod();
  const broker = await startServer({ authenticator: method, limits: { connectTimeoutMs: 5_000 } });
  const client = broker.open();
  await client.send(CONNECT);
  await client.expect(CHALLENGE_1);
  await broker.advance(4_900);
  await client.expectOpen();
  await broker.advance(200);
  await client.expectClosed();
  expect(method.aborted).toBe(1);
});

test('an authentication that is not done takes nothing over [MQTT-4.12.0-4]', async () => {
  const broker = await startServer({ authenticator: new TestMethod() });
  const older = await broker.v5('a');
  const newer = broker.open();
  await newer.send(CONNECT);
  await newer.expect(CHALLENGE_1);
  await older.send('c0 00');
  await older.expect('d0 00');
});

test('CONNECT without a method gets no AUTH, and CONNACK names none [MQTT-4.12.0-6]', async () => {
  const broker = await startServer({ authenticator: new TestMethod() });
  await broker.connect("10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'", CONNACK);
});

test('AUTH from a client whose CONNECT named no method ends the connection with 0x82 [MQTT-4.12.0-7]', async () => {
  const broker = await startServer({ authenticator: new TestMethod() });
  const client = await broker.v5('a');
  await client.send("f0 06 19 04 15 0001 'T'");
  await expectDisconnected(client, 0x82);
});

test('Authentication Data without a method is refused with 0x82 [MQTT-4.13.1-1]', async () => {
  const client = (await startServer({ authenticator: new TestMethod() })).open();
  await client.send("10 12 0004 'MQTT' 05 02 0000 04 16 0001 'd' 0001 'a'");
  await expectRefused(client, 0x82);
});

test('a challenge holds method and data only, no Reason String and no User Property that could pass the client’s limit [MQTT-3.15.2-2] [MQTT-3.15.2-3]', async () => {
  const client = (await startServer({ authenticator: new TestMethod() })).open();
  await client.send(`10 17                   // CONNECT
    0004 'MQTT' 05 02 0000
    09 15 0001 'T' 27 0000000d // Authentication Method, Maximum Packet Size 13
    0001 'a'`);
  await client.expect(CHALLENGE_1); // 13 bytes
});
