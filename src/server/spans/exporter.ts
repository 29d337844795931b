// Sends spans to a collector, by OTLP over HTTP with JSON: in batches, one request at a time, off the message path. What a
// collector is too slow for, or does not take, is dropped and counted; what it says of its own load is heeded. Nothing grows
// with its failures, and neither headers nor the query of its URL are in any sentence.

import type { Alarms } from '../../core/alarms.ts';
import type { Logger } from '../../core/logger.ts';
import { RefusalLog } from '../../core/refusal-log.ts';
import type { Clock } from '../../lib/clock.ts';
import { Timer, type TimerOwner, type TimerWheel } from '../../lib/timer-wheel.ts';
import type { SpanCounts, TracingOptions } from './options.ts';
import { post, requestHeaders } from './otlp-request.ts';
import { type Attributes, exportRequest, type Span } from './span.ts';

/** Spans of one request: writing them as JSON takes the loop about a millisecond. */
const BATCH_MAX = 256;
/** How long spans wait for others. */
const BATCH_MS = 1_000;
/** Attempts for one batch. */
const ATTEMPTS_MAX = 5;
/** Between them, if the collector says nothing else: doubled each time. */
const RETRY_MS = 1_000;
/** A collector that wants longer is asked then all the same. */
const RETRY_AFTER_MAX_MS = 300_000;
const ALARM = 'tracing_failing';

export interface SpanExporterParts {
  readonly options: Pick<TracingOptions, 'endpoint' | 'headers' | 'queueMax' | 'timeoutMs'>;
  readonly resource: Attributes;
  readonly version: string | null;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly alarms: Alarms;
  readonly logger: Logger;
  readonly counts: SpanCounts;
  /** From 0 to 1: servers that lost the same collector do not all come back at once. */
  readonly random: () => number;
}

export class SpanExporter implements TimerOwner {
  readonly #parts: SpanExporterParts;
  /** For sentences. */
  readonly #place: string;
  readonly #headers: Headers;
  readonly #log: RefusalLog;
  readonly #timer = new Timer(this);
  #queue: Span[] = [];
  /** On its way, or to be sent again. */
  #batch: readonly Span[] = [];
  #attempts = 0;
  #sending: Promise<void> | null = null;
  #abort: AbortController | null = null;
  #isClosed = false;
  #hasAlarm = false;

  constructor(parts: SpanExporterParts) {
    this.#parts = parts;
    const { origin, pathname } = new URL(parts.options.endpoint);
    this.#place = `${origin}${pathname}`;
    // Whoever makes some first waits until Node has loaded what fetch is made of: not amid messages.
    this.#headers = requestHeaders(parts.options.headers);
    this.#log = new RefusalLog(parts.logger, parts.wheel);
  }

  /** Spans that wait, those on their way included. */
  get waiting(): number {
    return this.#queue.length + this.#batch.length;
  }

  /** A span that is over. The newest is dropped when there are too many. */
  add(span: Span): void {
    const { counts, options, wheel } = this.#parts;
    if (this.#isClosed || this.waiting >= options.queueMax) {
      counts.lost.queue_full++;
      return;
    }
    this.#queue.push(span);
    if (this.#batch.length > 0) return; // the next follows by itself
    if (this.#queue.length === BATCH_MAX) wheel.arm(this.#timer, 0);
    else if (!this.#timer.isArmed) wheel.arm(this.#timer, BATCH_MS);
  }

  onTimer(): void {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = null;
    });
  }

  /** Sends what there is, once, for `forMs` at most and until `abort`; the rest is dropped and counted. Never rejects. */
  async close(forMs: number, abort: AbortSignal): Promise<void> {
    const { counts, wheel } = this.#parts;
    this.#isClosed = true;
    this.#setAlarm(null); // now: whoever follows has its own
    let isOver = this.#timer.isArmed && this.#batch.length > 0; // it asked for a pause
    wheel.cancel(this.#timer);
    const cut = (): void => {
      isOver = true;
      this.#abort?.abort();
    };
    const deadline = setTimeout(cut, forMs);
    abort.addEventListener('abort', cut);
    if (abort.aborted) cut();
    await this.#sending;
    while (!isOver && this.waiting > 0) await this.#send();
    clearTimeout(deadline);
    abort.removeEventListener('abort', cut);
    counts.lost.failed += this.waiting;
    this.#queue = [];
    this.#batch = [];
    wheel.cancel(this.#timer);
    this.#log.close();
  }

  /** One request. Never rejects. */
  async #send(): Promise<void> {
    const { clock, options, resource, version } = this.#parts;
    if (this.#batch.length === 0) {
      this.#batch = this.#queue.slice(0, BATCH_MAX);
      this.#queue = this.#queue.slice(BATCH_MAX);
      this.#attempts = 0;
    }
    this.#attempts++;
    this.#abort = new AbortController();
    const body = exportRequest(this.#batch, resource, version);
    const answer = await post(options, this.#headers, body, this.#abort, clock);
    this.#abort = null;
    switch (answer.kind) {
      case 'taken':
        this.#taken(answer.rejected, answer.message);
        break;
      case 'refused':
        this.#giveUp(answer.problem);
        break;
      case 'later':
        if (this.#retry(answer.problem, answer.afterMs)) return;
    }
    this.#batch = [];
    const { length } = this.#queue;
    if (length === 0 || this.#isClosed) return;
    this.#parts.wheel.arm(this.#timer, length < BATCH_MAX ? BATCH_MS : 0);
  }

  #taken(rejected: number, message: string): void {
    const { counts } = this.#parts;
    const lost = Math.min(rejected, this.#batch.length);
    counts.exported += this.#batch.length - lost;
    counts.lost.rejected += lost;
    this.#setAlarm(null);
    if (rejected === 0 && message === '') return;
    const fields = { endpoint: this.#place, rejected: lost, problem: message };
    this.#log.warn('', fields, 'the collector has something to say about spans that it got');
  }

  /** Whether the batch is sent again. */
  #retry(problem: string, afterMs: number | null): boolean {
    const { random, wheel } = this.#parts;
    if (this.#isClosed || this.#attempts >= ATTEMPTS_MAX) {
      this.#giveUp(problem);
      return false;
    }
    const pauseMs = RETRY_MS * 2 ** (this.#attempts - 1) * (1 + random());
    wheel.arm(this.#timer, Math.min(afterMs ?? pauseMs, RETRY_AFTER_MAX_MS));
    const fields = { endpoint: this.#place, problem };
    this.#log.warn('', fields, 'spans did not get to the collector: they are sent again');
    return true;
  }

  #giveUp(problem: string): void {
    this.#parts.counts.lost.failed += this.#batch.length;
    const fields = { endpoint: this.#place, problem };
    if (!this.#isClosed) this.#setAlarm(fields);
    this.#log.warn('', fields, 'spans were dropped: the collector does not take them');
  }

  #setAlarm(fields: object | null): void {
    const { alarms } = this.#parts;
    if (fields === null) {
      if (this.#hasAlarm) alarms.clear(ALARM);
    } else {
      const message = 'spans of traced messages do not get to the collector: they are dropped';
      alarms.raise(ALARM, 'warning', message, fields);
    }
    this.#hasAlarm = fields !== null;
  }
}
