// Who is there, by a signed token (JWT, RFC 7519) in the password or the user name; or by MQTT 5's enhanced authentication, method
// `JWT`, with the token as Authentication Data, which a client can repeat with a new token before the old one expires.
//
// A token whose signature is not proven good is refused with 0x86, whatever it says; one that is genuine but not for this
// client, server or time with 0x87. A token's text is in no error, log line or detail.

import { type Clock, SYSTEM_CLOCK } from '../../lib/clock.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import { AccessError, type AccessProblem } from '../access-error.ts';
import type {
  Accepted,
  AuthExchange,
  Authenticator,
  AuthStep,
  Client,
  ConnectRequest,
  Decision,
  Refused,
} from '../auth.ts';
import { ClaimFault } from './claims.ts';
import { type ClaimRules, identityOf, type RequiredClaim, readIdentity } from './identity.ts';
import type { JwtKeys } from './keys.ts';
import { refuse } from './refusals.ts';
import { isToken, quoted, readHeader, TokenFault, type TokenHeader } from './token.ts';
import { TokenVerifier } from './token-verifier.ts';
import { type VerifiedIdentity, VerifiedTokens } from './verified-tokens.ts';

/** The Authentication Method (v5). */
const JWT_METHOD = 'JWT';

const LEEWAY_MS = 30_000;
const TOKEN_BYTES_MAX = 16_384;
const VERIFIED_MAX = 10_000;

export interface JwtAuthenticatorOptions {
  /** In the configuration. */
  readonly name: string;
  readonly keys: JwtKeys;
  readonly clock?: Clock;
  readonly issuer: string | null;
  readonly audience: readonly string[];
  /** Default: exp, iss and aud are required. */
  readonly notRequired?: readonly RequiredClaim[];
  /** Default `sub`. A name with dots leads into objects, unless there is a claim of the whole name. */
  readonly usernameClaim?: string;
  /** Must equal the client id; default: a token is for any. */
  readonly clientIdClaim?: string | null;
  /** Default `groups`. */
  readonly groupsClaim?: string;
  /** Default `acl`. */
  readonly aclClaim?: string;
  /** How far clocks may differ; default 30 s. */
  readonly leewayMs?: number;
  /** Default `password`. */
  readonly tokenIn?: 'password' | 'username';
  /** A longer token is refused; default 16,384. */
  readonly tokenBytesMax?: number;
  /** Tokens that are remembered to be good; default 10,000, 0 = none. */
  readonly verifiedMax?: number;
}

/** What a token has to agree with. */
interface Bearer {
  readonly request: ConnectRequest;
  /** The user name that it has to be for; null: anybody's. */
  readonly username: string | null;
}

export class JwtAuthenticator implements Authenticator {
  /** Whatever it waits for ends: a fetch by its timeout, the queue for a signature because it is bounded. */
  readonly endsByItself = true;
  readonly name: string;
  readonly #keys: JwtKeys;
  readonly #clock: Clock;
  readonly #rules: ClaimRules;
  readonly #leewayMs: number;
  readonly #tokenBytesMax: number;
  readonly #tokenIn: 'password' | 'username';
  readonly #verifier: TokenVerifier;
  readonly #verified: VerifiedTokens;
  #generation: number;

  /** Throws AccessError when a claim is required that there is nothing to compare with. */
  constructor(options: JwtAuthenticatorOptions) {
    this.name = options.name;
    this.#keys = options.keys;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#rules = rulesOf(options);
    this.#leewayMs = options.leewayMs ?? LEEWAY_MS;
    this.#tokenBytesMax = options.tokenBytesMax ?? TOKEN_BYTES_MAX;
    this.#tokenIn = options.tokenIn ?? 'password';
    this.#verifier = new TokenVerifier(options.keys);
    this.#verified = new VerifiedTokens(options.verifiedMax ?? VERIFIED_MAX);
    this.#generation = options.keys.generation;
  }

  /** Signatures that were checked so far. */
  get verifications(): number {
    return this.#verifier.verifications;
  }

  authenticate(request: ConnectRequest): Decision | Promise<Decision> {
    if (this.#tokenIn === 'username') {
      return this.#check(request.username ?? '', { request, username: null });
    }
    const username = request.username === '' ? null : request.username;
    return this.#check(textOf(request.password), { request, username });
  }

