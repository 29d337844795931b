// When is a cached match stale? When a filter that could match its topic came or went. One counter for all filters would be
// simple, and would throw every cached match away whenever any device connects. So there are many: a change counts up the one
// that belongs to the filter's literal beginning, at most three levels of it, and a topic is up to date while the counters of
// its own beginnings are what they were. Two beginnings may share a counter: that costs a look-up, never a wrong match.

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;

/** Counters; a power of two. Small enough to stay in the processor's cache. */
const COUNTERS = 16_384;
/** Of filters that begin with a wildcard: they could match anything. */
const ANY = COUNTERS;
const BEGINNING_LEVELS = 3;
// FNV-1a
const SEED = 0x811c9dc5;
const PRIME = 0x01000193;
/** Keeps a whole name apart from a beginning of the same text. */
const WHOLE = 0x5bd1e995;

/** The counters that can make one topic's match stale, and their sum when it was made: it only ever grows. */
export class Stamp {
  first = 0;
  second = 0;
  third = 0;
  whole = 0;
  sum = -1;
}

export class Generations {
  readonly #counts = new Float64Array(COUNTERS + 1);

  /** A filter came, went, or changed what it leads to. */
  advance(topicFilter: string): void {
    let hash = SEED;
    let level = 0;
    let counter = ANY;
    for (let i = 0; i < topicFilter.length; i++) {
      const code = topicFilter.charCodeAt(i);
      if (code === PLUS || code === HASH) {
        this.#counts[counter]++;
        return;
      }
      if (code === SLASH && ++level <= BEGINNING_LEVELS) counter = counterOf(hash);
      hash = Math.imul(hash ^ code, PRIME);
    }
    this.#counts[counterOf(hash ^ WHOLE)]++;
  }

  /** Makes the stamp that of the topic as of now. */
  renew(stamp: Stamp, topicName: string): void {
    let hash = SEED;
    let level = 0;
    for (let i = 0; i < topicName.length; i++) {
      const code = topicName.charCodeAt(i);
      if (code === SLASH) setBeginning(stamp, ++level, counterOf(hash));
      hash = Math.imul(hash ^ code, PRIME);
    }
    // the last level is the end of a beginning, too: `a/b/#` matches `a/b`
    const last = counterOf(hash);
    while (level < BEGINNING_LEVELS) setBeginning(stamp, ++level, last);
    stamp.whole = counterOf(hash ^ WHOLE);
    stamp.sum = this.#sum(stamp);
  }

  /** Whether no filter that could match its topic has changed since. */
  isCurrent(stamp: Stamp): boolean {
    return stamp.sum === this.#sum(stamp);
  }

  #sum(stamp: Stamp): number {
    const counts = this.#counts;
    return (
      counts[stamp.first] +
      counts[stamp.second] +
      counts[stamp.third] +
      counts[stamp.whole] +
      counts[ANY]
    );
  }
}

function setBeginning(stamp: Stamp, levels: number, counter: number): void {
  if (levels === 1) stamp.first = counter;
  else if (levels === 2) stamp.second = counter;
  else if (levels === 3) stamp.third = counter;
}

function counterOf(hash: number): number {
  return (hash ^ (hash >>> 15)) & (COUNTERS - 1);
}
