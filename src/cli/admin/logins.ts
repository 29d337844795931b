// Logins of users of the store to the admin API: the same hasher and the same penalty box as for MQTT. A login is a token in memory,
// which counts as long as its user is there, may log in, has the same password and is in a group with a role.

import type { Accepted, ConnectRequest, Refused } from '../../auth/auth.ts';
import type { Guard } from '../../auth/guard/guard.ts';
import { markOf } from '../../auth/passwords/password-hash.ts';
import { hashOf, newSecret } from '../../auth/tokens/token.ts';
import { UsersAuthenticator } from '../../auth/users/users-authenticator.ts';
import type { AdminConfig } from '../../config/admin-config.ts';
import { limitKey } from '../../lib/address.ts';
import { type Clock, SYSTEM_CLOCK } from '../../lib/clock.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type {
  Identity,
  LoginControl,
  LoginOutcome,
  TokenRole,
} from '../../server/contract/tokens.ts';
import type { AccessServices } from '../access/services.ts';

/** Logins at a time: then the oldest ends. */
const LOGINS_MAX = 1_000;
/** Passwords that are looked at at a time, of one address and in all: clients of MQTT need who hashes, too. */
const CHECKS_OF_ADDRESS_MAX = 2;
const CHECKS_MAX = 8;
/** Stands for the client id: nobody else has it, since it is no UTF-8 that MQTT allows. */
const CLIENT_ID = '\u0000admin';

interface Login {
  readonly username: string;
  /** A mark of the password's hash. */
  readonly credential: string;
  readonly expiresAtMs: number;
}

type Groups = Pick<AdminConfig, 'viewerGroups' | 'operatorGroups' | 'adminGroups' | 'loginTtlMs'>;

export interface LoginsOptions {
  readonly config: Groups;
  readonly guard: Guard;
  /** Not before access control is prepared. */
  readonly services: () => AccessServices;
  readonly clock?: Clock;
}

export class Logins implements LoginControl {
  readonly #options: LoginsOptions;
  readonly #clock: Clock;
  /** By the hash of the secret. */
  readonly #logins = new Map<string, Login>();
  /** Addresses whose passwords are being looked at, one for each. */
  readonly #checking: string[] = [];

  constructor(options: LoginsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  async login(who: Parameters<LoginControl['login']>[0]): Promise<LoginOutcome> {
    const { viewerGroups, operatorGroups, adminGroups } = this.#options.config;
    // Where nobody could come in no password is looked at: that would only tell which are right.
    if ([viewerGroups, operatorGroups, adminGroups].every(({ length }) => length === 0)) {
      return { outcome: 'none' };
    }
    const owner = limitKey(who.address);
    const ofAddress = this.#checking.filter((one) => one === owner).length;
    if (ofAddress >= CHECKS_OF_ADDRESS_MAX || this.#checking.length >= CHECKS_MAX) {
      return { outcome: 'later' };
    }
    this.#checking.push(owner);
    try {
      return await this.#check(who);
    } finally {
      this.#checking.splice(this.#checking.indexOf(owner), 1);
    }
  }

  async #check(who: Parameters<LoginControl['login']>[0]): Promise<LoginOutcome> {
    const { guard, services, config } = this.#options;
    const { users: database, hasher } = services();
    if (database === null) return { outcome: 'none' };
    const request = requestOf(who);
    const objection = guard.objection(request);
    if (objection !== null) return { outcome: refusalOf(objection.reasonCode) };
    const authenticator = new UsersAuthenticator({ name: 'admin', database, hasher, cache: null });
    const decision = await authenticator.authenticate(request);
    if (decision === 'next' || !isAccepted(decision)) {
      const code = decision === 'next' ? ReasonCode.BadUserNameOrPassword : decision.reasonCode;
      guard.onRefused(request, code);
      return { outcome: refusalOf(code) };
    }
    const banned = guard.onAccepted(request, who.username);
    if (banned !== null) return { outcome: refusalOf(banned.reasonCode) };
    const role = this.#roleOf(who.username);
    if (role === null) return { outcome: 'none' };
    const secret = newSecret();
    const expiresAtMs = this.#clock.wallNow() + config.loginTtlMs;
    this.#forgetSome();
    const { credential = '' } = decision;
    this.#logins.set(hashOf(secret), { username: who.username, credential, expiresAtMs });
    return { outcome: 'in', secret, role, expiresAt: new Date(expiresAtMs).toISOString() };
  }

  /** Whose login this is, as the user is now; null: nobody's. */
  find(secret: string): Identity | null {
    const hash = hashOf(secret);
    const login = this.#logins.get(hash);
    if (login === undefined) return null;
    const { username, credential, expiresAtMs } = login;
    const user = this.#options.services().users?.find(username) ?? null;
    const isGood = user !== null && !user.isDisabled && markOf(user.hash) === credential;
    const role = this.#roleOf(username);
    if (isGood && role !== null && this.#clock.wallNow() < expiresAtMs) {
      return { kind: 'user', name: username, role };
    }
    this.#logins.delete(hash);
    return null;
  }

  /** The highest that one of its groups has. */
  #roleOf(username: string): TokenRole | null {
    const { viewerGroups, operatorGroups, adminGroups } = this.#options.config;
    const groups = this.#options.services().users?.find(username)?.groups ?? [];
    const isIn = (some: readonly string[]): boolean => groups.some((group) => some.includes(group));
    if (isIn(adminGroups)) return 'admin';
    if (isIn(operatorGroups)) return 'operator';
    return isIn(viewerGroups) ? 'viewer' : null;
  }

  #forgetSome(): void {
    const nowMs = this.#clock.wallNow();
    for (const [hash, { expiresAtMs }] of this.#logins) {
      if (expiresAtMs > nowMs && this.#logins.size < LOGINS_MAX) break;
      this.#logins.delete(hash);
    }
  }
}

function isAccepted(decision: Accepted | Refused): decision is Accepted {
  return decision.reasonCode === ReasonCode.Success;
}

function refusalOf(code: ReasonCode): 'wrong' | 'later' | 'banned' {
  if (code === ReasonCode.Banned) return 'banned';
  const isLater =
    code === ReasonCode.QuotaExceeded ||
    code === ReasonCode.ServerBusy ||
    code === ReasonCode.ServerUnavailable;
  return isLater ? 'later' : 'wrong';
}

/** As the authenticators and the guard of MQTT would see it. */
function requestOf({
  username,
  password,
  address,
  port,
}: Parameters<LoginControl['login']>[0]): ConnectRequest {
  return {
    clientId: CLIENT_ID,
    username,
    password: Buffer.from(password),
    authenticationMethod: null,
    protocolVersion: 5,
    cleanStart: true,
    keepAlive: 0,
    userProperties: [],
    listener: 'admin',
    transport: 'http',
    remoteAddress: address,
    remotePort: port,
    certificate: null,
    isGone: false,
  };
}
