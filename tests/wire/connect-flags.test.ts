// The Connect Flags and the fields they announce. MQTT 5 §3.1.2.3 to §3.1.2.9, §3.1.3.

import { expect, test } from 'vitest';
import type { ConnectRequest } from '../../src/auth/auth.ts';
import { CONNACK, expectRefused } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

/** What differs from a valid CONNECT, and the clause that it breaks. v5, then v3.1.1. */
const REFUSED = [
  [
    'the reserved flag',
    "10 0e 0004 'MQTT' 05 03 0000 00 0001 'a'",
    'MQTT-3.1.2-3',
    "10 0d 0004 'MQTT' 04 03 0000 0001 'a'",
    'MQTT-3.1.2-3',
  ],
  [
    'the Will Flag and nothing of a will',
    "10 0e 0004 'MQTT' 05 06 0000 00 0001 'a'",
    '',
    "10 0d 0004 'MQTT' 04 06 0000 0001 'a'",
    'MQTT-3.1.2-9',
  ],
  [
    'a Will Topic but no Will Payload',
    "10 12 0004 'MQTT' 05 06 0000 00 0001 'a' 00 0001 't'",
    'MQTT-3.1.2-9',
    "10 10 0004 'MQTT' 04 06 0000 0001 'a' 0001 't'",
    'MQTT-3.1.2-9',
  ],
  [
    'Will QoS 1 but no Will Flag',
    "10 0e 0004 'MQTT' 05 0a 0000 00 0001 'a'",
    'MQTT-3.1.2-11',
    "10 0d 0004 'MQTT' 04 0a 0000 0001 'a'",
    'MQTT-3.1.2-13',
  ],
  [
    'Will QoS 2 but no Will Flag',
    "10 0e 0004 'MQTT' 05 12 0000 00 0001 'a'",
    'MQTT-3.1.2-11',
    "10 0d 0004 'MQTT' 04 12 0000 0001 'a'",
    'MQTT-3.1.2-13',
  ],
  [
    'Will QoS 3',
    "10 15 0004 'MQTT' 05 1e 0000 00 0001 'a' 00 0001 't' 0001 'w'",
    'MQTT-3.1.2-12',
    "10 13 0004 'MQTT' 04 1e 0000 0001 'a' 0001 't' 0001 'w'",
    'MQTT-3.1.2-14',
  ],
  [
    'Will Retain but no Will Flag',
    "10 0e 0004 'MQTT' 05 22 0000 00 0001 'a'",
    'MQTT-3.1.2-13',
    "10 0d 0004 'MQTT' 04 22 0000 0001 'a'",
    'MQTT-3.1.2-15',
  ],
  [
    'a User Name that no flag announces',
    "10 11 0004 'MQTT' 05 02 0000 00 0001 'a' 0001 'u'",
    'MQTT-3.1.2-16',
    "10 10 0004 'MQTT' 04 02 0000 0001 'a' 0001 'u'",
    'MQTT-3.1.2-18',
  ],
  [
    'the User Name Flag but no User Name',
    "10 0e 0004 'MQTT' 05 82 0000 00 0001 'a'",
    'MQTT-3.1.2-17',
    "10 0d 0004 'MQTT' 04 82 0000 0001 'a'",
    'MQTT-3.1.2-19',
  ],
  [
    'a Password that no flag announces',
    "10 14 0004 'MQTT' 05 82 0000 00 0001 'a' 0001 'u' 0001 'p'",
    'MQTT-3.1.2-18',
    "10 13 0004 'MQTT' 04 82 0000 0001 'a' 0001 'u' 0001 'p'",
    'MQTT-3.1.2-20',
  ],
  [
    'the Password Flag but no Password',
    "10 11 0004 'MQTT' 05 c2 0000 00 0001 'a' 0001 'u'",
    'MQTT-3.1.2-19',
    "10 10 0004 'MQTT' 04 c2 0000 0001 'a' 0001 'u'",
    'MQTT-3.1.2-21',
  ],
  [
    'no client identifier',
    "10 0b 0004 'MQTT' 05 02 0000 00",
    'MQTT-3.1.3-3',
    "10 0a 0004 'MQTT' 04 02 0000",
    'MQTT-3.1.3-3',
  ],
] as const;

for (const [what, v5, clause, v3, clauseV3] of REFUSED) {
  const cited = clause === '' ? 'MQTT-3.1.2-9' : clause;
  test(`CONNECT with ${what} is refused as malformed [${cited}]`, async () => {
    const client = (await startServer()).open();
    await client.send(v5);
    await expectRefused(client, 0x81, clause);
  });

  test(`a v3.1.1 CONNECT with ${what} closes the connection [3.1.1 ${clauseV3}]`, async () => {
    const client = (await startServer()).open();
    await client.send(v3);
    await client.expectClosed();
  });
}

test('a v3.1.1 CONNECT with a Password but no User Name closes the connection [3.1.1 MQTT-3.1.2-22]', async () => {
  const client = (await startServer()).open();
  await client.send("10 10 0004 'MQTT' 04 42 0000 0001 'a' 0001 'p'");
  await client.expectClosed();
});

