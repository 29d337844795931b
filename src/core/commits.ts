// When what was recorded is durable. Everything recorded in a turn belongs to the batch that gathers then; at the end of the
// turn the batch is committed, one at a time, the next one gathering meanwhile. Whoever promises something holds its packet
// with the number of the batch until that is durable (design: what waits for the commit). A failed commit keeps its batch,
// is retried before any later one, and everything held stays held.

import { Timer, type TimerWheel } from '../lib/timer-wheel.ts';
import type { Message } from '../protocol/message.ts';
import type { Storage } from '../storage/storage.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { Tick } from './tick.ts';

const RETRY_MS = 500;
/** What nobody waits for is written this late at most. */
const LAZY_MS = 1_000;

/** Holds packets until a batch is durable. */
export interface Holder {
  /** Never throws. */
  onDurable(durable: number): void;
}

export class Commits {
  readonly storage: Storage;
  /** Number of the batch that gathers now. */
  gathering = 1;
  /** Everything up to this batch is durable. */
  durable = 0;
  /** Records made so far; compared before and after to see whether something was recorded. */
  records = 0;
  /** The last commit failed and has not been made good yet. */
  isFailing = false;
  #hasRecords = false;
  #isCommitting = false;
  #holders: Holder[] = [];
  #lastSequence = 0;
  #lastSessionNumber = 0;
  readonly #tick: Tick;
  readonly #wheel: TimerWheel;
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #retryTimer = new Timer(this);
  readonly #lazyTimer = new Timer(this);
  /** Retained messages by topic name that wait for the next commit; null = the topic has none any more. */
  readonly #lazy = new Map<string, Message | null>();
  #idle: (() => void) | null = null;

  constructor(storage: Storage, tick: Tick, wheel: TimerWheel, metrics: Metrics, logger: Logger) {
    this.storage = storage;
    this.#tick = tick;
    this.#wheel = wheel;
    this.#metrics = metrics;
    this.#logger = logger;
    tick.commit = () => this.endTurn();
  }

  /** Called with every record: what was just recorded is in batch `gathering`. */
  record(): void {
    this.records++;
    this.#hasRecords = true;
    this.#tick.arm();
  }

  /** A change of a retained message that somebody waits for; null removes it. Its bytes are its own and never change. */
  recordRetained(topicName: string, message: Message | null): void {
    this.#lazy.delete(topicName); // never an older value after a newer
    this.#putRetained(topicName, message);
    this.record();
  }

  /**
   * The same when nobody waits: it arms no commit but rides the next one, a second from now at most, and of each topic only
   * the last one does.
   */
  recordLazily(topicName: string, message: Message | null): void {
    this.#lazy.set(topicName, message);
    if (!this.#lazyTimer.isArmed) this.#wheel.arm(this.#lazyTimer, LAZY_MS);
  }

  /** A retained message expired by itself; at the next start it would be found to be so again. */
  onRetainedExpired(topicName: string): void {
    this.recordLazily(topicName, null);
  }

  /** The last batch that has anything in it: once it is durable, so is everything recorded so far. */
  get lastRecorded(): number {
    return this.#hasRecords ? this.gathering : this.gathering - 1;
  }

  nextSequence(): number {
    return ++this.#lastSequence;
  }

  nextSessionNumber(): number {
    return ++this.#lastSessionNumber;
  }

  /** Numbers found in the store at start are never given out again. */
  skipTo(sequence: number, sessionNumber: number): void {
    if (sequence > this.#lastSequence) this.#lastSequence = sequence;
    if (sessionNumber > this.#lastSessionNumber) this.#lastSessionNumber = sessionNumber;
  }

  /** Calls `holder` back after each commit until it is satisfied; it asks again if it still waits. */
  waitFor(holder: Holder): void {
    this.#holders.push(holder);
  }

  endTurn(): void {
    if (!this.#hasRecords || this.#isCommitting || this.#retryTimer.isArmed) return;
    this.#commit();
  }

  /** Resolves once nothing is left to commit; stays pending while the store fails. */
  settle(): Promise<void> {
    if (this.#lazy.size > 0) this.record();
    if (!this.#hasRecords && !this.#isCommitting && !this.isFailing) return Promise.resolve();
    this.#tick.arm();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  onTimer(timer: Timer): void {
    if (timer === this.#retryTimer) this.#commit();
    else this.record();
  }

  close(): Promise<void> {
    this.#wheel.cancel(this.#retryTimer);
    this.#tick.commit = null;
    this.#flushLazy();
    return this.storage.close();
  }

  #commit(): void {
    this.#flushLazy();
    const number = this.gathering++;
    this.#hasRecords = false;
    this.#isCommitting = true;
    this.storage.commit().then(
      () => this.#onCommitted(number),
      (error: unknown) => this.#onFailed(error),
    );
  }

  #flushLazy(): void {
    this.#wheel.cancel(this.#lazyTimer);
    for (const [topicName, message] of this.#lazy) this.#putRetained(topicName, message);
    this.#lazy.clear();
  }

  #putRetained(topicName: string, message: Message | null): void {
    if (message === null) this.storage.deleteRetained(topicName);
    else this.storage.saveRetained(message);
  }

  #onCommitted(number: number): void {
    this.#isCommitting = false;
    this.durable = number;
    this.#metrics.commits++;
    if (this.isFailing) {
      this.isFailing = false;
      this.#logger.info({ batch: number }, 'the store works again: everything held was committed');
    }
    const holders = this.#holders;
    this.#holders = [];
    for (let i = 0; i < holders.length; i++) holders[i].onDurable(number);
    if (this.#hasRecords) this.#tick.arm();
    else if (this.#idle !== null) {
      this.#idle();
      this.#idle = null;
    }
  }

  #onFailed(error: unknown): void {
    this.#isCommitting = false;
    this.#metrics.commitFailures++;
    if (!this.isFailing) {
      this.isFailing = true;
      this.#logger.error(
        { error: String(error) },
        'the store cannot be written: nothing that needs it is acknowledged until it can',
      );
    }
    this.#wheel.arm(this.#retryTimer, RETRY_MS);
  }
}
