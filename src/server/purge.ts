// Ends the sessions of clients that do not come back.

import type { Context } from '../session/context.ts';
import type { PurgedSession } from './contract.ts';
import type { Registry } from './registry.ts';

/** Sessions that are purged in one turn. */
const PURGE_SLICE = 500;

/** As `Server.purgeSessions`. */
export async function purgeSessions(
  { clock }: Context,
  registry: Registry,
  offlineForMs: number,
  isDryRun: boolean,
): Promise<PurgedSession[]> {
  const purged: PurgedSession[] = [];
  let budget = PURGE_SLICE;
  for (const session of [...registry]) {
    const nowMs = clock.now();
    const { clientId, connection, disconnectedAtMs, hasEnded, queuedMessages } = session;
    if (hasEnded || connection !== null || nowMs - disconnectedAtMs < offlineForMs) continue;
    const disconnectedAt = new Date(disconnectedAtMs + clock.wallNow() - nowMs).toISOString();
    purged.push({ clientId, disconnectedAt, queuedMessages });
    if (isDryRun) continue;
    session.end();
    if (--budget > 0) continue;
    budget = PURGE_SLICE;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return purged;
}
