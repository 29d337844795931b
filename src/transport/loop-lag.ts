// How late the event loop is, for deciding whether it can take another connection. A loop that is late serves the clients it
// has badly, and each new one (a handshake, a session) makes it later: it takes none until it has caught up.

import type { Cancellable, Clock } from '../lib/clock.ts';

/** Between two samples; together with the smoothing it is how long a single late turn is remembered. */
const SAMPLE_MS = 100;
/** A sample counts as this many times the maximum at most, so that a machine that slept is forgiven within a second. */
const SAMPLE_MAX_FACTOR = 8;
/** The overload is over when the lag is below this part of the maximum: not at once when it is only just below. */
const RECOVERED_PART = 0.5;

export class LoopLag {
  #maxMs: number;
  #lagMs = 0;
  #isOverloaded = false;

  /** Milliseconds of lag from which on the loop is overloaded; 0 = never. */
  constructor(maxMs: number) {
    this.#maxMs = maxMs;
  }

  /** Smoothed: half of it is the last sample. */
  get lagMs(): number {
    return this.#lagMs;
  }

  get isOverloaded(): boolean {
    return this.#isOverloaded;
  }

  setMax(maxMs: number): void {
    this.#maxMs = maxMs;
    this.#judge();
  }

  /** A timer was so many milliseconds late. */
  observe(lateMs: number): void {
    const sampleMax = this.#maxMs > 0 ? this.#maxMs * SAMPLE_MAX_FACTOR : Number.POSITIVE_INFINITY;
    this.#lagMs += (Math.max(0, Math.min(lateMs, sampleMax)) - this.#lagMs) / 2;
    this.#judge();
  }

  /** Observes by a timer of its own until cancelled. The first time only shows how long the program took to start: it does not count. */
  sample(clock: Clock): Cancellable {
    let dueMs = Number.POSITIVE_INFINITY;
    return clock.every(SAMPLE_MS, () => {
      const nowMs = clock.now();
      this.observe(nowMs - dueMs);
      dueMs = nowMs + SAMPLE_MS;
    });
  }

  #judge(): void {
    const limitMs = this.#isOverloaded ? this.#maxMs * RECOVERED_PART : this.#maxMs;
    this.#isOverloaded = this.#maxMs > 0 && this.#lagMs > limitMs;
  }
}
