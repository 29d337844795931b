// What the log says of each client that comes and of each that goes: one line each, with who ended it and why.

import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { Server } from '../../src/server/server.ts';
import { MemoryStream } from '../../src/transport/memory.ts';
import {
  type BoundAddress,
  type Listener,
  OPEN_GATE,
  type Stream,
} from '../../src/transport/stream.ts';
import { CONNACK } from '../kit/answers.ts';
import { hex } from '../kit/hex.ts';
import { LogBook } from '../kit/log-book.ts';
import { isBun } from '../kit/runtime.ts';
import { until } from '../kit/until.ts';
import { settle, startServer, WireClient } from '../kit/wire.ts';

/** A door whose streams a test can make fail. */
class FailingDoor implements Listener {
  #accept: (stream: Stream) => void = () => {};
  #gate = OPEN_GATE;

  async listen(accept: (stream: Stream) => void, gate = OPEN_GATE): Promise<BoundAddress> {
    this.#accept = accept;
    this.#gate = gate;
    return { host: 'door', port: 0 };
  }

  async close(): Promise<void> {}

  open(): { client: WireClient; fail(error: Error): void } {
    const [near, far] = MemoryStream.pair();
    const open = far.open.bind(far);
    const ends = { fail: (_: Error): void => {} };
    far.open = (sink) => {
      ends.fail = (error) => sink.onClose(error);
      open(sink);
    };
    this.#gate.admit(far.remoteAddress);
    this.#accept(far);
    return { client: new WireClient(near), fail: (error) => ends.fail(error) };
  }
}

async function start(options: ServerOptions & { clock?: undefined } = {}) {
  const book = new LogBook();
  const door = new FailingDoor();
  const broker = await startServer({ ...options, logger: book, listeners: [door] });
  const about = (message: string) =>
    book.lines.filter((line) => line.message === message).map(({ fields }) => fields);
  return {
    broker,
    book,
    failing: () => door.open(),
    arrivals: () => about('client connected'),
    departures: () => about('client disconnected'),
  };
}

test('a connect says who, from where, how, and with which session', async () => {
  const hub = await start();
  await hub.broker.connect(
    `10 24 0004 'MQTT' 05 c6 003c
     05 11 0000003c
     0001 'c'
     00 0001 't' 0001 'w'
     0003 'ann' 0003 'pwd'`,
    CONNACK,
  );
  expect(hub.arrivals()).toEqual([
    {
      clientId: 'c',
      username: 'ann',
      remote: expect.stringMatching(/^memory:\d+$/),
      listener: 'memory',
      transport: 'memory',
      version: 5,
      keepAlive: 60,
      cleanStart: true,
      sessionPresent: false,
      sessionExpiry: 60,
      will: true,
      loginMs: 0,
    },
  ]);
});

test('the login took as long as its authenticator', async () => {
  let letIn = (): void => {};
  const authenticate = () =>
    new Promise<{ reasonCode: 0; username: null }>((resolve) => {
      letIn = () => resolve({ reasonCode: 0, username: null });
    });
  const hub = await start({ authenticator: { authenticate } });
  const client = hub.broker.open();
  await client.send("10 0d 0004 'MQTT' 04 02 0000 0001 'c'");
  await hub.broker.advance(1_500);
  letIn();
  await settle();
  expect(hub.arrivals()).toMatchObject([{ clientId: 'c', loginMs: 1_500 }]);
});

