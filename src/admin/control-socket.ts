// The socket by which commands reach a running server: HTTP with JSON on a unix socket in the data folder, which only the
// server's own user may open. Its routes are those of the admin API, and who opens it may do what an admin may.

import { once } from 'node:events';
import type { FastifyInstance } from 'fastify';
import type { Logger } from '../core/logger.ts';
import type { Identity } from '../server/contract/tokens.ts';
import type { ServerControl } from '../server/contract.ts';
import { addAllRoutes } from './all-routes.ts';
import { createApp } from './app.ts';
import { closeServer } from './closing.ts';
import { describeRoutes } from './openapi.ts';

export interface ControlSocketOptions {
  readonly control: ServerControl;
  readonly logger: Logger;
  /** For the description of the routes. */
  readonly version?: string;
  /** Calls `listen` so that the socket's file comes to be where it belongs, with the mode it must have. */
  bind(listen: (path: string) => void): Promise<void>;
}

const WHO: Identity = { kind: 'socket', name: 'control.sock', role: 'admin' };

export class ControlSocket {
  readonly #app: FastifyInstance;

  private constructor(app: FastifyInstance) {
    this.#app = app;
  }

  /** Rejects when it cannot listen. */
  static async open(options: ControlSocketOptions): Promise<ControlSocket> {
    const { control, logger, version = '0.0.0', bind } = options;
    const app = createApp({ logger });
    app.addHook('onRequest', async (request) => {
      request.identity = WHO;
    });
    await describeRoutes(app, version);
    addAllRoutes(app, control);
    await app.ready();
    const { server } = app;
    const listening = once(server, 'listening');
    await Promise.all([bind((path) => server.listen(path)), listening]);
    server.unref(); // it keeps no process alive
    return new ControlSocket(app);
  }

  /** Nobody is let in any more; those who are being answered have some time yet. */
  async close(): Promise<void> {
    await closeServer(this.#app.server);
    await this.#app.close();
  }
}
