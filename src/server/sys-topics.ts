// Publishes what the server counts under `$SYS/broker/…`, every so often, in Mosquitto's layout. Only what has changed is
// published; everything is retained for those who come later, apart from what clients retain and never stored. It goes out at
// QoS 0: the next figure takes the place of one that is lost, and no queue of a client that is away fills with them.

import type { Cancellable } from '../lib/clock.ts';
import { Message } from '../protocol/message.ts';
import type { Topic } from '../protocol/topic.ts';
import { RetainedStore } from '../router/retained.ts';
import type { Context } from '../session/context.ts';
import { type SysCounts, type SysFigure, type SysLook, sysFigures } from './sys-figures.ts';

export interface SysOptions {
  /** 0 = never */
  readonly intervalMs: number;
  /** Of the program; `0.1.0` */
  readonly version: string;
}

/** Counts now, or over some turns when there is much to count, and calls back. */
export type SysSource = (done: (counts: SysCounts) => void) => void;

const ROOT = '$SYS/broker/';
const UNLIMITED = {
  retainedMessagesMax: Number.POSITIVE_INFINITY,
  retainedBytesMax: Number.POSITIVE_INFINITY,
};

/** A figure with what was last said of it. */
interface Said {
  readonly figure: SysFigure;
  readonly topic: Topic;
  value: string | null;
}

export class SysTopics {
  readonly #context: Context;
  readonly #source: SysSource;
  readonly #options: SysOptions;
  readonly #said: readonly Said[];
  readonly #startedMs: number;
  readonly #retained = new RetainedStore(UNLIMITED);
  readonly #timer: Cancellable;
  #isLooking = false;
  #isClosed = false;

  /** Says everything at once, then what changes. */
  constructor(context: Context, source: SysSource, options: SysOptions) {
    this.#context = context;
    this.#source = source;
    this.#options = options;
    this.#said = sysFigures().map((figure) => ({
      figure,
      topic: context.topics.restore(`${ROOT}${figure.topic}`),
      value: null,
    }));
    this.#startedMs = context.clock.now();
    context.retained.own = this.#retained;
    this.#timer = context.clock.every(options.intervalMs, () => this.#look());
    this.#look();
  }

  /** What was said last, by topics without their root. */
  get values(): Readonly<Record<string, string>> {
    const told = this.#said.filter(({ value }) => value !== null);
    return Object.fromEntries(told.map(({ figure, value }) => [figure.topic, value ?? '']));
  }

  /** Says nothing more. */
  close(): void {
    this.#isClosed = true;
    this.#timer.cancel();
  }

  #look(): void {
    if (this.#isLooking) return; // the last one still counts
    this.#isLooking = true;
    this.#source((counts) => {
      this.#isLooking = false;
      if (this.#isClosed) return;
      const { clock, drops, metrics } = this.#context;
      const nowMs = clock.now();
      const look: SysLook = {
        counts,
        version: `iothub version ${this.#options.version}`,
        uptimeMs: nowMs - this.#startedMs,
        metrics,
        drops: drops.counts,
      };
      // All are read before any is sent: what is sent counts from the next look on.
      const values = this.#said.map(({ figure }) => figure.show(look));
      for (const [i, said] of this.#said.entries()) this.#say(said, values[i], nowMs);
    });
  }

  #say(said: Said, value: string, nowMs: number): void {
    if (said.value === value) return;
    said.value = value;
    const { router } = this.#context;
    const message = new Message(said.topic, 0, true, new TextEncoder().encode(value), 0);
    message.receivedAtMs = nowMs;
    this.#retained.set(message, nowMs);
    // A figure that nobody wants is no lost message.
    if (router.matching(said.topic.name).length > 0) router.route(message, nowMs);
  }
}