test('a disconnect counts what was read and written, and what waited at that moment', async () => {
  const hub = await start();
  const client = await hub.broker.v5('c', true, '11 0000003c 21 0001');
  await client.send("82 07 0001 00 0001 't' 01");
  for (const payload of ['x', 'y', 'z']) await client.send(`30 05 0001 't' 00 '${payload}'`);
  for (const id of ['01', '02', '03']) await client.send(`32 07 0001 't' 00${id} 00 'x'`);
  await hub.broker.advance(2_000);
  await client.send('e0 00');
  expect(hub.departures()).toEqual([
    {
      clientId: 'c',
      username: null,
      remote: expect.stringMatching(/^memory:\d+$/),
      listener: 'memory',
      transport: 'memory',
      version: 5,
      durationMs: 2_000,
      endedBy: 'client',
      reasonCode: '0x00',
      reasonName: 'Normal disconnection',
      reason: 'the client disconnected',
      lastPacket: 'DISCONNECT',
      lastPacketAgeMs: 0,
      queuedMessages: 2,
      queuedBytes: expect.any(Number),
      inflightMessages: 1,
      bytesReceived: 83,
      bytesSent: 64,
      messagesReceived: 6,
      messagesSent: 4,
    },
  ]);
  expect(hub.departures()[0].queuedBytes).toBeGreaterThan(0);
});

test('the Reason String of a client is told as its own', async () => {
  const hub = await start();
  const client = await hub.broker.v5('c');
  await client.send("e0 08 04 06 1f 0003 'bye'");
  expect(hub.departures()).toMatchObject([
    {
      endedBy: 'client',
      reasonCode: '0x04',
      reasonName: 'Disconnect with Will Message',
      said: 'bye',
    },
  ]);
});

interface Way {
  readonly name: string;
  readonly options?: ServerOptions & { clock?: undefined };
  end(hub: Awaited<ReturnType<typeof start>>, client: WireClient): Promise<void>;
  readonly told: object;
}

const WAYS: readonly Way[] = [
  {
    name: 'a client that closes its side',
    end: (_, client) => client.drop(),
    told: { endedBy: 'client', reasonCode: null, reason: 'the client closed the connection' },
  },
  {
    name: 'a takeover',
    end: async ({ broker }) => void (await broker.v5('c')),
    told: {
      endedBy: 'server',
      reasonCode: '0x8E',
      reasonName: 'Session taken over',
      reason: 'another connection came with the same client identifier',
    },
  },
  {
    name: 'a keep-alive timeout',
    end: async ({ broker }) => broker.advance(100_000),
    told: {
      endedBy: 'server',
      reasonCode: '0x8D',
      reasonName: 'Keep Alive timeout',
      reason: 'nothing was received for 1.5 × keep alive',
      lastPacket: 'PINGREQ',
      lastPacketAgeMs: expect.any(Number),
    },
  },
  {
    name: 'a packet that breaks the protocol',
    end: async (_, client) => client.send('10 00'),
    told: {
      endedBy: 'server',
      reasonCode: '0x82',
      reason: 'a second CONNECT (MQTT-3.1.0-2)',
      lastPacket: 'CONNECT',
    },
  },
  {
    name: 'a kick',
    end: async ({ broker }) => {
      const options = { reasonString: 'go away' };
      broker.server.disconnectClient('c', ReasonCode.AdministrativeAction, options);
      await settle();
    },
    told: { endedBy: 'server', reasonCode: '0x98', reason: 'go away' },
  },
  {
    name: 'a stop',
    end: ({ broker }) => broker.server.stop(),
    told: { endedBy: 'server', reasonCode: '0x8B', reason: 'Server shutting down' },
  },
  {
    name: 'a stop at once',
    end: async ({ broker }) => {
      broker.server.abort();
      await settle();
    },
    told: { endedBy: 'server', reason: 'the server cut the connection off' },
  },
  {
    name: 'a queue that is full',
    options: { limits: { queueMessagesMax: 1, queuePolicy: 'disconnect', inflightMessagesMax: 1 } },
    end: async ({ broker }, client) => {
      await client.send("82 07 0001 00 0001 't' 01");
      const publisher = await broker.v5('p');
      for (const id of ['01', '02', '03']) await publisher.send(`32 07 0001 't' 00${id} 00 'x'`);
    },
    told: { endedBy: 'server', reasonCode: '0x97', reason: 'the queue of this session is full' },
  },
];

