// The routes about subscriptions and topics.

import type { FastifyInstance } from 'fastify';
import type { SubscriptionFilter } from '../server/contract/management.ts';
import type { ServerControl } from '../server/contract.ts';
import { type PageQuery, pageOf, pageQuery } from './paging.ts';
import { about, text } from './route.ts';
import { answers, NUMBER_OR_NULL, pageOfItems, shape, TEXT_OR_NULL } from './shapes.ts';

const TAG = 'subscriptions';
const NAME = text(65_535, 1);

export const SUBSCRIPTION = shape({
  clientId: 'string',
  topicFilter: 'string',
  shareName: TEXT_OR_NULL,
  qos: 'number',
  grantedQos: 'number',
  noLocal: 'boolean',
  retainAsPublished: 'boolean',
  retainHandling: 'number',
  subscriptionIdentifier: NUMBER_OR_NULL,
  access: 'string',
});

const TOPIC = shape({
  topic: 'string',
  subscriptions: 'number',
  sharedSubscriptions: 'number',
  isRetained: 'boolean',
});

export function addSubscriptionRoutes(
  app: FastifyInstance,
  { management: { subscriptions } }: ServerControl,
): void {
  app.get<{ Querystring: SubscriptionFilter & PageQuery }>(
    '/api/v1/subscriptions',
    about('viewer', TAG, 'Lists subscriptions, by client id and then by filter', {
      ...pageQuery({ clientId: NAME, topicFilter: NAME }),
      ...answers(pageOfItems(SUBSCRIPTION)),
    }),
    ({ query: { limit, after, ...filter } }) =>
      subscriptions.list(filter, pageOf({ limit, after })),
  );
  app.get<{ Querystring: PageQuery & { topic: string } }>(
    '/api/v1/subscriptions/matching',
    about('viewer', TAG, 'Lists the subscriptions that a message of a topic would match', {
      ...pageQuery({ topic: NAME }, ['topic']),
      ...answers(pageOfItems(SUBSCRIPTION)),
    }),
    ({ query }) => subscriptions.matching(query.topic, pageOf(query)),
  );
  app.get<{ Querystring: PageQuery & { prefix?: string } }>(
    '/api/v1/topics',
    about('viewer', TAG, 'Lists filters that are subscribed to and topics that are retained', {
      ...pageQuery({ prefix: text(65_535) }),
      ...answers(pageOfItems(TOPIC)),
    }),
    ({ query }) => subscriptions.topics(query.prefix ?? '', pageOf(query)),
  );
}
