// Start, stop, restart: what is open is closed again, in the one order that loses nothing, whatever the clients do meanwhile.

import { once } from 'node:events';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import { type Packet, PacketType, type PublishPacket } from '../../src/protocol/index.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { Server } from '../../src/server/server.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import { LogBook } from '../kit/log-book.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { activeResources, CountingClock, type Resources } from '../kit/resources.ts';
import { turns, until } from '../kit/until.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };
const TURNS = 24;
const GOODBYE = { type: PacketType.Disconnect, reasonCode: 0x8b };

function make(options: ServerOptions = {}): Server {
  const server = new Server({ listeners: [LOOPBACK], ...options });
  onTestFinished(async () => {
    server.abort();
    await server.stop();
  });
  return server;
}

const portOf = (server: Server) => server.addresses[0].port;

async function connected(server: Server, clientId: string, version: 4 | 5 = 5) {
  const client = PacketClient.tcp(portOf(server), version);
  onTestFinished(() => client.destroy());
  await client.connect(clientId);
  return client;
}

/** Nothing listens there any more. */
async function expectFree(port: number): Promise<void> {
  const probe = net.createServer();
  probe.listen(port, '127.0.0.1');
  await once(probe, 'listening');
  probe.close();
  await once(probe, 'close');
}

/** No more than before: sockets are let go a few turns after they were closed, and the test's own timeout is a timer, too. */
async function expectResources(before: Resources): Promise<void> {
  for (let i = 0; i < 500; i++) {
    const now = activeResources();
    if (now.sockets <= before.sockets && now.timers <= before.timers + 1) return;
    await turns(1);
  }
  expect(activeResources()).toEqual(before);
}

test('has as many listeners as it is given, and Node has nothing to say about it', async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on('warning', warned);
  onTestFinished(() => void process.off('warning', warned));
  const server = make({ listeners: Array.from({ length: 20 }, () => LOOPBACK) });
  await server.start();
  expect(server.addresses).toHaveLength(20);
  await turns(2);
  expect(warnings).toEqual([]);
});

test('started and stopped fifty times, it leaves no socket, no timer and no callback behind', async () => {
  const before = activeResources();
  const clock = new CountingClock();
  let port = 0;
  for (let i = 0; i < 50; i++) {
    const server = new Server({ listeners: [{ host: '127.0.0.1', port }], clock });
    await server.start();
    port = portOf(server);
    const client = PacketClient.tcp(port);
    await client.connect('c');
    await server.stop();
    expect(server.isRunning).toBe(false);
    expect(client.packets).toMatchObject([GOODBYE]);
    await until(() => client.isClosed);
    expect(clock.repeating).toBe(0);
  }
  await expectFree(port);
  await expectResources(before);
});

test('stopped and restarted in a storm of connections, it leaves nothing behind', async () => {
  const before = activeResources();
  const clock = new CountingClock();
  let port = 0;
  const sockets = new Set<net.Socket>();
  for (let round = 0; round < 15; round++) {
    const server = new Server({ listeners: [{ host: '127.0.0.1', port }], clock });
    await server.start();
    port = portOf(server);
    for (let i = 0; i < 60; i++) {
      const socket = net.connect(port, '127.0.0.1');
      sockets.add(socket);
      socket.on('error', () => {}); // refused or reset, as it happens in a storm
      socket.on('close', () => sockets.delete(socket));
      socket.resume();
      const connect = Buffer.from('101000044d5154540500000003000363', 'hex');
      const bytes = [...connect, 0x30 + i, 0x30 + round];
      // some say nothing, some half a CONNECT, some a CONNECT, some go on with the beginning of a PUBLISH
      if (i % 4 === 1) socket.write(Uint8Array.from(bytes.slice(0, 9)));
      if (i % 4 >= 2) socket.write(Uint8Array.from(bytes));
      if (i % 4 === 3) socket.write(Uint8Array.of(0x30, 0x20, 0x00, 0x01, 0x61));
      if (i % 7 === 6) socket.destroy();
      if (i % 20 === 0) await turns(1);
    }
    await turns(round);
    if (round % 3 === 2) server.abort();
    await server.stop();
    expect(server.stats()).toMatchObject({ connections: 0, halfConnected: 0 });
    expect(clock.repeating).toBe(0);
  }
  await until(() => sockets.size === 0);
  await expectFree(port);
  await expectResources(before);
});