test.each(WAYS)('the end by $name is one line', async ({ options, end, told }) => {
  const hub = await start(options);
  // Keep alive 60 s
  const client = await hub.broker.connect("10 0e 0004 'MQTT' 05 02 003c 00 0001 'c'", CONNACK);
  await client.send('c0 00');
  await end(hub, client);
  expect(hub.departures()).toHaveLength(1);
  expect(hub.departures()[0]).toMatchObject({ clientId: 'c', ...told });
  // What was lost for it has lines of its own, which warn.
  const lines = hub.book.infos.filter(({ fields }) => fields.clientId === 'c');
  expect(lines.length).toBeLessThan(4);
});

test('a network that fails is told apart from a client that goes', async () => {
  const hub = await start();
  const { client, fail } = hub.failing();
  await client.send("10 0d 0004 'MQTT' 04 02 0000 0001 'c'");
  fail(new Error('read ECONNRESET'));
  await settle();
  expect(hub.departures()).toMatchObject([
    { endedBy: 'network', reasonCode: null, reason: 'read ECONNRESET' },
  ]);
});

test('of a storm so many lines a second are told, then the numbers, and why they went', async () => {
  const hub = await start({ connectionLog: { connections: 'all', connectionsRate: 3 } });
  const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => hub.broker.v5(`c${i}`)));
  expect(hub.arrivals()).toHaveLength(3);
  for (const client of clients) await client.drop();
  expect(hub.departures()).toHaveLength(0);
  await hub.broker.advance(10_100);
  const summary = hub.book.lines.at(-1);
  expect(summary).toEqual({
    level: 'info',
    message: 'clients connected and disconnected without a line each',
    fields: {
      connected: 5,
      disconnected: 8,
      ways: { 'client: the client closed the connection': 8 },
    },
  });
  await hub.broker.v5('late');
  expect(hub.arrivals()).toHaveLength(4);
});

test('a summary has only the numbers, and says them at the end, too', async () => {
  const hub = await start({ connectionLog: { connections: 'summary', connectionsRate: 100 } });
  await hub.broker.v5('c');
  expect(hub.book.lines).toEqual([]);
  await hub.broker.server.stop();
  expect(hub.book.lines).toMatchObject([
    { fields: { connected: 1, disconnected: 1, ways: { 'server: Server shutting down': 1 } } },
  ]);
});

test('a client that is followed has its lines in any storm', async () => {
  const book = new LogBook();
  const isFollowed = (clientId: string) => clientId === 'c';
  const connectionLog = { connections: 'summary', connectionsRate: 100, isFollowed } as const;
  const broker = await startServer({ logger: book, connectionLog });
  await broker.v5('other');
  await broker.v5('c');
  expect(book.lines.map(({ fields }) => fields.clientId)).toEqual(['c']);
});

test.skipIf(isBun)(
  'a WebSocket that breaks the rules is ended by the server, not by the network',
  async () => {
    for (const compression of [false, true]) {
      const book = new LogBook();
      const listener = {
        protocol: 'ws',
        host: '127.0.0.1',
        port: 0,
        webSocket: { compression },
      } as const;
      const server = new Server({ listeners: [listener], logger: book });
      await server.start();
      onTestFinished(() => server.stop());
      const client = new WebSocket(server.addresses[0].url, 'mqtt');
      await once(client, 'open');
      client.send(hex("10 0f 0004 'MQTT' 04 02 003c 0003 'sub'"));
      await once(client, 'message');
      client.send('text');
      const departed = () => book.lines.find(({ message }) => message === 'client disconnected');
      await until(() => departed() !== undefined);
      expect(departed()?.fields, `compression: ${compression}`).toMatchObject({
        endedBy: 'server',
        reasonCode: null,
        reason: expect.stringContaining('MQTT comes in binary frames'),
      });
    }
  },
);
