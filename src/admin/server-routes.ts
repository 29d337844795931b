// The routes about the server itself: what it is, its listeners, its store, its configuration, and draining it.

import type { FastifyInstance } from 'fastify';
import type { DrainRequest } from '../server/contract/management.ts';
import type { ServerControl } from '../server/contract.ts';
import { about, body } from './route.ts';
import { answers, COUNTS, listOf, NUMBER_OR_NULL, shape, TEXT_OR_NULL } from './shapes.ts';

const TAG = 'server';
const DAY_MS = 86_400_000;

const INFO = shape({
  version: 'string',
  runtime: 'string',
  pid: 'number',
  platform: 'string',
  startedAt: 'string',
  uptimeMs: 'number',
  state: 'string',
  protocolVersions: listOf({ type: 'string' }),
  features: { type: 'object', additionalProperties: { type: 'boolean' } },
});

const LISTENER = shape({
  url: 'string',
  name: 'string',
  state: 'string',
  connections: 'number',
  halfConnected: 'number',
  refusals: COUNTS,
  certificateLeftDays: NUMBER_OR_NULL,
  crlLeftDays: NUMBER_OR_NULL,
});

const STORE = shape({
  type: 'string',
  folder: TEXT_OR_NULL,
  isFailing: 'boolean',
  disk: { type: ['object', 'null'], additionalProperties: { type: 'number' } },
});

const STATS = shape({
  ...{ connections: 'number', halfConnected: 'number' },
  ...{ sessions: 'number', sessionsConnected: 'number' },
  ...{ subscriptions: 'number', sharedSubscriptions: 'number' },
  ...{ retainedMessages: 'number', retainedBytes: 'number' },
  ...{ queuedMessages: 'number', queuedBytes: 'number', inflightMessages: 'number' },
  dropped: COUNTS,
});

const OVERLOAD = shape({
  level: { type: 'number', minimum: 0, maximum: 3, description: '0: nothing is done without' },
  cause: { type: ['string', 'null'], enum: ['memory', 'heap', 'loop_lag', null] },
  since: TEXT_OR_NULL,
  ...{ residentBytes: 'number', memoryBytes: 'number', memoryMaxBytes: 'number' },
  ...{ heapBytes: 'number', heapMaxBytes: 'number' },
  ...{ loopLagMs: 'number', loopLagMaxMs: 'number', pausedPublishers: 'number' },
});

const DRAIN = shape({
  isDraining: 'boolean',
  since: TEXT_OR_NULL,
  serverReference: TEXT_OR_NULL,
  disconnected: 'number',
  left: 'number',
});

const CONFIG = listOf(
  shape({ path: 'string', value: 'string', origin: 'string', isReloaded: 'boolean' }),
);

export function addServerRoutes(app: FastifyInstance, control: ServerControl): void {
  const { server } = control.management;
  app.get(
    '/api/v1/server',
    about('viewer', TAG, 'Says what this server is, and for how long it has run', answers(INFO)),
    () => server.info(),
  );
  app.get('/api/v1/stats', about('viewer', TAG, 'Counts everything, now', answers(STATS)), () =>
    server.stats(),
  );
  app.get(
    '/api/v1/overload',
    about('viewer', TAG, 'Says how much there is to do, and whether something is shed for that', {
      ...answers(OVERLOAD),
    }),
    () => server.overload(),
  );
  app.get(
    '/api/v1/listeners',
    about('viewer', TAG, 'Lists the listeners, and how each is doing', answers(listOf(LISTENER))),
    () => server.listeners(),
  );
  app.get(
    '/api/v1/store',
    about('viewer', TAG, 'Says what is stored, and how the store is doing', answers(STORE)),
    () => server.store(),
  );
  app.get(
    '/api/v1/config',
    about('admin', TAG, 'Lists the configuration in force, and who said what', answers(CONFIG)),
    () => server.config(),
  );
  addDrainRoutes(app, server);
}

function addDrainRoutes(app: FastifyInstance, server: ServerControl['management']['server']): void {
  app.get(
    '/api/v1/server/drain',
    about('viewer', TAG, 'Says whether the server is being drained', answers(DRAIN)),
    () => server.drainState(),
  );
  app.post<{ Body: DrainRequest }>(
    '/api/v1/server/drain',
    about('admin', TAG, 'Lets nobody in any more, and sends away who is here', {
      ...body([], {
        overMs: { type: 'integer', minimum: 0, maximum: DAY_MS, default: 60_000 },
        serverReference: {
          type: ['string', 'null'],
          minLength: 1,
          maxLength: 1_000,
          default: null,
        },
        isPermanent: { type: 'boolean', default: false },
      }),
      ...answers(DRAIN),
    }),
    async (request) => {
      const state = await server.drain(request.body);
      request.result = { left: state.left };
      return state;
    },
  );
  app.delete(
    '/api/v1/server/drain',
    about('admin', TAG, 'Lets clients in again', answers(DRAIN)),
    async (request) => {
      const { disconnected, left } = await server.undrain();
      request.result = { disconnected, left };
      return server.drainState();
    },
  );
}
