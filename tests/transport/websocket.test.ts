// WebSocket as a transport, and the door in front of it.

import { once } from 'node:events';
import net from 'node:net';
import { WebSocket } from 'ws';
import type { Stream } from '../../src/transport/stream.ts';
import type { WebSocketOptions } from '../../src/transport/websocket/options.ts';
import { Peer } from '../contracts/peer.ts';
import { type Joined, streamContract } from '../contracts/stream.contract.ts';
import { isBun } from '../kit/runtime.ts';
import { WebSocketListener } from '../kit/websocket-listener.ts';

/** The client of the package ws; each write is a binary message of its own. */
class WebSocketPeer extends Peer {
  readonly #webSocket: WebSocket;
  readonly #socket: net.Socket;

  constructor(webSocket: WebSocket, socket: net.Socket) {
    super();
    this.#webSocket = webSocket;
    this.#socket = socket;
    webSocket.on('message', (data: Uint8Array) => this.take(data));
    webSocket.on('error', () => {}); // `close` follows
    webSocket.on('close', (code) => {
      this.isClosed = true;
      // 1006: the connection went without a goodbye.
      this.hasEnded = code !== 1006;
    });
  }

  write(bytes: Uint8Array): void {
    this.#webSocket.send(bytes, () => {});
  }

  end(): void {
    this.#webSocket.close(1000);
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }
}

async function join(options: Partial<WebSocketOptions>): Promise<Joined> {
  const listener = new WebSocketListener({ unacceptedBytesMax: 1 << 30, ...options });
  let accepted: (stream: Stream) => void = () => {};
  const server = new Promise<Stream>((resolve) => {
    accepted = resolve;
  });
  const { port } = await listener.listen((stream) => accepted(stream));
  const socket = net.connect(port, '127.0.0.1');
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt', {
    createConnection: () => socket,
  });
  const client = new WebSocketPeer(webSocket, socket);
  await once(webSocket, 'open');
  return { server: await server, client, close: () => listener.close() };
}

streamContract({ name: 'WebSocket', hasHalfClose: false, open: () => join({}) });

// Bun puts its own package in the place of ws, which compresses: docs/runtimes.md.
if (!isBun) {
  streamContract({
    name: 'WebSocket with compression',
    hasHalfClose: false,
    writesAtOnce: false,
    open: () => join({ compression: true }),
  });
}
