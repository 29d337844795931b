// Lets go of what was queued for sessions that are gone. Their records count for nobody from the moment that the session is
// deleted, whatever happens; so a long queue is swept in slices, turn by turn, and no more in one batch than it can take.

import type { Batch } from './batch.ts';
import type { SessionState } from './session-state.ts';

/** So many are swept at once. */
const SLICE = 1_000;
/** Removed records in one batch, as far as sweeping is concerned. */
const DEAD_MAX = 8_192;

export interface Swept {
  readonly gathering: Batch;
  release(sequence: number): void;
}

export class Sweep {
  readonly #swept: Swept;
  #sessions: SessionState[] = [];
  #turn: NodeJS.Immediate | null = null;

  constructor(swept: Swept) {
    this.#swept = swept;
  }

  /** A deleted session. */
  add(session: SessionState): void {
    for (const sequence of session.takeInflight()) this.#swept.release(sequence);
    if (session.queue.length === 0) return;
    this.#sessions.push(session);
    if (this.#sessions.length === 1) this.#slice();
  }

  /** Another batch gathers, which has room again. */
  resume(): void {
    if (this.#sessions.length > 0 && this.#turn === null) {
      this.#turn = setImmediate(() => {
        this.#turn = null;
        this.#slice();
      });
    }
  }

  stop(): void {
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#sessions = [];
  }

  #slice(): void {
    let room = SLICE;
    while (room > 0 && this.#sessions.length > 0) {
      const { queue } = this.#sessions[this.#sessions.length - 1];
      const sequences = queue.takeLast(room);
      for (const sequence of sequences) this.#swept.release(sequence);
      room -= sequences.length;
      if (queue.length === 0) this.#sessions.pop();
    }
    if (this.#swept.gathering.dead.length < DEAD_MAX) this.resume();
  }
}
