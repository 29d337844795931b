// The routes of the admin API, which the control socket and the HTTP listener serve alike.

import type { FastifyInstance } from 'fastify';
import type { ServerControl } from '../server/contract.ts';
import { addClientRoutes } from './client-routes.ts';
import { addDropRoutes } from './drop-routes.ts';
import { addEventRoutes } from './event-routes.ts';
import { addExplainRoutes } from './explain-routes.ts';
import { addHealthRoutes } from './health-routes.ts';
import { addLogRoutes } from './log-routes.ts';
import { addLoginRoutes } from './login-routes.ts';
import { addMetricsRoute } from './metrics-routes.ts';
import { addReferenceRoutes } from './openapi.ts';
import { addQueueRoutes } from './queue-routes.ts';
import { addPublishRoute, addRetainedRoutes } from './retained-routes.ts';
import { addAccessRoutes, addBanRoutes, addUserRoutes } from './routes.ts';
import { addServerRoutes } from './server-routes.ts';
import { addSubscriptionRoutes } from './subscription-routes.ts';
import { addTokenRoutes } from './token-routes.ts';

/** After `describeRoutes`. */
export function addAllRoutes(app: FastifyInstance, control: ServerControl): void {
  addHealthRoutes(app, control.health);
  addEventRoutes(app, control);
  addReferenceRoutes(app);
  addTokenRoutes(app, control.tokens);
  addLoginRoutes(app, control.logins);
  addUserRoutes(app, control);
  addBanRoutes(app, control);
  addAccessRoutes(app, control);
  addMetricsRoute(app, control);
  addDropRoutes(app, control);
  addLogRoutes(app, control);
  addClientRoutes(app, control);
  addSubscriptionRoutes(app, control);
  addRetainedRoutes(app, control);
  addPublishRoute(app, control);
  addQueueRoutes(app, control);
  addServerRoutes(app, control);
  addExplainRoutes(app, control);
}
