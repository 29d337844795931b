// The tokens of the admin API, and who may do what with them: plain values.

export const TOKEN_ROLES = ['viewer', 'operator', 'admin'] as const;
/** Each may do what those before it may. */
export type TokenRole = (typeof TOKEN_ROLES)[number];

/** Never the token itself: nobody has it but who got it. */
export interface ControlledToken {
  readonly name: string;
  readonly role: TokenRole;
  /** Who made it: `start`, `cli`, `api`, `file`. */
  readonly origin: string;
  /** ISO 8601 */
  readonly createdAt: string;
  /** ISO 8601; null = it does not expire. */
  readonly expiresAt: string | null;
}

export interface NewToken {
  readonly name: string;
  readonly role: TokenRole;
  /** null = it does not expire. */
  readonly expiresInMs: number | null;
}

/** What cannot be done rejects with ControlError. */
export interface TokenControl {
  list(): Promise<readonly ControlledToken[]>;
  /** `secret` is told this once. */
  add(
    token: NewToken,
    origin: 'cli' | 'api',
  ): Promise<{ readonly token: ControlledToken; readonly secret: string }>;
  /** False: there is none. */
  remove(name: string): Promise<boolean>;
}

/** Who asks. */
export interface Identity {
  readonly kind: 'token' | 'user' | 'socket';
  /** Of the token or the user. */
  readonly name: string;
  readonly role: TokenRole;
}

/** Says who shows a token. */
export interface TokenAuthority {
  /** null: nobody; that is counted against the address. */
  identify(secret: string, address: string): Identity | null;
  /** Whose it is now; null: nobody's any more. That is counted against nobody. */
  find(secret: string): Identity | null;
  /** Whether the address showed so many wrong tokens that it is told to wait. Right ones are always served. */
  isPenalized(address: string): boolean;
}

export type LoginOutcome =
  | {
      readonly outcome: 'in';
      readonly secret: string;
      readonly role: TokenRole;
      readonly expiresAt: string;
    }
  /** `wrong`: name or password; `later`: too many have failed, or too much to do; `none`: it has no role here. */
  | { readonly outcome: 'wrong' | 'later' | 'banned' | 'none' };

export interface LoginControl {
  login(who: {
    readonly username: string;
    readonly password: string;
    readonly address: string;
    readonly port: number;
  }): Promise<LoginOutcome>;
}
