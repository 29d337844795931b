// Every authenticator keeps the contract. A new one is one entry here.

import { fileURLToPath } from 'node:url';
import type { Authenticator, ConnectRequest } from '../../src/auth/auth.ts';
import { CertificateAuthenticator } from '../../src/auth/certificate.ts';
import { AuthenticatorChain } from '../../src/auth/chain.ts';
import { HttpAuthenticator } from '../../src/auth/http/authenticator.ts';
import { loadAuthenticatorModule } from '../../src/auth/module.ts';
import { bytesOf } from '../../src/contracts/access-values.ts';
import type { AuthenticatorPlace } from '../../src/contracts/authenticator-place.ts';
import { SILENT } from '../../src/core/logger.ts';
import { SYSTEM_CLOCK } from '../../src/lib/clock.ts';
import { certificateOf, login } from '../kit/connect-request.ts';
import { type Asked, HttpEndpointServer } from '../kit/http-endpoint.ts';
import { ListAuthenticator } from '../kit/list-authenticator.ts';
import { testAuthenticator } from './access.contract.ts';

const ANN = { request: login('ann', 'opensesame'), username: 'ann' };
const BOB = { request: login('bob', 'hunter22'), username: 'bob' };
const WRONG = [
  login('ann', 'hunter22'),
  login('bob', 'wrong password'),
  login('eve', 'opensesame'),
  login('eve', 'wrong password'),
];
/** Who is known in these tests by user name and password. */
const USERS = { good: [ANN, BOB], bad: WRONG };

const named = certificateOf({ username: 'sensor-1' });
const byId = certificateOf({ clientId: 'dev-7' });
const revoked = certificateOf({ username: 'sensor-2', objection: () => 'it was revoked' });

testAuthenticator('the certificate authenticator', () => ({
  authenticator: () => new CertificateAuthenticator({ name: 'certificate' }),
  good: [
    { request: { certificate: named, username: 'sensor-1' }, username: 'sensor-1' },
    { request: { certificate: byId }, username: 'dev-7' },
  ],
  bad: [{ certificate: revoked, username: 'sensor-2' }, { certificate: certificateOf() }],
  foreign: [{ certificate: certificateOf() }, { username: 'sensor-1' }],
}));

testAuthenticator('the HTTP authenticator', () => httpPlace(60_000));
testAuthenticator('the HTTP authenticator without a cache', () => httpPlace(0));

for (const isAsync of [false, true]) {
  const how = isAsync ? 'later' : 'at once';
  const list = (): Authenticator => new ListAuthenticator(USERS.good, isAsync);
  testAuthenticator(`an authenticator that answers ${how}`, () => ({
    ...{ ...USERS, foreign: [{ username: 'ann' }], enhanced: ListAuthenticator.enhanced },
    authenticator: list,
  }));
  testAuthenticator(`a chain of those that answer ${how}`, () => ({
    ...{ ...USERS, enhanced: ListAuthenticator.enhanced },
    authenticator: () =>
      chainOf([new CertificateAuthenticator({ name: 'certificate' }), list()], false),
  }));
}

testAuthenticator('a chain that lets anonymous clients in', () => ({
  ...{ ...USERS, letsAnonymousIn: true },
  authenticator: () => chainOf([new ListAuthenticator(USERS.good, true)], true),
}));

testAuthenticator('the example of an authenticator', async () => {
  const folder = new URL('../../examples/authenticator/', import.meta.url);
  const { passwordOf } = (await import(new URL('index.mjs', folder).href)) as {
    passwordOf(secret: string, clientId: string): string;
  };
  const secret = 'a secret of thirty-two characters';
  const device = (clientId: string, of = clientId): Partial<ConnectRequest> => {
    return { clientId, username: 'device', password: bytesOf(passwordOf(secret, of)) };
  };
  return {
    authenticator: () =>
      loadAuthenticatorModule({
        ...{ name: 'devices', type: './index.mjs', base: fileURLToPath(folder) },
        ...{ options: { secret }, timeoutMs: 5_000, logger: SILENT, clock: SYSTEM_CLOCK },
      }),
    good: ['dev-7', 'dev-8', 'é', '+/#'].map((clientId) => ({
      ...{ request: device(clientId), username: clientId },
    })),
    bad: [device('dev-7', 'dev-8'), { ...device('dev-7'), password: bytesOf('wrong password') }],
    foreign: [{ username: 'ann', password: bytesOf('x') }, { username: 'device' }],
  };
});

async function httpPlace(cacheTtlMs: number): Promise<AuthenticatorPlace> {
  const endpoint = await HttpEndpointServer.start(({ body }: Asked) => {
    const { username, password, clientId } = JSON.parse(body);
    if (clientId === 'not mine') return { json: { result: 'ignore' } };
    const user = { ann: 'opensesame', bob: 'hunter22' }[String(username)];
    return { json: { result: user !== undefined && password === user ? 'allow' : 'deny' } };
  });
  const { url } = endpoint;
  return {
    authenticator: () => new HttpAuthenticator({ name: 'http', url, cacheTtlMs }),
    ...USERS,
    foreign: [{ clientId: 'not mine' }],
    dispose: () => endpoint.close(),
  };
}

function chainOf(authenticators: readonly Authenticator[], anonymous: boolean): AuthenticatorChain {
  return new AuthenticatorChain({
    members: authenticators.map((authenticator, i) => ({
      ...{ name: `member ${i}`, authenticator, timeoutMs: 5_000 },
    })),
    ...{ anonymous, clock: SYSTEM_CLOCK, logger: SILENT },
  });
}
