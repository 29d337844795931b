// Reads a whole store at start: the tables of sessions side by side, each ordered by session number; then the log, which says
// what is queued, and how many want each record; then the retained messages. What belongs to nobody is removed on the way.
// The event loop turns every ten milliseconds.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type {
  QueuedDelivery,
  RecoveredSession,
  Recovery,
  StoredDelivery,
  StoredSession,
  StoredSubscription,
  StoredWill,
} from '../storage.ts';
import type { Environment, Tables } from './environment.ts';
import { readNumber } from './layout.ts';
import { StoredRecord } from './log-record.ts';
import { deliveryOf } from './reads.ts';
import type { RecordReader } from './record-reader.ts';
import type { Recorder } from './recorder.ts';
import { decodeState, EMPTY_STATE, SessionState, type StateRecord } from './session-state.ts';
import { TableCursor } from './table-cursor.ts';
import { decodeSession, decodeSubscription, decodeWill } from './values.ts';

const SLICE_MS = 10;
/** The time is looked at after so many entries. */
const LOOK_EVERY = 64;
/** Dead records are removed in transactions of so many. */
const DEAD_MAX = 8_192;
/** Before the keys of all names. */
const FIRST_NAME = Buffer.from([0]);

export async function recoverStore(
  environment: Environment,
  recorder: Recorder,
  reader: RecordReader,
  recovery: Recovery,
): Promise<void> {
  await new StoreRecovery(environment, recorder, reader, recovery).run();
}

class StoreRecovery {
  readonly #environment: Environment;
  readonly #tables: Tables;
  readonly #recorder: Recorder;
  readonly #reader: RecordReader;
  readonly #recovery: Recovery;
  /** Sessions whose record cannot be read: what belongs to them is left alone. */
  readonly #unreadable = new Set<number>();
  readonly #states: TableCursor<number>;
  readonly #wills: TableCursor<number>;
  readonly #subscriptions: TableCursor<Uint8Array>;
  #entries = 0;
  #sliceEndMs = 0;

  constructor(
    environment: Environment,
    recorder: Recorder,
    reader: RecordReader,
    recovery: Recovery,
  ) {
    const { tables } = environment;
    this.#environment = environment;
    this.#tables = tables;
    this.#recorder = recorder;
    this.#reader = reader;
    this.#recovery = recovery;
    this.#states = new TableCursor<number>(tables.state, 0);
    this.#wills = new TableCursor<number>(tables.wills, 0);
    this.#subscriptions = new TableCursor<Uint8Array>(tables.subscriptions, FIRST_NAME);
  }

  async run(): Promise<void> {
    this.#sliceEndMs = performance.now() + SLICE_MS;
    await this.#sessions();
    await this.#log();
    await this.#retained();
  }

