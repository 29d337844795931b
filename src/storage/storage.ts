// The contract of a store: what survives a restart. Changes are recorded as they happen, gather in a batch, and become durable
// together by one commit; nobody waits for a single one. Sessions are named by a number that is new for each incarnation,
// queued messages by a sequence number that only grows. A server without a store keeps its state in memory only.
//
// A store deals in plain values and bytes: messages travel through the codec that the server lends it, and every time in it
// is one of the store's own clock (`StoreClock`), which stands still while the wall clock jumps.

import type { QueuePolicy } from '../core/limits.ts';
import type { Message } from '../protocol/message.ts';
import type { ProtocolVersion, QoS, RetainHandling } from '../protocol/packet.ts';

export interface StoredSession {
  /** New for each incarnation: a client that starts clean gets another. Below 2^48, like sequence numbers. */
  readonly number: number;
  readonly clientId: string;
  /** The identity that made it; null = anonymous. */
  readonly username: string | null;
  /** What that identity belonged to. */
  readonly groups: readonly string[];
  readonly protocolVersion: ProtocolVersion;
  /** seconds; 0xFFFFFFFF = never; 0 = it ends with its connection, and of what is stored only its will counts after a crash */
  readonly sessionExpiryInterval: number;
  /** Store time in milliseconds, or null while connected (then a crash counts as the disconnection). */
  readonly disconnectedAtMs: number | null;
  /** Store time in milliseconds. */
  readonly createdAtMs: number;
  /** What its client asked for; null = as the server's settings say. */
  readonly queuePolicy: QueuePolicy | null;
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

/** Where an outbound message stands. MQTT 5 §4.3. */
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
  /**
   * Grows with each delivery of a session; (session, sequence) is unique. All sessions that get a message at the same time
   * have the same one, so that the message can be stored once.
   */
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

/** What the server keeps in memory of a queued message; the rest stays in the store until it is sent. */
export interface QueuedDelivery {
  readonly sequence: number;
  readonly topicName: string;
  /** `Message.size`, bytes */
  readonly size: number;
  readonly qos: QoS;
  readonly isShared: boolean;
  /** Store time in milliseconds; infinite = never. */
  readonly expiresAtMs: number;
}

export interface StoredWill {
  readonly message: Message;
  /** seconds */
  readonly delayInterval: number;
}

/** Everything of one session but its queue, as `recover` hands it back. */
export interface RecoveredSession {
  readonly session: StoredSession;
  readonly subscriptions: readonly StoredSubscription[];
  /** Those with a packet id, in the order of their sequence numbers. */
  readonly inflight: readonly StoredDelivery[];
  readonly inboundPacketIds: readonly number[];
  readonly will: StoredWill | null;
}

/** Receives what a store holds when it is opened: first all sessions, then the queues, then the retained messages. */
export interface Recovery {
  /** The server was told to stop: a store that takes long may give up, and reject. */
  readonly isCancelled?: boolean;
  onSession(recovered: RecoveredSession): void;
  /** For each session in the order of the sequence numbers; the object may be used again for the next call. */
  onQueued(session: number, queued: QueuedDelivery): void;
  onRetained(message: Message): void;
}

/** A message as bytes and back. The bytes can be read by every later version. */
export interface MessageCodec {
  /** The message with its publisher and its times; whoever keeps the bytes owns them. */
  encode(message: Message): Uint8Array;
  /** Copies what it keeps. Throws Error for bytes that `encode` did not write. */
  decode(bytes: Uint8Array): Message;
  /** What a queue knows of an encoded message, without decoding all of it. */
  summarize(bytes: Uint8Array): MessageSummary;
}

export interface MessageSummary {
  readonly topicName: string;
  /** `Message.size`, bytes */
  readonly size: number;
  /** Store time in milliseconds; infinite = never. */
  readonly expiresAtMs: number;
}

/** What the server lends an open store. */
export interface StorageHost {
  /** From `recover` on: the server asks for the time in the store first, with `get`. */
  readonly messages: MessageCodec;
  /**
   * The store says that it will take nothing more, though no commit has failed (the disk is nearly full), or null when it
   * will again. Until then the server refuses what would have to be stored; what removes goes on.
   */
  setProblem(problem: string | null): void;
  /** Something that somebody must look at; it stays until the same name is cleared. */
  raiseAlarm(
    name: string,
    severity: 'warning' | 'critical',
    message: string,
    fields?: object,
  ): void;
  clearAlarm(name: string): void;
  log(level: 'info' | 'warn' | 'error', fields: object, message: string): void;
}

/** Numbers that are never given out again, also when all that bore them is gone. */
export interface HighestNumbers {
  readonly session: number;
  readonly sequence: number;
}

export interface StoreInfo {
  /** For people: what it is and where, as an absolute path. */
  readonly location: string;
  /** Nothing was there before. */
  readonly isNew: boolean;
  readonly highest: HighestNumbers;
}

/** What a store can say of itself. */
export interface StoreStats {
  /** Bytes on the disk that are in use, and those that the file has. */
  readonly usedBytes: number;
  readonly fileBytes: number;
  readonly commits: number;
  /** Bytes handed over in commits. */
  readonly committedBytes: number;
  /** Milliseconds that the last commit took, and the longest one. */
  readonly lastCommitMs: number;
  readonly longestCommitMs: number;
}

export interface Storage {
  /** Makes the store ready. Rejects with a sentence for people when it cannot be used, and leaves nothing open. */
  open(host: StorageHost): Promise<StoreInfo>;
  /** Reads everything, once, after `open` and before anything is recorded. It lets the event loop turn now and then. */
  recover(recovery: Recovery): Promise<void>;

