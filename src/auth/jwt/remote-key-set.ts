// The keys of a token issuer, from its JWKS endpoint: fetched at start, again every so often, and out of turn when a token names
// a key that is not there (the issuer has rotated), though not more often than once in a cool-down, so that made-up names
// cost the issuer nothing. Whatever goes wrong, the last good set stays.

import { createHash } from 'node:crypto';
import type { Cancellable, Clock } from '../../lib/clock.ts';
import type { JwtAlgorithm } from './algorithms.ts';
import { displayUrl, type FetchLimits, fetchBounded } from './bounded-fetch.ts';
import { readKeySet } from './jwk.ts';
import { type JwtKey, markOf } from './key.ts';
import { parseStrictJson } from './strict-json.ts';

/** What is due is looked for so often in a cool-down. */
const TICKS = 4;

export interface RemoteKeySetOptions {
  readonly url: URL;
  readonly algorithms: readonly JwtAlgorithm[];
  readonly refreshMs: number;
  /** Between two fetches there is as much time at least. */
  readonly coolDownMs: number;
  readonly limits: FetchLimits;
  readonly clock: Clock;
  /** There are other keys than before. */
  readonly onChange: (set: RemoteKeySet) => void;
  /** A fetch failed, or the first one after such did not. */
  readonly onReport: (set: RemoteKeySet) => void;
}

export class RemoteKeySet {
  readonly #options: RemoteKeySetOptions;
  readonly #closing = new AbortController();
  #keys: readonly JwtKey[] = [];
  #problem: string | null = null;
  #digest = '';
  #timer: Cancellable | null = null;
  #fetching: Promise<void> | null = null;
  #triedMs = Number.NEGATIVE_INFINITY;
  #fetchedMs = Number.NEGATIVE_INFINITY;
  #isWanted = false;
  /** How often the endpoint was asked. */
  fetches = 0;

  constructor(options: RemoteKeySetOptions) {
    this.#options = options;
  }

  get keys(): readonly JwtKey[] {
    return this.#keys;
  }

  /** Why the last fetch failed; null: it did not. */
  get problem(): string | null {
    return this.#problem;
  }

  get algorithms(): readonly JwtAlgorithm[] {
    return this.#options.algorithms;
  }

  /** For people: without what may be secret. */
  get name(): string {
    return displayUrl(this.#options.url);
  }

  /** Of its address, which may hold a secret. */
  get mark(): string {
    return markOf(this.#options.url.href);
  }

  /** Takes what another one has of the same address for the same algorithms, until it has its own. */
  inherit(former: RemoteKeySet): void {
    const { url, algorithms } = this.#options;
    if (former.#options.url.href !== url.href) return;
    if (former.algorithms.join() !== algorithms.join()) return;
    this.#keys = former.#keys;
    this.#digest = former.#digest;
  }

  /** Fetches for the first time, and keeps the set fresh from then on. Never rejects. */
  async start(): Promise<void> {
    const { clock, coolDownMs, refreshMs } = this.#options;
    const tickMs = Math.ceil(Math.min(coolDownMs, refreshMs) / TICKS);
    this.#timer = clock.every(tickMs, () => this.#tick());
    await this.refresh();
  }

  /**
   * Fetches now, or waits for the fetch that is running; never rejects. null: it is too soon after the last one, and the next
   * tick fetches instead.
   */
  refresh(): Promise<void> | null {
    if (this.#fetching !== null) return this.#fetching;
    if (this.#closing.signal.aborted) return null;
    if (this.#options.clock.now() - this.#triedMs < this.#options.coolDownMs) {
      this.#isWanted = true;
      return null;
    }
    this.#fetching = this.#fetch().finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  close(): void {
    this.#timer?.cancel();
    this.#closing.abort();
  }

  #tick(): void {
    const isOld = this.#options.clock.now() - this.#fetchedMs >= this.#options.refreshMs;
    if (isOld || this.#isWanted || this.#problem !== null) void this.refresh();
  }

  async #fetch(): Promise<void> {
    const { clock, limits, url, onReport } = this.#options;
    this.#triedMs = clock.now();
    this.#isWanted = false;
    this.fetches++;
    const former = this.#problem;
    try {
      await this.#take(await fetchBounded(url, limits, clock, this.#closing.signal));
      this.#fetchedMs = clock.now();
      this.#problem = null;
      if (former !== null) onReport(this);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#problem = (error as Error).message;
      onReport(this);
    }
  }

  async #take(body: Uint8Array): Promise<void> {
    const digest = createHash('sha256').update(body).digest('hex');
    if (digest === this.#digest) return;
    const { algorithms, onChange } = this.#options;
    const { keys, problems } = await readKeySet(readJson(body), {
      algorithms,
      id: null,
      allowsSecrets: false,
    });
    // An issuer without keys has lost them: nobody empties a set on purpose.
    if (keys.length === 0) {
      const rest = problems.length === 0 ? '' : ` (${problems.join('; ')})`;
      throw new Error(`its answer has no key for ${algorithms.join(', ')}${rest}`);
    }
    if (this.#closing.signal.aborted) return;
    this.#keys = keys;
    this.#digest = digest;
    onChange(this);
  }
}

function readJson(body: Uint8Array): unknown {
  try {
    return parseStrictJson(body);
  } catch (error) {
    throw new Error(`its answer ${(error as Error).message}`);
  }
}
