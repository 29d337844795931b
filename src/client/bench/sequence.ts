// Which messages of one publisher came to one subscriber: what is missing, what came twice, what came late. It remembers the last
// numbers only, so that it takes the same few bytes however many messages there are.

/** Numbers that are remembered. One that is further behind counts as a duplicate: nobody knows any more. */
const REMEMBERED = 1_024;
const BITS = 32;

export type Arrival = 'next' | 'late' | 'duplicate';

export class SequenceTracker {
  readonly #first: number;
  readonly #seen = new Uint32Array(REMEMBERED / BITS);
  /** One more than the highest number. */
  #next: number;
  #distinct = 0;

  /** Numbers below `first` are of before anybody looked. */
  constructor(first: number) {
    this.#first = first;
    this.#next = first;
  }

  get distinct(): number {
    return this.#distinct;
  }

  /** Below the highest number: those that did not come, so far. */
  get missing(): number {
    return this.#next - this.#first - this.#distinct;
  }

  /** MQTT 5 §4.6: messages of one publisher to one topic come in order. */
  take(sequence: number): Arrival {
    if (sequence >= this.#next) {
      this.#advance(sequence + 1);
      this.#mark(sequence);
      return 'next';
    }
    if (sequence < this.#first) return 'late';
    if (sequence < this.#next - REMEMBERED || this.#isMarked(sequence)) return 'duplicate';
    this.#mark(sequence);
    return 'late';
  }

  #advance(next: number): void {
    if (next - this.#next >= REMEMBERED) this.#seen.fill(0);
    else for (let i = this.#next; i < next; i++) this.#seen[wordOf(i)] &= ~bitOf(i);
    this.#next = next;
  }

  #mark(sequence: number): void {
    this.#seen[wordOf(sequence)] |= bitOf(sequence);
    this.#distinct++;
  }

  #isMarked(sequence: number): boolean {
    return (this.#seen[wordOf(sequence)] & bitOf(sequence)) !== 0;
  }
}

function wordOf(sequence: number): number {
  return Math.floor((sequence % REMEMBERED) / BITS);
}

function bitOf(sequence: number): number {
  return 1 << (sequence % BITS);
}
