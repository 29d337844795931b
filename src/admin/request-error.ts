// A request that is not answered with what it asked for, and how errors become answers: always
// `{ "error": { "code", "message" } }`, the message a sentence for people in which no secret stands.

import type { FastifyError } from 'fastify';
import { ControlError, type ControlProblem } from '../server/contract.ts';

/** What a program can go by. */
export type ErrorCode =
  | ControlProblem
  | 'unauthorized'
  | 'forbidden'
  | 'unsupported'
  | 'too_large'
  | 'too_many';

export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly statusCode: number;
  readonly code: ErrorCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    statusCode: number,
    code: ErrorCode,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.statusCode = statusCode;
    this.code = code;
    this.headers = headers;
  }
}

export interface ErrorAnswer {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

const STATUS: Readonly<Record<ControlProblem, number>> = {
  invalid: 400,
  unknown: 404,
  exists: 409,
  unavailable: 503,
  failed: 500,
};

/** Codes of what the framework refuses by itself. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  404: 'unknown',
  413: 'too_large',
  415: 'unsupported',
};

const NOTHING = {};

export function answerTo(error: FastifyError | ControlError | RequestError): ErrorAnswer {
  const { message } = error;
  if (error instanceof RequestError) {
    return { status: error.statusCode, code: error.code, message, headers: error.headers };
  }
  if (error instanceof ControlError) {
    return { status: STATUS[error.problem], code: error.problem, message, headers: NOTHING };
  }
  const status = error.statusCode ?? 500;
  const code = CODES[status] ?? (status < 500 ? 'invalid' : 'failed');
  return { status, code, message, headers: NOTHING };
}
