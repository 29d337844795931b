// The server's half of SCRAM-SHA-256: RFC 5802, RFC 7677, carried as MQTT 5 §4.12 does. There is no channel binding: `n` and
// `y` are taken, `p=` is refused. A user name that is unknown gets the same answers as a known one, up to the last.

import { randomBytes } from 'node:crypto';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Accepted, AuthExchange, AuthStep, Refused } from '../auth.ts';
import { type ClientFirst, parseClientFinal, parseClientFirst, ScramError } from './messages.ts';
import { saslPrep } from './saslprep.ts';
import { isProof, type ScramSecrets, serverSignature } from './secrets.ts';

export const SCRAM_SHA_256 = 'SCRAM-SHA-256';

/** Those who may log in. */
export interface ScramAccounts {
  /** What the client is shown of a user, who may be unknown: then it is made up, and the same each time. */
  secretsOf(username: string): ScramSecrets;
  /** Who it is that knows the password behind these secrets; or why it is refused, for the log. */
  accept(username: string, secrets: ScramSecrets): Accepted | string;
}

export interface ScramOptions {
  readonly accounts: ScramAccounts;
  /** The only user names that are taken, null for any: of CONNECT or its certificate, and of the identity so far. */
  readonly named: string | null;
  readonly current: string | null;
  /** The refusal of wrong credentials, without `detail`. */
  readonly refusal: Refused;
  /** The server's part of the nonce; default: random. For tests. */
  readonly nonce?: () => string;
}

const NONCE_BYTES = 18;

/** What the client was told, until it answers. */
interface Told {
  readonly first: ClientFirst;
  /** As it was prepared. */
  readonly username: string;
  readonly secrets: ScramSecrets;
  readonly nonce: string;
  readonly serverFirst: string;
}

export class ScramExchange implements AuthExchange {
  readonly #options: ScramOptions;
  #isAsked = false;
  #told: Told | null = null;
  #isOver = false;

  constructor(options: ScramOptions) {
    this.#options = options;
  }

  step(data: Uint8Array | null): AuthStep {
    try {
      return this.#isOver ? refused('the SCRAM exchange is over') : this.#step(data);
    } catch (error) {
      if (!(error instanceof ScramError)) throw error;
      this.#isOver = true;
      return refused(error.message);
    }
  }

  abort(): void {
    this.#isOver = true;
    this.#told = null;
  }

  #step(data: Uint8Array | null): AuthStep {
    if (this.#told !== null) return this.#finish(this.#told, data);
    if (data !== null && data.length > 0) return this.#begin(data);
    if (this.#isAsked) throw new ScramError('the client sent no SCRAM message');
    this.#isAsked = true;
    return { reasonCode: ReasonCode.ContinueAuthentication, data: null }; // RFC 4422 §3.3: it may wait to be asked
  }

  #begin(data: Uint8Array): AuthStep {
    const { accounts, nonce: makeNonce = randomNonce } = this.#options;
    const first = parseClientFirst(data);
    const username = this.#usernameOf(first);
    const secrets = accounts.secretsOf(username);
    const nonce = `${first.nonce}${makeNonce()}`;
    const salt = Buffer.from(secrets.salt).toString('base64');
    const serverFirst = `r=${nonce},s=${salt},i=${secrets.iterations}`;
    this.#told = { first, username, secrets, nonce, serverFirst };
    return { reasonCode: ReasonCode.ContinueAuthentication, data: Buffer.from(serverFirst) };
  }

  /** The name as accounts have it. RFC 5802 §5.1, "n:". */
  #usernameOf({ username, authorizationId }: ClientFirst): string {
    const { named, current } = this.#options;
    const prepared = saslPrep(username);
    if (prepared === null) throw new ScramError('the SCRAM message has an invalid user name');
    if (authorizationId !== null && saslPrep(authorizationId) !== prepared) {
      throw new ScramError('acting as another user is not allowed');
    }
    if (named !== null && named !== prepared) {
      throw new ScramError('the user name of SCRAM is not the one of CONNECT');
    }
    if (current !== null && current !== prepared) {
      throw new ScramError('re-authentication must keep the user name');
    }
    return prepared;
  }

  #finish(told: Told, data: Uint8Array | null): AuthStep {
    const { accounts, refusal } = this.#options;
    const { first, username, secrets, nonce, serverFirst } = told;
    if (data === null) throw new ScramError('the client sent no SCRAM message');
    const final = parseClientFinal(data);
    this.#isOver = true;
    if (final.channelBinding !== Buffer.from(first.gs2Header).toString('base64')) {
      throw new ScramError('the SCRAM message has another GS2 header than the first one');
    }
    if (final.nonce !== nonce) {
      throw new ScramError('the SCRAM message has another nonce than the server’s');
    }
    const authMessage = `${first.bare},${serverFirst},${final.withoutProof}`;
    const isRight = isProof(secrets, authMessage, final.proof);
    const accepted = accounts.accept(username, secrets);
    if (typeof accepted === 'string') return { ...refusal, about: username, detail: accepted };
    if (!isRight) {
      const detail = `wrong password of ${JSON.stringify(username)}`;
      return { ...refusal, about: username, detail };
    }
    const signature = serverSignature(secrets, authMessage).toString('base64');
    return { ...accepted, data: Buffer.from(`v=${signature}`) };
  }
}

function randomNonce(): string {
  return randomBytes(NONCE_BYTES).toString('base64');
}

function refused(reasonString: string): Refused {
  return { reasonCode: ReasonCode.NotAuthorized, reasonString };
}
