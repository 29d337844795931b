// How the micro-benchmarks measure: short rounds, so that whatever else the machine does disturbs few of them, and the best
// or the median of those.

/** Best of several rounds, in nanoseconds per call. */
export function timed(calls: number, rounds: number, run: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = process.hrtime.bigint();
    run();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / calls);
  }
  return best;
}

/** Median of the slices, in nanoseconds per call; each slice makes `calls` of them. */
export function medianOf(slices: number, calls: number, run: (slice: number) => void): number {
  const times: number[] = [];
  for (let i = 0; i < slices; i++) {
    const start = process.hrtime.bigint();
    run(i);
    times.push(Number(process.hrtime.bigint() - start) / calls);
  }
  return times.sort((a, b) => a - b)[slices >> 1];
}

/** Six characters wide. */
export function round(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0).padStart(6);
}
