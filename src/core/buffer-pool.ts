// Output buffers, borrowed for the part of a turn in which they fill and given back when the kernel has the bytes. Three
// sizes, so that ten thousand connections with one small packet each do not hold ten thousand big buffers.

import { viewOf } from '../protocol/bytes.ts';

const SMALL = 1_024;
const MEDIUM = 8_192;
/** The largest pooled size, and the fill at which a connection writes before its turn ends. */
export const LARGE = 65_536;

// Buffers kept of each size: 4 MiB, 4 MiB, 16 MiB
const SMALL_KEPT_MAX = 4_096;
const MEDIUM_KEPT_MAX = 512;
const LARGE_KEPT_MAX = 256;

/** A buffer with the view of its bytes. */
export class PooledBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.view = viewOf(this.bytes);
  }

  get length(): number {
    return this.bytes.length;
  }
}

export class BufferPool {
  readonly #small: PooledBuffer[] = [];
  readonly #medium: PooledBuffer[] = [];
  readonly #large: PooledBuffer[] = [];

  /** Bytes of the buffers that are kept for later. */
  get keptBytes(): number {
    const { length: small } = this.#small;
    return small * SMALL + this.#medium.length * MEDIUM + this.#large.length * LARGE;
  }

  /** A buffer of at least `size` bytes, with whatever is in it. */
  take(size: number): PooledBuffer {
    if (size <= SMALL) return this.#small.pop() ?? new PooledBuffer(SMALL);
    if (size <= MEDIUM) return this.#medium.pop() ?? new PooledBuffer(MEDIUM);
    if (size <= LARGE) return this.#large.pop() ?? new PooledBuffer(LARGE);
    return new PooledBuffer(size);
  }

  /** Gives a buffer back that `take` returned; nobody may hold a view of it any more. */
  give(buffer: PooledBuffer): void {
    switch (buffer.length) {
      case SMALL:
        if (this.#small.length < SMALL_KEPT_MAX) this.#small.push(buffer);
        return;
      case MEDIUM:
        if (this.#medium.length < MEDIUM_KEPT_MAX) this.#medium.push(buffer);
        return;
      case LARGE:
        if (this.#large.length < LARGE_KEPT_MAX) this.#large.push(buffer);
    }
  }
}
