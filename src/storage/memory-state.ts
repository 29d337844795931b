// What a MemoryStorage holds: committed sessions, retained messages and wills as plain Maps, and one method that applies a
// recorded change to them. Deliveries are copied in and out, because the server goes on changing its own.

import type { Message } from '../protocol/message.ts';
import type {
  RecoveredSession,
  Recovery,
  StoredDelivery,
  StoredSession,
  StoredSubscription,
  StoredWill,
} from './storage.ts';

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
  | { readonly kind: 'saveDelivery'; readonly number: number; readonly delivery: StoredDelivery }
  | { readonly kind: 'dequeue'; readonly number: number; readonly sequence: number }
  | { readonly kind: 'saveInboundPacketId'; readonly number: number; readonly packetId: number }
  | { readonly kind: 'deleteInboundPacketId'; readonly number: number; readonly packetId: number }
  | { readonly kind: 'saveWill'; readonly number: number; readonly will: StoredWill }
  | { readonly kind: 'deleteWill'; readonly number: number }
  | { readonly kind: 'saveRetained'; readonly message: Message }
  | { readonly kind: 'deleteRetained'; readonly topicName: string };

/** All that belongs to one session. */
class SessionState {
  session: StoredSession;
  readonly subscriptions = new Map<string, StoredSubscription>();
  readonly deliveries = new Map<number, StoredDelivery>();
  readonly inboundPacketIds = new Set<number>();
  will: StoredWill | null = null;

  constructor(session: StoredSession) {
    this.session = session;
  }

  recovered(): RecoveredSession {
    const deliveries = [...this.deliveries.values()].sort((a, b) => a.sequence - b.sequence);
    return {
      session: this.session,
      subscriptions: [...this.subscriptions.values()],
      deliveries: deliveries.map(copyOf),
      inboundPacketIds: [...this.inboundPacketIds],
      will: this.will,
    };
  }
}

export class MemoryState {
  readonly #sessions = new Map<number, SessionState>();
  readonly #retained = new Map<string, Message>();

  /** Hands everything over. */
  recover(recovery: Recovery): void {
    for (const session of this.#sessions.values()) recovery.onSession(session.recovered());
    for (const message of this.#retained.values()) recovery.onRetained(message);
  }

  /** What is recorded of a session that is not there (any more) has no effect. */
  apply(change: Change): void {
    switch (change.kind) {
      case 'saveSession':
        this.#saveSession(change.session);
        return;
      case 'deleteSession':
        this.#sessions.delete(change.number);
        return;
      case 'saveRetained':
        this.#retained.set(change.message.topic.name, change.message);
        return;
      case 'deleteRetained':
        this.#retained.delete(change.topicName);
        return;
      default: {
        const state = this.#sessions.get(change.number);
        if (state !== undefined) applyTo(state, change);
      }
    }
  }

  #saveSession(session: StoredSession): void {
    const state = this.#sessions.get(session.number);
    if (state === undefined) this.#sessions.set(session.number, new SessionState(session));
    else state.session = session;
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
    case 'saveDelivery':
      state.deliveries.set(change.delivery.sequence, change.delivery);
      return;
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

/** The delivery as it is now. */
export function copyOf(delivery: StoredDelivery): StoredDelivery {
  return {
    sequence: delivery.sequence,
    message: delivery.message,
    qos: delivery.qos,
    retain: delivery.retain,
    subscriptionIdentifiers: delivery.subscriptionIdentifiers,
    sharedFilter: delivery.sharedFilter,
    packetId: delivery.packetId,
    state: delivery.state,
  };
}
