// When somebody must be told that a certificate or a revocation list ends. A year's certificate is due weeks before; one that
// lives a week, or a list that is made anew every day, would be due all its life: so it is the last quarter of it at most.

import type { TlsSet } from './set.ts';

const DAY_MS = 86_400_000;
const SHARE_OF_LIFE = 4;

/** From when to when something holds. */
export interface Life {
  readonly file: string;
  /** Whose it is. */
  readonly subject: string;
  readonly begins: Date;
  readonly ends: Date;
}

/** Of the certificates in the server's chains. */
export function certificateLives({ expiries }: Pick<TlsSet, 'expiries'>): Life[] {
  return expiries.map(({ file, subject, notBefore, notAfter }) => ({
    file,
    subject,
    begins: notBefore,
    ends: notAfter,
  }));
}

/** Of the revocation lists that say how long they hold. */
export function crlLives(set: TlsSet): Life[] {
  const lives: Life[] = [];
  for (const { file, issuer, thisUpdate, nextUpdate } of set.crls) {
    if (nextUpdate === null) continue;
    lives.push({ file, subject: issuer, begins: thisUpdate, ends: nextUpdate });
  }
  return lives;
}

/** What ends first; null for none. */
export function firstToEnd(lives: readonly Life[]): Life | null {
  let first: Life | null = null;
  for (const life of lives) {
    if (first === null || life.ends < first.ends) first = life;
  }
  return first;
}

/** What ends first of that which somebody must be told of; null for none. */
export function firstDue(lives: readonly Life[], warningDays: number, nowMs: number): Life | null {
  return firstToEnd(
    lives.filter(({ begins, ends }) => {
      const lifeMs = ends.getTime() - begins.getTime();
      return ends.getTime() - nowMs <= Math.min(warningDays * DAY_MS, lifeMs / SHARE_OF_LIFE);
    }),
  );
}

/** Days from now on, with their fractions; negative for what is over. */
export function daysUntil(date: Date, nowMs: number): number {
  return (date.getTime() - nowMs) / DAY_MS;
}
