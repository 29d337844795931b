// The routes about retained messages, and the one that publishes.

import type { FastifyInstance } from 'fastify';
import type { PublishRequest } from '../server/contract/management.ts';
import type { ServerControl } from '../server/contract.ts';
import { FLAG, numberOf, type PageQuery, pageOf, pageQuery, query, wholeNumber } from './paging.ts';
import { about, body, text } from './route.ts';
import { answers, pageOfItems, shape, TEXT_OR_NULL } from './shapes.ts';

const TAG = 'retained';
const NAME = text(65_535, 1);
/** Bytes of a payload that are shown. */
const PAYLOAD_DEFAULT = 4_096;
const PAYLOAD_MAX = 1_048_576;

const LISTED = {
  topic: 'string',
  qos: 'number',
  payloadBytes: 'number',
  size: 'number',
  by: {
    type: ['object', 'null'],
    properties: { clientId: { type: 'string' }, username: { type: TEXT_OR_NULL } },
  },
  receivedAt: 'string',
  expiresAt: TEXT_OR_NULL,
};

const MESSAGE = shape({
  ...LISTED,
  encoding: 'string',
  payload: 'string',
  isClipped: 'boolean',
  properties: { type: 'object', additionalProperties: true },
});

export function addRetainedRoutes(
  app: FastifyInstance,
  { management: { retained } }: ServerControl,
): void {
  app.get<{ Querystring: PageQuery & { filter?: string } }>(
    '/api/v1/retained',
    about('viewer', TAG, 'Lists retained messages, without their payloads', {
      ...pageQuery({ filter: NAME }),
      ...answers(pageOfItems(shape(LISTED))),
    }),
    ({ query }) => retained.list(query.filter ?? null, pageOf(query)),
  );
  app.get<{ Querystring: { topic: string; payloadBytes?: string } }>(
    '/api/v1/retained/message',
    about('operator', TAG, 'Shows a retained message with its payload', {
      ...query({ topic: NAME, payloadBytes: wholeNumber(0, PAYLOAD_MAX) }, ['topic']),
      ...answers(MESSAGE),
    }),
    ({ query: { payloadBytes, topic } }) =>
      retained.get(topic, numberOf(payloadBytes, PAYLOAD_DEFAULT, 0, PAYLOAD_MAX, 'payloadBytes')),
  );
  app.delete<{ Querystring: { filter: string; dryRun?: 'true' | 'false' } }>(
    '/api/v1/retained',
    about('operator', TAG, 'Removes the retained messages that match a filter', {
      ...query({ filter: NAME, dryRun: FLAG }, ['filter']),
      ...answers(shape({ messages: 'number' })),
    }),
    async (request) => {
      const { filter, dryRun } = request.query;
      const removed = await retained.delete(filter, dryRun === 'true');
      request.result = { ...removed };
      return removed;
    },
  );
}

const QOS = { type: 'integer', minimum: 0, maximum: 2, default: 0 };
const ENCODING = { type: 'string', enum: ['utf8', 'base64'], default: 'utf8' };
const PROPERTIES = {
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    payloadFormatIndicator: { type: 'integer', minimum: 0, maximum: 1 },
    messageExpiryInterval: { type: 'integer', minimum: 0, maximum: 0xffff_ffff },
    contentType: text(65_535),
    responseTopic: text(65_535),
    correlationData: text(87_380),
    userProperties: {
      type: 'array',
      maxItems: 100,
      items: { type: 'array', minItems: 2, maxItems: 2, items: text(65_535) },
    },
  },
};

export function addPublishRoute(app: FastifyInstance, { management }: ServerControl): void {
  app.post<{ Body: PublishRequest }>(
    '/api/v1/publish',
    about('operator', 'messages', 'Publishes a message, which comes from no client', {
      ...body(['topic', 'payload'], {
        ...{ topic: NAME, payload: text(1_048_576), encoding: ENCODING, qos: QOS },
        ...{ retain: { type: 'boolean', default: false }, properties: PROPERTIES },
      }),
      ...answers(shape({ subscribers: 'number', isRetained: 'boolean' })),
    }),
    async (request) => {
      const published = await management.publish(request.body);
      request.result = { ...published };
      return published;
    },
  );
}
