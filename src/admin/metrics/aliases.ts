// What the names of other servers have in common: sums of what is counted here.

import type { MetricsSnapshot } from '../../server/contract/metrics.ts';
import { gauge, type NumberFamily } from './family.ts';

/** null: it is not known here. */
export type Alias = readonly [name: string, read: (server: MetricsSnapshot) => number | null];

/** `of`: whose names these are. */
export function aliases(of: string, rows: readonly Alias[]): NumberFamily[] {
  return rows.map(([name, read]) => gauge(name, meaningFor(of), ({ server }) => read(server)));
}

export function meaningFor(of: string): string {
  return `As ${of} has it; see docs/metrics.md.`;
}

export function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

export function dropped({ drops }: MetricsSnapshot, ...reasons: readonly string[]): number {
  return sum(reasons.map((reason) => drops[reason] ?? 0));
}

/** Network connections, half-connected ones included. */
export function connectionsOf({ listeners }: MetricsSnapshot): number {
  return sum(listeners.map(({ connected, halfConnected }) => connected + halfConnected));
}
