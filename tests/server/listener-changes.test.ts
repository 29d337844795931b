// What becomes of connections that are not clients yet, and of listeners, when listeners change or the server stops: nobody is
// forgotten, whatever stage a connection is in. The clock stands still, so that no time limit tidies up.

import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { Server } from '../../src/server/server.ts';
import type { ListenerOptions } from '../../src/transport/listener-options.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { turns, until } from '../kit/until.ts';
import { Authority } from '../support/certificates.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';

const HOST = '127.0.0.1';
const TLS = new MaterialFolder().pair('server', Authority.root().server());

async function start(options: ServerOptions): Promise<Server> {
  const server = new Server({ clock: new FakeClock(), ...options });
  await server.start();
  onTestFinished(async () => {
    server.abort();
    await server.stop();
  });
  return server;
}

/** A connection that says nothing by itself. */
async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: HOST, port, allowHalfOpen: true });
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

describe('a stop ends who was on the way in when its listener changed', () => {
  const cases: Record<string, ListenerOptions> = {
    'before its PROXY header': { protocol: 'mqtt', proxy: { trusted: ['loopback'] } },
    'before its TLS handshake': { protocol: 'mqtts', tls: TLS },
    'before its upgrade': { protocol: 'ws' },
  };
  test.each(Object.entries(cases))('%s', async (_name, options) => {
    const listener = { ...options, host: HOST, port: 0 };
    const server = await start({ listeners: [listener] });
    const socket = await connect(server.addresses[0].port);
    await until(() => server.stats().halfConnected === 1);
    await server.setListeners([{ ...listener, accept: { connectionsMax: 7 } }]);
    expect(server.stats().halfConnected).toBe(1);
    const closed = once(socket.resume(), 'close');
    socket.on('end', () => socket.destroy());
    await server.stop();
    await closed;
  });
});

describe('a listener that is removed', () => {
  test('closes those whose CONNECT is not in, too', async () => {
    const server = await start({ listeners: [{ host: HOST, port: 0 }] });
    const client = PacketClient.tcp(server.addresses[0].port);
    onTestFinished(() => client.destroy());
    await until(() => server.stats().halfConnected === 1);
    await server.setListeners([]);
    await turns(20);
    client.sendConnect('late');
    await until(() => client.isClosed || client.packets.length > 0);
    expect(client.packets).toEqual([]);
    await until(() => server.stats().connections === 0);
  });
});

test('a server that stops while its listeners change has none afterwards', async () => {
  const server = await start({ listeners: [] });
  const changing = server.setListeners([{ host: HOST, port: 0, protocol: 'mqtts', tls: TLS }]);
  const refused = expect(changing).rejects.toThrow('the server is stopping');
  await server.stop();
  await refused;
  expect(server.addresses).toEqual([]);
});

test('a listener that changes its protocol is known by its new URL', async () => {
  const server = await start({ listeners: [{ host: HOST, port: 0 }] });
  const [{ port }] = server.addresses;
  await server.setListeners([{ host: HOST, port: 0, protocol: 'ws', path: '/mqtt' }]);
  expect(server.addresses[0].url).toBe(`ws://127.0.0.1:${port}/mqtt`);
});
