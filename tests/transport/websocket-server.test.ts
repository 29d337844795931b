// MQTT over WebSocket end to end: a server, real clients, and clients that break the rules of either protocol.

import { once } from 'node:events';
import mqtt from 'mqtt';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Limits } from '../../src/core/limits.ts';
import type { Logger } from '../../src/core/logger.ts';
import { SILENT } from '../../src/core/logger.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { TimerWheel } from '../../src/lib/timer-wheel.ts';
import { Server } from '../../src/server/server.ts';
import type { WebSocketOptions } from '../../src/transport/websocket/options.ts';
import { clientFrame } from '../kit/frames.ts';
import { hex, toHex } from '../kit/hex.ts';
import { isBun } from '../kit/runtime.ts';
import { turns, until } from '../kit/until.ts';
import { WebSocketListener } from '../kit/websocket-listener.ts';
import { connectPacket } from '../kit/wire.ts';

interface Hub {
  readonly server: Server;
  readonly url: string;
  readonly clock: FakeClock;
  readonly log: string[];
}

async function startHub(
  options: Partial<WebSocketOptions> = {},
  limits: Partial<Limits> = {},
): Promise<Hub> {
  const clock = new FakeClock();
  const log: string[] = [];
  const info = (_: object, message: string) => {
    log.push(message);
  };
  const logger: Logger = { ...SILENT, info, warn: info, error: info, child: () => logger };
  const listener = new WebSocketListener(options, logger, new TimerWheel(clock));
  const server = new Server({
    listeners: [listener],
    clock,
    // The transport's own bound is what is tested here.
    limits: { unacceptedBytesMax: 1_048_576, ...limits },
  });
  await server.start();
  onTestFinished(async () => {
    server.abort();
    await server.stop();
  });
  return { server, url: `ws://127.0.0.1:${server.addresses[0].port}/mqtt`, clock, log };
}

/** A WebSocket client that speaks bytes. */
class Client {
  readonly webSocket: WebSocket;
  readonly messages: Uint8Array[] = [];
  closeCode = 0;
  pings = 0;

  constructor(url: string, options: { autoPong?: boolean; compresses?: boolean } = {}) {
    const { autoPong = true, compresses = false } = options;
    this.webSocket = new WebSocket(url, ['mqtt'], {
      autoPong,
      perMessageDeflate: compresses ? { threshold: 0 } : false,
    });
    this.webSocket.on('message', (data: Uint8Array) => this.messages.push(data));
    this.webSocket.on('ping', () => this.pings++);
    this.webSocket.on('error', () => {});
    this.webSocket.on('close', (code) => {
      this.closeCode = code;
    });
    onTestFinished(() => this.webSocket.terminate());
  }

  static async open(...args: ConstructorParameters<typeof Client>): Promise<Client> {
    const client = new Client(...args);
    await once(client.webSocket, 'open');
    return client;
  }

  /** Bytes as one message each. */
  send(...messages: Uint8Array[]): void {
    for (const message of messages) this.webSocket.send(message);
  }

  get received(): string {
    return toHex(Buffer.concat(this.messages));
  }

  async closed(): Promise<number> {
    await until(() => this.closeCode !== 0);
    return this.closeCode;
  }
}

const CONNACK = '20 02 00 00';

