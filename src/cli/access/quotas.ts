// From [[quotas]] to the rules of the server: what is not said is no limit.

import type { Config } from '../../config/config.ts';
import type { QuotaRule } from '../../core/quota-rules.ts';

export function quotaRules({ quotas }: Pick<Config, 'quotas'>): QuotaRule[] {
  return quotas.map(
    (quota) =>
      Object.fromEntries(Object.entries(quota).filter(([, value]) => value !== null)) as QuotaRule,
  );
}
