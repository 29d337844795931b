// The routes of the log: its levels, others for a while, its last lines and those that come. Who may change a level may make a
// server write much; who may read lines sees who connects from where.

import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { LOG_LEVELS, LOG_MODULES } from '../core/log-level.ts';
import type { LogControl, RaiseRequest } from '../server/contract/log.ts';
import type { ServerControl } from '../server/contract.ts';
import { about, body, text } from './route.ts';

const TEN_MINUTES_MS = 600_000;
const DAY_MS = 86_400_000;
const NDJSON = 'application/x-ndjson';
/** Bytes that may wait for somebody who follows and does not read; beyond, that one loses lines. */
const WAITING_MAX = 1_048_576;

const LEVEL = { type: 'string', enum: LOG_LEVELS };
const NULL = { type: 'null' };

const RAISED = {
  type: 'object',
  properties: {
    level: LEVEL,
    module: { anyOf: [{ type: 'string', enum: LOG_MODULES }, NULL] },
    client: { anyOf: [{ type: 'string' }, NULL] },
    expiresAt: { type: 'string' },
  },
};

const STATE = {
  type: 'object',
  properties: {
    level: LEVEL,
    levels: { type: 'object', additionalProperties: LEVEL },
    raised: { type: 'array', items: RAISED },
    lostLines: { type: 'integer' },
  },
};

export function addLogRoutes(app: FastifyInstance, { log }: ServerControl): void {
  app.get(
    '/api/v1/log',
    about('viewer', 'log', 'Says which lines are written', { response: { 200: STATE } }),
    async () => log.state(),
  );
  app.put<{ Body: RaiseRequest }>(
    '/api/v1/log',
    about('admin', 'log', 'Changes a level for a while, of a module or of one client', {
      ...body(['level'], {
        level: LEVEL,
        module: { anyOf: [{ type: 'string', enum: LOG_MODULES }, NULL], default: null },
        client: { anyOf: [text(65_535, 1), NULL], default: null },
        durationMs: { type: 'integer', minimum: 1_000, maximum: DAY_MS, default: TEN_MINUTES_MS },
      }),
      response: { 200: RAISED },
    }),
    async ({ body }) => log.raise(body),
  );
  app.delete(
    '/api/v1/log',
    about('admin', 'log', 'Takes back all levels that were changed for a while', {
      response: { 200: { type: 'object', properties: { reset: { type: 'integer' } } } },
    }),
    async (request) => {
      const reset = log.reset();
      request.result = { reset };
      return { reset };
    },
  );
  app.get<{ Querystring: { last?: string; follow?: string } }>(
    '/api/v1/log/lines',
    {
      ...about(
        'operator',
        'log',
        'The last lines, a JSON object each, and if asked those that come',
        {
          querystring: {
            type: 'object',
            additionalProperties: false,
            properties: {
              last: {
                type: 'string',
                pattern: '^\\d{1,4}$',
                description: 'How many; default 100.',
              },
              follow: { type: 'string', enum: ['true', 'false'] },
            },
          },
        },
      ),
      exposeHeadRoute: false,
    },
    async (request, reply) => {
      const { last = '100', follow = 'false' } = request.query;
      const lines = log.last(Number(last)).join('');
      if (follow === 'false') return reply.type(NDJSON).send(lines);
      const follower = new Follower(log, reply.raw);
      reply.hijack();
      follower.start(lines);
      app.longAnswers.watch(request, reply.raw, () => follower.end());
      return reply;
    },
  );
}

/** Somebody who sees each line as it comes. */
class Follower {
  readonly #response: ServerResponse;
  readonly #leave: () => void;
  #lostLines = 0;

  /** Throws ControlError when too many follow already. */
  constructor(log: LogControl, response: ServerResponse) {
    this.#response = response;
    this.#leave = log.follow((line) => this.#write(line));
    response.on('close', this.#leave);
  }

  end(): void {
    this.#leave();
    this.#response.end();
  }

  start(lines: string): void {
    this.#response.writeHead(200, { 'content-type': NDJSON });
    this.#response.write(lines);
    this.#response.flushHeaders();
  }

  #write(line: string): void {
    const response = this.#response;
    if (response.writableLength > WAITING_MAX) {
      this.#lostLines++;
      return;
    }
    if (this.#lostLines > 0) {
      response.write(`${JSON.stringify({ lostLines: this.#lostLines })}\n`);
      this.#lostLines = 0;
    }
    response.write(line);
  }
}
