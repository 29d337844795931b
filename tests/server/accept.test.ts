// How many may come, how fast, and from where, through the whole server: whoever is refused costs the others nothing and is
// counted by reason, and whoever goes makes room, from whichever stage of coming in.

import { once } from 'node:events';
import type net from 'node:net';
import { describe, expect, test } from 'vitest';
import { Server } from '../../src/server/server.ts';
import type { ListenerOptions } from '../../src/transport/listener-options.ts';
import {
  dial,
  dialSecure,
  expectServed,
  gone,
  mqtts,
  SecureClient,
  startSecure,
} from '../kit/secure-server.ts';
import { until } from '../kit/until.ts';
import { connectPacket } from '../kit/wire.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';

const PLAIN: ListenerOptions = { host: '127.0.0.1', port: 0 };
const SECURE = mqtts(new MaterialFolder());
const BALANCED: ListenerOptions = { ...PLAIN, proxy: { trusted: ['loopback'] } };
const WEB_SOCKET: ListenerOptions = { ...PLAIN, protocol: 'ws' };

const PROXIED = 'PROXY TCP4 192.0.2.1 192.0.2.9 4711 1883\r\n';
const UPGRADE =
  'GET /mqtt HTTP/1.1\r\nHost: iothub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n';

describe('connections_max', () => {
  test('holds for a listener; whoever goes makes room', async () => {
    const other = { host: '127.0.0.2', port: 0 };
    const { server } = await startSecure([{ ...PLAIN, accept: { connectionsMax: 2 } }, other]);
    const { port } = server.addresses[0];
    const publisher = await SecureClient.plain(port, 'publisher');
    const subscriber = await (await SecureClient.plain(port, 'subscriber')).subscribed('served');
    for (let i = 0; i < 5; i++) await gone(dial(port));
    expect(server.refusals).toEqual({ connections: 5 });
    expect(server.stats()).toMatchObject({ connections: 2, halfConnected: 0 });
    const address = server.addresses[1];
    await SecureClient.on(dial(address.port, { host: address.host }), 'elsewhere');
    await expectServed(publisher, subscriber);
    publisher.destroy();
    await until(() => server.stats().connections === 2);
    await SecureClient.plain(port, 'next');
    expect(server.refusals).toEqual({ connections: 5 });
  });

  test('per address: 127.0.0.2 still comes in when 127.0.0.1 has its share', async () => {
    const accept = { connectionsPerAddressMax: 2 };
    const { server } = await startSecure([{ ...PLAIN, accept }]);
    const { port } = server.addresses[0];
    const first = await SecureClient.plain(port, 'a');
    await SecureClient.plain(port, 'b');
    await gone(dial(port));
    for (const clientId of ['c', 'd']) {
      await SecureClient.on(dial(port, { localAddress: '127.0.0.2' }), clientId);
    }
    await gone(dial(port, { localAddress: '127.0.0.2' }));
    expect(server.refusals).toEqual({ 'connections-per-address': 2 });
    first.destroy();
    await until(() => server.stats().connections === 3);
    await SecureClient.plain(port, 'e');
  });

  test('per address behind a balancer: it is the client’s address that counts', async () => {
    const accept = { connectionsPerAddressMax: 1 };
    const { server } = await startSecure([{ ...BALANCED, accept }]);
    const { port } = server.addresses[0];
    const come = (address: string): net.Socket => {
      const socket = dial(port);
      socket.write(`PROXY TCP4 ${address} 192.0.2.9 4711 1883\r\n`);
      return socket;
    };
    const first = await SecureClient.on(come('192.0.2.1'), 'a');
    await gone(come('192.0.2.1'));
    await SecureClient.on(come('192.0.2.2'), 'b');
    expect(server.refusals).toEqual({ 'connections-per-address': 1 });
    first.destroy();
    await until(() => server.stats().connections === 1);
    await SecureClient.on(come('192.0.2.1'), 'c');
  });
});

describe('a rate', () => {
  test('of a listener lets a burst in, then so many a second', async () => {
    const accept = { connectRate: 2, connectBurst: 3 };
    const { server, clock } = await startSecure([{ ...PLAIN, accept }]);
    const { port } = server.addresses[0];
    for (const clientId of ['a', 'b', 'c']) await SecureClient.plain(port, clientId);
    await gone(dial(port));
    expect(server.refusals).toEqual({ rate: 1 });
    clock.advance(499);
    await gone(dial(port));
    expect(server.refusals).toEqual({ rate: 2 });
    clock.advance(1);
    await SecureClient.plain(port, 'd');
    await gone(dial(port));
    expect(server.refusals).toEqual({ rate: 3 });
    clock.advance(60_000);
    for (const clientId of ['e', 'f', 'g']) await SecureClient.plain(port, clientId);
    await gone(dial(port));
    expect(server.refusals).toEqual({ rate: 4 });
  });

  test('of an address leaves the others alone', async () => {
    const accept = { connectRatePerAddress: 1, connectBurstPerAddress: 2 };
    const { server, clock } = await startSecure([{ ...PLAIN, accept }]);
    const { port } = server.addresses[0];
    for (const clientId of ['a', 'b']) await SecureClient.plain(port, clientId);
    await gone(dial(port));
    await SecureClient.on(dial(port, { localAddress: '127.0.0.2' }), 'c');
    expect(server.refusals).toEqual({ 'rate-per-address': 1 });
    clock.advance(1_000);
    await SecureClient.plain(port, 'd');
  });

  test('costs a TLS client that is refused no handshake', async () => {
    const accept = { connectRate: 1, connectBurst: 1 };
    const { server, log } = await startSecure([{ ...SECURE, accept }]);
    const { port } = server.addresses[0];
    await SecureClient.over(port, 'a');
    const first = log.lines.length;
    const opened = server.metrics.connectionsOpened;
    await gone(dialSecure(port));
    expect(server.refusals).toEqual({ rate: 1 });
    expect(server.metrics.connectionsOpened).toBe(opened);
    // The one line is about the limit: of TLS there is nothing to say.
    expect(log.lines.slice(first)).toMatchObject([{ level: 'warn', fields: { reason: 'rate' } }]);
  });
});

