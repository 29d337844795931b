// All tokens of the admin API: kept in memory, where every request asks for them, and in a table of the store. A change counts
// when it is durable. What a token says is compared with all of them, in the same time for any.

import { timingSafeEqual } from 'node:crypto';
import { type Clock, SYSTEM_CLOCK } from '../../lib/clock.ts';
import {
  decodeToken,
  encodeToken,
  hashOf,
  newSecret,
  type Token,
  type TokenRole,
  tokenNameProblem,
} from './token.ts';

export const TOKENS_MAX = 1_000;

/** Where tokens are stored: the table `tokens`. */
export interface TokenTable {
  load(): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]>;
  /** Resolves when it is durable. */
  put(key: string, value: Uint8Array): Promise<void>;
  remove(key: string): Promise<void>;
}

const TOKEN = 'token:';
/** There has been a first token once, so that none is made by itself any more. */
const BEGUN = 'begun';

export type TokenProblem = 'invalid' | 'exists' | 'full';

/** The token cannot be made; the message is a sentence for people. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
  readonly problem: TokenProblem;

  constructor(problem: TokenProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}

export interface TokenRequest {
  readonly name: string;
  readonly role: TokenRole;
  readonly origin: string;
  /** null = it does not expire. */
  readonly expiresInMs: number | null;
  /** Default: a new one. */
  readonly secret?: string;
}

export class Tokens {
  readonly #clock: Clock;
  /** null: they end with the process. */
  #table: TokenTable | null = null;
  readonly #tokens = new Map<string, Token>();
  /** Of this process only: a token that somebody else keeps. */
  readonly #lent: Token[] = [];
  #hasBegun = false;
  /** Changes, one after the other. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock;
  }

  /** Reads the table, and keeps tokens there from now on. Returns what cannot be read: nobody comes in by that. */
  async load(table: TokenTable | null): Promise<readonly string[]> {
    this.#table = table;
    const problems: string[] = [];
    for (const { key, value } of (await table?.load()) ?? []) {
      if (key === BEGUN) this.#hasBegun = true;
      if (!key.startsWith(TOKEN)) continue;
      const token = decodeToken(value);
      if (typeof token === 'string') problems.push(`the stored token "${key}": ${token}`);
      else this.#tokens.set(token.name, token);
    }
    return problems;
  }

  /** Whether there has been a first token, removed or not. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** From now on none is made by itself. */
  async begin(): Promise<void> {
    await this.#table?.put(BEGUN, new Uint8Array([1]));
    this.#hasBegun = true;
  }

  /** Makes a token; its secret is told this once. Throws TokenError, or as the table does; then nothing has changed. */
  add(request: TokenRequest): Promise<{ readonly token: Token; readonly secret: string }> {
    return this.#change(async () => {
      const { name, role, origin, expiresInMs, secret = newSecret() } = request;
      const problem = tokenNameProblem(name);
      if (problem !== null) throw new TokenError('invalid', problem);
      const createdAtMs = this.#clock.wallNow();
      const former = this.#tokens.get(name);
      if (former !== undefined && !isOver(former, createdAtMs)) {
        throw new TokenError('exists', `there is a token ${JSON.stringify(name)} already`);
      }
      if (former === undefined && this.#tokens.size >= TOKENS_MAX) {
        const message = `there are ${TOKENS_MAX} tokens, which is the most: remove some`;
        throw new TokenError('full', message);
      }
      const expiresAtMs = expiresInMs === null ? null : createdAtMs + expiresInMs;
      const token = { name, role, origin, createdAtMs, expiresAtMs, hash: hashOf(secret) };
      await this.#table?.put(TOKEN + name, encodeToken(token));
      this.#tokens.set(name, token);
      return { token, secret };
    });
  }

  /** A token of role admin whose secret stands elsewhere; it is not stored. */
  lend(name: string, secret: string): void {
    const createdAtMs = this.#clock.wallNow();
    const rest = { origin: 'file', createdAtMs, expiresAtMs: null, hash: hashOf(secret) };
    this.#lent.push({ name, role: 'admin', ...rest });
  }

  /** Null if there is none of this name. Throws as the table does. */
  remove(name: string): Promise<Token | null> {
    return this.#change(async () => {
      const token = this.#tokens.get(name);
      if (token === undefined) return null;
      await this.#table?.remove(TOKEN + name);
      this.#tokens.delete(name);
      return token;
    });
  }

  /** Those that count, the oldest first. */
  list(): Token[] {
    const nowMs = this.#clock.wallNow();
    return [...this.#lent, ...this.#tokens.values()]
      .filter((token) => !isOver(token, nowMs))
      .sort((a, b) => a.createdAtMs - b.createdAtMs);
  }

  /** Whose secret this is; null: nobody's, or its time is over. */
  find(secret: string): Token | null {
    const shown = Buffer.from(hashOf(secret), 'hex');
    let found: Token | null = null;
    for (const tokens of [this.#lent, this.#tokens.values()]) {
      for (const token of tokens) {
        if (timingSafeEqual(shown, Buffer.from(token.hash, 'hex'))) found = token;
      }
    }
    return found === null || isOver(found, this.#clock.wallNow()) ? null : found;
  }

  #change<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changing.then(change);
    this.#changing = changed.catch(() => {}); // whoever asked is told
    return changed;
  }
}

function isOver({ expiresAtMs }: Token, nowMs: number): boolean {
  return expiresAtMs !== null && expiresAtMs <= nowMs;
}
