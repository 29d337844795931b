// What is counted of strangers, in a table that strangers cannot make grow: entries by owner (an address) and name (whom it tried
// to be). When the table is full the owner with the most entries pays with its oldest one, so that whoever tries a thousand
// names pushes out his own, and an address with few entries keeps them.

import { SlidingCount } from './sliding-count.ts';

/** How often something happened, and until when it has a consequence. */
export class Tally {
  readonly count = new SlidingCount();
  /** Monotonic milliseconds; 0 = it has none. */
  blockedUntilMs = 0;
  /** When it was counted last. */
  lastMs = 0;
  /** When it came to the end of its Map. */
  movedMs = 0;

  isBlocked(nowMs: number): boolean {
    return this.blockedUntilMs > nowMs;
  }

  /** From now on it has a consequence, and what led to it is forgotten: after that it begins anew. */
  block(nowMs: number, durationMs: number): void {
    this.blockedUntilMs = nowMs + durationMs;
    this.count.clear();
  }
}

/** An address: what it did in all, and by name, the oldest first. */
export class Owner extends Tally {
  readonly key: string;
  readonly entries = new Map<string, Tally>();

  constructor(key: string) {
    super();
    this.key = key;
  }
}

/**
 * Milliseconds after which an entry that is counted is the newest one again. Not each time: a key that leaves a Map and comes back
 * makes its look-ups longer, until the Map is built anew.
 */
const MOVE_MS = 1_000;

export class FairTable {
  #max: number;
  #size = 0;
  readonly #owners = new Map<string, Owner>();
  /** Those with so many entries, by that number; none without owners. */
  readonly #bySize = new Map<number, Set<Owner>>();
  /** Entries of the owner that has the most. */
  #largest = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Entries of all owners. */
  get size(): number {
    return this.#size;
  }

  get owners(): ReadonlyMap<string, Owner> {
    return this.#owners;
  }

  /** For a reload: what is too many goes at once. */
  set max(max: number) {
    this.#max = max;
    while (this.#size > max) this.#evict();
  }

  get(owner: string, name: string): Tally | null {
    return this.#owners.get(owner)?.entries.get(name) ?? null;
  }

  /** The owner, which is counted now; it needs an entry, too. */
  touchOwner(key: string, nowMs: number): Owner {
    const known = this.#owners.get(key);
    const owner = known ?? new Owner(key);
    owner.lastMs = nowMs;
    if (known === undefined) this.#owners.set(key, owner);
    return owner;
  }

  /** The entry of an owner that is in the table, which is counted now. */
  touch(owner: Owner, name: string, nowMs: number): Tally {
    const known = owner.entries.get(name);
    const entry = known ?? new Tally();
    entry.lastMs = nowMs;
    if (known !== undefined && nowMs - known.movedMs < MOVE_MS) return entry;
    entry.movedMs = nowMs;
    owner.entries.delete(name);
    owner.entries.set(name, entry);
    if (known !== undefined) return entry;
    this.#size++;
    this.#moved(owner, owner.entries.size - 1);
    // This one is never what goes: it is its owner's newest, and its owner the newest of those with one entry.
    if (this.#size > this.#max) this.#evict();
    return entry;
  }

  forget(ownerKey: string, name: string): boolean {
    const owner = this.#owners.get(ownerKey);
    return owner !== undefined && this.#remove(owner, name);
  }

  /** Forgets all of an owner. */
  forgetOwner(key: string): boolean {
    const owner = this.#owners.get(key);
    if (owner === undefined) return false;
    for (const name of [...owner.entries.keys()]) this.#remove(owner, name);
    return true;
  }

  /** Forgets what was counted last before that time. */
  sweep(beforeMs: number): void {
    for (const owner of this.#owners.values()) {
      for (const [name, entry] of owner.entries) {
        if (entry.lastMs >= beforeMs) break;
        this.#remove(owner, name);
      }
    }
  }

  #evict(): void {
    for (const owner of this.#bySize.get(this.#largest) ?? []) {
      for (const name of owner.entries.keys()) {
        this.#remove(owner, name);
        return;
      }
    }
  }

  #remove(owner: Owner, name: string): boolean {
    if (!owner.entries.delete(name)) return false;
    this.#size--;
    this.#moved(owner, owner.entries.size + 1);
    if (owner.entries.size === 0) this.#owners.delete(owner.key);
    return true;
  }

  /** It had `before` entries, one more or less than now. */
  #moved(owner: Owner, before: number): void {
    const { size } = owner.entries;
    const former = this.#bySize.get(before);
    former?.delete(owner);
    if (former?.size === 0) this.#bySize.delete(before);
    if (size > 0) {
      const peers = this.#bySize.get(size);
      if (peers === undefined) this.#bySize.set(size, new Set([owner]));
      else peers.add(owner);
    }
    this.#largest = Math.max(this.#largest, size);
    while (this.#largest > 0 && !this.#bySize.has(this.#largest)) this.#largest--;
  }
}
