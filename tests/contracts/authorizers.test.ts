// Every authorizer keeps the contract. A new one is one entry here.

import { fileURLToPath } from 'node:url';
import { HttpAuthorizer } from '../../src/auth/http/authorizer.ts';
import { loadAuthorizerModule } from '../../src/auth/module.ts';
import type { AuthorizerPlace, ClientAction } from '../../src/contracts/authorizer-place.ts';
import { SILENT } from '../../src/core/logger.ts';
import { SYSTEM_CLOCK } from '../../src/lib/clock.ts';
import { type Asked, HttpEndpointServer } from '../kit/http-endpoint.ts';
import { ListAuthorizer } from '../kit/list-authorizer.ts';
import { testAuthorizer } from './access.contract.ts';

const ann = { clientId: 'dev-7', username: 'ann' };
const bob = { clientId: 'dev-8', username: 'bob' };
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

for (const isAsync of [false, true]) {
  testAuthorizer(`an authorizer that answers ${isAsync ? 'later' : 'at once'}`, () => ({
    ...HERS,
    authorizer: () => new ListAuthorizer(isAsync),
  }));
}

testAuthorizer('the HTTP authorizer', () => httpPlace(60_000));
testAuthorizer('the HTTP authorizer without a cache', () => httpPlace(0));

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

/** An endpoint that says what ListAuthorizer says. */
async function httpPlace(cacheTtlMs: number): Promise<AuthorizerPlace> {
  const list = new ListAuthorizer(false);
  const endpoint = await HttpEndpointServer.start(({ body }: Asked) => {
    const { username, topic, topicFilter } = JSON.parse(body);
    const mayDo = list.owns({ username }, topic ?? topicFilter ?? '');
    return { json: { result: mayDo ? 'allow' : 'deny' } };
  });
  return {
    ...HERS,
    // What is not delivered is what was not subscribed to: the endpoint is not asked about deliveries.
    authorizer: () => new HttpAuthorizer({ name: 'http', url: endpoint.url, cacheTtlMs }),
    allowed: (HERS.allowed as readonly ClientAction[]).filter(({ action }) => action !== 'receive'),
    dispose: () => endpoint.close(),
  };
}
