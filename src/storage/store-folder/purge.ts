// Ends the sessions whose clients have been away for long, in a store that no server has open. A running server does the same
// through its own registry, since it knows who is connected.

import type { Storage, StoredSession } from '../storage.ts';
import { openStore, storeNow } from './reading.ts';

export interface PurgedSession {
  readonly clientId: string;
  /** ISO 8601 */
  readonly disconnectedAt: string;
  readonly queuedMessages: number;
}

/**
 * Removes the sessions whose clients have been away for at least so many milliseconds, with all that belongs to them; a dry run
 * only lists them. Opens the store and closes it.
 */
export async function purgeSessions(
  storage: Storage,
  offlineForMs: number,
  isDryRun: boolean,
): Promise<PurgedSession[]> {
  const { anchor } = await openStore(storage);
  try {
    const nowMs = storeNow(anchor);
    const away: { session: StoredSession; sinceMs: number }[] = [];
    const queued = new Map<number, number>();
    await storage.recover({
      onSession({ session }) {
        // One that was connected when the server died went away then, as far as anybody knows.
        const sinceMs = session.disconnectedAtMs ?? anchor?.storeMs ?? nowMs;
        if (nowMs - sinceMs >= offlineForMs) away.push({ session, sinceMs });
      },
      onQueued(session) {
        queued.set(session, (queued.get(session) ?? 0) + 1);
      },
      onRetained() {},
    });
    if (!isDryRun && away.length > 0) {
      for (const { session } of away) storage.deleteSession(session.number);
      await storage.commit();
    }
    return away.map(({ session, sinceMs }) => ({
      clientId: session.clientId,
      disconnectedAt: new Date(sinceMs).toISOString(),
      queuedMessages: queued.get(session.number) ?? 0,
    }));
  } finally {
    await storage.close();
  }
}
