// How many sessions still want each record of the log; never stored, but counted anew when the store is opened. Sequence numbers
// in use lie close together, so the counts lie in arrays of some hundred, and those that hold nothing are let go.

const CHUNK = 256;

class Chunk {
  readonly counts = new Uint32Array(CHUNK);
  /** Counts that are not 0. */
  used = 0;
}

export class LiveCounts {
  readonly #chunks = new Map<number, Chunk>();
  #lastIndex = -1;
  #last: Chunk | null = null;

  get(sequence: number): number {
    const chunk = this.#find(Math.floor(sequence / CHUNK));
    return chunk === null ? 0 : chunk.counts[sequence % CHUNK];
  }

  increment(sequence: number): void {
    const index = Math.floor(sequence / CHUNK);
    let chunk = this.#find(index);
    if (chunk === null) {
      chunk = new Chunk();
      this.#chunks.set(index, chunk);
      this.#last = chunk;
    }
    if (chunk.counts[sequence % CHUNK]++ === 0) chunk.used++;
  }

  /** What is left of it; it was not 0. */
  decrement(sequence: number): number {
    const index = Math.floor(sequence / CHUNK);
    const chunk = this.#find(index);
    if (chunk === null || chunk.counts[sequence % CHUNK] === 0) return 0;
    const left = --chunk.counts[sequence % CHUNK];
    if (left === 0 && --chunk.used === 0) {
      this.#chunks.delete(index);
      this.#last = null;
      this.#lastIndex = -1;
    }
    return left;
  }

  #find(index: number): Chunk | null {
    if (index !== this.#lastIndex) {
      this.#last = this.#chunks.get(index) ?? null;
      this.#lastIndex = index;
    }
    return this.#last;
  }
}
