// A batch as what is put and removed in LMDB's tables. Everything is encoded first, for a transaction that has begun cannot be
// taken back: what is recorded of it will be committed.

import type { Batch, Change } from './batch.ts';
import type { ValueWriter } from './bytes.ts';
import type { NameDatabase, NumberDatabase, Tables } from './environment.ts';
import {
  type NameTable,
  NUMBER_MAX,
  type NumberTable,
  retainedKey,
  seedOfNumber,
  subscriptionKey,
} from './layout.ts';

/** Roughly what LMDB adds to a value: its key and where it is. */
const ENTRY_BYTES = 16;

export class Transaction {
  entries = 0;
  /** Bytes of the keys and values that are put. */
  bytes = 0;
  readonly #numbers = new Map<NumberTable, NumberChanges>();
  readonly #names = new Map<NameTable, NameChanges>();

  get isEmpty(): boolean {
    return this.#numbers.size === 0 && this.#names.size === 0;
  }

  /** Values must not change until the transaction has ended. */
  number(table: NumberTable, key: number, change: Change): void {
    if (!(key >= 0 && key <= NUMBER_MAX)) throw new Error(`the store cannot hold number ${key}`);
    let changes = this.#numbers.get(table);
    if (changes === undefined) {
      changes = { keys: [], values: [] };
      this.#numbers.set(table, changes);
    }
    changes.keys.push(key);
    changes.values.push(change);
    this.entries++;
    this.bytes += ENTRY_BYTES + (change === null ? 0 : change.length);
  }

  name(table: NameTable, key: Uint8Array, change: Change): void {
    let changes = this.#names.get(table);
    if (changes === undefined) {
      changes = { keys: [], values: [] };
      this.#names.set(table, changes);
    }
    changes.keys.push(key);
    changes.values.push(change);
    this.entries++;
    this.bytes += ENTRY_BYTES + key.length + (change === null ? 0 : change.length);
  }

  /** For `Environment.write`. */
  record(tables: Tables): void {
    for (const [table, { keys, values }] of this.#numbers) apply(tables[table], keys, values);
    for (const [table, { keys, values }] of this.#names) apply(tables[table], keys, values);
  }
}

interface NumberChanges {
  readonly keys: number[];
  readonly values: Change[];
}

interface NameChanges {
  readonly keys: Uint8Array[];
  readonly values: Change[];
}

/** The promises that the package returns in a batch are all the same one, which resolves. */
function apply<K extends number | Uint8Array>(
  table: K extends number ? NumberDatabase : NameDatabase,
  keys: readonly K[],
  values: readonly Change[],
): void {
  const database = table as unknown as PlainDatabase<K>;
  for (let i = 0; i < keys.length; i++) {
    const value = values[i];
    if (value === null) void database.remove(keys[i]);
    else void database.put(keys[i], value);
  }
}

interface PlainDatabase<K> {
  put(key: K, value: Uint8Array): Promise<boolean>;
  remove(key: K): Promise<boolean>;
}

/** Adds all that a batch changes. `isStored`: whether somebody still wants this record of the log. */
export function addBatch(
  transaction: Transaction,
  batch: Batch,
  writer: ValueWriter,
  isStored: (sequence: number) => boolean,
): void {
  for (const [number, change] of batch.sessions) transaction.number('sessions', number, change);
  for (const [number, change] of batch.wills) transaction.number('wills', number, change);
  for (const key of batch.deadSubscriptions) transaction.name('subscriptions', key, null);
  for (const [session, filters] of batch.subscriptions) {
    for (const [topicFilter, change] of filters) {
      transaction.name('subscriptions', subscriptionKey(session, topicFilter), change);
    }
  }
  for (const [topicName, change] of batch.retained) {
    transaction.name('retained', retainedKey(topicName), change);
  }
  for (const [key, change] of batch.tables) transaction.name('tables', Buffer.from(key), change);
  for (const sequence of batch.dead) transaction.number('log', sequence, null);
  for (const [sequence, record] of batch.log) {
    const value = record.write(writer, seedOfNumber(sequence));
    if (value !== null) transaction.number('log', sequence, value);
  }
  for (const number of batch.deletedStates) transaction.number('state', number, null);
  for (const session of batch.dirty) {
    if (session.isDeleted || !session.needsWrite) continue;
    const value = session.write(writer, seedOfNumber(session.number), isStored);
    transaction.number('state', session.number, value);
  }
}
