// Permissions that came with an identity: the same rules, kept with the client.

import { describe, expect, test } from 'vitest';
import { ClaimsAuthorizer } from '../../../src/auth/acl/claims.ts';
import { type Permission, UNDECIDED } from '../../../src/auth/auth.ts';
import { client } from './clients.ts';

const ALLOWED = 0x00;
const DENIED = 0x87;
const authorizer = new ClaimsAuthorizer({ name: 'token' });

function holder(...permissions: readonly Permission[]) {
  return client('bob', 'c1', { permissions });
}

const WRITE: Permission = {
  effect: 'allow',
  actions: ['publish'],
  topicFilters: ['dev/%c/#', 'users/%u'],
};

test('the first permission that fits decides', () => {
  const who = holder({ ...WRITE, effect: 'deny', topicFilters: ['dev/c1/x'] }, WRITE);
  expect(authorizer.authorizePublish(who, 'dev/c1/x', 0, false)).toBe(DENIED);
  expect(authorizer.authorizePublish(who, 'dev/c1/y', 0, false)).toBe(ALLOWED);
  expect(authorizer.authorizePublish(who, 'users/bob', 0, false)).toBe(ALLOWED);
  expect(authorizer.authorizePublish(who, 'dev/c2/y', 0, false)).toBe(UNDECIDED);
  expect(authorizer.authorizeReceive(who, 'dev/c1/y')).toBe(UNDECIDED);
});

test('qosMax and retain bind PUBLISH', () => {
  const who = holder({ ...WRITE, qosMax: 1, retain: false });
  expect(authorizer.authorizePublish(who, 'users/bob', 1, false)).toBe(ALLOWED);
  expect(authorizer.authorizePublish(who, 'users/bob', 2, false)).toBe(UNDECIDED);
  expect(authorizer.authorizePublish(who, 'users/bob', 1, true)).toBe(UNDECIDED);
  const retaining = holder({ ...WRITE, retain: true });
  expect(authorizer.authorizePublish(retaining, 'users/bob', 2, true)).toBe(ALLOWED);
  expect(authorizer.authorizePublish(retaining, 'users/bob', 2, false)).toBe(ALLOWED);
});

test('SUBSCRIBE and deliveries', () => {
  const who = holder({ effect: 'allow', actions: ['subscribe'], topicFilters: ['a/#'], qosMax: 1 });
  expect(authorizer.authorizeSubscribe(who, 'a/+')).toEqual({ qosMax: 1, isWhole: true });
  expect(authorizer.authorizeSubscribe(who, '#')).toEqual({ qosMax: 1, isWhole: false });
  expect(authorizer.authorizeSubscribe(who, 'b')).toBe(UNDECIDED);
  expect(authorizer.authorizeReceive(who, 'a/b')).toBe(ALLOWED);
  expect(authorizer.mayDeny(who, '#')).toBe(false);
  expect(authorizer.mayDeny(holder({ ...WRITE, effect: 'deny', actions: ['receive'] }), '#')).toBe(
    true,
  );
});

test('a value that could leave its level makes a permission not fit', () => {
  const who = client('a/b', '+', { permissions: [WRITE] });
  for (const topic of ['users/a/b', 'dev/x/y', 'dev/+/y']) {
    expect(authorizer.authorizePublish(who, topic, 0, false)).toBe(UNDECIDED);
  }
});

test('a client without permissions is somebody else’s matter', () => {
  const who = client('bob');
  expect(authorizer.authorizePublish(who, 'a', 0, false)).toBe(UNDECIDED);
  expect(authorizer.authorizeReceive(who, 'a')).toBe(UNDECIDED);
  expect(authorizer.authorizeSubscribe(who, 'a')).toBe(UNDECIDED);
  expect(authorizer.mayDeny(who, '#')).toBe(false);
  expect(authorizer.authorizePublish(holder(), 'a', 0, false)).toBe(UNDECIDED);
});

describe('a permission that cannot be understood', () => {
  test.each(['a/#/b', '', '$share/g/a', '+%c'])('%j refuses everything', (filter) => {
    const who = holder(WRITE, { ...WRITE, effect: 'deny', topicFilters: [filter] });
    expect(authorizer.authorizePublish(who, 'users/bob', 0, false)).toBe(DENIED);
    expect(authorizer.authorizeReceive(who, 'a')).toBe(DENIED);
    expect(authorizer.authorizeSubscribe(who, 'a')).toBe(DENIED);
    expect(authorizer.mayDeny(who, 'a')).toBe(true);
    const question = { action: 'publish', topic: 'a', qos: 0, retain: false } as const;
    expect(authorizer.explain(who, question)).toMatchObject({
      ...{ outcome: 'deny', source: 'token', rule: null },
      reason: expect.stringContaining('cannot be understood'),
    });
  });
});

test('explain names the permission', () => {
  const question = { action: 'publish', topic: 'users/bob', qos: 0, retain: false } as const;
  expect(authorizer.explain(holder(WRITE), question)).toEqual({
    ...{ outcome: 'allow', source: 'token', file: null, line: null },
    rule: 'allow publish "dev/%c/#", "users/%u"',
    reason: 'the first rule that fits allows it',
  });
  expect(authorizer.explain(client('bob'), question)).toMatchObject({
    ...{ outcome: 'undecided', reason: 'user "bob" with client id "c1" brought no permissions' },
  });
});
