// What a store must hold after any sequence of changes: the model that random changes are done to as well, in plain values.

import type { Storage } from '../storage/storage.ts';
import { DeliveryState } from '../storage/storage.ts';
import type { PlainOfSession, StoreUnderTest } from './store-under-test.ts';
import {
  delivery,
  messageOf,
  type PlainDelivery,
  type PlainMessage,
  plainSession,
  plainSubscriptions,
  session,
  shown,
  subscription,
} from './values.ts';

/** What is more likely stands there more often. */
export const CHANGES = [
  'session',
  'session',
  'endSession',
  'subscription',
  'endSubscription',
  'enqueue',
  'enqueue',
  'enqueueForAll',
  'send',
  'send',
  'release',
  'dequeue',
  'dequeue',
  'inbound',
  'endInbound',
  'will',
  'endWill',
  'retained',
  'endRetained',
  'put',
  'remove',
] as const;

/** One random change: what it means depends on what there is. */
export interface RandomChange {
  readonly kind: 'change';
  readonly what: (typeof CHANGES)[number];
  /** 1 to 3 */
  readonly number: number;
  /** 1 to 4 */
  readonly key: number;
  /** a byte */
  readonly value: number;
}

class ModelSession {
  session = plainSession(session(0));
  subscriptions = new Map<string, Parameters<typeof plainSubscriptions>[0][number]>();
  /** In the order of their numbers. */
  deliveries = new Map<number, PlainDelivery>();
  inboundPacketIds = new Set<number>();
  will: PlainOfSession['will'] = null;

  clone(): ModelSession {
    const copy = new ModelSession();
    copy.session = this.session;
    copy.subscriptions = new Map(this.subscriptions);
    copy.deliveries = new Map(this.deliveries);
    copy.inboundPacketIds = new Set(this.inboundPacketIds);
    copy.will = this.will;
    return copy;
  }

  inState(...states: DeliveryState[]): PlainDelivery[] {
    return [...this.deliveries.values()].filter((one) => states.includes(one.state));
  }

  plain(): PlainOfSession {
    return {
      session: this.session,
      subscriptions: plainSubscriptions([...this.subscriptions.values()]),
      inflight: this.inState(DeliveryState.Published, DeliveryState.Released),
      queued: this.inState(DeliveryState.Queued),
      inboundPacketIds: [...this.inboundPacketIds].sort((a, b) => a - b),
      will: this.will,
    };
  }
}

export class Model {
  readonly #sessions = new Map<number, ModelSession>();
  readonly #retained = new Map<string, PlainMessage>();
  readonly #table = new Map<string, string>();
  #highestSession = 0;
  #sequence = 0;

