// What would become of a message that a session was given now: the decisions of `Outbound` and `Queue`, taken without doing
// anything. It is for people who ask why, never for the message path; a test compares it with what is done.

import { DropReason } from '../core/drop.ts';
import type { QueueLimits } from '../core/limits.ts';
import { isServersOwn } from '../core/server-topics.ts';
import type { Message } from '../protocol/message.ts';
import type { QoS } from '../protocol/packet.ts';
import { Delivery } from '../protocol/publish-encoder.ts';
import { Availability } from '../router/subscription.ts';
import { publishSize } from './publish-output.ts';
import type { Queue } from './queue.ts';
import type { Session } from './session.ts';

/** What a queue would do with one more message. */
export interface ForeseenQueue {
  readonly isTaken: boolean;
  /** Messages that would be given up for it: expired ones, the one of its topic, the oldest. */
  readonly expired: number;
  readonly replaced: number;
  readonly oldest: number;
}

export interface Foreseen {
  readonly outcome: 'sent' | 'queued' | 'lost';
  /** Why it is lost; null: it is not, or not for sure. */
  readonly drop: DropReason | null;
  /** What its queue would do; null: it is not asked. */
  readonly queue: ForeseenQueue | null;
  /** It is larger than its client takes: when its turn comes it is lost. Not known of one that is away. */
  readonly isTooLarge: boolean;
}

const TAKEN: ForeseenQueue = { isTaken: true, expired: 0, replaced: 0, oldest: 0 };

/** As `Queue.makeRoom`. */
function foreseeQueue(
  queue: Queue | null,
  size: number,
  topicName: string,
  limits: QueueLimits,
  nowMs: number,
): ForeseenQueue {
  const { queuePolicy, queueBytesMax, queueMessagesMax } = limits;
  const keepsLatest = queuePolicy === 'keep-latest-per-topic';
  const total = queue?.bytes ?? 0;
  const isFull = (queue?.length ?? 0) >= queueMessagesMax || total + size > queueBytesMax;
  if (!isFull && !keepsLatest) return TAKEN; // nothing has to be looked through
  const waiting = queue === null ? [] : [...queue.entries()];
  let replaced = 0;
  if (keepsLatest) {
    const at = waiting.findIndex((entry) => entry.topicName === topicName);
    if (at >= 0) {
      waiting.splice(at, 1);
      replaced = 1;
    }
  }
  let messages = waiting.length;
  let bytes = waiting.reduce((sum, entry) => sum + entry.size, 0);
  const fits = (): boolean => messages < queueMessagesMax && bytes + size <= queueBytesMax;
  if (fits()) return { ...TAKEN, replaced };
  const kept = waiting.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
  const expired = waiting.length - kept.length;
  messages = kept.length;
  bytes = kept.reduce((sum, entry) => sum + entry.size, 0);
  if (fits()) return { ...TAKEN, expired, replaced };
  const isTaken = (keepsLatest || queuePolicy === 'drop-oldest') && size <= queueBytesMax;
  let oldest = 0;
  for (const entry of isTaken ? kept : []) {
    if (fits()) break;
    oldest++;
    messages--;
    bytes -= entry.size;
  }
  return { isTaken, expired, replaced, oldest };
}

/** As `Session.deliver`, once it is decided that the client may get it. */
export function foreseeDelivery(
  session: Session,
  message: Message,
  qos: QoS,
  subscriptionIdentifiers: readonly number[],
  nowMs: number,
): Foreseen {
  const { connection, outbound, queueLimits } = session;
  const isTooLarge = sizeFor(session, message, qos, subscriptionIdentifiers) > sizeMaxOf(session);
  const isReady = connection?.isReady === true;
  const waiting = outbound.queue?.qos0Messages ?? 0;
  const sends = qos === 0 ? isReady && waiting === 0 : outbound.canSendNow;
  if (sends) {
    const writer = connection?.writer;
    if (qos === 0 && writer?.hasRoom === false) return lost(writer.whyNoRoom);
    if (isTooLarge) return { ...lost(DropReason.PacketTooLarge), isTooLarge };
    return { outcome: 'sent', drop: null, queue: null, isTooLarge };
  }
  const { size, topic } = message;
  const isKept = queueLimits.queueQos0 && !isServersOwn(topic.name);
  if (qos === 0 && !isKept) return lost(DropReason.Offline);
  const queue = foreseeQueue(outbound.queue, size, topic.name, queueLimits, nowMs);
  if (!queue.isTaken) return { ...lost(DropReason.QueueFull), queue, isTooLarge };
  return { outcome: 'queued', drop: null, queue, isTooLarge };
}

/** As `Session.availability`, but for one whose connection is about to go for its full queue. */
export function foreseeAvailability(
  session: Session,
  isQos0: boolean,
  size: number,
  nowMs: number,
): Availability {
  if (session.hasEnded) return Availability.None;
  const { connection, outbound, queueLimits } = session;
  const hasRoom = hasRoomWithoutLoss(outbound.queue, size, queueLimits, nowMs);
  if (connection?.isReady !== true) return hasRoom ? Availability.Offline : Availability.None;
  if (isQos0 && (outbound.queue?.qos0Messages ?? 0) === 0) {
    return connection.writer.hasRoom ? Availability.Window : Availability.None;
  }
  if (!isQos0 && outbound.canSendNow) return Availability.Window;
  return hasRoom ? Availability.Queue : Availability.None;
}

/** As `Outbound.hasQueueRoom`. */
function hasRoomWithoutLoss(
  queue: Queue | null,
  size: number,
  limits: QueueLimits,
  nowMs: number,
): boolean {
  if (queue === null) return size <= limits.queueBytesMax;
  const plain: QueueLimits = { ...limits, queuePolicy: 'drop-new' };
  return foreseeQueue(queue, size, '', plain, nowMs).isTaken;
}

function sizeFor(
  session: Session,
  message: Message,
  qos: QoS,
  subscriptionIdentifiers: readonly number[],
): number {
  const delivery = new Delivery();
  delivery.version = session.connection?.version ?? session.version;
  delivery.qos = qos;
  delivery.subscriptionIdentifiers = subscriptionIdentifiers;
  return publishSize(message, delivery);
}

function sizeMaxOf({ connection }: Session): number {
  return connection?.writer.maximumPacketSize ?? Number.POSITIVE_INFINITY;
}

function lost(drop: DropReason): Foreseen {
  return { outcome: 'lost', drop, queue: null, isTooLarge: false };
}
