// Goes through a table in the order of its keys, a page at a time: between pages nothing is held open, so the event loop may
// turn, and transactions may run.

const PAGE = 256;

interface Entry<K> {
  readonly key: K;
  readonly value: Uint8Array;
}

/** What a cursor needs of a table of the package lmdb. */
interface Table<K> {
  getRange(options: { start: K; exclusiveStart: boolean; limit: number }): Iterable<Entry<K>>;
}

export class TableCursor<K> {
  readonly #table: Table<K>;
  #page: Entry<K>[] = [];
  #at = 0;
  #start: K;
  #isFirst = true;
  #isLast = false;

  /** `start`: before all keys. */
  constructor(table: Table<K>, start: K) {
    this.#table = table;
    this.#start = start;
  }

  /** The entry that comes next, or null at the end. */
  peek(): Entry<K> | null {
    if (this.#at === this.#page.length && !this.#isLast) this.#readPage();
    return this.#at < this.#page.length ? this.#page[this.#at] : null;
  }

  next(): Entry<K> | null {
    const entry = this.peek();
    if (entry !== null) this.#at++;
    return entry;
  }

  #readPage(): void {
    const options = { start: this.#start, exclusiveStart: !this.#isFirst, limit: PAGE };
    this.#page = [...this.#table.getRange(options)];
    this.#at = 0;
    this.#isFirst = false;
    this.#isLast = this.#page.length < PAGE;
    const last = this.#page.at(-1);
    if (last !== undefined) this.#start = last.key;
  }
}
