// Walks over all sessions and lets their queues give up memory, in slices: what is stored leaves it, and at the last level QoS 0
// that waits in a large queue is dropped. QoS 1 and 2 that were acknowledged stay, wherever they are.

import type { Session } from '../session/session.ts';
import { OverloadLevel } from '../session/shedding.ts';
import type { Registry } from './registry.ts';

/** Sessions in one turn. */
const SLICE = 500;
/** A queue that is smaller keeps its QoS 0. */
const LARGE_QUEUE_BYTES = 65_536;

export class QueueShedder {
  readonly #registry: Registry;
  #isWalking = false;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** One walk; nothing happens while the last is not done. */
  shed(level: OverloadLevel): void {
    if (this.#isWalking) return;
    this.#isWalking = true;
    const keptBytes =
      level === OverloadLevel.Publishers ? LARGE_QUEUE_BYTES : Number.POSITIVE_INFINITY;
    this.#goOn(this.#registry[Symbol.iterator](), keptBytes);
  }

  #goOn(sessions: Iterator<Session>, keptBytes: number): void {
    for (let i = 0; i < SLICE; i++) {
      const { done, value: session } = sessions.next();
      if (done === true) {
        this.#isWalking = false;
        return;
      }
      session.outbound.queue?.shed(keptBytes);
    }
    setImmediate(() => this.#goOn(sessions, keptBytes));
  }
}
