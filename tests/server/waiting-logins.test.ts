// Clients whose passwords wait to be hashed: who goes meanwhile is noticed, by whatever transport it came, and costs nothing any
// more; who stays is served in its turn, however long that takes.

import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ListenerOptions } from '../../src/transport/listener-options.ts';
import { CONNACK, expectRefused } from '../kit/answers.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { GatedHasher } from '../kit/gated-hasher.ts';
import { hex, toHex } from '../kit/hex.ts';
import { startWithPasswords } from '../kit/password-server.ts';
import { CA, mqtts } from '../kit/secure-server.ts';
import { until } from '../kit/until.ts';
import { settle, startServer } from '../kit/wire.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';

// CONNECT, v5, clean, user `bob`, password `y`
const FIRST = "10 16 0004 'MQTT' 05 c2 0000 00 0001 'f' 0003 'bob' 0001 'y'";
const BOB = "10 16 0004 'MQTT' 05 c2 0000 00 0001 'b' 0003 'bob' 0001 'y'";
const BOB_V3 = "10 15 0004 'MQTT' 04 c2 0000 0001 'v' 0003 'bob' 0001 'y'";
const USERS = { bob: 'y', ann: 'z' };

/** A client that can be told to go in several ways. */
interface Leaver {
  send(bytes: Uint8Array): void;
  go(how: Way): void;
}
type Way = 'FIN' | 'RST';

function overSocket(raw: net.Socket, socket = raw): Leaver {
  for (const one of [raw, socket]) one.on('error', () => {});
  onTestFinished(() => void raw.destroy());
  return {
    send: (bytes) => void socket.write(bytes),
    go: (how) => void (how === 'FIN' ? socket.end() : raw.resetAndDestroy()),
  };
}

const SOCKET = path.join(temporaryFolder(), 'mqtt.sock');

/** How a client comes to each listener. */
const DOORS: Readonly<Record<string, [() => ListenerOptions, (port: number) => Leaver]>> = {
  tcp: [
    () => ({ host: '127.0.0.1', port: 0 }),
    (port) => overSocket(net.connect(port, '127.0.0.1')),
  ],
  tls: [
    () => mqtts(new MaterialFolder()),
    (port) => {
      const raw = net.connect(port, '127.0.0.1');
      return overSocket(raw, tls.connect({ socket: raw, host: '127.0.0.1', ca: CA.issued.cert }));
    },
  ],
  websocket: [
    () => ({ protocol: 'ws', host: '127.0.0.1', port: 0 }),
    (port) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt');
      socket.on('error', () => {});
      onTestFinished(() => socket.terminate());
      return {
        send: (bytes) => void socket.on('open', () => socket.send(bytes)),
        go: (how) => void (how === 'FIN' ? socket.close() : socket.terminate()),
      };
    },
  ],
  unix: [() => ({ protocol: 'mqtt+unix', path: SOCKET }), () => overSocket(net.connect(SOCKET))],
};
test.each(
  Object.entries(DOORS).flatMap(([name, door]) =>
    (name === 'unix' ? (['FIN'] as const) : (['FIN', 'RST'] as const)).map(
      (how) => [name, how, door] as const,
    ),
  ),
)(
  'over %s who goes with %s while its password waits is not hashed for, and half-connected no more',
  async (_, how, [options, dial]) => {
    const gate = new GatedHasher();
    const { broker } = await startWithPasswords({
      hasher: gate.hasher,
      users: USERS,
      listeners: [options()],
    });
    const first = broker.open();
    await first.send(FIRST);
    await gate.isAt(1);
    const leaver = dial(broker.server.addresses[0].port);
    leaver.send(hex(BOB));
    await until(() => gate.hasher.waiting === 1);
    expect(broker.server.stats().halfConnected).toBe(2);
    leaver.go(how);
    await until(() => broker.server.stats().halfConnected === 1);
    await gate.go();
    await until(() => gate.hasher.waiting === 0);
    await settle();
    expect([gate.begun, gate.hasher.derivations]).toEqual([1, 1]);
    expect(broker.server.stats()).toMatchObject({ connections: 1, sessions: 1 });
  },
);

test('a login that comes to its end after its client has gone does not take the session from the client that came again [MQTT-3.1.4-3]', async () => {
  const waiting: (() => void)[] = [];
  const broker = await startServer({
    listeners: [{ host: '127.0.0.1', port: 0 }],
    authenticator: {
      authenticate: ({ username }) =>
        new Promise((resolve) => waiting.push(() => resolve({ reasonCode: 0x00, username }))),
    },
  });
  const gone = overSocket(net.connect(broker.server.addresses[0].port, '127.0.0.1'));
  gone.send(hex(BOB));
  await until(() => waiting.length === 1);
  gone.go('FIN');
  await until(() => broker.server.stats().halfConnected === 0);
  const again = broker.open();
  await again.send(BOB);
  waiting[1]();
  await again.expect(CONNACK);
  waiting[0]();
  await again.expectNothing();
  await again.expectOpen();
});

