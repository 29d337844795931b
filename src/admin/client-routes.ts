// The routes about clients: who is there, what is known of one, ending a connection or a session.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ClientFilter, KickOutcome, KickRequest } from '../server/contract/management.ts';
import type { ServerControl } from '../server/contract.ts';
import { FLAG, numberOf, type PageQuery, pageOf, pageQuery, query, wholeNumber } from './paging.ts';
import { about, body, text } from './route.ts';
import { answers, listOf, NUMBER_OR_NULL, pageOfItems, shape, TEXT_OR_NULL } from './shapes.ts';
import { SUBSCRIPTION } from './subscription-routes.ts';

const TAG = 'clients';
const NAME = text(65_535, 1);
export const CLIENT_ID = { type: 'object', required: ['clientId'], properties: { clientId: NAME } };
const OFFLINE_MAX = 1_000;
/** Years. */
const AWAY_FOR_MS_MAX = 1e12;

const LISTED = {
  clientId: 'string',
  username: TEXT_OR_NULL,
  state: 'string',
  protocolVersion: 'number',
  address: TEXT_OR_NULL,
  listener: TEXT_OR_NULL,
  connectedAt: TEXT_OR_NULL,
  disconnectedAt: TEXT_OR_NULL,
  sessionExpiryInterval: NUMBER_OR_NULL,
  subscriptions: 'number',
  queuedMessages: 'number',
  queuedBytes: 'number',
  inflightMessages: 'number',
};

const DETAIL = shape({
  ...LISTED,
  groups: listOf({ type: 'string' }),
  authenticator: TEXT_OR_NULL,
  connection: { type: ['object', 'null'], additionalProperties: true },
  will: { type: ['object', 'null'], additionalProperties: true },
  queue: shape({ messagesMax: 'number', bytesMax: 'number', policy: 'string', qos0: 'boolean' }),
  inboundInflightMessages: 'number',
  quotas: listOf({ type: 'object', additionalProperties: true }),
  subscriptionList: listOf(SUBSCRIPTION),
});

const KICKED = shape({
  clientId: 'string',
  wasConnected: 'boolean',
  sessionEnded: 'boolean',
  messages: 'number',
});

const OFFLINE = shape({
  clientId: 'string',
  username: TEXT_OR_NULL,
  disconnectedAt: 'string',
  awayForMs: 'number',
  queuedMessages: 'number',
  queuedBytes: 'number',
  fill: 'number',
});

const PURGED = shape({
  sessions: 'number',
  messages: 'number',
  items: listOf(shape({ clientId: 'string', disconnectedAt: 'string', queuedMessages: 'number' })),
});

interface OfClient {
  readonly Params: { readonly clientId: string };
}

export function addClientRoutes(
  app: FastifyInstance,
  { management: { clients } }: ServerControl,
): void {
  app.get<{ Querystring: ClientFilter & PageQuery }>(
    '/api/v1/clients',
    about('viewer', TAG, 'Lists clients, connected and away, in the order of their ids', {
      ...pageQuery({
        state: { type: 'string', enum: ['connected', 'away'] },
        ...{ clientId: NAME, username: NAME, address: text(100, 1), listener: NAME },
      }),
      ...answers(pageOfItems(shape(LISTED))),
    }),
    ({ query: { limit, after, ...filter } }) => clients.list(filter, pageOf({ limit, after })),
  );
  app.get<OfClient>(
    '/api/v1/clients/:clientId',
    about('viewer', TAG, 'Tells all about a client but its secrets', {
      ...{ params: CLIENT_ID },
      ...answers(DETAIL),
    }),
    ({ params }) => clients.get(params.clientId),
  );
  app.get<{ Querystring: { order?: 'bytes' | 'age'; limit?: string } }>(
    '/api/v1/sessions/offline',
    about(
      'viewer',
      TAG,
      'Lists the sessions of clients that are away, the largest or oldest first',
      {
        ...query({
          order: { type: 'string', enum: ['bytes', 'age'] },
          limit: wholeNumber(1, OFFLINE_MAX),
        }),
        ...answers(listOf(OFFLINE)),
      },
    ),
    ({ query: { order = 'bytes', limit } }) =>
      clients.offline(order, numberOf(limit, 20, 1, OFFLINE_MAX, 'limit')),
  );
  addEndingRoutes(app, clients);
}

function addEndingRoutes(
  app: FastifyInstance,
  clients: ServerControl['management']['clients'],
): void {
  const done = (request: FastifyRequest, outcome: KickOutcome): KickOutcome => {
    const { clientId: _, ...result } = outcome; // it is in what was asked for
    request.result = result;
    return outcome;
  };
  app.post<OfClient & { Body: KickRequest }>(
    '/api/v1/clients/:clientId/kick',
    about('operator', TAG, 'Disconnects a client, and ends its session if that is asked for', {
      params: CLIENT_ID,
      ...body([], {
        reasonCode: { type: 'integer', minimum: 0, maximum: 255, default: 0x98 },
        reasonString: { type: ['string', 'null'], maxLength: 1_000, default: null },
        serverReference: { type: ['string', 'null'], maxLength: 1_000, default: null },
        endSession: { type: 'boolean', default: false },
      }),
      ...answers(KICKED),
    }),
    async (request) => done(request, await clients.kick(request.params.clientId, request.body)),
  );
  app.delete<{ Querystring: { forMs: string; dryRun?: 'true' | 'false' } }>(
    '/api/v1/sessions/offline',
    about('operator', TAG, 'Ends the sessions of clients that have been away for so long', {
      ...query({ forMs: wholeNumber(1_000, AWAY_FOR_MS_MAX), dryRun: FLAG }, ['forMs']),
      ...answers(PURGED),
    }),
    async (request) => {
      const { dryRun, forMs } = request.query;
      const awayForMs = numberOf(forMs, 0, 1_000, AWAY_FOR_MS_MAX, 'forMs');
      const purged = await clients.purge(awayForMs, dryRun === 'true');
      request.result = { sessions: purged.sessions, messages: purged.messages };
      return purged;
    },
  );
  app.delete<OfClient>(
    '/api/v1/clients/:clientId/session',
    about('operator', TAG, 'Ends the session of a client, which is disconnected if it is here', {
      ...{ params: CLIENT_ID },
      ...answers(KICKED),
    }),
    async (request) =>
      done(request, await clients.kick(request.params.clientId, { endSession: true })),
  );
}
