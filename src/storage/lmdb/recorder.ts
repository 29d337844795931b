// Takes down what is recorded: in the batch that gathers, and in what memory holds of sessions and of the log. Memory is the
// truth of which deliveries there are; batch and file say what they are.

import { assert } from '../../lib/assert.ts';
import {
  DeliveryState,
  type HighestNumbers,
  type MessageCodec,
  type StoredDelivery,
  type StoredSession,
  type StoredSubscription,
  type StoredWill,
} from '../storage.ts';
import { Batch } from './batch.ts';
import { retainedKey, seedOfName, seedOfNumber, subscriptionKey, tableKey } from './layout.ts';
import { LiveCounts } from './live-counts.ts';
import { PendingRecord } from './log-record.ts';
import { packetOf, SessionState } from './session-state.ts';
import { Sweep } from './sweep.ts';
import { encodeBytes, encodeSession, encodeSubscription, encodeWill } from './values.ts';

/** What the recorder needs of the file and of those who read it. */
export interface RecorderHost {
  messages(): MessageCodec;
  /** Keys of all subscriptions of a session in the file. */
  storedSubscriptions(session: number): Uint8Array[];
  /** A record of the log is not wanted any more. */
  onDead(sequence: number): void;
}

export class Recorder {
  readonly sessions = new Map<number, SessionState>();
  readonly live = new LiveCounts();
  gathering = new Batch();
  /** Sealed, and on its way. */
  committing: Batch | null = null;
  #highestSession = 0;
  #highestSequence = 0;
  /** Sessions that get one message ask one after the other. */
  #lastRecord: PendingRecord | null = null;
  readonly #host: RecorderHost;
  readonly #sweep = new Sweep(this);

  constructor(host: RecorderHost, highest: HighestNumbers) {
    this.#host = host;
    this.#highestSession = highest.session;
    this.#highestSequence = highest.sequence;
  }

