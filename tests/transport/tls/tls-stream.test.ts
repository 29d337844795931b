import { once } from 'node:events';
import type net from 'node:net';
import type tls from 'node:tls';
import { expect, test } from 'vitest';
import { TlsStream } from '../../../src/transport/tls/tls-stream.ts';
import { SocketPeer } from '../../contracts/peer.ts';
import { type Joined, streamContract } from '../../contracts/stream.contract.ts';
import { turns, until } from '../../kit/until.ts';
import { type Admitted, TlsDoor } from './tls-door.ts';

function streamOf({ socket }: Admitted): TlsStream {
  const peer = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
  return new TlsStream(socket, peer, null);
}

/** The client's side; without a word it can go only by the socket below. */
class TlsPeer extends SocketPeer {
  readonly #below: net.Socket;

  constructor(socket: tls.TLSSocket, below: net.Socket) {
    super(socket);
    this.#below = below;
  }

  override reset(): void {
    this.#below.resetAndDestroy();
  }
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  streamContract({
    name: version,
    // TLS takes one write at a time, and says a turn later that it has.
    writesAtOnce: false,
    async open(): Promise<Joined> {
      const door = await TlsDoor.open();
      const below = await door.dial(true);
      const client = door.begin({ maxVersion: version, socket: below });
      await once(client, 'secureConnect');
      const server = streamOf(await door.admittedOne());
      return { server, client: new TlsPeer(client, below), close() {} };
    },
  });
}

const NOBODY = { onData() {}, onWritten() {}, onEnd() {}, onClose() {} };

/** A stream whose client reads nothing, and the socket of the client. */
async function deaf(): Promise<[TlsStream, net.Socket]> {
  const door = await TlsDoor.open();
  const client = await door.connect();
  return [streamOf(await door.admittedOne()), client];
}

test('the peer is where the client is, not where its socket comes from', async () => {
  const door = await TlsDoor.open();
  await door.connect();
  const { socket } = await door.admittedOne();
  const stream = new TlsStream(socket, { address: '192.0.2.7', port: 4711 }, null);
  expect(stream).toMatchObject({
    transport: 'tls',
    remoteAddress: '192.0.2.7',
    remotePort: 4711,
    certificate: null,
  });
});

test('what was not sent shrinks with every byte that the client reads', async () => {
  const [stream, client] = await deaf();
  stream.open(NOBODY);
  expect(stream.unsentBytes).toBe(0);
  expect(stream.write(Buffer.alloc(64 * 1_048_576))).toBe(false);
  await turns(50);
  let before = stream.unsentBytes;
  let steps = 0;
  client.on('data', () => {
    const now = stream.unsentBytes;
    expect(now).toBeLessThanOrEqual(before);
    if (now < before) steps++;
    before = now;
  });
  await until(() => stream.unsentBytes === 0);
  expect(steps).toBeGreaterThan(2);
});

test('what was not sent stays as it is while the client reads nothing', async () => {
  const [stream] = await deaf();
  stream.open(NOBODY);
  stream.write(Buffer.alloc(64 * 1_048_576));
  await turns(200);
  const before = stream.unsentBytes;
  await turns(200);
  expect(stream.unsentBytes).toBe(before);
});

test('a client that does not read is noticed by the write after the first', async () => {
  const [stream] = await deaf();
  stream.open(NOBODY);
  let writes = 0;
  // What fits into the kernel goes through; then one write is done in name only, and the next is not.
  while (stream.write(Buffer.alloc(60_000))) {
    writes++;
    await turns(3);
  }
  expect(writes).toBeLessThan(1_000);
  await turns(50);
  expect(stream.unsentBytes).toBeGreaterThan(0);
});

test('a peer that ended before the stream was opened has ended', async () => {
  const door = await TlsDoor.open();
  const client = await door.connect({ allowHalfOpen: true } as tls.ConnectionOptions);
  const admitted = await door.admittedOne();
  client.end();
  await once(admitted.socket, 'end');
  const stream = streamOf(admitted);
  let ends = 0;
  stream.open({
    ...NOBODY,
    onEnd: () => {
      ends++;
    },
  });
  expect(ends, 'not from within the call').toBe(0);
  await until(() => ends === 1);
  await turns(50);
  expect(ends).toBe(1);
});

test('what breaks TLS after the handshake is the error that the stream closes with', async () => {
  const door = await TlsDoor.open();
  const below = await door.dial();
  await once(door.begin({ socket: below }), 'secureConnect');
  const stream = streamOf(await door.admittedOne());
  const errors: (Error | null)[] = [];
  stream.open({ ...NOBODY, onClose: (error) => errors.push(error) });
  below.write('this is no record');
  await until(() => errors.length === 1);
  expect(errors[0]).toMatchObject({ code: expect.stringMatching(/^ERR_SSL_/) });
});
