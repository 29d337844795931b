// How a bench looks to people: a line a second, and a summary.

import type { BenchKind, BenchSummary, IntervalReport } from '../../client/bench/plan.ts';

type Figures = BenchSummary['latencyMs'];

/** Busier than this, and not for a moment only, the generator itself may be what limits. */
const BUSY = 0.9;
const MOMENT_SECONDS = 1;

export function intervalLine(kind: BenchKind, report: IntervalReport): string {
  const { phase, seconds, connected, failed, lostConnections } = report;
  const parts = [`${seconds.toFixed(0).padStart(5)}s`, `${count(connected)} connected`];
  if (phase !== 'running') parts.push(phase);
  if (kind === 'pub' || kind === 'pairs') parts.push(`out ${count(report.sentPerSecond)}/s`);
  if (kind === 'sub' || kind === 'pairs') parts.push(`in ${count(report.receivedPerSecond)}/s`);
  if (report.latencyMs !== null) parts.push(`latency ${short(report.latencyMs)}`);
  if (report.acknowledgementMs !== null) parts.push(`ack ${short(report.acknowledgementMs)}`);
  const errors = failed + lostConnections;
  if (errors > 0) parts.push(`${count(errors)} connections failed or lost`);
  return parts.join('  ');
}

/** Lines of name and value; what is none is left out where it needs no word. */
export function summaryLines(summary: BenchSummary, faults: readonly string[]): string[] {
  const { kind, seconds, connections, failed, lostConnections, busy } = summary;
  const rows: (readonly [string, string])[] = [
    ['connections', troubled(connections, [failed, 'failed'], [lostConnections, 'lost'])],
    ...latencyRow('connecting', summary.connectMs),
    ['time', `${seconds.toFixed(1)} s`],
  ];
  if (kind === 'pub' || kind === 'pairs') rows.push(...sentRows(summary));
  if (kind === 'sub' || kind === 'pairs') rows.push(...receivedRows(summary));
  rows.push(['this process', `${Math.round(busy * 100)} % busy`]);
  rows.push(...faults.map((fault) => ['problem', fault] as const));
  const lines = rows.map(([name, value]) => `${name.padEnd(15)} ${value}`);
  if (busy > BUSY && seconds >= MOMENT_SECONDS) {
    lines.push(
      '',
      'This process was the limit, or close to it: run several at a time for more load.',
    );
  }
  return lines;
}

function sentRows(summary: BenchSummary): (readonly [string, string])[] {
  const { sent, acknowledged, unacknowledged, refused, unsent } = summary;
  const rate = `${count(summary.sentPerSecond)}/s, ${bytes(summary.sentBytesPerSecond)}/s`;
  return [
    ['sent', `${count(sent)} (${rate})`],
    ...(acknowledged + unacknowledged + refused === 0
      ? []
      : [
          [
            'acknowledged',
            troubled(acknowledged, [unacknowledged, 'not'], [refused, 'refused']),
          ] as const,
        ]),
    ...(unsent === 0
      ? []
      : [['not sent', `${count(unsent)} were due, and the server let no more in`] as const]),
    ...latencyRow('acknowledged in', summary.acknowledgementMs),
  ];
}

function receivedRows(summary: BenchSummary): (readonly [string, string])[] {
  const { received, lost, duplicates, outOfOrder, unnumbered } = summary;
  const rate = `${count(summary.receivedPerSecond)}/s, ${bytes(summary.receivedBytesPerSecond)}/s`;
  return [
    ['received', `${count(received)} (${rate})`],
    ['lost', count(lost)],
    ['duplicates', count(duplicates)],
    ['out of order', count(outOfOrder)],
    ...(unnumbered === 0
      ? []
      : [['not followed', `${count(unnumbered)} (of others, retained, or too short)`] as const]),
    ...latencyRow('latency', summary.latencyMs),
  ];
}

function latencyRow(name: string, figures: Figures): (readonly [string, string])[] {
  if (figures === null) return [];
  const { p50, p95, p99, max } = figures;
  const all = [p50, p95, p99, max].map(milliseconds);
  return [[name, `p50 ${all[0]}, p95 ${all[1]}, p99 ${all[2]}, max ${all[3]} ms`]];
}

/** p50, p95, p99 */
function short({ p50, p95, p99 }: NonNullable<Figures>): string {
  return `${[p50, p95, p99].map(milliseconds).join(' / ')} ms`;
}

function troubled(value: number, ...troubles: readonly (readonly [number, string])[]): string {
  const said = troubles.filter(([number]) => number > 0);
  return [count(value), ...said.map(([number, word]) => `${count(number)} ${word}`)].join(', ');
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function milliseconds(value: number): string {
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}

function bytes(value: number): string {
  if (value < 1_000) return `${value} B`;
  if (value < 1_000_000) return `${(value / 1_000).toFixed(1)} kB`;
  return `${(value / 1_000_000).toFixed(1)} MB`;
}
