// Looks ten times a second, and after every few megabytes that came, at memory, V8's heap and the lag of the event loop, and
// says what the server does without: the level of `Shedding`. Up it goes at once, down one level at a time, after the load has
// been below the low-water mark of the level for a while, so that it does not swing. docs/overload.md says what each level
// means.

import type { Cancellable } from '../lib/clock.ts';
import type { Context } from '../session/context.ts';
import { OverloadLevel } from '../session/shedding.ts';
import type { LoopLag } from '../transport/loop-lag.ts';
import { findCollector } from './collector.ts';
import type { OverloadState } from './contract/overload.ts';
import { defaultMemoryMax, type MemoryGauge, ProcessMemory, UsedMemory } from './memory-gauge.ts';
import type { QueueShedder } from './queue-shedder.ts';

export interface OverloadOptions {
  /** Bytes; null = 75 % of the machine's memory, or of what its control group leaves it. */
  readonly memoryMax: number | null;
  /** For tests; default: the process's. */
  readonly memory?: MemoryGauge;
  /** For tests; default: V8's; null: nobody collects. */
  readonly collect?: (() => void) | null;
}

/** What is shed from which part of a bound on, by level; and below which it is shed no more. */
const MEMORY_MARKS = { high: [0, 0.7, 0.8, 0.9], low: [0, 0.6, 0.7, 0.8] } as const;
/** From here on only those publishers are heard again whose acknowledgements would free something. */
const FULL = 0.95;
const LAG_MARKS = { high: [0, 0.5, 1, 2], low: [0, 0.25, 0.5, 1] } as const;

const LOOK_MS = 100;
/** Also after so much of `memory_max` came and was sent: on a fast network a tenth of a second can fill the rest. */
const LOOK_PART = 1 / 64;
const LOOK_BYTES_MAX = 33_554_432;
/** Of the memory that is left publishers may bring so much in a round: what was taken by all is garbage for a while. */
const ROUND_PART = 0.1;
/** The load must be low for so long before a level is left. */
const CALM_MS = 1_000;
/** Publishers are heard again, and queues looked through, this often. */
const ROUND_MS = 1_000;
/** While memory is short garbage is collected so often, if the heap is small enough for that to be a short pause. */
const COLLECT_MS = 5_000;
const COLLECTED_HEAP_MAX = 1_073_741_824;

const ALARM = 'overload';
const WHAT: Readonly<Record<OverloadLevel, string>> = {
  [OverloadLevel.None]: 'nothing is shed any more',
  [OverloadLevel.Qos0]: 'QoS 0 messages are dropped for clients that do not keep up',
  [OverloadLevel.Connections]: 'clients without a session are refused, and queues are kept on disk',
  [OverloadLevel.Publishers]:
    'publishers whose messages would have to be kept are paused, and QoS 0 in large queues is dropped',
};
const ADVICE =
  'give the process more memory (memory_max in [overload]) or less to do; see docs/overload.md';

type Cause = NonNullable<OverloadState['cause']>;
/** How much of each bound is used. */
type Parts = Readonly<Record<Cause, number>>;

export class Overload {
  readonly #context: Context;
  readonly #lag: LoopLag;
  readonly #queues: QueueShedder;
  readonly #memory: MemoryGauge | null;
  readonly #memoryMax: number;
  #collect: (() => void) | null | undefined;
  #timer: Cancellable | null = null;
  #cause: Cause | null = null;
  #sinceMs = 0;
  #calmSinceMs: number | null = null;
  #nextRoundMs = 0;
  #nextCollectionMs = 0;
  readonly #used = new UsedMemory();
  #residentBytes = 0;
  #memoryBytes = 0;
  #heapBytes = 0;

