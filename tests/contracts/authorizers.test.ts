// Every authorizer keeps the contract. A new one is one entry here.

import { fileURLToPath } from 'node:url';
import type { AccessRule } from '../../src/auth/acl/access-rule.ts';
import { AclFileAuthorizer } from '../../src/auth/acl/acl-file.ts';
import { parseAclFile } from '../../src/auth/acl/acl-lines.ts';
import { AuthorizerChain } from '../../src/auth/acl/authorizer-chain.ts';
import { ClaimsAuthorizer } from '../../src/auth/acl/claims.ts';
import { RulesAuthorizer } from '../../src/auth/acl/rules.ts';
import type { Authorizer, Client, Permission } from '../../src/auth/auth.ts';
import { HttpAuthorizer } from '../../src/auth/http/authorizer.ts';
import { loadAuthorizerModule } from '../../src/auth/module.ts';
import { bytesOf } from '../../src/contracts/access-values.ts';
import type { AuthorizerPlace, ClientAction } from '../../src/contracts/authorizer-place.ts';
import { SILENT } from '../../src/core/logger.ts';
import { SYSTEM_CLOCK } from '../../src/lib/clock.ts';
import { type Asked, HttpEndpointServer } from '../kit/http-endpoint.ts';
import { ListAuthorizer } from '../kit/list-authorizer.ts';
import { testAuthorizer } from './access.contract.ts';

const ann = { clientId: 'dev-7', username: 'ann' };
const bob = { clientId: 'dev-8', username: 'bob' };
const carl = { clientId: 'dev-9', username: 'carl' };
/** Ann may do what is hers, and nobody else may. */
const HERS = {
  allowed: [
    { client: ann, action: 'publish', topic: 'users/ann/a' },
    { client: ann, action: 'subscribe', topic: 'users/ann/#' },
    { client: ann, action: 'subscribe', topic: 'users/ann/+/b' },
    { client: ann, action: 'receive', topic: 'users/ann/a' },
    { client: bob, action: 'publish', topic: 'users/bob/x/y' },
  ],
  denied: [
    { client: bob, action: 'publish', topic: 'users/ann/a' },
    { client: bob, action: 'receive', topic: 'users/ann/a' },
    { client: bob, action: 'subscribe', topic: 'users/ann/#' },
    { client: ann, action: 'subscribe', topic: 'users/bob/+' },
    { client: ann, action: 'publish', topic: 'other' },
    { client: { username: null }, action: 'publish', topic: 'users/ann/a' },
    { client: { username: null }, action: 'receive', topic: 'users/ann/a' },
  ],
  topicOfUser: (username: string) => `users/${username}/a`,
} as const;

/** The same as rules. */
const OWN_RULES: readonly AccessRule[] = [
  { effect: 'allow', actions: ['publish', 'subscribe'], topics: ['users/%u/#'] },
];

for (const isAsync of [false, true]) {
  testAuthorizer(`an authorizer that answers ${isAsync ? 'later' : 'at once'}`, () => ({
    ...HERS,
    authorizer: () => new ListAuthorizer(isAsync),
  }));
}

testAuthorizer('an ACL file with a pattern', () => ({
  ...HERS,
  authorizer: () => aclFile('pattern readwrite users/%u/#'),
}));
testAuthorizer('an ACL file with users and denials', () => ({
  authorizer: () =>
    aclFile(
      ...['topic read open/#', 'topic deny open/secret', ''],
      ...['user ann', 'topic readwrite users/ann/#', 'topic deny users/ann/private/#', ''],
      ...['user bob', 'topic write users/bob/#', 'topic read $SYS/broker/+'],
    ),
  allowed: [
    ...HERS.allowed,
    { client: { username: null }, action: 'subscribe', topic: 'open/#' },
    { client: { username: null }, action: 'receive', topic: 'open/a' },
    { client: bob, action: 'receive', topic: '$SYS/broker/uptime' },
    { client: bob, action: 'subscribe', topic: '$SYS/broker/uptime' },
  ],
  denied: [
    ...HERS.denied,
    { client: ann, action: 'publish', topic: 'users/ann/private/a' },
    { client: ann, action: 'receive', topic: 'users/ann/private/a' },
    { client: ann, action: 'subscribe', topic: 'users/ann/private/+' },
    { client: bob, action: 'subscribe', topic: 'users/bob/#' },
    { client: ann, action: 'receive', topic: '$SYS/broker/uptime' },
    { client: { username: null }, action: 'receive', topic: 'open/secret' },
    { client: { username: null }, action: 'publish', topic: 'open/a' },
  ],
}));
testAuthorizer('an ACL file that grants every SUBSCRIBE', () => ({
  ...HERS,
  authorizer: () =>
    new AclFileAuthorizer({
      ...{ name: 'acl', suback: 'mosquitto' },
      acl: parseAclFile('acl', bytesOf('pattern readwrite users/%u/#\n')),
    }),
  // They are granted, and nothing is delivered.
  denied: (HERS.denied as readonly ClientAction[]).filter(({ action }) => action !== 'subscribe'),
}));

