// The routes of the admin API, which the control socket and the HTTP listener serve alike.

import type { FastifyInstance } from 'fastify';
import type { Logger } from '../core/logger.ts';
import type { ServerControl } from '../server/contract.ts';
import { addDropRoutes } from './drop-routes.ts';
import { addExplainRoutes } from './explain-routes.ts';
import { addLogRoutes } from './log-routes.ts';
import { addMetricsRoute } from './metrics-routes.ts';
import { addAccessRoutes, addBanRoutes, addUserRoutes } from './routes.ts';

export function addAllRoutes(app: FastifyInstance, control: ServerControl, logger: Logger): void {
  addUserRoutes(app, control, logger);
  addBanRoutes(app, control, logger);
  addAccessRoutes(app, control);
  addMetricsRoute(app, control);
  addDropRoutes(app, control);
  addLogRoutes(app, control, logger);
  addExplainRoutes(app, control);
}
