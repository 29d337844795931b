// An authorizer that cannot do harm by failing: what it throws, a promise that rejects or never settles, and an answer that is
// none refuse with 0x88 and are said in the log. One that answers at once still does, and has no more questions than it had.

import type { QoS } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { explanationOf, subscribeVerdictOf, verdictOf } from './answer.ts';
import type { Authorizer, Client, Explanation, SubscribeVerdict, Verdict } from './auth.ts';
import { closeGuarded, type FailureLog, failureText } from './failure-log.ts';
import { isPending, type Wait } from './waiting.ts';

export interface GuardedAuthorizerOptions {
  /** Its name in the configuration. */
  readonly name: string;
  readonly authorizer: Authorizer;
  readonly wait: Wait;
  readonly log: FailureLog;
}

type Pending<T> = T | Promise<T>;

export class GuardedAuthorizer implements Authorizer {
  readonly name: string;
  readonly rememberMs?: number;
  readonly authorizeConnect?: Authorizer['authorizeConnect'];
  readonly authorizeReceive?: Authorizer['authorizeReceive'];
  readonly mayDeny?: Authorizer['mayDeny'];
  readonly explain?: Authorizer['explain'];
  readonly explainConnect?: Authorizer['explainConnect'];
  readonly #authorizer: Authorizer;
  readonly #wait: Wait;
  readonly #log: FailureLog;
  #closed: Promise<void> | null = null;

  constructor({ name, authorizer, wait, log }: GuardedAuthorizerOptions) {
    this.name = name;
    this.rememberMs = authorizer.rememberMs;
    this.#authorizer = authorizer;
    this.#wait = wait;
    this.#log = log;
    // What is absent means something, so it stays absent.
    if (authorizer.authorizeConnect !== undefined) {
      this.authorizeConnect = (client, request) =>
        this.#ask(client, () => authorizer.authorizeConnect?.(client, request), verdictOf);
    }
    if (authorizer.authorizeReceive !== undefined) {
      this.authorizeReceive = (client, topicName) => this.#receive(client, topicName);
    }
    if (authorizer.mayDeny !== undefined) {
      this.mayDeny = (client, topicFilter) => this.#mayDeny(client, topicFilter);
    }
    if (authorizer.explain !== undefined) {
      this.explain = (client, question) =>
        this.#explain(() => authorizer.explain?.(client, question));
    }
    if (authorizer.explainConnect !== undefined) {
      this.explainConnect = (client, request) =>
        this.#explain(() => authorizer.explainConnect?.(client, request));
    }
  }

  authorizePublish(client: Client, topicName: string, qos: QoS, retain: boolean): Pending<Verdict> {
    return this.#ask(
      client,
      () => this.#authorizer.authorizePublish(client, topicName, qos, retain),
      verdictOf,
    );
  }

  authorizeSubscribe(
    client: Client,
    topicFilter: string,
    qos: QoS,
    shareName: string | null,
  ): Pending<SubscribeVerdict> {
    return this.#ask(
      client,
      () => this.#authorizer.authorizeSubscribe(client, topicFilter, qos, shareName),
      subscribeVerdictOf,
    );
  }

  /** Never rejects. */
  close(): Promise<void> {
    this.#closed ??= closeGuarded(this.name, this.#authorizer, this.#wait, this.#log);
    return this.#closed;
  }

  #ask<T>(
    client: Client,
    ask: () => unknown,
    read: (answer: unknown) => T,
  ): Pending<T | typeof ReasonCode.ServerUnavailable> {
    try {
      const answer = ask();
      return isPending(answer) ? this.#settled(client, answer, read) : read(answer);
    } catch (error) {
      return this.#failed(client, error);
    }
  }

  async #settled<T>(
    client: Client,
    answer: PromiseLike<unknown>,
    read: (answer: unknown) => T,
  ): Promise<T | typeof ReasonCode.ServerUnavailable> {
    try {
      return read(await this.#wait(answer));
    } catch (error) {
      return this.#failed(client, error);
    }
  }

  /** On the way of every message: nobody can wait for it. */
  #receive(client: Client, topicName: string): Verdict {
    try {
      const answer: unknown = this.#authorizer.authorizeReceive?.(client, topicName);
      if (!isPending(answer)) return verdictOf(answer);
      Promise.resolve(answer).catch(() => {}); // whatever it will say is too late
      throw new Error('authorizeReceive returned a promise: it must answer at once');
    } catch (error) {
      return this.#failed(client, error);
    }
  }

  /** What is no answer is none to rely on. */
  #mayDeny(client: Client, topicFilter: string): boolean {
    try {
      const answer: unknown = this.#authorizer.mayDeny?.(client, topicFilter);
      if (typeof answer === 'boolean') return answer;
      if (isPending(answer)) Promise.resolve(answer).catch(() => {});
      throw new Error('mayDeny answered neither true nor false');
    } catch (error) {
      this.#failed(client, error);
      return true;
    }
  }

  async #explain(explain: () => unknown): Promise<Explanation> {
    try {
      // Within a promise, so that what it throws is a rejection.
      const explanation = new Promise<unknown>((resolve) => resolve(explain()));
      return explanationOf(await this.#wait(explanation));
    } catch (error) {
      const reason = `its explain failed: ${failureText(error)}`;
      return { outcome: 'deny', source: this.name, rule: null, file: null, line: null, reason };
    }
  }

  #failed(client: Client, error: unknown): typeof ReasonCode.ServerUnavailable {
    this.#log.warn(
      this.name,
      { authorizer: this.name, error: failureText(error), clientId: client.clientId },
      'an authorizer failed: what it was asked about is refused',
    );
    return ReasonCode.ServerUnavailable;
  }
}
