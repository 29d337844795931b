// Whose turn it is in a shared subscription: as `SharedGroup.choose`, without the turn going on.

import { DropReason } from '../../core/drop.ts';
import type { Message } from '../../protocol/message.ts';
import type { SharedGroup } from '../../router/shared-subscription.ts';
import { Availability, type Subscription, SubscriptionAccess } from '../../router/subscription.ts';
import { foreseeAvailability } from '../../session/foresee.ts';
import { Session } from '../../session/session.ts';
import type { ExplainedGroup } from '../contract/explain.ts';
import type { ExplainParts } from './parts.ts';
import { dropName } from './steps.ts';
import { explainDelivery, permissionOf } from './subscribers.ts';

/** Members that are looked at. */
const MEMBERS_MAX = 100;

/** As in `SharedGroup`; lower is better. */
const NOBODY = 4;

export async function explainGroup(
  parts: ExplainParts,
  group: SharedGroup,
  message: Message,
): Promise<ExplainedGroup> {
  const members = [...group.members];
  const first = members.length === 0 ? 0 : parts.context.router.firstOf(group, message);
  let best: Subscription | null = null;
  let bestRank = NOBODY;
  let lookedAt = 0;
  while (lookedAt < Math.min(members.length, MEMBERS_MAX)) {
    const member = members[(first + lookedAt) % members.length];
    const rank = await rankOf(parts, member, message);
    lookedAt++;
    const isShorter =
      rank === bestRank && best !== null && rank >= Availability.Offline && isLess(member, best);
    if (rank >= bestRank && !isShorter) continue;
    best = member;
    bestRank = rank;
    if (rank === Availability.Window) break;
  }
  const session = best?.subscriber;
  const { shareName, topicFilter } = group;
  const counted = { shareName, topicFilter, members: members.length, lookedAt };
  if (best === null || !(session instanceof Session)) {
    const text = 'no member can take it';
    if (members.length > lookedAt) {
      return { ...counted, next: null, drop: null, text: `${text}, of those that were looked at` };
    }
    return { ...counted, next: null, drop: dropName(DropReason.NoSharedMember), text };
  }
  const next = await explainDelivery(parts, session, [best], best, message);
  return {
    ...counted,
    next,
    drop: null,
    text: `it is the turn of ${session.clientId}: ${next.text}`,
  };
}

async function rankOf(
  parts: ExplainParts,
  member: Subscription,
  message: Message,
): Promise<number> {
  const { subscriber, access } = member;
  if (!(subscriber instanceof Session)) return NOBODY;
  if (access === SubscriptionAccess.Muted) return NOBODY;
  if (access === SubscriptionAccess.Asked) {
    const { isAllowed } = await permissionOf(parts, subscriber, member, message.topic.name);
    if (!isAllowed) return NOBODY;
  }
  const isQos0 = message.qos === 0 || member.qos === 0;
  const nowMs = parts.context.clock.now();
  const availability = foreseeAvailability(subscriber, isQos0, message.size, nowMs);
  if (availability === Availability.Offline)
    return isQos0 ? Availability.Offline + 1 : availability;
  return availability === Availability.None ? NOBODY : availability;
}

function isLess(member: Subscription, best: Subscription): boolean {
  return member.subscriber.queuedMessages < best.subscriber.queuedMessages;
}
