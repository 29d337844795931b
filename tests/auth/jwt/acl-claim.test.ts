// Rules in a token: both forms, and everything that is neither.

import { expect, test } from 'vitest';
import { authenticator, expectAccepted, expectRefused, token } from './kit.ts';

async function permissionsOf(acl: unknown): Promise<unknown> {
  return (await expectAccepted(await authenticator(), await token({ acl }))).permissions;
}

test('a list of rules, in its order', async () => {
  const acl = [
    { effect: 'deny', actions: ['publish', 'subscribe', 'receive'], topics: ['a/secret'] },
    { effect: 'allow', actions: ['publish'], topics: ['a/#', 'b/%c/%u'], qos: 1, retain: false },
    { effect: 'allow', actions: ['subscribe'], topics: ['+/x'], qos: 0, retain: true },
  ];
  expect(await permissionsOf(acl)).toEqual([
    {
      effect: 'deny',
      actions: ['publish', 'subscribe', 'receive'],
      topicFilters: ['a/secret'],
    },
    {
      effect: 'allow',
      actions: ['publish'],
      topicFilters: ['a/#', 'b/%c/%u'],
      qosMax: 1,
      retain: false,
    },
    { effect: 'allow', actions: ['subscribe'], topicFilters: ['+/x'], qosMax: 0, retain: true },
  ]);
});

test('the short form', async () => {
  expect(await permissionsOf({ pub: ['a/#'], sub: ['b/#', '$SYS/#'], all: ['c'] })).toEqual([
    { effect: 'allow', actions: ['publish'], topicFilters: ['a/#'] },
    { effect: 'allow', actions: ['subscribe'], topicFilters: ['b/#', '$SYS/#'] },
    { effect: 'allow', actions: ['publish', 'subscribe'], topicFilters: ['c'] },
  ]);
});

test('no rules are not the same as rules that allow nothing', async () => {
  expect(await permissionsOf(undefined)).toBeUndefined();
  expect(await permissionsOf(null)).toBeUndefined();
  expect(await permissionsOf([])).toEqual([]);
  expect(await permissionsOf({})).toEqual([]);
  expect(await permissionsOf({ pub: [] })).toEqual([]);
});

const RULE = { effect: 'allow', actions: ['publish'], topics: ['a'] };

test.each<[unknown, string]>([
  ['a/#', 'acl is "a/#": expected a list of rules'],
  [7, 'acl is 7'],
  [true, 'acl is true'],
  [['a/#'], 'acl[0] is "a/#": expected a rule'],
  [[RULE, null], 'acl[1] is null'],
  [[[RULE]], 'acl[0] is [{'],
  [{ publish: ['a'] }, 'acl has "publish": expected pub, sub and all'],
  [{ pub: ['a'], toString: ['b'] }, 'acl has "toString"'],
  [{ pub: 'a' }, 'acl.pub is "a": expected a list'],
  [{ pub: null }, 'acl.pub is null'],
  [{ sub: ['a', 7] }, 'acl.sub[1] is 7'],
  [{ sub: ['a#'] }, 'acl.sub[0] is "a#": # stands elsewhere'],
  [{ sub: ['a+/b'] }, '+ does not fill its level'],
  [{ sub: [''] }, 'the topic filter is empty'],
  [{ sub: ['a\u0000'] }, 'contains U+0000'],
  [{ sub: ['a\ud800'] }, 'no valid text'],
  [{ sub: ['$share/g/a'] }, 'leave out $share/g/'],
  [{ sub: ['$share/g'] }, 'no topic filter follows'],
  [{ pub: ['eq a/#'] }, 'leave out "eq "'],
  [{ pub: [`a/\${clientid}`] }, 'write %c for the client id'],
  [[{ ...RULE, effect: undefined }], 'acl[0].effect is undefined'],
  [[{ ...RULE, effect: 'Allow' }], 'acl[0].effect is "Allow"'],
  [[{ ...RULE, actions: 'publish' }], 'acl[0].actions is "publish"'],
  [[{ ...RULE, actions: [] }], 'acl[0].actions is []'],
  [[{ ...RULE, actions: ['publish', 'all'] }], 'acl[0].actions is ["publish","all"]'],
  [[{ ...RULE, topics: [] }], 'acl[0].topics is empty'],
  [[{ ...RULE, topics: undefined }], 'acl[0].topics is undefined'],
  [[{ ...RULE, qos: 3 }], 'acl[0].qos is 3'],
  [[{ ...RULE, qos: '1' }], 'acl[0].qos is "1"'],
  [[{ ...RULE, qos: [0, 1] }], 'acl[0].qos is [0,1]'],
  [[{ ...RULE, qos: null }], 'acl[0].qos is null'],
  [[{ ...RULE, retain: 'false' }], 'acl[0].retain is "false"'],
  [[{ ...RULE, topic: 'b' }], 'acl[0] has "topic": expected effect'],
  [[{ permission: 'deny', action: 'publish', topic: 'a' }], 'acl[0] has "permission"'],
  [{ all: Array.from({ length: 1_001 }, () => 'a') }, 'acl has 1001 topic filters; at most 1000'],
])('%j refuses the login', async (acl, detail) => {
  await expectRefused(await authenticator(), await token({ acl }), 0x87, detail);
});

test('the claim may be nested', async () => {
  const made = await authenticator({ aclClaim: 'mqtt.acl' });
  const good = await token({ mqtt: { acl: { pub: ['a'] } }, acl: 'not this one' });
  expect((await expectAccepted(made, good)).permissions).toHaveLength(1);
  await expectRefused(made, await token({ mqtt: { acl: 7 } }), 0x87, 'mqtt.acl is 7');
});
