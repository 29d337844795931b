// The store on disk: LMDB, one file in a folder. What is recorded gathers in memory and becomes one transaction; a message is
// one record however many sessions it waits for, and what changes with each delivery is one small record for each session.
// The folder's lock, and the check of a file that may be damaged, are somebody else's business (store-folder).

import { mkdir, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Message } from '../../protocol/message.ts';
import type {
  Recovery,
  Storage,
  StorageHost,
  StoredDelivery,
  StoredSession,
  StoredSubscription,
  StoredWill,
  StoreInfo,
  StoreStats,
  TableEntry,
} from '../storage.ts';
import { Committer } from './committer.ts';
import { type Environment, openEnvironment, type Tables } from './environment.ts';
import { FORMAT_VERSION, STORE_FILE, subscriptionsStart } from './layout.ts';
import { findHighest, newMeta, readMeta } from './meta.ts';
import { listValues, readDeliveries, readValue } from './reads.ts';
import { RecordReader } from './record-reader.ts';
import { Recorder } from './recorder.ts';
import { recoverStore } from './recover.ts';
import { SpaceWatch } from './space.ts';

export interface LmdbOptions {
  /** Exists, and belongs to this process alone. */
  readonly folder: string;
  /** When a commit counts: after its fsync, or as soon as the operating system has it. */
  readonly level: 'always' | 'relaxed';
  /** Milliseconds that a batch gathers, for disks that wear out: what comes and goes meanwhile is never written. */
  readonly commitDelayMs?: number;
  /** Bytes that the disk should have left; 64 MiB if absent. */
  readonly freeMinBytes?: number;
  /** Bytes that the store may use; 0 = no limit. */
  readonly bytesMax?: number;
  /** Called before each transaction; what it throws is why that fails. For tests. */
  readonly onTransaction?: () => void;
}

const FREE_MIN_BYTES = 64 * 1_048_576;
const SYNC_ALARM = 'store_sync';

/** What there is once the store is open. */
interface Parts {
  readonly committer: Committer;
  readonly recorder: Recorder;
  readonly reader: RecordReader;
  readonly space: SpaceWatch;
  readonly host: StorageHost;
}

export class LmdbStorage implements Storage {
  readonly #options: LmdbOptions;
  readonly #file: string;
  #parts: Parts | null = null;
  #backups: Promise<void> = Promise.resolve();

  constructor(options: LmdbOptions) {
    this.#options = options;
    this.#file = path.resolve(options.folder, STORE_FILE);
  }

