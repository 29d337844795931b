// All bans: kept in memory, where every connection asks for them, and in a table of the store. A change counts when it is durable.
// Those that have ended are out of the way at once, and swept out of the table later.

import { AddressRanges } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { Glob } from '../../lib/glob.ts';
import { AccessError } from '../access-error.ts';
import {
  type Ban,
  type BanKind,
  type BanRequest,
  banKey,
  bannedAmong,
  banOf,
  banPattern,
  decodeBan,
  encodeBan,
  hasExpired,
} from './ban.ts';

/** Bans in all, and those of names with a `*`, which are tried one after the other for each CONNECT. */
export const BANS_MAX = 10_000;
export const GLOB_BANS_MAX = 1_000;
/** Bans that have ended and are taken out of the table in one sweep. */
const SWEEP_MAX = 1_000;

/** Where bans are stored: the table `bans`. */
export interface BanTable {
  load(): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]>;
  /** Resolves when it is durable. */
  put(key: string, value: Uint8Array): Promise<void>;
  remove(key: string): Promise<void>;
}

/** Bans of one kind of name. */
class Names {
  readonly #exact = new Map<string, Ban>();
  readonly #globs: { readonly glob: Glob; readonly ban: Ban }[] = [];

  add(ban: Ban): void {
    const glob = new Glob(ban.pattern);
    if (glob.isExact) this.#exact.set(ban.pattern, ban);
    else this.#globs.push({ glob, ban });
  }

  find(name: string): Ban | null {
    const exact = this.#exact.get(name);
    return exact ?? this.#globs.find(({ glob }) => glob.matches(name))?.ban ?? null;
  }
}

/** The bans in force, as they are looked for. */
class Index {
  /** When the first of them ends; wall clock. */
  readonly endsAtMs: number;
  readonly addresses: AddressRanges;
  readonly usernames = new Names();
  readonly clientIds = new Names();

  constructor(bans: readonly Ban[]) {
    const ranges: string[] = [];
    let endsAtMs = Number.POSITIVE_INFINITY;
    for (const ban of bans) {
      endsAtMs = Math.min(endsAtMs, ban.expiresAtMs ?? Number.POSITIVE_INFINITY);
      if (ban.kind === 'address') ranges.push(ban.pattern);
      else if (ban.kind === 'username') this.usernames.add(ban);
      else this.clientIds.add(ban);
    }
    this.endsAtMs = endsAtMs;
    this.addresses = new AddressRanges(ranges);
  }
}

export class Bans {
  /** null: bans end with the process. */
  #table: BanTable | null = null;
  readonly #clock: Clock;
  readonly #bans = new Map<string, Ban>();
  /** null: to be made anew. */
  #index: Index | null = null;
  /** Changes of the table, one after the other. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Those that have ended and are not swept yet included. */
  get size(): number {
    return this.#bans.size;
  }

  /** Reads the table, and keeps bans there from now on; null: they end with the process. Throws AccessError with all that cannot be read: a ban that is overlooked lets somebody in. */
  async load(table: BanTable | null): Promise<void> {
    this.#table = table;
    const entries = (await table?.load()) ?? [];
    const problems: string[] = [];
    for (const { key, value } of entries) {
      const ban = decodeBan(value);
      if (typeof ban === 'string') problems.push(`the stored ban "${key}" cannot be read: ${ban}`);
      else this.#bans.set(banKey(ban.kind, ban.pattern), ban);
    }
    this.#index = null;
    if (problems.length === 0) return;
    throw new AccessError(problems.map((message) => ({ file: null, line: null, message })));
  }

  /**
   * Makes a ban, or makes the one with the same pattern anew, and returns it. Throws Error with what is wrong, and when it
   * cannot be stored; then nothing has changed. Who is connected stays: see `bannedAmong`.
   */
  add(request: BanRequest): Promise<Ban> {
    return this.#change(async () => {
      const ban = banOf(request, this.#clock.wallNow());
      const key = banKey(ban.kind, ban.pattern);
      if (!this.#bans.has(key)) this.#checkRoom(ban);
      await this.#table?.put(key, encodeBan(ban));
      this.#bans.set(key, ban);
      this.#index = null;
      return ban;
    });
  }

  /** Lifts a ban; false if there is none with this pattern. Throws Error as `add` does. */
  remove(kind: BanKind, pattern: string): Promise<boolean> {
    return this.#change(async () => {
      const key = banKey(kind, banPattern(kind, pattern));
      const ban = this.#bans.get(key);
      if (ban === undefined) return false;
      await this.#forget(ban);
      return !hasExpired(ban, this.#clock.wallNow());
    });
  }

  /** Those in force, the oldest first. */
  list(): Ban[] {
    const nowMs = this.#clock.wallNow();
    return [...this.#bans.values()]
      .filter((ban) => !hasExpired(ban, nowMs))
      .sort((a, b) => a.createdAtMs - b.createdAtMs);
  }

  isAddressBanned(address: string): boolean {
    return this.#bans.size > 0 && this.#current.addresses.has(address);
  }

  findAddress(address: string): Ban | null {
    if (!this.isAddressBanned(address)) return null;
    const client = { clientId: '', username: null, remoteAddress: address };
    return (
      this.list().find((ban) => ban.kind === 'address' && bannedAmong(ban, [client]).length > 0) ??
      null
    );
  }

  findUsername(username: string): Ban | null {
    return this.#bans.size === 0 ? null : this.#current.usernames.find(username);
  }

  findClientId(clientId: string): Ban | null {
    return this.#bans.size === 0 ? null : this.#current.clientIds.find(clientId);
  }

  /** Takes bans that have ended out of the table, so many at a time. Rejects when the store does not take that. */
  sweep(): Promise<void> {
    const nowMs = this.#clock.wallNow();
    if (![...this.#bans.values()].some((ban) => hasExpired(ban, nowMs))) return Promise.resolve();
    return this.#change(async () => {
      const ended = [...this.#bans.values()].filter((ban) => hasExpired(ban, nowMs));
      for (const ban of ended.slice(0, SWEEP_MAX)) await this.#forget(ban);
    });
  }

  get #current(): Index {
    if (this.#index === null || this.#clock.wallNow() >= this.#index.endsAtMs) {
      this.#index = new Index(this.list());
    }
    return this.#index;
  }

  #checkRoom({ kind, pattern }: Ban): void {
    if (this.#bans.size >= BANS_MAX) {
      throw new Error(`there are ${BANS_MAX} bans, which is the most: lift some, or ban a range`);
    }
    if (kind === 'address' || !pattern.includes('*')) return;
    const globs = this.list().filter((ban) => ban.kind !== 'address' && ban.pattern.includes('*'));
    if (globs.length >= GLOB_BANS_MAX) {
      throw new Error(`there are ${GLOB_BANS_MAX} bans with a *, which is the most: lift some`);
    }
  }

  async #forget(ban: Ban): Promise<void> {
    const key = banKey(ban.kind, ban.pattern);
    await this.#table?.remove(key);
    this.#bans.delete(key);
    this.#index = null;
  }

  #change<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changing.then(change);
    this.#changing = changed.catch(() => {}); // whoever asked is told
    return changed;
  }
}
