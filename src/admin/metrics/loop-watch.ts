// How late the event loop is, over windows that follow each other: whoever reads begins the next one, and all who read within ten
// seconds see the same, so that several scrapers do not take each other's figures away.

import type { Histogram } from 'node:perf_hooks';

/** In seconds, over the last window. */
export interface LoopDelay {
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Between two looks at the clock; what is shorter is not lateness. */
export const RESOLUTION_MS = 20;
/** The least that a window lasts. */
const WINDOW_MS = 10_000;

/** Node measures from one look to the next, Bun what is more than that. */
const ON_TIME_MS = process.versions.bun === undefined ? RESOLUTION_MS : 0;

export class LoopWatch {
  /** Of nanoseconds. */
  readonly #histogram: Histogram;
  readonly #now: () => number;
  #beganMs: number;
  #last: LoopDelay | null = null;

  /** `now`: monotonic milliseconds. */
  constructor(histogram: Histogram, now: () => number) {
    this.#histogram = histogram;
    this.#now = now;
    this.#beganMs = now();
  }

  /** Of the last window that is over; of the one that runs while there is none. */
  read(): LoopDelay {
    const nowMs = this.#now();
    const isOver = nowMs - this.#beganMs >= WINDOW_MS;
    if (!isOver && this.#last !== null) return this.#last;
    const delay = this.#look();
    if (!isOver) return delay;
    this.#last = delay;
    this.#histogram.reset();
    this.#beganMs = nowMs;
    return delay;
  }

  #look(): LoopDelay {
    const histogram = this.#histogram;
    return {
      mean: late(histogram.mean),
      p50: late(histogram.percentile(50)),
      p99: late(histogram.percentile(99)),
      max: late(histogram.max),
    };
  }
}

/** From nanoseconds; of no looks the mean is NaN. */
function late(nanoseconds: number): number {
  return Math.max(0, (nanoseconds || 0) - ON_TIME_MS * 1e6) / 1e9;
}