testAuthorizer('own rules', () => ({ ...HERS, authorizer: () => rules(...OWN_RULES) }));
testAuthorizer('own rules of many kinds', rulesPlace);
testAuthorizer('own rules with QoS and retain', () => ({
  authorizer: () =>
    rules(
      { effect: 'allow', actions: ['publish'], topics: ['a'], qosMax: 1, retain: 'never' },
      { effect: 'allow', actions: ['publish'], topics: ['b'], retain: 'only' },
      { effect: 'allow', actions: ['subscribe'], topics: ['a', 'b'], qosMax: 0 },
    ),
  allowed: [
    { client: ann, action: 'publish', topic: 'a', qos: 0, retain: false },
    { client: ann, action: 'publish', topic: 'a', qos: 1, retain: false },
    { client: ann, action: 'publish', topic: 'b', retain: true },
    { client: ann, action: 'subscribe', topic: '+' },
    { client: ann, action: 'receive', topic: 'a' },
  ],
  denied: [
    { client: ann, action: 'publish', topic: 'a', qos: 2, retain: false },
    { client: ann, action: 'publish', topic: 'a', retain: true },
    { client: ann, action: 'publish', topic: 'b', retain: false },
    { client: ann, action: 'receive', topic: 'c' },
    { client: ann, action: 'subscribe', topic: 'c/#' },
  ],
}));

testAuthorizer('the permissions of a token', () => {
  const own = permitted([
    { effect: 'deny', actions: ['receive'], topicFilters: ['users/%u/secret'] },
    { effect: 'allow', actions: ['publish', 'subscribe'], topicFilters: ['users/%u/#'] },
  ]);
  const damaged = permitted([
    { effect: 'allow', actions: ['publish', 'subscribe'], topicFilters: ['a/#/b', '#'] },
  ]);
  return {
    authorizer: () => new ClaimsAuthorizer({ name: 'claims' }),
    allowed: HERS.allowed.map((action) => ({ ...action, client: own(action.client) })),
    denied: [
      ...HERS.denied.map((action) => ({ ...action, client: own(action.client) })),
      ...HERS.allowed, // who brings no permissions is not its business
      { client: own(ann), action: 'receive', topic: 'users/ann/secret' },
      { client: own({ username: '+' }), action: 'publish', topic: 'users/ann/a' },
      { client: own({ username: '+' }), action: 'receive', topic: 'users/ann/a' },
      { client: own({ username: '' }), action: 'publish', topic: 'users//a' },
      { client: permitted([])(ann), action: 'publish', topic: 'users/ann/a' },
      { client: damaged(ann), action: 'publish', topic: 'a' },
      { client: damaged(ann), action: 'receive', topic: 'a' },
    ],
  };
});

testAuthorizer('the HTTP authorizer', () => httpPlace(60_000));
testAuthorizer('the HTTP authorizer without a cache', () => httpPlace(0));
testAuthorizer('the HTTP authorizer by GET', () => httpPlace(60_000, 'GET'));

const modulePlace = (): AuthorizerPlace => ({ ...HERS, authorizer: moduleOf });
testAuthorizer('a module that authorizes', modulePlace);

