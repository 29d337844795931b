// Own rules: what each field means, alone. How they work together is in rules.property.test.ts.

import { describe, expect, test } from 'vitest';
import { type AccessRule, ruleProblems, ruleWarnings } from '../../../src/auth/acl/access-rule.ts';
import type { KnownClient } from '../../../src/auth/acl/filter-template.ts';
import { RulesAuthorizer } from '../../../src/auth/acl/rules.ts';
import { type Client, UNDECIDED } from '../../../src/auth/auth.ts';
import type { QoS } from '../../../src/protocol/packet.ts';
import type { ClientCertificate } from '../../../src/transport/stream.ts';
import { client, connectRequest, problems } from './clients.ts';

const ALLOWED = 0x00;
const DENIED = 0x87;

function allow(rest: Partial<AccessRule>): AccessRule {
  return { effect: 'allow', actions: ['publish'], topics: ['#'], ...rest };
}

function deny(rest: Partial<AccessRule>): AccessRule {
  return { ...allow(rest), effect: 'deny' };
}

function authorizer(...rules: readonly AccessRule[]): RulesAuthorizer {
  return new RulesAuthorizer({ name: 'rules', rules });
}

function publish(rule: AccessRule, who: KnownClient, topic = 'a', qos: QoS = 0, retain = false) {
  return authorizer(rule).authorizePublish(who, topic, qos, retain);
}

const bob = client('bob');
const CERT = `\${cert}`;
const CLAIM = (name: string) => `\${claim.${name}}`;

describe('users, groups and client_ids', () => {
  test.each<[Partial<AccessRule>, KnownClient, number]>([
    [{ users: ['bob'] }, bob, ALLOWED],
    [{ users: ['bo'] }, bob, UNDECIDED],
    [{ users: ['x', 'b*'] }, bob, ALLOWED],
    [{ users: ['*o*'] }, bob, ALLOWED],
    [{ users: ['b*b*b'] }, bob, UNDECIDED],
    [{ users: ['*'] }, bob, ALLOWED],
    [{ users: ['*'] }, client(null), UNDECIDED], // anonymous clients are named, never meant
    [{ users: [''] }, client(null), ALLOWED],
    [{ users: ['', 'b*'] }, client(null), ALLOWED],
    [{ users: [''] }, bob, UNDECIDED],
    [{ users: [''] }, client(''), UNDECIDED],
    [{ users: ['*'] }, client(''), UNDECIDED],
    [{ groups: ['g'] }, client('x', 'c', { groups: ['f', 'g'] }), ALLOWED],
    [{ groups: ['g*'] }, client('x', 'c', { groups: ['f', 'g1'] }), ALLOWED],
    [{ groups: ['g'] }, client('x', 'c', { groups: [] }), UNDECIDED],
    [{ groups: ['g'] }, client('x'), UNDECIDED],
    [{ clientIds: ['c1'] }, bob, ALLOWED],
    [{ clientIds: ['%u'] }, bob, UNDECIDED],
    [{ clientIds: ['%u'] }, client('bob', 'bob'), ALLOWED],
    [{ clientIds: ['%u-*'] }, client('bob', 'bob-7'), ALLOWED],
    [{ clientIds: ['%u-*'] }, client('bob', 'bo-7'), UNDECIDED],
    [{ clientIds: ['%u*'] }, client(null, 'x'), UNDECIDED],
    [{ clientIds: ['%u*'] }, client('*', 'x'), UNDECIDED], // a star in a name is a star
    [{ clientIds: [CLAIM('id')] }, client('x', 'c', { claims: { id: 'c' } }), ALLOWED],
    [{ clientIds: [CERT] }, client('x', 'c', { certificateName: 'c' }), ALLOWED],
    [{ clientIds: [CERT] }, client('x', 'c'), UNDECIDED],
    [{ users: ['bob'], clientIds: ['c2'] }, bob, UNDECIDED], // all of them
    [{ users: ['bob'], groups: ['g'] }, bob, UNDECIDED],
  ])('%o for %o: %d', (rest, who, expected) => {
    expect(publish(allow(rest), who)).toBe(expected);
  });
});

