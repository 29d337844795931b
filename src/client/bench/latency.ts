// How long something took, as percentiles: of the interval at hand, and of all. The histograms are Node's, three digits exact, and take
// the same room however much is recorded.

import { createHistogram } from 'node:perf_hooks';

/** milliseconds */
export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

const HOUR_MICROS = 3_600_000_000;

export class Latency {
  readonly #interval = newHistogram();
  readonly #whole = newHistogram();

  /** Below a microsecond it counts as one, also where clocks differ; above an hour as an hour. */
  record(micros: number): void {
    this.#interval.record(Math.min(Math.max(1, Math.round(micros)), HOUR_MICROS));
  }

  /** Of what came since the last call; null: nothing did. */
  takeInterval(): Percentiles | null {
    const percentiles = percentilesOf(this.#interval);
    if (percentiles !== null) this.#whole.add(this.#interval);
    this.#interval.reset();
    return percentiles;
  }

  /** Of everything. */
  whole(): Percentiles | null {
    this.takeInterval();
    return percentilesOf(this.#whole);
  }
}

function newHistogram() {
  return createHistogram({ lowest: 1, highest: HOUR_MICROS, figures: 3 });
}

function percentilesOf(histogram: ReturnType<typeof newHistogram>): Percentiles | null {
  if (histogram.count === 0) return null;
  const at = (percent: number): number => histogram.percentile(percent) / 1_000;
  return {
    count: histogram.count,
    ...{ p50: at(50), p95: at(95), p99: at(99) },
    max: histogram.max / 1_000,
  };
}
