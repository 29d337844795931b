// Who may come and do what, for the whole server: replaced in one moment, by whoever reloads, and then those who are here are
// looked at again. It never opens anything by mistake: a listener whose authenticator is missing lets nobody in.

import { isDeepStrictEqual } from 'node:util';
import type { Authenticator, Authorizer, Client } from '../auth/auth.ts';
import { clipName } from '../lib/clip.ts';
import { Timer, type TimerOwner } from '../lib/timer-wheel.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { type Subscription, SubscriptionAccess } from '../router/subscription.ts';
import {
  Access,
  type AccessRules,
  Authentication,
  DEFAULT_ACCESS_RULES,
  type SessionReviewer,
} from '../session/access.ts';
import { askAgain, grantOf } from '../session/admission.ts';
import type { Connection } from '../session/connection.ts';
import type { Context } from '../session/context.ts';
import { tellFault } from '../session/faults.ts';
import { inTime, isDoubt, isPending, verdictOf } from '../session/parking.ts';
import { reauthorize } from '../session/reauthorize.ts';
import type { Session } from '../session/session.ts';
import type { Registry } from './registry.ts';

export interface AccessOptions {
  /** Of listeners that name none; absent: everybody is let in. */
  readonly authenticator?: Authenticator;
  /** By the names that listeners give. */
  readonly authenticators?: Readonly<Record<string, Authenticator>>;
  /** Absent: everybody may do everything. */
  readonly authorizer?: Authorizer;
  readonly accessRules?: Partial<AccessRules>;
}

/** What a change of access does, or would do, to those who are here. */
export interface AccessReview {
  /** Clients that are disconnected. */
  readonly ended: number;
  /** Subscriptions that get nothing any more and did before, those of clients that are away included. */
  readonly muted: number;
  /** Sessions that were looked at. */
  readonly sessions: number;
}

/** Who asks clients who they are, once listeners have changed: authenticators by their names; undefined is the server's own. */
export interface Doors {
  readonly names: readonly (string | undefined)[];
  /** Of a client that is connected; null: its listener is gone, so that it must go. */
  nameFor(connection: Connection): string | undefined | null;
}

/** Sessions that are looked at in one turn. */
const SLICE = 200;
/** And at a time, where somebody must think: one that hangs holds up nobody but those who hang as well. */
const AT_A_TIME = 20;
/** How often one is looked at again that is somebody else each time. */
const LOOKS_MAX = 3;
/** Until those about whom somebody could not say are looked at again. */
const AGAIN_MS = 10_000;

/** Why a client is ended, for the log. */
const NOT_KNOWN = 'its user, its password, or the way it came in is gone';
const NOT_ALLOWED = 'no rule lets it connect any more';

/** Serves a listener whose authenticator is not there. */
const NOBODY: Authenticator = {
  authenticate: () => ({
    reasonCode: ReasonCode.ServerUnavailable,
    reasonString: 'access control is not ready',
  }),
  review: () => null,
};

export class AccessControl implements SessionReviewer, TimerOwner {
  readonly #context: Context;
  readonly #registry: Registry;
  /** One of each listener that has named its authenticator. */
  readonly #authentications = new Set<Authentication>();
  #options: AccessOptions;
  #review: Promise<AccessReview> = Promise.resolve({ ended: 0, muted: 0, sessions: 0 });
  /** Client ids of sessions that are looked at again. */
  readonly #doubtful = new Set<string>();
  readonly #timer = new Timer(this);

  constructor(context: Context, registry: Registry, options: AccessOptions) {
    this.#context = context;
    this.#registry = registry;
    this.#options = options;
    context.access.reviewer = this;
  }

