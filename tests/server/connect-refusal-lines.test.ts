// What an operator reads of clients whose CONNECT is refused or that break the protocol, and how little of it there is when
// somebody wants to fill the log.

import { expect, test } from 'vitest';
import type { Authenticator, Decision } from '../../src/auth/auth.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { AddressedDoor } from '../kit/addressed-door.ts';
import { hex } from '../kit/hex.ts';
import { LogBook } from '../kit/log-book.ts';
import { startServer, type TestServer } from '../kit/wire.ts';

const WRONG_PASSWORD: Decision = {
  reasonCode: 0x86,
  reasonString: 'wrong user name or password',
  detail: 'the password does not match',
};

interface Hub {
  readonly broker: TestServer;
  readonly door: AddressedDoor;
  readonly book: LogBook;
}

async function start(authenticator?: Authenticator): Promise<Hub> {
  const book = new LogBook();
  const door = new AddressedDoor();
  const clock = new FakeClock();
  const broker = await startServer({ authenticator, clock, listeners: [door], logger: book });
  return { broker, door, book };
}

/** CONNECT with these texts, of 255 bytes at most in all. */
function connect(version: 4 | 5, clientId: string, username: string): Uint8Array {
  const field = (text: string) => [0, text.length, ...Buffer.from(text)];
  const body = [
    ...hex(`0004 'MQTT' 0${version} 82 0000`),
    ...(version === 5 ? [0] : []),
    ...field(clientId),
    ...field(username),
  ];
  const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
  return Uint8Array.from([0x10, ...length, ...body]);
}

async function come(hub: Hub, address: string, bytes: Uint8Array | string): Promise<void> {
  const client = hub.door.open(address);
  await client.send(bytes);
  await client.packets();
}

const told = ({ book }: Hub) => book.lines.filter(({ level }) => level !== 'debug');

test('a refused CONNECT is one line: who, from where, the code and its name, and what really was the matter', async () => {
  const hub = await start({ authenticate: () => WRONG_PASSWORD });
  await come(hub, '192.0.2.1', connect(5, 'c1', 'bob'));
  expect(told(hub)).toEqual([
    {
      level: 'info',
      message: 'a CONNECT was refused: 0x86 Bad User Name or Password',
      fields: {
        clientId: 'c1',
        username: 'bob',
        remote: '192.0.2.1:4711',
        listener: 'own',
        version: 5,
        reasonCode: '0x86',
        reason: 'wrong user name or password',
        detail: 'the password does not match',
      },
    },
  ]);
});

test('the detail never goes to the client', async () => {
  const hub = await start({ authenticate: () => WRONG_PASSWORD });
  const client = hub.door.open('192.0.2.1');
  await client.send(connect(5, 'c1', 'bob'));
  await client.expectClosed("20 21 00 86 1e 1f 001b 'wrong user name or password'");
});

test('the same again is counted, and told ten seconds later', async () => {
  const hub = await start({ authenticate: () => WRONG_PASSWORD });
  for (let i = 0; i < 50; i++) await come(hub, '192.0.2.1', connect(4, `c${i}`, 'bob'));
  expect(told(hub)).toHaveLength(1);
  await hub.broker.advance(10_100);
  expect(told(hub)).toHaveLength(2);
  expect(told(hub)[1].fields).toMatchObject({ again: 49, clientId: 'c49' });
});

test('another user name, another address and another way of failing are lines of their own', async () => {
  const hub = await start({
    authenticate: ({ clientId }) => (clientId === 'x' ? 'next' : WRONG_PASSWORD),
  });
  await come(hub, '192.0.2.1', connect(5, 'c', 'bob'));
  await come(hub, '192.0.2.1', connect(5, 'c', 'eve'));
  await come(hub, '192.0.2.2', connect(5, 'c', 'bob'));
  await come(hub, '192.0.2.1', connect(5, 'x', 'bob'));
  expect(told(hub).map(({ fields }) => fields.reasonCode)).toEqual([
    '0x86',
    '0x86',
    '0x86',
    '0x87',
  ]);
});

