// Answers that go on: events, a trace, lines of the log. Who reads one showed a token when it began, and it goes on as long as that
// token counts: it ends in the moment in which the token or its user goes, and within a second when its time is over.

import type { ServerResponse } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { type Cancellable, type Clock, SYSTEM_CLOCK } from '../lib/clock.ts';

declare module 'fastify' {
  interface FastifyInstance {
    readonly longAnswers: LongAnswers;
  }

  interface FastifyRequest {
    /** Whether who asked may still ask that; null: nobody can take it from him. */
    isStillLet: (() => boolean) | null;
  }
}

const LOOK_MS = 1_000;
/** After so much silence the system asks whether the other side is there at all. */
const KEEP_ALIVE_MS = 30_000;

interface Answer {
  readonly isStillLet: () => boolean;
  readonly end: () => void;
}

export class LongAnswers {
  readonly #clock: Clock;
  readonly #answers = new Set<Answer>();
  #looking: Cancellable | null = null;

  constructor(clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#answers.size;
  }

  /** Calls `end` when who asks may not any more. The answer may be silent for long; who does not take what is there is cut off. */
  watch({ isStillLet }: FastifyRequest, response: ServerResponse, end: () => void): void {
    response.socket?.setKeepAlive(true, KEEP_ALIVE_MS);
    response.on('timeout', (socket) => {
      if (response.writableLength > 0) socket.destroy();
    });
    if (isStillLet === null) return;
    const answer = { isStillLet, end };
    this.#answers.add(answer);
    response.once('close', () => this.#remove(answer));
    this.#looking ??= this.#clock.every(LOOK_MS, () => this.review());
  }

  /** Somebody may have lost what he had. */
  review(): void {
    for (const answer of [...this.#answers]) {
      if (answer.isStillLet()) continue;
      this.#remove(answer);
      answer.end();
    }
  }

  #remove(answer: Answer): void {
    this.#answers.delete(answer);
    if (this.#answers.size > 0) return;
    this.#looking?.cancel();
    this.#looking = null;
  }
}
