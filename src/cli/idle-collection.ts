// Gives memory back when many clients have left. V8 collects when something is allocated, and a server whose clients are gone
// allocates nothing: their garbage would stay until the next storm. So it is collected once, when the connections are less than
// half of the most there were since the last time, and the heap is small enough for that to be a short pause.

import type { Cancellable, Clock } from '../lib/clock.ts';
import { findCollector } from '../server/collector.ts';

const LOOK_MS = 5_000;
/** Fewer that have left are not worth it. */
const LEFT_MIN = 1_000;
/** A larger heap would stop everything for longer than a tenth of a second. */
const HEAP_BYTES_MAX = 128 * 1_048_576;

export interface IdleCollectionOptions {
  readonly clock: Clock;
  /** How many there are now. */
  readonly connections: () => number;
  /** For tests; default: V8's. */
  readonly collect?: (() => void) | null;
  readonly heapBytes?: () => number;
}

/** Watches until it is cancelled. */
export function collectWhenIdle(options: IdleCollectionOptions): Cancellable {
  const { clock, connections } = options;
  const heapBytes = options.heapBytes ?? (() => process.memoryUsage().heapUsed);
  let collect = options.collect;
  let most = 0;
  return clock.every(LOOK_MS, () => {
    const now = connections();
    most = Math.max(most, now);
    if (most - now < LEFT_MIN || now > most / 2 || heapBytes() > HEAP_BYTES_MAX) return;
    most = now;
    if (collect === undefined) collect = findCollector();
    collect?.();
  });
}
