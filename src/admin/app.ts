// The application that answers requests of the admin API, whoever brings them: the control socket or the HTTP listener. A route
// without a role is a mistake of ours that would leave a door open, so that none starts.

import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import type { Logger } from '../core/logger.ts';
import { SYSTEM_CLOCK } from '../lib/clock.ts';
import type { ControlError } from '../server/contract.ts';
import { Audit } from './audit.ts';
import { LongAnswers } from './long-answers.ts';
import { answerTo, RequestError } from './request-error.ts';

/** Bytes of a request. */
const BODY_MAX = 1_048_576;
/** Characters of a name in a URL: of 65,535 bytes, each of which may take three there. */
const NAME_MAX = 200_000;
/** Bytes of a request's head, which has such a name in it. */
export const HEAD_MAX = NAME_MAX + 16_384;

export interface AppOptions {
  readonly logger: Logger;
  /** bytes; default 1 MiB */
  readonly bodyMax?: number;
  /** Monotonic milliseconds; default: those of the system. */
  readonly now?: () => number;
  /** Mistakes of ours are told to nobody but the log. */
  readonly hidesFailures?: boolean;
}

/** Without routes. */
export function createApp(options: AppOptions): FastifyInstance {
  const { logger, bodyMax = BODY_MAX, hidesFailures = false } = options;
  const audit = new Audit(logger, options.now ?? (() => SYSTEM_CLOCK.now()));
  const answerError = (error: AnyError, reply: FastifyReply): FastifyReply => {
    const { code, status, message, headers } = answerTo(error);
    if (status === 500) logger.error({ error: message }, 'a command for the server failed');
    const isOurs = status === 500 && error.name !== 'ControlError';
    const told =
      isOurs && hidesFailures ? 'something failed: the log of the server has it' : message;
    return reply
      .code(status)
      .headers(headers)
      .send({ error: { code, message: told } });
  };
  const app = Fastify({
    bodyLimit: bodyMax,
    http: { maxHeaderSize: HEAD_MAX },
    routerOptions: { maxParamLength: NAME_MAX },
    // What a request does not say right is not taken for something else, and not left out: a flag that is misspelt least of all.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    frameworkErrors: (error, _request, reply) => answerError(error, reply),
  });
  app.removeContentTypeParser('text/plain'); // JSON alone: a form or a plain text of a web page changes nothing
  app.setErrorHandler<AnyError>((error, _request, reply) => answerError(error, reply));
  app.setNotFoundHandler((request, reply) => {
    const message = `there is no ${request.method} ${request.url.split('?', 1)[0].slice(0, 200)}`;
    return reply.code(404).send({ error: { code: 'unknown', message } });
  });
  app.decorateRequest('identity', null);
  app.decorateRequest('isStillLet', null);
  app.decorateRequest('result', null);
  app.decorateRequest('isRefused', false);
  app.decorate('longAnswers', new LongAnswers());
  app.addHook('onRoute', ({ url, config }) => {
    if (config?.role !== undefined || config?.isOpen === true) return;
    throw new Error(`the route ${url} says no role: give it config.role`);
  });
  app.addHook('preValidation', async ({ body, is404, routeOptions }) => {
    if (is404 || body === undefined || body === null) return;
    if (routeOptions.schema?.body !== undefined) return;
    throw new RequestError(400, 'invalid', 'this request has no body: what is asked is in its URL');
  });
  // Before the answer: whoever has it finds the line.
  app.addHook('onSend', async (request, reply) => {
    audit.write(request, reply);
  });
  return app;
}

type AnyError = FastifyError | ControlError | RequestError;
