import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';

import { expect, onTestFinished, test, vi } from 'vitest';

import { BunListener } from '../../src/transport/bun.ts';

import { HandleStream } from '../../src/transport/handle-stream.ts';
import {
  type Entrance,
  NetListener,
  type PlaceListener,
} from '../../src/transport/net-listener.ts';
import { SocketStream } from '../../src/transport/socket-stream.ts';
import { type Gate, type Listener, OPEN_GATE, type Stream } from '../../src/transport/stream.ts';
import { SocketPeer } from '../contracts/peer.ts';
import { type Joined, streamContract } from '../contracts/stream.contract.ts';

import { isBun } from '../kit/runtime.ts';

import { turns, until } from '../kit/until.ts';

async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** An accepted stream and the client it belongs to. */
async function join(listener: Listener): Promise<Joined> {
  let accepted: (stream: Stream) => void = () => {};
  const server = new Promise<Stream>((resolve) => {
    accepted = resolve;
  });
  const { port } = await listener.listen((stream) => accepted(stream));
  const client = new SocketPeer(await connect(port));
  return { server: await server, client, close: () => listener.close() };
}

const ANYWHERE = { host: '127.0.0.1', port: 0 };

/** What the runtime has of its own: native handles on Node, `Bun.listen` on Bun. */
function ownListener(place = ANYWHERE, onReset = () => {}): PlaceListener {
  return isBun ? new BunListener(place, onReset) : new NetListener(place, { onReset });
}

streamContract({ name: 'TCP as the runtime has it', open: () => join(ownListener()) });
streamContract({
  name: 'TCP on plain sockets',
  open: () => join(new NetListener(ANYWHERE, { usesHandles: false })),
});

test('Node has native handles as we know them: plain sockets would be slow, and nobody would notice', async () => {
  const { server, close } = await join(new NetListener(ANYWHERE));
  onTestFinished(() => close());
  const isPlain = process.platform === 'win32' || isBun;
  expect(server).toBeInstanceOf(isPlain ? SocketStream : HandleStream);
  server.destroy();
});

test('who wants deprecations to throw gets plain sockets: to ask for native handles is one', async () => {
  vi.resetModules();
  process.throwDeprecation = true;
  onTestFinished(() => {
    process.throwDeprecation = false;
  });
  const { NATIVE_STREAMS } = await import('../../src/transport/handle.ts');
  expect(NATIVE_STREAMS).toBe(null);
});

