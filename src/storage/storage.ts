// The contract of a store: what survives a restart. Changes are recorded as they happen, gather in a batch, and become durable
// together by one commit; nobody waits for a single one. Sessions are named by a number that is new for each incarnation,
// queued messages by a sequence number that only grows. A server without a store keeps its state in memory only.

import type { Message } from '../protocol/message.ts';
import type { ProtocolVersion, QoS, RetainHandling } from '../protocol/packet.ts';

export interface StoredSession {
  /** New for each incarnation: a client that starts clean gets another. */
  readonly number: number;
  readonly clientId: string;
  /** The identity that made it; null = anonymous. */
  readonly username: string | null;
  readonly protocolVersion: ProtocolVersion;
  /** seconds; 0xFFFFFFFF = never; 0 = it ended with its connection, and only its will is stored */
  readonly sessionExpiryInterval: number;
  /** Wall clock milliseconds, or null while connected (then a crash counts as the disconnection). */
  readonly disconnectedAtMs: number | null;
}

export interface StoredSubscription {
  readonly topicFilter: string;
  readonly qos: QoS;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: RetainHandling;
  /** 0 = none */
  readonly subscriptionIdentifier: number;
}

/** Where an outbound QoS 1 or 2 message stands. MQTT 5 §4.3. */
export const DeliveryState = {
  /** not sent yet, no packet id */
  Queued: 0,
  /** PUBLISH sent, waiting for PUBACK or PUBREC */
  Published: 1,
  /** PUBREC received, waiting for PUBCOMP; the message itself is not needed any more */
  Released: 2,
} as const;
export type DeliveryState = (typeof DeliveryState)[keyof typeof DeliveryState];

/** One message on its way to one session. */
export interface StoredDelivery {
  readonly sequence: number;
  readonly message: Message;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  /** The `$share/<name>/<filter>` it came through, or null. */
  readonly sharedFilter: string | null;
  packetId: number;
  state: DeliveryState;
}

export interface StoredWill {
  readonly message: Message;
  /** seconds */
  readonly delayInterval: number;
}

/** Everything of one session, as `open` hands it back. Deliveries are in the order of their sequence numbers. */
export interface RecoveredSession {
  readonly session: StoredSession;
  readonly subscriptions: readonly StoredSubscription[];
  readonly deliveries: readonly StoredDelivery[];
  readonly inboundPacketIds: readonly number[];
  readonly will: StoredWill | null;
}

/** Receives what a store holds when it is opened. */
export interface Recovery {
  onSession(recovered: RecoveredSession): void;
  onRetained(message: Message): void;
}

export interface Storage {
  /** Reads everything, once, before anything is recorded. Rejects when the store cannot be used. */
  open(recovery: Recovery): Promise<void>;

  saveSession(session: StoredSession): void;
  /** Removes the session and everything that belongs to it. */
  deleteSession(session: number): void;
  saveSubscription(session: number, subscription: StoredSubscription): void;
  deleteSubscription(session: number, topicFilter: string): void;
  /** A message for a session's queue; its bytes are its own and never change. */
  enqueue(session: number, delivery: StoredDelivery): void;
  /** A delivery got a packet id or moved on. */
  updateDelivery(session: number, delivery: StoredDelivery): void;
  /** A delivery is done or given up. */
  dequeue(session: number, sequence: number): void;
  saveInboundPacketId(session: number, packetId: number): void;
  deleteInboundPacketId(session: number, packetId: number): void;
  saveWill(session: number, will: StoredWill): void;
  deleteWill(session: number): void;
  saveRetained(message: Message): void;
  deleteRetained(topicName: string): void;

  /**
   * Closes the batch: everything recorded since the last call. Resolves when it is durable. Rejects when it could not be
   * written: the batch is kept, and the next call writes it first. Never called while an earlier call is unfinished.
   */
  commit(): Promise<void>;
  /** Ends after a last commit, also when one is unfinished. Rejects when it could not be written: that batch is lost. */
  close(): Promise<void>;
}
