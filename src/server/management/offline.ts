// Sessions whose clients are away, those first that cost the most: chosen in slices, so many as are asked for; and the end of those
// whose clients do not come back.

import type { Context } from '../../session/context.ts';
import type { Session } from '../../session/session.ts';
import type { OfflineSession } from '../contract/management.ts';
import type { PurgeOutcome } from '../contract.ts';
import { purgeSessions } from '../purge.ts';
import type { Registry } from '../registry.ts';
import { needStore, whenDurable } from './durable.ts';
import { shownName } from './names.ts';
import { nextTurn, Slices } from './slices.ts';
import { wallTime } from './times.ts';

const SLICE = 500;
/** That are told one by one. */
const PURGED_MAX = 1_000;

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

/** In slices, as if they had expired. */
export async function purgeOffline(
  context: Context,
  registry: Registry,
  offlineForMs: number,
  isDryRun: boolean,
): Promise<PurgeOutcome> {
  if (!isDryRun) needStore(context);
  const purged = await purgeSessions(context, registry, offlineForMs, isDryRun);
  if (!isDryRun) await whenDurable(context.commits);
  const messages = purged.reduce((sum, { queuedMessages }) => sum + queuedMessages, 0);
  return { sessions: purged.length, messages, items: purged.slice(0, PURGED_MAX) };
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