describe('MQTT.js over WebSocket', () => {
  test.each([4, 5] as const)('sends and gets all QoS in version %i', async (protocolVersion) => {
    const { url } = await startHub();
    const client = await mqtt.connectAsync(url, { protocolVersion, reconnectPeriod: 0 });
    onTestFinished(() => client.endAsync(true));
    const arrived: string[] = [];
    client.on('message', (topic, payload) => arrived.push(`${topic} ${payload}`));
    await client.subscribeAsync('a/#', { qos: 2 });
    for (const qos of [0, 1, 2] as const) await client.publishAsync(`a/${qos}`, 'x', { qos });
    await until(() => arrived.length === 3);
    expect(arrived).toEqual(['a/0 x', 'a/1 x', 'a/2 x']);
  });

  test('sends and gets a megabyte, and thousands of messages in order', async () => {
    const { url } = await startHub({ unacceptedBytesMax: 1_000 });
    const client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
    onTestFinished(() => client.endAsync(true));
    const arrived: Buffer[] = [];
    client.on('message', (_, payload) => arrived.push(payload));
    await client.subscribeAsync('t', { qos: 0 });
    await client.publishAsync('t', 'x'.repeat(1_048_576), { qos: 1 });
    for (let i = 0; i < 3_000; i++) client.publish('t', String(i), { qos: 0 });
    await until(() => arrived.length === 3_001);
    expect(arrived[0].length).toBe(1_048_576);
    expect(arrived.slice(1).map(String)).toEqual(Array.from({ length: 3_000 }, (_, i) => `${i}`));
  });

  test.skipIf(isBun)('is let in with compression, too', async () => {
    const { url } = await startHub({ compression: true });
    const wsOptions = { perMessageDeflate: { threshold: 0 } };
    const client = await mqtt.connectAsync(url, { reconnectPeriod: 0, wsOptions });
    onTestFinished(() => client.endAsync(true));
    const arrived: number[] = [];
    client.on('message', (_, payload) => arrived.push(payload.length));
    await client.subscribeAsync('t', { qos: 1 });
    for (let i = 0; i < 20; i++) await client.publishAsync('t', 'x'.repeat(i * 1_000), { qos: 1 });
    await until(() => arrived.length === 20);
    expect(arrived).toEqual(Array.from({ length: 20 }, (_, i) => i * 1_000));
  });
});

