// What the cases store, and how they compare what comes back: as plain values, field by field, so that a store may make objects
// of its own.

import { createHash } from 'node:crypto';
import { Message, NO_EXPIRY, type Publisher } from '../protocol/message.ts';
import type { QoS } from '../protocol/packet.ts';
import { TopicTable } from '../protocol/topic.ts';
import {
  DeliveryState,
  type QueuedDelivery,
  type StoredDelivery,
  type StoredSession,
  type StoredSubscription,
  type TableEntry,
} from '../storage/storage.ts';

/** Bytes of the longest string of MQTT. §1.5.4 */
const STRING_BYTES_MAX = 65_535;

/** Every topic name that MQTT allows. */
export const TOPICS = new TopicTable(
  { topicLengthMax: STRING_BYTES_MAX, topicLevelsMax: STRING_BYTES_MAX },
  1_024,
);

/** Longer bytes are compared and shown by their digest. */
const SHOWN_BYTES_MAX = 256;

export function session(number: number, fields: Partial<StoredSession> = {}): StoredSession {
  return {
    number,
    clientId: `client-${number}`,
    username: null,
    groups: [],
    protocolVersion: 5,
    sessionExpiryInterval: 3_600,
    disconnectedAtMs: null,
    createdAtMs: 1_700_000_000_000,
    queuePolicy: null,
    ...fields,
  };
}

export function subscription(
  topicFilter: string,
  fields: Partial<StoredSubscription> = {},
): StoredSubscription {
  return {
    topicFilter,
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    subscriptionIdentifier: 0,
    ...fields,
  };
}

export interface MessageFields {
  readonly qos?: QoS;
  readonly retain?: boolean;
  /** hex */
  readonly properties?: string;
  /** hex, or the bytes */
  readonly payload?: string | Uint8Array;
  /** seconds */
  readonly messageExpiryInterval?: number;
  /** monotonic milliseconds */
  readonly receivedAtMs?: number;
  readonly publisher?: Publisher | null;
}

export function messageOf(topicName: string, fields: MessageFields = {}): Message {
  const properties = toBytes(fields.properties ?? '');
  const bytes = Buffer.concat([properties, toBytes(fields.payload ?? '')]);
  const { qos = 1, retain = false } = fields;
  const message = new Message(TOPICS.of(topicName), qos, retain, bytes, properties.length);
  message.messageExpiryInterval = fields.messageExpiryInterval ?? NO_EXPIRY;
  message.receivedAtMs = fields.receivedAtMs ?? 0;
  message.publisher = fields.publisher ?? null;
  return message;
}

/** Queued, unless the fields say otherwise. */
export function delivery(
  sequence: number,
  message: Message,
  fields: Partial<StoredDelivery> = {},
): StoredDelivery {
  return {
    sequence,
    message,
    qos: 1,
    retain: false,
    subscriptionIdentifiers: [],
    sharedFilter: null,
    packetId: 0,
    state: DeliveryState.Queued,
    ...fields,
  };
}

/** A name of exactly so many bytes that begins and ends as given. */
export function longName(start: string, end: string, bytes = STRING_BYTES_MAX): string {
  return `${start}${'x'.repeat(bytes - Buffer.byteLength(start + end))}${end}`;
}

export function plainSession(stored: StoredSession) {
  return {
    number: stored.number,
    clientId: stored.clientId,
    username: stored.username,
    groups: [...stored.groups],
    protocolVersion: stored.protocolVersion,
    sessionExpiryInterval: stored.sessionExpiryInterval,
    disconnectedAtMs: stored.disconnectedAtMs,
    createdAtMs: stored.createdAtMs,
    queuePolicy: stored.queuePolicy,
  };
}

/** In the order of the filters. */
export function plainSubscriptions(all: readonly StoredSubscription[]) {
  return all
    .map((stored) => ({
      topicFilter: stored.topicFilter,
      qos: stored.qos,
      noLocal: stored.noLocal,
      retainAsPublished: stored.retainAsPublished,
      retainHandling: stored.retainHandling,
      subscriptionIdentifier: stored.subscriptionIdentifier,
    }))
    .sort((a, b) => (a.topicFilter < b.topicFilter ? -1 : 1));
}

/** `toStore`: from the monotonic time of the server that has the message to the store's. */
export function plainMessage(message: Message, toStore: (monotonicMs: number) => number) {
  const { publisher } = message;
  return {
    topicName: message.topic.name,
    wire: shown(message.topic.wire),
    qos: message.qos,
    retain: message.retain,
    properties: shown(message.bytes.subarray(message.propertiesStart, message.propertiesEnd)),
    payload: shown(message.payload),
    messageExpiryInterval: message.messageExpiryInterval,
    receivedAtMs: toStore(message.receivedAtMs),
    publisher:
      publisher === null
        ? null
        : {
            sessionId: publisher.sessionId,
            clientId: publisher.clientId,
            username: publisher.username,
          },
  };
}

export type PlainMessage = ReturnType<typeof plainMessage>;

/** Once released a delivery needs its message no more, and a store may have dropped it. */
export function plainDelivery(stored: StoredDelivery, toStore: (monotonicMs: number) => number) {
  const isReleased = stored.state === DeliveryState.Released;
  return {
    sequence: stored.sequence,
    qos: stored.qos,
    retain: stored.retain,
    subscriptionIdentifiers: [...stored.subscriptionIdentifiers],
    sharedFilter: stored.sharedFilter,
    packetId: stored.packetId,
    state: stored.state as DeliveryState,
    message: isReleased ? null : plainMessage(stored.message, toStore),
  };
}

export type PlainDelivery = ReturnType<typeof plainDelivery>;

/** What a store says of a delivery while it is queued. */
export function plainQueued(queued: QueuedDelivery) {
  return {
    sequence: queued.sequence,
    topicName: queued.topicName,
    size: queued.size,
    qos: queued.qos,
    isShared: queued.isShared,
    expiresAtMs: queued.expiresAtMs,
  };
}

export function plainEntries(entries: readonly TableEntry[]): [key: string, value: string][] {
  return entries.map(({ key, value }) => [key, shown(value)]);
}

/** Bytes as text that fits in a message. */
export function shown(bytes: Uint8Array): string {
  if (bytes.length <= SHOWN_BYTES_MAX) return Buffer.from(bytes).toString('hex');
  const digest = createHash('sha256').update(bytes).digest('hex');
  return `${bytes.length} bytes, sha256 ${digest}`;
}

function toBytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value.replaceAll(' ', ''), 'hex') : value;
}