  saveSession(session: StoredSession): void;
  /** Removes the session and everything that belongs to it. */
  deleteSession(session: number): void;
  saveSubscription(session: number, subscription: StoredSubscription): void;
  deleteSubscription(session: number, topicFilter: string): void;
  /**
   * A message for a session; its bytes are its own and never change. All sessions that get one message under one sequence
   * number are recorded one after the other, before a commit.
   */
  enqueue(session: number, delivery: StoredDelivery): void;
  /** A delivery got a packet id, and so left the queue, which it does in order; or it moved on. */
  updateDelivery(session: number, delivery: StoredDelivery): void;
  /** A delivery is done or given up, whether in flight or queued, also from the middle of the queue. */
  dequeue(session: number, sequence: number): void;
  saveInboundPacketId(session: number, packetId: number): void;
  deleteInboundPacketId(session: number, packetId: number): void;
  saveWill(session: number, will: StoredWill): void;
  deleteWill(session: number): void;
  saveRetained(message: Message): void;
  deleteRetained(topicName: string): void;
  /**
   * For whatever else is kept: a value, copied at once, under a key of a table. Table: 1 to 64 of [a-z0-9_]; key: 1 to 1,024
   * bytes of UTF-8.
   */
  put(table: string, key: string, value: Uint8Array): void;
  remove(table: string, key: string): void;

  // Reading, of all that is recorded by the call, durable or not; `get` and `list` also between `open` and `recover`.

  /**
   * Queued deliveries of one session, in the order asked for, which is that of their numbers. Those that are not there (any
   * more), have a packet id, or cannot be read, are left out. Rejects or throws when the store as a whole cannot be read.
   */
  readDeliveries(
    session: number,
    sequences: readonly number[],
  ): readonly StoredDelivery[] | PromiseLike<readonly StoredDelivery[]>;
  get(table: string, key: string): Uint8Array | null | PromiseLike<Uint8Array | null>;
  /** Up to `limit` entries whose keys come after `afterKey` (null: from the first), in the order of the keys' bytes. */
  list(
    table: string,
    afterKey: string | null,
    limit: number,
  ): readonly TableEntry[] | PromiseLike<readonly TableEntry[]>;

  /**
   * Closes the batch: everything recorded since the last call, and of what is recorded later whole turns at most, if it gathers
   * on for a while. Resolves when it is durable. Rejects when it could not be
   * written: the batch is kept, and the next call writes it first. Never called while an earlier call is unfinished.
   */
  commit(): Promise<void>;
  /** Ends after a last commit, also when one is unfinished. Rejects when it could not be written: that batch is lost. */
  close(): Promise<void>;

  /** A copy of all that is durable, in a new folder, while the server runs; absent where a store has other means. */
  backup?(folder: string): Promise<void>;
  stats?(): StoreStats;
}

export interface TableEntry {
  readonly key: string;
  readonly value: Uint8Array;
}