// Bun puts its own package in the place of ws, which compresses: docs/runtimes.md.
describe.each(isBun ? [false] : [false, true])(
  'a client of WebSockets, compressing: %s',
  (compresses) => {
    const open = async (options: Partial<WebSocketOptions> = {}, limits: Partial<Limits> = {}) => {
      const hub = await startHub({ compression: compresses, ...options }, limits);
      return { ...hub, client: await Client.open(hub.url, { compresses }) };
    };

    test('may cut packets anywhere, and put several into one message [MQTT-6.0.0-2]', async () => {
      const { client } = await open();
      const bytes = Buffer.concat([
        connectPacket(4, 'c', true),
        hex("82 06 0001 0001 't' 00"), // SUBSCRIBE
        hex("30 04 0001 't' 'x'"), // PUBLISH
        hex('c0 00'), // PINGREQ
      ]);
      client.send(bytes.subarray(0, 3), bytes.subarray(3, 20), bytes.subarray(20));
      const expected = `${CONNACK} 90 03 00 01 00 30 04 00 01 74 78 d0 00`;
      await until(() => client.received.length >= expected.length);
      expect(client.received).toBe(expected);
    });

    test('gets one message for all that one turn has to say', async () => {
      const { client } = await open();
      client.send(Buffer.concat([connectPacket(4, 'c', true), hex('c0 00'), hex('c0 00')]));
      await until(() => client.messages.length > 0);
      await turns(50);
      expect(client.messages.map(toHex)).toEqual([`${CONNACK} d0 00 d0 00`]);
    });

    test('that sends text is closed with 1003, and logged [MQTT-6.0.0-1]', async () => {
      const { client, log } = await open();
      client.webSocket.send('MQTT');
      expect(await client.closed()).toBe(1003);
      expect(log.some((line) => line.startsWith('the WebSocket was closed: MQTT comes'))).toBe(
        true,
      );
    });

    test('that sends text after packets gets their answers', async () => {
      const { client } = await open();
      client.send(connectPacket(4, 'c', true));
      await until(() => client.received === CONNACK);
      client.webSocket.send('MQTT');
      expect(await client.closed()).toBe(1003);
    });

    test('may send 64 KiB before its CONNECT was accepted, and not a byte more', async () => {
      const { client, server } = await open();
      // A CONNECT that announces 200,000 bytes, cut into messages.
      client.send(hex('10 c0 9a 0c 0004 "MQTT" 04 02 0000'.replaceAll('"', "'")));
      for (let i = 0; i < 15; i++) client.send(noise(4_096));
      await turns(100);
      expect([client.closeCode, server.stats().halfConnected]).toEqual([0, 1]);
      client.send(noise(4_096), noise(4_096));
      expect(await client.closed()).toBe(1009);
      await until(() => server.stats().halfConnected === 0);
    });

    test('may not send more at once before its CONNECT was accepted', async () => {
      const { client, server } = await open();
      client.send(Buffer.concat([hex("10 c0 9a 0c 0004 'MQTT' 04 02 0000"), noise(66_000)]));
      expect(await client.closed()).toBe(1009);
      await until(() => server.stats().halfConnected === 0);
    });

    test('may send any number of bytes afterwards', async () => {
      const { client } = await open({ unacceptedBytesMax: 100 });
      client.send(connectPacket(4, 'c', true));
      await until(() => client.received === CONNACK);
      const payload = noise(1_000);
      const publish = Buffer.concat([hex("30 eb 07 0001 't'"), payload]);
      for (let i = 0; i < 50; i++) client.send(publish);
      client.send(hex('c0 00'));
      await until(() => client.received === `${CONNACK} d0 00`);
    });

    test('may not send a message above the maximum packet size', async () => {
      const { client } = await open({ payloadMax: 10_000 });
      client.send(connectPacket(4, 'c', true));
      await until(() => client.received === CONNACK);
      client.send(new Uint8Array(10_001));
      expect(await client.closed()).toBe(1009);
    });

    test('that says goodbye is told so, and its session ends without an error', async () => {
      const { client, log, server } = await open();
      client.send(connectPacket(4, 'c', true));
      await until(() => client.received === CONNACK);
      client.webSocket.close(1000, 'bye');
      expect(await client.closed()).toBe(1000);
      await until(() => server.stats().connections === 0);
      expect(log).toEqual([]);
    });

    test('that is ended by the server gets 1000 after its DISCONNECT', async () => {
      const { client, server } = await open();
      client.send(connectPacket(5, 'c', true));
      await until(() => client.messages.length > 0);
      client.messages.length = 0;
      server.disconnectClient('c', 0x98);
      expect(await client.closed()).toBe(1000);
      expect(client.received).toMatch(/^e0 [0-9a-f]{2} 98/);
      await until(() => server.stats().connections === 0);
    });

    test('is pinged, and stays while it answers', async () => {
      const { client, clock, server } = await open({ pingIntervalMs: 25_000 });
      client.send(connectPacket(4, 'c', true));
      await until(() => client.received === CONNACK);
      for (let i = 1; i <= 3; i++) {
        clock.advance(24_000);
        await turns(20);
        expect(client.pings).toBe(i - 1);
        clock.advance(1_100);
        await until(() => client.pings === i);
        await turns(100);
      }
      expect([client.closeCode, server.stats().connections]).toEqual([0, 1]);
    });

    test('that answers no ping is closed at the next', async () => {
      const hub = await startHub({ compression: compresses, pingIntervalMs: 25_000 });
      const client = await Client.open(hub.url, { compresses, autoPong: false });
      client.send(connectPacket(4, 'c', true));
      await until(() => client.received === CONNACK);
      hub.clock.advance(25_100);
      await until(() => client.pings === 1);
      await turns(100);
      expect(client.closeCode).toBe(0);
      hub.clock.advance(25_100);
      expect(await client.closed()).toBe(1006);
      await until(() => hub.server.stats().connections === 0);
    });

    test('that sends anything else instead of an answer stays', async () => {
      const hub = await startHub({ compression: compresses, pingIntervalMs: 25_000 });
      const client = await Client.open(hub.url, { compresses, autoPong: false });
      client.send(connectPacket(4, 'c', true));
      await until(() => client.received === CONNACK);
      for (let i = 0; i < 3; i++) {
        hub.clock.advance(25_100);
        await until(() => client.pings === i + 1);
        client.send(hex('c0 00'));
        await until(() => client.messages.length === i + 2);
      }
      expect(client.closeCode).toBe(0);
    });

    test('gets no pings where they are off', async () => {
      const { client, clock } = await open({ pingIntervalMs: 0 });
      client.send(connectPacket(4, 'c', true));
      await until(() => client.received === CONNACK);
      clock.advance(600_000);
      await turns(100);
      expect([client.pings, client.closeCode]).toEqual([0, 0]);
    });

    test('gets its pings answered, also in the middle of a message', async () => {
      const { client } = await open();
      client.send(connectPacket(4, 'c', true));
      await until(() => client.received === CONNACK);
      const pongs: string[] = [];
      client.webSocket.on('pong', (data) => pongs.push(String(data)));
      client.webSocket.send(hex('c0'), { fin: false });
      client.webSocket.ping('one');
      client.webSocket.send(hex('00'), { fin: true });
      await until(() => pongs.length === 1 && client.received === `${CONNACK} d0 00`);
      expect(pongs).toEqual(['one']);
    });
  },
);

