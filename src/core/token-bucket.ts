// A rate with a burst: as many tokens as the burst at most, coming at the rate. Nothing runs meanwhile: what has come is
// counted when somebody asks. Times are monotonic milliseconds; one that is older than the last one asked about is that one.
//
// What costs more than the burst may pass once the bucket is full, and is paid off afterwards: it would never pass otherwise.
// So whatever passes in t seconds costs at most burst + rate · t, and what a single packet was larger than the burst.

/** A token is there when only so much of one is missing: times are rounded. */
const SLACK = 0.000_001;

export class TokenBucket {
  readonly burst: number;
  readonly #perMs: number;
  /** As of `#atMs`; negative: what has been reserved has yet to come. */
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, burst: number, nowMs: number, tokens = burst) {
    this.burst = burst;
    this.#perMs = perSecond / 1_000;
    this.#tokens = Math.min(burst, Math.max(0, tokens));
    this.#atMs = nowMs;
  }

  /** How many there are; negative: so many have yet to come for those who wait. */
  tokens(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens;
  }

  isFull(nowMs: number): boolean {
    return this.tokens(nowMs) >= this.burst - SLACK;
  }

  /** Whether something that costs so much may pass now. */
  has(cost: number, nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens >= Math.min(cost, this.burst) - SLACK;
  }

  /** Takes what `has` said is there. */
  take(cost: number): void {
    this.#tokens -= cost;
  }

  /** Takes it in any case; returns the milliseconds until it is all there, behind those who wait already. */
  reserve(cost: number, nowMs: number): number {
    this.#refill(nowMs);
    const missing = Math.min(cost, this.burst) - this.#tokens;
    this.#tokens -= cost;
    return missing <= SLACK ? 0 : missing / this.#perMs;
  }

  /** As `reserve` would say; nothing changes. */
  waitMs(cost: number, nowMs: number): number {
    const comeMs = Math.max(0, nowMs - this.#atMs);
    const tokens = Math.min(this.burst, this.#tokens + comeMs * this.#perMs);
    const missing = Math.min(cost, this.burst) - tokens;
    return missing <= SLACK ? 0 : missing / this.#perMs;
  }

  /** What was taken did not pass. */
  giveBack(cost: number): void {
    this.#tokens = Math.min(this.burst, this.#tokens + cost);
  }

  #refill(nowMs: number): void {
    if (nowMs <= this.#atMs) return;
    this.#tokens = Math.min(this.burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
  }
}
