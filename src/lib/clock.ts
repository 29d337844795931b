// Time comes from here, so that the whole server can run under a fake clock. In the process everything runs on the monotonic
// clock; the wall clock is for what people read and what is stored.

export interface Cancellable {
  cancel(): void;
}

export interface Clock {
  /** monotonic milliseconds */
  now(): number;
  /** milliseconds since 1970 */
  wallNow(): number;
  /** Calls back every `intervalMs` until cancelled; does not keep the process alive. */
  every(intervalMs: number, callback: () => void): Cancellable;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs);
    timer.unref();
    return { cancel: () => clearInterval(timer) };
  },
};

interface Repeating {
  readonly intervalMs: number;
  readonly callback: () => void;
  nextMs: number;
}

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  #nowMs: number;
  #wallOffsetMs: number;
  readonly #repeating = new Set<Repeating>();

  constructor(startMs = 1_000, wallMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
    this.#wallOffsetMs = wallMs - startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return this.#nowMs + this.#wallOffsetMs;
  }

  every(intervalMs: number, callback: () => void): Cancellable {
    const entry: Repeating = { intervalMs, callback, nextMs: this.#nowMs + intervalMs };
    this.#repeating.add(entry);
    return { cancel: () => this.#repeating.delete(entry) };
  }

  /** Somebody sets the wall clock, forwards or backwards; no time passes. */
  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Lets `ms` pass and calls back everything that falls due, in order. */
  advance(ms: number): void {
    const targetMs = this.#nowMs + ms;
    for (;;) {
      let next: Repeating | null = null;
      for (const entry of this.#repeating) {
        if (entry.nextMs <= targetMs && (next === null || entry.nextMs < next.nextMs)) next = entry;
      }
      if (next === null) break;
      this.#nowMs = next.nextMs;
      next.nextMs += next.intervalMs;
      next.callback();
    }
    this.#nowMs = targetMs;
  }
}
