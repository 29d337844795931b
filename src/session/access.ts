// Access control as it is now: what a reload replaces as a whole, while the connections live on. Whatever remembers an answer
// remembers the generation with it, so that nobody is judged by rules that are gone.

import type { Authenticator, Authorizer } from '../auth/auth.ts';

export interface AccessRules {
  /** What a v3 client gets for a PUBLISH that it may not send: v5 clients are told (0x87), v3 has no word for it. */
  readonly deniedV3: 'acknowledge' | 'disconnect';
  /** Somebody else comes with the client id of a session: is refused, or the session is discarded. */
  readonly sessionOwner: 'refuse' | 'discard';
  /** Whether topics that begin with `$` are for nobody where there is no authorizer: they are the server's own. */
  readonly reservedTopics: 'closed' | 'open';
  /** Topics whose answers are remembered, per session. */
  readonly decisionsMax: number;
}

export const DEFAULT_ACCESS_RULES: AccessRules = {
  deniedV3: 'acknowledge',
  sessionOwner: 'refuse',
  reservedTopics: 'closed',
  decisionsMax: 256,
};

/** Looks at sessions again; the server does. */
export interface SessionReviewer {
  /** Somebody could not say what the session of this client may have. */
  reviewLater(clientId: string): void;
}

/** May you: of the whole server. */
export class Access {
  /** null: nobody looks again. */
  reviewer: SessionReviewer | null = null;
  #authorizer: Authorizer | null;
  #rules: AccessRules;
  #generation = 1;
  #identities = 1;

  constructor(authorizer: Authorizer | null, rules: Partial<AccessRules> = {}) {
    this.#authorizer = authorizer;
    this.#rules = { ...DEFAULT_ACCESS_RULES, ...rules };
  }

  get authorizer(): Authorizer | null {
    return this.#authorizer;
  }

  /** Whether this topic, or filter, is for nobody. */
  isReserved(topic: string): boolean {
    return (
      this.#authorizer === null && this.#rules.reservedTopics === 'closed' && topic.startsWith('$')
    );
  }

  get rules(): AccessRules {
    return this.#rules;
  }

  /** Another one for each replacement. */
  get generation(): number {
    return this.#generation;
  }

  /** Another one whenever somebody may be somebody else: for each replacement, and when a user was changed. */
  get identities(): number {
    return this.#identities;
  }

  replace(authorizer: Authorizer | null, rules: AccessRules): void {
    this.#authorizer = authorizer;
    this.#rules = rules;
    this.#generation++;
    this.#identities++;
  }

  /** What an authenticator said of clients that are not in yet may not be true any more. */
  userChanged(): void {
    this.#identities++;
  }
}

/** Who are you: of one listener. */
export class Authentication {
  /** null: nobody is asked. */
  authenticator: Authenticator | null;
  /** By which it is found among those of the server; undefined: it is the server's own. */
  name: string | undefined;

  constructor(authenticator: Authenticator | null, name?: string) {
    this.authenticator = authenticator;
    this.name = name;
  }
}