test('what was read is answered before the goodbye, and nothing follows it', async () => {
  const server = make();
  await server.start();
  const clients: PacketClient[] = [];
  for (let i = 0; i < 20; i++) {
    const client = PacketClient.tcp(portOf(server), i % 4 === 0 ? 4 : 5);
    onTestFinished(() => client.destroy());
    const will = { topicName: `will/${i}`, payload: new Uint8Array(1), qos: 1 as const };
    await client.connect(`c${i}`, { will: { ...will, retain: false, properties: {} } });
    client.subscribe({ topicFilter: '#', qos: 1 });
    await client.next(PacketType.Suback);
    clients.push(client);
  }
  const received = server.metrics.publishReceived;
  for (const client of clients) client.publish('t', 'x', 1, { packetId: 77 });
  await until(() => received[1] === clients.length);
  await server.stop();
  await until(() => clients.every((client) => client.isClosed));
  for (const client of clients) {
    const packets = client.take();
    expect(packets.filter((packet) => packet.type === PacketType.Puback)).toHaveLength(1);
    const messages = packets.filter((packet) => packet.type === PacketType.Publish);
    expect(messages.filter((packet) => packet.topicName === 't')).toHaveLength(20);
    if (client.version === 5) expect(packets.at(-1)).toMatchObject(GOODBYE);
    const goodbyes = packets.filter((packet) => packet.type === PacketType.Disconnect);
    expect(goodbyes).toHaveLength(client.version === 5 ? 1 : 0);
  }
});

test('an acknowledgement that waits for its commit is sent before the goodbye', async () => {
  const clock = new FakeClock();
  const storage = new MemoryStorage({ clock });
  const server = make({ clock, storage });
  await server.start();
  const client = PacketClient.tcp(portOf(server));
  onTestFinished(() => client.destroy());
  await client.connect('c', { properties: { sessionExpiryInterval: 100 } });
  storage.commitDelayMs = 100;
  client.publish('t', 'x', 2, { packetId: 7 });
  await until(() => server.metrics.publishReceived[2] === 1);
  const stopped = server.stop();
  await turns(TURNS);
  expect(client.take(), 'nothing before the commit').toEqual([]);
  let isStopped = false;
  void stopped.then(() => {
    isStopped = true;
  });
  await until(() => {
    clock.advance(50);
    return isStopped;
  });
  await until(() => client.isClosed);
  expect(client.take()).toMatchObject([{ type: PacketType.Pubrec, packetId: 7 }, GOODBYE]);
});

test('what a client sends after the stop began is not taken', async () => {
  const server = make();
  await server.start();
  const client = await connected(server, 'c');
  const other = server.connect();
  const stopped = server.stop();
  client.publish('t', 'x', 1);
  expect(() => server.connect()).toThrow('the server is not running');
  await stopped;
  await until(() => client.isClosed);
  expect(client.take()).toMatchObject([GOODBYE]);
  expect(server.metrics.publishReceived[1]).toBe(0);
  other.destroy();
});

test('half-connected streams are closed without a word', async () => {
  const server = make();
  await server.start();
  const silent = PacketClient.tcp(portOf(server));
  const begun = PacketClient.tcp(portOf(server));
  begun.write(Uint8Array.of(0x10, 0x20, 0x00));
  await until(() => server.stats().halfConnected === 2);
  await server.stop();
  await until(() => silent.isClosed && begun.isClosed);
  expect([silent.take(), begun.take()]).toEqual([[], []]);
  expect(server.stats().connections).toBe(0);
});

test('a connection that is closing already is still heard: the stop waits for nobody who has gone', async () => {
  // Under this clock the time that a closing client is given never ends.
  const server = make({ clock: new FakeClock(), limits: { shutdownTimeoutMs: 60_000 } });
  await server.start();
  const client = await connected(server, 'c');
  client.onEnd = () => {
    client.hasEnded = true; // and its own side stays open
  };
  client.send({ type: PacketType.Disconnect, reasonCode: 0, properties: {} });
  await until(() => client.hasEnded);
  const stopped = server.stop();
  await turns(10);
  client.stream.end();
  await stopped;
  expect(server.stats().connections).toBe(0);
});

/** Has much more on its way than any socket takes, and reads none of it. */
async function deaf(server: Server, clientId: string): Promise<PacketClient> {
  const client = await connected(server, clientId);
  client.subscribe('flood');
  await client.next(PacketType.Suback);
  client.stream.pause();
  const publisher = new PacketClient(server.connect());
  await publisher.connect(`flood-${clientId}`);
  while (server.stats().dropped.output_full === 0) {
    publisher.publish('flood', new Uint8Array(500_000));
    await turns(4);
  }
  publisher.destroy();
  return client;
}

