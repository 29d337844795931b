// The end of an identity, a token's for instance: its client is told 0x87 and disconnected, unless it re-authenticates before.
// It goes by the wall clock, which may be set, so it is looked at now and then.

import { Timer, type TimerOwner } from '../lib/timer-wheel.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Connection } from './connection.ts';

/** Between two looks at the wall clock. */
const LOOK_MS = 60_000;

export class IdentityExpiry implements TimerOwner {
  readonly #connection: Connection;
  /** Of the wall clock. */
  readonly #expiresAtMs: number;
  readonly #timer = new Timer(this);

  constructor(connection: Connection, expiresAtMs: number) {
    this.#connection = connection;
    this.#expiresAtMs = expiresAtMs;
    this.#arm();
  }

  onTimer(): void {
    const { clock } = this.#connection.context;
    if (clock.wallNow() < this.#expiresAtMs) this.#arm();
    else this.#connection.disconnect(ReasonCode.NotAuthorized, 'the authorization has expired');
  }

  cancel(): void {
    this.#connection.context.wheel.cancel(this.#timer);
  }

  #arm(): void {
    const { clock, wheel } = this.#connection.context;
    const leftMs = Math.max(0, this.#expiresAtMs - clock.wallNow());
    wheel.arm(this.#timer, Math.min(leftMs, LOOK_MS));
  }
}
