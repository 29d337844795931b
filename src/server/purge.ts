// Ends the sessions of clients that do not come back.

import type { Context } from '../session/context.ts';
import type { PurgedSession } from './contract.ts';
import { nextTurn, Slices } from './management/slices.ts';
import type { Registry } from './registry.ts';

/** Sessions that are looked at in one turn. */
const PURGE_SLICE = 500;

/** As `Server.purgeSessions`. */
export async function purgeSessions(
  { clock }: Context,
  registry: Registry,
  offlineForMs: number,
  isDryRun: boolean,
): Promise<PurgedSession[]> {
  const purged: PurgedSession[] = [];
  const slices = new Slices(PURGE_SLICE);
  for (const session of [...registry]) {
    if (slices.isOver()) await nextTurn();
    const nowMs = clock.now();
    const { clientId, connection, disconnectedAtMs, hasEnded, queuedMessages } = session;
    if (hasEnded || connection !== null || nowMs - disconnectedAtMs < offlineForMs) continue;
    const disconnectedAt = new Date(disconnectedAtMs + clock.wallNow() - nowMs).toISOString();
    purged.push({ clientId, disconnectedAt, queuedMessages });
    if (!isDryRun) session.end();
  }
  return purged;
}
