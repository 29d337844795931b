// What one client has of its quotas: the accounts that count it. It is asked before something is let happen, and takes back all
// that it counted when its session ends or other rules come.

import type { Message, Publisher } from '../protocol/message.ts';
import type { QuotaAccount } from './quota-account.ts';
import type { QuotaOver } from './quota-rules.ts';
import type { RetainedCount, RetainedOwners } from './retained-owners.ts';

/** What `take` says of a message that may not pass, instead of a time. */
const OVER_REFUSE = -1;
export const OVER_DISCONNECT = -2;

const NONE: readonly QuotaAccount[] = [];

/** Bounds of a queue. */
export interface QueueCap {
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
}

/** Where its accounts come from and go to. */
export interface QuotaBook {
  readonly owners: RetainedOwners | null;
  release(account: QuotaAccount): void;
}

export class QuotaShare {
  /** null: no rule bounds the queue. */
  readonly queueCap: QueueCap | null;
  /** The account that said no last, or that must be waited for. */
  over: QuotaAccount | null = null;
  readonly #book: QuotaBook;
  readonly accounts: readonly QuotaAccount[];
  /** Those that refuse or disconnect, the latter first: the hardest that is over decides. */
  readonly #hard: readonly QuotaAccount[];
  readonly #soft: readonly QuotaAccount[];
  #subscriptions: number;
  #isConnected: boolean;
  #hasLeft = false;

  constructor(
    book: QuotaBook,
    accounts: readonly QuotaAccount[],
    subscriptions: number,
    isConnected: boolean,
  ) {
    this.#book = book;
    this.accounts = accounts;
    const disconnecting = ratedWith(accounts, 'disconnect');
    const refusing = ratedWith(accounts, 'refuse');
    this.#hard = disconnecting.length === 0 ? refusing : disconnecting.concat(refusing);
    this.#soft = ratedWith(accounts, 'throttle');
    this.queueCap = capOf(accounts);
    this.#subscriptions = subscriptions;
    this.#isConnected = isConnected;
    for (const account of accounts) {
      account.members++;
      account.subscriptions += subscriptions;
      if (isConnected) account.connections++;
    }
  }

  /** It has rates: every message must be asked about. */
  get isRated(): boolean {
    return this.#hard.length > 0 || this.#soft.length > 0;
  }

  /**
   * Takes what a message of so many bytes costs: 0 when it may pass now, else after how many milliseconds it may, all paid;
   * or OVER_REFUSE or OVER_DISCONNECT, and then nothing was taken.
   */
  take(bytes: number, nowMs: number): number {
    const hard = this.#hard;
    for (let i = 0; i < hard.length; i++) {
      if (hard[i].has(bytes, nowMs)) continue;
      this.over = hard[i];
      return hard[i].quota.over === 'disconnect' ? OVER_DISCONNECT : OVER_REFUSE;
    }
    for (let i = 0; i < hard.length; i++) hard[i].take(bytes);
    const soft = this.#soft;
    let waitMs = 0;
    for (let i = 0; i < soft.length; i++) {
      const ms = soft[i].reserve(bytes, nowMs);
      if (ms <= waitMs) continue;
      waitMs = ms;
      this.over = soft[i];
    }
    return waitMs;
  }

  /** A message that was paid for will not pass. */
  giveBack(bytes: number): void {
    for (const account of this.#hard) account.giveBack(bytes);
    for (const account of this.#soft) account.giveBack(bytes);
  }

  /** Whether one more subscription may be made. */
  hasSubscriptionRoom(): boolean {
    for (const account of this.accounts) {
      if (account.subscriptions < account.quota.subscriptionsMax) continue;
      this.over = account;
      return false;
    }
    return true;
  }

  /** So many more subscriptions; fewer, if negative. */
  countSubscriptions(change: number): void {
    if (this.#hasLeft) return;
    this.#subscriptions += change;
    for (const account of this.accounts) account.subscriptions += change;
  }

  /** Whether its client is one of the connections of an account. */
  isConnectedIn(account: QuotaAccount): boolean {
    return this.#isConnected && this.accounts.includes(account);
  }

  /** Its client went; the session stays. */
  disconnect(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    for (const account of this.accounts) account.connections--;
  }

  /**
   * Whether a message of its client's may be retained in place of `former`. What makes it no more than there is may always,
   * also when there is more than allowed.
   */
  mayRetain(message: Message, former: Message | null): boolean {
    const { owners } = this.#book;
    const { publisher } = message;
    if (owners === null || publisher === null || message.payloadLength === 0) return true;
    for (const account of this.accounts) {
      const { quota } = account;
      if (!quota.boundsRetained) continue;
      const isPerClient = quota.per === 'client';
      const count = isPerClient
        ? owners.ofClient(publisher.clientId)
        : owners.ofUser(publisher.username);
      const own = ownsFormer(former, publisher, isPerClient) ? former : null;
      if (isInBounds(count, message.size, own, account)) continue;
      this.over = account;
      return false;
    }
    return true;
  }

  /** Takes back what it counted. It may go on being asked. */
  leave(): void {
    if (this.#hasLeft) return;
    this.disconnect();
    this.countSubscriptions(-this.#subscriptions);
    this.#hasLeft = true;
    for (const account of this.accounts) {
      if (--account.members === 0) this.#book.release(account);
    }
  }
}

/** The same array for all who have none, or all: there may be a hundred thousand shares. */
function ratedWith(accounts: readonly QuotaAccount[], over: QuotaOver): readonly QuotaAccount[] {
  const isOne = ({ quota }: QuotaAccount) => quota.isRated && quota.over === over;
  if (accounts.every(isOne)) return accounts;
  return accounts.some(isOne) ? accounts.filter(isOne) : NONE;
}

function ownsFormer(former: Message | null, publisher: Publisher, isPerClient: boolean): boolean {
  const owner = former === null ? null : former.publisher;
  if (owner === null) return false;
  return isPerClient
    ? owner.clientId === publisher.clientId
    : owner.username === publisher.username;
}

function isInBounds(
  count: RetainedCount,
  size: number,
  own: Message | null,
  { quota }: QuotaAccount,
): boolean {
  const bytes = count.bytes + size - (own === null ? 0 : own.size);
  if (bytes > quota.retainedBytesMax && bytes > count.bytes) return false;
  return own !== null || count.messages < quota.retainedMessagesMax;
}

function capOf(accounts: readonly QuotaAccount[]): QueueCap | null {
  let queueMessagesMax = Number.POSITIVE_INFINITY;
  let queueBytesMax = Number.POSITIVE_INFINITY;
  for (const { quota } of accounts) {
    queueMessagesMax = Math.min(queueMessagesMax, quota.queueMessagesMax);
    queueBytesMax = Math.min(queueBytesMax, quota.queueBytesMax);
  }
  const isBound = Number.isFinite(queueMessagesMax) || Number.isFinite(queueBytesMax);
  return isBound ? { queueMessagesMax, queueBytesMax } : null;
}
