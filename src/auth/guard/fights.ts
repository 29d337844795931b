// Two hosts with one client id: each takes the session over from the other, for ever, and both look as if the network were bad. It
// is seen by takeovers from alternating addresses: a client that roams comes from new ones, or once.
//
// Takeovers from one and the same address are counted, too: there may be two programs behind it, or one that opens new
// connections without ending the old. The two cannot be told apart from here, so nobody is refused for it.

import { limitKey } from '../../lib/address.ts';
import type { Peer } from '../../transport/stream.ts';
import type { GuardSettings } from './settings.ts';
import { shortKey } from './short-key.ts';
import { SlidingCount } from './sliding-count.ts';

/** Hosts of one fight that are remembered. */
const HOSTS_MAX = 4;

/** What a takeover is: nothing special, part of a fight between hosts, or of one within a host; or it is refused. */
export type TakeoverOutcome = 'quiet' | 'hosts' | 'host' | 'refused';

export interface Takeover {
  readonly outcome: TakeoverOutcome;
  /** The fight has begun with this one. */
  readonly isFirst: boolean;
}

/** The takeovers of one client id. */
class Fight {
  readonly between = new SlidingCount();
  readonly within = new SlidingCount();
  /** Where its clients were, the last one last. */
  hosts: string[] = [];
  outcome: TakeoverOutcome = 'quiet';
  refusesUntilMs = 0;
  lastMs = 0;

  /** The client is there now; whether it was before. */
  note(host: string): boolean {
    const wasKnown = this.hosts.includes(host);
    this.hosts = [...this.hosts.filter((other) => other !== host), host].slice(-HOSTS_MAX);
    return wasKnown;
  }
}

export class Fights {
  #settings: GuardSettings;
  /** By client id, the oldest first. Only clients that were let in get here. */
  readonly #fights = new Map<string, Fight>();

  constructor(settings: GuardSettings) {
    this.#settings = settings;
  }

  set settings(settings: GuardSettings) {
    this.#settings = settings;
    if (this.#fights.size > settings.tablesMax) this.#shrink();
  }

  get size(): number {
    return this.#fights.size;
  }

  /** `newcomer` is about to take the session over from `incumbent`. */
  onTakeover(clientId: string, newcomer: Peer, incumbent: Peer, nowMs: number): Takeover {
    const { fightBackOffMs, fightTakeoversMax, fightWindowMs } = this.#settings;
    if (fightTakeoversMax === 0) return { outcome: 'quiet', isFirst: false };
    const fight = this.#touch(clientId, nowMs);
    const former = limitKey(incumbent.address);
    const host = limitKey(newcomer.address);
    const isBetween = host !== former;
    if (isBetween && fight.refusesUntilMs > nowMs) return { outcome: 'refused', isFirst: false };
    fight.note(former);
    const wasHere = fight.note(host);
    const count = isBetween ? fight.between : fight.within;
    const isMany = count.add(fightWindowMs, nowMs) >= fightTakeoversMax;
    const before = fight.outcome;
    fight.outcome = isMany && wasHere ? (isBetween ? 'hosts' : 'host') : 'quiet';
    const isFirst = fight.outcome !== 'quiet' && fight.outcome !== before;
    if (fight.outcome !== 'hosts' || fightBackOffMs === 0) {
      return { outcome: fight.outcome, isFirst };
    }
    // Whoever is connected stays. When this is over they may show again whether they still fight.
    fight.refusesUntilMs = nowMs + fightBackOffMs;
    fight.between.clear();
    fight.outcome = 'quiet';
    return { outcome: 'refused', isFirst };
  }

  sweep(nowMs: number): void {
    const { fightBackOffMs, fightWindowMs } = this.#settings;
    const beforeMs = nowMs - Math.max(fightBackOffMs, fightWindowMs);
    for (const [key, { lastMs }] of this.#fights) {
      if (lastMs < beforeMs) this.#fights.delete(key);
    }
  }

  #touch(clientId: string, nowMs: number): Fight {
    const { fightBackOffMs, fightWindowMs, tablesMax } = this.#settings;
    const key = shortKey(clientId);
    const known = this.#fights.get(key);
    if (known !== undefined && nowMs - known.lastMs < Math.max(fightBackOffMs, fightWindowMs)) {
      known.lastMs = nowMs;
      return known;
    }
    const fight = new Fight();
    fight.lastMs = nowMs;
    this.#fights.delete(key);
    this.#fights.set(key, fight);
    if (this.#fights.size > tablesMax) this.#shrink();
    return fight;
  }

  /** A few more go than must: looking for the oldest one costs more than removing it. */
  #shrink(): void {
    const { tablesMax } = this.#settings;
    const size = tablesMax - Math.floor(tablesMax / 16);
    for (const key of this.#fights.keys()) {
      if (this.#fights.size <= size) return;
      this.#fights.delete(key);
    }
  }
}
