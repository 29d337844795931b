// How much memory the process takes and may take. Two things are resident and no trouble: pages of files, since the map of a
// store goes when somebody else wants the room; and what was freed and is kept by the allocator, which never gives all of it
// back, for what is allocated next. How much that is nobody says, but it can be told: what V8 does not know of (code, sockets,
// TLS) was so much when most was resident, and what is resident beyond that and what V8 holds now is free. When more becomes
// resident than ever although V8 has freed a lot, that may be all in use, or a block that fitted into no hole: it counts whole
// at first, and within seconds only the growth does, unless it goes on.

import fs from 'node:fs';
import os from 'node:os';
import v8 from 'node:v8';

/** Bytes, as of one moment. */
export interface MemoryReading {
  /** Resident, without pages of files. */
  readonly residentBytes: number;
  /** What V8 holds: its heap, and buffers outside of it. */
  readonly heldBytes: number;
  /** In use in the heap, garbage included. */
  readonly heapBytes: number;
}

export interface MemoryGauge {
  /** Cheap enough for ten times a second. */
  read(): MemoryReading;
  /** What V8 dies of, bytes; infinite where it does not say. */
  readonly heapMaxBytes: number;
  close(): void;
}

/** Of what there is, so much is the server's by default: the rest is for the system, and for what grows between two looks. */
const DEFAULT_PART = 0.75;
const KIB = 1_024;

/** 75 % of the machine's memory, or of what its control group (v1 or v2) leaves it. `constrained` is 0 without a group. */
export function defaultMemoryMax(
  total: number = os.totalmem(),
  constrained: number = process.constrainedMemory?.() ?? 0,
): number {
  const isBound = constrained > 0 && constrained < total; // a group without a limit says something huge
  return Math.floor((isBound ? constrained : total) * DEFAULT_PART);
}

/** Bytes that the status of a process (Linux) says of memory that is no file's; null if it does not. */
export function anonymousBytes(status: string): number | null {
  const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(status);
  if (anonymous === null) return null;
  const shared = /^RssShmem:\s+(\d+) kB$/m.exec(status);
  return (Number(anonymous[1]) + Number(shared?.[1] ?? 0)) * KIB;
}

/** In this time half of what may be free is believed to be. Milliseconds. */
const DOUBT_HALVES_MS = 3_000;

/** Tells what is used from what is only kept for later. */
export class UsedMemory {
  #mostResident = 0;
  /** What was resident then without V8's: all of it, and what of it has come by growth while V8 had nothing free. */
  #most = 0;
  #least = 0;
  #sinceMs = 0;

  /** Bytes that are used: never more than are resident, and just those whenever more are than ever before. */
  of({ residentBytes, heldBytes }: MemoryReading, nowMs: number): number {
    if (residentBytes > this.#mostResident) {
      this.#most = Math.max(0, residentBytes - heldBytes); // V8 may hold what nobody has touched yet
      this.#least = Math.min(this.#most, this.#least + residentBytes - this.#mostResident);
      this.#mostResident = residentBytes;
      this.#sinceMs = nowMs;
    }
    const doubt = 0.5 ** ((nowMs - this.#sinceMs) / DOUBT_HALVES_MS);
    const rest = this.#least + (this.#most - this.#least) * doubt;
    return Math.min(residentBytes, Math.round(heldBytes + rest));
  }
}

/** This process. */
export class ProcessMemory implements MemoryGauge {
  readonly heapMaxBytes: number;
  readonly #buffer = Buffer.alloc(4_096);
  /** null: there is none; undefined: nobody has looked yet. */
  #file: number | null | undefined;

  constructor() {
    this.heapMaxBytes = v8.getHeapStatistics().heap_size_limit || Number.POSITIVE_INFINITY;
  }

  read(): MemoryReading {
    const { external_memory, total_heap_size, used_heap_size } = v8.getHeapStatistics();
    return {
      residentBytes: this.#residentBytes(),
      heldBytes: total_heap_size + external_memory,
      heapBytes: used_heap_size,
    };
  }

  close(): void {
    if (typeof this.#file === 'number') fs.closeSync(this.#file);
    this.#file = null;
  }

  #residentBytes(): number {
    if (this.#file === undefined) this.#file = openStatus();
    if (this.#file === null) return process.memoryUsage.rss();
    const length = fs.readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0);
    const status = this.#buffer.toString('latin1', 0, length);
    return anonymousBytes(status) ?? process.memoryUsage.rss();
  }
}

/** Stays open: it is read again and again. */
function openStatus(): number | null {
  try {
    return fs.openSync('/proc/self/status', 'r');
  } catch {
    return null; // not Linux
  }
}
