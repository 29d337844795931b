// Whether a connection is read: it is not while there is a reason against it. One that waits to be let in goes no further either,
// but its stream is still listened to for a while: an end that nobody reads is not noticed, and a client that has given up, and
// came again maybe, would have its password hashed in vain and its session taken from itself.

import type { Stream } from '../transport/stream.ts';
import { PauseReason } from './connection-state.ts';

/** What is taken of a client that waits to be let in; who sends more is not listened to any more. */
const WAITING_BYTES_MAX = 4_096;

export class Reading {
  readonly #stream: Stream;
  #reasons = 0;
  #isStreamPaused = false;
  #waitingBytes = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  get isPaused(): boolean {
    return this.#reasons !== 0;
  }

  has(reason: PauseReason): boolean {
    return (this.#reasons & reason) !== 0;
  }

  /** `isStranger`: its CONNECT is in, and not accepted yet. */
  pause(reason: PauseReason, isStranger: boolean): void {
    this.#reasons |= reason;
    this.#pauseStream(isStranger);
  }

  /** The stream stands still until it is resumed. */
  lift(reason: PauseReason): void {
    this.#reasons &= ~reason;
  }

  resume(): void {
    this.#reasons = 0;
    this.#isStreamPaused = false;
    this.#stream.resume();
  }

  /** These came though it is paused. */
  onBytes(length: number, isStranger: boolean): void {
    this.#waitingBytes += length;
    this.#pauseStream(isStranger);
  }

  #pauseStream(isStranger: boolean): void {
    if (this.#isStreamPaused) return;
    const isWaiting = isStranger && this.#reasons === PauseReason.Parked;
    if (isWaiting && this.#waitingBytes <= WAITING_BYTES_MAX) return;
    this.#isStreamPaused = true;
    this.#stream.pause();
  }
}