describe('topics', () => {
  const claims = { t: 'x', deep: { er: 'y' }, n: 42, list: ['x'], yes: true, half: 1.5 };
  const who = client('bob', 'c1', { claims, certificateName: 'cn' });

  test.each([
    ['a/%u/+', 'a/bob/1', ALLOWED],
    ['dev-%c/#', 'dev-c1', ALLOWED],
    ['%c/%u', 'c1/bob', ALLOWED],
    [`${CLAIM('t')}/#`, 'x/1', ALLOWED],
    [CLAIM('deep.er'), 'y', ALLOWED],
    [CLAIM('n'), '42', ALLOWED],
    [`v${CLAIM('n')}-${CLAIM('t')}`, 'v42-x', ALLOWED],
    [`${CERT}/a`, 'cn/a', ALLOWED],
    [CLAIM('none'), 'undefined', UNDECIDED],
    [CLAIM('deep'), '[object Object]', UNDECIDED],
    [CLAIM('list'), 'x', UNDECIDED],
    [CLAIM('yes'), 'true', UNDECIDED],
    [CLAIM('half'), '1.5', UNDECIDED],
    [CLAIM('t.length'), '1', UNDECIDED],
    [CLAIM('constructor'), 'x', UNDECIDED],
    [CLAIM('toString.name'), 'toString', UNDECIDED],
  ])('%s is %s: %d', (filter, topic, expected) => {
    expect(publish(allow({ topics: [filter] }), who, topic)).toBe(expected);
  });

  test.each(['', 'a/b', '+', '#', 'a\0'])('a value %j makes the rule not fit', (value) => {
    const named = client(value, value, { claims: { t: value }, certificateName: value });
    for (const placeholder of ['%u', '%c', CLAIM('t'), CERT]) {
      const rule = allow({ topics: [`${placeholder}/#`, `x-${placeholder}`] });
      for (const topic of [`${value}/a`, 'a/b', `x-${value}`, '/a', 'x-']) {
        expect(publish(rule, named, topic)).toBe(UNDECIDED);
      }
      expect(authorizer({ ...rule, actions: ['subscribe'] }).authorizeSubscribe(named, '#')).toBe(
        UNDECIDED,
      );
    }
  });

  test('a claim is what the token says, not what objects have', () => {
    const heir = client('bob', 'c1', { claims: Object.create({ t: 'x' }) });
    expect(publish(allow({ topics: [CLAIM('t')] }), heir, 'x')).toBe(UNDECIDED);
  });

  test('topics with $ need a rule that begins with it, and no value is one [MQTT-4.7.2-1]', () => {
    const rule = allow({ topics: ['#', '+/a', '%u/#'] });
    expect(publish(rule, client('$SYS'), '$SYS/a')).toBe(UNDECIDED);
    expect(publish(allow({ topics: ['$SYS/#'] }), bob, '$SYS/a')).toBe(ALLOWED);
    expect(publish(allow({ topics: ['$SYS/%u'] }), bob, '$SYS/bob')).toBe(ALLOWED);
    expect(publish(allow({ topics: ['$%u/#'] }), bob, '$bob/a')).toBe(ALLOWED);
  });
});

