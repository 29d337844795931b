// When which publisher sends: at a rate, in turn and evenly, or each as fast as it may. At a rate the due times do not depend on how the
// server does: a message that its publisher could not send in time is late by as much as the server made it wait.

/** Whom messages are given to. */
export interface Paced {
  readonly isOver: boolean;
  /** There may be something to send. */
  pump(): void;
}

export interface Pace<P extends Paced> {
  /** Takes the next message of a publisher: when it was due, in milliseconds of performance.now(); null: none is due. */
  take(publisher: P): number | null;
  /** Hands out what has become due. Returns the milliseconds until there is more. */
  tick(nowMs: number): number;
  /** Everything was taken. */
  readonly isExhausted: boolean;
  /** Due, and not sent: the server lets no more in, or their publishers are gone. */
  readonly unsent: number;
}

/** Nobody needs to be woken but to see whether it is over. */
const LOOK_MS = 10;

/** Each as fast as it may. */
export class Unpaced<P extends Paced> implements Pace<P> {
  readonly unsent = 0;
  readonly #publishers: readonly P[];
  #left: number;
  #hasBegun = false;

  constructor(publishers: readonly P[], messages: number | null) {
    this.#publishers = publishers;
    this.#left = messages ?? Number.POSITIVE_INFINITY;
  }

  get isExhausted(): boolean {
    return this.#left === 0;
  }

  take(): number | null {
    if (this.#left === 0) return null;
    this.#left--;
    return performance.now();
  }

  tick(): number {
    if (!this.#hasBegun) for (const one of this.#publishers) one.pump();
    this.#hasBegun = true;
    return LOOK_MS;
  }
}

/** Message k is due k/rate after the start, and is sent by publisher k modulo their number. */
export class Rated<P extends Paced> implements Pace<P> {
  readonly #publishers: readonly P[];
  readonly #places: ReadonlyMap<P, number>;
  readonly #startMs: number;
  readonly #intervalMs: number;
  readonly #messages: number;
  readonly #owed: Float64Array;
  readonly #taken: Float64Array;
  #assigned = 0;
  #takenInAll = 0;

  constructor(
    publishers: readonly P[],
    messages: number | null,
    perSecond: number,
    startMs: number,
  ) {
    this.#publishers = publishers;
    this.#places = new Map(publishers.map((one, place) => [one, place]));
    this.#startMs = startMs;
    this.#intervalMs = 1_000 / perSecond;
    this.#messages = messages ?? Number.POSITIVE_INFINITY;
    this.#owed = new Float64Array(publishers.length);
    this.#taken = new Float64Array(publishers.length);
  }

  /** Nobody will send what is still owed by a publisher that is gone. */
  get isExhausted(): boolean {
    if (this.#assigned < this.#messages) return false;
    let left = this.unsent;
    for (const [place, one] of this.#publishers.entries())
      if (one.isOver) left -= this.#owed[place];
    return left === 0;
  }

  get unsent(): number {
    return this.#assigned - this.#takenInAll;
  }

  take(publisher: P): number | null {
    const place = this.#places.get(publisher) ?? 0;
    if (this.#owed[place] === 0) return null;
    this.#owed[place]--;
    this.#takenInAll++;
    const k = this.#taken[place]++ * this.#publishers.length + place;
    return this.#startMs + k * this.#intervalMs;
  }

  tick(nowMs: number): number {
    const due = Math.floor((nowMs - this.#startMs) / this.#intervalMs) + 1;
    const until = Math.min(due, this.#messages);
    for (; this.#assigned < until; this.#assigned++) {
      const place = this.#assigned % this.#publishers.length;
      this.#owed[place]++;
      this.#publishers[place].pump();
    }
    const nextMs = this.#startMs + this.#assigned * this.#intervalMs;
    return Math.min(Math.max(1, nextMs - nowMs), LOOK_MS);
  }
}
