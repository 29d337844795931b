// What a test may leave behind: sockets and timers of the process, callbacks of a clock, memory.

import v8 from 'node:v8';
import vm from 'node:vm';
import { type Cancellable, type Clock, FakeClock } from '../../src/lib/clock.ts';

/** Sockets, listening sockets and timers that keep the process alive. */
export interface Resources {
  readonly sockets: number;
  readonly timers: number;
}

export function activeResources(): Resources {
  const kinds = process.getActiveResourcesInfo();
  return {
    sockets: kinds.filter((kind) => kind.startsWith('TCP')).length,
    timers: kinds.filter((kind) => kind === 'Timeout').length,
  };
}

/** A fake clock that knows how many callbacks it was asked for and has not been rid of. */
export class CountingClock extends FakeClock implements Clock {
  repeating = 0;

  override every(intervalMs: number, callback: () => void): Cancellable {
    const inner = super.every(intervalMs, callback);
    this.repeating++;
    let isCancelled = false;
    return {
      cancel: () => {
        if (!isCancelled) this.repeating--;
        isCancelled = true;
        inner.cancel();
      },
    };
  }
}

let collect: (() => void) | null = null;

/** Bytes in use after a garbage collection: the heap, and buffers outside of it. */
export async function usedBytes(): Promise<number> {
  if (collect === null) {
    v8.setFlagsFromString('--expose-gc');
    collect = vm.runInNewContext('gc') as () => void;
  }
  // Buffers are let go in a turn after the collection that finds them unused.
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
