// How many requests a second one may send: who shows a valid token by its name, everybody else by address, so that an address
// that floods locks out no token. The table is bounded: the one that came longest ago goes.

import { TokenBucket } from '../core/token-bucket.ts';

const ENTRIES_MAX = 10_000;

export class RequestRate {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, TokenBucket>();

  /** 0 = there is no limit. `now`: monotonic milliseconds. */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Entries of the table. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Counts one more; false: it is one too many. */
  take(who: string): boolean {
    if (this.#perSecond === 0) return true;
    const nowMs = this.#now();
    const known = this.#buckets.get(who);
    const bucket = known ?? new TokenBucket(this.#perSecond, this.#perSecond, nowMs);
    this.#buckets.delete(who);
    this.#buckets.set(who, bucket);
    if (this.#buckets.size > ENTRIES_MAX) this.#forgetOldest();
    if (!bucket.has(1, nowMs)) return false;
    bucket.take(1);
    return true;
  }

  #forgetOldest(): void {
    for (const who of this.#buckets.keys()) {
      this.#buckets.delete(who);
      return;
    }
  }
}
