// The routes of the admin API, which the control socket and the HTTP listener serve alike.

import type { FastifyInstance } from 'fastify';
import type { Logger } from '../core/logger.ts';
import type { ServerControl } from '../server/contract.ts';
import { addClientRoutes } from './client-routes.ts';
import { addDropRoutes } from './drop-routes.ts';
import { addMetricsRoute } from './metrics-routes.ts';
import { addQueueRoutes } from './queue-routes.ts';
import { addPublishRoute, addRetainedRoutes } from './retained-routes.ts';
import { addAccessRoutes, addBanRoutes, addUserRoutes } from './routes.ts';
import { addServerRoutes } from './server-routes.ts';
import { addSubscriptionRoutes } from './subscription-routes.ts';

export function addAllRoutes(app: FastifyInstance, control: ServerControl, logger: Logger): void {
  addUserRoutes(app, control, logger);
  addBanRoutes(app, control, logger);
  addAccessRoutes(app, control);
  addMetricsRoute(app, control);
  addDropRoutes(app, control);
  addClientRoutes(app, control, logger);
  addSubscriptionRoutes(app, control);
  addRetainedRoutes(app, control, logger);
  addPublishRoute(app, control, logger);
  addQueueRoutes(app, control, logger);
  addServerRoutes(app, control, logger);
}
