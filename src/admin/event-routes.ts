// Live events, as server-sent events: what a dashboard shows without asking again and again.

import type { FastifyInstance } from 'fastify';
import { type Clock, SYSTEM_CLOCK } from '../lib/clock.ts';
import type { ServerControl } from '../server/contract.ts';
import { EventFeed, READERS_MAX } from './event-feed.ts';
import { RequestError } from './request-error.ts';
import { about } from './route.ts';

export function addEventRoutes(
  app: FastifyInstance,
  { events }: Pick<ServerControl, 'events'>,
  clock: Clock = SYSTEM_CLOCK,
): void {
  const feed = new EventFeed(events, clock);
  app.addHook('preClose', async () => feed.close());
  app.get(
    '/api/v1/events',
    {
      ...about('viewer', 'events', 'Tells what happens, as server-sent events'),
      exposeHeadRoute: false,
    },
    async (request, reply) => {
      if (feed.size >= READERS_MAX) {
        const message = `${READERS_MAX} read events already, which is the most`;
        throw new RequestError(429, 'too_many', message, { 'retry-after': '60' });
      }
      const { raw } = reply;
      raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      reply.hijack();
      raw.on('error', () => {}); // it is closed then, too
      raw.on('close', () => feed.remove(raw));
      feed.add(raw);
      app.longAnswers.watch(request, raw, () => {
        feed.remove(raw);
        raw.end();
      });
    },
  );
}
