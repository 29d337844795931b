// One trace: what it is about, and the lines that its reader has not taken yet. It is bounded in time, number, rate and bytes;
// what is over is counted, and said where it is missing.

import { intersection } from '../auth/acl/filter-algebra.ts';
import { TokenBucket } from '../core/token-bucket.ts';
import type { Clock } from '../lib/clock.ts';
import { Glob } from '../lib/glob.ts';
import { Timer, type TimerOwner, type TimerWheel } from '../lib/timer-wheel.ts';
import { matchesFilter } from '../protocol/filter.ts';
import type { OpenTrace, TraceEvent, TraceRequest } from './contract/trace.ts';

/** Events a second, and how many at once. */
const EVENTS_PER_SECOND_MAX = 1_000;
/** Characters that wait for a reader. */
const BUFFER_MAX = 1_048_576;

export interface ActiveTraceParts {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly onEnd: (trace: ActiveTrace) => void;
}

export class ActiveTrace implements OpenTrace, TimerOwner {
  readonly withPayload: boolean;
  readonly #request: TraceRequest;
  readonly #parts: ActiveTraceParts;
  readonly #clientId: Glob | null;
  readonly #filterLevels: readonly string[];
  readonly #bucket: TokenBucket;
  readonly #timer = new Timer(this);
  /** The topic last asked about, and the answer: messages of one topic come together. */
  #topicName = '';
  #matchesTopic = false;
  #lines: string[] = [];
  #length = 0;
  #events = 0;
  #lost = 0;
  /** Of those, the ones that no line has said yet. */
  #lostSince = 0;
  #hasEnded = false;
  #waiting: (() => void) | null = null;
  #isWaking = false;

  /** The filter in the request is valid. */
  constructor(request: TraceRequest, parts: ActiveTraceParts) {
    const { clock, wheel } = parts;
    const { clientId, topic, forMs, max, payload } = request;
    this.#request = request;
    this.#parts = parts;
    this.withPayload = payload;
    this.#clientId = clientId === null ? null : new Glob(clientId);
    this.#filterLevels = topic === null ? [] : topic.split('/');
    this.#bucket = new TokenBucket(EVENTS_PER_SECOND_MAX, EVENTS_PER_SECOND_MAX, clock.now());
    wheel.arm(this.#timer, forMs);
    this.#push({ at: this.#at(), event: 'begin', clientId, topic, forMs, max, payload });
  }

  /** Events of that client; `topicName` null: they are about no topic, and belong to a trace of a client only. */
  wants(clientId: string, topicName: string | null): boolean {
    const { topic } = this.#request;
    if (this.#clientId?.matches(clientId) === false) return false;
    if (topic === null) return true;
    if (topicName === null) return this.#clientId !== null;
    if (topicName !== this.#topicName) {
      this.#topicName = topicName;
      this.#matchesTopic = matchesFilter(topicName, topic);
    }
    return this.#matchesTopic;
  }

  /** The same of a SUBSCRIBE: one that has topics in common. `topicFilter` is without `$share`. */
  wantsFilter(clientId: string, topicFilter: string): boolean {
    if (this.#clientId?.matches(clientId) === false) return false;
    if (this.#request.topic === null) return true;
    return intersection(topicFilter.split('/'), this.#filterLevels) !== null;
  }

  /** Whether there is room for one more; counts it as lost if there is not. */
  takes(): boolean {
    if (this.#hasEnded) return false;
    const nowMs = this.#parts.clock.now();
    if (this.#length < BUFFER_MAX && this.#bucket.has(1, nowMs)) {
      this.#bucket.take(1);
      return true;
    }
    this.#lost++;
    this.#lostSince++;
    return false;
  }

  /** An event that it takes. */
  add(event: TraceEvent): void {
    this.#sayLost();
    this.#push(event);
    if (++this.#events >= this.#request.max) this.end('max');
  }

  async next(): Promise<string | null> {
    if (this.#lines.length === 0 && !this.#hasEnded) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.#take();
  }

  close(): void {
    this.#lines = [];
    this.#finish();
  }

  /** The last line says why. */
  end(reason: 'time' | 'max' | 'shutdown'): void {
    if (this.#hasEnded) return;
    this.#sayLost();
    const counts = { events: this.#events, lost: this.#lost };
    this.#push({ at: this.#at(), event: 'end', reason, ...counts });
    this.#finish();
  }

  onTimer(): void {
    this.end('time');
  }

  #take(): string | null {
    if (this.#lines.length === 0) return null;
    const lines = this.#lines.join('');
    this.#lines = [];
    this.#length = 0;
    return lines;
  }

  #sayLost(): void {
    if (this.#lostSince === 0) return;
    this.#push({ at: this.#at(), event: 'lost', count: this.#lostSince });
    this.#lostSince = 0;
  }

  #push(event: TraceEvent): void {
    const line = `${JSON.stringify(event)}\n`;
    this.#lines.push(line);
    this.#length += line.length;
    this.#wake();
  }

  #finish(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#parts.wheel.cancel(this.#timer);
    this.#parts.onEnd(this);
    this.#wake();
  }

  /** In the next turn: many events are one chunk. */
  #wake(): void {
    if (this.#waiting === null || this.#isWaking) return;
    this.#isWaking = true;
    setImmediate(() => {
      this.#isWaking = false;
      const waiting = this.#waiting;
      this.#waiting = null;
      waiting?.();
    });
  }

  #at(): string {
    return new Date(this.#parts.clock.wallNow()).toISOString();
  }
}
