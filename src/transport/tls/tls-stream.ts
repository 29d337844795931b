// TLS on tls.TLSSocket, after its handshake. Node's TLS takes all bytes of a write at once, encrypted or copied, so they are free
// as soon as the socket has handed them on; that the kernel has them, it says a turn later at the earliest. A small write thus
// counts as done at once, though one that comes too early after it has to wait, as has a large one.

import type tls from 'node:tls';
import type { ClientCertificate, Stream, StreamSink } from '../stream.ts';
import type { Peer } from './handshake.ts';
import { heldBytes, socketBelow } from './node-internals.ts';

/** A larger write counts as unfinished until the kernel has it: who does not read is noticed before the second. */
const AT_ONCE_MAX = 65_536;

/** What a record holds, and more than what goes around it. RFC 8446 §5.1. */
const RECORD_BYTES = 16_384;
const RECORD_OVERHEAD_MAX = 64;

export class TlsStream implements Stream {
  readonly transport = 'tls';
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly certificate: ClientCertificate | null;
  readonly #socket: tls.TLSSocket;
  #sink: StreamSink | null = null;
  #isPaused = false;
  /** The end came while it was paused: together with its last bytes. */
  #isEndDue = false;
  #isWriting = false;
  /** Writes whose callback has not come. */
  #callbacksDue = 0;
  /** Encrypted bytes, at most, of the writes since nothing was under way; and what the kernel had taken before them. */
  #handedBytes = 0;
  #takenBefore = 0;
  #error: Error | null = null;
  readonly #onWritten = (error?: Error | null): void => {
    // Of a destroyed socket the callback has no error, but the bytes did not go.
    if (--this.#callbacksDue > 0 || !this.#isWriting || error || this.#socket.destroyed) return;
    this.#isWriting = false;
    this.#sink?.onWritten();
  };

  /** The peer is where the client is, which behind a proxy is not where the socket comes from. */
  constructor(socket: tls.TLSSocket, peer: Peer, certificate: ClientCertificate | null) {
    this.#socket = socket;
    this.certificate = certificate;
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
    socket.on('error', (error) => {
      this.#error ??= error;
      // An error of TLS, other than one of the socket, does not end it.
      socket.destroy();
    });
  }

  get unsentBytes(): number {
    if (this.#socket.writableLength === 0) return 0;
    // Of TLS's own numbers none shrinks with every byte that leaves; what the kernel has taken grows with every one.
    return Math.max(1, this.#handedBytes - (this.#takenBytes() - this.#takenBefore));
  }

  accepted(): void {
    // Nothing is bounded: the session layer reads, or TLS does not.
  }

  open(sink: StreamSink): void {
    this.#sink = sink;
    const socket = this.#socket;
    if (socket.destroyed) {
      queueMicrotask(() => this.#closed());
      return;
    }
    socket.on('data', (chunk: Uint8Array) => sink.onData(chunk, chunk.length));
    // A peer that sent nothing and ended its side may have done so before anybody read.
    if (socket.readableEnded) queueMicrotask(() => this.#ended());
    else socket.on('end', () => this.#ended());
    socket.on('close', () => this.#closed());
  }

  write(bytes: Uint8Array): boolean {
    const isIdle = this.#begin(bytes.length);
    this.#socket.write(bytes, this.#onWritten);
    return this.#isDone(isIdle && bytes.length <= AT_ONCE_MAX);
  }

  writeAll(pieces: readonly Uint8Array[]): boolean {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    const socket = this.#socket;
    const last = pieces.length - 1;
    const isIdle = this.#begin(length);
    socket.cork();
    for (let i = 0; i < last; i++) socket.write(pieces[i]);
    socket.write(pieces[last], this.#onWritten);
    socket.uncork();
    return this.#isDone(isIdle && length <= AT_ONCE_MAX);
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket.resume();
    if (!this.#isEndDue) return;
    queueMicrotask(() => {
      if (this.#isEndDue) this.#ended();
    });
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** True: no write is under way, so that TLS takes this one at once. */
  #begin(length: number): boolean {
    const isIdle = this.#socket.writableLength === 0;
    if (isIdle) {
      this.#handedBytes = 0;
      this.#takenBefore = this.#takenBytes();
    }
    this.#handedBytes += length + (Math.floor(length / RECORD_BYTES) + 1) * RECORD_OVERHEAD_MAX;
    this.#isWriting = true;
    this.#callbacksDue++;
    return isIdle;
  }

  #isDone(isAtOnce: boolean): boolean {
    if (isAtOnce) this.#isWriting = false;
    return isAtOnce;
  }

  /** Encrypted bytes that the kernel has, since the connection began. */
  #takenBytes(): number {
    const below = socketBelow(this.#socket);
    return below === undefined ? 0 : below.bytesWritten - heldBytes(below);
  }

  #ended(): void {
    this.#isEndDue = this.#isPaused;
    if (!this.#isEndDue) this.#sink?.onEnd();
  }

  #closed(): void {
    const sink = this.#sink;
    this.#sink = null;
    sink?.onClose(this.#error);
  }
}