test('a port in use is refused with the system’s error, and the listener can be closed', async () => {
  const first = ownListener();
  const { port } = await first.listen((stream) => stream.destroy());
  onTestFinished(() => first.close());
  const second = ownListener({ host: '127.0.0.1', port });
  await expect(second.listen(() => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await second.close();
});

test('a closed listener leaves its address free while its streams live on', async () => {
  const first = ownListener();
  const accepted: Stream[] = [];
  const { port } = await first.listen((stream) => accepted.push(stream));
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  await first.close();
  const second = ownListener({ host: '127.0.0.1', port });
  await expect(second.listen(() => {})).resolves.toMatchObject({ port });
  await second.close();
  socket.destroy();
  for (const stream of accepted) stream.destroy();
});

test('a name is resolved, and one without an address is refused as such', async () => {
  const named = ownListener({ host: 'localhost', port: 0 });
  const { host } = await named.listen((stream) => stream.destroy());
  await named.close();
  expect(net.isIP(host)).not.toBe(0);
  const nowhere = ownListener({ host: 'no-such-host.invalid', port: 0 });
  await expect(nowhere.listen(() => {})).rejects.toMatchObject({ syscall: 'getaddrinfo' });
  await nowhere.close();
});

test('without a host it listens on IPv4, too', async () => {
  const listener = ownListener({ host: '', port: 0 });
  onTestFinished(() => listener.close());
  const addresses: string[] = [];
  const { port } = await listener.listen((stream) => {
    addresses.push(stream.remoteAddress);
    stream.destroy();
  });
  await once(net.connect(port, '127.0.0.1').resume(), 'close');
  expect(addresses).toEqual(['127.0.0.1']);
});

test('who is not admitted is closed without a word, and is no stream', async () => {
  const listener = ownListener();
  onTestFinished(() => listener.close());
  const asked: string[] = [];
  const gate = { ...OPEN_GATE, admit: (address: string) => asked.push(address) === 0 };
  const accepted: Stream[] = [];
  const { port } = await listener.listen((stream) => accepted.push(stream), gate);
  const socket = net.connect(port, '127.0.0.1').resume();
  await once(socket, 'close');
  expect(asked).toEqual(['127.0.0.1']);
  expect(accepted).toEqual([]);
});

test('an address that is given away for a while is the same afterwards, if nobody else has it', async () => {
  const listener = ownListener();
  onTestFinished(() => listener.close());
  const { port } = await listener.listen((stream) => stream.destroy());
  await listener.pause();
  const other = ownListener({ host: '127.0.0.1', port });
  await other.listen((stream) => stream.destroy());
  expect(await listener.unpause()).toBe(false);
  await listener.pause();
  await other.close();
  expect(await listener.unpause()).toBe(true);
  await once(net.connect(port, '127.0.0.1').resume(), 'close');
});

// The client is reset by Node's native handle, which Bun has not.
test.skipIf(isBun)(
  'a client that is gone once it is admitted enters with the address that was admitted',
  async () => {
    const admitted: string[] = [];
    const entered: string[] = [];
    const clients: net.Socket[] = [];
    const gate: Gate = {
      ...OPEN_GATE,
      admit: (address) => {
        admitted.push(address);
        for (const client of clients) resetNow(client); // the kernel forgets whose it was
        return true;
      },
    };
    const entrance: Entrance = {
      admissionAddress: (address) => address,
      enter: (socket, peer) => {
        entered.push(peer.address);
        socket.destroy();
      },
      close: () => {},
    };
    const listener = new NetListener({ host: '127.0.0.1', port: 0 }, { entrance });
    const { port } = await listener.listen(() => {}, gate);
    onTestFinished(() => listener.close());
    const client = net.connect(port, '127.0.0.1');
    client.on('error', () => {});
    clients.push(client);
    await until(() => entered.length === 1);
    expect(entered).toEqual(admitted);
  },
);

/** `resetAndDestroy` would wait until the client knows that it is connected. */
function resetNow(client: net.Socket): void {
  const { _handle: handle } = client as unknown as { _handle: { reset(done: () => void): number } };
  expect(handle.reset(() => {})).toBe(0);
}

test('paused and resumed while it waits to accept again, it is bound once, and closed for good', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const made = vi.spyOn(net, 'createServer');
  onTestFinished(() => made.mockRestore());
  const listener = new NetListener({ host: '127.0.0.1', port: 0 });
  const { port } = await listener.listen((stream) => stream.destroy());
  made.mock.results[0].value.emit('error', Object.assign(new Error('accept'), { code: 'ENOMEM' }));
  await listener.pause();
  await listener.unpause();
  await vi.advanceTimersByTimeAsync(10_000);
  await turns(10);
  await listener.close();
  const next = new NetListener({ host: '127.0.0.1', port });
  onTestFinished(() => next.close());
  await expect(next.listen(() => {})).resolves.toMatchObject({ port });
});

/** Connects and resets while this process stands still, so that both are over before it accepts. */
function probe(port: number): void {
  const code = `
    const socket = require('node:net').connect(${port}, '127.0.0.1', () => socket.resetAndDestroy());`;
  const { status, stderr } = spawnSync(process.execPath, ['--eval', code], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
}

test('a connection that was reset before it is accepted harms nobody, whatever listens', async () => {
  const seen: string[] = [];
  const listener = ownListener(ANYWHERE, () => seen.push('reset'));
  onTestFinished(() => listener.close());
  const gate = { ...OPEN_GATE, admit: (address: string) => seen.push(address) > 0 };
  const { port } = await listener.listen((stream) => stream.destroy(), gate);
  probe(port);
  await once(net.connect(port, '127.0.0.1').resume(), 'close');
  expect(seen).toEqual(['reset', '127.0.0.1']);
});

for (const usesHandles of [true, false]) {
  for (const hasEntrance of [true, false]) {
    const how = `${usesHandles ? 'native handles' : 'plain sockets'}, ${hasEntrance ? 'with' : 'without'} an entrance`;
    test(`a connection that was reset before it is accepted is neither admitted nor a stream: ${how}`, async () => {
      const seen: string[] = [];
      const entrance: Entrance = {
        admissionAddress: () => '',
        enter: (socket, { address }) => {
          seen.push(`entered ${address}`);
          socket.destroy();
        },
        close: () => {},
      };
      const listener = new NetListener(
        { host: '127.0.0.1', port: 0 },
        { usesHandles, entrance: hasEntrance ? entrance : null, onReset: () => seen.push('reset') },
      );
      const gate = { ...OPEN_GATE, admit: () => seen.push('admitted') > 0 };
      const { port } = await listener.listen((stream) => {
        seen.push(`accepted ${stream.remoteAddress}`);
        stream.destroy();
      }, gate);
      onTestFinished(() => listener.close());
      probe(port);
      // Connections are accepted in their order.
      const next = await connect(port);
      onTestFinished(() => void next.destroy());
      await until(() => seen.length >= 3);
      expect(seen).toEqual([
        'reset',
        'admitted',
        `${hasEntrance ? 'entered' : 'accepted'} 127.0.0.1`,
      ]);
    });
  }
}