  async #sessions(): Promise<void> {
    const cursor = new TableCursor<number>(this.#tables.sessions, 0);
    for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
      const { key: number, value } = entry;
      const session = this.#reader.byNumber('sessions', number, value, (content) =>
        decodeSession(number, content),
      );
      if (session === null) this.#unreadable.add(number);
      else this.#recovery.onSession(this.#session(session));
      if (this.#isTimeUp()) await this.#turn();
    }
    this.#skipTo(Number.POSITIVE_INFINITY);
  }

  #session(session: StoredSession): RecoveredSession {
    const { number } = session;
    this.#skipTo(number);
    const memory = new SessionState(number);
    this.#recorder.sessions.set(number, memory);
    const inflight = this.#inflight(memory);
    const will = this.#will(number);
    const subscriptions = this.#subscriptionsOf(number);
    memory.hasWill = will !== null;
    memory.hasSubscriptions = subscriptions.length > 0;
    return { session, subscriptions, inflight, inboundPacketIds: memory.inboundPacketIds, will };
  }

  /** The state of a session: takes it into memory, and reads what is in flight. */
  #inflight(memory: SessionState): StoredDelivery[] {
    const entry = this.#states.peek();
    if (entry?.key !== memory.number) return [];
    this.#states.next();
    const state =
      this.#reader.byNumber('state', entry.key, entry.value, decodeState) ?? EMPTY_STATE;
    const found: StoredDelivery[] = [];
    const sequences: number[] = [];
    const packets: number[] = [];
    memory.restore(state);
    for (let i = 0; i < state.inflight.length; i++) {
      const sequence = state.inflight[i];
      const stored = this.#reader.delivery(this.#tables, sequence, memory.number);
      if (stored === null) {
        this.#reader.onDamaged('log', sequence, 'a message in flight is not there');
        continue;
      }
      found.push(deliveryOf(memory, sequence, stored.attributes, stored.message));
      sequences.push(sequence);
      packets.push(state.packets[i]);
    }
    if (sequences.length < state.inflight.length) {
      const readable: StateRecord = { ...state, inflight: sequences, packets };
      memory.restore(readable);
    }
    return found;
  }

  #will(number: number): StoredWill | null {
    const entry = this.#wills.peek();
    if (entry?.key !== number) return null;
    this.#wills.next();
    return this.#reader.byNumber('wills', number, entry.value, (content) =>
      decodeWill(content, this.#reader.messages),
    );
  }

  #subscriptionsOf(number: number): StoredSubscription[] {
    const found: StoredSubscription[] = [];
    for (;;) {
      const entry = this.#subscriptions.peek();
      if (entry === null || readNumber(entry.key, 0) !== number) return found;
      this.#subscriptions.next();
      const { key, value } = entry;
      const one = this.#reader.byName('subscriptions', key, value, decodeSubscription);
      if (one !== null) found.push(one);
    }
  }

  /** Removes what belongs to sessions that are not there, up to this one. */
  #skipTo(number: number): void {
    const { gathering } = this.#recorder;
    for (let entry = this.#states.peek(); entry !== null; entry = this.#states.peek()) {
      if (entry.key >= number) break;
      this.#states.next();
      if (!this.#unreadable.has(entry.key)) gathering.deletedStates.add(entry.key);
    }
    for (let entry = this.#wills.peek(); entry !== null; entry = this.#wills.peek()) {
      if (entry.key >= number) break;
      this.#wills.next();
      if (!this.#unreadable.has(entry.key)) gathering.wills.set(entry.key, null);
    }
    const subscriptions = this.#subscriptions;
    for (let entry = subscriptions.peek(); entry !== null; entry = subscriptions.peek()) {
      const session = readNumber(entry.key, 0);
      if (session >= number) break;
      subscriptions.next();
      if (!this.#unreadable.has(session)) gathering.deadSubscriptions.push(entry.key);
    }
  }

  async #log(): Promise<void> {
    const cursor = new TableCursor<number>(this.#tables.log, 0);
    const { gathering, sessions } = this.#recorder;
    const queued = new Queued();
    for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
      const { key: sequence, value } = entry;
      const isWanted = this.#reader.byNumber('log', sequence, value, (content) =>
        this.#count(sequence, new StoredRecord(content), queued),
      );
      if (isWanted === false) gathering.dead.push(sequence);
      if (this.#isTimeUp()) {
        if (gathering.dead.length >= DEAD_MAX) await this.#removeDead();
        await this.#turn();
      }
    }
    for (const session of sessions.values()) session.finishRestore();
  }

  /** Whether somebody wants the record. */
  #count(sequence: number, record: StoredRecord, queued: Queued): boolean {
    const { live, sessions } = this.#recorder;
    let isWanted = false;
    let isSummarized = false;
    for (let i = 0; i < record.targetCount; i++) {
      const number = record.sessionAt(i);
      const session = sessions.get(number);
      if (session === undefined) {
        isWanted ||= this.#unreadable.has(number);
        continue;
      }
      const isInflight = session.packet(sequence) >= 0;
      if (!isInflight && !session.restoreQueued(sequence)) continue;
      live.increment(sequence);
      isWanted = true;
      if (isInflight) continue;
      if (!isSummarized) queued.fill(sequence, this.#reader.messages.summarize(record.message));
      isSummarized = true;
      const { qos, sharedFilter } = record.attributesAt(i);
      queued.qos = qos;
      queued.isShared = sharedFilter !== null;
      this.#recovery.onQueued(number, queued);
    }
    return isWanted;
  }

  async #retained(): Promise<void> {
    const cursor = new TableCursor<Uint8Array>(this.#tables.retained, FIRST_NAME);
    for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
      const { key, value } = entry;
      const message = this.#reader.byName('retained', key, value, (content) =>
        this.#reader.messages.decode(content),
      );
      if (message !== null) this.#recovery.onRetained(message);
      if (this.#isTimeUp()) await this.#turn();
    }
  }

  /** Many dead records go at once; if they cannot, they wait for the next commit with the rest. */
  async #removeDead(): Promise<void> {
    const { gathering } = this.#recorder;
    const { log } = this.#tables;
    try {
      await this.#environment.write(() => {
        for (const sequence of gathering.dead) void log.remove(sequence);
      });
      gathering.dead.length = 0;
    } catch (error) {
      this.#reader.onNotRemoved(error);
    }
  }

  #isTimeUp(): boolean {
    return ++this.#entries % LOOK_EVERY === 0 && performance.now() >= this.#sliceEndMs;
  }

  async #turn(): Promise<void> {
    await nextTurn();
    if (this.#recovery.isCancelled === true) throw new Error('reading the store was given up');
    this.#sliceEndMs = performance.now() + SLICE_MS;
  }
}

/** The one object that is handed out again and again. */
class Queued implements QueuedDelivery {
  sequence = 0;
  topicName = '';
  size = 0;
  qos: QueuedDelivery['qos'] = 0;
  isShared = false;
  expiresAtMs = 0;

  fill(
    sequence: number,
    summary: { readonly topicName: string; readonly size: number; readonly expiresAtMs: number },
  ): void {
    this.sequence = sequence;
    this.topicName = summary.topicName;
    this.size = summary.size;
    this.expiresAtMs = summary.expiresAtMs;
  }
}
