// Times of the server's own clock as people read them.

import type { Clock } from '../../lib/clock.ts';

/** ISO 8601, of a time in monotonic milliseconds. */
export function wallTime(clock: Clock, ms: number): string {
  return new Date(clock.wallNow() - clock.now() + ms).toISOString();
}

/** The same of an end that may never come, or beyond the end of dates. */
export function wallTimeOrNever(clock: Clock, ms: number): string | null {
  const date = new Date(clock.wallNow() - clock.now() + ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
