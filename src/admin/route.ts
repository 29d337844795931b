// How a route of the admin API is described: who may ask, what it does, and what must come with it.

import type { FastifyContextConfig, FastifySchema } from 'fastify';
import type { Role } from './role.ts';

export interface About {
  readonly config: FastifyContextConfig;
  readonly schema: FastifySchema;
}

/** Who may ask, and what the route does, in a sentence. */
export function about(role: Role, tag: string, summary: string, schema: FastifySchema = {}): About {
  return { config: { role }, schema: { summary, tags: [tag], ...schema } };
}

export function body(required: readonly string[], properties: object): FastifySchema {
  return { body: { type: 'object', additionalProperties: false, required, properties } };
}

/** The schema of a text of so many characters. */
export function text(maxLength: number, minLength = 0): object {
  return { type: 'string', minLength, maxLength };
}
