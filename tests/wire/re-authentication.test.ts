// Re-authentication of a connected client. MQTT 5 §4.12.1.

import { expect, test } from 'vitest';
import { expectDisconnected } from '../kit/answers.ts';
import { TestMethod } from '../kit/test-method.ts';
import { startServer, type TestServer } from '../kit/wire.ts';

const RE_AUTHENTICATE = "f0 06 19 04 15 0001 'T'";
const CHALLENGE_1 = "f0 0b 18 09 15 0001 'T' 16 0002 'c1'";
const CHALLENGE_2 = "f0 0b 18 09 15 0001 'T' 16 0002 'c2'";
const RESPONSE_1 = "f0 0b 18 09 15 0001 'T' 16 0002 'r1'";
const RESPONSE_2 = "f0 0b 18 09 15 0001 'T' 16 0002 'r2'";
const SUCCESS = "f0 0b 00 09 15 0001 'T' 16 0002 'ok'";

/** A client that was let in by the method, with a will `w` to `t`. */
async function connected(broker: TestServer) {
  const client = broker.open();
  await client.send(`10 19  // CONNECT
    0004 'MQTT' 05 06 0000
    04 15 0001 'T'       // Authentication Method
    0001 'a'
    00 0001 't' 0001 'w' // will
    ${RESPONSE_1} ${RESPONSE_2}`);
  expect(await client.packets()).toHaveLength(3);
  return client;
}

for (const isAsync of [false, true]) {
  const how = isAsync ? 'with promises' : 'at once';

  test(`re-authentication with the same method ends with AUTH 0x00 and no second CONNACK, ${how} [MQTT-4.12.1-1] [MQTT-3.2.0-2] [MQTT-3.15.2-1]`, async () => {
    const method = new TestMethod({ isAsync });
    const client = await connected(await startServer({ authenticator: method }));
    await client.send(RE_AUTHENTICATE);
    await client.expect(CHALLENGE_1);
    await client.send(RESPONSE_1);
    await client.expect(CHALLENGE_2);
    await client.send(RESPONSE_2);
    await client.expect(SUCCESS);
    expect(method.begun).toEqual([null, 'u']);
  });

  test(`a wrong answer ends the connection with DISCONNECT 0x87, ${how} [MQTT-4.12.1-2]`, async () => {
    const client = await connected(
      await startServer({ authenticator: new TestMethod({ isAsync }) }),
    );
    await client.send(RE_AUTHENTICATE);
    await client.expect(CHALLENGE_1);
    await client.send("f0 0b 18 09 15 0001 'T' 16 0002 'xx'");
    await expectDisconnected(client, 0x87, 'wrong answer');
  });
}

test('a client may re-authenticate again and again [MQTT-4.12.1-1]', async () => {
  const client = await connected(await startServer({ authenticator: new TestMethod() }));
  for (let i = 0; i < 3; i++) {
    await client.send(`${RE_AUTHENTICATE} ${RESPONSE_1} ${RESPONSE_2}`);
    await client.expect(CHALLENGE_1, CHALLENGE_2, SUCCESS);
  }
});

test('re-authentication that names another method ends the connection with 0x82 [MQTT-4.12.1-1]', async () => {
  const client = await connected(await startServer({ authenticator: new TestMethod() }));
  await client.send("f0 06 19 04 15 0001 'X'");
  await expectDisconnected(client, 0x82);
});

test('an answer that names another method ends the connection with 0x82 [MQTT-4.12.0-5]', async () => {
  const client = await connected(await startServer({ authenticator: new TestMethod() }));
  await client.send(RE_AUTHENTICATE);
  await client.expect(CHALLENGE_1);
  await client.send("f0 0b 18 09 15 0001 'X' 16 0002 'r1'");
  await expectDisconnected(client, 0x82);
});

test('a failed re-authentication publishes the will [MQTT-3.1.2-8]', async () => {
  const broker = await startServer({ authenticator: new TestMethod() });
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00');
  const client = await connected(broker);
  await client.send(`${RE_AUTHENTICATE} f0 0b 18 09 15 0001 'T' 16 0002 'xx'`);
  await subscriber.expect("30 05 0001 't' 00 'w'");
});

test('messages flow both ways while a client re-authenticates [MQTT-4.12.1-1]', async () => {
  const client = await connected(await startServer({ authenticator: new TestMethod() }));
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00');
  await client.send(RE_AUTHENTICATE);
  await client.expect(CHALLENGE_1);
  await client.send("30 05 0001 't' 00 'x'");
  await client.expect("30 05 0001 't' 00 'x'");
  await client.send(`${RESPONSE_1} ${RESPONSE_2}`);
  await client.expect(CHALLENGE_2, SUCCESS);
});

test('a second re-authentication before the first is done ends the connection with 0x82 [MQTT-4.13.1-1]', async () => {
  const client = await connected(await startServer({ authenticator: new TestMethod() }));
  await client.send(RE_AUTHENTICATE);
  await client.expect(CHALLENGE_1);
  await client.send(RE_AUTHENTICATE);
  await expectDisconnected(client, 0x82);
});

test('an answer to no challenge ends the connection with 0x82 [MQTT-4.13.1-1]', async () => {
  const client = await connected(await startServer({ authenticator: new TestMethod() }));
  await client.send(RESPONSE_1);
  await expectDisconnected(client, 0x82);
});

test('a method that is not offered any more ends the connection with 0x87 [MQTT-4.12.1-2]', async () => {
  const method = new TestMethod();
  const client = await connected(await startServer({ authenticator: method }));
  method.isOffered = false;
  await client.send(RE_AUTHENTICATE);
  await expectDisconnected(client, 0x87);
});

test('a method that breaks ends the connection with 0x80 [MQTT-4.12.1-2]', async () => {
  const client = await connected(await startServer({ authenticator: new TestMethod() }));
  await client.send("f0 0e 19 0c 15 0001 'T' 16 0005 'throw'");
  await expectDisconnected(client, 0x80);
});

test('a client that goes in the middle of a re-authentication aborts it [MQTT-4.12.1-2]', async () => {
  const method = new TestMethod();
  const client = await connected(await startServer({ authenticator: method }));
  await client.send(RE_AUTHENTICATE);
  await client.drop();
  expect(method.aborted).toBe(1);
});
