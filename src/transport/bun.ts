// TCP on Bun's own sockets (`Bun.listen`), without the streams of node:net above them. One object of handlers serves all
// sockets; what belongs to one is its `data`. A socket takes as many bytes as the kernel has room for and says how many: the
// rest of an unfinished write waits here until the socket drains.
//
// Bun may call back from within a call of ours, and may hand over bytes of a paused socket (when its peer resets it): both are
// kept and told in a later turn. Of Bun's types only what is used here is declared, so that the server needs no package of it.

import { lookup } from 'node:dns/promises';
import { normalizeAddress } from '../lib/address.ts';
import { type Entrance, type HostPort, type PlaceListener, RETRY_MS } from './net-listener.ts';
import {
  type BoundAddress,
  type Gate,
  OPEN_GATE,
  type Peer,
  type Stream,
  type StreamSink,
} from './stream.ts';
import { UnfinishedWrite } from './unfinished-write.ts';

/** A socket of Bun. Any call may close it, and then calls `close` of the handlers before it returns. */
export interface BunSocket {
  /** Of one that was not admitted there is none. */
  data: BunStream | undefined;
  /** Undefined, and the port 0, once it was reset. */
  readonly remoteAddress: string | undefined;
  readonly remotePort: number;
  /** Returns how many bytes the kernel took; if not all, `drain` follows. Negative when the socket is closed. */
  write(bytes: Uint8Array): number;
  /** Ends the sending side. */
  shutdown(): void;
  /** Closes both sides, without a reset unless there are bytes that were not read. */
  close(): void;
  pause(): void;
  resume(): void;
  setKeepAlive(isOn: boolean, initialDelayMs: number): boolean;
}

interface BunHandlers {
  open(socket: BunSocket): void;
  data(socket: BunSocket, chunk: Uint8Array): void;
  /** There may be room again; comes at other times, too. */
  drain(socket: BunSocket): void;
  end(socket: BunSocket): void;
  close(socket: BunSocket, error?: Error): void;
  /** One of the other handlers threw. */
  error(socket: BunSocket, error: Error): void;
}

interface BunServer {
  readonly port: number;
  /** The sockets it accepted live on. */
  stop(): void;
}

interface BunRuntime {
  listen(options: {
    hostname: string;
    port: number;
    /** Nobody else may bind the same address meanwhile. */
    exclusive: boolean;
    allowHalfOpen: boolean;
    socket: BunHandlers;
  }): BunServer;
}

/** As in net-listener.ts: idle time before the kernel asks whether the peer is still there. */
const PROBE_MS = 300_000;

export class BunStream implements Stream {
  readonly transport = 'tcp';
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly certificate = null;
  readonly #socket: BunSocket;
  #sink: StreamSink | null = null;
  #unfinished: UnfinishedWrite | null = null;
  /** Until it is opened, too. */
  #isPaused = true;
  /** What came while nobody wanted it. */
  #kept: Uint8Array[] | null = null;
  #isEndKept = false;
  #isScheduled = false;
  #isEnding = false;
  #peerHasEnded = false;
  #isDestroyed = false;
  #isClosed = false;
  #error: Error | null = null;

  constructor(socket: BunSocket, peer: Peer) {
    this.#socket = socket;
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
  }

  get unsentBytes(): number {
    return this.#unfinished === null ? 0 : this.#unfinished.bytes;
  }

  accepted(): void {}

  open(sink: StreamSink): void {
    this.#sink = sink;
    this.#isPaused = false;
    this.#tellKept();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isClosed || this.#isEnding) return true;
    const taken = this.#socket.write(bytes);
    if (taken === bytes.length || taken < 0) return true;
    this.#unfinished = new UnfinishedWrite([bytes]);
    this.#unfinished.advance(taken);
    return false;
  }