test('a v5 CONNECT may have a Password but no User Name [MQTT-3.1.2-18]', async () => {
  const broker = await startServer();
  await broker.connect("10 11 0004 'MQTT' 05 42 0000 00 0001 'a' 0001 'p'", CONNACK);
});

for (const [qos, flags] of [
  [0, '06'],
  [1, '0e'],
  [2, '16'],
] as const) {
  test(`a will of QoS ${qos} is accepted and published with it [MQTT-3.1.2-12] [3.1.1 MQTT-3.1.2-14]`, async () => {
    const broker = await startServer();
    const subscriber = await broker.v5('sub');
    await subscriber.send("82 07 0001 00 0001 't' 02");
    await subscriber.expect('90 04 0001 00 02');
    const client = await broker.connect(
      `10 15 0004 'MQTT' 05 ${flags} 0000 00 0001 'a' 00 0001 't' 0001 'w'`,
      CONNACK,
    );
    await client.drop();
    await subscriber.expect(
      ["30 05 0001 't' 00 'w'", "32 07 0001 't' 0001 00 'w'", "34 07 0001 't' 0001 00 'w'"][qos],
    );
  });
}

test('a Will Topic that is not UTF-8 is refused as malformed [MQTT-3.1.3-11]', async () => {
  const client = (await startServer()).open();
  await client.send("10 15 0004 'MQTT' 05 06 0000 00 0001 'a' 00 0001 ff 0001 'w'");
  await expectRefused(client, 0x81, 'MQTT-3.1.3-11');
});

test('a v3.1.1 Will Topic that is not UTF-8 closes the connection [3.1.1 MQTT-3.1.3-10]', async () => {
  const client = (await startServer()).open();
  await client.send("10 13 0004 'MQTT' 04 06 0000 0001 'a' 0001 ff 0001 'w'");
  await client.expectClosed();
});

test('a Will Topic with a wildcard is refused with 0x90 [MQTT-3.1.4-1]', async () => {
  const client = (await startServer()).open();
  await client.send("10 15 0004 'MQTT' 05 06 0000 00 0001 'a' 00 0001 '#' 0001 'w'");
  await expectRefused(client, 0x90);
});

test('a User Name that is not UTF-8 is refused as malformed [MQTT-3.1.3-12]', async () => {
  const client = (await startServer()).open();
  await client.send("10 11 0004 'MQTT' 05 82 0000 00 0001 'a' 0001 ff");
  await expectRefused(client, 0x81, 'MQTT-3.1.3-12');
});

test('a v3.1.1 User Name that is not UTF-8 closes the connection [3.1.1 MQTT-3.1.3-11]', async () => {
  const client = (await startServer()).open();
  await client.send("10 10 0004 'MQTT' 04 82 0000 0001 'a' 0001 ff");
  await client.expectClosed();
});

test('will, user name and password are read in their order [MQTT-3.1.3-1] [3.1.1 MQTT-3.1.3-1]', async () => {
  const requests: ConnectRequest[] = [];
  const passwords: (Uint8Array | null)[] = [];
  const broker = await startServer({
    authenticator: {
      authenticate(request) {
        requests.push(request);
        passwords.push(request.password);
        return { reasonCode: 0, username: request.username };
      },
    },
  });
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00');
  const client = await broker.connect(
    `10 1b          // CONNECT
    0004 'MQTT' 05
    c6              // user name, password, will, clean start
    0000 00
    0001 'a'        // client identifier
    00 0001 't' 0001 'w' // will
    0001 'u'        // user name
    0001 'p'        // password`,
    CONNACK,
  );
  expect(requests[1]).toMatchObject({ clientId: 'a', username: 'u' });
  expect(passwords).toEqual([null, Uint8Array.of(0x70)]);
  expect(requests[1].password, 'once the client is in').toBeNull();
  await client.drop();
  await subscriber.expect("30 05 0001 't' 00 'w'");
});

test('a Password may hold any bytes [MQTT-3.1.3-1]', async () => {
  const passwords: (Uint8Array | null)[] = [];
  const broker = await startServer({
    authenticator: {
      authenticate(request) {
        passwords.push(request.password);
        return { reasonCode: 0, username: null };
      },
    },
  });
  await broker.connect("10 14 0004 'MQTT' 05 c2 0000 00 0001 'a' 0000 0002 00 ff", CONNACK);
  expect(passwords).toEqual([Uint8Array.of(0x00, 0xff)]);
});

test('an empty Will Payload is a will [MQTT-3.1.2-9]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 07 0001 00 0001 't' 00");
  await subscriber.expect('90 04 0001 00 00');
  const client = await broker.connect(
    "10 14 0004 'MQTT' 05 06 0000 00 0001 'a' 00 0001 't' 0000",
    CONNACK,
  );
  await client.drop();
  await subscriber.expect("30 04 0001 't' 00");
});
