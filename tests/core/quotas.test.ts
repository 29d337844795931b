// Rules, accounts and shares by themselves: whom a rule fits, what is counted together, what is kept how long.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/contracts/random.ts';
import type { QuotaClient } from '../../src/core/quota-account.ts';
import { type QuotaRule, quotaProblems } from '../../src/core/quota-rules.ts';
import type { QuotaShare } from '../../src/core/quota-share.ts';
import { Quotas } from '../../src/core/quotas.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { Timer, TimerWheel } from '../../src/lib/timer-wheel.ts';
import { LogBook } from '../kit/log-book.ts';

function make(...rules: QuotaRule[]) {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel(clock);
  return { clock, wheel, quotas: new Quotas(wheel, new LogBook(), rules) };
}

function client(fields: Partial<QuotaClient> = {}): QuotaClient {
  return { clientId: 'c', username: 'u', groups: ['g'], listener: 'mqtt://h:1883', ...fields };
}

/** How many messages of a byte pass now. */
function passing(share: QuotaShare | null, nowMs = 0, most = 100): number {
  let count = 0;
  while (count < most && share?.take(1, nowMs) === 0) count++;
  return count;
}

describe('whom a rule fits', () => {
  const isFor = (rule: QuotaRule, fields: Partial<QuotaClient>) =>
    make({ connectionsMax: 1, ...rule }).quotas.join(client(fields), 0, true) !== null;

  test('by client id, user name, a group, the listener; all that are given must fit', () => {
    expect(isFor({ clientId: 'c*' }, { clientId: 'c-1' })).toBe(true);
    expect(isFor({ clientId: 'c*' }, { clientId: 'd-1' })).toBe(false);
    expect(isFor({ username: 'u' }, {})).toBe(true);
    expect(isFor({ group: 'plant-*' }, { groups: ['x', 'plant-1'] })).toBe(true);
    expect(isFor({ group: 'plant-*' }, { groups: ['x'] })).toBe(false);
    expect(isFor({ group: '*' }, { groups: [] })).toBe(false);
    expect(isFor({ listener: 'mqtt://*:1883' }, {})).toBe(true);
    expect(isFor({ listener: 'mqtt://*:1884' }, {})).toBe(false);
    expect(isFor({ clientId: 'c', username: 'other' }, {})).toBe(false);
  });

  test('a user name that is none fits no pattern, not even *', () => {
    expect(isFor({ username: '*' }, { username: null })).toBe(false);
    expect(isFor({ username: '*' }, { username: '' })).toBe(true);
    expect(isFor({ clientId: '*', per: 'user' }, { username: null })).toBe(true);
  });

  test('while nobody knows the listener, no rule about listeners fits', () => {
    expect(isFor({ listener: '*' }, { listener: null })).toBe(false);
    expect(isFor({ clientId: '*', per: 'listener' }, { listener: null })).toBe(false);
    expect(isFor({ clientId: '*', per: 'rule' }, { listener: null })).toBe(true);
  });

  test('whom no rule fits has no share', () => {
    const { quotas } = make();
    expect(quotas.isEmpty).toBe(true);
    expect(quotas.join(client(), 0, true)).toBeNull();
  });
});