test('shutdownTimeoutMs: a client that does not read is cut off, the others get their goodbye', async () => {
  const server = make({ limits: { shutdownTimeoutMs: 300 } });
  await server.start();
  const client = await connected(server, 'c');
  const silent = await deaf(server, 'deaf');
  await server.stop();
  expect(server.stats().connections).toBe(0);
  await until(() => client.isClosed);
  expect(client.take()).toMatchObject([GOODBYE]);
  silent.destroy();
});

test('the log says of those who are cut off that it was the server', async () => {
  const log = new LogBook();
  const server = make({ logger: log });
  await server.start();
  await connected(server, 'c');
  server.abort();
  await until(() => server.stats().connections === 0);
  const line = log.infos.find(({ message }) => message === 'client disconnected');
  expect(line?.fields).toMatchObject({ reason: 'the server cut the connection off' });
});

test('abort cuts everybody off at once, without a word', async () => {
  const before = activeResources();
  const clock = new CountingClock();
  const server = make({ clock });
  await server.start();
  const client = await connected(server, 'c');
  const silent = await deaf(server, 'deaf');
  server.abort();
  await until(() => server.stats().connections === 0);
  await until(() => client.isClosed);
  expect(client.take()).toEqual([]);
  await server.stop();
  expect(clock.repeating).toBe(0);
  silent.destroy();
  await until(() => silent.isClosed);
  await expectResources(before);
});

test('abort ends a stop that waits for a client who does not read', async () => {
  const server = make({ limits: { shutdownTimeoutMs: 3_600_000 } });
  await server.start();
  const silent = await deaf(server, 'deaf');
  const stopped = server.stop();
  await turns(TURNS);
  expect(server.stats().connections).toBe(1);
  server.abort();
  await stopped;
  expect(server.stats().connections).toBe(0);
  silent.destroy();
});

test('stopping twice, or before the start, is one stop; a stopped server does not start again', async () => {
  const server = make();
  await server.start();
  const first = server.stop();
  expect(server.stop()).toBe(first);
  await first;
  await server.stop();
  await expect(server.start()).rejects.toThrow('a server starts once');
  const fresh = make();
  await fresh.stop();
  await expect(fresh.start()).rejects.toThrow('a server starts once');
});

test('a second listener that cannot be had leaves the first closed and nothing open', async () => {
  const before = activeResources();
  const taken = net.createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as net.AddressInfo;
  const free = net.createServer();
  free.listen(0, '127.0.0.1');
  await once(free, 'listening');
  const first = (free.address() as net.AddressInfo).port;
  free.close();
  await once(free, 'close');
  const clock = new CountingClock();
  const listeners = [
    { host: '127.0.0.1', port: first },
    { host: '127.0.0.1', port },
  ];
  const server = make({ listeners, clock });
  await expect(server.start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
  expect([server.isRunning, server.addresses]).toEqual([false, []]);
  expect(clock.repeating).toBe(0);
  await expectFree(first);
  await server.stop();
  taken.close();
  await once(taken, 'close');
  await expectResources(before);
});

for (const how of ['stop', 'abort'] as const) {
  test(`${how} while it starts leaves nothing open`, async () => {
    const before = activeResources();
    const clock = new CountingClock();
    const server = new Server({ listeners: [LOOPBACK, LOOPBACK], clock });
    const started = server.start();
    started.catch(() => {}); // looked at below
    if (how === 'abort') server.abort();
    await server.stop();
    await expect(started).rejects.toThrow();
    await server.stop();
    expect(server.isRunning).toBe(false);
    expect(clock.repeating).toBe(0);
    await expectResources(before);
  });
}

test('clients of a stopped server find their messages when it was not their last', async () => {
  const storage = new MemoryStorage();
  const first = make({ storage });
  await first.start();
  const port = portOf(first);
  const durable = { cleanStart: false, properties: { sessionExpiryInterval: 100 } };
  const subscriber = PacketClient.tcp(port);
  await subscriber.connect('s', durable);
  subscriber.subscribe({ topicFilter: 't', qos: 1 });
  await subscriber.next(PacketType.Suback);
  subscriber.destroy();
  const publisher = await connected(first, 'p');
  publisher.publish('t', 'kept', 1);
  await publisher.next(PacketType.Puback);
  await first.stop();
  const second = make({ storage, listeners: [{ host: '127.0.0.1', port }] });
  await second.start();
  const again = PacketClient.tcp(port);
  onTestFinished(() => again.destroy());
  expect((await again.connect('s', durable)).sessionPresent).toBe(true);
  const packet: Packet = await again.next(PacketType.Publish);
  expect(Buffer.from((packet as PublishPacket).payload).toString()).toBe('kept');
});
