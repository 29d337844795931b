// How often random tests try: as often as they say, so that all tests end soon, or a multiple of it, which `npm run test:long`
// asks for. The variable has no name of the server's own settings, which are read by what tests start.

const FACTOR = Number(process.env.TEST_RUNS_FACTOR ?? 1);

/** So many runs, or steps, of a random test; at least one. */
export function runs(count: number): number {
  return Math.max(1, Math.round(count * FACTOR));
}
