// SCRAM-SHA-256 over AUTH packets: MQTT 5 §4.12, with the messages of the example in RFC 7677 §3.

import { expect, test } from 'vitest';
import { UsersAuthenticator } from '../../src/auth/users/users-authenticator.ts';
import { testHasher } from '../auth/passwords/fixture.ts';
import { CONNACK, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { hex, toHex } from '../kit/hex.ts';
import { loadUsers, tableOf, userRecord } from '../kit/users.ts';
import { startServer, type TestServer, type WireClient } from '../kit/wire.ts';

const WRONG = 'the user name or the password is wrong';

const CONNECT = `10 41                   // CONNECT
  0004 'MQTT' 05 02 0000 33
  15 000d 'SCRAM-SHA-256'              // Authentication Method
  16 0020 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'
  0001 'a'`;
const CONNECT_NOBODY = `10 43            // CONNECT
  0004 'MQTT' 05 02 0000 35
  15 000d 'SCRAM-SHA-256'
  16 0022 'n,,n=nobody,r=rOprNGfwEbeRWgbNEkqO'
  0001 'a'`;
const CHALLENGE = `f0 6b 18 69          // AUTH, Continue authentication
  15 000d 'SCRAM-SHA-256'
  16 0056 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'`;
const RESPONSE = `f0 7f 18 7d           // AUTH, Continue authentication
  15 000d 'SCRAM-SHA-256'
  16 006a 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='`;
const WRONG_RESPONSE = `f0 7f 18 7d     // AUTH, Continue authentication
  15 000d 'SCRAM-SHA-256'
  16 006a 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='`;
const PROVEN = `
  15 000d 'SCRAM-SHA-256'
  16 002e 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='`;
const CONNACK_PROVEN = `20 4f            // CONNACK
  00 00 4c
  21 0064 27 001e8480 22 0020
  ${PROVEN}`;
const RE_AUTHENTICATE = `f0 35 19 33     // AUTH, Re-authenticate
  15 000d 'SCRAM-SHA-256'
  16 0020 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'`;
const SUCCESS = `f0 43 00 41 ${PROVEN}`;

/** A server that knows `user` and `eve`, with the nonce of the example. */
async function serve(scram = true) {
  const hasher = testHasher();
  const table = tableOf(userRecord('user', 'pencil'), userRecord('eve', 'pencil'));
  const { database } = await loadUsers(table, { hasher });
  const nonce = () => '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
  const options = { name: 'users', database, hasher, cache: null, scram, nonce };
  const broker = await startServer({ authenticator: new UsersAuthenticator(options) });
  return { broker, database };
}

/** A client of `user` that was let in. */
async function connected(broker: TestServer): Promise<WireClient> {
  const client = broker.open();
  await client.send(`${CONNECT} \n ${RESPONSE}`);
  await client.expect(CHALLENGE, CONNACK_PROVEN);
  return client;
}

test('a client proves its password, and CONNACK proves the server’s [MQTT-4.12.0-2] [MQTT-4.12.0-5]', async () => {
  const client = (await serve()).broker.open();
  await client.send(CONNECT);
  await client.expect(CHALLENGE);
  await client.send(RESPONSE);
  await client.expect(CONNACK_PROVEN);
  await client.expectOpen();
});

test('a client that says nothing in CONNECT is asked [MQTT-4.12.0-2] [MQTT-4.12.0-3]', async () => {
  const client = (await serve()).broker.open();
  await client.send("10 1e 0004 'MQTT' 05 02 0000 10 15 000d 'SCRAM-SHA-256' 0001 'a'");
  await client.expect("f0 12 18 10 15 000d 'SCRAM-SHA-256'");
  await client.send(`f0 35 18 33
    15 000d 'SCRAM-SHA-256'
    16 0020 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'`);
  await client.expect(CHALLENGE);
  await client.send(RESPONSE);
  await client.expect(CONNACK_PROVEN);
});

test('a wrong proof is refused with 0x86 [MQTT-4.12.0-4]', async () => {
  const client = (await serve()).broker.open();
  await client.send(CONNECT);
  await client.expect(CHALLENGE);
  await client.send(WRONG_RESPONSE);
  await expectRefused(client, 0x86, WRONG);
});

test('an unknown user is challenged like a known one, and refused in the same words [MQTT-4.12.0-4]', async () => {
  const { broker } = await serve();
  const refusals: Uint8Array[] = [];
  const challenges: string[] = [];
  for (const connect of [CONNECT_NOBODY, CONNECT_NOBODY, CONNECT]) {
    const client = broker.open();
    await client.send(connect);
    challenges.push(Buffer.from(await client.packet()).toString('latin1'));
    await client.send(WRONG_RESPONSE);
    refusals.push(...(await client.packets()));
    expect(client.isClosed).toBe(true);
  }
  expect(challenges[0]).toBe(challenges[1]);
  const [unknown, known] = [challenges[0], challenges[2]].map((text) => text.split(','));
  expect([unknown[0], unknown[2]]).toEqual([known[0], known[2]]);
  expect(unknown[1]).toMatch(/^s=[A-Za-z0-9+/]{22}==$/);
  expect(unknown[1]).not.toBe(known[1]);
  expect(refusals).toHaveLength(3);
  expect(refusals[0]).toEqual(refusals[2]);
  expect(Buffer.from(refusals[0]).toString('latin1')).toContain(WRONG);
});

test('a user who is disabled is refused like an unknown one [MQTT-4.12.0-4]', async () => {
  const { broker, database } = await serve();
  await database.disable('user');
  const client = broker.open();
  await client.send(CONNECT);
  await client.expect(CHALLENGE);
  await client.send(RESPONSE);
  await expectRefused(client, 0x86, WRONG);
});

test('another user name in CONNECT is refused with 0x87 [MQTT-4.12.0-4]', async () => {
  const client = (await serve()).broker.open();
  await client.send(`10 46
    0004 'MQTT' 05 82 0000 33            // User Name Flag
    15 000d 'SCRAM-SHA-256'
    16 0020 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'
    0001 'a' 0003 'eve'`);
  await expectRefused(client, 0x87, 'not the one of CONNECT');
});

test('the same user name in CONNECT is taken, and its password is not looked at [MQTT-4.12.0-2]', async () => {
  const client = (await serve()).broker.open();
  await client.send(`10 4a
    0004 'MQTT' 05 c2 0000 33            // User Name and Password Flag
    15 000d 'SCRAM-SHA-256'
    16 0020 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'
    0001 'a' 0004 'user' 0001 'x'`);
  await client.expect(CHALLENGE);
});

test('channel binding is refused with 0x87 [MQTT-4.12.0-4]', async () => {
  const client = (await serve()).broker.open();
  await client.send(`10 4e
    0004 'MQTT' 05 02 0000 40
    15 000d 'SCRAM-SHA-256'
    16 002d 'p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO'
    0001 'a'`);
  await expectRefused(client, 0x87, 'channel binding is not supported');
});

test('acting as another user is refused with 0x87 [MQTT-4.12.0-4]', async () => {
  const client = (await serve()).broker.open();
  await client.send(`10 46
    0004 'MQTT' 05 02 0000 38
    15 000d 'SCRAM-SHA-256'
    16 0025 'n,a=eve,n=user,r=rOprNGfwEbeRWgbNEkqO'
    0001 'a'`);
  await expectRefused(client, 0x87, 'acting as another user');
});

for (const [name, connect, scram] of [
  [
    'SCRAM-SHA-1, which is not offered,',
    "10 1c 0004 'MQTT' 05 02 0000 0e 15 000b 'SCRAM-SHA-1' 0001 'a'",
    true,
  ],
  [
    'a method in other letters',
    "10 1e 0004 'MQTT' 05 02 0000 10 15 000d 'scram-sha-256' 0001 'a'",
    true,
  ],
  [
    'SCRAM-SHA-256 where it is switched off',
    "10 1e 0004 'MQTT' 05 02 0000 10 15 000d 'SCRAM-SHA-256' 0001 'a'",
    false,
  ],
] as const) {
  test(`${name} is refused with 0x8C [MQTT-4.12.0-1]`, async () => {
    const client = (await serve(scram)).broker.open();
    await client.send(connect);
    await expectRefused(client, 0x8c);
  });
}

test('re-authentication goes the same way, and ends with AUTH 0x00 [MQTT-4.12.1-1]', async () => {
  const { broker } = await serve();
  const client = await connected(broker);
  for (let i = 0; i < 2; i++) {
    await client.send(RE_AUTHENTICATE);
    await client.expect(CHALLENGE);
    await client.send(RESPONSE);
    await client.expect(SUCCESS);
  }
  await client.send('c0 00');
  await client.expect('d0 00');
});

test('re-authentication as another user ends the connection with 0x87, whatever is proven [MQTT-4.12.1-2]', async () => {
  const client = await connected((await serve()).broker);
  await client.send(`f0 34 19 32
    15 000d 'SCRAM-SHA-256'
    16 001f 'n,,n=eve,r=rOprNGfwEbeRWgbNEkqO'`);
  await expectDisconnected(client, 0x87, 'must keep the user name');
});

test('re-authentication with a wrong proof ends the connection with 0x87 [MQTT-4.12.1-2]', async () => {
  const client = await connected((await serve()).broker);
  await client.send(`${RE_AUTHENTICATE} \n ${WRONG_RESPONSE}`);
  const [challenge, ...rest] = await client.packets();
  expect(challenge[0]).toBe(0xf0);
  expect(rest.map((packet) => [packet[0], packet[2]])).toEqual([[0xe0, 0x87]]);
  expect(client.isClosed).toBe(true);
});

test('a user who was disabled since fails to re-authenticate [MQTT-4.12.1-2]', async () => {
  const { broker, database } = await serve();
  const client = await connected(broker);
  await database.disable('user');
  await client.send(RE_AUTHENTICATE);
  await client.expect(CHALLENGE);
  await client.send(RESPONSE);
  await expectDisconnected(client, 0x87, WRONG);
});

test('an exchange that is given up leaves nothing behind: the next one begins anew [MQTT-4.12.0-4]', async () => {
  const { broker } = await serve();
  const gone = broker.open();
  await gone.send(CONNECT);
  await gone.drop();
  await connected(broker);
});

test('a user with a password needs no method [MQTT-4.12.0-6]', async () => {
  const { broker } = await serve();
  const client = broker.open();
  client.write(`10 1c
    0004 'MQTT' 05 c2 0000 00
    0001 'a' 0004 'user' 0006 'pencil'`);
  // The password is hashed in another thread, which takes as long as it takes.
  let packet = await client.packet();
  while (packet.length === 0) packet = await client.packet();
  expect(toHex(packet)).toBe(toHex(hex(CONNACK)));
});
