// Looks at the room that is left, about every second while something is committed: below the limit the store says that it
// will take nothing more, before LMDB meets a full disk; what removes goes on, and makes room. While it says so it looks by
// itself, for then there may be no commits.

import { statfs } from 'node:fs/promises';
import type { StorageHost } from '../storage.ts';

const INTERVAL_MS = 1_000;
/** It takes so much more room than the limit until the store takes something again. */
const HYSTERESIS = 1.125;
const ALARM = 'store_space';

export interface SpaceLimits {
  readonly folder: string;
  /** Bytes that the disk should have left. */
  readonly freeMinBytes: number;
  /** Bytes that the store may use; 0 = no limit. */
  readonly bytesMax: number;
}

export class SpaceWatch {
  readonly #limits: SpaceLimits;
  readonly #host: StorageHost;
  readonly #usedBytes: () => number;
  readonly #freeBytes: (folder: string) => Promise<number>;
  #lastMs = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  #isStopped = false;
  #problem: string | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    limits: SpaceLimits,
    host: StorageHost,
    usedBytes: () => number,
    freeBytes = readFreeBytes,
  ) {
    this.#limits = limits;
    this.#host = host;
    this.#usedBytes = usedBytes;
    this.#freeBytes = freeBytes;
  }

  /** After each commit. */
  onCommit(): void {
    if (performance.now() - this.#lastMs >= INTERVAL_MS) void this.look();
  }

  /** Never rejects: what cannot be looked at is logged. */
  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#lastMs = performance.now();
    try {
      const { folder, freeMinBytes } = this.#limits;
      const freeBytes = freeMinBytes > 0 ? await this.#freeBytes(folder) : 0;
      this.#judge(freeBytes, this.#usedBytes());
    } catch (error) {
      this.#host.log('warn', { error: String(error) }, 'the room on the disk cannot be looked at');
    } finally {
      this.#isLooking = false;
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#rest();
  }

  #rest(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #judge(freeBytes: number, usedBytes: number): void {
    const { folder, freeMinBytes, bytesMax } = this.#limits;
    const factor = this.#problem === null ? 1 : HYSTERESIS;
    let problem: string | null = null;
    if (freeMinBytes > 0 && freeBytes < freeMinBytes * factor) {
      problem = `the disk of the store ${folder} has ${inMiB(freeBytes)} left, less than the ${inMiB(freeMinBytes)} that it keeps free`;
    } else if (bytesMax > 0 && usedBytes > bytesMax / factor) {
      problem = `the store ${folder} uses ${inMiB(usedBytes)} of the ${inMiB(bytesMax)} that it may`;
    }
    if (this.#isStopped || (problem === null) === (this.#problem === null)) return;
    this.#problem = problem;
    this.#host.setProblem(problem);
    if (problem === null) {
      this.#host.clearAlarm(ALARM);
      this.#rest();
      return;
    }
    const fields = { folder, freeBytes, usedBytes };
    this.#host.raiseAlarm(ALARM, 'critical', `${problem}: nothing more is stored`, fields);
    this.#timer = setInterval(() => void this.look(), INTERVAL_MS);
    this.#timer.unref();
  }
}

async function readFreeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function inMiB(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
