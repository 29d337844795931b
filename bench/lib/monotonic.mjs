// One clock for all processes of a benchmark: what one stamps, another subtracts. The system's monotonic clock, which Node's
// `performance.now()` counts from another origin in each process.

const ORIGIN_MS = originMs();

/** Milliseconds, with fractions; the same everywhere on this machine, whatever the wall clock does. */
export function nowMs() {
  return ORIGIN_MS + performance.now();
}

/** The two clocks are read one after the other: of several tries the one that took least is right to a microsecond. */
function originMs() {
  let origin = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const before = performance.now();
    const systemMs = Number(process.hrtime.bigint()) / 1e6;
    const tookMs = performance.now() - before;
    if (tookMs >= least) continue;
    least = tookMs;
    origin = systemMs - before - tookMs / 2;
  }
  return origin;
}
