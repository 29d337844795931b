// The OpenAPI document, made from what each route says of itself, and a page to read it: plain HTML without a script, which loads
// nothing from anywhere.

import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { PAGE_POLICY, referencePage } from './reference-page.ts';

/** Before any route is added: it looks at each that comes. */
export async function describeRoutes(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'IoTHub admin API',
        description:
          'Errors are { "error": { "code", "message" } }. Each operation names the least role that may ask it: viewer, operator, admin.',
        version,
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: ({ schema, url, route }) => ({
      schema: { ...schema, 'x-role': route.config?.role ?? 'none' },
      url,
    }),
    hideUntagged: true,
  });
}

/** What describes all others. */
export function addReferenceRoutes(app: FastifyInstance): void {
  const config = { role: 'viewer', openOnLoopback: true } as const;
  app.get(
    '/api/v1/openapi.json',
    { config, schema: { summary: 'This description, as OpenAPI 3.1', tags: ['reference'] } },
    async () => app.swagger(),
  );
  app.get(
    '/api/v1/docs',
    { config, schema: { summary: 'This description, as a page', tags: ['reference'] } },
    async (_request, reply) => {
      reply.type('text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY);
      return reply.send(referencePage(app.swagger()));
    },
  );
}
