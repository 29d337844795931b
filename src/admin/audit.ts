// The audit line: who asked for which change, from where, and what came of it, which is what its route says. Of a body only plain values of names that hold no
// secret are told, each cut to what a line has room for.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../core/logger.ts';
import { clip } from '../lib/clip.ts';

/** What came of a change: how many, who, of what kind; nothing secret. */
export type ChangeResult = Readonly<Record<string, string | number | boolean | null>>;

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

/** Names of values that nobody may see, in any spelling. */
const SECRET = /pass|secret|token|key|auth|credential|payload|claims|cookie/i;
const FIELDS_MAX = 16;

/** What is no request that could change something: it is wrong by itself, or one too many. */
const NOT_LOOKED_AT: ReadonlySet<number> = new Set([400, 413, 415, 429]);

/** Nothing for questions, dry runs included, and nothing for strangers, who could fill the log: they are counted, and told of when they guess. */
export function writeAudit(logger: Logger, request: FastifyRequest, reply: FastifyReply): void {
  const { identity, is404, isRefused, method, params, query, body, result, routeOptions } = request;
  const { statusCode } = reply;
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return;
  if (is404 || routeOptions.config?.isQuestion === true) return;
  if (NOT_LOOKED_AT.has(statusCode) || isDryRun(query) || isDryRun(body)) return;
  if (identity === null && routeOptions.config?.isOpen !== true) return;
  const fields = {
    who: identity === null ? null : identity.name,
    by: identity === null ? null : identity.kind,
    role: identity === null ? null : identity.role,
    address: request.socket.remoteAddress ?? '',
    action: `${method} ${routeOptions.url}`,
    what: { ...shown(params), ...shown(query), ...shown(body) },
    ...(result !== null && { result }),
    status: statusCode,
    outcome: isRefused ? 'refused' : outcomeOf(statusCode),
  };
  logger.info(fields, 'a change was asked for');
}

function isDryRun(values: unknown): boolean {
  const { dryRun } = (values ?? {}) as { dryRun?: unknown };
  return dryRun === true || dryRun === 'true';
}

function outcomeOf(status: number): 'done' | 'refused' | 'failed' {
  if (status < 300) return 'done';
  return status < 500 ? 'refused' : 'failed';
}

/** The values that may be told. */
function shown(values: unknown): Readonly<Record<string, string | number | boolean>> {
  const told: Record<string, string | number | boolean> = {};
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return told;
  for (const [name, value] of Object.entries(values).slice(0, FIELDS_MAX)) {
    if (SECRET.test(name)) continue;
    if (typeof value === 'string') told[clip(name, 64)] = clip(value);
    else if (typeof value === 'number' || typeof value === 'boolean') told[clip(name, 64)] = value;
  }
  return told;
}
