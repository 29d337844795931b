// What one receiver got of the flows it hears, message by message: each belongs exactly once and in order. What is missing is
// kept as ranges of numbers, so that a late message is told from one that came twice, however long ago that was.

/** Numbers from `start` up to, not including, `end`. @typedef {{ start: number, end: number }} Gap */

export class Ledger {
  /** Different messages that came. */
  received = 0;
  /** Messages that came again. */
  duplicates = 0;
  /** Messages that came after a later one of their flow. */
  outOfOrder = 0;
  /** Messages that nobody sent: of another size, of a flow that is not heard here, or with a number that was not in use yet. */
  damaged = 0;
  #first;
  /** By flow: the lowest number that nothing has come behind. */
  #next;
  /** @type {Map<number, Gap[]>} by flow, ascending */
  #gaps = new Map();

  /** It hears the flows `first` to `first + count - 1`. @param {number} first @param {number} count */
  constructor(first, count) {
    this.#first = first;
    this.#next = new Uint32Array(count);
  }

  hears(flow) {
    return flow >= this.#first && flow < this.#first + this.#next.length;
  }

  /** How many of a flow were got, or given up because a later one came. */
  progress(flow) {
    return this.#next[flow - this.#first];
  }

  /** Notes a message of a flow that it hears; false when it came before. */
  take(flow, number) {
    const at = flow - this.#first;
    const next = this.#next[at];
    if (number < next) return this.#takeLate(at, number);
    if (number > next) this.#gapsOf(at).push({ start: next, end: number });
    this.#next[at] = number + 1;
    this.received++;
    return true;
  }

  /** How many did not come; called once, at the end. @param {Uint32Array} sent by flow */
  lost(sent) {
    let lost = 0;
    for (let at = 0; at < this.#next.length; at++) {
      const missing = sent[this.#first + at] - this.#next[at];
      if (missing >= 0) lost += missing;
      else this.damaged++;
    }
    for (const gaps of this.#gaps.values()) for (const { start, end } of gaps) lost += end - start;
    return lost;
  }

  #takeLate(at, number) {
    const gaps = this.#gaps.get(at) ?? [];
    const found = gaps.findIndex(({ start, end }) => start <= number && number < end);
    if (found < 0) {
      this.duplicates++;
      return false;
    }
    const { start, end } = gaps[found];
    const left = [
      { start, end: number },
      { start: number + 1, end },
    ].filter((gap) => gap.start < gap.end);
    gaps.splice(found, 1, ...left);
    this.received++;
    this.outOfOrder++;
    return true;
  }

  #gapsOf(at) {
    let gaps = this.#gaps.get(at);
    if (gaps === undefined) {
      gaps = [];
      this.#gaps.set(at, gaps);
    }
    return gaps;
  }
}
