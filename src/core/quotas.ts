// How much a client may do: messages and bytes a second, subscriptions, connections, retained messages, its queue. A rule counts
// each client, each user, each listener or all together (an account); all rules that fit a client apply, so that it has a
// share of several accounts. Whom no rule fits has none, and costs nothing.
//
// An account lives as long as a session that it counts, and then until its tokens are back: else whoever goes and comes again
// would have another burst. Of such accounts the oldest go when there are too many.

import { Timer, type TimerOwner, type TimerWheel } from '../lib/timer-wheel.ts';
import type { Logger } from './logger.ts';
import { Quota, QuotaAccount, type QuotaClient } from './quota-account.ts';
import { type QuotaRule, quotaProblems } from './quota-rules.ts';
import { type QuotaBook, QuotaShare } from './quota-share.ts';
import { RefusalLog } from './refusal-log.ts';
import { RetainedOwners } from './retained-owners.ts';

/** Accounts without sessions that are kept. */
const IDLE_MAX = 65_536;
/** How often they are looked at. */
const SWEEP_MS = 1_000;

export class Quotas implements TimerOwner, QuotaBook {
  /** Says who is over, at a bounded rate. */
  readonly log: RefusalLog;
  /** Whose the retained messages are; null while no rule bounds them. The store of retained messages counts in it. */
  owners: RetainedOwners | null = null;
  /** In force now: another array after every change. */
  rules: readonly QuotaRule[] = [];
  #quotas: readonly Quota[] = [];
  readonly #wheel: TimerWheel;
  readonly #timer = new Timer(this);
  /** Accounts that count no session, the oldest first. */
  readonly #idle = new Set<QuotaAccount>();

  /** Throws RangeError, with everything that is wrong with the rules. */
  constructor(wheel: TimerWheel, logger: Logger, rules: readonly QuotaRule[] = []) {
    this.#wheel = wheel;
    this.log = new RefusalLog(logger, wheel);
    this.setRules(rules);
  }

  /** Nobody has a share of anything. */
  get isEmpty(): boolean {
    return this.#quotas.length === 0;
  }

  /** Accounts that are kept, those included that count no session any more. */
  get accountCount(): number {
    return this.#quotas.reduce((sum, { accounts }) => sum + accounts.size, 0);
  }

  /**
   * Puts other rules in force; false if they are the same as before. Every session then has to join again and leave its
   * former share. Tokens that were used stay used where a rule is for the same clients as before. Throws RangeError, and then
   * nothing has changed.
   */
  setRules(rules: readonly QuotaRule[]): boolean {
    const problems = quotaProblems(rules);
    if (problems.length > 0) {
      const lines = problems.map(({ index, key, message }) => {
        return `quotas[${index}]${key === null ? '' : `.${key}`}: ${message}`;
      });
      throw new RangeError(lines.join('\n'));
    }
    if (JSON.stringify(rules) === JSON.stringify(this.rules)) return false;
    const former = new Map(this.#quotas.map((quota, i) => [idOf(this.rules, i), quota]));
    this.rules = rules.map((rule) => Object.freeze({ ...rule }));
    this.#quotas = this.rules.map((rule, i) => new Quota(rule, i + 1));
    this.#idle.clear();
    this.#quotas.forEach((quota, i) => {
      this.#takeOver(quota, former.get(idOf(this.rules, i)));
    });
    const boundsRetained = this.#quotas.some((quota) => quota.boundsRetained);
    this.owners = boundsRetained ? (this.owners ?? new RetainedOwners()) : null;
    return true;
  }

  /** What a client has by the rules of now, with what it has already; null: no rule fits it. */
  join(client: QuotaClient, subscriptions: number, isConnected: boolean): QuotaShare | null {
    const accounts: QuotaAccount[] = [];
    for (const quota of this.#quotas) {
      if (quota.fits(client)) accounts.push(this.#accountOf(quota, quota.keyOf(client)));
    }
    return accounts.length === 0
      ? null
      : new QuotaShare(this, accounts, subscriptions, isConnected);
  }

  /** The accounts that count such a client, or would: those that are not there yet are made for the asker only. */
  accountsFor(client: QuotaClient): QuotaAccount[] {
    return this.#quotas
      .filter((quota) => quota.fits(client))
      .map((quota) => {
        const key = quota.keyOf(client);
        return quota.accounts.get(key) ?? new QuotaAccount(quota, key, this.#wheel.nowMs, null);
      });
  }

  /**
   * The quota that has its most connections, so that this client may not connect; null if it may. `former` is the share of
   * the session that it takes over.
   */
  fullFor(client: QuotaClient, former: QuotaShare | null): Quota | null {
    for (const quota of this.#quotas) {
      if (!Number.isFinite(quota.connectionsMax) || !quota.fits(client)) continue;
      const account = quota.accounts.get(quota.keyOf(client));
      const isOwn = account !== undefined && former?.isConnectedIn(account) === true;
      const connections = account === undefined ? 0 : account.connections;
      if (connections - (isOwn ? 1 : 0) >= quota.connectionsMax) return quota;
    }
    return null;
  }

  /** It counts no session any more. */
  release(account: QuotaAccount): void {
    if (!this.#quotas.includes(account.quota)) return; // of rules that are not in force any more
    if (account.isFull(this.#wheel.nowMs)) account.quota.accounts.delete(account.key);
    else this.#keep(account);
  }

  /** Forgets the accounts that would be the same if they were new. */
  onTimer(timer: Timer, nowMs: number): void {
    for (const account of this.#idle) if (account.isFull(nowMs)) this.#forget(account);
    if (this.#idle.size > 0) this.#wheel.arm(timer, SWEEP_MS);
  }

  /** Says what it still has to say. */
  close(): void {
    this.#wheel.cancel(this.#timer);
    this.log.close();
  }

  #accountOf(quota: Quota, key: string | null): QuotaAccount {
    const known = quota.accounts.get(key);
    if (known !== undefined) {
      this.#idle.delete(known);
      return known;
    }
    const account = new QuotaAccount(quota, key, this.#wheel.nowMs, null);
    quota.accounts.set(key, account);
    return account;
  }

  /** A rule for the same clients was in force: what they have used, they have used. */
  #takeOver(quota: Quota, former: Quota | undefined): void {
    if (former === undefined) return;
    const { nowMs } = this.#wheel;
    for (const [key, old] of former.accounts) {
      if (old.isFull(nowMs)) continue;
      const account = new QuotaAccount(quota, key, nowMs, old);
      quota.accounts.set(key, account);
      this.#keep(account);
    }
  }

  #keep(account: QuotaAccount): void {
    this.#idle.add(account);
    if (this.#idle.size > IDLE_MAX) {
      for (const oldest of this.#idle) {
        this.#forget(oldest);
        break;
      }
    }
    if (!this.#timer.isArmed) this.#wheel.arm(this.#timer, SWEEP_MS);
  }

  #forget(account: QuotaAccount): void {
    this.#idle.delete(account);
    account.quota.accounts.delete(account.key);
  }
}

/** What makes a rule the same one when its numbers change: whom it is for, and how many such there were before it. */
function idOf(rules: readonly QuotaRule[], index: number): string {
  const of = ({ clientId, username, group, listener, per = 'client' }: QuotaRule) =>
    JSON.stringify([clientId, username, group, listener, per]);
  const own = of(rules[index]);
  const before = rules.slice(0, index).filter((rule) => of(rule) === own);
  return `${before.length} ${own}`;
}
