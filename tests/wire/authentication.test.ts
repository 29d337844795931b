// Decisions on a CONNECT: yes, no, later, elsewhere; and what is pipelined behind it. MQTT 5 §3.1.4, §3.2.2.2, §4.11.

import { expect, test } from 'vitest';
import type { Decision } from '../../src/auth/auth.ts';
import { CONNACK, CONNACK_PRESENT, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

const CONNECT = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";
const CONNECT_V3 = "10 0d 0004 'MQTT' 04 02 0000 0001 'a'";
const ACCEPTED: Decision = { reasonCode: 0, username: null };

/** A server whose authenticator says so to client `a`, and yes to others. */
function serverThat(decision: Decision) {
  return startServer({
    authenticator: {
      authenticate: (request) => (request.clientId === 'a' ? decision : ACCEPTED),
    },
  });
}

/** A server whose authenticator waits until the test decides. */
async function undecided() {
  const waiting: { resolve(decision: Decision): void; reject(error: Error): void }[] = [];
  const broker = await startServer({
    authenticator: {
      authenticate: () =>
        new Promise<Decision>((resolve, reject) => waiting.push({ resolve, reject })),
    },
    limits: { answerTimeoutMs: 20_000 }, // tests/wire/answer-timeout.test.ts
  });
  return { broker, waiting };
}

/** Codes of MQTT 5 §3.2.2.2, and the return code of 3.1.1 nearest to each. */
const CODES = [
  [0x80, 3],
  [0x83, 3],
  [0x85, 2],
  [0x86, 4],
  [0x87, 5],
  [0x88, 3],
  [0x89, 3],
  [0x8a, 5],
  [0x8c, 5],
  [0x95, 3],
  [0x97, 3],
  [0x9c, 3],
  [0x9d, 3],
  [0x9f, 3],
] as const;

for (const [code, returnCode] of CODES) {
  const name = `0x${code.toString(16).toUpperCase()}`;

  test(`a client that is refused with ${name} gets CONNACK ${name} and is closed [MQTT-3.1.4-2] [MQTT-3.2.2-7]`, async () => {
    const client = (await serverThat({ reasonCode: code })).open();
    await client.send(CONNECT);
    await expectRefused(client, code);
  });

  test(`a v3.1.1 client that is refused with ${name} gets return code ${returnCode} and is closed [3.1.1 MQTT-3.2.2-5]`, async () => {
    const client = (await serverThat({ reasonCode: code })).open();
    await client.send(CONNECT_V3);
    await client.expectClosed(`20 02 00 0${returnCode}`);
  });
}

for (const code of [0x04, 0x8b, 0x8e, 0x93, 0xa2] as const) {
  const name = `0x${code.toString(16).padStart(2, '0').toUpperCase()}`;
  test(`a refusal with ${name}, which CONNACK does not have, is sent as 0x80 [MQTT-3.2.2-8]`, async () => {
    const client = (await serverThat({ reasonCode: code })).open();
    await client.send(CONNECT);
    await expectRefused(client, 0x80);
  });
}

test('a refusal says why [MQTT-3.2.2-7]', async () => {
  const client = (await serverThat({ reasonCode: 0x8a, reasonString: 'go away' })).open();
  await client.send(CONNECT);
  await client.expectClosed("20 0d 00 8a 0a 1f 0007 'go away'");
});

test('a refusing CONNACK has Session Present 0 though a session is stored [MQTT-3.2.2-6] [3.1.1 MQTT-3.2.2-4]', async () => {
  let decision: Decision = ACCEPTED;
  const broker = await startServer({ authenticator: { authenticate: () => decision } });
  await (await broker.v5('a', true, '11 0000003c')).drop();
  decision = { reasonCode: 0x87 };
  const client = broker.open();
  await client.send("10 0e 0004 'MQTT' 05 00 0000 00 0001 'a'");
  await expectRefused(client, 0x87);
  const v3 = broker.open();
  await v3.send("10 0d 0004 'MQTT' 04 00 0000 0001 'a'");
  await v3.expectClosed('20 02 00 05');
});

test('a refused CONNECT leaves the stored session as it is [MQTT-3.1.4-2]', async () => {
  let decision: Decision = ACCEPTED;
  const broker = await startServer({ authenticator: { authenticate: () => decision } });
  await (await broker.v5('a', true, '11 0000003c')).drop();
  decision = { reasonCode: 0x87 };
  await broker.open().send(CONNECT);
  decision = ACCEPTED;
  await broker.connect("10 0e 0004 'MQTT' 05 00 0000 00 0001 'a'", CONNACK_PRESENT);
});

test('a decision that takes time is waited for [MQTT-3.1.4-5]', async () => {
  const { broker, waiting } = await undecided();
  const client = broker.open();
  await client.send(CONNECT);
  await client.expectNothing();
  waiting[0].resolve(ACCEPTED);
  await client.expect(CONNACK);
});

test('what is pipelined behind a CONNECT waits for the decision, in its order [MQTT-3.2.0-1]', async () => {
  const { broker, waiting } = await undecided();
  const client = broker.open();
  await client.send(`${CONNECT} 82 07 0001 00 0001 't' 00 30 05 0001 't' 00 'x' c0 00`);
  await client.expectNothing();
  waiting[0].resolve(ACCEPTED);
  await client.expect(CONNACK, '90 04 0001 00 00', "30 05 0001 't' 00 'x'", 'd0 00');
});

test('what is pipelined behind a CONNECT that is accepted at once follows CONNACK [MQTT-3.2.0-1]', async () => {
  const client = (await startServer()).open();
  await client.send(`${CONNECT} 82 07 0001 00 0001 't' 00 30 05 0001 't' 00 'x'`);
  await client.expect(CONNACK, '90 04 0001 00 00', "30 05 0001 't' 00 'x'");
});

for (const isPending of [false, true]) {
  const when = isPending ? 'after a while' : 'at once';

  test(`packets behind a CONNECT that is refused ${when} have no effect [MQTT-3.1.4-6] [3.1.1 MQTT-3.1.4-5]`, async () => {
    const refused: Decision = { reasonCode: 0x87 };
    const broker = await startServer({
      authenticator: {
        authenticate: ({ clientId }) => {
          if (clientId === 'sub') return ACCEPTED;
          return isPending ? Promise.resolve(refused) : refused;
        },
      },
    });
    const subscriber = await broker.v5('sub');
    await subscriber.send("82 07 0001 00 0001 't' 00");
    await subscriber.expect('90 04 0001 00 00');
    const client = broker.open();
    await client.send(`${CONNECT} 30 05 0001 't' 00 'x' 82 07 0001 00 0001 '#' 00 c0 00`);
    await expectRefused(client, 0x87);
    await subscriber.expectNothing();
    expect(broker.server.stats()).toMatchObject({ subscriptions: 1, sessions: 1, connections: 1 });
  });
}

test('packets behind a malformed CONNECT have no effect [MQTT-3.1.4-6] [MQTT-3.1.4-1]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00');
  const client = broker.open();
  await client.send("10 0e 0004 'MQTT' 05 03 0000 00 0001 'a' 30 05 0001 't' 00 'x'");
  await expectRefused(client, 0x81);
  await subscriber.expectNothing();
});

