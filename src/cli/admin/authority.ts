// Who shows a token, as the admin API asks: one of those that are kept, or of a login. Wrong ones are counted by address, and told
// in the log when they begin to be a guess.

import { TokenPenalties } from '../../auth/tokens/penalties.ts';
import type { Tokens } from '../../auth/tokens/tokens.ts';
import type { Logger } from '../../core/logger.ts';
import type { Identity, TokenAuthority } from '../../server/contract/tokens.ts';
import type { Logins } from './logins.ts';

export class Authority implements TokenAuthority {
  readonly #tokens: Tokens;
  readonly #logins: Logins;
  readonly #penalties: TokenPenalties;
  readonly #logger: Logger;

  constructor(tokens: Tokens, logins: Logins, logger: Logger, penalties = new TokenPenalties()) {
    this.#tokens = tokens;
    this.#logins = logins;
    this.#logger = logger;
    this.#penalties = penalties;
  }

  identify(secret: string, address: string): Identity | null {
    const identity = this.find(secret);
    if (identity !== null) return identity;
    if (this.#penalties.onWrong(address)) {
      const { penaltyMs } = this.#penalties;
      const message = 'admin API: too many wrong tokens came from an address';
      this.#logger.warn({ address, penaltyMs }, message);
    }
    return null;
  }

  find(secret: string): Identity | null {
    const token = this.#tokens.find(secret);
    if (token !== null) return { kind: 'token', name: token.name, role: token.role };
    return this.#logins.find(secret);
  }

  isPenalized(address: string): boolean {
    return this.#penalties.has(address);
  }
}
