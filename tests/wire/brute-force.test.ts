// Failed logins and what follows from them, on the wire: nobody is asked and nothing is hashed for whoever waits. MQTT 5 §3.1.4,
// §3.2.2.2; 3.1.1 §3.2.2.3.

import { expect, test } from 'vitest';
import type { Authenticator, ConnectRequest, Decision } from '../../src/auth/auth.ts';
import { Guard } from '../../src/auth/guard/guard.ts';
import type { GuardSettings } from '../../src/auth/guard/settings.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import { AddressedDoor } from '../kit/addressed-door.ts';
import { CONNACK, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { LogBook } from '../kit/log-book.ts';
import { settle, startServer, type WireClient } from '../kit/wire.ts';

// CONNECT, clean, user name and password; v5 without properties.
const WRONG = "10 16 0004 'MQTT' 05 c2 0000 00 0001 'a' 0003 'bob' 0001 'x'";
const RIGHT = "10 16 0004 'MQTT' 05 c2 0000 00 0001 'a' 0003 'bob' 0001 'y'";
const RIGHT_B = "10 16 0004 'MQTT' 05 c2 0000 00 0001 'b' 0003 'bob' 0001 'y'";
const ALICE = "10 18 0004 'MQTT' 05 c2 0000 00 0001 'c' 0005 'alice' 0001 'y'";
const WRONG_V3 = "10 15 0004 'MQTT' 04 c2 0000 0001 'a' 0003 'bob' 0001 'x'";
const RIGHT_V3 = "10 15 0004 'MQTT' 04 c2 0000 0001 'a' 0003 'bob' 0001 'y'";

const WAITS = `
  20 32        // CONNACK
  00 97        // Quota exceeded
  2f 1f 002c 'too many logins have failed: try again later'`;

class Passwords implements Authenticator {
  asked: string[] = [];

  authenticate({ password, username }: ConnectRequest): Decision {
    this.asked.push(username ?? '');
    const isRight = password !== null && password[0] === 0x79;
    return isRight
      ? { reasonCode: 0x00, username }
      : { reasonCode: 0x86, detail: 'the password does not match' };
  }
}

async function start(settings: Partial<GuardSettings> = {}) {
  const clock = new FakeClock();
  const door = new AddressedDoor();
  const authenticator = new Passwords();
  const book = new LogBook();
  const guard = new Guard({ settings, clock });
  const broker = await startServer({
    authenticator,
    clock,
    guard,
    listeners: [door],
    logger: book,
  });
  const send = async (address: string, connect: string): Promise<WireClient> => {
    const client = door.open(address);
    await client.send(connect);
    return client;
  };
  const fail = async (address: string, times: number): Promise<void> => {
    for (let i = 0; i < times; i++) await expectRefused(await send(address, WRONG), 0x86);
  };
  return { authenticator, book, broker, door, fail, guard, send };
}

test('the eleventh login after ten that failed gets 0x97, though its password is right, and nobody is asked [MQTT-3.1.4-2]', async () => {
  const { authenticator, broker, fail, send } = await start();
  await fail('192.0.2.1', 10);
  await (await send('192.0.2.1', RIGHT)).expectClosed(WAITS);
  expect(authenticator.asked).toHaveLength(10);
  expect(broker.server.metrics).toMatchObject({
    authenticationFailures: 10,
    authenticationSuccesses: 0,
    penalties: 1,
    penaltyRefusals: 1,
  });
});

test('a v3.1.1 client gets return code 3, so that it tries again later [3.1.1 MQTT-3.2.2-5]', async () => {
  const { authenticator, send } = await start();
  for (let i = 0; i < 10; i++) {
    await (await send('192.0.2.1', WRONG_V3)).expectClosed('20 02 00 04');
  }
  await (await send('192.0.2.1', RIGHT_V3)).expectClosed('20 02 00 03');
  expect(authenticator.asked).toHaveLength(10);
});

test('an address that waits gets the same answer for every user name', async () => {
  const { fail, send } = await start({ addressFailuresMax: 10 });
  await fail('192.0.2.1', 10);
  await (await send('192.0.2.1', ALICE)).expectClosed(WAITS);
});

test('other addresses and other user names come in meanwhile', async () => {
  const { fail, send } = await start();
  await fail('192.0.2.1', 10);
  await (await send('192.0.2.1', ALICE)).expect(CONNACK);
  await (await send('192.0.2.2', RIGHT)).expect(CONNACK);
});

test('after a minute it may try again', async () => {
  const { broker, fail, send } = await start();
  await fail('192.0.2.1', 10);
  await broker.advance(60_000);
  await (await send('192.0.2.1', RIGHT)).expect(CONNACK);
});

test('a client that is connected notices nothing of the penalty of its user name and address', async () => {
  const { broker, send } = await start({ addressFailuresMax: 12 });
  const connected = await send('192.0.2.1', RIGHT);
  await connected.expect(CONNACK);
  for (const id of 'bcdefghijklm') {
    await expectRefused(await send('192.0.2.1', WRONG.replace("'a'", `'${id}'`)), 0x86);
  }
  await (await send('192.0.2.1', RIGHT_B)).expectClosed(WAITS);
  await broker.advance(30_000);
  await connected.send('c0 00');
  await connected.expect('d0 00');
});

test('behind one address that has clients already, whoever fails waits alone', async () => {
  const { fail, send } = await start();
  await (await send('203.0.113.7', RIGHT_B)).expect(CONNACK);
  await fail('203.0.113.7', 10);
  await (await send('203.0.113.7', RIGHT)).expectClosed(WAITS);
  await (await send('203.0.113.7', RIGHT_B)).expect(CONNACK);
});

test('a login counts though its client does not wait for the answer', async () => {
  const clock = new FakeClock();
  const waiting: ((decision: Decision) => void)[] = [];
  const broker = await startServer({
    authenticator: { authenticate: () => new Promise((resolve) => waiting.push(resolve)) },
    clock,
    guard: new Guard({ clock }),
  });
  for (let i = 0; i < 10; i++) {
    const client = broker.open();
    await client.send(WRONG);
    await client.drop();
  }
  for (const resolve of waiting) resolve({ reasonCode: 0x86 });
  await settle();
  const client = broker.open();
  await client.send(RIGHT);
  await client.expectClosed(WAITS);
  expect(waiting).toHaveLength(10);
});

test('an enhanced authentication that fails counts, and does not begin any more then [MQTT-4.12.0-4]', async () => {
  const clock = new FakeClock();
  let begun = 0;
  const broker = await startServer({
    authenticator: {
      authenticate: () => 'next',
      begin: () => {
        begun++;
        return { step: () => ({ reasonCode: 0x86 }) };
      },
    },
    clock,
    guard: new Guard({ clock }),
  });
  // v5, client id `a`, Authentication Method `M`
  const connect = "10 12 0004 'MQTT' 05 02 0000 04 15 0001 'M' 0001 'a'";
  for (let i = 0; i < 10; i++) {
    const client = broker.open();
    await client.send(connect);
    await expectRefused(client, 0x86);
  }
  const client = broker.open();
  await client.send(connect);
  await client.expectClosed(WAITS);
  expect(begun).toBe(10);
});

test('an anonymous client that is not wanted is told so as often as it asks', async () => {
  const { broker, send } = await start();
  const anonymous = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";
  for (let i = 0; i < 30; i++) await expectRefused(await send('192.0.2.1', anonymous), 0x86);
  expect(broker.server.metrics.penaltyRefusals).toBe(0);
});

test('a client that connects too often is banned for a while: 0x8A, v3.1.1 return code 5', async () => {
  const { broker, send } = await start({ flappingConnectsMax: 3 });
  for (let i = 0; i < 3; i++) {
    const client = await send('192.0.2.1', RIGHT);
    await client.expect(CONNACK);
    await client.drop();
  }
  const banned = `
    20 2f        // CONNACK
    00 8a        // Banned
    2c 1f 0029 'banned for a while: it connects too often'`;
  await (await send('192.0.2.1', RIGHT)).expectClosed(banned);
  await (await send('192.0.2.1', RIGHT)).expectClosed(banned);
  await (await send('192.0.2.1', RIGHT_V3)).expectClosed('20 02 00 05');
  await (await send('192.0.2.1', RIGHT_B)).expect(CONNACK);
  expect(broker.server.metrics).toMatchObject({ flappingBans: 1, authenticationSuccesses: 5 });
  await broker.advance(300_000);
  await (await send('192.0.2.1', RIGHT)).expect(CONNACK);
});

/** A and B take client id `a` over from each other so often; the last one that did. */
async function fight(times: number, settings: Partial<GuardSettings> = {}) {
  const started = await start(settings);
  let last = await started.send('192.0.2.1', RIGHT);
  await last.expect(CONNACK);
  for (let i = 0; i < times; i++) {
    const next = await started.send(i % 2 === 0 ? '192.0.2.2' : '192.0.2.1', RIGHT);
    await next.expect(CONNACK);
    await expectDisconnected(last, 0x8e);
    last = next;
  }
  return { ...started, last };
}

test('two hosts that fight over a client id are told in one line, with both addresses, and go on [MQTT-3.1.4-3]', async () => {
  const { book, broker } = await fight(8);
  const lines = book.lines.filter(({ message }) => message.includes('fight over one client id'));
  expect(lines).toHaveLength(1);
  expect(lines[0].fields).toMatchObject({
    clientId: 'a',
    addresses: ['192.0.2.1:4711', '192.0.2.2:4711'],
  });
  expect(broker.server.metrics).toMatchObject({ clientIdFights: 1, sessionsTakenOver: 8 });
});

test('with a back-off the newcomer gets 0x97, v3.1.1 return code 3, and whoever is there stays', async () => {
  const { broker, last, send } = await fight(4, { fightBackOffMs: 60_000 });
  const keeps = `
    20 3e        // CONNACK
    00 97        // Quota exceeded
    3b 1f 0038 'another host has this client identifier: try again later'`;
  await (await send('192.0.2.2', RIGHT)).expectClosed(keeps);
  await (await send('192.0.2.2', RIGHT_V3)).expectClosed('20 02 00 03');
  await last.send('c0 00');
  await last.expect('d0 00');
  await broker.advance(60_000);
  await (await send('192.0.2.2', RIGHT)).expect(CONNACK);
  await expectDisconnected(last, 0x8e);
});

test('without a guard nothing has a consequence, and logins are counted all the same', async () => {
  const authenticator = new Passwords();
  const broker = await startServer({ authenticator });
  for (let i = 0; i < 20; i++) {
    const client = broker.open();
    await client.send(WRONG);
    await expectRefused(client, 0x86);
  }
  await broker.connect(RIGHT, CONNACK);
  expect(broker.server.metrics).toMatchObject({
    authenticationFailures: 20,
    authenticationSuccesses: 1,
  });
});

test('a server whose bans cannot be read does not start', async () => {
  const clock = new FakeClock();
  const storage = new MemoryStorage();
  const first = await startServer({ clock, storage });
  storage.put('bans', 'username:bob', Buffer.from('?'));
  await first.server.stop();
  const starting = startServer({ clock, guard: new Guard({ clock }), storage });
  await expect(starting).rejects.toThrow('the stored ban "username:bob" cannot be read');
});
