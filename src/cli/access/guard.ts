// From [penalties] to what the guard goes by.

import { DEFAULT_GUARD_SETTINGS, type GuardSettings } from '../../auth/guard/settings.ts';
import type { PenaltiesConfig } from '../../config/access-config.ts';
import { AddressRanges } from '../../lib/address.ts';

export function guardSettings({ trusted, ...penalties }: PenaltiesConfig): GuardSettings {
  return { ...DEFAULT_GUARD_SETTINGS, ...penalties, trusted: new AddressRanges(trusted) };
}
