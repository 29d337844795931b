// Sessions whose clients are away, those first that cost the most: chosen in slices, so many as are asked for.

import type { Context } from '../../session/context.ts';
import type { Session } from '../../session/session.ts';
import type { OfflineSession } from '../contract/management.ts';
import type { Registry } from '../registry.ts';
import { shownName } from './names.ts';
import { nextTurn, Slices } from './slices.ts';
import { wallTime } from './times.ts';

const SLICE = 500;

export async function offlineSessions(
  { clock }: Context,
  registry: Registry,
  order: 'bytes' | 'age',
  limit: number,
): Promise<OfflineSession[]> {
  const rankOf = ({ disconnectedAtMs, outbound }: Session): number =>
    order === 'bytes' ? outbound.queuedBytes : -disconnectedAtMs;
  const top: Session[] = []; // the highest rank first
  const slices = new Slices(SLICE);
  for (const session of registry) {
    if (slices.isOver()) await nextTurn();
    if (session.connection !== null) continue;
    const rank = rankOf(session);
    if (top.length === limit && rank <= rankOf(top[limit - 1])) continue;
    const place = top.findIndex((other) => rankOf(other) < rank);
    top.splice(place < 0 ? top.length : place, 0, session);
    if (top.length > limit) top.pop();
  }
  const nowMs = clock.now();
  return top
    .filter(({ connection, hasEnded }) => connection === null && !hasEnded)
    .map((session) => ({
      clientId: session.clientId,
      username: shownName(session.client.username),
      disconnectedAt: wallTime(clock, session.disconnectedAtMs),
      awayForMs: Math.round(nowMs - session.disconnectedAtMs),
      queuedMessages: session.outbound.queuedMessages,
      queuedBytes: session.outbound.queuedBytes,
      fill: fillOf(session),
    }));
}

/** Rounded to a hundredth. */
function fillOf({ outbound, queueLimits }: Session): number {
  const { queueBytesMax, queueMessagesMax } = queueLimits;
  const fill = Math.max(
    outbound.queuedMessages / queueMessagesMax,
    outbound.queuedBytes / queueBytesMax,
  );
  return Math.round(fill * 100) / 100;
}