  writeAll(pieces: readonly Uint8Array[]): boolean {
    if (this.#isClosed || this.#isEnding) return true;
    this.#unfinished = new UnfinishedWrite(pieces);
    return this.#writeOn(this.#unfinished);
  }

  pause(): void {
    this.#isPaused = true;
    if (!this.#isClosed) this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.#isClosed) this.#socket.resume();
    this.#tellKept();
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (this.#unfinished === null && !this.#isClosed) this.#socket.shutdown();
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.#kept = null;
    this.#isEndKept = false;
    this.#unfinished = null;
    if (this.#isClosed) this.#tellKept();
    else this.#socket.close();
  }

  // What the socket tells

  onData(chunk: Uint8Array): void {
    if (this.#sink !== null && !this.#isPaused && this.#kept === null) {
      this.#sink.onData(chunk, chunk.length);
      return;
    }
    this.#kept ??= [];
    this.#kept.push(chunk);
  }

  onDrain(): void {
    if (this.#unfinished === null || !this.#writeOn(this.#unfinished)) return;
    this.#sink?.onWritten();
    if (this.#isEnding && this.#unfinished === null && !this.#isClosed) this.#socket.shutdown();
  }

  onEnd(): void {
    this.#peerHasEnded = true;
    if (this.#sink !== null && !this.#isPaused && this.#kept === null) this.#sink.onEnd();
    else this.#isEndKept = true;
  }

  onClose(error: Error | null): void {
    this.#isClosed = true;
    this.#error = error;
    this.#unfinished = null;
    // The end of a peer that comes after ours Bun tells only as the close.
    if (this.#isEnding && !this.#peerHasEnded && !this.#isDestroyed && error === null) {
      this.#isEndKept = true;
    }
    this.#tellKept();
  }

  /** Writes until the kernel takes no more; true when nothing is left. */
  #writeOn(unfinished: UnfinishedWrite): boolean {
    while (unfinished.bytes > 0) {
      const bytes = unfinished.next();
      const taken = this.#socket.write(bytes);
      if (taken < 0) return false; // it is closed, and says so
      unfinished.advance(taken);
      if (taken < bytes.length) return false;
    }
    this.#unfinished = null;
    return true;
  }

  /** In a later turn: whoever called us is not called back meanwhile. */
  #tellKept(): void {
    const hasSomething = this.#kept !== null || this.#isEndKept || this.#isClosed;
    if (!hasSomething || this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#tell());
  }

  #tell(): void {
    this.#isScheduled = false;
    while (this.#kept !== null && !this.#isPaused) {
      const chunk = this.#kept.shift();
      if (this.#kept.length === 0) this.#kept = null;
      if (chunk !== undefined) this.#sink?.onData(chunk, chunk.length);
    }
    if (this.#kept !== null) return;
    if (this.#isEndKept && !this.#isPaused) {
      this.#isEndKept = false;
      this.#sink?.onEnd();
    }
    if (!this.#isClosed) return;
    const sink = this.#sink;
    this.#sink = null;
    sink?.onClose(this.#error);
  }
}

/** Makes streams of those of a listener's sockets that are admitted. */
function handlersFor(
  accept: (stream: Stream) => void,
  gate: Gate,
  onReset: () => void,
): BunHandlers {
  return {
    open(socket) {
      const address = normalizeAddress(socket.remoteAddress ?? '') ?? '';
      // As in net-listener.ts: without an address it would count as one that a proxy has yet to tell.
      if (address === '') onReset();
      if (address === '' || !gate.admit(address)) {
        socket.close();
        return;
      }
      socket.setKeepAlive(true, PROBE_MS);
      const stream = new BunStream(socket, { address, port: socket.remotePort });
      socket.data = stream;
      accept(stream);
    },
    data: (socket, chunk) => socket.data?.onData(chunk),
    drain: (socket) => socket.data?.onDrain(),
    end: (socket) => socket.data?.onEnd(),
    close: (socket, error) => socket.data?.onClose(error ?? null),
    error: (_socket, error) => {
      // A mistake of ours: it ends the process as it would elsewhere, by uncaughtException.
      setImmediate(() => {
        throw error;
      });
    },
  };
}

/** Plain TCP only: what an entrance needs is a socket of node:net, which NetListener has on Bun, too. */
export class BunListener implements PlaceListener {
  readonly hasEntrances = false;
  entrance: Entrance | null = null;
  readonly #place: HostPort;
  readonly #onReset: () => void;
  #accept: (stream: Stream) => void = () => {};
  #gate: Gate = OPEN_GATE;
  #server: BunServer | null = null;
  #bound: BoundAddress | null = null;
  #isClosed = false;
  /** While the address is tried for. */
  #retry: NodeJS.Timeout | null = null;

  /** `onReset`: a connection was reset before it could be accepted. */
  constructor(place: HostPort, onReset: () => void = () => {}) {
    this.#place = place;
    this.#onReset = onReset;
  }

  async listen(accept: (stream: Stream) => void, gate: Gate = OPEN_GATE): Promise<BoundAddress> {
    this.#accept = accept;
    this.#gate = gate;
    const { host, port } = this.#place;
    // Of a name without an address Bun says only that it cannot listen. `::` takes IPv4, too.
    const address = host === '' ? '::' : (await lookup(host)).address;
    if (this.#isClosed) throw new Error('the listener was closed before it listened');
    this.#bound = this.#bind(address, port);
    return this.#bound;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.pause();
  }

  pause(): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#server?.stop();
    this.#server = null;
    return Promise.resolve();
  }

  unpause(): Promise<boolean> {
    return Promise.resolve(this.#bindAgain());
  }

  #bindAgain(): boolean {
    const bound = this.#bound;
    if (bound === null || this.#isClosed) return false;
    try {
      this.#bind(bound.host, bound.port);
      return true;
    } catch {
      this.#retry = setTimeout(() => this.#bindAgain(), RETRY_MS);
      this.#retry.unref();
      return false;
    }
  }

  #bind(hostname: string, port: number): BoundAddress {
    const { Bun } = globalThis as unknown as { readonly Bun: BunRuntime };
    const socket = handlersFor(this.#accept, this.#gate, this.#onReset);
    try {
      this.#server = Bun.listen({ hostname, port, exclusive: true, allowHalfOpen: true, socket });
    } catch (error) {
      // Bun's own words leave out the port, and why.
      const { code } = error as NodeJS.ErrnoException;
      const message = `listen ${code}: ${hostname}:${port}`;
      throw Object.assign(new Error(message), {
        code,
        syscall: 'listen',
        address: hostname,
        port,
      });
    }
    return { host: hostname, port: this.#server.port };
  }
}
