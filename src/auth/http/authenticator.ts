// Asks an endpoint who a client is. Only its clear "allow" lets anybody in; "deny" refuses, "ignore" asks the next
// authenticator, and everything else is a failure, which refuses with 0x88. docs/http-auth.md is for whoever writes one.
//
// A GET has no body, and a password has no business in a URL, which proxies and servers write to their logs: with GET a client
// that shows a password is not asked about at all, so that nobody is let in whose password nobody has looked at.

import { ReasonCode } from '../../protocol/reason-code.ts';
import { decisionOf } from '../answer.ts';
import type { Authenticator, ConnectRequest, Decision } from '../auth.ts';
import { failureText } from '../failure-log.ts';
import { type HttpOptions, readCa } from './endpoint.ts';
import type { QuestionFields } from './question.ts';
import { type HttpAnswered, type Meaning, Questions } from './questions.ts';
import { type HttpResult, readResult } from './result.ts';

/** What may come with "allow". */
const FIELDS: readonly string[] = ['username', 'groups', 'claims', 'permissions', 'expiresAt'];
/** Whoever says more than this many seconds means milliseconds: it is the year 5138. */
const SECONDS_MAX = 100_000_000_000;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What a question about a client says of its certificate. */
export function certificateFields({ certificate }: ConnectRequest): QuestionFields {
  return {
    certificateSubject: certificate?.subject ?? null,
    certificateUsername: certificate?.username ?? null,
    certificateClientId: certificate?.clientId ?? null,
  };
}

export class HttpAuthenticator implements Authenticator {
  /** It waits in a queue of its own. */
  readonly endsByItself = true;
  readonly #questions: Questions<Decision>;

  /** Reads the file of the authorities, if there is one. Throws AccessError. */
  static async load(
    options: HttpOptions,
    caFile: string | null = null,
  ): Promise<HttpAuthenticator> {
    if (caFile === null) return new HttpAuthenticator(options);
    return new HttpAuthenticator({ ...options, ca: await readCa(caFile) });
  }

  /** Throws AccessError. */
  constructor(options: HttpOptions) {
    this.#questions = new Questions<Decision>(options, (reasonCode, detail) => ({
      reasonCode,
      detail,
    }));
    const { name, place, method, logger } = this.#questions.endpoint;
    if (method === 'POST') return;
    logger.info(
      { name, endpoint: place },
      'the endpoint is asked by GET, which never carries a password: clients that show one are left to other authenticators',
    );
  }

  authenticate(request: ConnectRequest): Decision | Promise<Decision> {
    const { method } = this.#questions.endpoint;
    if (method === 'GET' && request.password !== null) return 'next';
    return this.#questions.ask(
      fieldsOf(request),
      (answered) => this.#read(answered, request),
      () => request.isGone,
      () => request.isUnwelcome === true,
    );
  }

  close(): void {
    this.#questions.close();
  }

  #read(answered: HttpAnswered, { username, password }: ConnectRequest): Meaning<Decision> {
    const result = readResult(answered, FIELDS);
    if (result.result === 'ignore') return { answer: 'next', isNegative: true };
    if (result.result === 'allow') return this.#allow(result, username);
    const isStranger = username !== null || password !== null;
    const reasonCode = isStranger ? ReasonCode.BadUserNameOrPassword : ReasonCode.NotAuthorized;
    const detail = failureText(result.reason ?? 'the endpoint said "deny"', password);
    return { answer: { reasonCode, detail }, isNegative: true };
  }

  #allow({ fields }: HttpResult, username: string | null): Meaning<Decision> {
    const expiresAtMs = millisecondsOf(fields.get('expiresAt'));
    const answer = decisionOf({
      reasonCode: ReasonCode.Success,
      username: fields.get('username') ?? username,
      groups: fields.get('groups'),
      claims: fields.get('claims'),
      permissions: fields.get('permissions'),
      expiresAtMs,
    });
    if (expiresAtMs === undefined) return { answer, isNegative: false };
    const endsInMs = expiresAtMs - this.#questions.endpoint.clock.wallNow();
    if (endsInMs > 0) return { answer, isNegative: false, endsInMs };
    throw new Error('its expiresAt is over already');
  }
}

function fieldsOf(request: ConnectRequest): QuestionFields {
  return {
    question: 'authenticate',
    clientId: request.clientId,
    username: request.username,
    ...passwordFields(request.password),
    protocolVersion: request.protocolVersion,
    remoteAddress: request.remoteAddress,
    listener: request.listener,
    transport: request.transport,
    ...certificateFields(request),
  };
}

/** A password is bytes; mostly they are a text. Whoever overlooks the encoding compares with what no client meant. */
function passwordFields(password: Uint8Array | null): QuestionFields {
  if (password === null) return { password, passwordEncoding: null };
  try {
    return { password: utf8.decode(password), passwordEncoding: 'utf8' };
  } catch {
    return { password: Buffer.from(password).toString('base64'), passwordEncoding: 'base64' };
  }
}

/** `expiresAt` is in seconds since 1970, as `exp` of a token. */
function millisecondsOf(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || value < 0) {
    throw new Error('its expiresAt is not a number of seconds since 1970');
  }
  if (value > SECONDS_MAX) {
    throw new Error('its expiresAt seems to be in milliseconds: seconds since 1970 are expected');
  }
  return value * 1_000;
}
