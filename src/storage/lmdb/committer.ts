// Brings batches into the file, one transaction each and one at a time. What could not be written goes first the next time. After
// some failures LMDB takes nothing more until its environment is opened again, which is done before the next attempt.

import type { HighestNumbers, StoreStats } from '../storage.ts';
import type { Batch } from './batch.ts';
import { ValueWriter } from './bytes.ts';
import { type Environment, openEnvironment } from './environment.ts';
import { cleanMark, highestMark, type MetaChange, nextReserve } from './meta.ts';
import type { Recorder } from './recorder.ts';
import { FileReserve } from './reserve.ts';
import { addBatch, Transaction } from './transaction.ts';

export interface CommitterOptions {
  readonly level: 'always' | 'relaxed';
  readonly commitDelayMs: number;
  /** Called before each transaction; what it throws is why that fails. For tests. */
  readonly onTransaction: (() => void) | null;
}

export class Committer {
  environment: Environment;
  /** Called when what was acknowledged could not be brought to the disk; `relaxed` only. */
  onSyncFailed: ((error: Error) => void) | null = null;
  readonly #recorder: Recorder;
  readonly #options: CommitterOptions;
  readonly #writer = new ValueWriter();
  readonly #reserve = new FileReserve();
  /** Highest numbers that the file says. */
  #reserved: HighestNumbers;
  /** The file says that it was closed properly. */
  #isMarkedClean: boolean;
  #isDelayOver = false;
  #endDelay: (() => void) | null = null;
  #running: Promise<void> = Promise.resolve();
  #commits = 0;
  #committedBytes = 0;
  #lastCommitMs = 0;
  #longestCommitMs = 0;

  constructor(
    environment: Environment,
    recorder: Recorder,
    options: CommitterOptions,
    isMarkedClean: boolean,
  ) {
    this.environment = environment;
    this.#recorder = recorder;
    this.#options = options;
    this.#isMarkedClean = isMarkedClean;
    this.#reserved = recorder.highest;
    this.#watch();
  }

  /**
   * Says in the file that it is open, before anything is read: whoever ends while reading a damaged store does not leave one
   * behind that counts as closed properly.
   */
  async markOpen(): Promise<void> {
    if (this.#isMarkedClean) await this.#write(false, true);
  }

  commit(): Promise<void> {
    const running = this.#delayed();
    this.#running = running.catch(() => {}); // its caller hears of it
    return running;
  }

  /** Writes everything, and that the store was closed properly. Rejects when that fails; the file is let go of all the same. */
  async close(): Promise<void> {
    await this.finish();
    let failure: Error | null = null;
    try {
      await this.#write(true);
    } finally {
      this.environment.onSyncFailed = (error) => {
        failure = error;
      };
      await this.environment.close();
    }
    if (failure !== null) throw failure;
  }

  /** Lets go of the file without a last commit. */
  async abandon(): Promise<void> {
    await this.finish();
    await this.environment.close();
  }

  /** Waits for a commit under way, without the delay that it would still take. */
  async finish(): Promise<void> {
    this.#isDelayOver = true;
    this.#endDelay?.();
    await this.#running;
  }

  stats(): StoreStats {
    return {
      usedBytes: this.environment.usedBytes(),
      fileBytes: Math.max(this.environment.fileBytes, this.environment.endOfPages()),
      commits: this.#commits,
      committedBytes: this.#committedBytes,
      lastCommitMs: this.#lastCommitMs,
      longestCommitMs: this.#longestCommitMs,
    };
  }

  async #delayed(): Promise<void> {
    const { commitDelayMs } = this.#options;
    // The commit before may have taken it along while it gathered.
    const hasSome = !this.#recorder.gathering.isEmpty;
    if (commitDelayMs > 0 && hasSome && !this.#isDelayOver) await this.#delay(commitDelayMs);
    await this.#write(false);
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endDelay = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #write(isLast: boolean, mustMark = isLast): Promise<void> {
    const recorder = this.#recorder;
    const batch = recorder.seal();
    try {
      // At once, for memory goes on: what is recorded from now on must not be in it.
      const transaction = this.#transaction(batch);
      const reserve = this.#addMarks(transaction, isLast, mustMark);
      if (!transaction.isEmpty) {
        this.#options.onTransaction?.();
        if (this.environment.isBroken) await this.#openAgain();
        const { environment } = this;
        await this.#reserve.ensure(environment, transaction.entries, transaction.bytes);
        const startMs = performance.now();
        await environment.write(() => transaction.record(environment.tables));
        this.#count(transaction, performance.now() - startMs);
        this.#isMarkedClean = isLast;
        this.#reserved = reserve;
      }
      recorder.onCommitted();
    } catch (error) {
      recorder.onFailed();
      throw error;
    }
  }

  #transaction(batch: Batch): Transaction {
    const { live } = this.#recorder;
    const transaction = new Transaction();
    this.#writer.reset(); // the transaction before has ended
    addBatch(transaction, batch, this.#writer, (sequence) => live.get(sequence) > 0);
    return transaction;
  }

  /** Adds what the meta table has to say, and returns the highest numbers that it says then. */
  #addMarks(transaction: Transaction, isLast: boolean, mustMark: boolean): HighestNumbers {
    const { highest } = this.#recorder;
    const next = nextReserve(highest, this.#reserved);
    const reserve = isLast ? highest : next;
    const isMarkDue = mustMark && isLast !== this.#isMarkedClean;
    if (transaction.isEmpty && next === this.#reserved && !isMarkDue) return this.#reserved;
    const marks: MetaChange[] = [];
    if (isLast !== this.#isMarkedClean) marks.push(cleanMark(isLast));
    if (reserve !== this.#reserved) marks.push(highestMark(reserve));
    for (const { key, value } of marks) transaction.name('meta', key, value);
    return reserve;
  }

  /** Throws when the file cannot be opened. */
  async #openAgain(): Promise<void> {
    await this.environment.close();
    this.environment = openEnvironment(this.environment.file, this.#options);
    this.#watch();
  }

  #watch(): void {
    this.environment.onSyncFailed = (error) => this.onSyncFailed?.(error);
  }

  #count(transaction: Transaction, ms: number): void {
    this.#commits++;
    this.#committedBytes += transaction.bytes;
    this.#lastCommitMs = ms;
    if (ms > this.#longestCommitMs) this.#longestCommitMs = ms;
  }
}
