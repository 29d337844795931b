// Pings, so that no proxy takes an idle connection for dead, and nobody keeps one whose client is.

import { Timer, type TimerOwner, type TimerWheel } from '../../lib/timer-wheel.ts';

/** Whose heart it is. */
export interface Pinged {
  /** All that ever came, to see whether the client lives. */
  readonly bytesRead: number;
  /** False: it is not read, so it cannot answer, or it does not read: that is for its writer to judge. */
  readonly canAnswer: boolean;
  ping(): void;
  onSilence(): void;
}

export class Heartbeat implements TimerOwner {
  readonly #wheel: TimerWheel;
  readonly #intervalMs: number;
  readonly #pinged: Pinged;
  readonly #timer = new Timer(this);
  #bytesAtPing = -1;

  /** `intervalMs` 0: no pings. */
  constructor(wheel: TimerWheel, intervalMs: number, pinged: Pinged) {
    this.#wheel = wheel;
    this.#intervalMs = intervalMs;
    this.#pinged = pinged;
  }

  start(): void {
    if (this.#intervalMs > 0) this.#wheel.arm(this.#timer, this.#intervalMs);
  }

  stop(): void {
    this.#wheel.cancel(this.#timer);
  }

  /** Whoever has sent nothing since the last ping, not even its answer, is gone. */
  onTimer(timer: Timer): void {
    const { bytesRead, canAnswer } = this.#pinged;
    if (canAnswer && bytesRead === this.#bytesAtPing) {
      this.#pinged.onSilence();
      return;
    }
    this.#bytesAtPing = canAnswer ? bytesRead : -1;
    if (canAnswer) this.#pinged.ping();
    this.#wheel.arm(timer, this.#intervalMs);
  }
}
