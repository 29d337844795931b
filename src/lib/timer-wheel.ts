// One wheel for all timeouts: arming, moving and cancelling one is a few pointer writes, and a connection that is busy only
// stamps the time (the timer looks at the stamp when it fires and arms itself again). Resolution: `RESOLUTION_MS`.

import type { Cancellable, Clock } from './clock.ts';

const RESOLUTION_MS = 50;
const SLOTS = 1_024;

export interface TimerOwner {
  onTimer(timer: Timer, nowMs: number): void;
}

/** One timeout of one owner; armed and cancelled through the wheel. */
export class Timer {
  readonly owner: TimerOwner;
  deadlineMs = 0;
  /** Slot in the wheel, or one of the two states below. */
  slot = IDLE;
  previous: Timer | null = null;
  next: Timer | null = null;

  constructor(owner: TimerOwner) {
    this.owner = owner;
  }

  get isArmed(): boolean {
    return this.slot !== IDLE;
  }
}

const IDLE = -1;
const FIRING = -2;

export class TimerWheel {
  readonly #clock: Clock;
  readonly #slots: (Timer | null)[] = new Array<Timer | null>(SLOTS).fill(null);
  /** Number of the last slot-time that was visited. */
  #visited: number;
  #armed = 0;
  readonly #driver: Cancellable;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#visited = Math.floor(clock.now() / RESOLUTION_MS);
    this.#driver = clock.every(RESOLUTION_MS, () => this.#advance());
  }

  /** Monotonic milliseconds. */
  get nowMs(): number {
    return this.#clock.now();
  }

  /** Timers that are armed now. */
  get armed(): number {
    return this.#armed;
  }

  /** Fires `timer` once, `delayMs` from now (never early, at most two resolutions late); replaces an earlier arming. */
  arm(timer: Timer, delayMs: number): void {
    this.armAt(timer, this.#clock.now() + delayMs);
  }

  armAt(timer: Timer, deadlineMs: number): void {
    if (timer.slot >= 0) this.#unlink(timer);
    else if (timer.slot === IDLE) this.#armed++;
    timer.deadlineMs = deadlineMs;
    const due = Math.max(Math.ceil(deadlineMs / RESOLUTION_MS), this.#visited + 1);
    const slot = due % SLOTS;
    const head = this.#slots[slot];
    timer.slot = slot;
    timer.previous = null;
    timer.next = head;
    if (head !== null) head.previous = timer;
    this.#slots[slot] = timer;
  }

  cancel(timer: Timer): void {
    if (timer.slot === IDLE) return;
    if (timer.slot >= 0) this.#unlink(timer);
    timer.slot = IDLE;
    this.#armed--;
  }

  /** Stops for good. */
  close(): void {
    this.#driver.cancel();
  }

  #unlink(timer: Timer): void {
    if (timer.previous !== null) timer.previous.next = timer.next;
    else this.#slots[timer.slot] = timer.next;
    if (timer.next !== null) timer.next.previous = timer.previous;
    timer.previous = null;
    timer.next = null;
  }

  #advance(): void {
    const nowMs = this.#clock.now();
    const current = Math.floor(nowMs / RESOLUTION_MS);
    // After a long stall every slot is visited once, not once per missed interval.
    const first = Math.max(this.#visited + 1, current - SLOTS + 1);
    const due: Timer[] = [];
    for (let slotTime = first; slotTime <= current; slotTime++) {
      let timer = this.#slots[slotTime % SLOTS];
      while (timer !== null) {
        const next: Timer | null = timer.next;
        if (timer.deadlineMs <= nowMs) {
          this.#unlink(timer);
          timer.slot = FIRING;
          due.push(timer);
        }
        timer = next;
      }
    }
    this.#visited = Math.max(this.#visited, current);
    let failure: unknown;
    let hasFailed = false;
    for (const timer of due) {
      if (timer.slot !== FIRING) continue; // cancelled or armed again by one that fired before it
      timer.slot = IDLE;
      this.#armed--;
      try {
        timer.owner.onTimer(timer, nowMs);
      } catch (error) {
        failure = error; // the others are due all the same
        hasFailed = true;
      }
    }
    if (hasFailed) throw failure;
  }
}
