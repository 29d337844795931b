// How much happens per minute, as an exponential moving average over 1, 5 and 15 minutes, the way Mosquitto does it: at every
// look the rate since the last one counts in part, and the more the longer ago that was. The first look is the first average.

/** Minutes over which is averaged. */
export const LOAD_MINUTES = [1, 5, 15] as const;
export type LoadMinutes = (typeof LOAD_MINUTES)[number];

const MINUTE_MS = 60_000;

export class LoadAverages {
  #lastCount = 0;
  #averages: number[] | null = null;

  /** `count` so far, `elapsedMs` after the last look. */
  observe(count: number, elapsedMs: number): void {
    if (elapsedMs <= 0) return;
    const perMinute = ((count - this.#lastCount) * MINUTE_MS) / elapsedMs;
    this.#lastCount = count;
    const former = this.#averages;
    this.#averages = LOAD_MINUTES.map((minutes, i) => {
      if (former === null) return perMinute;
      const kept = Math.exp(-elapsedMs / (minutes * MINUTE_MS));
      return perMinute + kept * (former[i] - perMinute);
    });
  }

  /** Per minute, with two decimals. */
  show(minutes: LoadMinutes): string {
    return (this.#averages?.[LOAD_MINUTES.indexOf(minutes)] ?? 0).toFixed(2);
  }
}
