// When what was recorded is durable. Everything recorded in a turn belongs to the batch that gathers then; at the end of the
// turn the batch is committed, one at a time, the next one gathering meanwhile. Whoever promises something holds its packet
// with the number of the batch until that is durable (design: what waits for the commit). A failed commit keeps its batch,
// is retried before any later one, and everything held stays held.

import type { Clock } from '../lib/clock.ts';
import { Timer, type TimerWheel } from '../lib/timer-wheel.ts';
import type { Message } from '../protocol/message.ts';
import type { Storage } from '../storage/storage.ts';
import type { Alarms } from './alarms.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { decodeAnchor, encodeAnchor, StoreClock } from './store-clock.ts';
import type { Tick } from './tick.ts';

/** Table and key of the anchor of the store's clock. */
const CLOCK_TABLE = 'server';
const CLOCK_KEY = 'clock';
/** The anchor rides a commit when it is older than this, and makes one when it is older than that. */
const ANCHOR_MS = 1_000;
const ANCHOR_IDLE_MS = 3_600_000;
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
  /** The time that is stored. */
  clock: StoreClock;
  /** The last commit failed and has not been made good yet. */
  #hasFailed = false;
  /** What the store says that keeps it from taking more, or null. */
  #problem: string | null = null;
  #hasRecords = false;
  #isCommitting = false;
  #holders: Holder[] = [];
  #lastSequence = 0;
  /** The message that has the last sequence number. */
  #sequenced: Message | null = null;
  #lastSessionNumber = 0;
  #anchoredMs = Number.NEGATIVE_INFINITY;
  readonly #tick: Tick;
  readonly #wheel: TimerWheel;
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #retryTimer = new Timer(this);
  readonly #lazyTimer = new Timer(this);
  /** Retained messages by topic name that wait for the next commit; null = the topic has none any more. */
  readonly #lazy = new Map<string, Message | null>();
  #idle: (() => void)[] = [];
  /** Clients of whom a session was removed by a batch that is not durable yet, and by which. */
  readonly #removals = new Map<string, number>();
  readonly #anchorTimer = new Timer(this);
  readonly #alarms: Alarms;
  readonly #systemClock: Clock;

  constructor(
    storage: Storage,
    clock: Clock,
    tick: Tick,
    wheel: TimerWheel,
    metrics: Metrics,
    alarms: Alarms,
    logger: Logger,
  ) {
    this.storage = storage;
    this.#systemClock = clock;
    this.clock = new StoreClock(clock, null);
    this.#alarms = alarms;
    this.#tick = tick;
    this.#wheel = wheel;
    this.#metrics = metrics;
    this.#logger = logger;
    tick.commit = () => this.endTurn();
  }

  /** Nothing that has to be stored can be taken now. */
  get isFailing(): boolean {
    return this.#hasFailed || this.#problem !== null;
  }

  /** The store says that it will take nothing more, or null: that it will again. */
  setProblem(problem: string | null): void {
    this.#problem = problem;
  }

  /** Reads what time it is in the store, which has just been opened, and goes on from there. */
  async startClock(): Promise<void> {
    const anchor = decodeAnchor(await this.storage.get(CLOCK_TABLE, CLOCK_KEY));
    this.clock = new StoreClock(this.#systemClock, anchor);
    this.#wheel.arm(this.#anchorTimer, ANCHOR_IDLE_MS);
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

  /** The sequence number of a message for a session whose last one is `after`: the same for all who get it in one go. */
  sequenceFor(message: Message, after: number): number {
    if (message === this.#sequenced && this.#lastSequence > after) return this.#lastSequence;
    this.#sequenced = message;
    return ++this.#lastSequence;
  }

  /** A stored session of that client is removed. */
  noteRemoval(clientId: string): void {
    this.#removals.set(clientId, this.gathering);
  }

  /** The batch that removes a session of that client and is not durable yet; 0 if there is none. */
  removalOf(clientId: string): number {
    return this.#removals.get(clientId) ?? 0;
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
    this.#sequenced = null; // deliveries with one sequence number are recorded in one turn
    if (!this.#hasRecords || this.#isCommitting || this.#retryTimer.isArmed) return;
    this.#commit();
  }

  /** Resolves once nothing is left to commit; stays pending while the store fails. */
  settle(): Promise<void> {
    if (this.#lazy.size > 0) this.record();
    if (!this.#hasRecords && !this.#isCommitting && !this.#hasFailed) return Promise.resolve();
    this.#tick.arm();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
    });
  }

  onTimer(timer: Timer): void {
    if (timer === this.#retryTimer) {
      this.#commit();
      return;
    }
    if (timer === this.#anchorTimer) this.#wheel.arm(timer, ANCHOR_IDLE_MS);
    this.record();
  }

  /** The last commit, and the end of the store, which has been opened. */
  close(): Promise<void> {
    for (const timer of [this.#retryTimer, this.#lazyTimer, this.#anchorTimer]) {
      this.#wheel.cancel(timer);
    }
    this.#tick.commit = null;
    this.#flushLazy();
    this.#anchor();
    return this.storage.close();
  }

  /** Says which time of the wall clock this moment of the store is. */
  #anchor(): void {
    this.#anchoredMs = this.#systemClock.now();
    this.storage.put(CLOCK_TABLE, CLOCK_KEY, encodeAnchor(this.clock.anchor()));
  }

  #commit(): void {
    this.#flushLazy();
    const nowMs = this.#systemClock.now();
    if (nowMs - this.#anchoredMs >= ANCHOR_MS) this.#anchor();
    const number = this.gathering++;
    this.#hasRecords = false;
    this.#isCommitting = true;
    // Within a promise, so that a store that throws has failed to commit, and no more.
    new Promise<void>((resolve) => resolve(this.storage.commit())).then(
      () => this.#onCommitted(number, nowMs),
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

  #onCommitted(number: number, beganMs: number): void {
    this.#isCommitting = false;
    this.durable = number;
    this.#metrics.commits++;
    this.#metrics.commitDurations.observe((this.#systemClock.now() - beganMs) / 1_000);
    if (this.#hasFailed) {
      this.#hasFailed = false;
      this.#alarms.clear('store_failing');
      this.#logger.info({ batch: number }, 'the store works again: everything held was committed');
    }
    for (const [clientId, batch] of this.#removals) {
      if (batch <= number) this.#removals.delete(clientId);
    }
    const holders = this.#holders;
    this.#holders = [];
    for (let i = 0; i < holders.length; i++) this.#release(holders[i], number);
    if (this.#hasRecords) {
      this.#tick.arm();
      return;
    }
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  /** Whatever goes wrong with one that holds, the others get theirs. */
  #release(holder: Holder, durable: number): void {
    try {
      holder.onDurable(durable);
    } catch (error) {
      this.#logger.error({ error: (error as Error).stack ?? String(error) }, 'releasing failed');
    }
  }

  #onFailed(error: unknown): void {
    this.#isCommitting = false;
    this.#metrics.commitFailures++;
    this.#hasFailed = true;
    this.#alarms.raise(
      'store_failing',
      'critical',
      'the store cannot be written: nothing that needs it is acknowledged until it can',
      { error: String(error) },
    );
    this.#wheel.arm(this.#retryTimer, RETRY_MS);
  }
}
