// A quota rule in force, and its accounts: what is counted together, one for each client, user or listener, or one for all.

import { Glob } from '../lib/glob.ts';
import type { QuotaOver, QuotaRule, QuotaScope } from './quota-rules.ts';
import { TokenBucket } from './token-bucket.ts';

/** Who is looked at when rules are chosen. */
export interface QuotaClient {
  readonly clientId: string;
  readonly username: string | null;
  readonly groups?: readonly string[];
  /** URL; null: it is not known, since the session has not been connected since the server started. */
  readonly listener: string | null;
}

/** A throttled client is let go on by a clock that is a tenth of a second late at most: a smaller burst would lose tokens. */
const THROTTLE_BURST_SECONDS = 0.1;

export class Quota {
  /** From 1, in the order of the configuration: for logs. */
  readonly number: number;
  readonly per: QuotaScope;
  readonly over: QuotaOver;
  readonly messages: Rate | null;
  readonly bytes: Rate | null;
  readonly subscriptionsMax: number;
  readonly connectionsMax: number;
  readonly retainedMessagesMax: number;
  readonly retainedBytesMax: number;
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
  readonly accounts = new Map<string | null, QuotaAccount>();
  readonly #clientId: Glob | null;
  readonly #username: Glob | null;
  readonly #group: Glob | null;
  readonly #listener: Glob | null;

  constructor(rule: QuotaRule, number: number) {
    this.number = number;
    this.per = rule.per ?? 'client';
    this.over = rule.over ?? 'throttle';
    this.messages = rateOf(rule.messagesPerSecond, rule.messagesBurst, this.over);
    this.bytes = rateOf(rule.bytesPerSecond, rule.bytesBurst, this.over);
    this.subscriptionsMax = rule.subscriptionsMax ?? Number.POSITIVE_INFINITY;
    this.connectionsMax = rule.connectionsMax ?? Number.POSITIVE_INFINITY;
    this.retainedMessagesMax = rule.retainedMessagesMax ?? Number.POSITIVE_INFINITY;
    this.retainedBytesMax = rule.retainedBytesMax ?? Number.POSITIVE_INFINITY;
    this.queueMessagesMax = rule.queueMessagesMax ?? Number.POSITIVE_INFINITY;
    this.queueBytesMax = rule.queueBytesMax ?? Number.POSITIVE_INFINITY;
    this.#clientId = globOf(rule.clientId);
    this.#username = globOf(rule.username);
    this.#group = globOf(rule.group);
    this.#listener = globOf(rule.listener);
  }

  /** It bounds how fast messages come. */
  get isRated(): boolean {
    return this.messages !== null || this.bytes !== null;
  }

  get boundsRetained(): boolean {
    return Number.isFinite(this.retainedMessagesMax) || Number.isFinite(this.retainedBytesMax);
  }

  fits(client: QuotaClient): boolean {
    const { clientId, username, groups = [], listener } = client;
    if (this.#clientId?.matches(clientId) === false) return false;
    if (this.#username !== null && (username === null || !this.#username.matches(username))) {
      return false;
    }
    if (this.#group !== null && !groups.some((group) => this.#group?.matches(group))) return false;
    if (listener === null) return this.#listener === null && this.per !== 'listener';
    return this.#listener?.matches(listener) !== false;
  }

  /** Which of its accounts counts a client that it fits. */
  keyOf(client: QuotaClient): string | null {
    switch (this.per) {
      case 'client':
        return client.clientId;
      case 'user':
        return client.username;
      case 'listener':
        return client.listener;
      case 'rule':
        return null;
    }
  }
}

interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

function rateOf(
  perSecond: number | undefined,
  burst: number | undefined,
  over: QuotaOver,
): Rate | null {
  if (perSecond === undefined) return null;
  const least = over === 'throttle' ? perSecond * THROTTLE_BURST_SECONDS : 1;
  return { perSecond, burst: Math.max(1, least, burst ?? perSecond) };
}

function globOf(pattern: string | undefined): Glob | null {
  return pattern === undefined ? null : new Glob(pattern);
}

export class QuotaAccount {
  readonly quota: Quota;
  readonly key: string | null;
  /** Sessions that it counts. */
  members = 0;
  connections = 0;
  subscriptions = 0;
  readonly #messages: TokenBucket | null;
  readonly #bytes: TokenBucket | null;

  /** `former`: the account of the same clients by the rules so far, whose tokens it goes on with. */
  constructor(quota: Quota, key: string | null, nowMs: number, former: QuotaAccount | null) {
    this.quota = quota;
    this.key = key;
    this.#messages = bucketOf(quota.messages, nowMs, former === null ? null : former.#messages);
    this.#bytes = bucketOf(quota.bytes, nowMs, former === null ? null : former.#bytes);
  }

  /** Whether a message of so many bytes may pass now. */
  has(bytes: number, nowMs: number): boolean {
    if (this.#messages !== null && !this.#messages.has(1, nowMs)) return false;
    return this.#bytes === null || this.#bytes.has(bytes, nowMs);
  }

  /** Takes what `has` said is there. */
  take(bytes: number): void {
    this.#messages?.take(1);
    this.#bytes?.take(bytes);
  }

  /** Takes it in any case; returns the milliseconds after which the message may pass. */
  reserve(bytes: number, nowMs: number): number {
    const waitMs = this.#messages === null ? 0 : this.#messages.reserve(1, nowMs);
    return this.#bytes === null ? waitMs : Math.max(waitMs, this.#bytes.reserve(bytes, nowMs));
  }

  /** As `reserve` would say; nothing changes. */
  waitMs(bytes: number, nowMs: number): number {
    const waitMs = this.#messages === null ? 0 : this.#messages.waitMs(1, nowMs);
    return this.#bytes === null ? waitMs : Math.max(waitMs, this.#bytes.waitMs(bytes, nowMs));
  }

  /** A message that was paid for did not pass. */
  giveBack(bytes: number): void {
    this.#messages?.giveBack(1);
    this.#bytes?.giveBack(bytes);
  }

  /** It would be the same if it were new. */
  isFull(nowMs: number): boolean {
    return this.#messages?.isFull(nowMs) !== false && this.#bytes?.isFull(nowMs) !== false;
  }
}

function bucketOf(
  rate: Rate | null,
  nowMs: number,
  former: TokenBucket | null,
): TokenBucket | null {
  if (rate === null) return null;
  return new TokenBucket(rate.perSecond, rate.burst, nowMs, former?.tokens(nowMs));
}