describe('actions, qos_max and retain', () => {
  test('subscribe covers deliveries, receive is about them alone', () => {
    const subscribing = authorizer(allow({ actions: ['subscribe'], topics: ['a'] }));
    expect(subscribing.authorizeReceive(bob, 'a')).toBe(ALLOWED);
    expect(subscribing.authorizePublish(bob, 'a', 0, false)).toBe(UNDECIDED);
    const receiving = authorizer(allow({ actions: ['receive'], topics: ['a'] }));
    expect(receiving.authorizeReceive(bob, 'a')).toBe(ALLOWED);
    expect(receiving.authorizeSubscribe(bob, 'a')).toBe(UNDECIDED);
  });

  test('a PUBLISH above qos_max does not fit', () => {
    const rules = [allow({ qosMax: 1, topics: ['a'] }), deny({ topics: ['a'] })];
    const from = authorizer(...rules);
    expect(from.authorizePublish(bob, 'a', 1, false)).toBe(ALLOWED);
    expect(from.authorizePublish(bob, 'a', 2, false)).toBe(DENIED);
  });

  test('retain says which PUBLISH fits', () => {
    expect(publish(allow({ retain: 'only' }), bob, 'a', 0, true)).toBe(ALLOWED);
    expect(publish(allow({ retain: 'only' }), bob, 'a', 0, false)).toBe(UNDECIDED);
    expect(publish(allow({ retain: 'never' }), bob, 'a', 0, true)).toBe(UNDECIDED);
    expect(publish(allow({ retain: 'never' }), bob, 'a', 0, false)).toBe(ALLOWED);
  });
});

describe('SUBSCRIBE', () => {
  const subscribe = (filter: string, ...rules: readonly AccessRule[]) =>
    authorizer(
      ...rules.map((rule) => ({ ...rule, actions: rule.actions.slice(1) })),
    ).authorizeSubscribe(bob, filter);
  const both = ['publish', 'subscribe'] as const;
  const yes = (topic: string, qosMax: QoS = 2) => allow({ actions: both, topics: [topic], qosMax });
  const no = (...topics: string[]) => deny({ actions: both, topics });

  test.each<[string, string, readonly AccessRule[], unknown]>([
    ['inside one allow', 'a/b', [yes('a/#')], { qosMax: 2, isWhole: true }],
    ['wider than the allow', '#', [yes('a/#')], { qosMax: 2, isWhole: false }],
    ['apart from all allows', 'b/#', [yes('a/#')], UNDECIDED],
    ['with an earlier deny in it', 'a/#', [no('a/x'), yes('a/#')], { qosMax: 2, isWhole: false }],
    ['with a later deny in it', 'a/#', [yes('a/#'), no('a/x')], { qosMax: 2, isWhole: true }],
    ['inside an earlier deny', 'a/x/y', [no('a/x/#'), yes('a/#')], DENIED],
    ['whose part is inside a deny', 'a/#', [no('a/x/#'), yes('a/x/y')], UNDECIDED],
    [
      'hidden by two denies together: nobody adds them up',
      '+/x',
      [no('+/x/#', 'b/#'), no('c/#'), yes('+/+')],
      DENIED,
    ],
    ['at the QoS of the allow', 'a', [yes('a', 1)], { qosMax: 1, isWhole: true }],
    [
      'at the highest of those that apply',
      '#',
      [yes('a', 0), yes('b', 1)],
      { qosMax: 1, isWhole: false },
    ],
    [
      'not at one that is behind another',
      'a',
      [yes('a', 0), yes('#', 2)],
      { qosMax: 0, isWhole: true },
    ],
    [
      'nor at one that is denied',
      '#',
      [no('b'), yes('a', 0), yes('b', 2)],
      { qosMax: 0, isWhole: false },
    ],
    ['$ topics by a wildcard', '$SYS/#', [yes('#')], UNDECIDED],
  ])('%s: %s', (_, filter, rules, expected) => {
    expect(subscribe(filter, ...rules)).toEqual(expected);
  });

  test('what is denied for deliveries alone counts, too', () => {
    const rules = [
      deny({ actions: ['receive'], topics: ['a/#'] }),
      allow({ actions: ['subscribe'] }),
    ];
    expect(authorizer(...rules).authorizeSubscribe(bob, 'a/b')).toBe(DENIED);
    expect(authorizer(...rules).authorizeSubscribe(bob, '#')).toEqual({
      qosMax: 2,
      isWhole: false,
    });
  });
});

