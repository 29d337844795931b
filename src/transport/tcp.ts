// TCP on node:net. No Nagle, keep-alive probes on, one write per turn from the connection's own buffer: the socket never
// queues more than the one unfinished write.
//
// All sockets read into one buffer where the runtime can do that (`onread` of net.Socket, which only its constructor takes, so
// the listener makes the sockets itself): no buffer is allocated for each read, and nobody keeps what it reads. Elsewhere
// (Windows hands the buffer over before there are bytes; other runtimes) they read by events, each chunk a buffer of its own.

import net from 'node:net';
import type { Listener, Stream, StreamSink } from './stream.ts';

/** Node's default of 511 is too few for a fleet that comes back at once. */
const BACKLOG = 4_096;

interface WithWriteQueueSize {
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}

export class TcpStream implements Stream {
  readonly transport = 'tcp';
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #socket: net.Socket;
  readonly #readsByEvents: boolean;
  #sink: StreamSink | null = null;
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

  /** A socket that reads by events, or one that was made by `shareReads` and calls `onRead`. */
  constructor(socket: net.Socket, readsByEvents = true) {
    this.#socket = socket;
    this.#readsByEvents = readsByEvents;
    this.remoteAddress = socket.remoteAddress ?? '';
    this.remotePort = socket.remotePort ?? 0;
    socket.on('error', (error) => {
      this.#error = error;
    });
  }

  get unsentBytes(): number {
    // What libuv still holds shrinks with every partial write; `writableLength` only when a write is done.
    const handle = (this.#socket as unknown as WithWriteQueueSize)._handle;
    return handle?.writeQueueSize ?? this.#socket.writableLength;
  }

  open(sink: StreamSink): void {
    this.#sink = sink;
    const socket = this.#socket;
    if (socket.destroyed) {
      queueMicrotask(() => this.#closed());
      return;
    }
    if (this.#readsByEvents) {
      socket.on('data', (chunk: Uint8Array) => sink.onData(chunk, chunk.length));
    }
    socket.on('end', () => sink.onEnd());
    socket.on('close', () => this.#closed());
  }

  /** So many bytes were read into the shared buffer. */
  onRead(length: number, buffer: Uint8Array): void {
    this.#sink?.onData(buffer, length);
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
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
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

  #closed(): void {
    const sink = this.#sink;
    this.#sink = null;
    sink?.onClose(this.#error);
  }
}

/** The native side of a net.Server, and of a socket. */
interface NativeServer {
  onconnection: (this: unknown, status: number, handle: NativeSocket | undefined) => void;
}

interface NativeSocket {
  setNoDelay(on: boolean): number;
  setKeepAlive(on: boolean, delaySeconds: number): number;
}

const READ_BYTES = 65_536;

/** Makes the sockets of a listening server, so that they share one read buffer; where the runtime cannot do that, nothing. */
function shareReads(server: net.Server, accept: (stream: Stream) => void): void {
  const native = (server as unknown as { readonly _handle: Partial<NativeServer> | null })._handle;
  const onConnection = native?.onconnection;
  const isNode = process.versions.bun === undefined && process.platform !== 'win32';
  if (!isNode || native === null || typeof onConnection !== 'function') return;
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  native.onconnection = function (this: unknown, status, handle) {
    if (status !== 0 || handle === undefined) {
      onConnection.call(this, status, handle);
      return;
    }
    let stream: TcpStream | null = null;
    const socket = new net.Socket({
      handle,
      allowHalfOpen: true,
      onread: {
        buffer,
        callback: (length: number) => {
          stream?.onRead(length, buffer);
          return true;
        },
      },
    } as net.SocketConstructorOpts);
    handle.setNoDelay(true);
    handle.setKeepAlive(true, 0);
    stream = new TcpStream(socket, false);
    accept(stream);
  };
}

export class TcpListener implements Listener {
  readonly #host: string;
  readonly #port: number;
  #server: net.Server | null = null;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  listen(accept: (stream: Stream) => void): Promise<{ host: string; port: number }> {
    const server = net.createServer(
      { noDelay: true, keepAlive: true, allowHalfOpen: true },
      (socket) => accept(new TcpStream(socket)),
    );
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', (error) => {
        this.#server = null;
        reject(error);
      });
      server.once('close', () => reject(new Error('the listener was closed before it listened')));
      server.listen({ host: this.#host, port: this.#port, backlog: BACKLOG }, () => {
        server.removeAllListeners('error');
        server.removeAllListeners('close');
        // An error of accept() (no file descriptors left) must not end the process.
        server.on('error', () => {});
        shareReads(server, accept);
        const address = server.address() as net.AddressInfo;
        resolve({ host: address.address, port: address.port });
      });
    });
  }

  close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return Promise.resolve();
    // Its callback waits for every connection to end: what counts here is that the address is free, which is at once.
    server.close();
    return Promise.resolve();
  }
}
