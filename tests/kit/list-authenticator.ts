// The simplest authenticator that does all of the contract: a list of who may, at once or later, and a method of its own in two
// rounds: the client says who it is, is sent a number, and sends the number back behind its password.

import type {
  AuthExchange,
  Authenticator,
  AuthStep,
  Client,
  ConnectRequest,
  Decision,
} from '../../src/auth/auth.ts';
import type { EnhancedClient, KnownClient } from '../../src/contracts/authenticator-place.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';

const METHOD = 'NUMBER';
const REFUSED = { reasonCode: ReasonCode.BadUserNameOrPassword } as const;

export class ListAuthenticator implements Authenticator {
  /** One who is on every list that has `ann` with the password `opensesame`. */
  static readonly enhanced: EnhancedClient = {
    method: METHOD,
    request: {},
    username: 'ann',
    client: () => (challenge) =>
      Buffer.from(challenge === null ? 'ann' : `opensesame${Buffer.from(challenge)}`),
  };

  readonly #passwords: Map<string, string>;
  readonly #isAsync: boolean;
  #number = 0;

  constructor(known: readonly KnownClient[], isAsync: boolean) {
    this.#passwords = new Map(
      known.map(({ request }) => [request.username ?? '', textOf(request.password ?? null)]),
    );
    this.#isAsync = isAsync;
  }

  authenticate({ username, password }: ConnectRequest): Decision | Promise<Decision> {
    return this.#say(() => {
      if (username === null || password === null) return 'next';
      if (this.#passwords.get(username) !== textOf(password)) return REFUSED;
      return { reasonCode: ReasonCode.Success, username };
    });
  }

  /** Whoever is on the list is who he was. */
  review(client: Client): Client | null | Promise<Client | null> {
    return this.#say(() => (this.#passwords.has(client.username ?? '') ? client : null));
  }

  /** Nobody of this name is let in any more. */
  remove(username: string): void {
    this.#passwords.delete(username);
  }

  begin(method: string, _request: ConnectRequest, username: string | null): AuthExchange | null {
    if (method !== METHOD) return null;
    let claimed: string | null = null;
    const number = String(this.#number++);
    return {
      step: (data) =>
        this.#say((): AuthStep => {
          if (claimed === null) {
            claimed = textOf(data);
            if (username !== null && claimed !== username) return REFUSED;
            return { reasonCode: ReasonCode.ContinueAuthentication, data: Buffer.from(number) };
          }
          const password = this.#passwords.get(claimed);
          if (password === undefined || textOf(data) !== password + number) return REFUSED;
          return { reasonCode: ReasonCode.Success, username: claimed };
        }),
    };
  }

  #say<T>(answer: () => T): T | Promise<T> {
    if (!this.#isAsync) return answer();
    return new Promise((resolve) => setImmediate(() => resolve(answer())));
  }
}

function textOf(bytes: Uint8Array | null): string {
  return Buffer.from(bytes ?? []).toString('latin1');
}