describe('who shares', () => {
  const rate = { clientId: '*', messagesPerSecond: 4 };
  /** What passes of a second client, after the first has used everything. */
  const left = (per: QuotaRule['per'], second: Partial<QuotaClient>) => {
    const { quotas } = make({ ...rate, per });
    passing(quotas.join(client(), 0, true));
    return passing(quotas.join(client({ clientId: 'd', ...second }), 0, true));
  };

  test('each client has its own, whatever else is the same', () => {
    expect(left(undefined, {})).toBe(4);
    expect(left('client', {})).toBe(4);
  });

  test('clients of a user, of a listener, of a rule have one together', () => {
    expect([left('user', {}), left('user', { username: 'other' })]).toEqual([0, 4]);
    expect([left('listener', {}), left('listener', { listener: 'other' })]).toEqual([0, 4]);
    expect(left('rule', { username: 'other', listener: 'other' })).toBe(0);
  });

  test('clients without a user name are one user, and the empty user name is another', () => {
    const { quotas } = make({ ...rate, per: 'user' });
    passing(quotas.join(client({ username: null }), 0, true));
    expect(passing(quotas.join(client({ clientId: 'd', username: null }), 0, true))).toBe(0);
    expect(passing(quotas.join(client({ clientId: 'd', username: '' }), 0, true))).toBe(4);
  });

  test('all rules that fit apply together, and the hardest that is over decides', () => {
    const { quotas } = make(
      { clientId: '*', messagesPerSecond: 2, over: 'refuse' },
      { clientId: '*', messagesPerSecond: 5, per: 'user', over: 'throttle' },
      { clientId: '*', messagesPerSecond: 100, messagesBurst: 3, per: 'rule', over: 'disconnect' },
    );
    const first = quotas.join(client(), 0, true);
    const second = quotas.join(client({ clientId: 'd' }), 0, true);
    expect([0, 0, 0].map(() => first?.take(1, 0))).toEqual([0, 0, -1]);
    expect([0, 0].map(() => second?.take(1, 0))).toEqual([0, -2]); // the fourth of all
    expect(second?.take(1, 1_000)).toBe(0);
  });

  test('who is over two rules is disconnected if one of them says so, in whatever order', () => {
    const [refuse, disconnect] = (['refuse', 'disconnect'] as const).map((over) => ({
      clientId: '*',
      messagesPerSecond: 1,
      over,
    }));
    for (const rules of [
      [refuse, disconnect],
      [disconnect, refuse],
    ]) {
      const share = make(...rules).quotas.join(client(), 0, true);
      expect([share?.take(1, 0), share?.take(1, 0)]).toEqual([0, -2]);
    }
  });

  test('what is refused takes nothing', () => {
    const { quotas } = make(
      { clientId: '*', messagesPerSecond: 1, over: 'refuse' },
      { clientId: '*', messagesPerSecond: 3, per: 'rule', over: 'refuse' },
    );
    const first = quotas.join(client(), 0, true);
    for (let i = 0; i < 100; i++) first?.take(1, 0);
    expect(passing(quotas.join(client({ clientId: 'd' }), 0, true))).toBe(1);
    expect(passing(quotas.join(client({ clientId: 'e' }), 0, true))).toBe(1);
  });
});

describe('what is wrong with rules', () => {
  test('everything is said, with the place', () => {
    const rules = [
      { clientId: '*', messagesPerSecond: 1 },
      { messagesPerSecond: 0, over: 'drop', per: 'group' },
      { clientId: '*' },
      { clientId: '*', bytesBurst: 10, connectionsMax: 1.5, subscriptionsMax: -1 },
      { clientId: '*', per: 'listener', retainedMessagesMax: 1, queueBytesMax: 1 },
      { clientId: 7, messagesPerSecond: Number.NaN, messagesBurst: 0.5 },
    ] as unknown as QuotaRule[];
    const { quotas } = make({ clientId: '*', connectionsMax: 1 });
    const before = quotas.rules;
    expect(() => quotas.setRules(rules)).toThrowError(RangeError);
    expect(quotas.rules).toBe(before);
    const lines = quotaProblems(rules).map(
      ({ index, key, message }) => `${index} ${key} ${message}`,
    );
    expect(lines).toEqual([
      "1 null it fits nobody: give clientId, username, group or listener; clientId '*' is all",
      '1 per group is not one of client, user, listener, rule',
      '1 over drop is not one of throttle, refuse, disconnect',
      '1 messagesPerSecond 0 is not a number above 0; leave it out for no limit',
      '2 null it limits nothing: give messagesPerSecond, connectionsMax or another limit',
      '3 bytesBurst it has no effect without bytesPerSecond: give that, too',
      '3 subscriptionsMax -1 is not a whole number from 0',
      '3 connectionsMax 1.5 is not a whole number from 0',
      '4 retainedMessagesMax retained messages are counted per client or user, not per listener: make it a rule of its own',
      '4 queueBytesMax queues are bounded per client, not per listener: make it a rule of its own',
      '5 clientId 7 is not a pattern',
      '5 messagesPerSecond NaN is not a number above 0; leave it out for no limit',
      '5 messagesBurst 0.5 is not a number from 1',
    ]);
    expect(() => quotas.setRules(rules)).toThrowError(/^quotas\[1\]: it fits nobody/);
  });

  test('retained messages per user and queues per client are fine', () => {
    expect(
      quotaProblems([
        { username: '*', per: 'user', retainedMessagesMax: 0, retainedBytesMax: 10 },
        { username: '*', per: 'client', queueMessagesMax: 1, queueBytesMax: 10 },
      ]),
    ).toEqual([]);
  });
});

