// What happens to every accepted message, whoever made it: the retained store first (a subscriber of this very turn must not
// see an older value), then everybody who subscribes.

import { DropReason } from '../core/drop.ts';
import type { Message } from '../protocol/message.ts';
import type { Context } from './context.ts';

/**
 * Returns how many subscribers it was handed to. The message may be borrowed. `mayKeep` is false for one that is not retained
 * although it says so. MQTT 5 §3.3.4.
 */
export function distribute(
  context: Context,
  message: Message,
  nowMs: number,
  mayKeep = true,
): number {
  if (message.retain && mayKeep) retain(context, message, nowMs);
  return context.router.route(message, nowMs);
}

/** MQTT 5 §3.3.1.3 */
function retain(context: Context, message: Message, nowMs: number): void {
  const { name } = message.topic;
  switch (context.retained.set(message, nowMs)) {
    case 'stored': // [MQTT-3.3.1-5]
      record(context, message, context.retained.get(name, nowMs));
      return;
    case 'deleted': // [MQTT-3.3.1-6]
      record(context, message, null);
      return;
    case 'absent':
      // Who is acknowledged relies on it; that it is gone may not be durable yet.
      if (message.qos > 0) record(context, message, null);
      return;
    case 'full':
      context.drops.drop(
        DropReason.RetainedLimit,
        message.publisher === null ? null : message.publisher.clientId,
        name,
      );
      return;
  }
}

/** What the topic holds from now on. QoS 0 promises nothing, so nobody waits for it. */
function record(context: Context, message: Message, kept: Message | null): void {
  const { commits } = context;
  if (commits === null) return;
  if (message.qos === 0) commits.recordLazily(message.topic.name, kept);
  else commits.recordRetained(message.topic.name, kept);
}
