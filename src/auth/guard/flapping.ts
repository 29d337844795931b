// Clients that connect again and again: each time costs a login, a session, a will. Only connections that were accepted count,
// and what follows is about the address and the client id that did it, so that nobody can have a stranger's client id banned.

import { FairTable } from './fair-table.ts';
import type { GuardSettings } from './settings.ts';
import { shortKey } from './short-key.ts';

export class Flapping {
  #settings: GuardSettings;
  readonly #table: FairTable;

  constructor(settings: GuardSettings) {
    this.#settings = settings;
    this.#table = new FairTable(settings.tablesMax);
  }

  set settings(settings: GuardSettings) {
    this.#settings = settings;
    this.#table.max = settings.tablesMax;
  }

  get size(): number {
    return this.#table.size;
  }

  isBanned(address: string, clientId: string, nowMs: number): boolean {
    if (this.#table.size === 0) return false;
    return this.#table.get(address, shortKey(clientId))?.isBlocked(nowMs) === true;
  }

  /** Counts a connection that was accepted; true if it is one too many, and the last for a while. */
  onConnect(address: string, clientId: string, nowMs: number): boolean {
    const { flappingBanMs, flappingConnectsMax, flappingWindowMs } = this.#settings;
    if (flappingConnectsMax === 0) return false;
    const owner = this.#table.touchOwner(address, nowMs);
    const entry = this.#table.touch(owner, shortKey(clientId), nowMs);
    if (entry.count.add(flappingWindowMs, nowMs) <= flappingConnectsMax) return false;
    entry.block(nowMs, flappingBanMs);
    return true;
  }

  /** Ends the ban of a client id, wherever it comes from; false if there was none. */
  lift(clientId: string): boolean {
    const name = shortKey(clientId);
    let isFound = false;
    for (const address of [...this.#table.owners.keys()]) {
      isFound = this.#table.forget(address, name) || isFound;
    }
    return isFound;
  }

  sweep(nowMs: number): void {
    const { flappingBanMs, flappingWindowMs } = this.#settings;
    this.#table.sweep(nowMs - Math.max(flappingBanMs, flappingWindowMs));
  }
}
