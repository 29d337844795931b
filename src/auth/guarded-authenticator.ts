// An authenticator that cannot do harm by failing: what it throws, a promise that rejects or never settles, and an answer that
// is none refuse the client with 0x88 and are said in the log. One that answers at once still does.

import { ReasonCode } from '../protocol/reason-code.ts';
import { decisionOf, reviewOf, stepOf } from './answer.ts';
import type {
  AuthExchange,
  Authenticator,
  AuthStep,
  Client,
  ConnectRequest,
  Decision,
  Refused,
} from './auth.ts';
import { closeGuarded, type FailureLog, failureText } from './failure-log.ts';
import { isPasswordSource, type PasswordSource } from './passwords/password-source.ts';
import { isPending, type Wait } from './waiting.ts';

export interface GuardedAuthenticatorOptions {
  /** Its name in the configuration. */
  readonly name: string;
  readonly authenticator: Authenticator;
  readonly wait: Wait;
  readonly log: FailureLog;
}

export class GuardedAuthenticator implements Authenticator {
  readonly endsByItself = true;
  readonly name: string;
  readonly #authenticator: Authenticator;
  readonly #source: PasswordSource | null;
  readonly #wait: Wait;
  readonly #log: FailureLog;
  #closed: Promise<void> | null = null;

  constructor({ name, authenticator, wait, log }: GuardedAuthenticatorOptions) {
    this.name = name;
    this.#authenticator = authenticator;
    this.#source = isPasswordSource(authenticator) ? authenticator : null;
    this.#wait = wait;
    this.#log = log;
  }

  authenticate(request: ConnectRequest): Decision | Promise<Decision> {
    try {
      const answer = this.#authenticator.authenticate(request);
      if (!isPending(answer)) return decisionOf(answer);
      return this.#settled(answer, request, decisionOf);
    } catch (error) {
      return this.#failed(error, request);
    }
  }

  begin(method: string, request: ConnectRequest, username: string | null): AuthExchange | null {
    try {
      const exchange = this.#authenticator.begin?.(method, request, username) ?? null;
      if (exchange === null) return null;
      if (typeof exchange.step === 'function') return this.#guard(exchange, request);
      throw new Error('begin did not return an exchange: it has no step');
    } catch (error) {
      const refused = this.#failed(error, request);
      return { step: () => refused };
    }
  }

  get isPasswordSource(): boolean {
    return this.#source !== null;
  }

  /** See `PasswordSource`. */
  get nameCount(): number {
    return this.#source?.nameCount ?? 0;
  }

  /** It looks at passwords, but has none of this name: it need not be asked, and owes a derivation for that. */
  passesOn({ username, password }: ConnectRequest): boolean {
    if (this.#source === null || username === null || password === null) return false;
    try {
      return !this.#source.knowsName(username);
    } catch {
      return false; // it fails when it is asked
    }
  }

  async spend(request: ConnectRequest): Promise<Refused | null> {
    try {
      return (await this.#source?.spend(request)) ?? null;
    } catch (error) {
      return this.#failed(error, request);
    }
  }

  /** Who cannot be reviewed is not let stay. */
  async review(client: Client, isAway: boolean): Promise<Client | null> {
    if (this.#authenticator.review === undefined) return client;
    try {
      return reviewOf(
        await this.#wait(Promise.resolve(this.#authenticator.review(client, isAway))),
        client,
      );
    } catch (thrown) {
      const fields = { authenticator: this.name, error: failureText(thrown) };
      const sentence = 'an authenticator failed to review a client, which is ended';
      this.#log.warn(this.name, { ...fields, clientId: client.clientId }, sentence);
      return null;
    }
  }

  /** Never rejects. */
  close(): Promise<void> {
    this.#closed ??= closeGuarded(this.name, this.#authenticator, this.#wait, this.#log);
    return this.#closed;
  }

  #guard(exchange: AuthExchange, request: ConnectRequest): AuthExchange {
    return {
      step: (data): AuthStep | Promise<AuthStep> => {
        try {
          const answer = exchange.step(data);
          if (!isPending(answer)) return stepOf(answer);
          return this.#settled(answer, request, stepOf);
        } catch (error) {
          return this.#failed(error, request);
        }
      },
      abort: () => {
        try {
          exchange.abort?.();
        } catch (error) {
          this.#failed(error, request);
        }
      },
    };
  }

  async #settled<T>(
    answer: PromiseLike<T>,
    request: ConnectRequest,
    read: (answer: unknown) => T,
  ): Promise<T | Refused> {
    try {
      return read(await this.#wait(answer));
    } catch (error) {
      return this.#failed(error, request);
    }
  }

  #failed(thrown: unknown, request: ConnectRequest): Refused {
    const error = failureText(thrown, request.password);
    this.#log.warn(
      this.name,
      { authenticator: this.name, error, clientId: request.clientId },
      'an authenticator failed: the client is refused',
    );
    return {
      reasonCode: ReasonCode.ServerUnavailable,
      detail: `the authenticator ${this.name} failed: ${error}`,
    };
  }
}
