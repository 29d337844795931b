// Listeners that come, go and change while the server runs. Clients of those that stay notice nothing; what is wrong changes
// nothing at all.

import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type DisconnectPacket, PacketType } from '../../src/protocol/index.ts';
import type { Server } from '../../src/server/server.ts';
import type { ListenerOptions } from '../../src/transport/listener-options.ts';
import { temporaryFolder } from '../kit/folder.ts';
import {
  CA,
  clientOf,
  dial,
  dialSecure,
  expectServed,
  gone,
  mqtts,
  mutual,
  SecureClient,
  startSecure,
} from '../kit/secure-server.ts';
import { turns, until } from '../kit/until.ts';
import { fromNow } from '../support/certificates.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';

const A: ListenerOptions = { host: '127.0.0.1', port: 0 };
/** Another place than A's, as 127.0.0.0/8 is all loopback. */
const B: ListenerOptions = { host: '127.0.0.2', port: 0 };

function portOf(server: Server, index = 0): number {
  return server.addresses[index].port;
}

/** Rejects when nobody listens. */
async function knock(port: number, host = '127.0.0.1'): Promise<void> {
  const socket = net.connect(port, host);
  await once(socket, 'connect');
  socket.destroy();
}

/** A port that somebody else has. */
async function takenPort(host = '127.0.0.1'): Promise<number> {
  const other = net.createServer().listen(0, host);
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  return (other.address() as net.AddressInfo).port;
}

/** Two clients who must go on. */
async function pair(port: number): Promise<() => Promise<void>> {
  const publisher = await SecureClient.plain(port, 'publisher');
  const subscriber = await (await SecureClient.plain(port, 'subscriber')).subscribed('served');
  return async () => {
    await expectServed(publisher, subscriber);
    expect([publisher.hasEnded, subscriber.hasEnded]).toEqual([false, false]);
  };
}

async function expectDisconnected(client: SecureClient, reasonCode: number): Promise<void> {
  const packet = (await client.next(PacketType.Disconnect)) as DisconnectPacket;
  expect(packet.reasonCode).toBe(reasonCode);
  await until(() => client.isClosed);
}

describe('a listener that is added', () => {
  test('serves, and the clients of the others notice nothing', async () => {
    const { server } = await startSecure([A]);
    const goOn = await pair(portOf(server));
    const changes = await server.setListeners([A, B]);
    expect(changes).toEqual({
      added: [server.addresses[1].url],
      changed: [],
      removed: [],
      ended: 0,
    });
    expect(server.addresses.map(({ url }) => url)).toEqual([
      `mqtt://127.0.0.1:${portOf(server)}`,
      `mqtt://127.0.0.2:${portOf(server, 1)}`,
    ]);
    const socket = dial(portOf(server, 1), { host: '127.0.0.2' });
    const newcomer = await SecureClient.on(socket, 'newcomer');
    await newcomer.subscribed('served');
    await goOn();
    expect(server.stats()).toMatchObject({ connections: 3, halfConnected: 0 });
  });

  test('the same ones again change nothing', async () => {
    const { server } = await startSecure([A, B]);
    const before = server.addresses;
    expect(await server.setListeners([B, A])).toEqual({
      added: [],
      changed: [],
      removed: [],
      ended: 0,
    });
    expect(server.addresses).toEqual(before);
  });
});

