// The page for Prometheus. It stands where scrapers look for it, not under /api.

import type { FastifyInstance } from 'fastify';
import { ControlError, type ServerControl } from '../server/contract.ts';
import { renderPage } from './metrics/page.ts';
import { about } from './route.ts';

export function addMetricsRoute(app: FastifyInstance, { metrics }: ServerControl): void {
  const { config, schema } = about('viewer', 'metrics', 'Shows the metrics for Prometheus', {
    querystring: {}, // whatever a scraper is configured to say
  });
  app.get(
    '/metrics',
    { config: { ...config, openOnLoopback: true }, schema },
    async (request, reply) => {
      if (metrics === null) {
        throw new ControlError(
          'unavailable',
          'metrics are switched off (enabled in [metrics], or --no-metrics)',
        );
      }
      const { contentType, text } = await renderPage(metrics, request.headers.accept ?? '');
      return reply.type(contentType).send(text);
    },
  );
}
