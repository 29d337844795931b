// What a test may leave behind: sockets and timers of the process, callbacks of a clock, memory.

import fs from 'node:fs';
import v8 from 'node:v8';
import vm from 'node:vm';
import { type Cancellable, type Clock, FakeClock } from '../../src/lib/clock.ts';
import { isBun } from './runtime.ts';

/** Sockets, listening sockets and timers that keep the process alive. */
export interface Resources {
  readonly sockets: number;
  readonly timers: number;
}

export function activeResources(): Resources {
  if (isBun) return { sockets: openSockets(), timers: 0 };
  const kinds = process.getActiveResourcesInfo();
  return {
    sockets: kinds.filter((kind) => kind.startsWith('TCP')).length,
    timers: kinds.filter((kind) => kind === 'Timeout').length,
  };
}

/** Bun names no active resources; the kernel knows the sockets at least, and nobody the timers. Linux only. */
function openSockets(): number {
  let count = 0;
  for (const name of fs.readdirSync('/proc/self/fd')) {
    try {
      if (fs.readlinkSync(`/proc/self/fd/${name}`).startsWith('socket:')) count++;
    } catch {
      // the folder itself was open, and is not any more
    }
  }
  return count;
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

/** The runtime's way to collect garbage at once. */
function findCollect(): () => void {
  const { Bun } = globalThis as { Bun?: { gc(isSynchronous: boolean): void } };
  if (Bun !== undefined) return () => Bun.gc(true);
  v8.setFlagsFromString('--expose-gc');
  return vm.runInNewContext('gc') as () => void;
}

/** Bytes in use after a garbage collection: the heap, and buffers outside of it. */
export async function usedBytes(): Promise<number> {
  collect ??= findCollect();
  // Buffers are let go in a turn after the collection that finds them unused.
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