testAuthorizer('a chain of one', () => ({
  ...HERS,
  authorizer: () => chainOf(rules(...OWN_RULES)),
}));
testAuthorizer('a chain of an ACL file, own rules, permissions and a module', () => ({
  authorizer: async () =>
    chainOf(
      aclFile('user carl', 'topic readwrite shared/#', 'topic deny shared/secret'),
      rules({ effect: 'allow', actions: ['publish', 'receive'], topics: ['all'] }),
      new ClaimsAuthorizer({ name: 'claims' }),
      await moduleOf(),
    ),
  allowed: [
    ...HERS.allowed,
    { client: carl, action: 'publish', topic: 'shared/a' },
    { client: carl, action: 'subscribe', topic: 'shared/#' },
    { client: carl, action: 'receive', topic: 'shared/a' },
    { client: ann, action: 'publish', topic: 'all' },
    {
      client: permitted([
        { effect: 'allow', actions: ['publish', 'subscribe'], topicFilters: ['shared/secret'] },
      ])(ann),
      ...{ action: 'receive', topic: 'shared/secret' },
    },
  ],
  denied: [
    ...HERS.denied,
    { client: carl, action: 'publish', topic: 'shared/secret' },
    { client: carl, action: 'receive', topic: 'shared/secret' },
    { client: ann, action: 'publish', topic: 'shared/a' },
    { client: ann, action: 'receive', topic: 'all' }, // by no subscription
  ],
  topicOfUser: HERS.topicOfUser,
}));
testAuthorizer('a chain with an endpoint behind rules', async () => {
  const place = await httpPlace(60_000);
  const denial: AccessRule = { effect: 'deny', actions: ['publish'], topics: ['users/ann/never'] };
  return {
    ...{ ...place, grantsForOthers: true },
    authorizer: async () => chainOf(rules(denial), await place.authorizer()),
    denied: [...place.denied, { client: ann, action: 'publish', topic: 'users/ann/never' }],
  };
});
testAuthorizer('a chain with one that fails', () => ({
  authorizer: () =>
    chainOf(
      rules({ effect: 'allow', actions: ['publish', 'subscribe'], topics: ['first/#'] }),
      { authorizePublish: broken, authorizeSubscribe: broken, authorizeReceive: broken },
      rules({ effect: 'allow', actions: ['publish', 'subscribe'], topics: ['#'] }),
    ),
  allowed: [
    { client: ann, action: 'publish', topic: 'first/a' },
    { client: ann, action: 'subscribe', topic: 'first/#' },
    { client: ann, action: 'receive', topic: 'first/a' },
  ],
  denied: [
    { client: ann, action: 'publish', topic: 'second/a' },
    { client: ann, action: 'subscribe', topic: 'second/#' },
    { client: ann, action: 'receive', topic: 'second/a' },
  ],
}));

testAuthorizer('the example of an authorizer', () => {
  const base = fileURLToPath(new URL('../../examples/authorizer/', import.meta.url));
  const one = { username: 'acme.one' };
  const other = { username: 'evil.one' };
  return {
    authorizer: () =>
      loadAuthorizerModule({
        ...{ name: 'tenants', type: './index.mjs', base, options: {} },
        ...{ timeoutMs: 5_000, logger: SILENT, clock: SYSTEM_CLOCK },
      }),
    allowed: [
      { client: one, action: 'publish', topic: 'tenants/acme/one/a' },
      { client: one, action: 'subscribe', topic: 'tenants/acme/#' },
      { client: one, action: 'subscribe', topic: 'tenants/acme/+/a' },
      { client: one, action: 'receive', topic: 'tenants/acme/two/a' },
    ],
    denied: [
      { client: one, action: 'publish', topic: 'tenants/acme/two/a' },
      { client: one, action: 'publish', topic: 'tenants/acme' },
      { client: one, action: 'subscribe', topic: 'tenants/+/one/a' },
      { client: one, action: 'subscribe', topic: '#' },
      { client: other, action: 'publish', topic: 'tenants/acme/one/a' },
      { client: other, action: 'receive', topic: 'tenants/acme/one/a' },
      { client: { username: 'acme' }, action: 'receive', topic: 'tenants/acme/one/a' },
      { client: { username: null }, action: 'receive', topic: 'tenants/acme/one/a' },
    ],
    topicOfUser: (username) => `tenants/${username}/one/a`,
  };
});

function aclFile(...lines: readonly string[]): AclFileAuthorizer {
  const acl = parseAclFile('acl', bytesOf(`${lines.join('\n')}\n`));
  return new AclFileAuthorizer({ name: 'acl', acl });
}

function rules(...given: readonly AccessRule[]): RulesAuthorizer {
  return new RulesAuthorizer({ name: 'rules', rules: given });
}

