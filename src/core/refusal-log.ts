// Log lines about those who were refused, at a bounded rate: scanners come by the thousand, and a line each would bury what
// matters. The same sentence about the same address comes once in ten seconds, then with the number of times it was true
// meanwhile; of the rest beyond `LINES_MAX` only the number is told.

import { Timer, type TimerOwner, type TimerWheel } from '../lib/timer-wheel.ts';
import type { Logger } from './logger.ts';

const INTERVAL_MS = 10_000;
/** Pairs of sentence and address that are remembered, thus lines in an interval. */
const LINES_MAX = 256;

interface Line {
  readonly level: 'info' | 'warn';
  readonly sentence: string;
  /** Of the last time. */
  fields: object;
  loggedMs: number;
  repeats: number;
}

export class RefusalLog implements TimerOwner {
  readonly #logger: Logger;
  readonly #wheel: TimerWheel;
  readonly #timer = new Timer(this);
  readonly #lines = new Map<string, Line>();
  #unnamed = 0;

  constructor(logger: Logger, wheel: TimerWheel) {
    this.#logger = logger;
    this.#wheel = wheel;
  }

  /** One log line, now or later; `key` is whom it is about, as limits count addresses. */
  info(key: string, fields: object, sentence: string): void {
    this.#log('info', key, fields, sentence);
  }

  /** The same about what an operator should look at. */
  warn(key: string, fields: object, sentence: string): void {
    this.#log('warn', key, fields, sentence);
  }

  /** Whether this sentence about this one was told lately: then it comes again later, with the number of times. */
  isKnown(key: string, sentence: string): boolean {
    return this.#lines.has(idOf(key, sentence));
  }

  /** The same again, of which `isKnown`. */
  again(key: string, sentence: string): void {
    const line = this.#lines.get(idOf(key, sentence));
    if (line !== undefined) line.repeats++;
  }

  /** Tells what happened again since it was told. */
  onTimer(_timer: Timer, nowMs: number): void {
    for (const [id, line] of this.#lines) {
      if (nowMs - line.loggedMs < INTERVAL_MS) continue;
      if (line.repeats === 0) {
        this.#lines.delete(id);
        continue;
      }
      this.#logger[line.level]({ ...line.fields, again: line.repeats }, line.sentence);
      line.loggedMs = nowMs;
      line.repeats = 0;
    }
    if (this.#unnamed > 0) {
      const fields = { count: this.#unnamed };
      this.#logger.info(fields, 'more clients were refused than are named in the log');
      this.#unnamed = 0;
    }
    if (this.#lines.size > 0) this.#wheel.arm(this.#timer, INTERVAL_MS);
  }

  /** Says what it still has to say. */
  close(): void {
    this.#wheel.cancel(this.#timer);
    this.onTimer(this.#timer, Number.POSITIVE_INFINITY);
    this.#wheel.cancel(this.#timer);
    this.#lines.clear();
  }

  #log(level: 'info' | 'warn', key: string, fields: object, sentence: string): void {
    const id = idOf(key, sentence);
    const line = this.#lines.get(id);
    if (line !== undefined) {
      line.fields = fields;
      line.repeats++;
      return;
    }
    if (!this.#timer.isArmed) this.#wheel.arm(this.#timer, INTERVAL_MS);
    if (this.#lines.size >= LINES_MAX) {
      this.#unnamed++;
      return;
    }
    this.#lines.set(id, { level, sentence, fields, loggedMs: this.#wheel.nowMs, repeats: 0 });
    this.#logger[level](fields, sentence);
  }
}

function idOf(key: string, sentence: string): string {
  return `${sentence}\n${key}`;
}
