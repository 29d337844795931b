// What a live view of the server goes by: totals since the start, from which whoever looks makes differences.

import type { ReadinessProblem } from './health.ts';

export interface RaisedAlarm {
  readonly name: string;
  readonly severity: 'warning' | 'critical';
  readonly message: string;
  /** ISO 8601 */
  readonly since: string;
}

export interface EventTotals {
  readonly connectionsOpened: number;
  readonly connectionsClosed: number;
  /** Not let in, for a limit or a ban. */
  readonly connectionsRefused: number;
  readonly failedLogins: number;
  /** Messages lost, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly alarms: readonly RaisedAlarm[];
  /** Why clients should not be sent here; empty: they may. */
  readonly problems: readonly ReadinessProblem[];
}

export interface EventControl {
  totals(): EventTotals;
}
