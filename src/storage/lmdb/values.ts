// The values of the small tables, as bytes and back: sessions, subscriptions, wills, retained messages and those of others. The
// checksum comes first (bytes.ts); decoders take what is behind it, and throw Error for what the encoder did not write.

import type { QueuePolicy } from '../../core/limits.ts';
import type { ProtocolVersion, QoS, RetainHandling } from '../../protocol/packet.ts';
import type { MessageCodec, StoredSession, StoredSubscription, StoredWill } from '../storage.ts';
import { textBytesMax, ValueReader, ValueWriter } from './bytes.ts';

const HAS_USERNAME = 1;
const IS_DISCONNECTED = 2;
/** Where the queue policy begins in the flags; 0 = none of its own. */
const POLICY_SHIFT = 2;
const POLICIES: readonly (QueuePolicy | null)[] = [
  null,
  'drop-new',
  'drop-oldest',
  'keep-latest-per-topic',
  'disconnect',
];
const NO_LOCAL = 4;
const RETAIN_AS_PUBLISHED = 8;
const HANDLING_SHIFT = 4;

const writer = new ValueWriter();

/** Ends the value, and copies it out of the writer. */
function take(seed: number): Uint8Array {
  const value = Uint8Array.prototype.slice.call(writer.end(seed));
  writer.reset();
  return value;
}

export function encodeSession(session: StoredSession, seed: number): Uint8Array {
  const { username, disconnectedAtMs, queuePolicy } = session;
  let bytesMax = 64 + textBytesMax(session.clientId) + textBytesMax(username ?? '');
  for (const group of session.groups) bytesMax += textBytesMax(group);
  writer.begin(bytesMax);
  writer.uint8(session.protocolVersion);
  writer.uint8(
    (username === null ? 0 : HAS_USERNAME) |
      (disconnectedAtMs === null ? 0 : IS_DISCONNECTED) |
      (POLICIES.indexOf(queuePolicy) << POLICY_SHIFT),
  );
  writer.varint(session.sessionExpiryInterval);
  writer.double(session.createdAtMs);
  if (disconnectedAtMs !== null) writer.double(disconnectedAtMs);
  writer.text(session.clientId);
  if (username !== null) writer.text(username);
  writer.varint(session.groups.length);
  for (const group of session.groups) writer.text(group);
  return take(seed);
}

export function decodeSession(number: number, content: Buffer): StoredSession {
  const reader = new ValueReader(content);
  const protocolVersion = reader.uint8() as ProtocolVersion;
  const flags = reader.uint8();
  const queuePolicy = POLICIES[flags >> POLICY_SHIFT];
  if (queuePolicy === undefined) throw new Error('a session has an unknown queue policy');
  const sessionExpiryInterval = reader.varint();
  const createdAtMs = reader.double();
  const disconnectedAtMs = flags & IS_DISCONNECTED ? reader.double() : null;
  const clientId = reader.text();
  const username = flags & HAS_USERNAME ? reader.text() : null;
  const groups: string[] = [];
  for (let count = reader.count(); count > 0; count--) groups.push(reader.text());
  reader.finish();
  return {
    number,
    clientId,
    username,
    groups,
    protocolVersion,
    sessionExpiryInterval,
    disconnectedAtMs,
    createdAtMs,
    queuePolicy,
  };
}

export function encodeSubscription(subscription: StoredSubscription, seed: number): Uint8Array {
  writer.begin(16 + textBytesMax(subscription.topicFilter));
  writer.uint8(
    subscription.qos |
      (subscription.noLocal ? NO_LOCAL : 0) |
      (subscription.retainAsPublished ? RETAIN_AS_PUBLISHED : 0) |
      (subscription.retainHandling << HANDLING_SHIFT),
  );
  writer.varint(subscription.subscriptionIdentifier);
  writer.text(subscription.topicFilter);
  return take(seed);
}

export function decodeSubscription(content: Buffer): StoredSubscription {
  const reader = new ValueReader(content);
  const options = reader.uint8();
  const subscriptionIdentifier = reader.varint();
  const topicFilter = reader.text();
  reader.finish();
  return {
    topicFilter,
    qos: (options & 3) as QoS,
    noLocal: (options & NO_LOCAL) !== 0,
    retainAsPublished: (options & RETAIN_AS_PUBLISHED) !== 0,
    retainHandling: ((options >> HANDLING_SHIFT) & 3) as RetainHandling,
    subscriptionIdentifier,
  };
}

export function encodeWill(will: StoredWill, messages: MessageCodec, seed: number): Uint8Array {
  const message = messages.encode(will.message);
  writer.begin(16 + message.length);
  writer.varint(will.delayInterval);
  writer.bytes(message);
  return take(seed);
}

export function decodeWill(content: Buffer, messages: MessageCodec): StoredWill {
  const reader = new ValueReader(content);
  const delayInterval = reader.varint();
  return { message: messages.decode(reader.rest()), delayInterval };
}

/** A value of nothing but bytes: a retained message, a value of another's table. */
export function encodeBytes(bytes: Uint8Array, seed: number): Uint8Array {
  writer.begin(bytes.length);
  writer.bytes(bytes);
  return take(seed);
}
