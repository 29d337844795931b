// A stream directly on Node's native handle: no Duplex, no events, no request per write. All streams read into one buffer,
// which nobody keeps; a write that the kernel takes at once (nearly every one) allocates nothing.

import { getSystemErrorName } from 'node:util';
import type { NativeHandle, NativeRequest, NativeStreams } from './handle.ts';
import type { Peer, Stream, StreamSink } from './stream.ts';

/** What a client's chunk is at most; several large messages fit, which are then read at once and not put together. */
const READ_BYTES = 262_144;
/** The same until its CONNECT is accepted: a rest of it may have to be kept meanwhile. */
const STRANGER_READ_BYTES = 65_536;
/** libuv's number for the end of a stream. */
const UV_EOF = -4_095;

/** What all handle streams of the process share. */
export class HandleStreams {
  readonly native: NativeStreams;
  readonly buffer: Uint8Array = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly strangerBuffer: Uint8Array = Buffer.allocUnsafeSlow(STRANGER_READ_BYTES);
  /** The request of the next write. It is used up only by a write that the kernel does not take at once. */
  spareWrite: NativeRequest;
  readonly onRead: (this: NativeHandle) => Uint8Array | undefined;

  constructor(native: NativeStreams) {
    this.native = native;
    this.spareWrite = this.newWrite();
    const { state, readIndex } = native;
    this.onRead = function (this: NativeHandle): Uint8Array | undefined {
      const count = state[readIndex];
      return count === 0 ? undefined : this.stream?.onNativeRead(count);
    };
  }

  newWrite(): NativeRequest {
    const request = new this.native.WriteWrap();
    request.oncomplete = onWriteDone;
    request.stream = null;
    request.bytes = null;
    return request;
  }
}

function onWriteDone(this: NativeRequest, status: number): void {
  const { stream } = this;
  this.stream = null;
  this.bytes = null;
  stream?.onNativeDone(status);
}

export class HandleStream implements Stream {
  readonly transport: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly certificate = null;
  readonly #streams: HandleStreams;
  #handle: NativeHandle | null;
  #sink: StreamSink | null = null;
  /** What is read goes there. */
  #buffer: Uint8Array;
  #isAccepted = false;
  #isReading = false;
  #isPaused = false;
  #hasEnded = false;
  #isShutDown = false;
  #peerHasEnded = false;
  #isClosed = false;
  #error: Error | null = null;

  constructor(streams: HandleStreams, handle: NativeHandle, transport: string, peer: Peer) {
    this.#streams = streams;
    this.#handle = handle;
    this.#buffer = streams.strangerBuffer;
    this.transport = transport;
    handle.stream = this;
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
  }

  get unsentBytes(): number {
    return this.#handle === null ? 0 : this.#handle.writeQueueSize;
  }

  accepted(): void {
    this.#isAccepted = true;
  }

  open(sink: StreamSink): void {
    this.#sink = sink;
    const handle = this.#handle;
    if (handle === null) {
      if (this.#isClosed) queueMicrotask(() => this.#closed());
      return;
    }
    handle.useUserBuffer(this.#buffer);
    handle.onread = this.#streams.onRead;
    this.#read(handle);
  }

  onNativeRead(count: number): Uint8Array | undefined {
    if (count <= 0) {
      this.#onNoMore(count);
      return undefined;
    }
    this.#sink?.onData(this.#buffer, count);
    const { buffer } = this.#streams;
    if (!this.#isAccepted || this.#buffer === buffer) return undefined;
    this.#buffer = buffer;
    return buffer;
  }

  #onNoMore(status: number): void {
    if (status !== UV_EOF) {
      this.#fail('read', status);
      return;
    }
    this.#stopReading();
    this.#peerHasEnded = true;
    this.#sink?.onEnd();
    if (this.#isShutDown) this.destroy();
  }

  write(bytes: Uint8Array): boolean {
    const handle = this.#handle;
    if (handle === null || this.#hasEnded) return false;
    return this.#sent(handle.writeBuffer(this.#streams.spareWrite, bytes), bytes);
  }

  writeAll(pieces: readonly Uint8Array[]): boolean {
    const handle = this.#handle;
    if (handle === null || this.#hasEnded) return false;
    return this.#sent(handle.writev(this.#streams.spareWrite, pieces, true), pieces);
  }

  /** A write that was not taken at once is done. */
  onNativeDone(status: number): void {
    if (this.#handle === null) return; // it was cancelled because we closed: that is no error
    if (status < 0) this.#fail('write', status);
    else this.#sink?.onWritten();
  }

  pause(): void {
    this.#isPaused = true;
    this.#stopReading();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#handle !== null) this.#read(this.#handle);
  }

  end(): void {
    const handle = this.#handle;
    if (this.#hasEnded || handle === null) return;
    this.#hasEnded = true;
    const request = new this.#streams.native.ShutdownWrap();
    request.stream = null;
    request.oncomplete = () => this.#shutDown();
    // Anything but 0 says that there is nothing to wait for: it is done, or the peer is gone.
    if (handle.shutdown(request) !== 0) queueMicrotask(() => this.#shutDown());
  }

  destroy(): void {
    const handle = this.#handle;
    if (handle === null) return;
    this.#handle = null;
    this.#isReading = false;
    handle.stream = null;
    handle.close(() => {
      this.#isClosed = true;
      this.#closed();
    });
  }

  #read(handle: NativeHandle): void {
    if (this.#isReading || this.#isPaused || this.#peerHasEnded || this.#sink === null) return;
    this.#isReading = true;
    const status = handle.readStart();
    if (status < 0) this.#fail('read', status);
  }

  #stopReading(): void {
    if (!this.#isReading) return;
    this.#isReading = false;
    this.#handle?.readStop();
  }

  /** Whether the kernel has taken all of a write; if not, `kept` stays until it has. */
  #sent(status: number, kept: unknown): boolean {
    if (status < 0) {
      this.#fail('write', status);
      return false;
    }
    const streams = this.#streams;
    if (streams.native.state[streams.native.asyncIndex] === 0) return true;
    const request = streams.spareWrite;
    request.stream = this;
    request.bytes = kept;
    streams.spareWrite = streams.newWrite();
    return false;
  }

  #shutDown(): void {
    this.#isShutDown = true;
    if (this.#peerHasEnded) this.destroy();
  }

  /** The connection is broken; what it was is told when it is closed. */
  #fail(what: string, status: number): void {
    this.#error ??= systemError(what, status);
    this.destroy();
  }

  #closed(): void {
    const sink = this.#sink;
    this.#sink = null;
    sink?.onClose(this.#error);
  }
}

/** An error of the system, without the stack that nobody reads: storms of resets must not cost. */
function systemError(what: string, status: number): Error {
  const code = getSystemErrorName(status);
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = Object.assign(new Error(`${what} ${code}`), { code, syscall: what });
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}