describe('accounts', () => {
  test('whoever goes and comes again finds what it has used; full accounts are forgotten', () => {
    const { clock, quotas } = make({ clientId: '*', messagesPerSecond: 2 });
    const share = quotas.join(client(), 0, true);
    expect(passing(share, clock.now())).toBe(2);
    share?.leave();
    clock.advance(400);
    const again = quotas.join(client(), 0, true);
    expect(passing(again, clock.now())).toBe(0);
    again?.leave();
    expect(quotas.accountCount).toBe(1);
    clock.advance(2_100);
    expect(quotas.accountCount).toBe(0);
  });

  test('one that was not used goes with its last client', () => {
    const { quotas } = make({ clientId: '*', messagesPerSecond: 2, per: 'user' });
    const first = quotas.join(client(), 0, true);
    const second = quotas.join(client({ clientId: 'd' }), 0, true);
    first?.leave();
    first?.leave();
    expect(quotas.accountCount).toBe(1);
    second?.leave();
    expect(quotas.accountCount).toBe(0);
  });

  test('of those without clients the oldest go when there are too many, and no timer stays', () => {
    const { clock, quotas, wheel } = make({ clientId: '*', messagesPerSecond: 1 });
    for (let i = 0; i < 65_537; i++) {
      const share = quotas.join(client({ clientId: `${i}` }), 0, true);
      share?.take(1, clock.now());
      share?.leave();
    }
    expect(quotas.accountCount).toBe(65_536);
    expect(passing(quotas.join(client({ clientId: '0' }), 0, true))).toBe(1);
    expect(passing(quotas.join(client({ clientId: '1' }), 0, true))).toBe(0);
    clock.advance(2_100);
    expect(quotas.accountCount).toBe(2);
    expect(wheel.armed).toBe(0);
  });

  test('the same rules change nothing', () => {
    const { quotas } = make({ clientId: '*', messagesPerSecond: 1 });
    expect(quotas.setRules([{ clientId: '*', messagesPerSecond: 1 }])).toBe(false);
    expect(quotas.setRules([{ clientId: '*', messagesPerSecond: 2 }])).toBe(true);
  });

  test('other numbers for the same clients: what they have used they have used', () => {
    const { quotas } = make(
      { clientId: '*', messagesPerSecond: 1 },
      { clientId: '*', messagesPerSecond: 10 },
    );
    const share = quotas.join(client(), 0, true);
    share?.take(1, 0);
    quotas.setRules([
      { clientId: '*', messagesPerSecond: 50, over: 'refuse' },
      { clientId: '*', messagesPerSecond: 5, over: 'refuse' },
    ]);
    const again = quotas.join(client(), 0, true);
    share?.leave();
    expect(passing(again)).toBe(0);
    expect(passing(again, 40)).toBe(2);
    quotas.setRules([{ username: '*', messagesPerSecond: 50, over: 'refuse' }]);
    expect(passing(quotas.join(client(), 0, true))).toBe(50); // another rule
  });

  test('debts of those who wait are forgotten with the rules that made them', () => {
    const { quotas } = make({ clientId: '*', bytesPerSecond: 10 });
    quotas.join(client(), 0, true)?.take(100_000, 0);
    quotas.setRules([{ clientId: '*', bytesPerSecond: 1_000 }]);
    expect(quotas.join(client(), 0, true)?.take(100, 0)).toBe(100);
  });
});

describe('a client that always has something to send', () => {
  const rate = fc.record({
    perSecond: fc.double({ min: 0.5, max: 5_000, noNaN: true }),
    burst: fc.integer({ min: 1, max: 1_000 }),
    stepsMs: fc.array(fc.integer({ min: 50, max: 3_000 }), { minLength: 10, maxLength: 30 }),
  });

  test('throttled: exactly its rate over time, and never more than burst + rate · t', () => {
    fc.assert(
      fc.property(rate, ({ perSecond, burst, stepsMs }) => {
        const rule = { clientId: '*', messagesPerSecond: perSecond, messagesBurst: burst };
        const { clock, quotas, wheel } = make(rule);
        const share = quotas.join(client(), 0, true);
        const timer = new Timer({ onTimer: () => send(1) });
        let passed = 0;
        const send = (paid: number) => {
          passed += paid;
          for (;;) {
            const waitMs = share?.take(1, clock.now()) ?? -1;
            if (waitMs > 0) return wheel.arm(timer, waitMs);
            passed++;
          }
        };
        send(0);
        const most = Math.max(burst, perSecond / 10);
        for (const ms of stepsMs) {
          clock.advance(ms);
          const allowed = most + (perSecond * clock.now()) / 1_000;
          expect(passed).toBeLessThanOrEqual(allowed + 0.001);
          // A timer is a tenth of a second late at most, and that does not add up.
          expect(passed).toBeGreaterThanOrEqual(allowed - perSecond / 10 - 1);
        }
      }),
    );
  });

  test('refused: never more than burst + rate · t, and as much as it would have got by waiting', () => {
    fc.assert(
      fc.property(rate, ({ perSecond, burst, stepsMs }) => {
        const { clock, quotas } = make({
          clientId: '*',
          messagesPerSecond: perSecond,
          messagesBurst: burst,
          over: 'refuse',
        });
        const share = quotas.join(client(), 0, true);
        let passed = 0;
        for (const ms of [0, ...stepsMs]) {
          clock.advance(ms);
          const before = passed;
          passed += passing(share, clock.now(), 100_000);
          expect(passed).toBeLessThanOrEqual(burst + (perSecond * clock.now()) / 1_000 + 0.001);
          const due = Math.min(burst, (perSecond * ms) / 1_000) - 1;
          if (ms > 0) expect(passed - before).toBeGreaterThanOrEqual(Math.floor(due));
        }
      }),
    );
  });
});