test('a client that says all at once, and ends its side, is served in its turn', async () => {
  const gate = new GatedHasher();
  const { broker } = await startWithPasswords({
    hasher: gate.hasher,
    users: USERS,
    listeners: [{ host: '127.0.0.1', port: 0 }],
  });
  const socket = net.connect({
    host: '127.0.0.1',
    port: broker.server.addresses[0].port,
    allowHalfOpen: true,
  });
  onTestFinished(() => void socket.destroy());
  const answers: Buffer[] = [];
  socket.on('data', (chunk) => void answers.push(chunk));
  socket.end(hex(`${BOB} 32 07 0001 't' 0001 00 'm' e0 00`)); // CONNECT, PUBLISH, DISCONNECT
  await gate.isAt(1);
  await settle();
  expect(broker.server.stats().halfConnected).toBe(1);
  await gate.go();
  await once(socket, 'end');
  expect(toHex(Buffer.concat(answers))).toBe(toHex(hex(`${CONNACK}\n 40 03 0001 10`)));
});

test('who sends more than a little while it waits is not read any further', async () => {
  const gate = new GatedHasher();
  const { broker } = await startWithPasswords({ hasher: gate.hasher, users: USERS });
  const client = broker.open();
  await client.send(BOB);
  await gate.isAt(1);
  await client.send(new Uint8Array(4_096)); // whatever it is: nobody looks at it yet
  expect(client.stream.unsentBytes).toBe(0);
  await client.send(new Uint8Array(1));
  expect(client.stream.unsentBytes).toBe(0);
  await client.send(new Uint8Array(1_000));
  expect(client.stream.unsentBytes).toBe(1_000);
});

test('waiting for a turn is not the client’s time: neither the connect timeout nor the answer timeout ends it', async () => {
  const gate = new GatedHasher();
  const { broker } = await startWithPasswords({ hasher: gate.hasher, users: USERS });
  const first = broker.open();
  await first.send(FIRST);
  await gate.isAt(1);
  const clients = [broker.open(), broker.open()];
  await clients[0].send(BOB);
  await clients[1].send(BOB_V3);
  for (let minutes = 0; minutes < 10; minutes++) await broker.advance(60_000);
  for (let job = 1; job <= 3; job++) {
    await gate.isAt(job);
    await gate.go();
  }
  await first.expect(CONNACK);
  await clients[0].expect(CONNACK);
  await clients[1].expect('20 02 00 00');
});

test('a full queue refuses with 0x89, v3.1.1 return code 3, and nothing is counted against anybody', async () => {
  const gate = new GatedHasher({ queueMax: 1 });
  const { broker } = await startWithPasswords({
    hasher: gate.hasher,
    users: USERS,
    penalties: { failuresMax: 1, addressFailuresMax: 1 },
  });
  const first = broker.open();
  await first.send(FIRST);
  await gate.isAt(1);
  const second = broker.open();
  await second.send(BOB);
  const known = broker.open();
  await known.send(BOB);
  await expectRefused(known, 0x89);
  const unknown = broker.open();
  await unknown.send(BOB.replace('bob', 'eve'));
  await expectRefused(unknown, 0x89);
  const old = broker.open();
  await old.send(BOB_V3);
  await old.expectClosed('20 02 00 03');
  for (let job = 1; job <= 2; job++) {
    await gate.isAt(job);
    await gate.go();
  }
  await first.expect(CONNACK);
  await second.expect(CONNACK);
  expect(broker.server.metrics).toMatchObject({ penalties: 0, penaltyRefusals: 0 });
});

test('who has gone makes room in a full queue', async () => {
  const gate = new GatedHasher({ queueMax: 1 });
  const { broker } = await startWithPasswords({ hasher: gate.hasher, users: USERS });
  const first = broker.open();
  await first.send(FIRST);
  await gate.isAt(1);
  const second = broker.open();
  await second.send(BOB);
  await second.drop();
  const third = broker.open();
  await third.send(BOB);
  for (let job = 1; job <= 2; job++) {
    await gate.isAt(job);
    await gate.go();
  }
  await third.expect(CONNACK);
  expect(gate.begun).toBe(2);
});

/** The first bytes that the server sends, or that it closed. */
function answerTo(port: number, bytes: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {}); // closed, too
  socket.write(hex(bytes));
  return new Promise((resolve) => {
    socket.once('data', (data) => resolve(toHex(data)));
    socket.once('close', () => resolve('closed'));
  });
}

test('logins that wait for their hashes keep nobody out; one more than may wait is told so', async () => {
  const gate = new GatedHasher({ queueMax: 3 });
  const { broker } = await startWithPasswords({
    hasher: gate.hasher,
    users: USERS,
    anonymous: true,
    limits: { halfConnectedMax: 2 },
    listeners: [{ host: '127.0.0.1', port: 0 }],
  });
  const { server } = broker;
  const { port } = server.addresses[0];
  for (const waiting of [0, 1, 2, 3]) {
    void answerTo(port, BOB);
    if (waiting === 0) await gate.isAt(1);
    await until(() => gate.hasher.waiting === waiting);
  }
  expect(server.stats().halfConnected).toBe(4);
  const busy = await answerTo(port, BOB);
  expect(busy).toMatch(/^20 .. 00 89/);
  expect(await answerTo(port, "10 0d 0004 'MQTT' 04 02 0000 0001 'a'")).toBe('20 02 00 00');
  // Who says nothing is bounded as ever.
  for (const count of [5, 6]) {
    void answerTo(port, '');
    await until(() => server.stats().halfConnected === count);
  }
  expect(await answerTo(port, '')).toBe('closed');
  await gate.goUntil(() => server.stats().halfConnected === 2);
});