describe('connect', () => {
  const connect = (rules: readonly AccessRule[], who: Client, rest = {}) =>
    authorizer(...rules).authorizeConnect?.(who, connectRequest(rest));
  const rule = (rest: Partial<AccessRule>): AccessRule => ({
    ...{ effect: 'allow', actions: ['connect'] },
    ...rest,
  });

  test('without a rule about it everybody may: nobody is even asked', () => {
    expect(authorizer(allow({})).authorizeConnect).toBeUndefined();
  });

  test('with one, only those who are allowed', () => {
    const rules = [rule({ effect: 'deny', users: ['eve'] }), rule({ clientIds: ['%u', '%u-*'] })];
    expect(connect(rules, client('bob', 'bob-1'))).toBe(ALLOWED);
    expect(connect(rules, client('bob', 'eve'))).toBe(UNDECIDED);
    expect(connect(rules, client('eve', 'eve'))).toBe(DENIED);
    expect(connect(rules, client('a/b', 'a/b'))).toBe(UNDECIDED);
  });

  test('by address and listener', () => {
    const rules = [
      rule({ addresses: ['10.0.0.0/8', 'unix'], listeners: ['mqtts://*'] }),
      rule({ users: ['admin'], addresses: ['loopback'] }),
    ];
    const tls = 'mqtts://0.0.0.0:8883';
    expect(connect(rules, bob, { remoteAddress: '10.1.2.3', listener: tls })).toBe(ALLOWED);
    expect(connect(rules, bob, { remoteAddress: '', listener: tls })).toBe(ALLOWED);
    expect(connect(rules, bob, { remoteAddress: '10.1.2.3' })).toBe(UNDECIDED);
    expect(connect(rules, bob, { remoteAddress: '192.0.2.1', listener: tls })).toBe(UNDECIDED);
    expect(connect(rules, client('admin'))).toBe(ALLOWED);
  });

  test('by the name in the certificate', () => {
    const certificate: ClientCertificate = {
      ...{ subject: 'CN=dev', username: 'dev', clientId: null },
      objection: () => null,
    };
    const rules = [rule({ clientIds: [`${CERT}-*`] })];
    expect(connect(rules, client('x', 'dev-1'), { certificate })).toBe(ALLOWED);
    expect(connect(rules, client('x', 'dev-1'))).toBe(UNDECIDED);
    expect(connect(rules, client('x', 'dev-1', { certificateName: 'dev' }))).toBe(ALLOWED);
  });

  test('explains which rule', () => {
    const from = authorizer(rule({ effect: 'deny', users: ['eve'], file: 'iothub.toml', line: 7 }));
    expect(from.explainConnect(client('eve'), connectRequest())).toMatchObject({
      ...{ outcome: 'deny', source: 'rules', file: 'iothub.toml', line: 7 },
      rule: 'effect = "deny", actions = ["connect"], users = ["eve"]',
    });
    expect(from.explainConnect(bob, connectRequest())).toMatchObject({
      ...{ outcome: 'undecided', rule: null },
      reason: 'no rule for connect fits user "bob" with client id "c1"',
    });
  });
});

test('explain names the rule, its file and its line', () => {
  const from = authorizer(
    deny({ topics: ['a/+'], users: ['eve'], qosMax: 1, file: 'iothub.toml', line: 3 }),
    allow({ actions: ['subscribe'], topics: ['b/#'], file: 'iothub.toml', line: 9 }),
  );
  const question = { topic: 'a/b', qos: 1, retain: false } as const;
  expect(from.explain(client('eve'), { ...question, action: 'publish' })).toEqual({
    ...{ outcome: 'deny', source: 'rules', file: 'iothub.toml', line: 3 },
    rule: 'effect = "deny", actions = ["publish"], topics = ["a/+"], users = ["eve"], qos_max = 1',
    reason: 'the first rule that fits denies it',
  });
  expect(from.explain(bob, { ...question, action: 'subscribe', topic: '#' })).toMatchObject({
    ...{ outcome: 'allow', line: 9 },
    reason:
      'some of what matches the filter is allowed, and each delivery is checked; QoS 2 at most',
  });
  expect(from.explain(client(null), { ...question, action: 'receive' }).reason).toBe(
    'no rule for an anonymous client with client id "c1" fits receive "a/b"',
  );
});

