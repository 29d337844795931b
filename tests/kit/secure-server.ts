// A server with listeners on loopback under a fake clock, certificates for all who take part, and clients that come by TLS or
// without. What operators would read is written down.

import net from 'node:net';
import tls from 'node:tls';
import { expect, onTestFinished } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import { PacketType, type ProtocolVersion, type PublishPacket } from '../../src/protocol/index.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { Server } from '../../src/server/server.ts';
import type { ListenerOptions, ListenerTlsOptions } from '../../src/transport/listener-options.ts';
import { SocketStream } from '../../src/transport/socket-stream.ts';
import { Authority, type CertificateOptions, type Issued } from '../support/certificates.ts';
import type { MaterialFolder } from '../transport/tls/material-folder.ts';
import { LogBook, type LogLine } from './log-book.ts';
import { type ConnectOptions, PacketClient } from './packet-client.ts';
import { until } from './until.ts';

/** Whom all sides believe. */
export const CA = Authority.root();
export const SERVER = CA.server();

export interface SecureServer {
  readonly server: Server;
  readonly clock: FakeClock;
  readonly log: LogBook;
}

/** Starts a server for one test; its wall clock begins now, as certificates do. */
export async function startSecure(
  listeners: readonly ListenerOptions[],
  options: Partial<ServerOptions> = {},
): Promise<SecureServer> {
  const clock = new FakeClock(1_000, Date.now());
  const log = new LogBook();
  const server = new Server({ listeners, clock, logger: log, ...options });
  onTestFinished(async () => {
    server.abort();
    await server.stop();
  });
  await server.start();
  return { server, clock, log };
}

/** A listener with TLS on any free port, whose files are in `folder`. */
export function mqtts(
  folder: MaterialFolder,
  changes: Partial<ListenerTlsOptions> = {},
  rest: Partial<ListenerOptions> = {},
): ListenerOptions {
  const tlsOptions = { ...folder.pair('server', SERVER), ...changes };
  return { protocol: 'mqtts', host: '127.0.0.1', port: 0, tls: tlsOptions, ...rest };
}

/** The options that make clients show a certificate of `CA`. */
export function mutual(
  folder: MaterialFolder,
  clientCertificate: 'optional' | 'required' = 'required',
): Partial<ListenerTlsOptions> {
  return { clientCertificate, ca: folder.write('ca.crt', CA.issued.cert) };
}

export function clientOf(options: CertificateOptions): tls.ConnectionOptions {
  return shown(CA.client(options));
}

/** How a client shows that certificate. */
export function shown({ cert, key }: Issued): tls.ConnectionOptions {
  return { cert, key };
}

/** A socket without TLS; its errors are nobody's. */
export function dial(port: number, options: Partial<net.TcpNetConnectOpts> = {}): net.Socket {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true, ...options });
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** A TLS socket that believes in `CA`; its errors are nobody's. */
export function dialSecure(port: number, options: tls.ConnectionOptions = {}): tls.TLSSocket {
  const ca = CA.issued.cert;
  const socket = tls.connect({ host: '127.0.0.1', port, ca, ...options });
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  return socket;
}

export class SecureClient extends PacketClient {
  readonly socket: net.Socket;

  constructor(socket: net.Socket, version: ProtocolVersion = 5) {
    super(new SocketStream(socket, 'test'), version);
    this.socket = socket;
  }

  /** A client of TLS that is connected. */
  static async over(
    port: number,
    clientId: string,
    options: tls.ConnectionOptions = {},
    connect: ConnectOptions = {},
  ): Promise<SecureClient> {
    return await SecureClient.on(dialSecure(port, options), clientId, connect);
  }

  /** A client without TLS that is connected. */
  static async plain(port: number, clientId: string): Promise<SecureClient> {
    return await SecureClient.on(dial(port), clientId);
  }

  static async on(
    socket: net.Socket,
    clientId: string,
    connect: ConnectOptions = {},
  ): Promise<SecureClient> {
    const client = new SecureClient(socket);
    expect((await client.connect(clientId, connect)).reasonCode).toBe(0);
    return client;
  }

  async subscribed(topicFilter: string): Promise<this> {
    this.subscribe({ topicFilter, qos: 1 });
    await this.next(PacketType.Suback);
    return this;
  }
}

/** Sends a message from one to the other at QoS 1: both are served. */
export async function expectServed(from: PacketClient, to: PacketClient): Promise<void> {
  const text = `${++count}`;
  from.publish('served', text, 1);
  const packet = (await to.next(PacketType.Publish)) as PublishPacket;
  expect(Buffer.from(packet.payload).toString()).toBe(text);
  to.acknowledge(4, packet.packetId);
  expect(await from.next(PacketType.Puback)).toMatchObject({ reasonCode: 0 });
  // Nothing of it is in flight any more once this is answered.
  to.send({ type: PacketType.Pingreq });
  await to.next(PacketType.Pingresp);
}
let count = 0;

/** What an operator reads about those who were not let in: no debug lines, and nothing about those who were. */
export function complaints(log: LogBook, from = 0): LogLine[] {
  return log.lines
    .slice(from)
    .filter(({ level, message }) => level !== 'debug' && !message.startsWith('client '));
}

/** The server has heard from the socket, and it is gone. */
export async function gone(socket: net.Socket): Promise<void> {
  socket.resume();
  await until(() => socket.destroyed);
}
