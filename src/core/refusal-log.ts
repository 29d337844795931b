// Log lines about those who were refused, at a bounded rate: scanners come by the thousand, and a line each would bury what
// matters. The same sentence about the same address comes once in ten seconds, then with the number of times it was true
// meanwhile; of the rest beyond `LINES_MAX` only the number is told. Where a line is about more than an address (a user name, a
// client id), which a stranger chooses, its owner is the address, and has `OWNER_LINES_MAX` of them: nobody buries the others.

import { Timer, type TimerOwner, type TimerWheel } from '../lib/timer-wheel.ts';
import type { Logger } from './logger.ts';

const INTERVAL_MS = 10_000;
/** Pairs of sentence and address that are remembered, thus lines in an interval. */
const LINES_MAX = 256;
/** Of them those of one owner; then one more for the rest. */
const OWNER_LINES_MAX = 16;

const MORE_OF_OWNER = 'more of one address was refused than is told line by line; the last of it';

interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly sentence: string;
  readonly owner: string;
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
  /** Lines of each owner that has any. */
  readonly #owners = new Map<string, number>();
  #unnamed = 0;

  constructor(logger: Logger, wheel: TimerWheel) {
    this.#logger = logger;
    this.#wheel = wheel;
  }

  /**
   * One log line, now or later; `key` is whom it is about, as limits count addresses. `owner` is the address, where there is
   * more in the key than that.
   */
  info(key: string, fields: object, sentence: string, owner = ''): void {
    this.#log('info', key, fields, sentence, owner);
  }

  /** The same about what an operator should look at. */
  warn(key: string, fields: object, sentence: string, owner = ''): void {
    this.#log('warn', key, fields, sentence, owner);
  }

  /** The same about what is our own fault, or that of who was asked. */
  error(key: string, fields: object, sentence: string, owner = ''): void {
    this.#log('error', key, fields, sentence, owner);
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
        this.#release(line.owner);
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
    this.#owners.clear();
  }

  #log(level: Line['level'], key: string, fields: object, sentence: string, owner: string): void {
    const id = idOf(key, sentence);
    const line = this.#lines.get(id);
    if (line !== undefined) {
      line.fields = fields;
      line.repeats++;
      return;
    }
    const ofOwner = owner === '' ? 0 : (this.#owners.get(owner) ?? 0);
    if (ofOwner >= OWNER_LINES_MAX) {
      this.#log(level, owner, fields, MORE_OF_OWNER, '');
      return;
    }
    if (!this.#timer.isArmed) this.#wheel.arm(this.#timer, INTERVAL_MS);
    if (this.#lines.size >= LINES_MAX) {
      this.#unnamed++;
      return;
    }
    this.#lines.set(id, {
      level,
      sentence,
      owner,
      fields,
      loggedMs: this.#wheel.nowMs,
      repeats: 0,
    });
    if (owner !== '') this.#owners.set(owner, ofOwner + 1);
    this.#logger[level](fields, sentence);
  }

  #release(owner: string): void {
    const left = (this.#owners.get(owner) ?? 0) - 1;
    if (left > 0) this.#owners.set(owner, left);
    else this.#owners.delete(owner);
  }
}

function idOf(key: string, sentence: string): string {
  return `${sentence}\n${key}`;
}
