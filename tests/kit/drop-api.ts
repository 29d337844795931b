// What the admin API says of lost messages of a server in this process.

import Fastify, { type FastifyInstance } from 'fastify';
import { onTestFinished } from 'vitest';
import { addDropRoutes } from '../../src/admin/drop-routes.ts';
import type { DropPage, DropTotals } from '../../src/server/contract/drops.ts';
import type { ServerControl } from '../../src/server/contract.ts';
import { dropControl } from '../../src/server/drop-control.ts';
import type { Server } from '../../src/server/server.ts';

export class DropApi {
  readonly app: FastifyInstance = Fastify({
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  });

  constructor({ drops }: Pick<Server, 'drops'>) {
    addDropRoutes(this.app, { drops: dropControl(drops) } as ServerControl);
    onTestFinished(() => this.app.close());
  }

  async totals(): Promise<DropTotals> {
    return (await this.app.inject('/api/v1/drops/totals')).json();
  }

  async list(query: Record<string, string> = {}): Promise<DropPage> {
    return (await this.app.inject({ url: '/api/v1/drops', query })).json();
  }
}