describe.skipIf(isBun)('a client that compresses', () => {
  test('may not have a message inflated that goes on for ever before its CONNECT', async () => {
    const { url, server } = await startHub({ compression: true });
    const client = await Client.open(url, { compresses: true });
    client.webSocket.send(new Uint8Array(100_000), { fin: false });
    expect(await client.closed()).toBe(1009);
    await until(() => server.stats().halfConnected === 0);
  });

  test('may send a large message afterwards', async () => {
    const { url } = await startHub({ compression: true });
    const client = await Client.open(url, { compresses: true });
    client.send(connectPacket(4, 'c', true));
    await until(() => client.received === CONNACK);
    client.send(
      Buffer.concat([hex("30 a3 8d 06 0001 't'"), new Uint8Array(100_000)]),
      hex('c0 00'),
    );
    await until(() => client.received === `${CONNACK} d0 00`);
  });
});

/** Past the client's own framing. */
function writeRaw(client: Client, bytes: Uint8Array): void {
  (client.webSocket as unknown as { _socket: { write(bytes: Uint8Array): void } })._socket.write(
    bytes,
  );
}

/** Bytes that zlib cannot make shorter. */
function noise(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 13);
}

describe('a client that frames by itself', () => {
  const ping = (client: Client) => client.webSocket.ping(Buffer.alloc(125, 1));

  test('and asks thousands of times without reading costs no memory: one answer waits', async () => {
    const { client, server } = await startHub().then(async (hub) => ({
      ...hub,
      client: await Client.open(hub.url),
    }));
    client.send(connectPacket(4, 'c', true));
    await until(() => client.received === CONNACK);
    let pongs = 0;
    client.webSocket.on('pong', () => pongs++);
    client.webSocket.pause();
    for (let i = 0; i < 400; i++) {
      for (let k = 0; k < 250; k++) ping(client);
      await turns(1);
    }
    await until(() => client.webSocket.bufferedAmount === 0);
    client.webSocket.resume();
    client.send(hex('c0 00'));
    await until(() => client.received === `${CONNACK} d0 00`);
    expect(pongs).toBeLessThan(100_000);
    expect(server.stats().connections).toBe(1);
  });

  // On Bun the client is Bun's own, which lets nobody past its framing; here and below.
  test.skipIf(isBun)(
    'and asks faster than it can want to know gets few answers, to the last for sure',
    async () => {
      const { url } = await startHub();
      const client = await Client.open(url);
      client.send(connectPacket(4, 'c', true));
      await until(() => client.received === CONNACK);
      const pongs: string[] = [];
      client.webSocket.on('pong', (data) => pongs.push(String(data)));
      const pings = Array.from({ length: 5_000 }, (_, i) => clientFrame(9, Buffer.from(`${i}`)));
      writeRaw(client, Buffer.concat(pings));
      await until(() => pongs.includes('4999'));
      expect(pongs.length).toBeLessThan(1_000);
      expect(pongs.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
    },
  );

  test.skipIf(isBun)('is closed with 1002 for a frame that is none', async () => {
    const { url, server } = await startHub();
    const client = await Client.open(url);
    client.send(connectPacket(4, 'c', true));
    await until(() => client.received === CONNACK);
    // An unmasked frame.
    writeRaw(client, hex('82 02 c0 00'));
    expect(await client.closed()).toBe(1002);
    await until(() => server.stats().connections === 0);
  });
});
