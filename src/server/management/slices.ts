// Work on very many sessions, topics or messages in slices, so that no turn of the event loop has more than a few milliseconds
// of it.

/** Counts visits, and says when the loop must turn. */
export class Slices {
  readonly #max: number;
  #left: number;

  /** `max`: visits in one turn. */
  constructor(max: number) {
    this.#max = max;
    this.#left = max;
  }

  /** Counts one more visit; true: it belongs to the next turn. */
  isOver(): boolean {
    if (this.#left-- > 0) return false;
    this.#left = this.#max - 1;
    return true;
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