  get highest() {
    return { session: this.#highestSession, sequence: this.#sequence };
  }

  clone(): Model {
    const copy = new Model();
    for (const [number, one] of this.#sessions) copy.#sessions.set(number, one.clone());
    for (const [topicName, message] of this.#retained) copy.#retained.set(topicName, message);
    for (const [key, value] of this.#table) copy.#table.set(key, value);
    copy.#highestSession = this.#highestSession;
    copy.#sequence = this.#sequence;
    return copy;
  }

  /** All that comes back at start, in the order of numbers and names. */
  plain() {
    const sessions = [...this.#sessions].sort(([a], [b]) => a - b);
    return {
      sessions: sessions.map(([, one]) => one.plain()),
      retained: [...this.#retained.values()].sort(byTopicName),
      ...this.plainReads(),
    };
  }

  /** All that can be read at any time. */
  plainReads() {
    const sessions = [...this.#sessions].sort(([a], [b]) => a - b);
    return {
      queues: sessions.map(([number, one]) => ({
        number,
        deliveries: one.inState(DeliveryState.Queued),
      })),
      table: [...this.#table].sort(([a], [b]) => (a < b ? -1 : 1)),
    };
  }

  /** The numbers of the sessions, and of all deliveries there ever were. */
  get numbers(): number[] {
    return [...this.#sessions.keys()].sort((a, b) => a - b);
  }

  /** Does it here and there. What belongs to a session is recorded only while there is one. */
  apply(store: StoreUnderTest, change: RandomChange): void {
    const { storage } = store;
    const topicName = `topic/${change.key}`;
    const bytes = Uint8Array.of(change.value);
    switch (change.what) {
      case 'retained': {
        const receivedAtMs = store.clock.now();
        const message = messageOf(topicName, { payload: bytes, retain: true, receivedAtMs });
        this.#retained.set(topicName, store.plainMessage(message));
        storage.saveRetained(message);
        return;
      }
      case 'endRetained':
        this.#retained.delete(topicName);
        storage.deleteRetained(topicName);
        return;
      case 'put':
        this.#table.set(`key/${change.key}`, shown(bytes));
        storage.put('table', `key/${change.key}`, bytes);
        return;
      case 'remove':
        this.#table.delete(`key/${change.key}`);
        storage.remove('table', `key/${change.key}`);
        return;
      case 'session':
        this.#saveSession(storage, change);
        return;
      case 'enqueueForAll':
        this.#enqueue(store, change, [...this.#sessions.values()]);
        return;
      default: {
        const one = this.#current(change.number) ?? this.#any();
        if (one === null) return;
        if (change.what === 'enqueue') this.#enqueue(store, change, [one]);
        else if (change.what === 'endSession') this.#endSession(storage, one);
        else applyTo(store, one, change);
      }
    }
  }

  /** Sessions 1, 4, 7, … are the incarnations of one client, and so on. */
  #current(client: number): ModelSession | null {
    for (const [number, one] of this.#sessions) if (number % 3 === client % 3) return one;
    return null;
  }

  #any(): ModelSession | null {
    for (const one of this.#sessions.values()) return one;
    return null;
  }

  #saveSession(storage: Storage, { number: client, value }: RandomChange): void {
    let one = this.#current(client);
    let number = one?.session.number ?? 0;
    if (one === null) {
      number = this.#highestSession + 1;
      while (number % 3 !== client % 3) number++;
      this.#highestSession = number;
      one = new ModelSession();
      this.#sessions.set(number, one);
    }
    const saved = session(number, { disconnectedAtMs: value, groups: [String(value)] });
    one.session = plainSession(saved);
    storage.saveSession(saved);
  }

  #endSession(storage: Storage, one: ModelSession): void {
    this.#sessions.delete(one.session.number);
    storage.deleteSession(one.session.number);
  }

  /** One message for these sessions, under one number. */
  #enqueue(store: StoreUnderTest, change: RandomChange, to: readonly ModelSession[]): void {
    if (to.length === 0) return;
    const message = messageOf(`topic/${change.key}`, {
      payload: Uint8Array.of(change.value),
      qos: 2,
      receivedAtMs: store.clock.now(),
    });
    this.#sequence++;
    for (const one of to) {
      const subscriptionIdentifiers = [one.session.number];
      const added = delivery(this.#sequence, message, { qos: 2, subscriptionIdentifiers });
      one.deliveries.set(added.sequence, store.plainDeliveries([added])[0]);
      store.storage.enqueue(one.session.number, added);
    }
  }
}

function applyTo(store: StoreUnderTest, one: ModelSession, change: RandomChange): void {
  const { storage } = store;
  const { what, key, value } = change;
  const { number } = one.session;
  switch (what) {
    case 'subscription': {
      const made = subscription(`filter/${key}`, { subscriptionIdentifier: value });
      one.subscriptions.set(made.topicFilter, made);
      storage.saveSubscription(number, made);
      return;
    }
    case 'endSubscription':
      one.subscriptions.delete(`filter/${key}`);
      storage.deleteSubscription(number, `filter/${key}`);
      return;
    case 'send':
    case 'release':
    case 'dequeue':
      moveDelivery(store, one, change);
      return;
    case 'inbound':
      one.inboundPacketIds.add(key);
      storage.saveInboundPacketId(number, key);
      return;
    case 'endInbound':
      one.inboundPacketIds.delete(key);
      storage.deleteInboundPacketId(number, key);
      return;
    case 'will': {
      const message = messageOf('will', { payload: Uint8Array.of(value) });
      one.will = { message: store.plainMessage(message), delayInterval: value };
      storage.saveWill(number, { message, delayInterval: value });
      return;
    }
    case 'endWill':
      one.will = null;
      storage.deleteWill(number);
      return;
  }
}

/** Sends the first that is queued, releases any that was sent, or ends any. */
function moveDelivery(
  store: StoreUnderTest,
  one: ModelSession,
  { what, key, value }: RandomChange,
): void {
  const { storage } = store;
  const { number } = one.session;
  const from =
    what === 'send'
      ? one.inState(DeliveryState.Queued).slice(0, 1)
      : what === 'release'
        ? one.inState(DeliveryState.Published)
        : [...one.deliveries.values()];
  if (from.length === 0) return;
  const moved = from[value % from.length];
  if (what === 'dequeue') {
    one.deliveries.delete(moved.sequence);
    storage.dequeue(number, moved.sequence);
    return;
  }
  if (moved.message === null) return;
  const state = what === 'send' ? DeliveryState.Published : DeliveryState.Released;
  const packetId = what === 'send' ? key : moved.packetId;
  const message = state === DeliveryState.Released ? null : moved.message;
  one.deliveries.set(moved.sequence, { ...moved, packetId, state, message });
  const { sequence, qos, subscriptionIdentifiers } = moved;
  const fields = { qos, subscriptionIdentifiers, packetId, state };
  storage.updateDelivery(number, delivery(sequence, store.revive(moved.message), fields));
}

export function byTopicName(a: PlainMessage, b: PlainMessage): number {
  return a.topicName < b.topicName ? -1 : 1;
}
