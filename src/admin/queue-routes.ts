// The routes about the queue of a client.

import type { FastifyInstance } from 'fastify';
import type { ServerControl } from '../server/contract.ts';
import { CLIENT_ID } from './client-routes.ts';
import { FLAG, type PageQuery, pageOf, pageQuery, query } from './paging.ts';
import { about } from './route.ts';
import { answers, NUMBER_OR_NULL, pageOfItems, shape, TEXT_OR_NULL } from './shapes.ts';

const TAG = 'queues';

const MESSAGE = shape({
  position: 'number',
  topic: 'string',
  size: 'number',
  qos: NUMBER_OR_NULL,
  isShared: 'boolean',
  receivedAt: TEXT_OR_NULL,
  expiresAt: TEXT_OR_NULL,
});

interface OfClient {
  readonly Params: { readonly clientId: string };
}

export function addQueueRoutes(
  app: FastifyInstance,
  { management: { queues } }: ServerControl,
): void {
  app.get<OfClient & { Querystring: PageQuery }>(
    '/api/v1/clients/:clientId/queue',
    about('viewer', TAG, 'Lists what waits for a client, the next first, without payloads', {
      params: CLIENT_ID,
      ...pageQuery({}),
      ...answers(pageOfItems(MESSAGE)),
    }),
    ({ params, query }) => queues.peek(params.clientId, pageOf(query)),
  );
  app.delete<OfClient & { Querystring: { dryRun?: 'true' | 'false' } }>(
    '/api/v1/clients/:clientId/queue',
    about('operator', TAG, 'Drops what waits for a client; what is in flight stays', {
      params: CLIENT_ID,
      ...query({ dryRun: FLAG }),
      ...answers(shape({ messages: 'number' })),
    }),
    async (request) => {
      const { params, query } = request;
      const cleared = await queues.clear(params.clientId, query.dryRun === 'true');
      request.result = { ...cleared };
      return cleared;
    },
  );
}
