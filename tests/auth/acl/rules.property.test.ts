// Own rules, random ones, against the sentences that define them, taken one by one over a list that is searched from the
// front: the first rule that fits decides; a SUBSCRIBE is judged by the sets of topic names that its filter and the rules match.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AccessRule } from '../../../src/auth/acl/access-rule.ts';
import type { KnownClient } from '../../../src/auth/acl/filter-template.ts';
import { RulesAuthorizer } from '../../../src/auth/acl/rules.ts';
import { type Grant, UNDECIDED } from '../../../src/auth/auth.ts';
import { matchesFilter } from '../../../src/protocol/filter.ts';
import type { QoS } from '../../../src/protocol/packet.ts';
import { runs } from '../../kit/runs.ts';
import { client } from './clients.ts';
import { allTopics } from './topics.ts';

/** `z` is a level that no filter here names. */
const TOPICS = allTopics(['', 'a', 'u1', 'c1', 'u1-7', 'x-t1', '$s', 'z'], 3);

const CLIENTS: readonly KnownClient[] = [
  client('u1', 'c1', { groups: ['g1'], claims: { t: 't1' } }),
  client('u1', 'u1-7', { groups: ['g1', 'g2'] }),
  client('a', 'c1', { claims: { t: 'a/b' } }),
  client(null, 'c1', { groups: [] }),
  client('$s', 'a'), // what a value cannot do: reach topics that begin with $
  client('+', '#', { claims: { t: '' } }),
  client('', 'c\0'),
];

const level = fc.constantFrom('', 'a', 'u1', '+', '+', '%u', '%c', `x-\${claim.t}`, '$s');
const topicFilter = fc
  .tuple(fc.array(level, { maxLength: 2 }), fc.boolean())
  .map(([levels, isMulti]) => [...levels, ...(isMulti ? ['#'] : [])].join('/'))
  .filter((text) => text !== '');
const plainFilter = topicFilter.filter((text) => !/[%{]/.test(text));

const someOf = <T>(...values: readonly T[]) =>
  fc.option(fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 }), {
    freq: 1,
    nil: null,
  });
const rule: fc.Arbitrary<AccessRule> = fc.record({
  effect: fc.constantFrom('allow', 'deny'),
  actions: fc.uniqueArray(fc.constantFrom('publish', 'subscribe', 'receive'), { minLength: 1 }),
  topics: fc.uniqueArray(topicFilter, { minLength: 1, maxLength: 2 }),
  users: someOf('u1', 'u*', '*', '', 'a'),
  groups: someOf('g1', 'g*', 'g2'),
  clientIds: someOf('c1', '%u-*', 'c*', '*'),
  qosMax: fc.constantFrom<QoS>(0, 1, 2, 2),
  retain: fc.constantFrom('any', 'any', 'only', 'never'),
});