  async open(host: StorageHost): Promise<StoreInfo> {
    const { level } = this.#options;
    let environment: Environment;
    try {
      environment = openEnvironment(this.#file, { level });
    } catch (error) {
      throw new Error(`the store ${this.#file} cannot be opened: ${messageOf(error)}`);
    }
    try {
      return await this.#start(environment, host);
    } catch (error) {
      this.#parts = null;
      await environment.close();
      throw error;
    }
  }

  async recover(recovery: Recovery): Promise<void> {
    const { committer, recorder, reader } = this.#open;
    await recoverStore(committer.environment, recorder, reader, recovery);
  }

  saveSession(session: StoredSession): void {
    this.#open.recorder.saveSession(session);
  }

  deleteSession(session: number): void {
    this.#open.recorder.deleteSession(session);
  }

  saveSubscription(session: number, subscription: StoredSubscription): void {
    this.#open.recorder.saveSubscription(session, subscription);
  }

  deleteSubscription(session: number, topicFilter: string): void {
    this.#open.recorder.deleteSubscription(session, topicFilter);
  }

  enqueue(session: number, delivery: StoredDelivery): void {
    this.#open.recorder.enqueue(session, delivery);
  }

  updateDelivery(session: number, delivery: StoredDelivery): void {
    this.#open.recorder.updateDelivery(session, delivery);
  }

  dequeue(session: number, sequence: number): void {
    this.#open.recorder.dequeue(session, sequence);
  }

  saveInboundPacketId(session: number, packetId: number): void {
    this.#open.recorder.saveInboundPacketId(session, packetId);
  }

  deleteInboundPacketId(session: number, packetId: number): void {
    this.#open.recorder.deleteInboundPacketId(session, packetId);
  }

  saveWill(session: number, will: StoredWill): void {
    this.#open.recorder.saveWill(session, will);
  }

  deleteWill(session: number): void {
    this.#open.recorder.deleteWill(session);
  }

  saveRetained(message: Message): void {
    const { recorder, host } = this.#open;
    recorder.saveRetained(message.topic.name, host.messages.encode(message));
  }

  deleteRetained(topicName: string): void {
    this.#open.recorder.deleteRetained(topicName);
  }

  put(table: string, key: string, value: Uint8Array): void {
    this.#open.recorder.put(table, key, value);
  }

  remove(table: string, key: string): void {
    this.#open.recorder.remove(table, key);
  }

  readDeliveries(session: number, sequences: readonly number[]): readonly StoredDelivery[] {
    const { recorder, reader } = this.#open;
    return readDeliveries(recorder, reader, this.#tables, session, sequences);
  }

  get(table: string, key: string): Uint8Array | null {
    const { recorder, reader } = this.#open;
    return readValue(recorder, reader, this.#tables, table, key);
  }

  list(table: string, afterKey: string | null, limit: number): readonly TableEntry[] {
    const { recorder, reader } = this.#open;
    return listValues(recorder, reader, this.#tables, table, afterKey, limit);
  }

  async commit(): Promise<void> {
    const { committer, space } = this.#open;
    await committer.commit();
    space.onCommit();
  }

  async close(): Promise<void> {
    const parts = this.#parts;
    if (parts === null) return;
    this.#parts = null;
    await this.#backups;
    parts.space.stop();
    parts.recorder.close();
    await parts.committer.close();
  }

  /**
   * Lets go of the file as the death of the process would: a transaction under way ends, and what was not committed is lost.
   * For tests.
   */
  async crash(): Promise<void> {
    const parts = this.#parts;
    if (parts === null) return;
    this.#parts = null;
    await this.#backups;
    parts.space.stop();
    parts.recorder.close();
    await parts.committer.abandon();
  }

  backup(folder: string): Promise<void> {
    const { environment } = this.#open.committer;
    const backup = copyInto(environment, path.resolve(folder));
    this.#backups = Promise.allSettled([this.#backups, backup]).then(() => {});
    return backup;
  }

  stats(): StoreStats {
    return this.#open.committer.stats();
  }

  /** Values that could not be read since the start. */
  get damagedValues(): number {
    return this.#open.reader.damaged;
  }

  get #open(): Parts {
    if (this.#parts === null) throw new Error(`the store ${this.#file} is not open`);
    return this.#parts;
  }

  get #tables(): Tables {
    return this.#open.committer.environment.tables;
  }

  async #start(environment: Environment, host: StorageHost): Promise<StoreInfo> {
    const { level, commitDelayMs = 0, freeMinBytes = FREE_MIN_BYTES, bytesMax = 0 } = this.#options;
    const { tables } = environment;
    const meta = readMeta(tables);
    const isNew = await this.#begin(environment, meta.format);
    const highest = findHighest(tables, meta.highest);
    const reader = new RecordReader(host, this.#file);
    const recorderHost = {
      // The server has its codec once the store is open, and says what time it is.
      messages: () => host.messages,
      storedSubscriptions: (session: number) => this.#storedSubscriptions(session),
      onDead: (sequence: number) => reader.forget(sequence),
    };
    const recorder = new Recorder(recorderHost, highest);
    const options = { level, commitDelayMs, onTransaction: this.#options.onTransaction ?? null };
    const committer = new Committer(environment, recorder, options, meta.isClean);
    committer.onSyncFailed = (error) => this.#onSyncFailed(host, error);
    const limits = { folder: path.resolve(this.#options.folder), freeMinBytes, bytesMax };
    const space = new SpaceWatch(limits, host, () => committer.environment.usedBytes());
    this.#parts = { committer, recorder, reader, space, host };
    await space.look();
    await committer.markOpen().catch((error: unknown) => {
      host.log('warn', { error: messageOf(error) }, 'the store cannot be marked as open');
    });
    return { location: this.#file, isNew, highest };
  }

  /** Whether it is new; then it gets what every store has. Throws Error when another version wrote it. */
  async #begin(environment: Environment, format: number | null): Promise<boolean> {
    if (format === FORMAT_VERSION) return false;
    if (format !== null) {
      throw new Error(
        `the store ${this.#file} has format version ${format}, and this version of IoTHub knows only ${FORMAT_VERSION}`,
      );
    }
    const { tables } = environment;
    const isEmpty = Object.values(tables).every((table) => table.getCount() === 0);
    if (!isEmpty) throw new Error(`the store ${this.#file} does not say which version wrote it`);
    await environment.write(() => {
      for (const { key, value } of newMeta()) if (value !== null) void tables.meta.put(key, value);
    });
    return true;
  }

  #storedSubscriptions(session: number): Uint8Array[] {
    const { subscriptions } = this.#tables;
    const end = subscriptionsStart(session + 1);
    return [...subscriptions.getKeys({ start: subscriptionsStart(session), end })];
  }

  #onSyncFailed(host: StorageHost, error: Error): void {
    const fields = { store: this.#file, error: error.message };
    host.log('error', fields, 'the disk did not take what was acknowledged');
    host.raiseAlarm(
      SYNC_ALARM,
      'critical',
      `the disk of the store did not take what was acknowledged (${error.message}): a power cut may lose it`,
      fields,
    );
  }
}

/** A copy of the file in a new or empty folder, on the disk when this resolves. */
async function copyInto(environment: Environment, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0) throw new Error(`the folder ${folder} is not empty`);
  const file = path.join(folder, STORE_FILE);
  await environment.copyTo(file);
  for (const one of [file, folder]) {
    const handle = await open(one, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
