// One clock for all processes of a benchmark: what one stamps, another subtracts. The system's monotonic clock, which Node's
// `performance.now()` counts from another origin in each process.

const ORIGIN_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds, with fractions; the same everywhere on this machine, whatever the wall clock does. */
export function nowMs() {
  return ORIGIN_MS + performance.now();
}
