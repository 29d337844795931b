// Is a token's signature good? A few are checked at a time, and each by a few keys only. When none fits, the key may be one that
// the issuer has made since: then its set is fetched, and what is new there gets one try.

import { compactVerify, errors } from 'jose';
import type { ConnectRequest, Refused } from '../auth.ts';
import type { JwtAlgorithm } from './algorithms.ts';
import type { JwtKey } from './key.ts';
import type { JwtKeys } from './keys.ts';
import { refuse } from './refusals.ts';
import { Slots } from './slots.ts';
import { quoted, type TokenHeader } from './token.ts';

/** libuv's pool has four threads, which the store's commits need, too. */
const PARALLEL = 2;
const WAITING_MAX = 10_000;
/** Keys that are tried for one token, where it does not name its own. */
const TRIES_MAX = 8;

/** A token that one of the keys has signed. */
export interface Genuine {
  readonly payload: Uint8Array;
  readonly key: JwtKey;
  readonly reasonCode?: never;
}

type Outcome = Genuine | Refused;
type Bearer = Pick<ConnectRequest, 'isGone' | 'isUnwelcome'>;

export class TokenVerifier {
  readonly #keys: JwtKeys;
  readonly #slots = new Slots(PARALLEL, WAITING_MAX);
  /** Signatures that were checked. */
  verifications = 0;

  constructor(keys: JwtKeys) {
    this.#keys = keys;
  }

  /** What a genuine token holds, or why it is not known to be one. */
  async verify(token: string, header: TokenHeader, bearer: Bearer): Promise<Outcome> {
    const { algorithm } = header;
    if (!this.#keys.allows(algorithm)) {
      return refuse.forged(`no key is for the algorithm ${quoted(algorithm)}`);
    }
    const keys = this.#keys.find(header);
    const outcome = await this.#tryAll(token, algorithm, keys, bearer);
    if (outcome !== null) return outcome;
    await this.#keys.lookFor(header);
    const newKeys = this.#keys.find(header).filter((key) => !keys.includes(key));
    const second = await this.#tryAll(token, algorithm, newKeys, bearer);
    if (second !== null) return second;
    const problem = this.#keys.problemFor(header);
    if (problem !== null) return refuse.unavailable(`no keys from ${problem}`);
    const name = header.keyId === null ? 'no kid' : `the kid ${quoted(header.keyId)}`;
    return refuse.forged(
      keys.length + newKeys.length > 0
        ? `the signature of the token fits none of its keys (${algorithm}, ${name})`
        : `there is no key for the token (${algorithm}, ${name})`,
    );
  }

  /** null: none of the keys fits. */
  async #tryAll(
    token: string,
    algorithm: JwtAlgorithm,
    keys: readonly JwtKey[],
    bearer: Bearer,
  ): Promise<Outcome | null> {
    if (keys.length === 0) return null;
    if (keys.length > TRIES_MAX) {
      return refuse.forged(
        `${keys.length} keys may have signed the token, more than are tried: let its issuer name the key (kid)`,
      );
    }
    const trying = this.#slots.run(async () => {
      if (bearer.isGone || bearer.isUnwelcome === true) return refuse.unasked();
      for (const key of keys) {
        const genuine = await this.#try(token, algorithm, key);
        if (genuine !== null) return genuine;
      }
      return null;
    });
    return await (trying ?? refuse.busy(`${WAITING_MAX} tokens wait for their signature check`));
  }

  async #try(token: string, algorithm: JwtAlgorithm, key: JwtKey): Promise<Genuine | null> {
    const cryptoKey = key.byAlgorithm.get(algorithm);
    if (cryptoKey === undefined) return null;
    this.verifications++;
    try {
      const { payload } = await compactVerify(token, cryptoKey, { algorithms: [algorithm] });
      return { payload, key };
    } catch (error) {
      // Anything but a verdict on the token is not the client's fault, and is told as what it is.
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }
}
