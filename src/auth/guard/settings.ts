// What the guard goes by; the names are the keys of `[penalties]` in the configuration (there in snake_case, times as `1m`).

import { AddressRanges } from '../../lib/address.ts';

export interface GuardSettings {
  /** Failed logins of one user name from one address within the window that bring a penalty; 0 = none. */
  readonly failuresMax: number;
  readonly windowMs: number;
  /** How long a penalty lasts. */
  readonly penaltyMs: number;
  /** Failed logins from one address, whoever they are about; 0 = no penalty of addresses. */
  readonly addressFailuresMax: number;
  /** Addresses that get neither penalties nor bans for flapping. */
  readonly trusted: AddressRanges;
  /** Entries of each table. */
  readonly tablesMax: number;
  /** Connects of one client id from one address within the window that bring a ban; 0 = none. */
  readonly flappingConnectsMax: number;
  readonly flappingWindowMs: number;
  readonly flappingBanMs: number;
  /** Takeovers of one client id within the window that count as a fight; 0 = they are not looked at. */
  readonly fightTakeoversMax: number;
  readonly fightWindowMs: number;
  /** How long newcomers of a fight are refused; 0 = they are not. */
  readonly fightBackOffMs: number;
}

export const DEFAULT_GUARD_SETTINGS: GuardSettings = {
  failuresMax: 10,
  windowMs: 60_000,
  penaltyMs: 60_000,
  addressFailuresMax: 1_000,
  trusted: new AddressRanges([]),
  tablesMax: 65_536,
  flappingConnectsMax: 0,
  flappingWindowMs: 60_000,
  flappingBanMs: 300_000,
  fightTakeoversMax: 5,
  fightWindowMs: 60_000,
  fightBackOffMs: 0,
};
