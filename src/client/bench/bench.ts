// `iothub bench` without its words: clients connect at a rate, then messages go to and fro until enough did, the time is over or somebody
// stops it, then what is on its way is waited for. One process and one event loop: it tells how busy it was itself.

import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Crew } from './crew.ts';
import { type Pace, Rated, Unpaced } from './pace.ts';
import type { BenchEvents, BenchPhase, BenchPlan, BenchSummary, IntervalReport } from './plan.ts';
import type { BenchPublisher } from './publisher.ts';
import { Tally } from './tally.ts';

const INTERVAL_MS = 1_000;
const LOOK_MS = 5;

interface Mark {
  readonly atMs: number;
  readonly sent: number;
  readonly received: number;
}

export class Bench {
  readonly #plan: BenchPlan;
  readonly #events: BenchEvents;
  readonly #tally: Tally;
  readonly #crew: Crew;
  readonly #startMs = performance.now();
  /** No more is sent. */
  readonly #stopping = new AbortController();
  /** Nothing is waited for. */
  readonly #hurry = new AbortController();
  #phase: BenchPhase = 'connecting';
  #busySince = performance.eventLoopUtilization();
  #last: Mark = { atMs: this.#startMs, sent: 0, received: 0 };

  /** `open` resolves when bytes can be written, and rejects with ConnectionError. */
  constructor(plan: BenchPlan, open: () => Promise<Duplex>, events: BenchEvents) {
    this.#plan = plan;
    this.#events = events;
    this.#tally = new Tally((fault) => events.onFault(fault));
    const run = randomBytes(4).readUInt32BE();
    this.#crew = new Crew(plan, open, run, this.#tally, this.#stopping.signal);
  }

