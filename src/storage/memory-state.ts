// What a MemoryStorage holds: sessions, retained messages and tables as plain Maps, and one method that applies a recorded
// change to them. Messages are the bytes of the server's codec, and all else is copied in and out, so that nothing of the
// living objects leaks through: what a test finds after a restart is what a store on disk would have handed back.

import {
  DeliveryState,
  type HighestNumbers,
  type MessageCodec,
  type RecoveredSession,
  type StoredDelivery,
  type StoredSession,
  type StoredSubscription,
  type TableEntry,
} from './storage.ts';

/** A delivery with its message as bytes; never changed. */
export interface DeliveryRecord {
  readonly sequence: number;
  readonly message: Uint8Array;
  readonly qos: StoredDelivery['qos'];
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  readonly sharedFilter: string | null;
  readonly packetId: number;
  readonly state: DeliveryState;
}

export interface WillRecord {
  readonly message: Uint8Array;
  readonly delayInterval: number;
}

/** One call of the contract, as it was made. */
export type Change =
  | { readonly kind: 'saveSession'; readonly session: StoredSession }
  | { readonly kind: 'deleteSession'; readonly number: number }
  | {
      readonly kind: 'saveSubscription';
      readonly number: number;
      readonly subscription: StoredSubscription;
    }
  | { readonly kind: 'deleteSubscription'; readonly number: number; readonly topicFilter: string }
  | { readonly kind: 'enqueue'; readonly number: number; readonly delivery: DeliveryRecord }
  | {
      readonly kind: 'updateDelivery';
      readonly number: number;
      readonly sequence: number;
      readonly packetId: number;
      readonly state: DeliveryState;
    }
  | { readonly kind: 'dequeue'; readonly number: number; readonly sequence: number }
  | { readonly kind: 'saveInboundPacketId'; readonly number: number; readonly packetId: number }
  | { readonly kind: 'deleteInboundPacketId'; readonly number: number; readonly packetId: number }
  | { readonly kind: 'saveWill'; readonly number: number; readonly will: WillRecord }
  | { readonly kind: 'deleteWill'; readonly number: number }
  | { readonly kind: 'saveRetained'; readonly topicName: string; readonly message: Uint8Array }
  | { readonly kind: 'deleteRetained'; readonly topicName: string }
  | {
      readonly kind: 'put';
      readonly table: string;
      readonly key: string;
      readonly value: Uint8Array;
    }
  | { readonly kind: 'remove'; readonly table: string; readonly key: string };

/** All that belongs to one session. */
export class SessionState {
  session: StoredSession;
  subscriptions = new Map<string, StoredSubscription>();
  deliveries = new Map<number, DeliveryRecord>();
  inboundPacketIds = new Set<number>();
  will: WillRecord | null = null;

  constructor(session: StoredSession) {
    this.session = session;
  }

  clone(): SessionState {
    const copy = new SessionState(this.session);
    copy.subscriptions = new Map(this.subscriptions);
    copy.deliveries = new Map(this.deliveries);
    copy.inboundPacketIds = new Set(this.inboundPacketIds);
    copy.will = this.will;
    return copy;
  }

  /** In the order of their numbers. */
  deliveriesWhere(isQueued: boolean): DeliveryRecord[] {
    const found: DeliveryRecord[] = [];
    for (const delivery of this.deliveries.values()) {
      if ((delivery.state === DeliveryState.Queued) === isQueued) found.push(delivery);
    }
    return found.sort((a, b) => a.sequence - b.sequence);
  }

  recovered(messages: MessageCodec): RecoveredSession {
    const { will } = this;
    return {
      session: copySession(this.session),
      subscriptions: [...this.subscriptions.values()].map(copySubscription),
      inflight: this.deliveriesWhere(false).map((one) => toDelivery(one, messages)),
      inboundPacketIds: [...this.inboundPacketIds],
      will:
        will === null
          ? null
          : { message: messages.decode(will.message), delayInterval: will.delayInterval },
    };
  }
}

export class MemoryState {
  readonly sessions = new Map<number, SessionState>();
  readonly retained = new Map<string, Uint8Array>();
  readonly #tables = new Map<string, Map<string, Uint8Array>>();
  #highestSession = 0;
  #highestSequence = 0;