function rulesPlace(): AuthorizerPlace {
  const acme = { username: 'x', claims: { tenant: 'acme', site: { id: 7 } } };
  const evil = { username: 'x', claims: { tenant: '+', site: { id: '#' } } };
  const operator = { username: 'olga', groups: ['ops'] };
  const device = { clientId: 'dev-1', username: 'dev', certificateName: 'plant-1' };
  return {
    authorizer: () =>
      rules(
        { effect: 'allow', actions: ['connect'], clientIds: ['*'], addresses: ['loopback'] },
        { effect: 'deny', actions: ['publish'], topics: ['+/secret/#'], users: ['*'] },
        {
          ...{ effect: 'allow', actions: ['publish', 'subscribe'] },
          // biome-ignore lint/suspicious/noTemplateCurlyInString: as rules have it
          topics: ['${claim.tenant}/${claim.site.id}/#'],
        },
        {
          effect: 'deny',
          actions: ['receive'],
          topics: ['$SYS/broker/clients/#'],
          groups: ['ops'],
        },
        { effect: 'allow', actions: ['subscribe'], topics: ['$SYS/#', '#'], groups: ['ops'] },
        // biome-ignore lint/suspicious/noTemplateCurlyInString: as rules have it
        { effect: 'allow', actions: ['publish'], topics: ['certs/${cert}'], clientIds: ['dev-*'] },
        { effect: 'allow', actions: ['publish'], topics: ['clients/%c'], users: ['dev'] },
      ),
    allowed: [
      { client: acme, action: 'publish', topic: 'acme/7/a' },
      { client: acme, action: 'subscribe', topic: 'acme/7/#' },
      { client: acme, action: 'subscribe', topic: '#' },
      { client: acme, action: 'receive', topic: 'acme/7/a/b' },
      { client: operator, action: 'subscribe', topic: '$SYS/#' },
      { client: operator, action: 'receive', topic: '$SYS/broker/uptime' },
      { client: operator, action: 'receive', topic: 'any/topic' },
      { client: device, action: 'publish', topic: 'certs/plant-1' },
      { client: device, action: 'publish', topic: 'clients/dev-1' },
    ],
    denied: [
      { client: acme, action: 'publish', topic: 'acme/8/a' },
      { client: acme, action: 'receive', topic: 'acme/8/a' },
      { client: { username: 'x' }, action: 'publish', topic: 'acme/7/a' },
      { client: evil, action: 'publish', topic: 'acme/7/a' },
      { client: evil, action: 'receive', topic: 'acme/7/a' },
      { client: evil, action: 'subscribe', topic: '#' },
      { client: operator, action: 'receive', topic: '$SYS/broker/clients/total' },
      { client: operator, action: 'subscribe', topic: '$SYS/broker/clients/+' },
      { client: operator, action: 'publish', topic: 'acme/7/a' },
      { client: { ...device, clientId: 'x' }, action: 'publish', topic: 'certs/plant-1' },
      { client: { clientId: 'dev-1' }, action: 'publish', topic: 'certs/plant-1' },
      { client: { ...device, clientId: 'dev-2' }, action: 'publish', topic: 'clients/dev-1' },
    ],
  };
}

function permitted(
  permissions: readonly Permission[],
): (client: Partial<Client>) => Partial<Client> {
  return (client) => ({ ...client, permissions });
}

function moduleOf(): Promise<Authorizer> {
  return loadAuthorizerModule({
    ...{ name: 'owners', type: './modules/owners.mjs', base: import.meta.dirname },
    ...{ options: { root: 'users' }, timeoutMs: 5_000, logger: SILENT, clock: SYSTEM_CLOCK },
  });
}

function chainOf(...authorizers: readonly Authorizer[]): AuthorizerChain {
  const members = authorizers.map((authorizer, i) => {
    return { name: `member ${i}`, authorizer, timeoutMs: 5_000 };
  });
  return new AuthorizerChain({ members, clock: SYSTEM_CLOCK, logger: SILENT });
}

function broken(): never {
  throw new Error('broken on purpose');
}

/** An endpoint that says what ListAuthorizer says. */
async function httpPlace(
  cacheTtlMs: number,
  method: 'POST' | 'GET' = 'POST',
): Promise<AuthorizerPlace> {
  const list = new ListAuthorizer(false);
  const endpoint = await HttpEndpointServer.start(({ body, url }: Asked) => {
    const query = Object.fromEntries(new URL(url, 'http://127.0.0.1').searchParams);
    const { username = null, topic, topicFilter } = body === '' ? query : JSON.parse(body);
    const mayDo = list.owns({ username }, topic ?? topicFilter ?? '');
    return { json: { result: mayDo ? 'allow' : 'deny' } };
  });
  const { url } = endpoint;
  return {
    ...HERS,
    // What is not delivered is what was not subscribed to: the endpoint is not asked about deliveries.
    authorizer: () => new HttpAuthorizer({ name: 'http', url, method, cacheTtlMs }),
    allowed: (HERS.allowed as readonly ClientAction[]).filter(({ action }) => action !== 'receive'),
    dispose: () => endpoint.close(),
  };
}
