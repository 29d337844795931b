// The queue of one session: what waits in it, in order, and clearing it. What is in flight is not touched: the client may have it.

import { DropReason } from '../../core/drop.ts';
import type { Context } from '../../session/context.ts';
import type { OutboundMessage } from '../../session/outbound-message.ts';
import type { QueuedEntry } from '../../session/queue-tail.ts';
import type { Page, PageRequest, QueuedMessage } from '../contract/management.ts';
import { ControlError } from '../contract.ts';
import type { Registry } from '../registry.ts';
import { needStore, whenDurable } from './durable.ts';
import { sessionOf } from './names.ts';
import { nextTurn, Slices } from './slices.ts';
import { wallTime, wallTimeOrNever } from './times.ts';

/** Messages that are given up in one turn. */
const SLICE = 1_000;

/** `after` is the position of the last one that was seen. */
export async function peekQueue(
  context: Context,
  registry: Registry,
  clientId: string,
  { after, limit }: PageRequest,
): Promise<Page<QueuedMessage>> {
  const { outbound, record } = sessionOf(registry, clientId);
  const { queue } = outbound;
  const from = positionOf(after);
  const entries: { entry: QueuedEntry; message: OutboundMessage | undefined }[] = [];
  for (let i = from; queue !== null && i < queue.length && entries.length < limit; i++) {
    const entry = queue.entryAt(i);
    if (entry !== undefined) entries.push({ entry, message: queue.at(i) });
  }
  const isLast = queue === null || from + entries.length >= queue.length;
  const unread = entries.filter(({ message }) => message === undefined);
  const found = await record.readStored(unread.map(({ entry }) => entry.sequence));
  const bySequence = new Map(found.map((message) => [message.sequence, message]));
  const items = entries.map(({ entry, message }, i) =>
    shown(context, from + i + 1, entry, message ?? bySequence.get(entry.sequence) ?? null),
  );
  return { items, next: isLast ? null : String(from + items.length) };
}

/** What waits now; what comes meanwhile stays. Returns how many were dropped, or would be. */
export async function clearQueue(
  context: Context,
  registry: Registry,
  clientId: string,
  isDryRun: boolean,
): Promise<{ readonly messages: number }> {
  const session = sessionOf(registry, clientId);
  const waiting = session.queuedMessages;
  if (isDryRun) return { messages: waiting };
  needStore(context);
  const slices = new Slices(SLICE);
  let messages = 0;
  while (messages < waiting) {
    if (slices.isOver()) await nextTurn();
    if (session.outbound.queue?.giveUpOldest(DropReason.QueueCleared) !== true) break;
    messages++;
  }
  session.pump(context.clock.now());
  await whenDurable(context.commits);
  return { messages };
}

function positionOf(after: string | null): number {
  if (after === null) return 0;
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw new ControlError('invalid', '"after" is the position of a message, a whole number');
}

function shown(
  { clock }: Context,
  position: number,
  entry: QueuedEntry,
  message: OutboundMessage | null,
): QueuedMessage {
  return {
    ...{ position, topic: entry.topicName, size: entry.size, isShared: entry.isShared },
    qos: message === null ? (entry.isQos0 ? 0 : null) : message.qos,
    receivedAt: message === null ? null : wallTime(clock, message.message.receivedAtMs),
    expiresAt: wallTimeOrNever(clock, entry.expiresAtMs),
  };
}
