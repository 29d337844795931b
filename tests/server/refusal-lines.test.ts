// What an operator reads of connections that are not let in: why, and which key decides; and how little of it there is when
// thousands come.

import { once } from 'node:events';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { Limits } from '../../src/core/limits.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { Server } from '../../src/server/server.ts';
import type { ListenerOptions } from '../../src/transport/listener-options.ts';
import { LogBook } from '../kit/log-book.ts';
import { until } from '../kit/until.ts';

interface Hub {
  readonly port: number;
  readonly book: LogBook;
  readonly clock: FakeClock;
  readonly server: Server;
}

async function start(options: ListenerOptions, limits: Partial<Limits> = {}): Promise<Hub> {
  const book = new LogBook();
  const clock = new FakeClock();
  const listeners = [{ host: '127.0.0.1', port: 0, ...options }];
  const server = new Server({ listeners, clock, logger: book, limits });
  await server.start();
  onTestFinished(async () => {
    server.abort();
    await server.stop();
  });
  return { port: server.addresses[0].port, book, clock, server };
}

async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** One that is not let in, or sends this and is closed for it. */
async function comeInVain(port: number, bytes = ''): Promise<void> {
  const socket = await connect(port);
  if (bytes !== '') socket.write(bytes);
  const closed = once(socket, 'close');
  socket.resume();
  await closed;
}

const CASES: [string, string, ListenerOptions, Partial<Limits>][] = [
  ['server-connections', 'connections_max of [limits]', {}, { connectionsMax: 1 }],
  ['connections', 'connections_max', { accept: { connectionsMax: 1 } }, {}],
  ['half-connected', 'half_connected_max', {}, { halfConnectedMax: 1 }],
  ['rate', 'connect_rate', { accept: { connectRate: 1, connectBurst: 1 } }, {}],
  [
    'connections-per-address',
    'connections_per_address_max',
    { accept: { connectionsPerAddressMax: 1 } },
    {},
  ],
  [
    'rate-per-address',
    'connect_rate_per_address',
    { accept: { connectRatePerAddress: 1, connectBurstPerAddress: 1 } },
    {},
  ],
];

test.each(CASES)('%s: a line that names %s, and one more for the rest', async (...row) => {
  const [reason, key, options, limits] = row;
  const { port, book, clock, server } = await start(options, limits);
  await connect(port);
  await until(() => server.stats().connections === 1);
  for (let i = 0; i < 5; i++) await comeInVain(port);
  const lines = () => book.lines.filter(({ fields }) => fields.reason === reason);
  expect(lines()).toHaveLength(1);
  expect(lines()[0].message).toContain(key);
  expect(lines()[0].fields).toMatchObject({ listener: server.addresses[0].url });
  clock.advance(10_100);
  expect(lines()).toHaveLength(2);
  expect(lines()[1].fields.again).toBe(4);
});

const STRANGERS: [string, ListenerOptions, string][] = [
  ['garbage instead of a CONNECT', {}, 'GET / HTTP/1.1\r\n\r\n'],
  ['an untrusted balancer', { proxy: { trusted: ['192.0.2.1'] } }, ''],
  ['no PROXY header', { proxy: { trusted: ['loopback'] } }, 'hello'],
  ['MQTT for HTTP', { protocol: 'ws' }, '\x10\x00'],
];

test.each(STRANGERS)('of many who bring %s one is told, the others counted', async (...row) => {
  const [, options, bytes] = row;
  const { port, book, clock, server } = await start(options);
  const told = () =>
    book.lines.filter(({ level, fields }) => level !== 'debug' && 'remote' in fields);
  for (let i = 0; i < 5; i++) await comeInVain(port, bytes);
  await until(() => server.stats().connections === 0 && told().length > 0);
  expect(told()).toHaveLength(1);
  clock.advance(10_100);
  expect(told()).toHaveLength(2);
  expect(told()[1].fields.again).toBe(4);
});
