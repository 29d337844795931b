// The audit line: who asked for which change, from where, and what came of it, which is what its route says. Of a body only plain
// values of names that hold no secret are told, each cut to what a line has room for.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../core/logger.ts';
import { TokenBucket } from '../core/token-bucket.ts';
import { clip } from '../lib/clip.ts';

/** Names of values that nobody may see, in any spelling. */
const SECRET = /pass|secret|token|key|auth|credential|payload|claims|cookie/i;
const FIELDS_MAX = 16;

/** What is no request that could change something: it is wrong by itself, or one too many. */
const NOT_LOOKED_AT: ReadonlySet<number> = new Set([400, 413, 415, 429]);

/** Lines about strangers whose login was refused, at once and a second. */
const STRANGERS_MAX = 20;
const STRANGERS_PER_SECOND = 1;

export class Audit {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #strangers: TokenBucket;
  /** Strangers who were refused and are not told of. */
  #untold = 0;

  /** `now`: monotonic milliseconds. */
  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
    this.#strangers = new TokenBucket(STRANGERS_PER_SECOND, STRANGERS_MAX, now());
  }

  /**
   * Nothing for questions, dry runs included, and nothing for strangers, who could fill the log: they are counted, and told of when
   * they guess. Of logins that were refused so many are told; the next line has the number of those between.
   */
  write(request: FastifyRequest, reply: FastifyReply): void {
    if (!isChange(request, reply.statusCode)) return;
    if (request.identity !== null || reply.statusCode < 300) {
      this.#logger.info(fieldsOf(request, reply.statusCode), 'a change was asked for');
      return;
    }
    const nowMs = this.#now();
    if (!this.#strangers.has(1, nowMs)) {
      this.#untold++;
      return;
    }
    this.#strangers.take(1);
    const untold = this.#untold > 0 ? { untold: this.#untold } : {};
    this.#untold = 0;
    this.#logger.info(
      { ...fieldsOf(request, reply.statusCode), ...untold },
      'a change was asked for',
    );
  }
}

function isChange(request: FastifyRequest, status: number): boolean {
  const { identity, is404, method, query, body, routeOptions } = request;
  const { isOpen = false, isQuestion = false } = routeOptions.config ?? {};
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return false;
  if (is404 || isQuestion || NOT_LOOKED_AT.has(status)) return false;
  if (isDryRun(query) || isDryRun(body)) return false;
  return identity !== null || isOpen;
}

function fieldsOf(request: FastifyRequest, status: number): object {
  const { identity, isRefused, method, params, query, body, result, routeOptions } = request;
  return {
    who: identity === null ? null : identity.name,
    by: identity === null ? null : identity.kind,
    role: identity === null ? null : identity.role,
    address: request.socket.remoteAddress ?? '',
    action: `${method} ${routeOptions.url}`,
    what: { ...shown(params), ...shown(query), ...shown(body) },
    ...(result !== null && { result }),
    status,
    outcome: isRefused ? 'refused' : outcomeOf(status),
  };
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
