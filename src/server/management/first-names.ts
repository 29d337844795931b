// The names of one page, chosen from very many that come in any order: a heap of as many as the page has, whose largest gives way to
// each that is smaller. Nothing is sorted but the page itself. A name that comes twice is there once.

import type { Page, PageRequest } from '../contract/management.ts';
import { nextTurn, Slices } from './slices.ts';

/** Items of a page that are made in one turn. */
const SHOWN_SLICE = 200;

export class FirstNames<T> {
  readonly #after: string | null;
  readonly #limit: number;
  readonly #values = new Map<string, T>();
  /** The largest first; one more than the page, to know whether another follows. */
  readonly #heap: string[] = [];

  constructor({ after, limit }: PageRequest) {
    this.#after = after;
    this.#limit = limit;
  }

  /** Whether it would be on the page, by what has come so far. */
  wants(name: string): boolean {
    if (this.#after !== null && name <= this.#after) return false;
    return this.#heap.length <= this.#limit || name <= this.#heap[0];
  }

  get(name: string): T | undefined {
    return this.#values.get(name);
  }

  /** Adds one that is wanted. */
  set(name: string, value: T): void {
    const isNew = !this.#values.has(name);
    this.#values.set(name, value);
    if (!isNew) return;
    const heap = this.#heap;
    if (heap.length <= this.#limit) {
      heap.push(name);
      this.#rise(heap.length - 1);
      return;
    }
    this.#values.delete(heap[0]);
    heap[0] = name;
    this.#sink();
  }

  /** The page in order, made in slices; `shown` leaves out, with null, what is not there any more. */
  async page<Shown>(shown: (value: T, name: string) => Shown | null): Promise<Page<Shown>> {
    const names = [...this.#heap].sort((a, b) => (a < b ? -1 : 1));
    const isLast = names.length <= this.#limit;
    const items: Shown[] = [];
    const slices = new Slices(SHOWN_SLICE);
    await nextTurn(); // choosing them has had a turn of its own
    for (const name of names.slice(0, this.#limit)) {
      if (slices.isOver()) await nextTurn();
      const item = shown(this.#values.get(name) as T, name);
      if (item !== null) items.push(item);
    }
    return { items, next: isLast ? null : names[this.#limit - 1] };
  }

  #rise(from: number): void {
    const heap = this.#heap;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent] >= heap[at]) return;
      [heap[parent], heap[at]] = [heap[at], heap[parent]];
      at = parent;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let largest = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && heap[child] > heap[largest]) largest = child;
      }
      if (largest === at) return;
      [heap[largest], heap[at]] = [heap[at], heap[largest]];
      at = largest;
    }
  }
}
