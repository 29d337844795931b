// Lost messages over the admin API. Their numbers are for everybody who may look; each by itself names clients, topics and the rule
// that refused it, which is as much as `acl/explain` tells, and is for the same people.

import type { FastifyInstance } from 'fastify';
import { DROP_REASON_NAMES } from '../core/drop.ts';
import type { ServerControl } from '../server/contract.ts';
import { about, text } from './route.ts';

const NULLABLE_TEXT = { type: ['string', 'null'] };
const NULLABLE_COUNT = { type: ['integer', 'null'] };
const COUNT = { type: 'integer' };
const TEXT = { type: 'string' };

const TOTALS = object({
  total: COUNT,
  reasons: {
    type: 'array',
    items: object({
      ...{ reason: TEXT, count: COUNT, meaning: TEXT, advice: TEXT },
      concerns: { type: 'string', enum: ['publisher', 'subscriber'] },
    }),
  },
  ledgerMax: COUNT,
});

const DROP = object({
  ...{ id: TEXT, reason: TEXT, clientId: NULLABLE_TEXT, publisher: NULLABLE_TEXT, topic: TEXT },
  ...{ count: COUNT, firstAt: TEXT, lastAt: TEXT },
  ...{ queuedMessages: NULLABLE_COUNT, outputBytes: NULLABLE_COUNT },
  rule: {
    ...object({ by: NULLABLE_TEXT, rule: NULLABLE_TEXT, at: NULLABLE_TEXT, why: NULLABLE_TEXT }),
    nullable: true,
  },
});

const PAGE = object({ items: { type: 'array', items: DROP }, next: NULLABLE_TEXT });

interface DropQuery {
  readonly reason?: string;
  readonly client?: string;
  readonly topic?: string;
  readonly since?: string;
  readonly limit: string;
  readonly after?: string;
}

export function addDropRoutes(app: FastifyInstance, { drops }: ServerControl): void {
  app.get(
    '/api/v1/drops/totals',
    about('viewer', 'drops', 'Counts lost messages by reason, and says what each reason means', {
      response: { 200: TOTALS },
    }),
    () => drops.totals(),
  );
  const lists = about('operator', 'drops', 'Lists the latest lost messages, the latest first', {
    querystring: {
      type: 'object',
      additionalProperties: false,
      properties: {
        reason: { type: 'string', enum: DROP_REASON_NAMES },
        client: { ...text(65_535, 1), description: 'Who sent it, or who would have got it' },
        topic: { ...text(65_535, 1), description: 'A topic filter' },
        since: { type: 'string', format: 'date-time', description: 'Lost at this time or later' },
        limit: { type: 'string', pattern: '^([1-9]\\d{0,2}|1000)$', default: '100' },
        after: { ...text(16, 1), description: 'The `next` of the page before' },
      },
    },
    response: { 200: PAGE },
  });
  app.get<{ Querystring: DropQuery }>('/api/v1/drops', lists, ({ query }) => {
    const { reason = null, client = null, topic = null, since, limit, after = null } = query;
    return drops.list({
      ...{ reason, clientId: client, topicFilter: topic, after },
      sinceMs: since === undefined ? null : Date.parse(since),
      limit: Number(limit),
    });
  });
}

/** The schema of an object of which nothing is left out. */
function object(properties: Readonly<Record<string, object>>): object {
  return { type: 'object', required: Object.keys(properties), properties };
}
