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
import type { QueuedEntry } from './queue-tail.ts';
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

/** As `Queue.makeRoom`, which looks through what waits only where it must: a queue may be long, and nobody waits for this. */
function foreseeQueue(
  queue: Queue | null,
  size: number,
  topicName: string,
  limits: QueueLimits,
  nowMs: number,
): ForeseenQueue {
  const { queuePolicy, queueBytesMax, queueMessagesMax } = limits;
  const keepsLatest = queuePolicy === 'keep-latest-per-topic';
  let messages = queue?.length ?? 0;
  let bytes = queue?.bytes ?? 0;
  const fits = (): boolean => messages < queueMessagesMax && bytes + size <= queueBytesMax;
  const giveUp = (entry: QueuedEntry): void => {
    messages--;
    bytes -= entry.size;
  };
  const former = keepsLatest ? find(queue, (entry) => entry.topicName === topicName) : null;
  const replaced = former === null ? 0 : 1;
  if (former !== null) giveUp(former.entry);
  if (fits()) return { ...TAKEN, replaced };
  let expired = 0;
  if (queue !== null && nowMs >= queue.soonestExpiryMs) {
    find(queue, (entry, at) => {
      if (at === former?.at || entry.expiresAtMs > nowMs) return false;
      giveUp(entry);
      expired++;
      return false;
    });
  }
  if (fits()) return { ...TAKEN, expired, replaced };
  const isTaken = (keepsLatest || queuePolicy === 'drop-oldest') && size <= queueBytesMax;
  let oldest = 0;
  find(isTaken ? queue : null, (entry, at) => {
    if (at === former?.at || entry.expiresAtMs <= nowMs) return false;
    giveUp(entry);
    oldest++;
    return fits();
  });
  return { isTaken, expired, replaced, oldest };
}

/** The first entry for which that is so, with its place; null: there is none. */
function find(
  queue: Queue | null,
  isIt: (entry: QueuedEntry, at: number) => boolean,
): { readonly entry: QueuedEntry; readonly at: number } | null {
  let at = 0;
  for (const entry of queue?.entries() ?? []) {
    if (isIt(entry, at)) return { entry, at };
    at++;
  }
  return null;
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
