// What happens to every accepted message, whoever made it: the retained store first (a subscriber of this very turn must not
// see an older value), then everybody who subscribes.

import { DropReason } from '../core/drop.ts';
import type { Message } from '../protocol/message.ts';
import type { Context } from './context.ts';

/** Returns how many subscribers it was handed to. The message may be borrowed. MQTT 5 §3.3.4. */
export function distribute(context: Context, message: Message, nowMs: number): number {
  if (message.retain) retain(context, message);
  return context.router.route(message, nowMs);
}

/** MQTT 5 §3.3.1.3 */
function retain(context: Context, message: Message): void {
  const { commits, retained } = context;
  switch (retained.set(message)) {
    case 'stored': // [MQTT-3.3.1-5]
      if (commits !== null) {
        commits.storage.saveRetained(message.compact());
        commits.record();
      }
      return;
    case 'deleted': // [MQTT-3.3.1-6]
      if (commits !== null) {
        commits.storage.deleteRetained(message.topic.name);
        commits.record();
      }
      return;
    case 'full':
      context.drops.drop(
        DropReason.RetainedLimit,
        message.publisher === null ? null : message.publisher.clientId,
        message.topic.name,
      );
      return;
    case 'absent':
      return;
  }
}