  /** Ends it: the first time when what is on its way has come, the second time at once. */
  stop(): void {
    if (this.#stopping.signal.aborted) this.#hurry.abort();
    this.#stopping.abort();
  }

  async run(): Promise<BenchSummary> {
    const timer = setInterval(() => this.#events.onInterval(this.#report()), INTERVAL_MS);
    try {
      await this.#crew.assemble();
      this.#phase = 'running';
      const start = this.#mark();
      const idle = performance.eventLoopUtilization();
      const pace = await this.#traffic(start.atMs);
      const end = this.#mark();
      const busy = performance.eventLoopUtilization(idle).utilization;
      this.#tally.unsent = pace.unsent;
      this.#phase = 'draining';
      await this.#drain();
      const summary = this.#summary(start, end, busy);
      this.#crew.dismiss();
      return summary;
    } finally {
      clearInterval(timer);
    }
  }

  #mark(): Mark {
    const { sent, received } = this.#tally;
    return { atMs: performance.now(), sent, received };
  }

  async #traffic(startMs: number): Promise<Pace<BenchPublisher>> {
    const { messagesPerSecond, messages, durationMs } = this.#plan;
    const { publishers } = this.#crew;
    const isRated = messagesPerSecond !== null && publishers.length > 0;
    const pace: Pace<BenchPublisher> = isRated
      ? new Rated(publishers, messages, messagesPerSecond, startMs)
      : new Unpaced(publishers, messages);
    for (const one of publishers) one.begin(pace);
    const endMs = startMs + (durationMs ?? Number.POSITIVE_INFINITY);
    const patience = new Patience(this.#plan.patienceMs);
    for (;;) {
      const nowMs = performance.now();
      if (nowMs >= endMs || this.#isTrafficOver(pace)) break;
      // A number of messages without a time would never be over on a server that stands still.
      const mayStall = messages !== null && durationMs === null && this.#tally.outstanding > 0;
      if (mayStall && patience.isOver(this.#progress)) break;
      const waitMs = Math.min(pace.tick(nowMs), Math.max(0, endMs - nowMs));
      await delay(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
    }
    for (const one of publishers) one.stop();
    return pace;
  }

  #isTrafficOver(pace: Pace<BenchPublisher>): boolean {
    const { kind, messages } = this.#plan;
    if (this.#stopping.signal.aborted || !this.#crew.isAlive) return true;
    if (kind === 'conn') return false;
    if (kind === 'sub') return messages !== null && this.#tally.received >= messages;
    return pace.isExhausted || this.#crew.publishers.every((one) => one.isOver);
  }

  /** Until everything is acknowledged and received, or nothing has come for long. */
  async #drain(): Promise<void> {
    const patience = new Patience(this.#plan.patienceMs);
    while (this.#crew.isWaiting && !this.#hurry.signal.aborted) {
      if (patience.isOver(this.#progress)) break;
      await delay(LOOK_MS, undefined, { signal: this.#hurry.signal }).catch(() => {});
    }
    for (const one of this.#crew.publishers) one.end();
  }

  /** More when anything was sent, done or received; what others publish there may come without end. */
  get #progress(): number {
    const { sent, outstanding, received, unnumbered } = this.#tally;
    return sent + (sent - outstanding) + received - unnumbered;
  }

  #report(): IntervalReport {
    const tally = this.#tally;
    const { connected, failed, lostConnections, sent, acknowledged, received } = tally;
    const now = this.#mark();
    const seconds = (now.atMs - this.#last.atMs) / 1_000;
    const busySince = this.#busySince;
    this.#busySince = performance.eventLoopUtilization();
    const report = {
      phase: this.#phase,
      seconds: rounded((now.atMs - this.#startMs) / 1_000),
      ...{ connected, failed, lostConnections, sent, acknowledged, received },
      sentPerSecond: rounded((sent - this.#last.sent) / seconds),
      receivedPerSecond: rounded((received - this.#last.received) / seconds),
      latencyMs: tally.latency.takeInterval(),
      acknowledgementMs: tally.acknowledgement.takeInterval(),
      busy: rounded(performance.eventLoopUtilization(this.#busySince, busySince).utilization),
    };
    this.#last = now;
    return report;
  }

  #summary(start: Mark, end: Mark, busy: number): BenchSummary {
    const tally = this.#tally;
    const { kind, payloadBytes, qos } = this.#plan;
    const seconds = Math.max(0.001, (end.atMs - start.atMs) / 1_000);
    const sentPerSecond = (end.sent - start.sent) / seconds;
    const receivedPerSecond = (end.received - start.received) / seconds;
    const { connections, failed, lostConnections, sent, unsent, acknowledged } = tally;
    const { unacknowledged, refused, received, duplicates, outOfOrder, unnumbered } = tally;
    const lost = this.#crew.lost;
    const troubles = failed + lostConnections + unacknowledged + refused + lost + outOfOrder;
    const meanBytes = received === 0 ? 0 : tally.receivedBytes / received;
    return {
      kind,
      isClean: connections > 0 && troubles === 0 && (qos === 1 || duplicates === 0), // MQTT 5 §4.3
      seconds: rounded(seconds),
      ...{ connections, failed, lostConnections, sent, unsent, acknowledged, unacknowledged },
      ...{ refused, received, lost, duplicates, outOfOrder, unnumbered },
      sentPerSecond: rounded(sentPerSecond),
      receivedPerSecond: rounded(receivedPerSecond),
      sentBytesPerSecond: Math.round(sentPerSecond * payloadBytes),
      receivedBytesPerSecond: Math.round(receivedPerSecond * meanBytes),
      latencyMs: tally.latency.whole(),
      acknowledgementMs: tally.acknowledgement.whole(),
      connectMs: tally.connect.whole(),
      busy: rounded(busy),
      faults: tally.faults(),
    };
  }
}

/** Nothing has come for so long. */
class Patience {
  readonly #patienceMs: number;
  #progress = Number.NaN;
  #sinceMs = 0;

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  isOver(progress: number): boolean {
    const nowMs = performance.now();
    if (progress !== this.#progress) this.#sinceMs = nowMs;
    this.#progress = progress;
    return nowMs - this.#sinceMs >= this.#patienceMs;
  }
}

/** Three digits after the point are enough for people, and for programs. */
function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
