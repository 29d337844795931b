// Answers of an endpoint, remembered for a while. A question is known by an HMAC over all that was sent, under a key that this
// process made up: neither a password nor anything to guess it by is kept. What was denied is remembered shorter, and apart,
// so that guesses neither push out those who may nor lock out whom the endpoint has just let in.

import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';

/** Of the time that an answer counts, a denial counts this part, and so long at most. */
const NEGATIVE_PART = 1 / 4;
const NEGATIVE_TTL_MAX_MS = 10_000;
/** Of all entries, so many may be denials. */
const NEGATIVE_ENTRIES_PART = 1 / 4;

export interface AnswerCacheOptions {
  /** 0 = nothing is remembered. */
  readonly ttlMs: number;
  readonly entriesMax: number;
  readonly clock: Clock;
}

interface Entry<T> {
  readonly answer: T;
  readonly untilMs: number;
}

export class AnswerCache<T> {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #negativeTtlMs: number;
  readonly #positiveMax: number;
  readonly #negativeMax: number;
  readonly #secret = randomBytes(32);
  /** The oldest first. */
  readonly #positive = new Map<string, Entry<T>>();
  readonly #negative = new Map<string, Entry<T>>();

  constructor({ ttlMs, entriesMax, clock }: AnswerCacheOptions) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#negativeTtlMs = Math.min(ttlMs * NEGATIVE_PART, NEGATIVE_TTL_MAX_MS);
    this.#negativeMax = Math.ceil(entriesMax * NEGATIVE_ENTRIES_PART);
    this.#positiveMax = Math.max(1, entriesMax - this.#negativeMax);
  }

  get size(): number {
    return this.#positive.size + this.#negative.size;
  }

  /** What a question is known by; `sent` is all that the endpoint gets. */
  keyOf(sent: string): string {
    return createHmac('sha256', this.#secret).update(sent).digest('base64');
  }

  get(key: string): T | null {
    const entry = this.#positive.get(key) ?? this.#negative.get(key);
    if (entry === undefined) return null;
    if (this.#clock.now() < entry.untilMs) return entry.answer;
    this.#delete(key);
    return null;
  }

  /** `endsInMs`: the answer itself counts no longer. */
  set(key: string, answer: T, isNegative: boolean, endsInMs = Number.POSITIVE_INFINITY): void {
    const ttlMs = Math.min(isNegative ? this.#negativeTtlMs : this.#ttlMs, endsInMs);
    this.#delete(key);
    if (ttlMs <= 0) return;
    const entries = isNegative ? this.#negative : this.#positive;
    entries.set(key, { answer, untilMs: this.#clock.now() + ttlMs });
    if (entries.size <= (isNegative ? this.#negativeMax : this.#positiveMax)) return;
    const [oldest] = entries.keys();
    entries.delete(oldest);
  }

  clear(): void {
    this.#positive.clear();
    this.#negative.clear();
  }

  #delete(key: string): void {
    this.#positive.delete(key);
    this.#negative.delete(key);
  }
}
