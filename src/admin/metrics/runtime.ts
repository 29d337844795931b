// The process and its event loop: what Node says of them, read when the page is asked for. Only the collections of garbage and the
// lateness of the loop are watched all the time, from the first page that is made on; there is one watch for the process.

import { readdir, readFile } from 'node:fs/promises';
import {
  constants,
  monitorEventLoopDelay,
  type PerformanceEntry,
  PerformanceObserver,
  performance,
} from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { DurationCounts } from '../../core/duration-counts.ts';
import type { DurationFigures } from '../../server/contract/metrics.ts';
import { type LoopDelay, LoopWatch, RESOLUTION_MS } from './loop-watch.ts';

export interface RuntimeFigures {
  readonly nodeVersion: string;
  readonly startedAtSeconds: number;
  readonly uptimeSeconds: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly heapLimitBytes: number;
  readonly externalBytes: number;
  readonly arrayBuffersBytes: number;
  /** null where the system does not say. */
  readonly openFiles: number | null;
  readonly openFilesMax: number | null;
  /** null where the runtime does not say, as below. */
  readonly loopActiveSeconds: number | null;
  readonly loopDelay: LoopDelay | null;
  /** By kind of collection; empty where the runtime does not say. */
  readonly collections: Readonly<Record<string, DurationFigures>>;
}

const COLLECTION_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

const KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
};

interface Collection extends PerformanceEntry {
  readonly detail: { readonly kind: number };
}

// Not in the types of Node 20.
const { supportedEntryTypes: OBSERVABLE = [] } = PerformanceObserver as {
  readonly supportedEntryTypes?: readonly string[];
};

export class Runtime {
  static #instance: Runtime | null = null;
  readonly #collections: Record<string, DurationCounts> = {};
  readonly #loop: LoopWatch | null;

  private constructor() {
    if (OBSERVABLE.includes('gc')) {
      for (const kind of Object.values(KINDS)) {
        this.#collections[kind] = new DurationCounts(COLLECTION_SECONDS);
      }
      const observer = new PerformanceObserver((list) =>
        this.#onCollections(list.getEntries() as Collection[]),
      );
      observer.observe({ entryTypes: ['gc'] });
    }
    this.#loop = loopWatch();
  }

  /** The one of this process; it watches from the first call on. */
  static get(): Runtime {
    Runtime.#instance ??= new Runtime();
    return Runtime.#instance;
  }

  async read(): Promise<RuntimeFigures> {
    const memory = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    return {
      nodeVersion: process.version,
      startedAtSeconds: performance.timeOrigin / 1_000,
      uptimeSeconds: process.uptime(),
      cpuSeconds: (user + system) / 1e6,
      residentBytes: memory.rss,
      heapUsedBytes: memory.heapUsed,
      heapTotalBytes: memory.heapTotal,
      heapLimitBytes: getHeapStatistics().heap_size_limit,
      externalBytes: memory.external,
      arrayBuffersBytes: memory.arrayBuffers,
      openFiles: await countOpenFiles(),
      openFilesMax: await limitOfOpenFiles(),
      loopActiveSeconds: activeSeconds(),
      loopDelay: this.#loop?.read() ?? null,
      collections: this.#collections,
    };
  }

  #onCollections(entries: readonly Collection[]): void {
    for (const { detail, duration } of entries) {
      this.#collections[KINDS[detail.kind]]?.observe(duration / 1_000);
    }
  }
}

/** null where the runtime has no such thing (Bun). */
function loopWatch(): LoopWatch | null {
  try {
    const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    histogram.enable();
    return new LoopWatch(histogram, () => performance.now());
  } catch {
    return null;
  }
}

/** Bun says 0 of everything. */
function activeSeconds(): number | null {
  const { active, idle } = performance.eventLoopUtilization();
  return active + idle === 0 ? null : active / 1_000;
}

/** Linux only. The folder that is being read is one of them. */
async function countOpenFiles(): Promise<number | null> {
  const names = await readdir('/proc/self/fd').catch(() => null);
  return names === null ? null : names.length - 1;
}

async function limitOfOpenFiles(): Promise<number | null> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const soft = /^Max open files +(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? null : Number(soft);
}
