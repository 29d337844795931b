// Connections that end or break in one of the stages before they are streams: each is released once, and a health probe is no
// failure, whichever stage it ends in. The clock stands still, so that no time limit tidies up.

import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import { Server } from '../../src/server/server.ts';
import type { ListenerOptions } from '../../src/transport/listener-options.ts';
import { LogBook } from '../kit/log-book.ts';
import { until } from '../kit/until.ts';
import { Authority } from '../support/certificates.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';

const HOST = '127.0.0.1';
const AUTHORITY = Authority.root();
const TLS = new MaterialFolder().pair('server', AUTHORITY.server());
const PROXY = { trusted: ['loopback'] };
const HEADER = 'PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883\r\n';

interface Hub {
  readonly server: Server;
  readonly port: number;
  readonly book: LogBook;
}

async function start(options: ListenerOptions): Promise<Hub> {
  const book = new LogBook();
  const listeners = [{ host: HOST, port: 0, ...options }];
  const server = new Server({ clock: new FakeClock(), logger: book, listeners });
  await server.start();
  onTestFinished(async () => {
    server.abort();
    await server.stop();
  });
  return { server, port: server.addresses[0].port, book };
}

async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: HOST, port });
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket.resume();
}

describe('a health probe that sends a PROXY header and ends is no failure', () => {
  const cases: Record<string, ListenerOptions> = {
    mqtt: { protocol: 'mqtt', proxy: PROXY },
    mqtts: { protocol: 'mqtts', proxy: PROXY, tls: TLS },
    ws: { protocol: 'ws', proxy: PROXY },
    wss: { protocol: 'wss', proxy: PROXY, tls: TLS },
  };
  test.each(Object.entries(cases))('%s', async (_name, options) => {
    const { server, port, book } = await start(options);
    for (const header of [HEADER, 'PROXY UNKNOWN\r\n']) {
      const socket = await connect(port);
      socket.end(header);
      await once(socket, 'close');
      await until(() => server.stats().connections === 0);
    }
    expect(server.refusals).toEqual({});
    const told = book.lines.filter(({ fields }) => 'remote' in fields);
    expect(told.map(({ level }) => level)).toEqual(['debug', 'debug']);
  });
});

describe('an error of TLS after the handshake ends the connection', () => {
  const cases: Record<string, ListenerOptions> = {
    mqtts: { protocol: 'mqtts', tls: TLS },
    wss: { protocol: 'wss', tls: TLS },
  };
  test.each(Object.entries(cases))('%s', async (protocol, options) => {
    const { server, port } = await start(options);
    const below = await connect(port);
    below.pause();
    const socket = tls.connect({
      socket: below,
      ca: AUTHORITY.issued.cert,
      servername: 'localhost',
    });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    if (protocol === 'wss') {
      socket.write(
        'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n',
      );
      await once(socket, 'data');
    }
    // A record of application data that nobody encrypted.
    below.write(Buffer.from('1703030020'.padEnd(74, 'a'), 'hex'));
    await until(() => server.stats().connections === 0);
  });
});

test('a connection is released with the address it was admitted by, though its socket lost it', async () => {
  const accept = { connectionsPerAddressMax: 1 };
  const { server, port } = await start({ protocol: 'ws', accept });
  // A reset between two system calls: the second does not know the peer any more.
  const sockets = net.Socket.prototype as unknown as { _getpeername(): object };
  const lost = vi.spyOn(sockets, '_getpeername').mockReturnValue({});
  const first = await connect(port);
  await until(() => server.stats().connections === 1);
  lost.mockRestore();
  first.destroy();
  await until(() => server.stats().connections === 0);
  await connect(port);
  await until(
    () => server.stats().connections === 1 || server.refusals['connections-per-address'] > 0,
  );
  expect(server.refusals).toEqual({});
});
