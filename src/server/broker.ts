// One listener for one protocol and address: it accepts streams, keeps the half-connected ones until their CONNECT is in, and
// ends all of its connections when its signal says so, by iterating; a signal per connection would cost more than the connection.

import type { ReasonCode } from '../protocol/reason-code.ts';
import { reasonCodeName } from '../protocol/reason-code-table.ts';
import { Connection } from '../session/connection.ts';
import { PauseReason } from '../session/connection-state.ts';
import type { ConnectionOwner, Context } from '../session/context.ts';
import type { Listener, Stream } from '../transport/stream.ts';

/** Connections that get their DISCONNECT in one turn when the server stops. */
const SLICE = 500;

/** How many connections there are on all brokers, and whether more may come. */
export interface Admission {
  connections: number;
}

export class Broker implements ConnectionOwner {
  /** `tcp://127.0.0.1:1883` */
  name: string;
  readonly #context: Context;
  readonly #listener: Listener;
  readonly #admission: Admission;
  readonly #signal: AbortSignal;
  readonly #halfConnected = new Set<Connection>();
  readonly #connected = new Set<Connection>();
  readonly #onAbort = () => this.#abort();
  #isRefusing = false;
  #onEmpty: (() => void) | null = null;

  constructor(
    context: Context,
    listener: Listener,
    name: string,
    admission: Admission,
    signal: AbortSignal,
  ) {
    this.#context = context;
    this.#listener = listener;
    this.name = name;
    this.#admission = admission;
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  get halfConnected(): number {
    return this.#halfConnected.size;
  }

  get connected(): number {
    return this.#connected.size;
  }

  /** Rejects with the system's error when the address cannot be had. */
  listen(): Promise<{ host: string; port: number }> {
    return this.#listener.listen((stream) => this.#accept(stream));
  }

  /** No new streams from now on. */
  refuse(): Promise<void> {
    this.#isRefusing = true;
    return this.#listener.close();
  }

  onConnected(connection: Connection): void {
    this.#halfConnected.delete(connection);
    this.#connected.add(connection);
  }

  onClosed(connection: Connection): void {
    const { clock, logger, metrics } = this.#context;
    this.#halfConnected.delete(connection);
    this.#connected.delete(connection);
    this.#admission.connections--;
    metrics.connectionsClosed++;
    const { client, stream } = connection;
    const fields = {
      clientId: client?.clientId ?? null,
      remote: `${stream.remoteAddress}:${stream.remotePort}`,
      reason: connection.closeReason,
      durationMs: Math.round(clock.now() - connection.openedAtMs),
      bytesReceived: connection.bytesReceived,
      bytesSent: connection.writer.bytesSent,
    };
    if (client !== null) logger.info(fields, 'client disconnected');
    else if (connection.bytesReceived > 0)
      logger.info(fields, 'connection closed before CONNECT was accepted');
    else logger.debug(fields, 'connection closed before its first byte');
    if (this.#connected.size + this.#halfConnected.size > 0 || this.#onEmpty === null) return;
    this.#onEmpty();
    this.#onEmpty = null;
  }

  /** Nothing is read any more; what was read is answered. */
  stopReading(): void {
    for (const connection of this.#connected) connection.pauseReading(PauseReason.Stopping);
    for (const connection of this.#halfConnected) connection.destroy();
  }

  /** Bytes of output that wait for their sockets. */
  get pendingBytes(): number {
    let bytes = 0;
    for (const connection of this.#connected) bytes += connection.writer.output.pendingBytes;
    return bytes;
  }

  /** DISCONNECT to every client that has one, in slices, then the end of each stream. Resolves when the last was told. */
  async disconnectAll(reasonCode: ReasonCode): Promise<void> {
    let budget = SLICE;
    for (const connection of [...this.#connected]) {
      connection.disconnect(reasonCode, reasonCodeName(reasonCode));
      if (--budget > 0) continue;
      budget = SLICE;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves when no connection is left. */
  whenEmpty(): Promise<void> {
    if (this.#connected.size + this.#halfConnected.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /** Forgets its signal: it has ended. */
  dispose(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #accept(stream: Stream): void {
    const { limits, metrics } = this.#context;
    if (
      this.#isRefusing ||
      this.#admission.connections >= limits.connectionsMax ||
      this.#halfConnected.size >= limits.halfConnectedMax
    ) {
      metrics.connectionsRefused++;
      stream.destroy();
      return;
    }
    metrics.connectionsOpened++;
    this.#admission.connections++;
    const connection = new Connection(this.#context, this, stream);
    this.#halfConnected.add(connection);
    stream.open(connection);
  }

  #abort(): void {
    void this.refuse();
    for (const connection of [...this.#halfConnected, ...this.#connected]) connection.destroy();
  }
}
