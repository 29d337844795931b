// What asking the quotas of a client costs, per message: the comparison where there are none, and the rules that fit it.
// `npm run bench:micro -- quotas`; `-- session` has the same within the whole way of a message.

import { SILENT } from '../../src/core/logger.ts';
import type { QuotaRule } from '../../src/core/quota-rules.ts';
import type { QuotaShare } from '../../src/core/quota-share.ts';
import { Quotas } from '../../src/core/quotas.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { TimerWheel } from '../../src/lib/timer-wheel.ts';
import { round, timed } from './timing.ts';

const CALLS = 1_000_000;
const ROUNDS = 15;
const CLIENT = { clientId: 'c', username: 'u', groups: [], listener: 'mqtt://127.0.0.1:1883' };

/** What is never used up. */
const MESSAGES = { clientId: '*', messagesPerSecond: 1e9, messagesBurst: 1e12 };
const BOTH = { ...MESSAGES, bytesPerSecond: 1e12, bytesBurst: 1e15 };

const CASES: Readonly<Record<string, readonly QuotaRule[]>> = {
  'no rule': [],
  'one rule, messages': [MESSAGES],
  'one rule, messages and bytes': [BOTH],
  'one rule that refuses': [{ ...BOTH, over: 'refuse' }],
  'three rules': [BOTH, { ...BOTH, per: 'user' }, { ...BOTH, per: 'rule', over: 'disconnect' }],
  'subscriptions and retained only': [
    { clientId: '*', subscriptionsMax: 5, retainedMessagesMax: 5 },
  ],
};

/** As `Connection.quota`: null for whom no rule has rates. */
function rated(rules: readonly QuotaRule[]): QuotaShare | null {
  const quotas = new Quotas(new TimerWheel(new FakeClock()), SILENT, rules);
  const share = quotas.join(CLIENT, 0, true);
  return share?.isRated === true ? share : null;
}

let passed = 0;
console.log('\nquotas, ns per message');
for (const [name, rules] of Object.entries(CASES)) {
  const connection = { quota: rated(rules) };
  let nowMs = 2_000;
  const ns = timed(CALLS, ROUNDS, () => {
    for (let i = 0; i < CALLS; i++) {
      if ((i & 31) === 0) nowMs += 0.01; // batches come at one time
      if (connection.quota === null || connection.quota.take(100, nowMs) === 0) passed++;
    }
  });
  console.log(`  ${round(ns)}  ${name}`);
}
if (passed !== Object.keys(CASES).length * CALLS * ROUNDS) throw new Error('some did not pass');
