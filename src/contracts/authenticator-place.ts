// What the author of an authenticator says of it, so that its contract can be tried.

import type { Authenticator, ConnectRequest } from '../auth/auth.ts';

/** A client that is let in, and as whom. */
export interface KnownClient {
  /** What differs from a v5 client `contract` on loopback that shows nothing. */
  readonly request: Partial<ConnectRequest>;
  readonly username: string | null;
}

/** Somebody who can prove who he is by an enhanced authentication. */
export interface EnhancedClient extends KnownClient {
  readonly method: string;
  /** Begins anew: what the client sends, first with CONNECT (for `null`), then for each challenge. */
  client(): (challenge: Uint8Array | null) => Uint8Array | null | Promise<Uint8Array | null>;
}

export interface AuthenticatorPlace {
  /** One that nobody has asked yet. Called once. */
  authenticator(): Authenticator | Promise<Authenticator>;
  /** Whom it lets in: at least one; two different ones show more. Empty if it knows enhanced authentication only. */
  readonly good: readonly KnownClient[];
  /** Whom it does not let in: an unknown name, a wrong password, what has expired, … At least one. */
  readonly bad: readonly Partial<ConnectRequest>[];
  /** Whom it passes on, because they show nothing that it could judge. */
  readonly foreign?: readonly Partial<ConnectRequest>[];
  /** It lets in who shows nothing, as nobody. */
  readonly letsAnonymousIn?: boolean;
  readonly enhanced?: EnhancedClient;
  /**
   * The first of `good` loses the right to come in: the user is removed, has another password, …; the others keep it. Returns
   * the authenticator that is asked from then on, which may be the same. For one that has `review`; absent: nobody loses it.
   */
  withdraw?(authenticator: Authenticator): Authenticator | Promise<Authenticator>;
  /** After the authenticator was closed. */
  dispose?(): void | Promise<void>;
}
