// What may be asked about lost messages, answered from the counters and the ledger.

import { DROP_REASON_NAMES, type DropReason, type Drops, dropReasonOf } from '../core/drop.ts';
import type { DropEntry, DropFilter } from '../core/drop-ledger.ts';
import { DROP_REASON_INFO } from '../core/drop-reasons.ts';
import { parseTopicFilter } from '../protocol/filter.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type {
  DropControl,
  DropPage,
  DropQuestion,
  DropTotals,
  ShownDrop,
} from './contract/drops.ts';
import { ControlError } from './contract.ts';

/** Entries that are looked at in one turn. */
const VISITS_MAX = 2_000;
const NO_LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 65_535 };

export function dropControl(drops: Drops): DropControl {
  return {
    totals: async () => totalsOf(drops),
    list: (question) => list(drops, question),
  };
}

function totalsOf({ counts, ledger, total }: Drops): DropTotals {
  const reasons = DROP_REASON_NAMES.map((reason, index) => {
    const { concerns, meaning, advice } = DROP_REASON_INFO[index as DropReason];
    return { reason, count: counts[index], concerns, meaning, advice };
  });
  return { total, reasons, ledgerMax: ledger?.max ?? 0 };
}

async function list({ ledger }: Drops, question: DropQuestion): Promise<DropPage> {
  if (ledger === null) {
    throw new ControlError(
      'unavailable',
      'the ledger of lost messages is off (drops.ledger = false, or --no-ledger): only their numbers are known',
    );
  }
  const filter = filterOf(question);
  const { limit } = question;
  const found: DropEntry[] = [];
  let below: number | null = belowOf(question.after);
  // One more than wanted says whether there is a next page.
  while (below !== null && found.length <= limit) {
    const slice = ledger.read(filter, below, limit + 1 - found.length, VISITS_MAX);
    found.push(...slice.entries);
    below = slice.below;
    if (below !== null) await new Promise((resolve) => setImmediate(resolve));
  }
  const items = found.slice(0, limit).map(shown);
  return { items, next: found.length > limit ? items[items.length - 1].id : null };
}

function filterOf({ reason, clientId, topicFilter, sinceMs }: DropQuestion): DropFilter {
  const wanted = reason === null ? null : dropReasonOf(reason);
  if (reason !== null && wanted === null) {
    const known = DROP_REASON_NAMES.join(', ');
    throw new ControlError(
      'invalid',
      `there is no reason ${JSON.stringify(reason)}; known are ${known}`,
    );
  }
  return {
    reason: wanted,
    clientId,
    topicFilter: topicFilter === null ? null : checkedFilter(topicFilter),
    sinceMs: sinceMs ?? 0,
  };
}

function checkedFilter(topicFilter: string): string {
  try {
    return parseTopicFilter(topicFilter, NO_LIMITS).topicFilter;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ControlError('invalid', `${JSON.stringify(topicFilter)}: ${error.message}`);
  }
}

function belowOf(after: string | null): number {
  if (after === null) return Number.POSITIVE_INFINITY;
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw new ControlError(
    'invalid',
    `${JSON.stringify(after)} is not where a page ended: take the "next" of the page before`,
  );
}

function shown(entry: DropEntry): ShownDrop {
  const { id, reason, clientId, publisherId, topicName, count, firstMs, lastMs, depth, rule } =
    entry;
  const unit = DROP_REASON_INFO[reason].depth;
  return {
    id: String(id),
    reason: DROP_REASON_NAMES[reason],
    ...{ clientId, publisher: publisherId, topic: topicName, count },
    firstAt: new Date(firstMs).toISOString(),
    lastAt: new Date(lastMs).toISOString(),
    queuedMessages: unit === 'messages' ? depth : null,
    outputBytes: unit === 'bytes' ? depth : null,
    rule,
  };
}
