import { expect, test } from 'vitest';
import { MemoryListener, MemoryStream } from '../../src/transport/memory.ts';
import type { Stream } from '../../src/transport/stream.ts';
import { StreamPeer } from '../contracts/peer.ts';
import { type Joined, streamContract } from '../contracts/stream.contract.ts';

/** Both ends of a pipe, as the embedded door makes them. */
async function join(): Promise<{ connected: Stream; accepted: Stream; close(): Promise<void> }> {
  const listener = new MemoryListener();
  const streams: Stream[] = [];
  await listener.listen((stream) => streams.push(stream));
  const connected = listener.connect();
  return { connected, accepted: streams[0], close: () => listener.close() };
}

streamContract({
  name: 'a pipe in memory, the server’s end',
  async open(): Promise<Joined> {
    const { connected, accepted, close } = await join();
    return { server: accepted, client: new StreamPeer(connected), close };
  },
});

streamContract({
  name: 'a pipe in memory, the client’s end',
  open(): Promise<Joined> {
    const [connected, accepted] = MemoryStream.pair();
    return Promise.resolve({ server: connected, client: new StreamPeer(accepted), close() {} });
  },
});

test('a closed listener lets nobody in', async () => {
  const listener = new MemoryListener();
  await listener.listen(() => {});
  await listener.close();
  expect(() => listener.connect()).toThrow('nobody listens here any more');
});
