// Logging in with the name and password of a user of the store, for people who have no token: what comes back is a token that soon
// expires. Wrong ones count in the same penalty box as those of MQTT.

import type { FastifyInstance } from 'fastify';
import { normalizeAddress } from '../lib/address.ts';
import type { LoginControl, LoginOutcome } from '../server/contract/tokens.ts';
import { RequestError } from './request-error.ts';
import { body, text } from './route.ts';

type Refusal = Exclude<LoginOutcome['outcome'], 'in'>;

const REFUSALS: Readonly<Record<Refusal, () => RequestError>> = {
  wrong: () => new RequestError(401, 'unauthorized', 'the user name or the password is wrong'),
  later: () =>
    new RequestError(429, 'too_many', 'too many logins have failed, or are on their way', {
      'retry-after': '60',
    }),
  banned: () => new RequestError(403, 'forbidden', 'banned'),
  none: () =>
    new RequestError(
      403,
      'forbidden',
      'this user is in no group that may ask the admin API (viewer_groups, operator_groups, admin_groups of [admin])',
    ),
};

export function addLoginRoutes(app: FastifyInstance, logins: LoginControl): void {
  app.post<{ Body: { username: string; password: string } }>(
    '/api/v1/login',
    {
      config: { isOpen: true },
      schema: {
        summary: 'Gives a user of the store a token that soon expires',
        tags: ['tokens'],
        security: [],
        ...body(['username', 'password'], { username: text(65_535, 1), password: text(65_535, 1) }),
        response: {
          200: {
            type: 'object',
            properties: {
              secret: { type: 'string' },
              role: { type: 'string' },
              expiresAt: { type: 'string' },
            },
          },
        },
      },
    },
    async ({ body: { username, password }, socket }) => {
      const { remoteAddress = '', remotePort: port = 0 } = socket;
      const address = normalizeAddress(remoteAddress) ?? remoteAddress;
      const login = await logins.login({ username, password, address, port });
      if (login.outcome !== 'in') throw REFUSALS[login.outcome]();
      const { secret, role, expiresAt } = login;
      return { secret, role, expiresAt };
    },
  );
}
