// Health for balancers, containers and people: `/livez` says that the loop answers, `/readyz` whether clients should be sent here.
// They are open and say only that; whoever shows a token of a viewer is told why not.

import type { FastifyInstance, FastifyRequest, RouteShorthandOptions } from 'fastify';
import type { HealthControl } from '../server/contract/health.ts';
import { mayDo } from './role.ts';

const ANSWER = {
  type: 'object',
  required: ['status'],
  properties: {
    status: { type: 'string' },
    problems: {
      type: 'array',
      items: {
        type: 'object',
        properties: { name: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
};

export function addHealthRoutes(app: FastifyInstance, health: HealthControl): void {
  const options = (summary: string): RouteShorthandOptions => ({
    config: { isOpen: true, isForAnyHost: true },
    schema: {
      summary,
      tags: ['health'],
      security: [],
      response: { 200: ANSWER, 503: ANSWER },
    },
  });
  const detail = (request: FastifyRequest): object =>
    mayDo(request.identity, 'viewer') ? { problems: health.problems() } : {};
  app.get('/livez', options('Says that the server answers'), async (request) => ({
    status: 'live',
    ...detail(request),
  }));
  app.get(
    '/readyz',
    options('Says whether clients should be sent here'),
    async (request, reply) => {
      const isReady = health.problems().length === 0;
      reply.code(isReady ? 200 : 503);
      return { status: isReady ? 'ready' : 'not ready', ...detail(request) };
    },
  );
}
