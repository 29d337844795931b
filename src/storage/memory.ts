// The contract of a store, kept by this object and nothing else: what was committed is found again by the next server that opens
// it. Every change is logged in the batch that gathers, and a commit applies the batch as a whole. For a production server it is
// no store, since it dies with the process; it shows tests, which may slow it down, make it fail and crash it, what a durable one
// does. It holds everything twice: as it is durable, and as it is recorded, which is what reading sees.

import { setImmediate as turn } from 'node:timers/promises';
import { assert } from '../lib/assert.ts';
import { type Cancellable, type Clock, SYSTEM_CLOCK } from '../lib/clock.ts';
import type { Message } from '../protocol/message.ts';
import {
  type Change,
  copySession,
  copySubscription,
  MemoryState,
  toDelivery,
  toRecord,
} from './memory-state.ts';
import {
  DeliveryState,
  type MessageCodec,
  type QueuedDelivery,
  type Recovery,
  type Storage,
  type StorageHost,
  type StoredDelivery,
  type StoredSession,
  type StoredSubscription,
  type StoredWill,
  type StoreInfo,
  type TableEntry,
} from './storage.ts';

/** What is handed back between two turns of the event loop. */
const RECOVERED_PER_TURN = 1_000;
const KEY_BYTES_MAX = 1_024;

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
  /** For tests: reading is answered by `finishReads`, with what was recorded when it was asked; until it is opened again. */
  isReadingSlow = false;
  /** For tests: reading throws, or rejects when it is slow as well. */
  failReads = false;
  /** For tests: how often `readDeliveries` was called. */
  readCalls = 0;
  readonly #clock: Clock;
  readonly #durable = new MemoryState();
  #recorded = new MemoryState();
  #host: StorageHost | null = null;
  #wasOpened = false;
  /** What gathers, and what was closed by `commit` and is not durable yet. */
  #gathering: Change[] = [];
  #closed: Change[] = [];
  #unfinished: UnfinishedCommit | null = null;
  #slowReads: (() => void)[] = [];

  constructor(options: MemoryStorageOptions = {}) {
    this.commitDelayMs = options.commitDelayMs ?? 0;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  open(host: StorageHost): Promise<StoreInfo> {
    if (this.#host !== null) {
      return Promise.reject(new Error('the store is in use by another server'));
    }
    const isNew = !this.#wasOpened;
    this.#host = host;
    this.#wasOpened = true;
    this.isReadingSlow = false;
    this.#recorded = this.#durable.clone();
    const { highest } = this.#durable;
    return Promise.resolve({ location: 'the memory of this process', isNew, highest });
  }

  async recover(recovery: Recovery): Promise<void> {
    const host = this.#host;
    assert(host !== null, 'the store is read before it is open');
    let handedBack = 0;
    const isTurnOver = () => ++handedBack % RECOVERED_PER_TURN === 0;
    for (const session of this.#durable.sessions.values()) {
      recovery.onSession(session.recovered(host.messages));
      if (isTurnOver()) await turn();
    }
    const queued = new ReusedQueuedDelivery(); // as the contract allows: the server must not keep it
    for (const [number, session] of this.#durable.sessions) {
      for (const { message, sequence, qos, sharedFilter } of session.deliveriesWhere(true)) {
        queued.set(host.messages, message, sequence, qos, sharedFilter !== null);
        recovery.onQueued(number, queued);
        if (isTurnOver()) await turn();
      }
    }
    for (const message of this.#durable.retained.values()) {
      recovery.onRetained(host.messages.decode(message));
      if (isTurnOver()) await turn();
    }
  }

  saveSession(session: StoredSession): void {
    this.#record({ kind: 'saveSession', session: copySession(session) });
  }

  deleteSession(number: number): void {
    this.#record({ kind: 'deleteSession', number });
  }

  saveSubscription(number: number, subscription: StoredSubscription): void {
    const copy = copySubscription(subscription);
    this.#record({ kind: 'saveSubscription', number, subscription: copy });
  }

  deleteSubscription(number: number, topicFilter: string): void {
    this.#record({ kind: 'deleteSubscription', number, topicFilter });
  }

  enqueue(number: number, delivery: StoredDelivery): void {
    if (this.#host === null) return;
    const isThere = this.#recorded.sessions.get(number)?.deliveries.has(delivery.sequence) ?? false;
    assert(!isThere, `session ${number} has a delivery ${delivery.sequence} already`);
    const record = toRecord(delivery, this.#host.messages);
    this.#record({ kind: 'enqueue', number, delivery: record });
  }

  updateDelivery(number: number, { sequence, packetId, state }: StoredDelivery): void {
    this.#record({ kind: 'updateDelivery', number, sequence, packetId, state });
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

  saveWill(number: number, { message, delayInterval }: StoredWill): void {
    if (this.#host === null) return;
    const will = { message: this.#host.messages.encode(message), delayInterval };
    this.#record({ kind: 'saveWill', number, will });
  }

  deleteWill(number: number): void {
    this.#record({ kind: 'deleteWill', number });
  }

  saveRetained(message: Message): void {
    if (this.#host === null) return;
    const bytes = this.#host.messages.encode(message);
    this.#record({ kind: 'saveRetained', topicName: message.topic.name, message: bytes });
  }

  deleteRetained(topicName: string): void {
    this.#record({ kind: 'deleteRetained', topicName });
  }

  put(table: string, key: string, value: Uint8Array): void {
    checkName(table, key);
    this.#record({ kind: 'put', table, key, value: new Uint8Array(value) });
  }

  remove(table: string, key: string): void {
    checkName(table, key);
    this.#record({ kind: 'remove', table, key });
  }

  readDeliveries(
    number: number,
    sequences: readonly number[],
  ): readonly StoredDelivery[] | Promise<readonly StoredDelivery[]> {
    this.readCalls++;
    return this.#read((state, host) => {
      const found: StoredDelivery[] = [];
      const deliveries = state.sessions.get(number)?.deliveries;
      for (const sequence of sequences) {
        const record = deliveries?.get(sequence);
        if (record?.state === DeliveryState.Queued) found.push(toDelivery(record, host.messages));
      }
      return found;
    });
  }

  get(table: string, key: string): Uint8Array | null | Promise<Uint8Array | null> {
    checkName(table, key);
    return this.#read((state) => state.get(table, key));
  }

  list(
    table: string,
    afterKey: string | null,
    limit: number,
  ): readonly TableEntry[] | Promise<readonly TableEntry[]> {
    checkName(table, afterKey ?? '-');
    return this.#read((state) => state.list(table, afterKey, limit));
  }

  commit(): Promise<void> {
    if (this.#host === null) return new Promise(() => {}); // the dead are told nothing
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
    if (this.#host === null) return;
    this.finishReads();
    this.#unfinished?.finish(); // time may stand still by now
    this.#closeBatch();
    try {
      await this.#write();
    } finally {
      this.#host = null;
      this.#closed = [];
    }
  }

  /** For tests: answers all reading that waits. */
  finishReads(): void {
    const finished = this.#slowReads;
    this.#slowReads = [];
    for (const finish of finished) finish();
  }

  /** For tests: the store says that it takes nothing more, or null: that it does again. */
  setProblem(problem: string | null): void {
    this.#host?.setProblem(problem);
  }

  /**
   * For tests: the process dies. What gathers is lost, and so is a commit under way, unless `keepsUnfinished`: then it got
   * through, and nobody was told. What the dead server still records has no effect.
   */
  crash(keepsUnfinished = false): void {
    this.#unfinished?.timer.cancel();
    this.#unfinished = null;
    this.#host = null;
    this.#slowReads = [];
    if (keepsUnfinished) for (const change of this.#closed) this.#durable.apply(change);
    this.#closed = [];
    this.#gathering = [];
  }

  #record(change: Change): void {
    if (this.#host === null) return;
    this.#gathering.push(change);
    this.#recorded.apply(change);
  }

  /** The answer is that of this moment, however long it takes to come. */
  #read<T>(ask: (state: MemoryState, host: StorageHost) => T): T | Promise<T> {
    const host = this.#host;
    if (host === null) return new Promise(() => {});
    const isFailing = this.failReads;
    if (isFailing && !this.isReadingSlow) throw new Error('the store was told to fail');
    const answer = ask(this.#recorded, host);
    if (!this.isReadingSlow) return answer;
    return new Promise((resolve, reject) => {
      this.#slowReads.push(() => {
        if (isFailing) reject(new Error('the store was told to fail'));
        else resolve(answer);
      });
    });
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
    for (const change of this.#closed) this.#durable.apply(change);
    this.#closed = [];
    return Promise.resolve();
  }
}

/** One object for all calls. */
class ReusedQueuedDelivery implements QueuedDelivery {
  sequence = 0;
  topicName = '';
  size = 0;
  qos: QueuedDelivery['qos'] = 0;
  isShared = false;
  expiresAtMs = 0;

  set(
    messages: MessageCodec,
    bytes: Uint8Array,
    sequence: number,
    qos: QueuedDelivery['qos'],
    isShared: boolean,
  ): void {
    const { topicName, size, expiresAtMs } = messages.summarize(bytes);
    this.sequence = sequence;
    this.topicName = topicName;
    this.size = size;
    this.qos = qos;
    this.isShared = isShared;
    this.expiresAtMs = expiresAtMs;
  }
}

function checkName(table: string, key: string): void {
  assert(/^[a-z0-9_]{1,64}$/.test(table), `'${table}' is no name of a table`);
  const length = Buffer.byteLength(key);
  assert(length >= 1 && length <= KEY_BYTES_MAX, `a key of ${length} bytes`);
}
