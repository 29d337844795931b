// What one connection has to send: packets are appended all turn long and leave with one write at its end. The buffer is
// borrowed from the pool while there is something in it. While a write is unfinished nothing more goes to the stream; what
// comes meanwhile stays here, counted.

import { type BufferPool, LARGE, PooledBuffer } from '../core/buffer-pool.ts';
import type { Stream } from '../transport/stream.ts';

const EMPTY = new PooledBuffer(0);

export class Output {
  /** Where the next packet goes: `buffer[length..)`, after `reserve`. */
  buffer: Uint8Array = EMPTY.bytes;
  /** Of `buffer`. */
  view: DataView = EMPTY.view;
  length = 0;
  /** A write is unfinished. */
  isWriting = false;
  readonly #pool: BufferPool;
  #pooled: PooledBuffer = EMPTY;
  /** Full pieces ahead of `buffer`, in order, and the pooled buffers among them. */
  #sealed: Uint8Array[] | null = null;
  #sealedBuffers: PooledBuffer[] | null = null;
  #sealedBytes = 0;
  /** Pooled buffers that the unfinished write still reads from. */
  #writingBuffers: PooledBuffer[] | null = null;
  #writingBytes = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Bytes that the kernel does not have yet. */
  get pendingBytes(): number {
    return this.length + this.#sealedBytes + this.#writingBytes;
  }

  /** Bytes that wait for the next write. */
  get unwrittenBytes(): number {
    return this.length + this.#sealedBytes;
  }

  /** What waits for the next write, in order; whole packets. */
  unwritten(): readonly Uint8Array[] {
    return [...(this.#sealed ?? []), this.buffer.subarray(0, this.length)];
  }

  /** Makes room for `size` bytes in one piece; the caller writes them at `buffer[length..)` and adds to `length`. */
  reserve(size: number): void {
    const needed = this.length + size;
    if (needed <= this.buffer.length) return;
    if (this.length === 0) {
      if (this.#pooled !== EMPTY) this.#pool.give(this.#pooled);
      this.#use(this.#pool.take(size));
      return;
    }
    if (needed > LARGE) {
      this.#seal();
      this.#use(this.#pool.take(size));
      return;
    }
    const larger = this.#pool.take(needed);
    larger.bytes.set(this.buffer.subarray(0, this.length));
    this.#pool.give(this.#pooled);
    this.#use(larger);
  }

  /** Copies a packet. */
  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Takes a large piece as it is; nobody may change it any more. */
  appendShared(bytes: Uint8Array): void {
    this.#seal();
    this.#sealed ??= [];
    this.#sealed.push(bytes);
    this.#sealedBytes += bytes.length;
  }

  /** Writes all there is, unless a write is unfinished. Returns the bytes handed over. */
  flush(stream: Stream): number {
    if (this.isWriting) return 0;
    const bytes = this.length + this.#sealedBytes;
    if (bytes === 0) return 0;
    if (this.#sealed === null) {
      const pooled = this.#pooled;
      const length = this.length;
      this.#use(EMPTY);
      this.length = 0;
      if (stream.write(pooled.bytes.subarray(0, length))) this.#pool.give(pooled);
      else this.#unfinished([pooled], length);
      return bytes;
    }
    this.#seal();
    const pieces = this.#sealed;
    const buffers = this.#sealedBuffers ?? [];
    this.#sealed = null;
    this.#sealedBuffers = null;
    this.#sealedBytes = 0;
    if (stream.writeAll(pieces)) for (const buffer of buffers) this.#pool.give(buffer);
    else this.#unfinished(buffers, bytes);
    return bytes;
  }

  /** The unfinished write is done. */
  written(): void {
    this.isWriting = false;
    this.#writingBytes = 0;
    const buffers = this.#writingBuffers;
    this.#writingBuffers = null;
    if (buffers !== null) for (const buffer of buffers) this.#pool.give(buffer);
  }

  /** Forgets everything. Buffers of an unfinished write are left to the garbage collector: the kernel may still read them. */
  clear(): void {
    if (this.#pooled !== EMPTY) this.#pool.give(this.#pooled);
    this.#use(EMPTY);
    this.length = 0;
    this.#sealed = null;
    this.#sealedBuffers = null;
    this.#sealedBytes = 0;
    this.#writingBuffers = null;
    this.#writingBytes = 0;
  }

  #unfinished(buffers: PooledBuffer[], bytes: number): void {
    this.isWriting = true;
    this.#writingBuffers = buffers;
    this.#writingBytes = bytes;
  }

  #seal(): void {
    if (this.length === 0) return;
    this.#sealed ??= [];
    this.#sealedBuffers ??= [];
    this.#sealed.push(this.buffer.subarray(0, this.length));
    this.#sealedBuffers.push(this.#pooled);
    this.#sealedBytes += this.length;
    this.#use(EMPTY);
    this.length = 0;
  }

  #use(pooled: PooledBuffer): void {
    this.#pooled = pooled;
    this.buffer = pooled.bytes;
    this.view = pooled.view;
  }
}