  get highest(): HighestNumbers {
    return { session: this.#highestSession, sequence: this.#highestSequence };
  }

  saveSession(session: StoredSession): void {
    const { number } = session;
    if (!this.sessions.has(number)) {
      this.sessions.set(number, new SessionState(number));
      this.gathering.created.add(number);
      if (number > this.#highestSession) this.#highestSession = number;
    }
    this.gathering.sessions.set(number, encodeSession(session, seedOfNumber(number)));
  }

  deleteSession(number: number): void {
    const session = this.sessions.get(number);
    if (session === undefined) return;
    const { gathering } = this;
    this.sessions.delete(number);
    session.isDeleted = true;
    gathering.dirty.delete(session);
    gathering.sessions.delete(number);
    gathering.wills.delete(number);
    gathering.subscriptions.delete(number);
    if (!gathering.created.delete(number)) {
      gathering.sessions.set(number, null);
      if (session.hasRecord) gathering.deletedStates.add(number);
      if (session.hasWill) gathering.wills.set(number, null);
      if (session.hasSubscriptions) this.#dropSubscriptions(number);
    }
    this.#sweep.add(session);
  }

  saveSubscription(number: number, subscription: StoredSubscription): void {
    const session = this.sessions.get(number);
    if (session === undefined) return;
    session.hasSubscriptions = true;
    const { topicFilter } = subscription;
    const seed = seedOfName(subscriptionKey(number, topicFilter));
    this.gathering.subscription(number, topicFilter, encodeSubscription(subscription, seed));
  }

  deleteSubscription(number: number, topicFilter: string): void {
    if (this.sessions.get(number)?.hasSubscriptions !== true) return;
    this.gathering.subscription(number, topicFilter, null);
  }

  enqueue(number: number, delivery: StoredDelivery): void {
    const session = this.sessions.get(number);
    if (session === undefined) return;
    const { sequence } = delivery;
    assert(sequence > session.lastSequence, 'the sequence numbers of a session grow');
    this.#recordFor(delivery).add(session, delivery);
    session.push(sequence);
    this.live.increment(sequence);
    if (delivery.state !== DeliveryState.Queued) this.updateDelivery(number, delivery);
  }

  updateDelivery(number: number, delivery: StoredDelivery): void {
    const { sequence } = delivery;
    const isNew = this.gathering.log.has(sequence);
    const session = this.sessions.get(number);
    const packet = packetOf(delivery.packetId, delivery.state);
    if (session?.move(sequence, packet, isNew)) this.gathering.dirty.add(session);
  }

  dequeue(number: number, sequence: number): void {
    const session = this.sessions.get(number);
    if (!session?.remove(sequence, this.gathering.log.has(sequence))) return;
    if (session.mustWrite) this.gathering.dirty.add(session);
    this.release(sequence);
  }

  saveInboundPacketId(number: number, packetId: number): void {
    const session = this.sessions.get(number);
    if (session?.addInbound(packetId)) this.gathering.dirty.add(session);
  }

  deleteInboundPacketId(number: number, packetId: number): void {
    const session = this.sessions.get(number);
    if (session?.removeInbound(packetId)) this.gathering.dirty.add(session);
  }

  saveWill(number: number, will: StoredWill): void {
    const session = this.sessions.get(number);
    if (session === undefined) return;
    session.hasWill = true;
    const value = encodeWill(will, this.#host.messages(), seedOfNumber(number));
    this.gathering.wills.set(number, value);
  }

  deleteWill(number: number): void {
    if (this.sessions.get(number)?.hasWill === true) this.gathering.wills.set(number, null);
  }

  saveRetained(topicName: string, message: Uint8Array): void {
    const seed = seedOfName(retainedKey(topicName));
    this.gathering.retained.set(topicName, encodeBytes(message, seed));
  }

  deleteRetained(topicName: string): void {
    this.gathering.retained.set(topicName, null);
  }

  put(table: string, key: string, value: Uint8Array): void {
    const bytes = tableKey(table, key);
    this.gathering.tables.set(bytes.toString(), encodeBytes(value, seedOfName(bytes)));
  }

  remove(table: string, key: string): void {
    this.gathering.tables.set(tableKey(table, key).toString(), null);
  }

  /** Somebody does not want this record of the log any more. */
  release(sequence: number): void {
    const { log, dead } = this.gathering;
    const pending = log.get(sequence);
    if (this.live.decrement(sequence) > 0) {
      if (pending !== undefined) pending.hasGaps = true;
      return;
    }
    this.#host.onDead(sequence);
    if (pending === undefined) {
      dead.push(sequence);
      return;
    }
    log.delete(sequence);
    if (this.#lastRecord === pending) this.#lastRecord = null;
  }

  /** A record of the log that is not durable yet. */
  pending(sequence: number): PendingRecord | undefined {
    return this.gathering.log.get(sequence) ?? this.committing?.log.get(sequence);
  }

  /** Ends the batch; another one gathers from now on. */
  seal(): Batch {
    const batch = this.gathering;
    this.committing = batch;
    this.gathering = new Batch();
    this.#lastRecord = null;
    this.#sweep.resume();
    return batch;
  }

  onCommitted(): void {
    this.committing = null;
  }

  /** Nothing of it was written: it is the beginning of the next one. */
  onFailed(): void {
    if (this.committing !== null) this.gathering.prepend(this.committing);
    this.committing = null;
    this.#lastRecord = null;
  }

  close(): void {
    this.#sweep.stop();
  }

  #recordFor(delivery: StoredDelivery): PendingRecord {
    const { sequence } = delivery;
    if (this.#lastRecord?.sequence === sequence) return this.#lastRecord;
    let record = this.gathering.log.get(sequence);
    if (record === undefined) {
      assert(this.live.get(sequence) === 0, 'all targets of a message are recorded together');
      record = new PendingRecord(sequence, this.#host.messages().encode(delivery.message));
      this.gathering.log.set(sequence, record);
      if (sequence > this.#highestSequence) this.#highestSequence = sequence;
    }
    this.#lastRecord = record;
    return record;
  }

  #dropSubscriptions(session: number): void {
    const { deadSubscriptions } = this.gathering;
    for (const key of this.#host.storedSubscriptions(session)) deadSubscriptions.push(key);
    const filters = this.committing?.subscriptions.get(session);
    if (filters === undefined) return;
    for (const topicFilter of filters.keys()) {
      deadSubscriptions.push(subscriptionKey(session, topicFilter));
    }
  }
}
