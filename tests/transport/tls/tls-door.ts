// A TLS listener for tests: a port on loopback whose sockets go through the handshake stage, under a fake clock, with everything
// that comes of it written down.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { onTestFinished } from 'vitest';
import { FakeClock } from '../../../src/lib/clock.ts';
import { TimerWheel } from '../../../src/lib/timer-wheel.ts';
import {
  DEFAULT_HANDSHAKE_LIMITS,
  type HandshakeLimits,
  type HandshakeRefusal,
  TlsHandshakes,
  type TlsSetLike,
} from '../../../src/transport/tls/handshake.ts';
import { LogBook } from '../../kit/log-book.ts';
import { until } from '../../kit/until.ts';
import { Authority, type Issued } from '../../support/certificates.ts';

export interface SetOptions {
  readonly clientCertificate?: 'none' | 'optional' | 'required';
  readonly alpn?: readonly string[];
  readonly minVersion?: tls.SecureVersion;
  readonly ciphers?: string;
  readonly crl?: string;
  readonly ticketKeys?: Buffer;
  readonly server?: Issued;
  readonly ca?: Authority;
  /** Certificates for other names. */
  readonly sni?: Readonly<Record<string, Issued>>;
  /** Serial numbers. */
  readonly revoked?: readonly string[];
}

export const CA = Authority.root();
export const SERVER = CA.server();

/** The material of a listener, as reloads replace it. */
export function makeSet(options: SetOptions = {}): TlsSetLike {
  const ticketKeys = options.ticketKeys ?? randomBytes(48);
  const contextOf = (certificate: Issued): tls.SecureContext =>
    tls.createSecureContext({
      cert: certificate.cert,
      key: certificate.key,
      ca: (options.ca ?? CA).issued.cert,
      crl: options.crl,
      minVersion: options.minVersion ?? 'TLSv1.2',
      ciphers: options.ciphers,
      honorCipherOrder: true,
      sessionIdContext: 'door',
      ticketKeys,
    } as tls.SecureContextOptions);
  const context = contextOf(options.server ?? SERVER);
  const named = new Map(
    Object.entries(options.sni ?? {}).map(([name, issued]) => [name, contextOf(issued)]),
  );
  return {
    contextFor: (serverName) => named.get(serverName ?? '') ?? context,
    ticketKeys,
    options: {
      clientCertificate: options.clientCertificate ?? 'none',
      alpn: options.alpn ?? ['mqtt'],
    },
    isRevoked: (certificate) => (options.revoked ?? []).includes(certificate.serialNumber),
  };
}

export interface Admitted {
  readonly socket: tls.TLSSocket;
  readonly certificateDer: Buffer | null;
  readonly serverName: string | null;
}

export interface Refused {
  readonly reason: HandshakeRefusal;
  readonly address: string;
}

export class TlsDoor {
  readonly clock = new FakeClock();
  readonly log = new LogBook();
  readonly material: { current: TlsSetLike };
  readonly admitted: Admitted[] = [];
  readonly refused: Refused[] = [];
  readonly handshakes: TlsHandshakes;
  /** All sockets that were accepted, before TLS. */
  readonly accepted: net.Socket[] = [];
  /** The address that the next clients come from; null = their own. */
  address: string | null = null;
  /** What happens to a socket before it is taken. */
  before: ((socket: net.Socket) => Promise<void>) | null = null;
  port = 0;
  readonly #server: net.Server;
  readonly #wheel: TimerWheel;

  private constructor(set: TlsSetLike, limits: Partial<HandshakeLimits>) {
    this.material = { current: set };
    this.#wheel = new TimerWheel(this.clock);
    this.handshakes = new TlsHandshakes(
      { ...DEFAULT_HANDSHAKE_LIMITS, ...limits },
      {
        material: this.material,
        clock: this.clock,
        wheel: this.#wheel,
        logger: this.log,
        limitKey: (address) => address,
        onRefused: (reason, address) => this.refused.push({ reason, address }),
      },
    );
    this.#server = net.createServer(
      { allowHalfOpen: true, noDelay: true, highWaterMark: 1 },
      (socket) => {
        this.accepted.push(socket);
        const address = this.address ?? socket.remoteAddress ?? '';
        void (this.before ?? (async () => {}))(socket).then(() => this.#take(socket, address));
      },
    );
  }

  static async open(
    options: SetOptions = {},
    limits: Partial<HandshakeLimits> = {},
  ): Promise<TlsDoor> {
    const door = new TlsDoor(makeSet(options), limits);
    door.#server.listen(0, '127.0.0.1');
    await once(door.#server, 'listening');
    door.port = (door.#server.address() as net.AddressInfo).port;
    onTestFinished(() => door.#close());
    return door;
  }

  /** A client that verifies the server by the test's CA. Resolves when its side of the handshake is done. */
  async connect(options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
    const socket = this.begin(options);
    await once(socket, 'secureConnect');
    return socket;
  }

  /** The same, not waited for; its errors are nobody's. */
  begin(options: tls.ConnectionOptions = {}): tls.TLSSocket {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: this.port,
      ca: CA.issued.cert,
      ...options,
    });
    socket.on('error', () => {});
    onTestFinished(() => void socket.destroy());
    return socket;
  }

  /** A client that does not speak TLS, or not yet; its errors are nobody's. */
  async dial(allowHalfOpen = false): Promise<net.Socket> {
    const before = this.accepted.length;
    const socket = net.connect({ port: this.port, host: '127.0.0.1', allowHalfOpen });
    socket.on('error', () => {});
    onTestFinished(() => void socket.destroy());
    await until(() => this.accepted.length > before);
    return socket;
  }

  /** The only client that was admitted. */
  async admittedOne(): Promise<Admitted> {
    await until(() => this.admitted.length > 0);
    const [admitted] = this.admitted;
    if (admitted === undefined || this.admitted.length > 1) throw new Error('more than one');
    return admitted;
  }

  #take(socket: net.Socket, address: string): void {
    const peer = { address, port: socket.remotePort ?? 0 };
    this.handshakes.take(socket, peer, (secure, certificateDer, serverName) => {
      secure.on('error', () => {});
      this.admitted.push({ socket: secure, certificateDer, serverName });
    });
  }

  #close(): void {
    this.handshakes.close();
    this.#wheel.close();
    for (const { socket } of this.admitted) socket.destroy();
    for (const socket of this.accepted) socket.destroy();
    this.#server.close();
  }
}