describe('a listener that is removed', () => {
  test('tells its clients 0x98 and ends them; those of others notice nothing', async () => {
    const { server } = await startSecure([A, B]);
    const goOn = await pair(portOf(server));
    const port = portOf(server, 1);
    const leaving = await SecureClient.on(dial(port, { host: '127.0.0.2' }), 'leaving');
    const v3 = new SecureClient(dial(port, { host: '127.0.0.2' }), 4);
    await v3.connect('leaving-v3');
    const changes = await server.setListeners([A]);
    expect(changes).toMatchObject({
      added: [],
      changed: [],
      removed: [`mqtt://127.0.0.2:${port}`],
    });
    await expectDisconnected(leaving, 0x98);
    await until(() => v3.isClosed);
    expect(v3.packets).toEqual([]);
    await expect(knock(port, '127.0.0.2')).rejects.toThrow('ECONNREFUSED');
    await goOn();
    await until(() => server.stats().connections === 2);
  });

  test('ends those, too, whose CONNECT is not in yet', async () => {
    const { server, log } = await startSecure([A, B]);
    const half = dial(portOf(server, 1), { host: '127.0.0.2' });
    await until(() => server.stats().halfConnected === 1);
    await server.setListeners([A]);
    await gone(half);
    await until(() => server.stats().connections === 0);
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('ends those whose authentication goes on', async () => {
    const authenticator = { authenticate: () => new Promise<never>(() => {}) };
    const { server } = await startSecure([A, B], { authenticator });
    const client = new SecureClient(dial(portOf(server, 1), { host: '127.0.0.2' }));
    client.sendConnect('waits');
    await until(() => server.stats().halfConnected === 1 && server.metrics.bytesReceived > 0);
    await server.setListeners([A]);
    await until(() => client.isClosed);
    expect(server.stats()).toMatchObject({ connections: 0, sessions: 0 });
  });

  test('is still counted in what was refused', async () => {
    const { server } = await startSecure([{ ...A, accept: { connectionsMax: 1 } }, B]);
    const first = dial(portOf(server));
    await once(first, 'connect');
    await gone(dial(portOf(server)));
    expect(server.refusals).toEqual({ connections: 1 });
    await server.setListeners([B]);
    await gone(first);
    await until(() => server.stats().connections === 0);
    await turns(8);
    expect(server.refusals).toEqual({ connections: 1 });
  });

  test('all of them, and one is added later', async () => {
    const { server } = await startSecure([A]);
    const port = portOf(server);
    await server.setListeners([]);
    expect(server.addresses).toEqual([]);
    await server.setListeners([{ ...A, port }]);
    await knock(port);
  });
});

describe('a listener that is changed', () => {
  test('has other limits for new connections, and the old ones for those that are there', async () => {
    const { server } = await startSecure([A]);
    const port = portOf(server);
    const goOn = await pair(port);
    const former = await SecureClient.plain(port, 'former');
    const limits = { packetSizeMax: 128, unacceptedBytesMax: 128 };
    const changed = { ...A, limits };
    expect(await server.setListeners([changed])).toMatchObject({ added: [], removed: [] });
    expect(portOf(server)).toBe(port);
    const newcomer = new SecureClient(dial(port));
    const connack = await newcomer.connect('newcomer');
    expect(connack.properties.maximumPacketSize).toBe(128);
    former.publish('large', 'x'.repeat(200), 1);
    expect(await former.next(PacketType.Puback)).toMatchObject({ reasonCode: 0x10 });
    newcomer.publish('large', 'x'.repeat(200), 1);
    await expectDisconnected(newcomer, 0x95);
    await goOn();
  });

  test('counts those who are there against its new limits', async () => {
    const { server } = await startSecure([A]);
    const port = portOf(server);
    const goOn = await pair(port);
    await server.setListeners([{ ...A, accept: { connectionsMax: 3 } }]);
    await SecureClient.plain(port, 'third');
    await gone(dial(port));
    expect(server.refusals).toEqual({ connections: 1 });
    await goOn();
  });

  test('shows newcomers its new certificate and asks for theirs; who is in stays', async () => {
    const folder = new MaterialFolder();
    const { server } = await startSecure([mqtts(folder)]);
    const port = portOf(server);
    const publisher = await SecureClient.over(port, 'publisher');
    const subscriber = await (await SecureClient.over(port, 'subscriber')).subscribed('served');
    const other = CA.server({ commonName: 'other', dns: ['localhost'], ip: ['127.0.0.1'] });
    const tls = { ...folder.pair('other', other), ...mutual(folder) };
    expect(await server.setListeners([mqtts(folder, tls)])).toMatchObject({ added: [] });
    await gone(dialSecure(port));
    expect(server.refusals).toEqual({ 'client-certificate': 1 });
    const socket = dialSecure(port, clientOf({ commonName: 'known' }));
    await SecureClient.on(socket, 'known');
    expect(socket.getPeerCertificate().subject.CN).toBe('other');
    await expectServed(publisher, subscriber);
  });

  test('speaks TLS from now on: new connections do, those that are there go on without', async () => {
    const folder = new MaterialFolder();
    const { server } = await startSecure([A]);
    const port = portOf(server);
    const goOn = await pair(port);
    await server.setListeners([mqtts(folder)]);
    expect(server.addresses.map(({ url }) => url)).toEqual([`mqtts://127.0.0.1:${port}`]);
    await SecureClient.over(port, 'newcomer');
    await goOn();
    await server.setListeners([{ ...A, protocol: 'ws', path: '/mqtt' }]);
    expect(server.addresses.map(({ url }) => url)).toEqual([`ws://127.0.0.1:${port}/mqtt`]);
    await goOn();
  });

  test('lets handshakes that go on end, by what they began with', async () => {
    const folder = new MaterialFolder();
    const { server } = await startSecure([mqtts(folder)]);
    const port = portOf(server);
    const early = dial(port);
    await until(() => server.stats().halfConnected === 1);
    await server.setListeners([mqtts(folder, mutual(folder))]);
    const client = await SecureClient.on(dialSecure(port, { socket: early }), 'early');
    expect(client.hasEnded).toBe(false);
  });

  test.each([
    ['a handshake', mqtts(new MaterialFolder())],
    ['a PROXY header', { ...A, proxy: { trusted: ['loopback'] } }],
    ['an upgrade', { ...A, protocol: 'ws' }],
  ] as const)('does not forget who was in %s: a stop ends him', async (_, listener) => {
    const { server } = await startSecure([listener]);
    const early = dial(portOf(server));
    await until(() => server.stats().halfConnected === 1);
    await server.setListeners([{ ...listener, accept: { connectionsMax: 9 } }]);
    await server.stop();
    await gone(early);
    expect(server.stats().connections).toBe(0);
  });

  test('keeps up the alarm about a certificate that ends soon', async () => {
    const folder = new MaterialFolder();
    const soon = folder.pair('soon', CA.server({ notBefore: fromNow(-99), notAfter: fromNow(2) }));
    const { server } = await startSecure([mqtts(folder, soon)]);
    expect(server.alarms.isRaised('certificate_expires')).toBe(true);
    await server.setListeners([mqtts(folder, { ...soon, minVersion: 'TLSv1.3' })]);
    expect(server.alarms.isRaised('certificate_expires')).toBe(true);
    const inVain = mqtts(folder, { ...soon, minVersion: 'TLSv1.2' });
    const taken = { ...A, port: await takenPort() };
    await expect(server.setListeners([inVain, taken])).rejects.toThrow('EADDRINUSE');
    expect(server.alarms.isRaised('certificate_expires')).toBe(true);
    await server.setListeners([mqtts(folder)]);
    expect(server.alarms.active).toEqual([]);
  });
});

describe('listeners that cannot be had', () => {
  test('change nothing: an address in use', async () => {
    const { server } = await startSecure([A, B]);
    const goOn = await pair(portOf(server));
    const before = server.addresses;
    const wanted = [
      { ...A, limits: { packetSizeMax: 64 } },
      { host: '127.0.0.3', port: 0 },
      { host: '127.0.0.1', port: await takenPort() },
    ];
    await expect(server.setListeners(wanted)).rejects.toThrow('EADDRINUSE');
    expect(server.addresses).toEqual(before);
    await goOn();
    await knock(portOf(server, 1), '127.0.0.2');
    const connack = await new SecureClient(dial(portOf(server))).connect('newcomer');
    expect(connack.properties.maximumPacketSize).not.toBe(64);
    expect(await server.setListeners([A, B])).toEqual({
      added: [],
      changed: [],
      removed: [],
      ended: 0,
    });
  });

  test('change nothing: a certificate that is broken', async () => {
    const folder = new MaterialFolder();
    const { server } = await startSecure([A, mqtts(folder)]);
    const goOn = await pair(portOf(server));
    const before = server.addresses;
    const broken = { cert: folder.write('broken.crt', 'nothing'), key: folder.write('k', '') };
    const wanted = [B, mqtts(folder, broken)];
    await expect(server.setListeners(wanted)).rejects.toThrow('broken.crt');
    expect(server.addresses).toEqual(before);
    await goOn();
    await SecureClient.over(portOf(server, 1), 'newcomer');
    expect(server.alarms.active).toEqual([]);
  });

  test('change nothing: twice the same', async () => {
    const { server } = await startSecure([A]);
    const port = portOf(server);
    const one = { ...B, port };
    await expect(server.setListeners([A, one, one])).rejects.toThrow('EADDRINUSE');
    await expect(knock(port, '127.0.0.2')).rejects.toThrow('ECONNREFUSED');
    await knock(port);
  });

  test('give an address back that had to be left for them', async () => {
    const { server } = await startSecure([{ ...A, host: '0.0.0.0' }]);
    const port = portOf(server);
    const goOn = await pair(port);
    const wanted = [
      { host: '127.0.0.1', port },
      { host: '127.0.0.1', port: await takenPort() },
    ];
    await expect(server.setListeners(wanted)).rejects.toThrow('EADDRINUSE');
    await goOn();
    await knock(port, '127.0.0.2'); // all of them again
    expect(server.addresses.map(({ url }) => url)).toEqual([`mqtt://0.0.0.0:${port}`]);
  });
});

describe('the same port at another address', () => {
  test.each([
    ['0.0.0.0', '127.0.0.1'],
    ['127.0.0.1', '0.0.0.0'],
    ['', '127.0.0.1'],
  ])('%j becomes %j: the former clients are told to go, new ones come in', async (from, to) => {
    const port = await freePort();
    const { server } = await startSecure([{ host: from, port }]);
    const former = await SecureClient.plain(port, 'former');
    await server.setListeners([{ host: to, port }]);
    expect(server.addresses.map(({ url }) => url)).toEqual([`mqtt://${to}:${port}`]);
    await expectDisconnected(former, 0x98);
    await SecureClient.plain(port, 'newcomer');
    if (to === '127.0.0.1') await expect(knock(port, '127.0.0.2')).rejects.toThrow('ECONNREFUSED');
  });

  test('that the system chose becomes a port that is named', async () => {
    const { server } = await startSecure([{ ...A, host: '0.0.0.0' }]);
    const port = portOf(server);
    await server.setListeners([{ ...A, port }]);
    await knock(port);
  });

  test('of a unix socket has another mode', async () => {
    const file = path.join(temporaryFolder(), 'iothub.sock');
    const unix = { protocol: 'mqtt+unix', path: file } as const;
    const { server } = await startSecure([unix]);
    expect(statSync(file).mode & 0o777).toBe(0o660);
    const socket = net.connect(file);
    onTestFinished(() => void socket.destroy());
    const former = await SecureClient.on(socket, 'former');
    await server.setListeners([{ ...unix, socket: { mode: 0o600 } }]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await expectDisconnected(former, 0x98);
    const again = net.connect(file);
    await once(again, 'connect');
    again.destroy();
  });
});

describe('setListeners', () => {
  test('waits for the one before: the last one counts', async () => {
    const { server } = await startSecure([A]);
    const goOn = await pair(portOf(server));
    const calls = [[A, B], [A], [B, A], [A, { host: '127.0.0.3', port: 0 }]];
    const changes = await Promise.all(calls.map((wanted) => server.setListeners(wanted)));
    expect(changes.map(({ added, removed }) => [added.length, removed.length])).toEqual([
      [1, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ]);
    expect(server.addresses.map(({ host }) => host)).toEqual(['127.0.0.1', '127.0.0.3']);
    await goOn();
  });

  test('goes on after one that failed', async () => {
    const { server } = await startSecure([A]);
    const inVain = server.setListeners([{ ...A, port: await takenPort() }]);
    const next = server.setListeners([A, B]);
    await expect(inVain).rejects.toThrow('EADDRINUSE');
    expect((await next).added).toHaveLength(1);
  });

  test.each(['stop', 'abort'] as const)('leaves nothing open when a %s comes', async (end) => {
    const folder = new MaterialFolder();
    const port = await freePort();
    const securePort = await freePort();
    const { server } = await startSecure([A]);
    const former = portOf(server);
    const wanted = [
      { ...B, port },
      { ...mqtts(folder), port: securePort },
    ];
    const changing = server.setListeners(wanted);
    const later = server.setListeners([A, ...wanted]);
    const outcomes = Promise.allSettled([changing, later]);
    const ended = server[end]();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await ended;
    await server.stop();
    await expect(knock(port, '127.0.0.2')).rejects.toThrow('ECONNREFUSED');
    await expect(knock(securePort)).rejects.toThrow('ECONNREFUSED');
    await expect(knock(former)).rejects.toThrow('ECONNREFUSED');
    await expect(server.setListeners([A])).rejects.toThrow('not running');
    expect(watchesOn(folder.path)).toEqual([]);
  });
});

async function freePort(): Promise<number> {
  const other = net.createServer().listen(0, '0.0.0.0');
  await once(other, 'listening');
  const { port } = other.address() as net.AddressInfo;
  other.close();
  await once(other, 'close');
  return port;
}

/** inotify watches of this process on the folder; none where the system does not tell. */
function watchesOn(folder: string): string[] {
  const inode = ` ino:${statSync(folder).ino.toString(16)} `;
  return descriptors().flatMap((fd) => {
    const lines = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').split('\n');
    return lines.filter((line) => line.startsWith('inotify ') && line.includes(inode));
  });
}

function descriptors(): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc/self/fdinfo').filter((fd) => existsSync(`/proc/self/fdinfo/${fd}`));
}
