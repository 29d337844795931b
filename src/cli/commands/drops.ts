// `iothub drops`: which messages were lost and why, by the server that runs on the data folder.

import type { DropPage, DropTotals, ShownDrop } from '../../server/contract/drops.ts';
import { ControlError } from '../../server/contract.ts';
import { askServer, NoServer } from '../control.ts';
import type { DropsLine } from '../drops-line.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode } from '../exit-code.ts';

/** Items of a page that the server gives at most. */
const PAGE_MAX = 1_000;

/** What goes wrong is a sentence on stderr. */
export async function runDrops(line: DropsLine): Promise<ExitCode> {
  try {
    const totals = (await askServer(line.data, 'GET', '/api/v1/drops/totals')) as DropTotals;
    const items = totals.ledgerMax === 0 ? [] : await latest(line);
    if (line.json) print(JSON.stringify({ totals, items }));
    else for (const text of [...totalLines(totals), ...itemLines(items, totals)]) print(text);
    return ExitCode.Ok;
  } catch (error) {
    if (!(error instanceof NoServer || error instanceof ControlError)) throw error;
    process.stderr.write(`iothub drops: ${escapeHarmful(error.message)}\n`);
    return error instanceof NoServer ? ExitCode.Unavailable : ExitCode.Runtime;
  }
}

function print(text: string): void {
  process.stdout.write(`${escapeHarmful(text)}\n`);
}

/** The latest last, as in a log. */
async function latest(line: DropsLine): Promise<ShownDrop[]> {
  const { clientId, topicFilter, reason, sinceMs, limit } = line;
  const query = new URLSearchParams();
  if (clientId !== null) query.set('client', clientId);
  if (topicFilter !== null) query.set('topic', topicFilter);
  if (reason !== null) query.set('reason', reason);
  if (sinceMs !== null) query.set('since', new Date(Date.now() - sinceMs).toISOString());
  const items: ShownDrop[] = [];
  while (items.length < limit) {
    query.set('limit', String(Math.min(PAGE_MAX, limit - items.length)));
    const page = (await askServer(line.data, 'GET', `/api/v1/drops?${query}`)) as DropPage;
    items.push(...page.items);
    if (page.next === null) break;
    query.set('after', page.next);
  }
  return items.reverse();
}

function totalLines({ total, reasons }: DropTotals): string[] {
  const lost = reasons.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count);
  if (lost.length === 0) return ['no message was lost since the server started'];
  const width = Math.max(...lost.map(({ count }) => String(count).length));
  const lines = lost.flatMap(({ reason, count, meaning, advice }) => [
    `${String(count).padStart(width)}  ${reason}: ${meaning}`,
    `${' '.repeat(width)}  ${advice}`,
  ]);
  return [`messages lost since the server started: ${total}`, ...lines];
}

/** Behind a line that is empty, unless there is nothing to be said. */
function itemLines(items: readonly ShownDrop[], { ledgerMax, total }: DropTotals): string[] {
  if (ledgerMax === 0)
    return ['', 'the server keeps no ledger of them (drops.ledger, --no-ledger)'];
  if (total === 0) return [];
  return ['', ...(items.length === 0 ? ['none of the latest fits'] : items.map(lineOf))];
}

function lineOf(drop: ShownDrop): string {
  const { reason, clientId, publisher, topic, count, firstAt, lastAt } = drop;
  const by = publisher === null || publisher === clientId ? '' : ` from ${quoted(publisher)}`;
  const times = count === 1 ? '' : ` ${count} times since ${firstAt}`;
  return `${lastAt} ${reason} ${quoted(clientId)} ${quoted(topic)}${by}${times}${rest(drop)}`;
}

/** What else is known of it. */
function rest({ queuedMessages, outputBytes, rule }: ShownDrop): string {
  const parts = [
    queuedMessages === null ? '' : `${queuedMessages} queued`,
    outputBytes === null ? '' : `${outputBytes} bytes of output`,
    rule?.by ? `by ${rule.by}` : '',
    rule?.at ? `at ${rule.at}` : '',
    rule?.why ?? '',
  ];
  const known = parts.filter((part) => part !== '');
  return known.length === 0 ? '' : ` (${known.join(', ')})`;
}

function quoted(text: string | null): string {
  return text === null ? '-' : JSON.stringify(text);
}
