// Other quotas while the server runs: clients that are connected get them first, then the sessions that are away, in slices. What
// each has already counts under the new rules, too.

import type { QuotaRule } from '../core/quota-rules.ts';
import type { Context } from '../session/context.ts';
import type { Session } from '../session/session.ts';
import type { Registry } from './registry.ts';

/** Sessions that change in one turn. */
const SLICE = 2_000;

/** As `Server.setQuotas`. */
export async function setQuotas(
  { quotas, retained }: Context,
  registry: Registry,
  rules: readonly QuotaRule[],
): Promise<void> {
  if (!quotas.setRules(rules)) return;
  const current = quotas.rules;
  retained.countIn(quotas.owners);
  const sessions = [...registry];
  const isConnected = ({ connection }: Session) => connection !== null;
  const inOrder = sessions.filter(isConnected).concat(sessions.filter((one) => !isConnected(one)));
  let budget = SLICE;
  for (const session of inOrder) {
    if (session.hasEnded) continue;
    session.applyRules();
    if (--budget > 0) continue;
    budget = SLICE;
    await new Promise((resolve) => setImmediate(resolve));
    if (quotas.rules !== current) return; // who came later sees to it
  }
}
