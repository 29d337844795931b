// The socket by which commands reach a running server: HTTP with JSON on a unix socket in the data folder, which only the
// server's own user may open. Its routes are those of the admin API.

import { once } from 'node:events';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import type { Logger } from '../core/logger.ts';
import { ControlError, type ControlProblem, type ServerControl } from '../server/contract.ts';
import { addAllRoutes } from './all-routes.ts';

export interface ControlSocketOptions {
  readonly control: ServerControl;
  readonly logger: Logger;
  /** Calls `listen` so that the socket's file comes to be where it belongs, with the mode it must have. */
  bind(listen: (path: string) => void): Promise<void>;
}

const STATUS: Readonly<Record<ControlProblem, number>> = {
  invalid: 400,
  unknown: 404,
  exists: 409,
  unavailable: 503,
  failed: 500,
};

/** Bytes of a request. */
const BODY_MAX = 1_048_576;
/** Characters of a name in a URL: of 65,535 bytes, each of which may take three there. */
const NAME_MAX = 200_000;
/** Bytes of a request's head, which has such a name in it. */
const HEAD_MAX = NAME_MAX + 16_384;
/** Time that those have who are being answered when it ends. */
const CLOSE_MS = 2_000;

export class ControlSocket {
  readonly #app: FastifyInstance;

  private constructor(app: FastifyInstance) {
    this.#app = app;
  }

  /** Rejects when it cannot listen. */
  static async open({ control, logger, bind }: ControlSocketOptions): Promise<ControlSocket> {
    const answerError = (error: FastifyError, reply: FastifyReply): FastifyReply => {
      const { code, status, message } = answerTo(error);
      if (status === 500) logger.error({ error: message }, 'a command for the server failed');
      return reply.code(status).send({ error: { code, message } });
    };
    const app = Fastify({
      bodyLimit: BODY_MAX,
      http: { maxHeaderSize: HEAD_MAX },
      routerOptions: { maxParamLength: NAME_MAX },
      // What a request does not say right is not taken for something else, and not left out: a flag that is misspelt least of all.
      ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
      frameworkErrors: (error, _request, reply) => answerError(error, reply),
    });
    app.setErrorHandler<FastifyError>((error, _request, reply) => answerError(error, reply));
    app.setNotFoundHandler((request, reply) => {
      const message = `there is no ${request.method} ${request.url.slice(0, 200)}`;
      return reply.code(404).send({ error: { code: 'unknown', message } });
    });
    addAllRoutes(app, control, logger);
    await app.ready();
    const { server } = app;
    const listening = once(server, 'listening');
    await Promise.all([bind((path) => server.listen(path)), listening]);
    server.unref(); // it keeps no process alive
    return new ControlSocket(app);
  }

  /** Nobody is let in any more; those who are being answered have some time yet. */
  async close(): Promise<void> {
    const { server } = this.#app;
    const closed = once(server, 'close');
    server.close();
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
    await closed;
    clearTimeout(timer);
    await this.#app.close();
  }
}

function answerTo(error: FastifyError | ControlError): {
  readonly code: string;
  readonly status: number;
  readonly message: string;
} {
  const { message } = error;
  if (error instanceof ControlError) {
    return { code: error.problem, status: STATUS[error.problem], message };
  }
  const status = error.statusCode ?? 500;
  return { code: status < 500 ? 'invalid' : 'failed', status, message };
}
