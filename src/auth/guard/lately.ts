// Who was there lately, in a table of a fixed size: the one that was seen longest ago goes first. Only those come in who have
// proven who they are, so strangers cannot push anybody out.
//
// A key that leaves a Map and comes back makes its look-ups longer until the Map is built anew, so one that comes all the time is
// moved to the end once a minute only: its time is that much too early.

/** Milliseconds that a time may be too early. */
const COARSE_MS = 60_000;

export class Lately {
  readonly #keptMs: number;
  #max: number;
  /** When each was seen last, in that order; monotonic milliseconds. */
  readonly #seen = new Map<string, number>();

  constructor(keptMs: number, max: number) {
    this.#keptMs = keptMs;
    this.#max = max;
  }

  get size(): number {
    return this.#seen.size;
  }

  set max(max: number) {
    this.#max = max;
    if (this.#seen.size > max) this.#shrink();
  }

  mark(key: string, nowMs: number): void {
    const seenMs = this.#seen.get(key);
    if (seenMs !== undefined && nowMs - seenMs < COARSE_MS) return;
    this.#seen.delete(key);
    this.#seen.set(key, nowMs);
    if (this.#seen.size > this.#max) this.#shrink();
  }

  has(key: string, nowMs: number): boolean {
    const seenMs = this.#seen.get(key);
    return seenMs !== undefined && nowMs - seenMs < this.#keptMs;
  }

  sweep(nowMs: number): void {
    for (const [key, seenMs] of this.#seen) {
      if (nowMs - seenMs < this.#keptMs) return;
      this.#seen.delete(key);
    }
  }

  /** A few more go than must: looking for the oldest one costs more than removing it. */
  #shrink(): void {
    const size = this.#max - Math.floor(this.#max / 16);
    for (const key of this.#seen.keys()) {
      if (this.#seen.size <= size) return;
      this.#seen.delete(key);
    }
  }
}
