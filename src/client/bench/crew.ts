// All clients of a bench: they connect at a rate, so many at a time at most, and are asked together what they still wait for, and what
// they miss.

import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type Joined, Member, type MemberEvents } from './member.ts';
import type { BenchPlan, BenchRole } from './plan.ts';
import { BenchPublisher } from './publisher.ts';
import { Receipts, TrackerBudget } from './receipts.ts';
import type { Tally } from './tally.ts';

/** Connections that may be coming about. */
const PENDING_MAX = 500;
/** When so many failed and none came about, the others are not tried. */
const HOPELESS = 10;

interface Pair {
  readonly publisher: BenchPublisher;
  readonly receipts: Receipts;
}

export class Crew {
  readonly publishers: BenchPublisher[] = [];
  readonly #plan: BenchPlan;
  readonly #open: () => Promise<Duplex>;
  readonly #run: number;
  readonly #tally: Tally;
  readonly #signal: AbortSignal;
  readonly #members: Member[] = [];
  readonly #receipts: Receipts[] = [];
  readonly #pairs: Pair[] = [];
  readonly #budget = new TrackerBudget();
  readonly #payload: Buffer;

  constructor(
    plan: BenchPlan,
    open: () => Promise<Duplex>,
    run: number,
    tally: Tally,
    signal: AbortSignal,
  ) {
    this.#plan = plan;
    this.#open = open;
    this.#run = run;
    this.#tally = tally;
    this.#signal = signal;
    this.#payload = Buffer.alloc(plan.payloadBytes, 'iothub bench ');
  }

  /** Somebody is connected. */
  get isAlive(): boolean {
    return this.#tally.connected > 0;
  }

  /** Something that was sent is not acknowledged, or not received. */
  get isWaiting(): boolean {
    if (!this.isAlive) return false;
    return this.#tally.outstanding > 0 || this.#pairs.some((pair) => missingOf(pair) > 0);
  }

  /** What should have been received, and was not. */
  get lost(): number {
    if (this.#plan.kind !== 'pairs') {
      return this.#receipts.reduce((sum, one) => sum + one.missing, 0);
    }
    return this.#pairs.reduce((sum, pair) => sum + missingOf(pair), 0);
  }

  /** Resolves when all have connected or failed, or it is stopped. */
  async assemble(): Promise<void> {
    const { clients, firstNumber, connectionsPerSecond, kind } = this.#plan;
    const connectionsOfOne = kind === 'pairs' ? 2 : 1;
    const perSecond = connectionsPerSecond ?? Number.POSITIVE_INFINITY;
    const startMs = performance.now();
    const pending = new Set<Promise<void>>();
    let onFree: (() => void) | null = null;
    for (let i = 0; i < clients && !this.#isHopeless && !this.#signal.aborted; i++) {
      const dueMs = startMs + (i * connectionsOfOne * 1_000) / perSecond;
      const waitMs = dueMs - performance.now();
      if (waitMs >= 1) await delay(waitMs, undefined, { signal: this.#signal }).catch(() => {});
      if (this.#signal.aborted) break;
      const enlisted = this.#enlist(firstNumber + i).then(() => {
        pending.delete(enlisted);
        onFree?.();
      });
      pending.add(enlisted);
      if (pending.size < PENDING_MAX) continue;
      // Not Promise.race: each call would leave something with every one of them until it has come about.
      const free = new Promise<void>((resolve) => {
        onFree = resolve;
      });
      await this.#unlessStopped(free);
    }
    await this.#unlessStopped(Promise.all(pending));
  }

  dismiss(): void {
    for (const one of this.#members) one.leave();
  }

  get #isHopeless(): boolean {
    return this.#tally.connections === 0 && this.#tally.failed >= HOPELESS;
  }

  async #unlessStopped(done: Promise<unknown>): Promise<void> {
    if (this.#signal.aborted) return;
    await new Promise<void>((resolve, reject) => {
      const onStop = (): void => resolve();
      this.#signal.addEventListener('abort', onStop, { once: true });
      done
        .then(() => resolve(), reject)
        .finally(() => this.#signal.removeEventListener('abort', onStop));
    });
  }

  async #enlist(number: number): Promise<void> {
    switch (this.#plan.kind) {
      case 'conn':
        await this.#join(number, 'idle', { onMessage: () => true, onLost: () => {} });
        return;
      case 'pub':
        await this.#addPublisher(number);
        return;
      case 'sub':
        await this.#addSubscriber(number, null);
        return;
      case 'pairs': {
        const receipts = await this.#addSubscriber(number, { run: this.#run, number });
        const publisher = receipts === null ? null : await this.#addPublisher(number);
        if (receipts !== null && publisher !== null) this.#pairs.push({ publisher, receipts });
      }
    }
  }

  async #join(number: number, role: BenchRole, events: MemberEvents): Promise<Joined | null> {
    const options = this.#plan.clientOf(number, role);
    const joined = await Member.join(this.#open, options, this.#tally, events);
    if (joined === null) return null;
    this.#members.push(joined.member);
    if (!this.#signal.aborted) return joined;
    joined.member.leave(); // too late: nobody may look at it any more
    return null;
  }

  async #addPublisher(number: number): Promise<BenchPublisher | null> {
    let publisher: BenchPublisher | null = null;
    const joined = await this.#join(number, 'publisher', {
      onMessage: () => true,
      onLost: () => publisher?.end(),
    });
    if (joined === null) return null;
    const { member, connack } = joined;
    const parts = { member, connack, payload: this.#payload };
    publisher = new BenchPublisher(this.#plan, this.#run, number, parts, this.#tally);
    if (!member.isConnected) publisher.end();
    this.publishers.push(publisher);
    return publisher;
  }

  async #addSubscriber(
    number: number,
    partner: { readonly run: number; readonly number: number } | null,
  ): Promise<Receipts | null> {
    const { messages, kind } = this.#plan;
    const topicFilter = this.#plan.topicOf(number);
    const isShared = topicFilter.startsWith('$share/');
    const receipts = new Receipts(this.#tally, this.#budget, partner, isShared);
    const limit = kind === 'sub' && messages !== null ? messages : Number.POSITIVE_INFINITY;
    const joined = await this.#join(number, 'subscriber', {
      onMessage: (message) => {
        if (this.#tally.received >= limit) return false;
        receipts.take(message);
        return true;
      },
      onLost: () => {},
    });
    if (joined === null || !(await joined.member.subscribe(topicFilter, this.#plan))) return null;
    this.#receipts.push(receipts);
    return receipts;
  }
}

function missingOf({ publisher, receipts }: Pair): number {
  return Math.max(0, publisher.promised - receipts.distinct);
}