  /** `username` is who the client is so far, when it re-authenticates: a new token gives it more time, not another name. */
  begin(method: string, request: ConnectRequest, username: string | null): AuthExchange | null {
    if (method !== JWT_METHOD) return null;
    const expected = username ?? (request.username === '' ? null : request.username);
    return { step: (data) => this.#step(textOf(data), { request, username: expected }) };
  }

  /**
   * The same user by the same token, read by the rules of now, as long as its key is one of those of now. Whoever is away shows
   * a token when it comes back.
   */
  review(client: Client, isAway = false): Client | null {
    const { claims, credential } = client;
    if (claims === undefined) return null;
    if (!isAway && (credential === undefined || this.#keys.isGone(credential))) return null;
    try {
      const { username, clientId, groups, permissions } = identityOf(claims, this.#rules);
      const isSame = username === client.username;
      if (!isSame || (clientId !== null && clientId !== client.clientId)) return null;
      return { ...client, groups, permissions };
    } catch (error) {
      if (error instanceof ClaimFault) return null;
      throw error;
    }
  }

  close(): void {
    this.#keys.close();
    this.#verified.clear();
  }

  #step(token: string, bearer: Bearer): AuthStep | Promise<AuthStep> {
    const decision = this.#check(token, bearer);
    return decision instanceof Promise ? decision.then(withoutNext) : withoutNext(decision);
  }

  #check(token: string, bearer: Bearer): Decision | Promise<Decision> {
    this.#forgetOldKeys();
    const isTooLong = token.length > this.#tokenBytesMax;
    const known = isTooLong ? null : this.#verified.get(token);
    if (known !== null) return this.#judge(token, known, bearer);
    let header: TokenHeader | null;
    try {
      header = readHeader(token);
    } catch (error) {
      if (error instanceof TokenFault) return refuse.forged(error.message);
      throw error;
    }
    if (header === null) return 'next';
    if (isTooLong) {
      return refuse.forged(
        `the token has ${token.length} bytes; at most ${this.#tokenBytesMax} are read`,
      );
    }
    return this.#verify(token, header, bearer);
  }

  async #verify(token: string, header: TokenHeader, bearer: Bearer): Promise<Decision> {
    const outcome = await this.#verifier.verify(token, header, bearer.request);
    if (outcome.reasonCode !== undefined) return outcome;
    const keyMark = this.#keys.markOf(outcome.key, header);
    let identity: VerifiedIdentity;
    try {
      identity = { ...readIdentity(outcome.payload, this.#rules), keyMark };
    } catch (error) {
      if (error instanceof ClaimFault) return refuse.unfit(error.message);
      throw error;
    }
    const decision = this.#judge(token, identity, bearer);
    // Unless its key has gone meanwhile; and only what is good for something.
    this.#forgetOldKeys();
    if (isAccepted(decision) && this.#keys.find(header).includes(outcome.key)) {
      this.#verified.add(token, identity);
    }
    return decision;
  }

  /** What a genuine token is good for here and now. */
  #judge(token: string, identity: VerifiedIdentity, { request, username }: Bearer): Decision {
    const nowMs = this.#clock.wallNow();
    const { expiresAtMs, notBeforeMs } = identity;
    const endsMs = expiresAtMs === null ? null : expiresAtMs + this.#leewayMs;
    if (endsMs !== null && nowMs >= endsMs) {
      this.#verified.remove(token);
      return refuse.expired(expiresAtMs ?? endsMs);
    }
    if (notBeforeMs !== null && nowMs < notBeforeMs - this.#leewayMs) {
      return refuse.early(notBeforeMs);
    }
    if (username !== null && username !== identity.username) {
      return refuse.unfit(
        `the token is for the user ${quoted(identity.username)}, but the client is ${isToken(username) ? 'named by a token' : quoted(username)}`,
      );
    }
    if (identity.clientId !== null && identity.clientId !== request.clientId) {
      return refuse.unfit(
        `the token is for the client id ${quoted(identity.clientId)}, but the client is ${quoted(request.clientId)}`,
      );
    }
    return {
      reasonCode: ReasonCode.Success,
      username: identity.username,
      groups: identity.groups,
      claims: identity.claims,
      permissions: identity.permissions,
      credential: identity.keyMark,
      expiresAtMs: endsMs ?? undefined,
    };
  }

  #forgetOldKeys(): void {
    if (this.#generation === this.#keys.generation) return;
    this.#generation = this.#keys.generation;
    this.#verified.clear();
  }
}

function rulesOf(options: JwtAuthenticatorOptions): ClaimRules {
  const { name, issuer, audience, notRequired = [] } = options;
  const problems: AccessProblem[] = [];
  const missing = (key: string, claim: RequiredClaim) =>
    problems.push({
      file: null,
      line: null,
      message: `authenticator ${JSON.stringify(name)}: ${key} is missing: say what the claim ${claim} of tokens has to be, or that it is not required (not_required = ["${claim}"])`,
    });
  if (issuer === null && !notRequired.includes('iss')) missing('issuer', 'iss');
  if (audience.length === 0 && !notRequired.includes('aud')) missing('audience', 'aud');
  if (problems.length > 0) throw new AccessError(problems);
  return {
    issuer,
    audience,
    notRequired,
    usernameClaim: options.usernameClaim ?? 'sub',
    clientIdClaim: options.clientIdClaim ?? null,
    groupsClaim: options.groupsClaim ?? 'groups',
    aclClaim: options.aclClaim ?? 'acl',
  };
}

/** A token is ASCII; whatever else comes is none, and stays none in this reading. */
function textOf(bytes: Uint8Array | null): string {
  return bytes === null
    ? ''
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function isAccepted(decision: Decision): decision is Accepted {
  return decision !== 'next' && decision.reasonCode === ReasonCode.Success;
}

function withoutNext(decision: Decision): Accepted | Refused {
  return decision === 'next' ? refuse.forged('the Authentication Data is no token') : decision;
}
