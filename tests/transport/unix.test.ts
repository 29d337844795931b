import { once } from 'node:events';
import {
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { NetListener } from '../../src/transport/net-listener.ts';
import type { Stream } from '../../src/transport/stream.ts';
import { SocketPeer } from '../contracts/peer.ts';
import { type Joined, streamContract } from '../contracts/stream.contract.ts';
import { temporaryFolder } from '../kit/folder.ts';

const folder = temporaryFolder();
let files = 0;

function newPath(): string {
  return path.join(folder, `${++files}.sock`);
}

function listenerAt(file: string, mode?: number): NetListener {
  const listener = new NetListener({ path: file, mode });
  onTestFinished(() => listener.close());
  return listener;
}

async function connect(file: string): Promise<net.Socket> {
  const socket = net.connect({ path: file, allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

/** A socket file that nobody listens at. */
async function leaveStale(): Promise<string> {
  const server = net.createServer().listen(newPath());
  await once(server, 'listening');
  const stale = newPath();
  renameSync(server.address() as string, stale); // closing removes only what it bound
  server.close();
  return stale;
}

async function join(usesHandles: boolean): Promise<Joined> {
  const listener = new NetListener({ path: newPath() }, { usesHandles });
  let accepted: (stream: Stream) => void = () => {};
  const server = new Promise<Stream>((resolve) => {
    accepted = resolve;
  });
  const { host } = await listener.listen((stream) => accepted(stream));
  const client = new SocketPeer(await connect(host));
  return { server: await server, client, close: () => listener.close() };
}

streamContract({ name: 'A socket file on native handles', open: () => join(true) });
streamContract({ name: 'A socket file on plain sockets', open: () => join(false) });

test('a socket file has its mode, and is gone with its listener', async () => {
  const listener = new NetListener({ path: newPath(), mode: 0o600 });
  const { host, port } = await listener.listen(() => {});
  expect(port).toBe(0);
  expect(statSync(host).mode & 0o777).toBe(0o600);
  await listener.close();
  expect(() => lstatSync(host)).toThrow('ENOENT');
});

test('a file that a dead server left is replaced', async () => {
  const file = await leaveStale();
  await listenerAt(file).listen((stream) => stream.destroy());
  (await connect(file)).destroy();
});

test('a file that is no socket is not touched', async () => {
  const file = newPath();
  writeFileSync(file, 'precious');
  await expect(listenerAt(file).listen(() => {})).rejects.toMatchObject({ code: 'EEXIST' });
  expect(readFileSync(file, 'utf8')).toBe('precious');
});

test('a socket that somebody answers at is not touched', async () => {
  const file = newPath();
  await listenerAt(file).listen((stream) => stream.destroy());
  await expect(listenerAt(file).listen(() => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
  (await connect(file)).destroy();
});

test('a server that starts at the same moment and is faster keeps its file', async () => {
  const file = await leaveStale();
  const before = readdirSync(folder).sort();
  const faster = net.createServer((socket) => socket.destroy());
  onTestFinished(() => void faster.close());
  const connectTo = net.connect;
  const asked = vi.spyOn(net, 'connect').mockImplementationOnce(((path: string) => {
    const socket = connectTo(path);
    // Nobody answered, which the listener is about to hear.
    socket.once('error', () => {
      unlinkSync(file);
      faster.listen(file);
    });
    return socket;
  }) as typeof net.connect);
  onTestFinished(() => asked.mockRestore());
  await expect(listenerAt(file).listen(() => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
  (await connect(file)).destroy();
  expect(readdirSync(folder).sort()).toEqual(before);
});

test('a path longer than the kernel takes is refused with a sentence', async () => {
  const file = path.join(folder, 'x'.repeat(108));
  await expect(listenerAt(file).listen(() => {})).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
});

test('closed while it still looks at what lies there, it does not listen', async () => {
  const file = newPath();
  const listener = new NetListener({ path: file });
  const listening = listener.listen((stream) => stream.destroy());
  await listener.close();
  await expect(listening).rejects.toThrow('closed before it listened');
  expect(() => lstatSync(file)).toThrow('ENOENT');
});
