// How lists are asked for in pages, and what schemas of queries have in common.

import type { FastifySchema } from 'fastify';
import type { PageRequest } from '../server/contract/management.ts';
import { ControlError } from '../server/contract.ts';
import { text } from './route.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
/** A client id and a filter, each of 65,535 bytes. */
const AFTER_MAX = 131_072;

/** As it comes in a URL. */
export interface PageQuery {
  readonly limit?: string;
  readonly after?: string;
}

/** The schema of a query that may have these, and others if a page is asked for. */
export function query(properties: object, required: readonly string[] = []): FastifySchema {
  return { querystring: { type: 'object', additionalProperties: false, required, properties } };
}

export function pageQuery(properties: object, required: readonly string[] = []): FastifySchema {
  return query(
    { ...properties, limit: wholeNumber(1, LIMIT_MAX), after: text(AFTER_MAX) },
    required,
  );
}

/** Texts of a URL are not turned into numbers by the validator, so that none is mistaken for one. */
export function wholeNumber(minimum: number, maximum: number): object {
  const digits = String(maximum).length;
  const description = `A whole number from ${minimum} to ${maximum}`;
  return { type: 'string', pattern: `^\\d{1,${digits}}$`, description };
}

/** Throws ControlError for a limit that is out of range. */
export function pageOf({ after, limit }: PageQuery): PageRequest {
  return {
    after: after ?? null,
    limit: numberOf(limit, LIMIT_DEFAULT, 1, LIMIT_MAX, 'limit'),
  };
}

export function numberOf(
  said: string | undefined,
  byDefault: number,
  minimum: number,
  maximum: number,
  name: string,
): number {
  const value = said === undefined ? byDefault : Number(said);
  if (value >= minimum && value <= maximum) return value;
  throw new ControlError('invalid', `${name} is ${value}, and may be ${minimum} to ${maximum}`);
}

/** A flag in a URL. */
export const FLAG = { type: 'string', enum: ['true', 'false'] };
