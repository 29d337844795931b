// Questions to one endpoint, answered from memory where they were asked before. What is not an answer is never remembered.

import { ReasonCode } from '../../protocol/reason-code.ts';
import { failureText } from '../failure-log.ts';
import { AnswerCache } from './answer-cache.ts';
import { HttpClient, type HttpOutcome } from './client.ts';
import { type HttpEndpoint, type HttpOptions, httpEndpoint } from './endpoint.ts';
import { type QuestionFields, questionOf, questionText } from './question.ts';

/** Answers that came with a larger body are not remembered: ten thousand of them would fill the memory. */
const REMEMBERED_BYTES_MAX = 4_096;

export type HttpAnswered = Extract<HttpOutcome, { kind: 'answered' }>;

/** What an endpoint's answer means. */
export interface Meaning<T> {
  readonly answer: T;
  /** It is a no, or no opinion. */
  readonly isNegative: boolean;
  /** How long it is true; default: as long as it may be remembered. */
  readonly endsInMs?: number;
}

/** The codes of a question that was not answered. */
export type FailureCode = typeof ReasonCode.ServerUnavailable | typeof ReasonCode.ServerBusy;

export class Questions<T> {
  readonly endpoint: HttpEndpoint;
  readonly #client: HttpClient;
  readonly #cache: AnswerCache<T>;
  readonly #failed: (code: FailureCode, detail: string) => T;

  /** `failed` makes an answer of a failure. Throws AccessError. */
  constructor(options: HttpOptions, failed: (code: FailureCode, detail: string) => T) {
    this.endpoint = httpEndpoint(options);
    const { cacheTtlMs: ttlMs, cacheMax: entriesMax, clock } = this.endpoint;
    this.#client = new HttpClient(this.endpoint);
    this.#cache = new AnswerCache({ ttlMs, entriesMax, clock });
    this.#failed = failed;
  }

  /** `read` throws an Error when the endpoint's answer is none. At once if the answer is known. */
  ask(
    fields: QuestionFields,
    read: (answered: HttpAnswered) => Meaning<T>,
    isGone: () => boolean = () => false,
    isUnwelcome: () => boolean = () => false,
  ): T | Promise<T> {
    const text = questionText(this.endpoint, fields);
    const key = this.#cache.keyOf(text);
    return this.#cache.get(key) ?? this.#askEndpoint(text, key, read, isGone, isUnwelcome);
  }

  close(): void {
    this.#client.close();
    this.#cache.clear();
  }

  async #askEndpoint(
    text: string,
    key: string,
    read: (answered: HttpAnswered) => Meaning<T>,
    isGone: () => boolean,
    isUnwelcome: () => boolean,
  ): Promise<T> {
    const { name, place } = this.endpoint;
    const fail = (problem: string, code: FailureCode = ReasonCode.ServerUnavailable): T =>
      this.#failed(code, `${name} (${place}): ${problem}`);
    const question = questionOf(this.endpoint, text);
    const outcome = await this.#client.ask(question, isGone, isUnwelcome);
    if (outcome.kind === 'busy') return fail('it is asked too much', ReasonCode.ServerBusy);
    if (outcome.kind === 'gone') return fail('the client has gone, or was turned away');
    if (outcome.kind === 'failed') return fail(outcome.problem);
    try {
      const { answer, isNegative, endsInMs } = read(outcome);
      if (outcome.body.length <= REMEMBERED_BYTES_MAX) {
        this.#cache.set(key, answer, isNegative, endsInMs);
      }
      return answer;
    } catch (error) {
      const problem = failureText(error);
      this.#client.complain(problem);
      return fail(problem);
    }
  }
}
