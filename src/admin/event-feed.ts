// Live events for those who read them: once a second what has changed since they were last told. A reader that does not read gets
// nothing more until it does, and then the sum: so that what waits for one is bounded by one second's events, whatever happens.

import { isDeepStrictEqual } from 'node:util';
import type { Cancellable, Clock } from '../lib/clock.ts';
import type { EventControl, EventTotals } from '../server/contract/events.ts';

/** Where events go: an answer that goes on. */
export interface EventOutput {
  /** Bytes that are not with the socket yet. */
  readonly writableLength: number;
  write(text: string): boolean;
  end(): void;
}

const LOOK_MS = 1_000;
/** Proxies close what says nothing for long. */
const HEARTBEAT_MS = 15_000;
/** Then a reader comes again, and shows its token again. */
const LIFETIME_MS = 600_000;
/** With so much waiting, a reader gets nothing more. */
const WAITING_MAX = 16_384;
export const READERS_MAX = 32;

class Reader {
  readonly output: EventOutput;
  readonly sinceMs: number;
  /** What it was told last. */
  told: EventTotals;
  lastMs: number;

  constructor(output: EventOutput, told: EventTotals, nowMs: number) {
    this.output = output;
    this.told = told;
    this.sinceMs = nowMs;
    this.lastMs = nowMs;
  }
}

export class EventFeed {
  readonly #events: EventControl;
  readonly #clock: Clock;
  readonly #readers = new Map<EventOutput, Reader>();
  #looking: Cancellable | null = null;

  constructor(events: EventControl, clock: Clock) {
    this.#events = events;
    this.#clock = clock;
  }

  get size(): number {
    return this.#readers.size;
  }

  /** Tells how it is now, and from now on what changes; false: there are too many readers. */
  add(output: EventOutput): boolean {
    if (this.#readers.size >= READERS_MAX) return false;
    const totals = this.#events.totals();
    const { alarms, problems } = totals;
    this.#readers.set(output, new Reader(output, totals, this.#clock.now()));
    const state = [eventOf('readiness', { isReady: problems.length === 0, problems })];
    for (const alarm of alarms) state.push(eventOf('alarm', { ...alarm, isOver: false }));
    output.write(`retry: 5000\n\n${state.join('')}`);
    this.#looking ??= this.#clock.every(LOOK_MS, () => this.#look());
    return true;
  }

  remove(output: EventOutput): void {
    this.#readers.delete(output);
    if (this.#readers.size > 0) return;
    this.#looking?.cancel();
    this.#looking = null;
  }

  close(): void {
    for (const output of [...this.#readers.keys()]) {
      this.remove(output);
      output.end();
    }
  }

  #look(): void {
    const totals = this.#events.totals();
    const nowMs = this.#clock.now();
    for (const reader of [...this.#readers.values()]) {
      const { output } = reader;
      if (nowMs - reader.sinceMs >= LIFETIME_MS) {
        this.remove(output);
        output.end();
        continue;
      }
      if (output.writableLength > WAITING_MAX) continue;
      let text = differences(reader.told, totals);
      reader.told = totals;
      if (text === '' && nowMs - reader.lastMs >= HEARTBEAT_MS) text = ': still here\n\n';
      if (text === '') continue;
      reader.lastMs = nowMs;
      output.write(text);
    }
  }
}

/** What has happened between the two, as events; empty: nothing. */
function differences(before: EventTotals, after: EventTotals): string {
  const connections = {
    opened: after.connectionsOpened - before.connectionsOpened,
    closed: after.connectionsClosed - before.connectionsClosed,
    refused: after.connectionsRefused - before.connectionsRefused,
    failedLogins: after.failedLogins - before.failedLogins,
  };
  const events: string[] = [];
  if (Object.values(connections).some((count) => count > 0)) {
    events.push(eventOf('connections', connections));
  }
  const dropped = Object.entries(after.dropped)
    .map(([reason, count]) => [reason, count - (before.dropped[reason] ?? 0)] as const)
    .filter(([, count]) => count > 0);
  if (dropped.length > 0) events.push(eventOf('drops', Object.fromEntries(dropped)));
  for (const alarm of after.alarms) {
    if (before.alarms.some((one) => isDeepStrictEqual(one, alarm))) continue;
    events.push(eventOf('alarm', { ...alarm, isOver: false }));
  }
  for (const alarm of before.alarms) {
    if (after.alarms.some(({ name }) => name === alarm.name)) continue;
    events.push(eventOf('alarm', { ...alarm, isOver: true }));
  }
  if (!isDeepStrictEqual(before.problems, after.problems)) {
    const { problems } = after;
    events.push(eventOf('readiness', { isReady: problems.length === 0, problems }));
  }
  return events.join('');
}

/** One event; JSON has no line break in it. */
function eventOf(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
