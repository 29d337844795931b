// Who shows wrong tokens again and again: such an address is told to wait, and what it shows is still looked at, so that whoever
// guesses from the address of others locks nobody out.

import { limitKey } from '../../lib/address.ts';
import { type Clock, SYSTEM_CLOCK } from '../../lib/clock.ts';
import { Penalties } from '../guard/penalties.ts';
import { DEFAULT_GUARD_SETTINGS, type GuardSettings } from '../guard/settings.ts';

/** Addresses that are remembered. */
const ADDRESSES_MAX = 10_000;

export class TokenPenalties {
  readonly #clock: Clock;
  readonly #penalties: Penalties;
  readonly #settings: GuardSettings;

  constructor(clock: Clock = SYSTEM_CLOCK, settings: Partial<GuardSettings> = {}) {
    this.#clock = clock;
    this.#settings = { ...DEFAULT_GUARD_SETTINGS, tablesMax: ADDRESSES_MAX, ...settings };
    this.#penalties = new Penalties(this.#settings);
  }

  /** How long a penalty lasts. */
  get penaltyMs(): number {
    return this.#settings.penaltyMs;
  }

  /** True: with this one the address begins to wait. */
  onWrong(address: string): boolean {
    return this.#penalties.onFailure(attemptOf(address), this.#clock.now()) !== null;
  }

  has(address: string): boolean {
    return this.#penalties.find(attemptOf(address), this.#clock.now()) !== null;
  }
}

function attemptOf(address: string) {
  return { address: limitKey(address), username: '', clientId: '' };
}