test('an authenticator that fails refuses the client with 0x80 [MQTT-3.1.4-2]', async () => {
  const { broker, waiting } = await undecided();
  const client = broker.open();
  await client.send(CONNECT);
  waiting[0].reject(new Error('no answer from the user data base'));
  await expectRefused(client, 0x80);
});

test('an authenticator that fails refuses a v3.1.1 client with return code 3 [3.1.1 MQTT-3.2.2-5]', async () => {
  const { broker, waiting } = await undecided();
  const client = broker.open();
  await client.send(CONNECT_V3);
  waiting[0].reject(new Error('no answer from the user data base'));
  await client.expectClosed('20 02 00 03');
});

test('a client that does not wait for the decision leaves nothing behind [MQTT-3.1.4-2]', async () => {
  const { broker, waiting } = await undecided();
  const client = broker.open();
  await client.send(CONNECT);
  await client.drop();
  waiting[0].resolve(ACCEPTED);
  await client.expectNothing();
  expect(broker.server.stats()).toMatchObject({ sessions: 0, connections: 0 });
});

test('a decision may take longer than the connect timeout, which is the client’s, not longer than the answer timeout [MQTT-3.14.0-1]', async () => {
  const { broker, waiting } = await undecided();
  const client = broker.open();
  await client.send(CONNECT);
  await broker.advance(10_100);
  await client.expectOpen();
  await broker.advance(10_000);
  expect((await client.packet()).subarray(2, 4)).toEqual(Uint8Array.of(0x00, 0x89)); // Server busy
  await client.expectClosed();
  waiting[0].resolve(ACCEPTED);
  await client.expectNothing();
  expect(broker.server.stats()).toMatchObject({ sessions: 0, connections: 0 });
});

test('while one client waits for its decision others come in [MQTT-3.1.4-5]', async () => {
  const { broker, waiting } = await undecided();
  const first = broker.open();
  await first.send(CONNECT);
  const second = broker.open();
  await second.send("10 0e 0004 'MQTT' 05 02 0000 00 0001 'b'");
  waiting[1].resolve(ACCEPTED);
  await second.expect(CONNACK);
  await first.expectNothing();
});

test('when two CONNECTs of one identifier wait, the one that is decided last has the session [MQTT-3.1.4-3]', async () => {
  const { broker, waiting } = await undecided();
  const first = broker.open();
  await first.send(CONNECT);
  const second = broker.open();
  await second.send(CONNECT);
  waiting[1].resolve(ACCEPTED);
  await second.expect(CONNACK);
  waiting[0].resolve(ACCEPTED);
  await first.expect(CONNACK);
  await expectDisconnected(second, 0x8e);
  expect(broker.server.stats().sessions).toBe(1);
});
