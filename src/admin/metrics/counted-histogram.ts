// A histogram of prom-client whose counts were made elsewhere.

import { Histogram } from 'prom-client';
import type { DurationSample } from './family.ts';

interface Value {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class CountedHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #samples: readonly DurationSample[];

  constructor(
    { name, help }: { readonly name: string; readonly help: string },
    samples: readonly DurationSample[],
  ) {
    super({ name, help, registers: [] });
    this.#name = name;
    this.#help = help;
    this.#samples = samples;
  }

  /** Where the registry, and `get`, find the values. */
  async getForPromString() {
    const values = this.#samples.flatMap((sample) => valuesOf(this.#name, sample));
    return { name: this.#name, help: this.#help, type: 'histogram', aggregator: 'sum', values };
  }
}

/** Buckets hold what is in those below them, too. */
function valuesOf(name: string, { labels, durations }: DurationSample): Value[] {
  const { boundsSeconds, counts, sumSeconds } = durations;
  let below = 0;
  const buckets = counts.map((count, i) => {
    below += count;
    const le = i < boundsSeconds.length ? String(boundsSeconds[i]) : '+Inf';
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sumSeconds },
    { metricName: `${name}_count`, labels, value: below },
  ];
}
