// How a route of the admin API is described: who may ask, what it does, what must come with it, and what it says of a change.

import type { FastifyContextConfig, FastifySchema } from 'fastify';
import type { Role } from './role.ts';

/** What came of a change: how many, who, of what kind; nothing secret. */
type ChangeResult = Readonly<Record<string, string | number | boolean | null>>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** It changes nothing, though it is no GET: it has no audit line. */
    readonly isQuestion?: boolean;
  }

  interface FastifyRequest {
    /** null: there is nothing to say of it. */
    result: ChangeResult | null;
    /** What was asked for was not done, though the answer is no error. */
    isRefused: boolean;
  }
}

export interface About {
  readonly config: FastifyContextConfig;
  readonly schema: FastifySchema;
}

/** Nothing, and what is said all the same is refused: whoever asks for a dry run where there is none must not get the real one. */
const NO_QUERY = { querystring: { type: 'object', additionalProperties: false, properties: {} } };

/** Who may ask, and what the route does, in a sentence. */
export function about(role: Role, tag: string, summary: string, schema: FastifySchema = {}): About {
  return { config: { role }, schema: { summary, tags: [tag], ...NO_QUERY, ...schema } };
}

/** The same of a route that changes nothing, though it is no GET, since what is asked has no place in a URL. */
export function question(...described: Parameters<typeof about>): About {
  const { config, schema } = about(...described);
  return { config: { ...config, isQuestion: true }, schema };
}

export function body(required: readonly string[], properties: object): FastifySchema {
  return { body: { type: 'object', additionalProperties: false, required, properties } };
}

/** The schema of a text of so many characters. */
export function text(maxLength: number, minLength = 0): object {
  return { type: 'string', minLength, maxLength };
}
