// A listener for WebSockets on a loopback port: a plain socket server in front of the door.

import net from 'node:net';
import type { Logger } from '../../src/core/logger.ts';
import { SILENT } from '../../src/core/logger.ts';
import { SYSTEM_CLOCK } from '../../src/lib/clock.ts';
import { TimerWheel } from '../../src/lib/timer-wheel.ts';
import { type Gate, type Listener, OPEN_GATE, type Stream } from '../../src/transport/stream.ts';
import { WebSocketDoor } from '../../src/transport/websocket/door.ts';
import {
  DEFAULT_WEBSOCKET_OPTIONS,
  type WebSocketOptions,
} from '../../src/transport/websocket/options.ts';

export class WebSocketListener implements Listener {
  readonly refusals: string[] = [];
  /** Accepted and not closed, as whoever accepts them counts. */
  sockets = 0;
  readonly #options: WebSocketOptions;
  readonly #logger: Logger;
  readonly #wheel: TimerWheel;
  #server: net.Server | null = null;
  #door: WebSocketDoor | null = null;

  constructor(
    options: Partial<WebSocketOptions> = {},
    logger: Logger = SILENT,
    wheel = new TimerWheel(SYSTEM_CLOCK),
  ) {
    this.#options = { ...DEFAULT_WEBSOCKET_OPTIONS, ...options };
    this.#logger = logger;
    this.#wheel = wheel;
  }

  listen(
    accept: (stream: Stream) => void,
    gate: Gate = OPEN_GATE,
  ): Promise<{ host: string; port: number }> {
    const door = new WebSocketDoor(this.#options, this.#wheel, this.#logger, (reason) =>
      this.refusals.push(reason),
    );
    const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      this.sockets++;
      socket.once('close', () => this.sockets--);
      const address = socket.remoteAddress ?? '';
      const peer = { address, port: socket.remotePort ?? 0 };
      if (gate.admit(address)) door.take(socket, peer, false, null, accept);
      else socket.destroy();
    });
    this.#door = door;
    this.#server = server;
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const { address, port } = server.address() as net.AddressInfo;
        resolve({ host: address, port });
      });
    });
  }

  close(): Promise<void> {
    this.#server?.close();
    this.#server = null;
    this.#door?.close();
    return Promise.resolve();
  }
}