  /** `options` null: only the loop is watched. Throws RangeError for a bound that is none. */
  constructor(
    context: Context,
    lag: LoopLag,
    queues: QueueShedder,
    options: OverloadOptions | null,
  ) {
    this.#context = context;
    this.#lag = lag;
    this.#queues = queues;
    this.#memory = options === null ? null : (options.memory ?? new ProcessMemory());
    this.#memoryMax = options === null ? 0 : (options.memoryMax ?? defaultMemoryMax());
    if (options !== null && !(this.#memoryMax > 0)) {
      throw new RangeError(`overload.memoryMax is a number of bytes, not ${options.memoryMax}`);
    }
    this.#collect = options?.collect;
  }

  get state(): OverloadState {
    const { clock, limits, shedding } = this.#context;
    const { level, pausedCount } = shedding;
    const agoMs = clock.now() - this.#sinceMs;
    return {
      level,
      cause: this.#cause,
      since: level === 0 ? null : new Date(clock.wallNow() - agoMs).toISOString(),
      residentBytes: this.#residentBytes,
      memoryBytes: this.#memoryBytes,
      memoryMaxBytes: this.#memoryMax,
      heapBytes: this.#heapBytes,
      heapMaxBytes: this.#memory?.heapMaxBytes ?? 0,
      loopLagMs: this.#lag.lagMs,
      loopLagMaxMs: limits.loopLagMaxMs,
      pausedPublishers: pausedCount,
    };
  }

  /** Looks by a timer of its own until closed. */
  open(): void {
    const { clock, shedding } = this.#context;
    this.#timer = clock.every(LOOK_MS, () => this.#look());
    if (this.#memory === null) return;
    const bytes = Math.min(this.#memoryMax * LOOK_PART, LOOK_BYTES_MAX);
    shedding.watch(bytes, () => this.#maybeRaise(this.#measure()));
  }

  close(): void {
    this.#timer?.cancel();
    this.#memory?.close();
    this.#context.shedding.watch(0, null);
    this.#context.shedding.set(OverloadLevel.None);
  }

  #look(): void {
    const { shedding } = this.#context;
    const nowMs = this.#context.clock.now();
    const parts = this.#measure();
    if (!this.#maybeRaise(parts)) this.#maybeRecover(parts, nowMs);
    if (shedding.level > OverloadLevel.None) this.#relieve(parts, nowMs);
  }

  #measure(): Parts {
    const { loopLagMaxMs } = this.#context.limits;
    if (this.#memory !== null) {
      const reading = this.#memory.read();
      this.#residentBytes = reading.residentBytes;
      this.#memoryBytes = this.#used.of(reading, this.#context.clock.now());
      this.#heapBytes = reading.heapBytes;
    }
    return {
      memory: this.#memoryMax === 0 ? 0 : this.#memoryBytes / this.#memoryMax,
      heap: this.#memory === null ? 0 : this.#heapBytes / this.#memory.heapMaxBytes,
      loop_lag: loopLagMaxMs === 0 ? 0 : this.#lag.lagMs / loopLagMaxMs,
    };
  }

  /** At once, also in the middle of a turn: nothing is read or written by it. */
  #maybeRaise(parts: Parts): boolean {
    const { clock, shedding } = this.#context;
    const wanted = levelOf(parts, 'high');
    if (wanted <= shedding.level) return false;
    this.#calmSinceMs = null;
    this.#set(wanted, parts, clock.now());
    return true;
  }

  /** One level down once the load has been low enough for it for a while. */
  #maybeRecover(parts: Parts, nowMs: number): void {
    const { level } = this.#context.shedding;
    if (level === OverloadLevel.None) return;
    if (levelOf(parts, 'low') >= level) {
      this.#calmSinceMs = null;
      return;
    }
    this.#calmSinceMs ??= nowMs;
    if (nowMs - this.#calmSinceMs < CALM_MS) return;
    this.#calmSinceMs = nowMs;
    this.#set((level - 1) as OverloadLevel, parts, nowMs);
  }

  #set(level: OverloadLevel, parts: Parts, nowMs: number): void {
    const { alarms, logger, shedding } = this.#context;
    const former = shedding.level;
    if (level === OverloadLevel.Publishers) shedding.startRound(this.#roundBytes(parts));
    shedding.set(level);
    this.#sinceMs = nowMs;
    if (level > former) this.#cause = causeOf(parts);
    if (level === OverloadLevel.None) this.#cause = null;
    const { residentBytes, memoryBytes, memoryMaxBytes, heapBytes } = this.state;
    const memory = { residentBytes, memoryBytes, memoryMaxBytes, heapBytes };
    const fields = { level, former, ...memory, loopLagMs: Math.round(this.#lag.lagMs) };
    logger.warn({ ...fields, cause: this.#cause }, `overload: ${WHAT[level]}`);
    if (level === OverloadLevel.None) alarms.clear(ALARM);
    else {
      const severity = level === OverloadLevel.Publishers ? 'critical' : 'warning';
      alarms.raise(ALARM, severity, `the server is overloaded: ${ADVICE}`, fields);
    }
  }

  /** Whatever gives memory back, a round each second. */
  #relieve(parts: Parts, nowMs: number): void {
    const { shedding } = this.#context;
    const { memory, heap } = parts;
    const isShort = memory >= MEMORY_MARKS.low[1] || heap >= MEMORY_MARKS.low[1];
    if (isShort && nowMs >= this.#nextCollectionMs && this.#heapBytes <= COLLECTED_HEAP_MAX) {
      this.#nextCollectionMs = nowMs + COLLECT_MS;
      if (this.#collect === undefined) this.#collect = findCollector();
      this.#collect?.();
    }
    if (nowMs < this.#nextRoundMs) return;
    this.#nextRoundMs = nowMs + ROUND_MS;
    if (shedding.level >= OverloadLevel.Connections) this.#queues.shed(shedding.level);
    if (shedding.level === OverloadLevel.Publishers) {
      shedding.startRound(this.#roundBytes(parts));
      if (Math.max(memory, heap) >= FULL) shedding.resumeDebtors(nowMs);
      else shedding.resumePublishers();
    }
  }

  /** What all publishers may bring in a round; infinite where memory is not watched. */
  #roundBytes({ memory, heap }: Parts): number {
    if (this.#memory === null) return Number.POSITIVE_INFINITY;
    const part = Math.max(0, 1 - Math.max(memory, heap)) * ROUND_PART;
    return part * Math.min(this.#memoryMax, this.#memory.heapMaxBytes);
  }
}

/** The highest level whose mark one of them has reached. */
function levelOf(parts: Parts, mark: 'high' | 'low'): OverloadLevel {
  const memory = Math.max(parts.memory, parts.heap);
  for (const level of [3, 2, 1] as const) {
    if (memory >= MEMORY_MARKS[mark][level] || parts.loop_lag >= LAG_MARKS[mark][level]) {
      return level;
    }
  }
  return OverloadLevel.None;
}

/** What is to blame: the bound of which most is used, the lag as its marks weigh it. */
function causeOf({ memory, heap, loop_lag }: Parts): Cause {
  const lag = levelOf({ memory: 0, heap: 0, loop_lag }, 'high');
  const room = levelOf({ memory, heap, loop_lag: 0 }, 'high');
  if (lag > room) return 'loop_lag';
  return heap > memory ? 'heap' : 'memory';
}
