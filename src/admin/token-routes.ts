// The tokens of the admin API: who may make some, what there are, and how one ends. A token is told once, to whom made it.

import type { FastifyInstance } from 'fastify';
import { type NewToken, TOKEN_ROLES, type TokenControl } from '../server/contract/tokens.ts';
import { ControlError } from '../server/contract.ts';
import { about, body, text } from './route.ts';

const TOKEN = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    role: { type: 'string' },
    origin: { type: 'string' },
    createdAt: { type: 'string' },
    expiresAt: { type: ['string', 'null'] },
  },
};
const NAME = { type: 'object', required: ['name'], properties: { name: text(64, 1) } };

export function addTokenRoutes(app: FastifyInstance, tokens: TokenControl): void {
  app.get(
    '/api/v1/tokens',
    about('admin', 'tokens', 'Lists the tokens of the admin API, without their secrets', {
      response: { 200: { type: 'array', items: TOKEN } },
    }),
    () => tokens.list(),
  );
  app.post<{ Body: NewToken }>(
    '/api/v1/tokens',
    about('admin', 'tokens', 'Makes a token, and tells it this once', {
      ...body(['name', 'role'], {
        name: text(64, 1),
        role: { type: 'string', enum: [...TOKEN_ROLES] },
        expiresInMs: { type: ['integer', 'null'], minimum: 1, maximum: 1e13, default: null },
      }),
      response: {
        201: {
          type: 'object',
          properties: { token: TOKEN, secret: { type: 'string' } },
        },
      },
    }),
    async (request, reply) => {
      const origin = request.identity?.kind === 'socket' ? 'cli' : 'api';
      return reply.code(201).send(await tokens.add(request.body, origin));
    },
  );
  app.delete<{ Params: { name: string } }>(
    '/api/v1/tokens/:name',
    about('admin', 'tokens', 'Ends a token', { params: NAME }),
    async ({ params: { name } }, reply) => {
      if (await tokens.remove(name)) return reply.code(204).send();
      throw new ControlError('unknown', `there is no token ${JSON.stringify(name)}`);
    },
  );
}