/** A stage of coming in: brings a connection there, and resolves when the server has seen it. */
interface Stage {
  readonly name: string;
  readonly listener: ListenerOptions;
  readonly come: (port: number, server: Server) => Promise<net.Socket>;
}

/** What the client sends before it stays where it is; it may be nothing. */
function sending(bytes: string | Uint8Array): Stage['come'] {
  return async (port) => {
    const socket = dial(port);
    await once(socket, 'connect');
    if (bytes.length > 0) await new Promise((resolve) => socket.write(bytes, resolve));
    return socket;
  };
}

async function secured(port: number): Promise<net.Socket> {
  const socket = dialSecure(port);
  await once(socket, 'secureConnect');
  return socket;
}

async function upgraded(port: number): Promise<net.Socket> {
  const socket = dial(port);
  socket.write(UPGRADE);
  await once(socket, 'data');
  return socket;
}

const HALF_HELLO = Buffer.from('1603010200010001fc0303', 'hex');
const STAGES: readonly Stage[] = [
  { name: 'TCP, nothing sent', listener: PLAIN, come: sending('') },
  { name: 'TCP, half of CONNECT', listener: PLAIN, come: sending(Buffer.from('100c0004', 'hex')) },
  { name: 'TLS, nothing sent', listener: SECURE, come: sending('') },
  { name: 'TLS, half of its ClientHello', listener: SECURE, come: sending(HALF_HELLO) },
  { name: 'TLS, its handshake done', listener: SECURE, come: secured },
  { name: 'PROXY, nothing sent', listener: BALANCED, come: sending('') },
  { name: 'PROXY, half of its header', listener: BALANCED, come: sending('PROXY TCP4 192.') },
  { name: 'PROXY, its header sent', listener: BALANCED, come: sending(PROXIED) },
  { name: 'WebSocket, nothing sent', listener: WEB_SOCKET, come: sending('') },
  { name: 'WebSocket, half of its request', listener: WEB_SOCKET, come: sending('GET / HTTP') },
  { name: 'WebSocket, its upgrade done', listener: WEB_SOCKET, come: upgraded },
];

describe('half_connected_max', () => {
  test.each(STAGES)('counts who is in: $name', async ({ listener, come }) => {
    const limits = { halfConnectedMax: 2 };
    const { server } = await startSecure([{ ...listener, limits }]);
    const { port } = server.addresses[0];
    const former = [await come(port, server), await come(port, server)];
    await until(() => server.stats().halfConnected === 2);
    await gone(dial(port));
    expect(server.refusals).toEqual({ 'half-connected': 1 });
    former[0].destroy();
    await until(() => server.stats().halfConnected === 1);
    await come(port, server);
    await until(() => server.stats().halfConnected === 2);
    await gone(dial(port));
    expect(server.refusals['half-connected']).toBe(2);
  });

  test('does not count who is connected', async () => {
    const limits = { halfConnectedMax: 1 };
    const { server } = await startSecure([{ ...SECURE, limits }]);
    const { port } = server.addresses[0];
    for (const clientId of ['a', 'b', 'c']) await SecureClient.over(port, clientId);
    expect(server.stats()).toMatchObject({ connections: 3, halfConnected: 0 });
    expect(server.refusals).toEqual({});
  });
});

const CYCLES = 1_000;
const AT_ONCE = 10;
const LEAVES = ['end', 'destroy', 'resetAndDestroy'] as const;

describe(`after ${CYCLES} clients that came and went`, () => {
  test.each([
    ...STAGES,
    {
      name: 'MQTT, connected',
      listener: PLAIN,
      come: async (port: number) => {
        const socket = dial(port);
        socket.write(connectPacket(4, `c${++clients}`, true));
        await once(socket, 'data');
        return socket;
      },
    },
  ])(
    'nothing is left: $name',
    async ({ listener, come }) => {
      const accept = { connectionsMax: 30, connectionsPerAddressMax: 30 };
      const server = new Server({
        listeners: [{ ...listener, accept }],
        limits: { loopLagMaxMs: 0 }, // this is what keeps the loop busy
      });
      await server.start();
      const { port } = server.addresses[0];
      const cycle = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) {
          const socket = await come(port, server);
          socket.resume();
          if (LEAVES[i % 3] === 'end' || 'encrypted' in socket) socket.end();
          else if (LEAVES[i % 3] === 'destroy') socket.destroy();
          else socket.resetAndDestroy();
          await until(() => socket.destroyed);
          // Its room is free a moment later than its socket.
          await until(() => server.stats().connections < 2 * AT_ONCE);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, () => cycle(CYCLES / AT_ONCE)));
      await until(() => server.stats().connections === 0);
      expect(server.stats()).toMatchObject({ halfConnected: 0, sessions: 0 });
      // All places are free: as many as ever may be there at once.
      const sockets: net.Socket[] = [];
      for (let i = 0; i < 30; i++) sockets.push(await come(port, server));
      await until(() => server.stats().connections === 30);
      expect(server.refusals).not.toHaveProperty('connections');
      expect(server.refusals).not.toHaveProperty('connections-per-address');
      for (const socket of sockets) socket.destroy();
      await until(() => server.stats().connections === 0);
      await server.stop();
    },
    60_000,
  );
});
let clients = 0;
