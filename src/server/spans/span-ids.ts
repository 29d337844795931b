// New identifiers of traces and spans: random, so that no client can foresee one, drawn many at a time because each draw has its
// price, and never all zeros, which are none.

import { randomFillSync } from 'node:crypto';

/** In hex. */
export interface SpanIds {
  /** 32 digits */
  traceId(): string;
  /** 16 digits */
  spanId(): string;
}

const DRAWN_BYTES = 4_096;

export class RandomSpanIds implements SpanIds {
  readonly #bytes = Buffer.alloc(DRAWN_BYTES);
  #used = DRAWN_BYTES;

  traceId(): string {
    return this.#next(16);
  }

  spanId(): string {
    return this.#next(8);
  }

  #next(length: number): string {
    for (;;) {
      if (this.#used + length > DRAWN_BYTES) {
        randomFillSync(this.#bytes);
        this.#used = 0;
      }
      const id = this.#bytes.toString('hex', this.#used, this.#used + length);
      this.#used += length;
      if (!/^0+$/.test(id)) return id;
    }
  }
}
