// A fuse between this server and an endpoint that fails. Closed: everybody asks. After so many failures in a row it opens, and
// nobody asks for a while. Then it is half open: one may try, and the answer closes it, or opens it for another while.

import type { Clock } from '../../lib/clock.ts';

export interface CircuitOptions {
  /** Failures in a row that open it. */
  readonly failuresMax: number;
  readonly openMs: number;
  readonly clock: Clock;
  /** It opened after it was closed, or closed again. */
  readonly onChange: (isOpen: boolean) => void;
}

/** Stands for one call; what becomes of it is told with it. */
export type CircuitTicket = number;

export class Circuit {
  readonly #options: CircuitOptions;
  #failures = 0;
  /** null: closed */
  #openUntilMs: number | null = null;
  #isTried = false;
  /** Calls that began before the last change tell nothing about how it is now. */
  #era = 0;

  constructor(options: CircuitOptions) {
    this.#options = options;
  }

  /** May a call be made? What became of it must be told. null: it may not. */
  enter(): CircuitTicket | null {
    if (this.#openUntilMs === null) return this.#era;
    if (this.#isTried || this.#options.clock.now() < this.#openUntilMs) return null;
    this.#isTried = true;
    return this.#era;
  }

  /** Whether `enter` would say no now. */
  get isOpen(): boolean {
    if (this.#openUntilMs === null) return false;
    return this.#isTried || this.#options.clock.now() < this.#openUntilMs;
  }

  succeeded(ticket: CircuitTicket): void {
    if (ticket !== this.#era) return;
    this.#failures = 0;
    if (this.#openUntilMs === null) return;
    this.#openUntilMs = null;
    this.#turn(false);
  }

  failed(ticket: CircuitTicket): void {
    if (ticket !== this.#era) return;
    const wasClosed = this.#openUntilMs === null;
    if (wasClosed && ++this.#failures < this.#options.failuresMax) return;
    this.#openUntilMs = this.#options.clock.now() + this.#options.openMs;
    this.#turn(wasClosed);
  }

  #turn(hasOpened: boolean): void {
    this.#isTried = false;
    this.#failures = 0;
    this.#era++;
    if (this.#openUntilMs === null || hasOpened) this.#options.onChange(hasOpened);
  }
}
