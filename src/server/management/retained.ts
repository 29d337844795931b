// Retained messages: browsed in the order of their topics, shown, and removed by filter. Removing tells no subscriber: whoever
// wants that publishes an empty retained message.

import { parseTopicFilter } from '../../protocol/filter.ts';
import type { Message } from '../../protocol/message.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { RetainedScan } from '../../router/retained-scan.ts';
import type { Context } from '../../session/context.ts';
import type {
  ControlledRetained,
  Page,
  PageRequest,
  RetainedMessage,
} from '../contract/management.ts';
import { ControlError } from '../contract.ts';
import { needStore, whenDurable } from './durable.ts';
import { needOthersTopic, shownName } from './names.ts';
import { shownPayload, shownProperties } from './payload.ts';
import { nextTurn, Slices } from './slices.ts';
import { wallTime, wallTimeOrNever } from './times.ts';

/** Topics that are looked at, or removed, in one turn. */
const SLICE = 1_000;
/** No topic is that long. */
const TOPIC_LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 65_536 };

/** Those that match, in the order of their topics; without a filter all of them. */
export async function listRetained(
  context: Context,
  filter: string | null,
  { after, limit }: PageRequest,
): Promise<Page<ControlledRetained>> {
  const items: ControlledRetained[] = [];
  for await (const message of walk(context, filter, after)) {
    if (items.length === limit) return { items, next: items[limit - 1].topic };
    items.push(shown(context, message));
  }
  return { items, next: null };
}

/** One with its payload, of which so many bytes are shown. */
export function retainedMessage(
  context: Context,
  topic: string,
  payloadBytesMax: number,
): RetainedMessage {
  const { clock, retained } = context;
  const message = retained.get(topic, clock.now());
  if (message === null) {
    throw new ControlError('unknown', `no message is retained for ${JSON.stringify(topic)}`);
  }
  return {
    ...shown(context, message),
    ...shownPayload(message.payload, payloadBytesMax),
    properties: shownProperties(message),
  };
}

/** Returns how many were removed, or would be. */
export async function deleteRetained(
  context: Context,
  filter: string,
  isDryRun: boolean,
): Promise<{ readonly messages: number }> {
  const { commits, retained } = context;
  needOthersTopic(filter);
  if (!isDryRun) needStore(context);
  let messages = 0;
  for await (const { topic } of walk(context, filter, null)) {
    if (!isDryRun && !retained.delete(topic.name)) continue;
    messages++;
    if (!isDryRun) commits?.recordRetained(topic.name, null);
  }
  if (!isDryRun) await whenDurable(commits);
  return { messages };
}

/** In slices. */
async function* walk(
  { clock, retained }: Context,
  filter: string | null,
  after: string | null,
): AsyncGenerator<Message> {
  const slices = new Slices(SLICE);
  const scan = filter === null ? null : retained.scan(checkedFilter(filter), after);
  if (scan === null) {
    for (let name = retained.atOrAfter(after === null ? '' : `${after}\0`); name !== null; ) {
      if (slices.isOver()) await nextTurn();
      const message = retained.get(name, clock.now());
      if (message !== null) yield message;
      name = retained.atOrAfter(`${name}\0`); // no name contains U+0000
    }
    return;
  }
  for (;;) {
    const found = scan.next(clock.now(), SLICE);
    if (found === null) return;
    if (found === RetainedScan.Pause || slices.isOver()) await nextTurn();
    if (found !== RetainedScan.Pause) yield found;
  }
}

function checkedFilter(filter: string): string {
  try {
    const { shareName, topicFilter } = parseTopicFilter(filter, TOPIC_LIMITS);
    if (shareName === null) return topicFilter;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ControlError('invalid', `${JSON.stringify(filter)}: ${error.message}`);
  }
  throw new ControlError(
    'invalid',
    'a shared subscription gets no retained messages: leave $share out',
  );
}

function shown({ clock }: Context, message: Message): ControlledRetained {
  const { expiresAtMs, payloadLength, publisher, qos, receivedAtMs, size, topic } = message;
  return {
    ...{ topic: topic.name, qos, payloadBytes: payloadLength, size },
    by:
      publisher === null
        ? null
        : { clientId: publisher.clientId, username: shownName(publisher.username) },
    receivedAt: wallTime(clock, receivedAtMs),
    expiresAt: wallTimeOrNever(clock, expiresAtMs),
  };
}
