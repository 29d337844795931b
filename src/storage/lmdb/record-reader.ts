// Reads values back and checks them: one that fails its checksum, or that nothing can be made of, is logged, counted and left
// out. The store goes on without it.

import type { Message } from '../../protocol/message.ts';
import type { MessageCodec, StorageHost } from '../storage.ts';
import { openValue } from './bytes.ts';
import type { Tables } from './environment.ts';
import { seedOfName, seedOfNumber, type TableName } from './layout.ts';
import { type Attributes, StoredRecord } from './log-record.ts';

/** After so many the log has seen enough of them. */
const LOGGED_MAX = 20;
const CACHED_RECORDS_MAX = 512;
const CACHED_BYTES_MAX = 4 * 1_048_576;

/** A record for several sessions, which will all ask for it. */
interface CachedRecord {
  readonly record: StoredRecord;
  readonly bytes: number;
  message: Message | null;
}

export class RecordReader {
  /** Values that could not be read. */
  damaged = 0;
  readonly #host: StorageHost;
  readonly #location: string;
  /** Least recently used first. */
  readonly #cache = new Map<number, CachedRecord>();
  #cachedBytes = 0;

  constructor(host: StorageHost, location: string) {
    this.#host = host;
    this.#location = location;
  }

  get messages(): MessageCodec {
    return this.#host.messages;
  }

  /** What `decode` makes of a value, or null when it is damaged. */
  byNumber<T>(
    table: TableName,
    key: number,
    value: Uint8Array,
    decode: (content: Buffer) => T,
  ): T | null {
    return this.#read(table, key, value, seedOfNumber(key), decode);
  }

  byName<T>(
    table: TableName,
    key: Uint8Array,
    value: Uint8Array,
    decode: (content: Buffer) => T,
  ): T | null {
    return this.#read(table, key, value, seedOfName(key), decode);
  }

  /** A message of the log with what it has for one session; null when either is not there. */
  delivery(
    tables: Tables,
    sequence: number,
    session: number,
  ): { attributes: Attributes; message: Message } | null {
    const cached = this.#cache.get(sequence);
    if (cached !== undefined) {
      this.#cache.delete(sequence);
      this.#cache.set(sequence, cached);
      return this.#take(sequence, cached, session);
    }
    const value = tables.log.getBinaryFast(sequence);
    if (value === undefined) return null;
    const found = this.byNumber('log', sequence, value, (content) => {
      const record = new StoredRecord(content);
      if (record.targetCount === 1) return { record, bytes: 0, message: null };
      return this.#remember(sequence, content);
    });
    return found === null ? null : this.#take(sequence, found, session);
  }

  onNotRemoved(error: unknown): void {
    const fields = { store: this.#location, error: String(error) };
    this.#host.log('warn', fields, 'what nobody needs could not be removed from the store yet');
  }

  /** The record is gone. */
  forget(sequence: number): void {
    const cached = this.#cache.get(sequence);
    if (cached === undefined) return;
    this.#cache.delete(sequence);
    this.#cachedBytes -= cached.bytes;
  }

  onDamaged(table: TableName, key: number | Uint8Array, reason: string): void {
    this.damaged++;
    const shown = typeof key === 'number' ? key : Buffer.from(key).toString('latin1');
    if (this.damaged <= LOGGED_MAX) {
      const fields = { store: this.#location, table, key: shown, reason };
      this.#host.log('error', fields, 'a value in the store is damaged, and was left out');
    }
    this.#host.raiseAlarm(
      'store_damaged',
      'warning',
      `values in the store are damaged: ${this.damaged} found since the start`,
      { count: this.damaged },
    );
  }

  #take(
    sequence: number,
    from: CachedRecord,
    session: number,
  ): { attributes: Attributes; message: Message } | null {
    try {
      const attributes = from.record.find(session);
      if (attributes === null) return null;
      from.message ??= this.#host.messages.decode(from.record.message);
      return { attributes, message: from.message };
    } catch (error) {
      this.onDamaged('log', sequence, String(error));
      return null;
    }
  }

  /** The value dies with the next read, so a copy of it is kept. */
  #remember(sequence: number, content: Buffer): CachedRecord {
    const bytes = content.length;
    const cached = { record: new StoredRecord(Buffer.from(content)), bytes, message: null };
    if (bytes > CACHED_BYTES_MAX) return cached;
    this.#cache.set(sequence, cached);
    this.#cachedBytes += bytes;
    for (const oldest of this.#cache.keys()) {
      if (this.#cachedBytes <= CACHED_BYTES_MAX && this.#cache.size <= CACHED_RECORDS_MAX) break;
      this.forget(oldest);
    }
    return cached;
  }

  #read<T>(
    table: TableName,
    key: number | Uint8Array,
    value: Uint8Array,
    seed: number,
    decode: (content: Buffer) => T,
  ): T | null {
    const content = openValue(value, seed);
    if (content === null) {
      this.onDamaged(table, key, 'its checksum is wrong');
      return null;
    }
    try {
      return decode(content);
    } catch (error) {
      this.onDamaged(table, key, String(error));
      return null;
    }
  }
}
