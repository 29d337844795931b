// Bans on the wire: by address before a byte is read, by client id and user name at CONNECT. MQTT 5 §3.2.2.2; 3.1.1 §3.2.2.3.

import { expect, test } from 'vitest';
import { bannedAmong } from '../../src/auth/guard/ban.ts';
import { Guard } from '../../src/auth/guard/guard.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import { AddressedDoor } from '../kit/addressed-door.ts';
import { CONNACK, expectDisconnected } from '../kit/answers.ts';
import { LogBook } from '../kit/log-book.ts';
import { settle, startServer } from '../kit/wire.ts';

const CONNECT = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";
const CONNECT_V3 = "10 0d 0004 'MQTT' 04 02 0000 0001 'a'";
const BOB = "10 13 0004 'MQTT' 05 82 0000 00 0001 'b' 0003 'bob'";

const BANNED = `
  20 0c        // CONNACK
  00 8a        // Banned
  09 1f 0006 'banned'`;

async function start() {
  const clock = new FakeClock();
  const door = new AddressedDoor();
  const book = new LogBook();
  const guard = new Guard({ clock });
  let asked = 0;
  const broker = await startServer({
    authenticator: {
      authenticate: ({ username }) => {
        asked++;
        return { reasonCode: 0x00, username };
      },
    },
    clock,
    guard,
    listeners: [door],
    logger: book,
  });
  return { asked: () => asked, bans: guard.bans, book, broker, door };
}

test('a banned address is closed before anything is read, and counted as `banned`', async () => {
  const { bans, book, broker, door } = await start();
  await bans.add({ kind: 'address', pattern: '192.0.2.0/24' });
  const client = door.open('192.0.2.1');
  await client.send(CONNECT);
  await client.expectClosed();
  expect(broker.server.refusals).toEqual({ banned: 1 });
  expect(broker.server.metrics).toMatchObject({
    banRefusals: 1,
    bytesReceived: 0,
    connectionsRefused: 1,
  });
  expect(broker.server.stats().connections).toBe(0);
  expect(book.lines).toMatchObject([
    {
      level: 'info',
      message: 'a connection was not let in: its address is banned',
      fields: { address: '192.0.2.1', reason: 'banned' },
    },
  ]);
  await door.open('192.0.3.1').send(CONNECT);
  expect(broker.server.stats().sessionsConnected).toBe(1);
});

test('so is one behind a balancer, as soon as that has said where it is', async () => {
  const { bans, broker, door } = await start();
  await bans.add({ kind: 'address', pattern: '192.0.2.1' });
  const client = door.openBehind('192.0.2.1');
  await client.send(CONNECT);
  await client.expectClosed();
  expect(broker.server.refusals).toEqual({ banned: 1 });
  expect(broker.server.stats().connections).toBe(0);
  const other = door.openBehind('192.0.2.2');
  await other.send(CONNECT);
  await other.expect(CONNACK);
});

test('one whose address is banned while it comes in gets 0x8A', async () => {
  const { asked, bans, door } = await start();
  const client = door.open('192.0.2.1');
  await bans.add({ kind: 'address', pattern: '192.0.2.1' });
  await client.send(CONNECT);
  await client.expectClosed(BANNED);
  expect(asked()).toBe(0);
});

test('a banned client id gets 0x8A, v3.1.1 return code 5, and nobody is asked [MQTT-3.2.2-7] [3.1.1 MQTT-3.2.2-5]', async () => {
  const { asked, bans, door } = await start();
  await bans.add({ kind: 'client_id', pattern: 'a*' });
  const five = door.open('192.0.2.1');
  await five.send(CONNECT);
  await five.expectClosed(BANNED);
  const four = door.open('192.0.2.1');
  await four.send(CONNECT_V3);
  await four.expectClosed('20 02 00 05');
  expect(asked()).toBe(0);
});

test('a banned user name gets 0x8A, and the log alone says why', async () => {
  const { bans, book, door } = await start();
  await bans.add({ kind: 'username', pattern: 'bob', reason: 'left the company' });
  const client = door.open('192.0.2.1');
  await client.send(BOB);
  await client.expectClosed(BANNED);
  expect(book.infos).toEqual([
    {
      level: 'info',
      message: 'a CONNECT was refused: 0x8A Banned',
      fields: {
        clientId: 'b',
        username: 'bob',
        remote: '192.0.2.1:4711',
        listener: 'own',
        version: 5,
        reasonCode: '0x8A',
        reason: 'banned',
        detail: 'banned by username bob: left the company',
      },
    },
  ]);
});

test('a ban that has ended or was lifted keeps nobody out', async () => {
  const { bans, broker, door } = await start();
  await bans.add({ kind: 'address', pattern: '192.0.2.1', durationMs: 1_000 });
  await bans.add({ kind: 'client_id', pattern: 'a' });
  await broker.advance(1_000);
  const banned = door.open('192.0.2.1');
  await banned.send(CONNECT);
  await banned.expectClosed(BANNED);
  await bans.remove('client_id', 'a');
  const client = door.open('192.0.2.1');
  await client.send(CONNECT);
  await client.expect(CONNACK);
});

test('a ban leaves those alone who are connected; whom it is about can be asked, and ended', async () => {
  const { bans, broker, door } = await start();
  const a = door.open('192.0.2.1');
  await a.send(CONNECT);
  await a.expect(CONNACK);
  const ban = await bans.add({ kind: 'address', pattern: '192.0.2.1' });
  await a.expectOpen();
  const clients = [
    { clientId: 'a', username: null, remoteAddress: '192.0.2.1' },
    { clientId: 'b', username: null, remoteAddress: '192.0.2.2' },
  ];
  for (const { clientId } of bannedAmong(ban, clients)) {
    broker.server.disconnectClient(clientId, 0x98); // DISCONNECT has no 0x8A
  }
  await settle();
  await expectDisconnected(a, 0x98);
});

test('a ban is kept in the store of the server, and counts after a restart', async () => {
  const storage = new MemoryStorage();
  const clock = new FakeClock();
  const first = new Guard({ clock });
  const before = await startServer({ clock, guard: first, storage });
  const adding = first.bans.add({ kind: 'client_id', pattern: 'a', durationMs: 60_000 });
  await settle();
  await adding;
  await before.server.stop();
  const after = await startServer({ clock, guard: new Guard({ clock }), storage });
  const client = after.open();
  await client.send(CONNECT);
  await client.expectClosed(BANNED);
  await after.advance(60_000);
  await after.connect(CONNECT, CONNACK);
});
