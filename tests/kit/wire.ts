// A server in memory under a fake clock, and clients that speak literal bytes with it. Nothing sleeps: `settle` runs the event
// loop until everything that was sent has been answered.

import { expect, onTestFinished } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import { Framer } from '../../src/protocol/framer.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { Server } from '../../src/server/server.ts';
import type { Stream, StreamSink } from '../../src/transport/stream.ts';
import { hex, toHex } from './hex.ts';

/** For tests of how topics that begin with `$` are matched: nobody may use them otherwise. */
export const RESERVED_OPEN = { accessRules: { reservedTopics: 'open' } } as const;

/** Turns that any exchange of a few packets over a pipe takes at most, with room to spare. */
const TURNS = 24;

/** Lets the event loop turn until all that is on its way has arrived. */
export async function settle(turns = TURNS): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A client that sends and expects bytes. */
export class WireClient implements StreamSink {
  readonly stream: Stream;
  /** The server ended its side, or the stream is gone. */
  isClosed = false;
  /** Packets so far. */
  received = 0;
  readonly #framer = new Framer(Number.POSITIVE_INFINITY);
  #packets: Uint8Array[] = [];

  constructor(stream: Stream) {
    this.stream = stream;
    stream.open(this);
  }

  /** Sends hex (see `hex`) or bytes, and lets the server answer. */
  async send(bytes: string | Uint8Array): Promise<void> {
    this.write(bytes);
    await settle();
  }

  /** Sends without waiting. */
  write(bytes: string | Uint8Array): void {
    this.stream.write(typeof bytes === 'string' ? hex(bytes) : bytes);
  }

  /** Everything received since the last call, a packet each. */
  async packets(): Promise<Uint8Array[]> {
    await settle();
    const packets = this.#packets;
    this.#packets = [];
    return packets;
  }

  /** The next one received; empty if there is none. What came after it stays. */
  async packet(): Promise<Uint8Array> {
    await settle();
    return this.#packets.shift() ?? new Uint8Array(0);
  }

  /** Exactly these packets came since the last call, in this order. */
  async expect(...packets: (string | Uint8Array)[]): Promise<void> {
    expect((await this.packets()).map(toHex)).toEqual(
      packets.map((packet) => toHex(typeof packet === 'string' ? hex(packet) : packet)),
    );
  }

  async expectNothing(): Promise<void> {
    await this.expect();
  }

  /** The server closed the connection, after exactly these packets. */
  async expectClosed(...packets: string[]): Promise<void> {
    await this.expect(...packets);
    expect(this.isClosed, 'the server closed the connection').toBe(true);
  }

  async expectOpen(): Promise<void> {
    await settle();
    expect(this.isClosed, 'the server closed the connection').toBe(false);
  }

  /** Goes without DISCONNECT. */
  async drop(): Promise<void> {
    this.stream.destroy();
    await settle();
  }

  onData(chunk: Uint8Array, length: number): void {
    this.#framer.feed(chunk, 0, length);
    while (this.#framer.next()) {
      const { bytes, start, end, packetLength, header } = this.#framer;
      const packet = new Uint8Array(packetLength);
      packet[0] = header;
      const bodyLength = end - start;
      let rest = bodyLength;
      let position = 1;
      do {
        packet[position++] = (rest & 127) | (rest > 127 ? 128 : 0);
        rest >>>= 7;
      } while (rest > 0);
      packet.set(bytes.subarray(start, end), packetLength - bodyLength);
      this.#packets.push(packet);
      this.received++;
    }
    this.#framer.keep();
  }

  onWritten(): void {}

  onEnd(): void {
    this.isClosed = true;
    this.stream.end();
  }

  onClose(): void {
    this.isClosed = true;
  }
}

export class TestServer {
  readonly server: Server;
  readonly clock: FakeClock;

  constructor(server: Server, clock: FakeClock) {
    this.server = server;
    this.clock = clock;
  }

  /** A stream into the server; nothing sent yet. */
  open(): WireClient {
    return new WireClient(this.server.connect());
  }

  /** A client that sent these bytes (its CONNECT) and got exactly these packets (its CONNACK). */
  async connect(connect: string, ...expected: string[]): Promise<WireClient> {
    const client = this.open();
    await client.send(connect);
    await client.expect(...expected);
    return client;
  }

  /**
   * A v3.1.1 client, connected; what followed its CONNACK is still to be expected. `clientId` in ASCII; clean session by
   * default; keep alive 0.
   */
  async v3(clientId: string, cleanSession = true): Promise<WireClient> {
    const client = this.open();
    await client.send(connectPacket(4, clientId, cleanSession));
    expect(toHex(await client.packet())).toMatch(/^20 02 0[01] 00$/);
    return client;
  }

  /** The same for v5; `properties` is hex without its length. */
  async v5(clientId: string, cleanStart = true, properties = ''): Promise<WireClient> {
    const client = this.open();
    await client.send(connectPacket(5, clientId, cleanStart, properties));
    expect(toHex(await client.packet())).toMatch(/^20 [0-9a-f]{2} 0[01] 00/);
    return client;
  }

  /** Lets time pass, and everything that falls due happen. */
  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await settle();
  }
}

/** CONNECT as bytes. Keep alive 0, no will, by default no user. */
export function connectPacket(
  version: 3 | 4 | 5,
  clientId: string,
  clean: boolean,
  properties = '',
  username: string | null = null,
): Uint8Array {
  const name = version === 3 ? 'MQIsdp' : 'MQTT';
  const section = hex(properties);
  const id = new TextEncoder().encode(clientId);
  const user = new TextEncoder().encode(username ?? '');
  const body = [
    0,
    name.length,
    ...new TextEncoder().encode(name),
    version,
    (clean ? 2 : 0) | (username === null ? 0 : 0x80),
    0,
    0,
    ...(version === 5 ? [section.length, ...section] : []),
    id.length >>> 8,
    id.length & 0xff,
    ...id,
    ...(username === null ? [] : [user.length >>> 8, user.length & 0xff, ...user]),
  ];
  if (body.length > 127) throw new Error('too long for this helper');
  return Uint8Array.of(0x10, body.length, ...body);
}

/** Starts a server for one test; it stops when the test ends. A clock is given when something else has to share it. */
export async function startServer(
  options: ServerOptions & { readonly clock?: FakeClock } = {},
): Promise<TestServer> {
  const clock = options.clock ?? new FakeClock();
  const server = new Server({ ...options, clock });
  await server.start();
  onTestFinished(async () => {
    server.abort();
    await server.stop();
  });
  return new TestServer(server, clock);
}
