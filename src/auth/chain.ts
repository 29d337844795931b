// The authenticators of a listener, in order: the first that decides counts, 'next' asks the one after it, and whoever nobody
// knows is refused. A member that fails in any way decides, too: it refuses. Credentials that were shown never make somebody
// anonymous: that is only who comes without user name, password, method and name of a certificate, where that is allowed.
//
// Those who look at passwords spend one derivation on a login together, see `PasswordSource`.
//
// Members may be in the chains of several listeners: whoever made them closes them.

import { type Logger, SILENT } from '../core/logger.ts';
import { type Clock, SYSTEM_CLOCK } from '../lib/clock.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type {
  Accepted,
  AuthExchange,
  Authenticator,
  AuthStep,
  Client,
  ConnectRequest,
  Decision,
  Refused,
} from './auth.ts';
import { FailureLog } from './failure-log.ts';
import { GuardedAuthenticator } from './guarded-authenticator.ts';
import { spenderFor } from './passwords/password-source.ts';
import { isPending, within } from './waiting.ts';

export interface ChainMember {
  /** Its name in the configuration. */
  readonly name: string;
  readonly authenticator: Authenticator;
  /** How long it may take to answer, default 10 s; one that ends by itself may take longer. */
  readonly timeoutMs?: number;
  /** It is asked about clients without any credentials, too, before the rule about anonymous ones. */
  readonly seesAnonymous?: boolean;
}

export interface AuthenticatorChainOptions {
  readonly members: readonly ChainMember[];
  /** Whether clients without credentials are let in, as nobody. */
  readonly anonymous: boolean;
  readonly clock?: Clock;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** What users belong to by the configuration, besides what their authenticator says. */
  readonly groupsOf?: (username: string) => readonly string[];
}

const TIMEOUT_MS = 10_000;

/** What a stranger is told; the same for a name that nobody knows and for a wrong password. */
const WRONG_CREDENTIALS = 'the user name or the password is wrong';

const UNKNOWN: Refused = {
  reasonCode: ReasonCode.BadUserNameOrPassword,
  reasonString: WRONG_CREDENTIALS,
  detail: 'no authenticator knows this client',
};
const NOBODY: Refused = {
  reasonCode: ReasonCode.NotAuthorized,
  reasonString: 'a user name and a password are needed here',
  detail: 'it shows no user name and no password, and anonymous clients are not let in here',
};
const UNPROVEN: Refused = {
  reasonCode: ReasonCode.NotAuthorized,
  detail: 'no authenticator accepts its certificate',
};
const GONE: Refused = {
  reasonCode: ReasonCode.ServerUnavailable,
  detail: 'the client has gone, or was turned away, before it was let in',
};
const EXPIRED: Refused = {
  reasonCode: ReasonCode.NotAuthorized,
  reasonString: 'what the client shows has expired',
};
const ANOTHER: Refused = {
  reasonCode: ReasonCode.NotAuthorized,
  reasonString: 'a re-authentication cannot change the user name',
};
const ANONYMOUS: Accepted = { reasonCode: ReasonCode.Success, username: null, by: '' };

export class AuthenticatorChain implements Authenticator {
  readonly endsByItself = true;
  readonly #members: readonly GuardedAuthenticator[];
  readonly #seeingAnonymous: readonly GuardedAuthenticator[];
  readonly #anonymous: Decision;
  readonly #groupsOf: (username: string) => readonly string[];
  readonly #clock: Clock;
  readonly #log: FailureLog;

  constructor(options: AuthenticatorChainOptions) {
    const { members, anonymous, groupsOf, clock = SYSTEM_CLOCK, logger = SILENT } = options;
    this.#log = new FailureLog(logger, clock);
    const guarded = members.map(
      ({ name, authenticator, timeoutMs = TIMEOUT_MS }) =>
        new GuardedAuthenticator({
          name,
          authenticator,
          wait: (answer) =>
            authenticator.endsByItself === true ? answer : within(answer, timeoutMs, clock),
          log: this.#log,
        }),
    );
    this.#members = guarded;
    this.#seeingAnonymous = guarded.filter((_, i) => members[i].seesAnonymous === true);
    this.#anonymous = anonymous ? ANONYMOUS : NOBODY;
    this.#groupsOf = groupsOf ?? (() => []);
    this.#clock = clock;
  }