/** A session in the model: what it is, and what it has. */
interface Entry {
  readonly who: QuotaClient;
  share: QuotaShare | null;
  subscriptions: number;
  isConnected: boolean;
}

const RULES: readonly QuotaRule[][] = [
  [
    { clientId: '*', connectionsMax: 4, subscriptionsMax: 9, per: 'rule' },
    { username: '*', connectionsMax: 2, subscriptionsMax: 5, per: 'user' },
    { listener: '*', subscriptionsMax: 6, connectionsMax: 3, per: 'listener' },
    { clientId: '*', subscriptionsMax: 3 },
  ],
  [{ username: 'u1', connectionsMax: 1, subscriptionsMax: 2, per: 'user' }],
  [],
];

/** Counted anew from all entries: those who are in one account with `who`, by each of the rules. */
function recount(rules: readonly QuotaRule[], entries: Iterable<Entry>, who: QuotaClient) {
  const all = [...entries];
  let mayConnect = true;
  let maySubscribe = true;
  for (const { username, per, connectionsMax = 1_000, subscriptionsMax = 1_000 } of rules) {
    const fits = (one: QuotaClient) =>
      username === undefined || (one.username !== null && ['*', one.username].includes(username));
    if (!fits(who)) continue;
    const own = all.filter(({ who: one }) => {
      if (!fits(one)) return false;
      if (per === 'user') return one.username === who.username;
      if (per === 'listener') return one.listener === who.listener;
      return per === 'rule' || one.clientId === who.clientId;
    });
    const others = own.filter(({ who: one, isConnected }) => isConnected && one !== who);
    if (others.length >= connectionsMax) mayConnect = false;
    const subscriptions = own.reduce((sum, entry) => sum + entry.subscriptions, 0);
    if (subscriptions >= subscriptionsMax) maySubscribe = false;
  }
  return { mayConnect, maySubscribe };
}

const KINDS = ['connect', 'leave', 'away', 'subscribe', 'unsubscribe', 'rules'] as const;

for (let seed = 1; seed <= 50; seed++) {
  test(`after 1,000 random comings, goings, subscriptions and changes of rules all counts are those of a recount (seed ${seed})`, () => {
    const random = new Random(seed);
    let rules = RULES[0];
    const { quotas } = make(...rules);
    const entries = new Map<number, Entry>();
    for (let n = 0; n < 1_000; n++) {
      const i = random.below(8);
      const entry = entries.get(i);
      const [username, listener] = [i === 7 ? null : `u${i % 3}`, `l${i % 2}`];
      const who = entry?.who ?? client({ clientId: `c${i}`, username, listener });
      const counted = recount(rules, entries.values(), who);
      switch (KINDS[random.below(KINDS.length)]) {
        case 'connect': {
          expect(quotas.fullFor({ ...who }, entry?.share ?? null) === null).toBe(
            counted.mayConnect,
          );
          if (!counted.mayConnect) break;
          const subscriptions = entry?.subscriptions ?? 0;
          const share = quotas.join(who, subscriptions, true);
          entry?.share?.leave();
          entries.set(i, { who, share, subscriptions, isConnected: true });
          break;
        }
        case 'leave':
          entry?.share?.leave();
          entries.delete(i);
          break;
        case 'away':
          if (entry === undefined) break;
          entry.share?.disconnect();
          entry.isConnected = false;
          break;
        case 'subscribe':
          if (entry === undefined) break;
          expect(entry.share?.hasSubscriptionRoom() ?? true).toBe(counted.maySubscribe);
          if (!counted.maySubscribe) break;
          entry.subscriptions++;
          entry.share?.countSubscriptions(1);
          break;
        case 'unsubscribe':
          if (entry === undefined || entry.subscriptions === 0) break;
          entry.subscriptions--;
          entry.share?.countSubscriptions(-1);
          break;
        case 'rules': {
          if (random.below(2) > 0) break;
          rules = RULES[random.below(RULES.length)];
          if (!quotas.setRules(rules)) break;
          for (const one of entries.values()) {
            const former = one.share;
            one.share = quotas.join(one.who, one.subscriptions, one.isConnected);
            former?.leave();
          }
        }
      }
    }
    for (const { share } of entries.values()) share?.leave();
    expect(quotas.accountCount).toBe(0);
  });
}