describe('what is wrong with rules', () => {
  test.each<[Partial<AccessRule>, string]>([
    [{ actions: [] }, 'the rule has no action'],
    [{ topics: null }, 'the rule has no topics'],
    [{ topics: [] }, 'topics is empty'],
    [{ users: [] }, 'users is empty: leave it out'],
    [{ clientIds: [] }, 'client_ids is empty'],
    [{ topics: ['a/#/b'] }, '"a/#/b" is not a topic filter'],
    [{ topics: ['+%c'] }, '"+%c" is not a topic filter'],
    [{ topics: [''] }, '"" is not a topic filter'],
    [{ topics: ['$share/g/a'] }, 'write "a"'],
    [{ topics: ['a/%d'] }, 'has a % that is no placeholder'],
    [{ topics: [`\${user}`] }, `that is no placeholder: write ${CLAIM('name')} or ${CERT}`],
    [{ topics: [CLAIM('')] }, 'that is no placeholder'],
    [{ clientIds: ['%c'] }, 'compares the client id with itself'],
    [{ clientIds: ['%x'] }, 'has a % that is no placeholder'],
    [{ addresses: ['loopback'] }, 'addresses goes with "connect" alone'],
    [{ actions: ['connect', 'publish'], listeners: ['x'] }, 'listeners goes with "connect" alone'],
    [{ actions: ['connect'], addresses: ['10.0.0.1/8'] }, 'bits beyond its prefix'],
  ])('%o: %s', (rest, expected) => {
    const rule = allow({ ...rest, file: 'f.toml', line: 5 });
    expect(ruleProblems([rule])).toEqual([
      { file: 'f.toml', line: 5, message: expect.stringContaining(expected) },
    ]);
    expect(problems(() => authorizer(rule))[0]).toContain(`f.toml:5: `);
  });

  test('all of it is told', () => {
    const rules = [allow({ topics: ['+a', 'a+'] }), allow({ users: [] })];
    expect(problems(() => authorizer(...rules))).toHaveLength(3);
  });
});

describe('what is odd about rules is a warning', () => {
  const warnings = (...rules: readonly AccessRule[]) =>
    ruleWarnings(rules).map(({ message }) => message);
  const byClientId = allow({ topics: ['dev/%c/#'] });
  const connecting = (rest: Partial<AccessRule>): AccessRule => ({
    ...{ effect: 'allow', actions: ['connect'] },
    ...rest,
  });

  test('%c in topics while everybody may choose its client id', () => {
    const expected = [expect.stringContaining('which every client chooses for itself')];
    expect(warnings(byClientId)).toEqual(expected);
    expect(warnings(byClientId, connecting({}))).toEqual(expected);
    expect(warnings(byClientId, connecting({ clientIds: ['%u', 'x'] }))).toEqual(expected);
    expect(warnings(byClientId, connecting({ users: ['x'], clientIds: ['*'] }))).toEqual(expected);
    expect(warnings(byClientId, { ...connecting({ clientIds: ['%u'] }), effect: 'deny' })).toEqual(
      expected,
    );
    expect(warnings(byClientId, byClientId)).toEqual([expect.stringContaining('and 1 more rules')]);
  });

  test('but not where a rule for connect binds it', () => {
    expect(warnings(byClientId, connecting({ clientIds: ['%u', '%u-*'] }))).toEqual([]);
    expect(warnings(byClientId, connecting({ users: ['x'], clientIds: ['x-*'] }))).toEqual([]);
    expect(warnings(allow({ topics: ['dev/%u/#'] }))).toEqual([]);
  });

  test.each<[AccessRule, string]>([
    [deny({ qosMax: 1 }), 'says nothing about a PUBLISH with a higher QoS'],
    [allow({ actions: ['receive'], qosMax: 1 }), 'qos_max is about publish and subscribe'],
    [allow({ actions: ['subscribe'], retain: 'never' }), 'retain is about publish'],
    [connecting({ topics: ['#'] }), 'they mean nothing for connect'],
  ])('%o: %s', (rule, expected) => {
    expect(warnings(rule)).toEqual([expect.stringContaining(expected)]);
  });
});
