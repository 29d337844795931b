// The walk over the retained messages that a new subscription matches. It may take days: it is pulled by the subscriber's
// window and survives its reconnects, while topics come and go. So it holds nothing but the filter and the name up to which it
// has come; each step looks for the next name from there, and leaps over whole ranges that cannot match.

import type { Message } from '../protocol/message.ts';
import type { RetainedStore } from './retained.ts';

const DOLLAR = 0x24;
/** The smallest names after `$…` and after `…/…`: `%` follows `$`, `0` follows `/`. */
const AFTER_DOLLAR = '%';
const AFTER_SLASH = '0';
/** Nothing lies between a name and the same with U+0000, which no name contains. [MQTT-1.5.4-2] */
const JUST_AFTER = '\0';

export class RetainedScan {
  /** What `next` returns when it has looked at as many topics as it may and found none that matches: call again, later. */
  static readonly Pause: unique symbol = Symbol('RetainedScan.Pause');
  /** Topics that the last `next` looked at. */
  visits = 0;
  readonly #store: RetainedStore;
  readonly #levels: readonly string[];
  readonly #isExact: boolean;
  /** Names before this are done; null when all are. */
  #from: string | null;

  /** `topicFilter` is valid and without `$share/<name>/`; with `after`, names up to that are left out. */
  constructor(store: RetainedStore, topicFilter: string, after: string | null = null) {
    this.#store = store;
    this.#levels = topicFilter.split('/');
    const firstWildcard = this.#levels.findIndex((level) => level === '+' || level === '#');
    this.#isExact = firstWildcard < 0;
    this.#from = this.#isExact ? topicFilter : this.#levels.slice(0, firstWildcard).join('/');
    if (after === null || after < this.#from) return;
    this.#from = this.#isExact ? null : after + JUST_AFTER;
  }

  /**
   * The next matching message, as it is now; null when there is none left, and from then on; `RetainedScan.Pause` after
   * `visitsMax` topics in vain. Topics come in the order of their names, each at most once: one that was there when the scan
   * began and is there when its turn comes is not missed, also if it was removed and set again in between; one that is added
   * is found if its turn is still to come. Expired messages are removed and passed over. [MQTT-3.3.1-9]
   */
  next(nowMs: number, visitsMax: number): Message | typeof RetainedScan.Pause | null {
    this.visits = 0;
    if (this.#from === null) return null;
    this.visits = 1;
    if (this.#isExact) {
      const message = this.#store.get(this.#from, nowMs);
      this.#from = null;
      return message;
    }
    for (; this.visits <= visitsMax; this.visits++) {
      const name = this.#store.atOrAfter(this.#from);
      const target = name === null ? null : leap(this.#levels, name);
      if (name === null || target === null) {
        this.#from = null;
        return null;
      }
      if (target !== name) {
        this.#from = target;
        continue;
      }
      this.#from = name + JUST_AFTER;
      const message = this.#store.get(name, nowMs);
      if (message !== null) return message;
    }
    return RetainedScan.Pause;
  }
}

/**
 * The name itself if it matches the filter's levels; else a string after it with no match in between; null if no match can
 * follow at all. MQTT 5 §4.7.
 */
function leap(levels: readonly string[], name: string): string | null {
  if (name.charCodeAt(0) === DOLLAR && (levels[0] === '+' || levels[0] === '#')) {
    return AFTER_DOLLAR; // [MQTT-4.7.2-1]
  }
  let start = 0; // of the name's level; past its end when it has no more
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i];
    if (level === '#') return name; // the parent level too, §4.7.1.2
    if (start > name.length) return name + JUST_AFTER;
    const slash = name.indexOf('/', start);
    const end = slash < 0 ? name.length : slash;
    if (level !== '+' && (end - start !== level.length || !name.startsWith(level, start))) {
      return leapToLevel(levels, i, name, start);
    }
    start = end + 1;
  }
  return start > name.length ? name : name.slice(0, start - 1) + AFTER_SLASH;
}

/** Where to go on from a name whose level `i`, which begins at `start`, is not the literal that the filter has there. */
function leapToLevel(
  levels: readonly string[],
  i: number,
  name: string,
  start: number,
): string | null {
  const wanted = name.slice(0, start) + levels[i];
  if (name < wanted) return wanted;
  // other names may lie between the level and what is below it: `a`, `a!`, `a/b`
  const below = `${wanted}/`;
  if (i + 1 < levels.length && name < below) return below;
  return i === 0 ? null : name.slice(0, start - 1) + AFTER_SLASH;
}
