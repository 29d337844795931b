// The other end of a stream under test: whatever writes, reads, ends its side, goes without a word or stops reading. It says
// what happened and answers nothing by itself.

import type net from 'node:net';
import type { Stream } from '../../src/transport/stream.ts';

export abstract class Peer {
  bytesReceived = 0;
  /** The other side's end came in. */
  hasEnded = false;
  /** Nothing comes any more, and nothing goes. */
  isClosed = false;
  /** Takes the chunks instead of `received`. */
  onBytes: ((chunk: Uint8Array) => void) | null = null;
  #chunks: Uint8Array[] = [];

  /** Everything that came, unless `onBytes` took it. */
  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Sends bytes; whatever does not go at once goes later, in order. */
  abstract write(bytes: Uint8Array): void;
  /** Says that no more comes, after everything that was written. */
  abstract end(): void;
  /** Goes at once, without a word. */
  abstract reset(): void;
  abstract pause(): void;
  abstract resume(): void;

  protected take(chunk: Uint8Array): void {
    this.bytesReceived += chunk.length;
    // Not slice(): that of a Buffer is a view.
    if (this.onBytes === null) this.#chunks.push(new Uint8Array(chunk));
    else this.onBytes(chunk);
  }
}

/** A socket: TCP, TLS, or a socket file. It must allow half-open. */
export class SocketPeer extends Peer {
  readonly #socket: net.Socket;

  constructor(socket: net.Socket) {
    super();
    this.#socket = socket;
    socket.on('data', (chunk: Uint8Array) => this.take(chunk));
    socket.on('end', () => {
      this.hasEnded = true;
    });
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  end(): void {
    this.#socket.end();
  }

  reset(): void {
    // Socket files know no reset.
    if (this.#socket.remoteFamily === undefined) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

/** Another stream. */
export class StreamPeer extends Peer {
  readonly #stream: Stream;
  #pending: Uint8Array[] = [];
  #isWriting = false;
  #isEnding = false;

  constructor(stream: Stream) {
    super();
    this.#stream = stream;
    stream.open({
      onData: (chunk, length) => this.take(chunk.subarray(0, length)),
      onWritten: () => {
        this.#isWriting = false;
        this.#flush();
      },
      onEnd: () => {
        this.hasEnded = true;
      },
      onClose: () => {
        this.isClosed = true;
      },
    });
  }

  write(bytes: Uint8Array): void {
    this.#pending.push(new Uint8Array(bytes));
    this.#flush();
  }

  end(): void {
    this.#isEnding = true;
    this.#flush();
  }

  reset(): void {
    this.#stream.destroy();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  #flush(): void {
    while (!this.#isWriting && this.#pending.length > 0) {
      const bytes = this.#pending.shift();
      if (bytes !== undefined) this.#isWriting = !this.#stream.write(bytes);
    }
    if (this.#isEnding && !this.#isWriting) this.#stream.end();
  }
}
