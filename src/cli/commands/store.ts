// `iothub store stats`, `verify`, `compact`, `backup` and `restore`: each does one thing to a data folder and says what came of
// it on stdout.

import {
  backupStore,
  compactStore,
  restoreStore,
  type StoreSummary,
  summarizeStore,
  type ToolOptions,
  verifyStore,
} from '../../storage/store-folder/tools.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode } from '../exit-code.ts';
import type { CopyLine } from '../options.ts';

export async function stats(options: ToolOptions, isJson: boolean): Promise<ExitCode> {
  const summary = await summarizeStore(options);
  say(isJson ? JSON.stringify(summary) : describe(summary));
  return ExitCode.Ok;
}

function describe(summary: StoreSummary): string {
  const { isServed, wasStoppedCleanly } = summary;
  const stopped = wasStoppedCleanly === true ? 'stopped cleanly' : 'not stopped cleanly';
  const used = summary.usedBytes === null ? '' : `${formatBytes(summary.usedBytes)} in use, file `;
  const rows: [string, string][] = [
    ['folder', escapeHarmful(summary.folder)],
    ['format', String(summary.format)],
    ['server', isServed ? 'running' : stopped],
    ['last served', summary.lastServedAt ?? 'never'],
    ['sessions', `${summary.sessions}, with ${summary.subscriptions} subscriptions`],
    ['queued', `${summary.queuedMessages} messages, ${formatBytes(summary.queuedBytes)}`],
    ['in flight', `${summary.inflightMessages} messages`],
    ['retained', `${summary.retainedMessages} messages, ${formatBytes(summary.retainedBytes)}`],
    ['wills', String(summary.wills)],
    ['on the disk', `${used}${formatBytes(summary.fileBytes)}`],
  ];
  return rows.map(([name, value]) => `${name.padEnd(12)} ${value}`).join('\n');
}

const ASIDE = 'the next start sets it aside; "iothub store restore" puts a backup in its place';

/** Lists what is damaged; exit code 1 when anything is. */
export async function verify(options: ToolOptions, isJson: boolean): Promise<ExitCode> {
  const report = await verifyStore(options);
  if (isJson) say(JSON.stringify(report));
  else sayVerified(report);
  if (report.outcome === 'ok') return ExitCode.Ok;
  const isRead = report.outcome !== 'newer' && report.outcome !== 'older';
  return isRead ? ExitCode.Runtime : ExitCode.Store;
}

function sayVerified(report: Awaited<ReturnType<typeof verifyStore>>): void {
  const { outcome, records, problems, problemCount, version, knownVersion } = report;
  if (outcome === 'ok') {
    say(`ok: ${records} records, all of them readable`);
    return;
  }
  if (outcome === 'newer' || outcome === 'older') {
    say(
      `format version ${version}, and this version of IoTHub knows ${knownVersion}: it was not read`,
    );
    return;
  }
  for (const problem of problems) say(problem);
  const rest = problemCount - problems.length;
  if (rest > 0) say(`and ${rest} more`);
  if (outcome === 'flawed') say(`${problemCount} of ${records} records damaged: they are left out`);
  else if (outcome === 'foreign') say(`not a store of IoTHub: ${ASIDE}`);
  else say(`damaged: ${ASIDE}`);
}

export async function compact(options: ToolOptions, isJson: boolean): Promise<ExitCode> {
  const { before, after } = await compactStore(options);
  if (isJson) say(JSON.stringify({ bytesBefore: before, bytesAfter: after }));
  else say(`compacted from ${formatBytes(before)} to ${formatBytes(after)}`);
  return ExitCode.Ok;
}

export async function backup(options: ToolOptions, line: CopyLine): Promise<ExitCode> {
  const { folder, json } = line;
  const { file, damagedRecords } = await backupStore(options, folder);
  const where = escapeHarmful(file ?? folder);
  if (json) say(JSON.stringify({ file: file ?? folder, damagedRecords }));
  else if (damagedRecords !== null) say(`backed up into ${where}${damage(damagedRecords)}`);
  else say(`the server backed up into ${where}, which was not verified: it is not seen from here`);
  return ExitCode.Ok;
}

export async function restore(options: ToolOptions, line: CopyLine): Promise<ExitCode> {
  const { folder: source, json } = line;
  const { file, damagedRecords } = await restoreStore(options, source);
  if (json) {
    say(JSON.stringify({ source, former: file, damagedRecords: damagedRecords ?? 0 }));
    return ExitCode.Ok;
  }
  const kept = file === null ? '' : `; the store that was there is now ${escapeHarmful(file)}`;
  say(`restored from ${escapeHarmful(source)}${kept}${damage(damagedRecords ?? 0)}`);
  return ExitCode.Ok;
}

function damage(records: number): string {
  return records === 0 ? '' : `; ${records} records in it are damaged, and are left out`;
}

/** A line for people. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
