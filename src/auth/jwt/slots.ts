// So much work at a time; the rest waits in its order. Signatures are checked in libuv's pool, where the store's commits run too:
// whoever comes by the thousand must not stand before them there.

import { RingBuffer } from '../../lib/ring-buffer.ts';

export class Slots {
  readonly #waitingMax: number;
  readonly #waiting = new RingBuffer<() => void>();
  #free: number;

  constructor(parallel: number, waitingMax: number) {
    this.#free = parallel;
    this.#waitingMax = waitingMax;
  }

  /** Does it, now or in its turn; null: too many wait. */
  run<T>(work: () => Promise<T>): Promise<T> | null {
    if (this.#free > 0) {
      this.#free--;
      return this.#do(work);
    }
    if (this.#waiting.length >= this.#waitingMax) return null;
    return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => this.#do(work));
  }

  async #do<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next(); // takes over this slot, so that nobody who comes now is before it
    }
  }
}
