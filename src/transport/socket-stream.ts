// A stream on a plain socket of `node:net`: where native handles cannot be had (handle.ts), and for what has layers of its own.
// One write per turn from the connection's own buffer: the socket never queues more than the one unfinished write.

import type net from 'node:net';
import type { ClientCertificate, Peer, Stream, StreamSink } from './stream.ts';

interface WithWriteQueueSize {
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}

export class SocketStream implements Stream {
  readonly transport: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly certificate: ClientCertificate | null;
  readonly #socket: net.Socket;
  #sink: StreamSink | null = null;
  #isPaused = false;
  /** The end came while it was paused: together with its last bytes. */
  #isEndDue = false;
  #isWriting = false;
  /** Writes whose callback has not come: also for one that was done at once it comes later, maybe after the next began. */
  #callbacksDue = 0;
  #error: Error | null = null;
  readonly #onWritten = (error?: Error | null): void => {
    // Of a destroyed socket the callback has no error, but the bytes did not go.
    if (--this.#callbacksDue > 0 || !this.#isWriting || error || this.#socket.destroyed) return;
    this.#isWriting = false;
    this.#sink?.onWritten();
  };

  /** `peer`: where the client is, if that is not where the socket comes from. */
  constructor(
    socket: net.Socket,
    transport: string,
    peer: Peer | null = null,
    certificate: ClientCertificate | null = null,
  ) {
    this.certificate = certificate;
    this.#socket = socket;
    this.transport = transport;
    this.remoteAddress = peer?.address ?? socket.remoteAddress ?? '';
    this.remotePort = peer?.port ?? socket.remotePort ?? 0;
    socket.on('error', (error) => {
      this.#error = error;
    });
  }

  get unsentBytes(): number {
    // What libuv still holds shrinks with every partial write; `writableLength` only when a write is done.
    const handle = (this.#socket as unknown as WithWriteQueueSize)._handle;
    return handle?.writeQueueSize ?? this.#socket.writableLength;
  }

  accepted(): void {}

  open(sink: StreamSink): void {
    this.#sink = sink;
    const socket = this.#socket;
    if (socket.destroyed) {
      queueMicrotask(() => this.#closed());
      return;
    }
    socket.on('data', (chunk: Uint8Array) => sink.onData(chunk, chunk.length));
    socket.on('end', () => this.#ended());
    socket.on('close', () => this.#closed());
    socket.resume(); // a paused one does not flow by itself
    // A socket in which nothing waits ends without being read.
    this.#isEndDue = socket.readableEnded;
    if (this.#isEndDue) this.#scheduleEnd();
  }

  write(bytes: Uint8Array): boolean {
    this.#isWriting = true;
    this.#callbacksDue++;
    this.#socket.write(bytes, this.#onWritten);
    return this.#isDone();
  }

  writeAll(pieces: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    const last = pieces.length - 1;
    this.#isWriting = true;
    this.#callbacksDue++;
    socket.cork();
    for (let i = 0; i < last; i++) socket.write(pieces[i]);
    socket.write(pieces[last], this.#onWritten);
    socket.uncork();
    return this.#isDone();
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket.resume();
    if (this.#isEndDue) this.#scheduleEnd();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** libuv tries to write at once: when it could, nothing is left in the socket and the buffer is free. */
  #isDone(): boolean {
    if (this.#socket.writableLength > 0) return false;
    this.#isWriting = false;
    return true;
  }

  #scheduleEnd(): void {
    queueMicrotask(() => {
      if (this.#isEndDue) this.#ended();
    });
  }

  #ended(): void {
    if (this.#socket.destroyed) return; // Bun tells the end of a destroyed socket, too
    this.#isEndDue = this.#isPaused;
    if (!this.#isEndDue) this.#sink?.onEnd();
  }

  #closed(): void {
    const sink = this.#sink;
    this.#sink = null;
    sink?.onClose(this.#error);
  }
}
