// What was lost for a client lately, as the ledger of lost messages remembers it.

import { DROP_REASON_NAMES } from '../../core/drop.ts';
import { type DropLedger, LEDGER_TEXT_MAX } from '../../core/drop-ledger.ts';
import type { RecentDrops } from './parts.ts';

/** Entries that are looked at. */
const VISITS_MAX = 4_096;

/** null: there is no ledger. */
export function recentDropsIn(ledger: DropLedger | null): RecentDrops | null {
  if (ledger === null) return null;
  return {
    recentDropsOf(clientId, topicName, max) {
      if (topicName.length > LEDGER_TEXT_MAX) return []; // it keeps no more of a topic
      const filter = { reason: null, clientId, topicFilter: topicName, sinceMs: 0 };
      const { entries } = ledger.read(filter, Number.POSITIVE_INFINITY, max, VISITS_MAX);
      return entries.map(({ lastMs, reason, topicName: topic, count }) => ({
        ...{ at: new Date(lastMs).toISOString(), reason: DROP_REASON_NAMES[reason], topic, count },
      }));
    },
  };
}
