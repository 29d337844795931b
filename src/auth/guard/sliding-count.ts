// How often something happened within the last window: the window is cut into slices, and a slice that begins to be older than the
// window is left out as a whole. So nothing older than a window is ever counted, and at least the last seven eighths of it are.

const SLICES = 8;

export class SlidingCount {
  readonly #counts: number[] = new Array<number>(SLICES).fill(0);
  /** Number of the newest slice since the clock began. */
  #newest = 0;
  #total = 0;

  /** Counts one more and returns how many there are. Milliseconds, monotonic. */
  add(windowMs: number, nowMs: number): number {
    this.#slide(windowMs, nowMs);
    this.#counts[this.#newest % SLICES]++;
    return ++this.#total;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }

  #slide(windowMs: number, nowMs: number): void {
    const slice = Math.floor((nowMs * SLICES) / Math.max(1, windowMs));
    const passed = slice - this.#newest;
    this.#newest = slice;
    if (passed === 0) return;
    // Another length of the window, by a reload, makes other slices: then it begins anew, too.
    if (passed < 0 || passed >= SLICES) {
      this.clear();
      return;
    }
    for (let i = slice - passed + 1; i <= slice; i++) {
      this.#total -= this.#counts[i % SLICES];
      this.#counts[i % SLICES] = 0;
    }
  }
}