  /** What asks the clients of a listener who they are, those of now and all that come; it changes when access does. */
  authenticationOf(name: string): Authentication {
    const made = new Authentication(authenticatorOf(this.#options, name), name);
    this.#authentications.add(made);
    return made;
  }

  /** The listener has named another one. */
  rename(authentication: Authentication, name: string | undefined): void {
    authentication.name = name;
    authentication.authenticator = authenticatorOf(this.#options, name);
  }

  /** The listener is gone; its last clients are asked by what there was. */
  forget(authentication: Authentication): void {
    this.#authentications.delete(authentication);
  }

  /** From now on it is like this. Those who are here are looked at after this turn. */
  replace(options: AccessOptions): void {
    this.#options = options;
    const { access, authentication } = this.#context;
    for (const one of [authentication, ...this.#authentications]) {
      one.authenticator = authenticatorOf(options, one.name);
    }
    access.replace(options.authorizer ?? null, { ...DEFAULT_ACCESS_RULES, ...options.accessRules });
    const { generation } = access;
    this.#review = this.#review.then(() => this.#reviewAll(generation));
  }

  /** Resolves when everybody has been looked at. */
  reviewed(): Promise<AccessReview> {
    return this.#review;
  }

  /** Something is different about one user: its clients are looked at as after a replacement. */
  async reviewUser(username: string): Promise<void> {
    this.#context.access.userChanged();
    for (const session of [...this.#registry]) {
      if (session.client.username === username && !session.hasEnded) await this.#reviewOne(session);
    }
  }

  reviewLater(clientId: string): void {
    this.#doubtful.add(clientId);
    if (!this.#timer.isArmed) this.#context.wheel.arm(this.#timer, AGAIN_MS);
  }

  onTimer(): void {
    void this.#reviewDoubtful();
  }

  /** What these options would do to those who are here, those left out whose listener would be gone; changes nothing. */
  async preview(options: AccessOptions, doors: Doors = this.#doors): Promise<AccessReview> {
    const access = new Access(options.authorizer ?? null, options.accessRules);
    let ended = 0;
    let muted = 0;
    let sessions = 0;
    for (const session of [...this.#registry]) {
      if (session.hasEnded) continue;
      if (++sessions % SLICE === 0) await nextTurn();
      const isLeaving = leaves(session, doors);
      if (isLeaving && !session.isDurable) continue;
      const connection = isLeaving ? null : session.connection;
      const authenticators = authenticatorsFor(connection, options, doors);
      const client = await this.#clientOf(session.client, authenticators, connection === null);
      const verdict = await this.#verdictOn(access, client, connection);
      if (connection !== null && isRefused(verdict)) ended++;
      else muted += await this.#countMuted(access, client, session);
    }
    return { ended, muted, sessions };
  }

  async #reviewAll(generation: number): Promise<AccessReview> {
    let ended = 0;
    let muted = 0;
    let sessions = 0;
    await lookAtAll([...this.#registry], async (session) => {
      if (generation !== this.#context.access.generation) return; // the next review looks at everybody
      sessions++;
      if (leaves(session, this.#doors) && !session.isDurable) return;
      const before = mutedIn(session);
      if (await this.#reviewOne(session)) ended++;
      else muted += [...mutedIn(session)].filter((one) => !before.has(one)).length;
    });
    const review = { ended, muted, sessions };
    if (ended + muted > 0) {
      this.#context.logs.access.warn(
        review,
        'access changed: clients were ended or lost subscriptions',
      );
    }
    return review;
  }

  async #reviewDoubtful(): Promise<void> {
    const sessions = [...this.#doubtful].flatMap((clientId) => this.#registry.get(clientId) ?? []);
    this.#doubtful.clear();
    await lookAtAll(sessions, async (session) => {
      await this.#reviewOne(session);
    });
  }

  /** True if its client had to go. */
  async #reviewOne(session: Session, triesLeft = LOOKS_MAX): Promise<boolean> {
    const { client: before } = session;
    const { access } = this.#context;
    const options = this.#options;
    // Who is told to go is away already.
    const connection = leaves(session, this.#doors) ? null : session.connection;
    const authenticators = authenticatorsFor(connection, options, this.#doors);
    const client = await this.#clientOf(before, authenticators, connection === null);
    const verdict = await this.#verdictOn(access, client, connection);
    const isStill = session.connection === connection || leaves(session, this.#doors);
    if (session.hasEnded || !isStill) return false; // looked at when it came
    if (options !== this.#options) return false; // the next review looks at everybody
    const isOther = session.client !== before; // it re-authenticated, or another review was quicker
    if (isDoubt(verdict)) this.reviewLater(session.clientId);
    if (connection !== null && (isRefused(verdict) || (isOther && triesLeft === 0))) {
      const { clientId, username } = session.client;
      const why = client === null ? NOT_KNOWN : NOT_ALLOWED;
      this.#context.refusalLog.info(
        clientId,
        { clientId, username: username === null ? null : clipName(username), why },
        'a client is ended by new access rules',
      );
      connection.disconnect(ReasonCode.NotAuthorized, 'access was changed');
      return true;
    }
    if (isOther) return triesLeft > 0 && this.#reviewOne(session, triesLeft - 1);
    if (client === null) {
      muteAll(session);
      return false;
    }
    if (!isDeepStrictEqual(client, session.client)) {
      if (connection !== null) connection.client = client;
      session.client = client;
      session.applyRules();
      session.record.update();
    }
    session.permissionsChanged();
    await reauthorize(this.#context, session);
    return false;
  }

  /** As they are. */
  get #doors(): Doors {
    return {
      names: [...this.#authentications].map(({ name }) => name),
      nameFor: ({ context, owner }) => (owner.isClosing ? null : context.authentication.name),
    };
  }

  /** Who the client of a session is now; null: it would not be let in. */
  async #clientOf(
    client: Client,
    authenticators: readonly Authenticator[],
    isAway: boolean,
  ): Promise<Client | null> {
    // Of one that is only stored nobody knows how it came; it is looked at when it comes back.
    if (isAway && client.by === undefined) return client;
    for (const authenticator of authenticators) {
      if (authenticator.review === undefined) return client;
      try {
        const reviewed = await this.#inTime(() => authenticator.review?.(client, isAway) ?? null);
        if (reviewed !== null) return reviewed;
      } catch (error) {
        const fields = { error: String(error) };
        tellFault(this.#context, client, fields, 'an authenticator failed to review a client');
      }
    }
    return null;
  }

  /** Whether a client that is connected may be. */
  async #verdictOn(
    { authorizer }: Access,
    client: Client | null,
    connection: Connection | null,
  ): Promise<ReasonCode> {
    if (client === null) return ReasonCode.NotAuthorized;
    const request = connection?.request ?? null;
    if (authorizer?.authorizeConnect === undefined || request === null) return ReasonCode.Success;
    try {
      return verdictOf(await this.#inTime(() => authorizer.authorizeConnect?.(client, request)));
    } catch (error) {
      const fields = { error: String(error) };
      const sentence = 'the authorizer failed on a client that is connected';
      tellFault(this.#context, client, fields, sentence);
      return ReasonCode.ServerUnavailable;
    }
  }

  /** How many subscriptions that get something now would get nothing any more. */
  async #countMuted(access: Access, client: Client | null, session: Session): Promise<number> {
    let muted = 0;
    for (const subscription of [...session.subscriptions]) {
      if (subscription.access === SubscriptionAccess.Muted) continue;
      if (client === null || !(await this.#isGranted(access, client, subscription))) muted++;
    }
    return muted;
  }

  async #isGranted(access: Access, client: Client, subscription: Subscription): Promise<boolean> {
    try {
      const answer = await this.#inTime(() => askAgain(access, client, subscription));
      return typeof grantOf(answer, access.authorizer) === 'object';
    } catch {
      return false;
    }
  }

  #inTime<T>(ask: () => T | PromiseLike<T>): T | Promise<T> {
    const answer = ask();
    return isPending(answer) ? inTime(this.#context, answer) : answer;
  }
}

/** Where nobody asks. */
const ANYBODY: Authenticator = {
  authenticate: ({ username }) => ({ reasonCode: ReasonCode.Success, username }),
};

/** Who asks about the client of a connection; of one that is away all do, since it may come back by any door. */
function authenticatorsFor(
  connection: Connection | null,
  options: AccessOptions,
  { names, nameFor }: Doors,
): Authenticator[] {
  const all = connection === null ? [undefined, ...names] : [nameFor(connection) ?? undefined];
  return all.map((name) => authenticatorOf(options, name) ?? ANYBODY);
}

/** Its client is connected, and must go with its listener. */
function leaves({ connection }: Session, doors: Doors): boolean {
  return connection !== null && doors.nameFor(connection) === null;
}

function authenticatorOf(options: AccessOptions, name: string | undefined): Authenticator | null {
  if (name === undefined) return options.authenticator ?? null;
  return options.authenticators?.[name] ?? NOBODY;
}

/** Nobody who is connected is ended because somebody cannot say: it may do nothing unasked, and is looked at again. */
function isRefused(verdict: ReasonCode): boolean {
  return verdict >= ReasonCode.UnspecifiedError && !isDoubt(verdict);
}

/** Looks at those of them that have not ended, some at a time, and in slices. */
async function lookAtAll(
  sessions: readonly Session[],
  look: (session: Session) => Promise<void>,
): Promise<void> {
  const rest = sessions.values();
  const goOn = async (): Promise<void> => {
    let looks = 0;
    for (const session of rest) {
      if (session.hasEnded) continue;
      if (++looks % (SLICE / AT_A_TIME) === 0) await nextTurn();
      await look(session);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, goOn));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function muteAll(session: Session): void {
  session.subscriptions.judgeAll(
    [...session.subscriptions].map((subscription) => ({
      subscription,
      access: SubscriptionAccess.Muted,
      qosMax: 2,
    })),
  );
  session.permissionsChanged();
}

function mutedIn({ subscriptions }: Session): ReadonlySet<Subscription> {
  const all = [...subscriptions];
  return new Set(all.filter(({ access }) => access === SubscriptionAccess.Muted));
}
