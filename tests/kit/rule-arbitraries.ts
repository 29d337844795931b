// Random rules about the same few names, so that they meet: `bob` is a user, `1` a client id, $s stands for all topics that begin
// with $.

import fc from 'fast-check';
import type { AccessRule } from '../../src/auth/acl/access-rule.ts';
import type { Permission } from '../../src/auth/auth.ts';
import type { QoS } from '../../src/protocol/packet.ts';

function filterOf(...levels: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.array(fc.constantFrom(...levels), { maxLength: 2 }), fc.boolean())
    .map(([all, isMulti]) => [...all, ...(isMulti ? ['#'] : [])].join('/'))
    .filter((text) => text !== '');
}

/** As clients subscribe. */
export const plainFilter = filterOf('', 'a', 'b', 'bob', '1', '+', '$s');
const topics = fc.uniqueArray(filterOf('', 'a', 'b', 'bob', '+', '+', '%u', '%c', '$s'), {
  minLength: 1,
  maxLength: 2,
});
const names = (...all: readonly string[]) =>
  fc.option(fc.uniqueArray(fc.constantFrom(...all), { minLength: 1, maxLength: 2 }), { freq: 1 });
const actions = fc.uniqueArray(fc.constantFrom('publish', 'subscribe', 'receive'), {
  minLength: 1,
});
const qosMax = fc.constantFrom<QoS>(0, 1, 2, 2);

export const accessRules: fc.Arbitrary<AccessRule[]> = fc.array(
  fc.record({
    ...{ actions, topics, qosMax },
    effect: fc.constantFrom('allow', 'allow', 'deny'),
    users: names('bob', 'b*', '*', ''),
    groups: names('g1', 'g*', 'g2'),
    clientIds: names('1', '%u', '*'),
    retain: fc.constantFrom('any', 'only', 'never'),
  }),
  { maxLength: 6 },
);

export const permissions: fc.Arbitrary<Permission[]> = fc.array(
  fc.record({
    ...{ actions, qosMax },
    effect: fc.constantFrom('allow', 'deny'),
    topicFilters: topics,
  }),
  { maxLength: 3 },
);