  get highest(): HighestNumbers {
    return { session: this.#highestSession, sequence: this.#highestSequence };
  }

  /** The same again; the records are shared, for they never change. */
  clone(): MemoryState {
    const copy = new MemoryState();
    for (const [number, session] of this.sessions) copy.sessions.set(number, session.clone());
    for (const [topicName, message] of this.retained) copy.retained.set(topicName, message);
    for (const [name, table] of this.#tables) copy.#tables.set(name, new Map(table));
    copy.#highestSession = this.#highestSession;
    copy.#highestSequence = this.#highestSequence;
    return copy;
  }

  /** What is recorded of a session that is not there (any more) has no effect. */
  apply(change: Change): void {
    switch (change.kind) {
      case 'saveSession':
        this.#saveSession(change.session);
        return;
      case 'deleteSession':
        this.sessions.delete(change.number);
        return;
      case 'saveRetained':
        this.retained.set(change.topicName, change.message);
        return;
      case 'deleteRetained':
        this.retained.delete(change.topicName);
        return;
      case 'put':
        this.#put(change.table, change.key, change.value);
        return;
      case 'remove':
        this.#tables.get(change.table)?.delete(change.key);
        return;
      default: {
        if (change.kind === 'enqueue' && change.delivery.sequence > this.#highestSequence) {
          this.#highestSequence = change.delivery.sequence;
        }
        const state = this.sessions.get(change.number);
        if (state !== undefined) applyTo(state, change);
      }
    }
  }

  get(table: string, key: string): Uint8Array | null {
    const value = this.#tables.get(table)?.get(key);
    return value === undefined ? null : new Uint8Array(value);
  }

  list(table: string, afterKey: string | null, limit: number): TableEntry[] {
    const entries = [...(this.#tables.get(table) ?? [])]
      .map(([key, value]) => ({ key, value, bytes: Buffer.from(key) }))
      .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
    const after = afterKey === null ? null : Buffer.from(afterKey);
    const start =
      after === null ? 0 : entries.findIndex(({ bytes }) => Buffer.compare(bytes, after) > 0);
    if (start < 0) return [];
    return entries
      .slice(start, start + limit)
      .map(({ key, value }) => ({ key, value: new Uint8Array(value) }));
  }

  #saveSession(session: StoredSession): void {
    if (session.number > this.#highestSession) this.#highestSession = session.number;
    const state = this.sessions.get(session.number);
    if (state === undefined) this.sessions.set(session.number, new SessionState(session));
    else state.session = session;
  }

  #put(name: string, key: string, value: Uint8Array): void {
    const table = this.#tables.get(name);
    if (table === undefined) this.#tables.set(name, new Map([[key, value]]));
    else table.set(key, value);
  }
}

function applyTo(state: SessionState, change: Change): void {
  switch (change.kind) {
    case 'saveSubscription':
      state.subscriptions.set(change.subscription.topicFilter, change.subscription);
      return;
    case 'deleteSubscription':
      state.subscriptions.delete(change.topicFilter);
      return;
    case 'enqueue':
      state.deliveries.set(change.delivery.sequence, change.delivery);
      return;
    case 'updateDelivery': {
      const existing = state.deliveries.get(change.sequence);
      if (existing === undefined) return;
      const { packetId, state: deliveryState } = change;
      state.deliveries.set(change.sequence, { ...existing, packetId, state: deliveryState });
      return;
    }
    case 'dequeue':
      state.deliveries.delete(change.sequence);
      return;
    case 'saveInboundPacketId':
      state.inboundPacketIds.add(change.packetId);
      return;
    case 'deleteInboundPacketId':
      state.inboundPacketIds.delete(change.packetId);
      return;
    case 'saveWill':
      state.will = change.will;
      return;
    case 'deleteWill':
      state.will = null;
      return;
  }
}

export function copySession(session: StoredSession): StoredSession {
  return { ...session, groups: [...session.groups] };
}

export function copySubscription(subscription: StoredSubscription): StoredSubscription {
  return { ...subscription };
}

/** The delivery as it is now. */
export function toRecord(delivery: StoredDelivery, messages: MessageCodec): DeliveryRecord {
  return {
    sequence: delivery.sequence,
    message: messages.encode(delivery.message),
    qos: delivery.qos,
    retain: delivery.retain,
    subscriptionIdentifiers: [...delivery.subscriptionIdentifiers],
    sharedFilter: delivery.sharedFilter,
    packetId: delivery.packetId,
    state: delivery.state,
  };
}

export function toDelivery(record: DeliveryRecord, messages: MessageCodec): StoredDelivery {
  return {
    sequence: record.sequence,
    message: messages.decode(record.message),
    qos: record.qos,
    retain: record.retain,
    subscriptionIdentifiers: [...record.subscriptionIdentifiers],
    sharedFilter: record.sharedFilter,
    packetId: record.packetId,
    state: record.state,
  };
}
