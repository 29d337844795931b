// The contract of a store, kept by this object and nothing else: what was committed is found again by the next server that opens
// it. Every change is logged in the batch that gathers, and a commit applies the batch as a whole. For a production server it is
// no store, since it dies with the process; it shows tests, which may slow it down, make it fail and crash it, what a durable one does.

import { type Cancellable, type Clock, SYSTEM_CLOCK } from '../lib/clock.ts';
import type { Message } from '../protocol/message.ts';
import { type Change, copyOf, MemoryState } from './memory-state.ts';
import type {
  Recovery,
  Storage,
  StoredDelivery,
  StoredSession,
  StoredSubscription,
  StoredWill,
} from './storage.ts';

/** For tests. */
export interface MemoryStorageOptions {
  /** Milliseconds that each commit takes; 0, the default, is at once. */
  readonly commitDelayMs?: number;
  /** By which these pass. */
  readonly clock?: Clock;
}

/** A commit that takes its time. */
interface UnfinishedCommit {
  readonly timer: Cancellable;
  readonly finish: () => void;
}

export class MemoryStorage implements Storage {
  /** For tests: milliseconds that each commit takes from now on. */
  commitDelayMs: number;
  /** For tests: every commit rejects while this is set. */
  isFailing = false;
  /** For tests: so many of the next commits reject. */
  failNext = 0;
  /** For tests: how often `commit` was called. */
  commitCalls = 0;
  readonly #clock: Clock;
  readonly #state = new MemoryState();
  #isOpen = false;
  /** What gathers, and what was closed by `commit` and is not durable yet. */
  #gathering: Change[] = [];
  #closed: Change[] = [];
  #unfinished: UnfinishedCommit | null = null;

  constructor(options: MemoryStorageOptions = {}) {
    this.commitDelayMs = options.commitDelayMs ?? 0;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  open(recovery: Recovery): Promise<void> {
    if (this.#isOpen) return Promise.reject(new Error('the store is in use by another server'));
    this.#isOpen = true;
    this.#state.recover(recovery);
    return Promise.resolve();
  }

  saveSession(session: StoredSession): void {
    this.#record({ kind: 'saveSession', session });
  }

  deleteSession(number: number): void {
    this.#record({ kind: 'deleteSession', number });
  }

  saveSubscription(number: number, subscription: StoredSubscription): void {
    this.#record({ kind: 'saveSubscription', number, subscription });
  }

  deleteSubscription(number: number, topicFilter: string): void {
    this.#record({ kind: 'deleteSubscription', number, topicFilter });
  }

  enqueue(number: number, delivery: StoredDelivery): void {
    this.#record({ kind: 'saveDelivery', number, delivery: copyOf(delivery) });
  }

  updateDelivery(number: number, delivery: StoredDelivery): void {
    this.#record({ kind: 'saveDelivery', number, delivery: copyOf(delivery) });
  }

  dequeue(number: number, sequence: number): void {
    this.#record({ kind: 'dequeue', number, sequence });
  }

  saveInboundPacketId(number: number, packetId: number): void {
    this.#record({ kind: 'saveInboundPacketId', number, packetId });
  }

  deleteInboundPacketId(number: number, packetId: number): void {
    this.#record({ kind: 'deleteInboundPacketId', number, packetId });
  }

  saveWill(number: number, will: StoredWill): void {
    this.#record({ kind: 'saveWill', number, will });
  }

  deleteWill(number: number): void {
    this.#record({ kind: 'deleteWill', number });
  }

  saveRetained(message: Message): void {
    this.#record({ kind: 'saveRetained', message });
  }

  deleteRetained(topicName: string): void {
    this.#record({ kind: 'deleteRetained', topicName });
  }

  commit(): Promise<void> {
    if (!this.#isOpen) return new Promise(() => {}); // the dead are told nothing
    this.commitCalls++;
    this.#closeBatch();
    if (this.commitDelayMs === 0) return this.#write();
    return new Promise((resolve, reject) => {
      const finish = () => {
        this.#unfinished?.timer.cancel();
        this.#unfinished = null;
        this.#write().then(resolve, reject);
      };
      this.#unfinished = { timer: this.#clock.every(this.commitDelayMs, finish), finish };
    });
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#unfinished?.finish(); // time may stand still by now
    this.#closeBatch();
    try {
      await this.#write();
    } finally {
      this.#isOpen = false;
      this.#closed = [];
    }
  }

  /**
   * For tests: the process dies. What gathers is lost, and so is a commit under way, unless `keepsUnfinished`: then it got
   * through, and nobody was told. What the dead server still records has no effect.
   */
  crash(keepsUnfinished = false): void {
    this.#unfinished?.timer.cancel();
    this.#unfinished = null;
    this.#isOpen = false;
    if (keepsUnfinished) for (const change of this.#closed) this.#state.apply(change);
    this.#closed = [];
    this.#gathering = [];
  }

  #record(change: Change): void {
    if (this.#isOpen) this.#gathering.push(change);
  }

  #closeBatch(): void {
    this.#closed =
      this.#closed.length === 0 ? this.#gathering : this.#closed.concat(this.#gathering);
    this.#gathering = [];
  }

  #write(): Promise<void> {
    if (this.isFailing || this.failNext > 0) {
      if (this.failNext > 0) this.failNext--;
      return Promise.reject(new Error('the store was told to fail'));
    }
    for (const change of this.#closed) this.#state.apply(change);
    this.#closed = [];
    return Promise.resolve();
  }
}
