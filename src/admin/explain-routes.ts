// Why would a message arrive, or not; and what happens now: a trace is lines of JSON that come as long as it runs.

import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { DeliveryQuestion, PublishQuestion } from '../server/contract/explain.ts';
import {
  type OpenTrace,
  TRACE_EVENTS_MAX,
  TRACE_FOR_MS_MAX,
  type TraceRequest,
} from '../server/contract/trace.ts';
import type { ServerControl } from '../server/contract.ts';
import { about, body, question, text } from './route.ts';

/** Bytes of a payload, as far as a packet can have any. */
const SIZE_MAX = 268_435_455;

const QOS = { type: 'integer', minimum: 0, maximum: 2 };
const SIZE = { type: 'integer', minimum: 0, maximum: SIZE_MAX, default: 0 };
const NAME_OR_NULL = { type: ['string', 'null'], maxLength: 65_535, default: null };
const FLAG = { type: 'boolean', default: false };

export function addExplainRoutes(
  app: FastifyInstance,
  { explanations, traces }: ServerControl,
): void {
  app.post<{ Body: PublishQuestion }>(
    '/api/v1/explain/publish',
    question(
      'operator',
      'explain',
      'Says why a message would arrive or not, without publishing it',
      {
        ...body(['topic'], {
          username: NAME_OR_NULL,
          clientId: NAME_OR_NULL,
          groups: { type: 'array', items: text(1_024, 1), maxItems: 1_000, default: [] },
          claims: { type: 'object', default: {} },
          topic: text(65_535, 1),
          qos: { ...QOS, default: 0 },
          retain: FLAG,
          size: SIZE,
        }),
      },
    ),
    ({ body: question }) => explanations.publish(question),
  );
  app.post<{ Body: DeliveryQuestion }>(
    '/api/v1/explain/delivery',
    question('operator', 'explain', 'Says why a client gets messages of a topic or not', {
      ...body(['clientId', 'topic'], {
        clientId: text(65_535, 1),
        topic: text(65_535, 1),
        qos: { ...QOS, default: 2 },
        size: SIZE,
      }),
    }),
    ({ body: question }) => explanations.delivery(question),
  );
  app.post<{ Body: TraceRequest }>(
    '/api/v1/trace',
    about('operator', 'explain', 'Shows what happens as lines of JSON, until it ends', {
      ...body([], {
        clientId: NAME_OR_NULL,
        topic: { ...NAME_OR_NULL, minLength: 1 },
        forMs: { type: 'integer', minimum: 1, maximum: TRACE_FOR_MS_MAX, default: 600_000 },
        max: { type: 'integer', minimum: 1, maximum: TRACE_EVENTS_MAX, default: 10_000 },
        payload: FLAG,
      }),
    }),
    (request, reply) => {
      const trace = traces.open(request.body);
      app.longAnswers.watch(request, reply.raw, () => trace.close());
      // Whatever ends the answer: the reader went, or the server ends.
      reply.raw.once('close', () => trace.close());
      reply.header('content-type', 'application/x-ndjson').header('cache-control', 'no-store');
      return reply.send(Readable.from(linesOf(trace)));
    },
  );
}

/** One chunk after the other: while the reader takes none, what happens is counted and not kept. */
async function* linesOf(trace: OpenTrace): AsyncGenerator<string> {
  for (;;) {
    const lines = await trace.next();
    if (lines === null) return;
    yield lines;
  }
}