  authenticate(request: ConnectRequest): Decision | Promise<Decision> {
    if (!showsNothing(request)) return this.#ask(this.#members, request, refusalOf(request));
    if (this.#seeingAnonymous.length === 0) return this.#anonymous;
    return this.#ask(this.#seeingAnonymous, request, this.#anonymous);
  }

  /** The first member that knows the method has it. [MQTT-4.12.0-1] */
  begin(method: string, request: ConnectRequest, username: string | null): AuthExchange | null {
    for (const member of this.#members) {
      const exchange = member.begin(method, request, username);
      if (exchange !== null) return this.#finishing(exchange, username, member.name);
    }
    return null;
  }

  /** By the member that let it in, which may be another now, or be here no more. */
  async review(client: Client, isAway = false): Promise<Client | null> {
    const { by } = client;
    if (by === '') return this.#anonymous === ANONYMOUS ? client : null;
    const member = this.#members.find(({ name }) => name === by);
    // It is asked about the groups that it said itself; the configured ones are those of now.
    const own = { ...client, groups: client.ownGroups ?? [] };
    const reviewed = await member?.review(own, isAway);
    if (reviewed === undefined || reviewed === null) return null;
    const ownGroups = reviewed.groups ?? [];
    return { ...reviewed, ownGroups, groups: this.#allGroups(client.username, ownGroups) };
  }

  /** Its members live on. */
  close(): void {
    this.#log.close();
  }

  async #ask(
    members: readonly GuardedAuthenticator[],
    request: ConnectRequest,
    otherwise: Decision,
  ): Promise<Decision> {
    const debtors: GuardedAuthenticator[] = [];
    for (const member of members) {
      if (member.passesOn(request)) {
        debtors.push(member);
        continue;
      }
      const decision = await member.authenticate(request);
      if (decision !== 'next') {
        const finished = this.#finished(decision, member.name);
        const isPaid = isAccepted(finished) || member.isPasswordSource;
        return isPaid ? finished : afterSpending(debtors, request, finished);
      }
      if (isLost(request)) return GONE;
    }
    return afterSpending(debtors, request, otherwise);
  }

  #finishing(exchange: AuthExchange, username: string | null, by: string): AuthExchange {
    const finish = (step: AuthStep): AuthStep => {
      if (step.reasonCode === ReasonCode.ContinueAuthentication) return step;
      const isAnother = username !== null && isAccepted(step) && step.username !== username;
      return isAnother ? ANOTHER : this.#finished(step, by);
    };
    return {
      step: (data) => {
        const step = exchange.step(data);
        return isPending(step) ? step.then(finish) : finish(step);
      },
      abort: () => exchange.abort?.(),
    };
  }

  #finished<T extends Accepted>(decision: T | Refused, by: string): T | Refused {
    if (!isAccepted(decision)) return uniform(decision);
    const { username, groups = [], expiresAtMs = Number.POSITIVE_INFINITY } = decision;
    if (expiresAtMs <= this.#clock.wallNow()) return EXPIRED;
    return { ...decision, by, ownGroups: groups, groups: this.#allGroups(username, groups) };
  }

  #allGroups(username: string | null, own: readonly string[]): readonly string[] {
    return username === null ? own : [...new Set([...own, ...this.#groupsOf(username)])];
  }
}

/** The decision, once somebody has spent on the login what it costs where its name is known. */
async function afterSpending(
  debtors: readonly GuardedAuthenticator[],
  request: ConnectRequest,
  decision: Decision,
): Promise<Decision> {
  const { username } = request;
  const spender = username === null ? null : spenderFor(username, debtors);
  if (spender === null) return decision;
  const refused = await spender.spend(request);
  return refused ?? (isLost(request) ? GONE : decision);
}

/** Nobody waits for the answer, or nobody may have it any more. */
function isLost({ isGone, isUnwelcome }: ConnectRequest): boolean {
  return isGone || isUnwelcome === true;
}

function isAccepted<T extends Accepted>(decision: T | Refused): decision is T {
  return decision.reasonCode === ReasonCode.Success;
}

/** By how it is refused nobody learns which names there are: what the authenticator would have said is for the log. */
function uniform(refused: Refused): Refused {
  if (refused.reasonCode !== ReasonCode.BadUserNameOrPassword) return refused;
  const { detail, reasonString } = refused;
  return { ...refused, reasonString: WRONG_CREDENTIALS, detail: detail ?? reasonString };
}

function showsNothing(request: ConnectRequest): boolean {
  const { username, password, authenticationMethod, certificate } = request;
  if (username !== null || password !== null || authenticationMethod !== null) return false;
  return certificate === null || (certificate.username === null && certificate.clientId === null);
}

/** When all pass it on. A user name that its certificate gave is not one that it claimed. */
function refusalOf({ username, password, certificate }: ConnectRequest): Refused {
  const isClaimed = username !== null && (certificate?.username ?? null) === null;
  return password !== null || isClaimed ? UNKNOWN : UNPROVEN;
}
