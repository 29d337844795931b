// The native side of Node's sockets, as far as we use it: what `net.Socket` itself is made of, without its two stream layers.
// A connection costs a third of the CPU and of the memory that way (docs/benchmarks.md). It is not a documented interface of
// Node, though all of its versions since 12 have it: so it is looked at before it is used, whole, and where anything is other
// than expected (other runtimes, Windows, the permission model) sockets are plain ones of `node:net`.

/** What the kernel has of a connection: `TCP` or `Pipe` of Node. */
export interface NativeHandle {
  /** Called for what was read; `this` is the handle. The count is in `state`. What it returns is the buffer from then on. */
  onread: ((this: NativeHandle) => Uint8Array | undefined) | undefined;
  /** Ours: who reads. */
  stream: HandleReader | null;
  readonly writeQueueSize: number;
  /** The number of its file; -1 when it is closed. */
  readonly fd?: number;
  readStart(): number;
  readStop(): number;
  /** All reads go into this buffer from now on. */
  useUserBuffer(buffer: Uint8Array): void;
  /** 0, or a negative error number; done at once unless `writeState` says otherwise. */
  writeBuffer(request: NativeRequest, bytes: Uint8Array): number;
  writev(request: NativeRequest, pieces: readonly Uint8Array[], areBuffers: true): number;
  /** 0: `oncomplete` follows; 1: done; negative: an error number. */
  shutdown(request: NativeRequest): number;
  close(onClosed: () => void): void;
  /** Only TCP: fills in `address` and `port`. */
  getpeername?(found: { address?: string; port?: number }): number;
  setNoDelay?(on: boolean): number;
  setKeepAlive?(on: boolean, idleSeconds: number): number;
}

export interface HandleReader {
  /** So many bytes were read, or that went wrong; returns another buffer for the next read, or nothing. */
  onNativeRead(count: number): Uint8Array | undefined;
}

/** One write or shutdown under way. */
export interface NativeRequest {
  oncomplete: ((this: NativeRequest, status: number) => void) | null;
  /** Ours: who waits, and what must not be collected meanwhile. */
  stream: { onNativeDone(status: number): void } | null;
  bytes: unknown;
}

export interface NativeStreams {
  readonly WriteWrap: new () => NativeRequest;
  readonly ShutdownWrap: new () => NativeRequest;
  readonly state: Int32Array;
  /** Where in `state` the count of the last read is, or its error number. */
  readonly readIndex: number;
  /** Where in `state` it is whether the last write is still under way. */
  readonly asyncIndex: number;
}

interface StreamWrap {
  readonly WriteWrap?: unknown;
  readonly ShutdownWrap?: unknown;
  readonly streamBaseState?: unknown;
  readonly kReadBytesOrError?: unknown;
  readonly kLastWriteWasAsync?: unknown;
}

const METHODS = [
  'readStart',
  'readStop',
  'useUserBuffer',
  'writeBuffer',
  'writev',
  'shutdown',
  'close',
] as const;

/** Node's native streams, or null where they cannot be had. */
function findNativeStreams(): NativeStreams | null {
  if (process.versions.bun !== undefined || process.platform === 'win32') return null;
  if (process.throwDeprecation) return null; // with --pending-deprecation the question alone would end the process
  let wrap: StreamWrap;
  try {
    const { binding } = process as unknown as { binding?: (name: string) => StreamWrap };
    if (binding === undefined) return null;
    wrap = binding.call(process, 'stream_wrap');
  } catch {
    return null; // the permission model forbids it
  }
  const { WriteWrap, ShutdownWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = wrap;
  if (typeof WriteWrap !== 'function' || typeof ShutdownWrap !== 'function') return null;
  if (!(streamBaseState instanceof Int32Array)) return null;
  if (typeof kReadBytesOrError !== 'number' || typeof kLastWriteWasAsync !== 'number') return null;
  return {
    WriteWrap: WriteWrap as NativeStreams['WriteWrap'],
    ShutdownWrap: ShutdownWrap as NativeStreams['ShutdownWrap'],
    state: streamBaseState,
    readIndex: kReadBytesOrError,
    asyncIndex: kLastWriteWasAsync,
  };
}

export const NATIVE_STREAMS: NativeStreams | null = findNativeStreams();

let knownPrototype: unknown = null;

/** Whether this is a handle with everything that we call. */
export function isNativeHandle(handle: unknown): handle is NativeHandle {
  if (typeof handle !== 'object' || handle === null) return false;
  const prototype = Object.getPrototypeOf(handle) as unknown;
  if (prototype === knownPrototype) return true;
  const methods = handle as Record<string, unknown>;
  if (!METHODS.every((name) => typeof methods[name] === 'function')) return false;
  if (!('onread' in handle)) return false;
  knownPrototype = prototype;
  return true;
}
