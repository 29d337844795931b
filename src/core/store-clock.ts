// The time that is stored. Wall clocks jump: boards without a battery start in 1970, somebody sets a date, NTP mends it. So
// the store has a clock of its own, in milliseconds since 1970 by and large, that runs with the monotonic clock while a server
// runs, and at the next start takes on what passed meanwhile by the wall clock: nothing, if that went backwards. If it seems to
// be more than a day, either the server was off that long or the clock is wrong; so what would expire by it waits for a while.

import type { Clock } from '../lib/clock.ts';

const DAY_MS = 86_400_000;
/** How long nothing expires after a start whose clock is in doubt. */
export const HOLD_MS = 600_000;

/** Store time and wall time of one moment: what the next start counts from. */
export interface ClockAnchor {
  readonly storeMs: number;
  readonly wallMs: number;
}

export class StoreClock {
  /** Milliseconds of wall clock since the last anchor, as they seem at start; 0 for a new store. Negative = backwards. */
  readonly elapsedMs: number;
  /** Nothing that was there at start expires before; monotonic milliseconds. */
  readonly heldUntilMs: number;
  readonly #clock: Clock;
  readonly #startMs: number;
  /** Store time less monotonic time. */
  readonly #offsetMs: number;
  readonly #anchor: ClockAnchor | null;

  constructor(clock: Clock, anchor: ClockAnchor | null) {
    this.#clock = clock;
    this.#anchor = anchor;
    this.#startMs = clock.now();
    const wallMs = clock.wallNow();
    this.elapsedMs = anchor === null ? 0 : wallMs - anchor.wallMs;
    const storeMs = anchor === null ? wallMs : anchor.storeMs + Math.max(0, this.elapsedMs);
    this.#offsetMs = storeMs - this.#startMs;
    this.heldUntilMs = this.isInDoubt ? this.#startMs + HOLD_MS : this.#startMs;
  }

  get isInDoubt(): boolean {
    return this.elapsedMs > DAY_MS;
  }

  /** Store time now. */
  now(): number {
    return this.toStore(this.#clock.now());
  }

  /** Store time, in whole milliseconds, of a monotonic time. */
  toStore(monotonicMs: number): number {
    return Math.round(monotonicMs + this.#offsetMs);
  }

  toMonotonic(storeMs: number): number {
    return storeMs - this.#offsetMs;
  }

  /** A moment at which something stored expires, by the monotonic clock: not before the doubt is over, if it is older than the start. */
  expiryOf(storeMs: number): number {
    const monotonicMs = this.toMonotonic(storeMs);
    return monotonicMs < this.heldUntilMs ? this.heldUntilMs : monotonicMs;
  }

  /**
   * Where the next start counts from. While there is doubt the time in doubt is not part of it: the next start judges anew, by
   * a clock that may have been mended.
   */
  anchor(): ClockAnchor {
    const nowMs = this.#clock.now();
    if (this.#anchor !== null && nowMs < this.heldUntilMs) {
      const ranMs = Math.round(nowMs - this.#startMs);
      return { storeMs: this.#anchor.storeMs + ranMs, wallMs: this.#anchor.wallMs + ranMs };
    }
    return { storeMs: this.now(), wallMs: Math.round(this.#clock.wallNow()) };
  }
}

/** The anchor as bytes: two doubles. */
export function encodeAnchor(anchor: ClockAnchor): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, anchor.storeMs);
  view.setFloat64(8, anchor.wallMs);
  return bytes;
}

/** Null for what is no anchor. */
export function decodeAnchor(bytes: Uint8Array | null): ClockAnchor | null {
  if (bytes === null || bytes.length !== 16) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const anchor = { storeMs: view.getFloat64(0), wallMs: view.getFloat64(8) };
  return Number.isFinite(anchor.storeMs) && Number.isFinite(anchor.wallMs) ? anchor : null;
}