test('of one address with many user names sixteen lines are told, and one for the rest: others are still seen', async () => {
  const hub = await start({ authenticate: () => WRONG_PASSWORD });
  for (let i = 0; i < 400; i++) await come(hub, '192.0.2.1', connect(4, 'c', `user-${i}`));
  expect(told(hub)).toHaveLength(17);
  expect(told(hub)[16].message).toContain('more of one address was refused');
  await come(hub, '192.0.2.2', connect(4, 'c', 'bob'));
  expect(told(hub)).toHaveLength(18);
  await hub.broker.advance(10_100);
  expect(told(hub)).toHaveLength(19);
  expect(told(hub)[18].fields).toMatchObject({ again: 383, username: 'user-399' });
});

test('of a storm from everywhere 256 lines are told', async () => {
  const hub = await start({ authenticate: () => WRONG_PASSWORD });
  for (let i = 0; i < 600; i++) {
    const client = hub.door.open(`10.0.${i >> 8}.${i & 255}`);
    client.write(connect(4, 'c', 'bob'));
  }
  await hub.broker.advance(0);
  expect(told(hub)).toHaveLength(256);
});

test('names are cut to what a line has room for', async () => {
  const hub = await start({ authenticate: () => WRONG_PASSWORD });
  await come(hub, '192.0.2.1', connect(4, 'c', 'x'.repeat(200)));
  expect(told(hub)[0].fields.username).toBe(`${'x'.repeat(127)}…`);
});

test('what is refused before anybody is asked is told, too', async () => {
  const hub = await start();
  await come(hub, '192.0.2.1', "10 0c 0004 'MQTT' 04 00 0000 0000"); // no client id, no clean session
  expect(told(hub)).toMatchObject([
    {
      message: 'a CONNECT was refused: 0x85 Client Identifier not valid',
      fields: { reason: 'an empty client identifier needs a clean session' },
    },
  ]);
});

test('a broken CONNECT is one line, however often it comes', async () => {
  const hub = await start();
  for (let i = 0; i < 50; i++)
    await come(hub, '192.0.2.1', "10 0e 0004 'MQTT' 05 03 0000 00 0001 'a'");
  expect(told(hub)).toHaveLength(1);
  expect(told(hub)[0]).toMatchObject({
    level: 'info',
    message: expect.stringContaining('the client broke the protocol: '),
    fields: { remote: '192.0.2.1:4711', reasonCode: '0x81' },
  });
  expect(hub.broker.server.metrics.protocolErrors).toBe(50);
});

test('so are packets of different lengths that are too large: sixteen lines, and one for the rest', async () => {
  const hub = await start();
  for (let i = 0; i < 100; i++) {
    await come(hub, '192.0.2.1', Uint8Array.of(0x10, 0x80 | i, 0x80, 0x80, 0x01));
  }
  expect(told(hub)).toHaveLength(17);
});

test('of connected clients the line of their end says it, and no other', async () => {
  const hub = await start();
  await come(hub, '192.0.2.1', "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a' 10 00");
  expect(told(hub).map(({ message }) => message)).toEqual([
    'client connected',
    'client disconnected',
  ]);
  expect(told(hub)[1].fields).toMatchObject({ reasonName: 'Protocol Error', endedBy: 'server' });
});

test('an authenticator that does not answer is one line, however many wait for it', async () => {
  const hub = await start({ authenticate: () => new Promise<Decision>(() => {}) });
  for (let i = 0; i < 20; i++) await come(hub, '192.0.2.1', connect(4, `c${i}`, 'bob'));
  await hub.broker.advance(10_100);
  expect(told(hub)).toHaveLength(1);
  expect(told(hub)[0].message).toContain('did not answer in time');
});
