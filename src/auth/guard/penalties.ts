// The penalty box: whoever fails to log in too often waits, before another password is looked at. Failures count per address and
// user name, and per address with a far higher threshold.
//
// A plant is one address with many clients, mostly under one user name, and one of them with an old password must not keep the
// others out. So an address with a login that succeeded lately gets no penalty as a whole; a user name that succeeded lately
// from there has the threshold of an address, and the ordinary one counts for each client id under it. The same where no user
// name is given (tokens, certificates, SCRAM): then the client id is all that is known of whom an attempt is about.

import { FairTable, type Tally } from './fair-table.ts';
import { Lately } from './lately.ts';
import type { GuardSettings } from './settings.ts';
import { pairKey, shortKey } from './short-key.ts';

/** Milliseconds that a login counts as one of lately. Clients of a plant stay connected for days. */
const LATELY_MS = 86_400_000;

/** Who waits: all of an address, a user name from there, or a client id from there. */
export type Penalty = 'address' | 'user' | 'client';

/** Who tries to come in. */
export interface Attempt {
  /** As `limitKey` has it: an IPv6 client is its /64. Empty: it has none. */
  readonly address: string;
  /** Empty: none is given. */
  readonly username: string;
  readonly clientId: string;
}

export class Penalties {
  #settings: GuardSettings;
  readonly #table: FairTable;
  /** Addresses, and pairs of address and user name, of logins that succeeded. */
  readonly #addresses: Lately;
  readonly #users: Lately;

  constructor(settings: GuardSettings) {
    this.#settings = settings;
    this.#table = new FairTable(settings.tablesMax);
    this.#addresses = new Lately(LATELY_MS, settings.tablesMax);
    this.#users = new Lately(LATELY_MS, settings.tablesMax);
  }

  set settings(settings: GuardSettings) {
    this.#settings = settings;
    this.#table.max = settings.tablesMax;
    this.#addresses.max = settings.tablesMax;
    this.#users.max = settings.tablesMax;
  }

  /** Entries that are kept, of all tables. */
  get size(): number {
    return this.#table.size + this.#addresses.size + this.#users.size;
  }

  /** Why an attempt has to wait, or null. */
  find(attempt: Attempt, nowMs: number): Penalty | null {
    const { address } = attempt;
    const owner = this.#table.owners.get(address);
    if (owner === undefined) return null;
    if (owner.isBlocked(nowMs) && !this.#addresses.has(address, nowMs)) return 'address';
    if (owner.entries.get(userName(attempt))?.isBlocked(nowMs) === true) return 'user';
    return owner.entries.get(clientName(attempt))?.isBlocked(nowMs) === true ? 'client' : null;
  }

  /** Counts a login that failed; returns the penalty that it brought, the widest. */
  onFailure(attempt: Attempt, nowMs: number): Penalty | null {
    const { failuresMax, addressFailuresMax } = this.#settings;
    const { address } = attempt;
    if (failuresMax === 0 && addressFailuresMax === 0) return null;
    const owner = this.#table.touchOwner(address, nowMs);
    const user = this.#table.touch(owner, userName(attempt), nowMs);
    let penalty: Penalty | null = null;
    if (this.#isShared(attempt, nowMs)) {
      const client = this.#table.touch(owner, clientName(attempt), nowMs);
      if (this.#count(client, failuresMax, nowMs)) penalty = 'client';
      if (this.#count(user, addressFailuresMax, nowMs)) penalty = 'user';
    } else if (this.#count(user, failuresMax, nowMs)) {
      penalty = 'user';
    }
    if (address === '' || this.#addresses.has(address, nowMs)) return penalty;
    return this.#count(owner, addressFailuresMax, nowMs) ? 'address' : penalty;
  }

  /** A login that succeeded. Failures of its user name go on counting: they may be those of another client. */
  onSuccess(attempt: Attempt, nowMs: number): void {
    const { address, username } = attempt;
    const wasShared = this.#isShared(attempt, nowMs);
    this.#addresses.mark(address, nowMs);
    if (username !== '') this.#users.mark(pairKey(address, username), nowMs);
    this.#table.forget(address, clientName(attempt));
    // It was on its way when the penalty came, which is that of another threshold than counts from now on.
    const user = this.#table.get(address, userName(attempt));
    if (user !== null && !wasShared) user.blockedUntilMs = 0;
  }

  /** Ends all penalties of an address, and begins to count anew; false if nothing was counted. */
  pardon(address: string): boolean {
    return this.#table.forgetOwner(address);
  }

  /** Forgets what does not count any more. */
  sweep(nowMs: number): void {
    const { penaltyMs, windowMs } = this.#settings;
    this.#table.sweep(nowMs - Math.max(penaltyMs, windowMs));
    this.#addresses.sweep(nowMs);
    this.#users.sweep(nowMs);
  }

  /** Whether more than one client is to be expected behind the user name. */
  #isShared({ address, username }: Attempt, nowMs: number): boolean {
    return username === '' || this.#users.has(pairKey(address, username), nowMs);
  }

  /** Counts one more failure; true if it was one too many. */
  #count(tally: Tally, max: number, nowMs: number): boolean {
    if (max === 0 || tally.count.add(this.#settings.windowMs, nowMs) < max) return false;
    tally.block(nowMs, this.#settings.penaltyMs);
    return true;
  }
}

function userName({ username }: Attempt): string {
  return `u${shortKey(username)}`;
}

function clientName({ username, clientId }: Attempt): string {
  return `c${pairKey(username, clientId)}`;
}
