// Whether a listener takes one more connection, asked before anything is read, made or spent for it (a TLS handshake least of
// all). It must be cheap above all for those that are refused: a look-up and some arithmetic, no timer, nothing made but the
// short text of an IPv6 prefix.
//
// A rate is a token bucket that is one number: when it will be full again. Taking a token moves that time by what one token
// takes to come; a bucket that is full by then has nothing to remember. Refused connections take no token, so that whoever is
// refused for its own address costs the others nothing of the listener's rate.
//
// The table of addresses has a fixed size. One without connections stays until its bucket is full again, the oldest of them
// goes first. Addresses that find no place, because all in the table have connections, are one client together: bounded for
// sure, and unfair only to those who come when more addresses are connected than the table was made for.

import { limitKey } from '../lib/address.ts';
import { assert } from '../lib/assert.ts';
import type { LoopLag } from './loop-lag.ts';

/** Why a connection is refused; names for logs, metrics and the API. */
export const REFUSAL_REASONS = [
  /** The event loop is late. */
  'overload',
  /** The listener has its most connections. */
  'connections',
  /** The address has. */
  'connections-per-address',
  /** Connections come faster than the listener takes them. */
  'rate',
  /** They do from this address. */
  'rate-per-address',
  /** Too many connections whose CONNECT is not in yet; the broker counts those. */
  'half-connected',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

export interface AcceptLimits {
  /** Connections of the listener; 0 = no limit. */
  readonly connectionsMax: number;
  /** Connections of one address (of IPv6: of one /64); 0 = no limit. */
  readonly connectionsPerAddressMax: number;
  /** New connections per second; 0 = no limit. */
  readonly connectRate: number;
  /** How many may come at once after a pause; 1 at least. */
  readonly connectBurst: number;
  /** New connections per second of one address; 0 = no limit. */
  readonly connectRatePerAddress: number;
  readonly connectBurstPerAddress: number;
  /** Addresses in the table; 1 at least. */
  readonly addressesMax: number;
}

/** A token is there when only so much of one is missing: times are rounded. */
const TOKEN_SLACK = 0.000_1;

/** The rate and burst of token buckets; a bucket itself is a time, see above. */
class Rate {
  /** Milliseconds in which a token comes; 0 without a limit. */
  readonly #tokenMs: number;
  readonly #burst: number;
  /** How far ahead a bucket's time may be when it has a token. */
  readonly #aheadMaxMs: number;

  constructor(perSecond: number, burst: number) {
    const hasLimit = perSecond > 0;
    this.#burst = Math.max(1, burst);
    this.#tokenMs = hasLimit ? 1_000 / perSecond : 0;
    this.#aheadMaxMs = hasLimit
      ? this.#tokenMs * (this.#burst - 1 + TOKEN_SLACK)
      : Number.POSITIVE_INFINITY;
  }

  hasToken(fullAtMs: number, nowMs: number): boolean {
    return fullAtMs - nowMs <= this.#aheadMaxMs;
  }

  /** When the bucket is full again after a token was taken. */
  take(fullAtMs: number, nowMs: number): number {
    return Math.max(fullAtMs, nowMs) + this.#tokenMs;
  }

  /** The same bucket at another rate: as many tokens are missing, an empty one at most. */
  convert(fullAtMs: number, nowMs: number, next: Rate): number {
    if (this.#tokenMs === 0) return nowMs;
    const missing = Math.max(0, fullAtMs - nowMs) / this.#tokenMs;
    return nowMs + Math.min(missing, next.#burst) * next.#tokenMs;
  }
}

/** What is known of one address; with no connections it is in the list of the idle ones. */
class AddressEntry {
  readonly key: string;
  open = 0;
  fullAtMs = 0;
  before: AddressEntry | null = null;
  after: AddressEntry | null = null;

  constructor(key: string) {
    this.key = key;
  }
}

/** Idle entries that are looked at for each new address; two, so that they go faster than addresses come. */
const SWEEP = 2;

export class AcceptControl {
  /** Refused connections since the start. */
  readonly refusals: Readonly<Record<RefusalReason, number>>;
  readonly #refusals: Record<RefusalReason, number>;
  readonly #now: () => number;
  readonly #lag: LoopLag | null;
  #limits: AcceptLimits;
  #rate: Rate;
  #ratePerAddress: Rate;
  #open = 0;
  #fullAtMs = 0;
  readonly #entries = new Map<string, AddressEntry>();
  /** All addresses for which the table has no place. */
  readonly #others = new AddressEntry('');
  #oldestIdle: AddressEntry | null = null;
  #newestIdle: AddressEntry | null = null;

  /** `now`: monotonic milliseconds. `lag` is shared by all listeners; null: no connection is refused for it. */
  constructor(limits: AcceptLimits, now: () => number, lag: LoopLag | null = null) {
    this.#refusals = Object.fromEntries(REFUSAL_REASONS.map((reason) => [reason, 0])) as Record<
      RefusalReason,
      number
    >;
    this.refusals = this.#refusals;
    this.#limits = limits;
    this.#rate = new Rate(limits.connectRate, limits.connectBurst);
    this.#ratePerAddress = new Rate(limits.connectRatePerAddress, limits.connectBurstPerAddress);
    this.#now = now;
    this.#lag = lag;
  }

  /** Connections that were admitted and not released. */
  get open(): number {
    return this.#open;
  }

  /** Addresses in the table. */
  get addresses(): number {
    return this.#entries.size;
  }

  /**
   * Counts a connection as open and returns null, or says why it is refused and counts that. `address` is in the one spelling
   * of `normalizeAddress`; what is no address (empty: a unix socket) has no limits per address.
   */
  admit(address: string): RefusalReason | null {
    const { connectionsMax } = this.#limits;
    if (this.#lag?.isOverloaded) return this.refuse('overload');
    if (connectionsMax > 0 && this.#open >= connectionsMax) return this.refuse('connections');
    const nowMs = this.#now();
    const key = limitKey(address);
    const entry = this.#find(key);
    const reason = entry === null ? null : this.#objection(entry, nowMs);
    if (reason !== null) return this.refuse(reason);
    if (!this.#rate.hasToken(this.#fullAtMs, nowMs)) return this.refuse('rate');
    this.#open++;
    this.#fullAtMs = this.#rate.take(this.#fullAtMs, nowMs);
    if (key !== '') this.#count(entry, key, nowMs);
    return null;
  }

  /**
   * A connection that was admitted without an address, because a balancer says later which it has: counts it for the address
   * and returns null, or says why it is refused for it. It is released with the address if this returned null, else without.
   */
  admitAddress(address: string): RefusalReason | null {
    const key = limitKey(address);
    if (key === '') return null;
    const nowMs = this.#now();
    const entry = this.#find(key);
    const reason = entry === null ? null : this.#objection(entry, nowMs);
    if (reason !== null) return this.refuse(reason);
    this.#count(entry, key, nowMs);
    return null;
  }

  /** A connection that was admitted is gone. */
  release(address: string): void {
    assert(this.#open > 0, 'a connection is released that was not admitted');
    this.#open--;
    const key = limitKey(address);
    if (key === '') return;
    const entry = this.#entries.get(key) ?? null;
    if (entry === null || entry.open === 0) {
      // It was admitted when there was no place for its address.
      assert(this.#others.open > 0, 'a connection is released whose address was not admitted');
      this.#others.open--;
      return;
    }
    entry.open--;
    if (entry.open > 0) return;
    const isSurplus = this.#entries.size > this.#limits.addressesMax;
    if (isSurplus || entry.fullAtMs <= this.#now()) this.#entries.delete(key);
    else this.#addIdle(entry);
  }

  /** Counts a connection that is refused for what the caller knows, before it is admitted. */
  refuse(reason: RefusalReason): RefusalReason {
    this.#refusals[reason]++;
    return reason;
  }

  /** For a reload: what is open stays counted, also beyond the new limits, and tokens that were taken stay taken. */
  setLimits(limits: AcceptLimits): void {
    const rate = new Rate(limits.connectRate, limits.connectBurst);
    const perAddress = new Rate(limits.connectRatePerAddress, limits.connectBurstPerAddress);
    const nowMs = this.#now();
    this.#fullAtMs = this.#rate.convert(this.#fullAtMs, nowMs, rate);
    for (const entry of [this.#others, ...this.#entries.values()]) {
      entry.fullAtMs = this.#ratePerAddress.convert(entry.fullAtMs, nowMs, perAddress);
    }
    this.#limits = limits;
    this.#rate = rate;
    this.#ratePerAddress = perAddress;
    while (this.#entries.size > limits.addressesMax && this.#oldestIdle !== null) {
      this.#forget(this.#oldestIdle);
    }
  }

  /** The entry that counts for an address; null for a new one that has a place, and for no address. */
  #find(key: string): AddressEntry | null {
    const entry = this.#entries.get(key);
    if (entry !== undefined) return entry;
    const hasPlace = this.#entries.size < this.#limits.addressesMax || this.#oldestIdle !== null;
    return hasPlace || key === '' ? null : this.#others;
  }

  #objection(entry: AddressEntry, nowMs: number): RefusalReason | null {
    const { connectionsPerAddressMax } = this.#limits;
    if (connectionsPerAddressMax > 0 && entry.open >= connectionsPerAddressMax) {
      return 'connections-per-address';
    }
    return this.#ratePerAddress.hasToken(entry.fullAtMs, nowMs) ? null : 'rate-per-address';
  }

  #count(known: AddressEntry | null, key: string, nowMs: number): void {
    const entry = known ?? this.#add(key, nowMs);
    if (known !== null && known.open === 0 && known !== this.#others) this.#removeIdle(known);
    entry.open++;
    entry.fullAtMs = this.#ratePerAddress.take(entry.fullAtMs, nowMs);
  }

  /** Makes a new entry, and room for it. */
  #add(key: string, nowMs: number): AddressEntry {
    for (let i = 0; i < SWEEP && this.#oldestIdle !== null; i++) {
      const isFull = this.#entries.size >= this.#limits.addressesMax;
      if (isFull || this.#oldestIdle.fullAtMs <= nowMs) this.#forget(this.#oldestIdle);
    }
    const entry = new AddressEntry(key);
    this.#entries.set(key, entry);
    return entry;
  }

  #forget(entry: AddressEntry): void {
    this.#removeIdle(entry);
    this.#entries.delete(entry.key);
  }

  #addIdle(entry: AddressEntry): void {
    entry.before = this.#newestIdle;
    if (this.#newestIdle === null) this.#oldestIdle = entry;
    else this.#newestIdle.after = entry;
    this.#newestIdle = entry;
  }

  #removeIdle(entry: AddressEntry): void {
    const { before, after } = entry;
    if (before === null) this.#oldestIdle = after;
    else before.after = after;
    if (after === null) this.#newestIdle = before;
    else after.before = before;
    entry.before = null;
    entry.after = null;
  }
}