const UNSAFE = /[/+#\0]/;

/** The text with the client's values in it, or null. */
function filled(text: string, { clientId, username, claims }: KnownClient): string | null {
  let isFilled = true;
  const result = text.replace(/%c|%u|\$\{claim\.t\}/g, (found) => {
    const value = found === '%c' ? clientId : found === '%u' ? username : claims?.t;
    if (typeof value === 'string' && value !== '' && !UNSAFE.test(value)) return value;
    isFilled = false;
    return '';
  });
  if (!isFilled || (result.startsWith('$') && !text.startsWith('$s'))) return null;
  return result;
}

function isNamed(names: readonly string[] | null | undefined, name: string, who: KnownClient) {
  if (!names) return true;
  return names.some((pattern) => {
    const text = filled(pattern, who);
    if (text === null) return false;
    const source = text.split('*').map((part) => part.replace(/[$^]/g, '\\$&'));
    return new RegExp(`^${source.join('.+')}$`).test(name) || text === name;
  });
}

function isAbout(one: AccessRule, who: KnownClient): boolean {
  if (one.users && who.username === '') return false;
  if (!isNamed(one.users, who.username ?? '', who)) return false;
  if (!isNamed(one.clientIds, who.clientId, who)) return false;
  return !one.groups || (who.groups ?? []).some((group) => isNamed(one.groups, group, who));
}

/** The rule's filters for this client. */
function filtersOf(one: AccessRule, who: KnownClient): string[] {
  return (one.topics ?? []).flatMap((topic) => filled(topic, who) ?? []);
}

function decideNaively(
  rules: readonly AccessRule[],
  who: KnownClient,
  action: 'publish' | 'receive',
  topic: string,
  qos: QoS,
  retain: boolean,
): 'allow' | 'deny' | null {
  for (const one of rules) {
    const isAsked =
      one.actions.includes(action) || (action === 'receive' && one.actions.includes('subscribe'));
    if (!isAsked || !isAbout(one, who)) continue;
    if (!filtersOf(one, who).some((filter) => matchesFilter(topic, filter))) continue;
    if (action === 'publish') {
      if (qos > (one.qosMax ?? 2)) continue;
      if (one.retain === 'only' && !retain) continue;
      if (one.retain === 'never' && retain) continue;
    }
    return one.effect;
  }
  return null;
}

const EXPECTED = { allow: 0x00, deny: 0x87, null: UNDECIDED } as const;
const who = fc.constantFrom(...CLIENTS);
const topics = fc.uniqueArray(fc.constantFrom(...TOPICS), { minLength: 10, maxLength: 40 });
const rules = fc.array(rule, { maxLength: 8 });

test('publish and receive: the first rule that fits decides', () => {
  fc.assert(
    fc.property(
      rules,
      who,
      fc.constantFrom<QoS>(0, 1, 2),
      fc.boolean(),
      fc.constantFrom('publish' as const, 'receive' as const),
      topics,
      (all, one, qos, retain, action, asked) => {
        const authorizer = new RulesAuthorizer({ name: 'rules', rules: all });
        for (const topic of asked) {
          const expected = decideNaively(all, one, action, topic, qos, retain);
          const verdict =
            action === 'publish'
              ? authorizer.authorizePublish(one, topic, qos, retain)
              : authorizer.authorizeReceive(one, topic);
          expect([topic, verdict]).toEqual([topic, EXPECTED[`${expected}`]]);
        }
      },
    ),
    { numRuns: runs(500) },
  );
});

interface Part {
  readonly index: number;
  readonly rule: AccessRule;
  /** What of the subscription it matches. */
  readonly names: ReadonlySet<string>;
}

/** The parts of a subscription that rules about deliveries have a say in, one for each filter of theirs. */
function partsOf(all: readonly AccessRule[], one: KnownClient, names: readonly string[]): Part[] {
  return all.flatMap((each, index) => {
    const isAsked = each.actions.includes('subscribe') || each.actions.includes('receive');
    if (!isAsked || !isAbout(each, one)) return [];
    return filtersOf(each, one)
      .map((filter) => new Set(names.filter((name) => matchesFilter(name, filter))))
      .filter((part) => part.size > 0)
      .map((part) => ({ index, rule: each, names: part }));
  });
}

const isInside = (inner: ReadonlySet<string>, outer: ReadonlySet<string>) =>
  [...inner].every((name) => outer.has(name));

test('subscribe: refused if every allow is empty or inside one earlier deny, whole if one allow covers and no earlier deny meets it', () => {
  fc.assert(
    fc.property(rules, who, plainFilter, (all, one, filter) => {
      const authorizer = new RulesAuthorizer({ name: 'rules', rules: all });
      const names = TOPICS.filter((name) => matchesFilter(name, filter));
      const parts = partsOf(all, one, names);
      const isHidden = (part: Part, by: readonly Part[]) =>
        by.some((other) => other.index < part.index && isInside(part.names, other.names));
      const denies = parts.filter((part) => part.rule.effect === 'deny');
      const allows = parts.filter((part) => part.rule.effect === 'allow');
      const subscribing = allows.filter((part) => part.rule.actions.includes('subscribe'));
      const applying = subscribing.filter((part) => !isHidden(part, denies));
      const verdict = authorizer.authorizeSubscribe(one, filter);
      if (applying.length === 0) {
        expect(verdict === 0x87 || verdict === UNDECIDED).toBe(true);
        if (verdict === 0x87) {
          // it decides only about what it would refuse anyway
          for (const name of names) expect(authorizer.authorizeReceive(one, name)).toBe(0x87);
        }
        return;
      }
      const deciding = applying.filter((part) => !isHidden(part, subscribing));
      const covering = allows.filter((part) => part.names.size === names.length);
      const isWhole = covering.some((part) => denies.every((deny) => deny.index > part.index));
      const qosMax = Math.max(...deciding.map((part) => part.rule.qosMax ?? 2));
      expect(verdict).toEqual({ qosMax, isWhole });
    }),
    { numRuns: runs(500) },
  );
});

test('a whole grant has nothing in it that a delivery would be refused', () => {
  fc.assert(
    fc.property(rules, who, plainFilter, (all, one, filter) => {
      const authorizer = new RulesAuthorizer({ name: 'rules', rules: all });
      const verdict = authorizer.authorizeSubscribe(one, filter);
      const mayDeny = authorizer.mayDeny(one, filter);
      const answers = TOPICS.filter((name) => matchesFilter(name, filter)).map((name) =>
        authorizer.authorizeReceive(one, name),
      );
      if (typeof verdict === 'object' && (verdict as Grant).isWhole) {
        expect(new Set(answers)).toEqual(new Set([0]));
      }
      if (!mayDeny) expect(answers).not.toContain(0x87);
    }),
    { numRuns: runs(500) },
  );
});
