// What subscribing clients of a bench got: how long it took, what is missing, and what came twice or out of order.

import type { PublishPacket } from '../../protocol/packet.ts';
import { nowMicros, readHeader } from './header.ts';
import { SequenceTracker } from './sequence.ts';
import type { Tally } from './tally.ts';

/** How many a subscriber and a publisher of its messages may be followed, beside pairs; messages of others are only counted. */
const TRACKERS_MAX = 20_000;
const NUMBERS_MAX = 2 ** 21;

/** What all subscribers share. */
export class TrackerBudget {
  #left = TRACKERS_MAX;

  take(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }
}

export class Receipts {
  readonly #tally: Tally;
  readonly #budget: TrackerBudget;
  /** Of pairs: the only one that is expected. */
  readonly #partner: { readonly run: number; readonly number: number } | null;
  readonly #isShared: boolean;
  readonly #trackers = new Map<number, SequenceTracker>();

  /** `isShared`: others get messages, too, that are not missing therefore. */
  constructor(
    tally: Tally,
    budget: TrackerBudget,
    partner: { readonly run: number; readonly number: number } | null,
    isShared: boolean,
  ) {
    this.#tally = tally;
    this.#budget = budget;
    this.#partner = partner;
    this.#isShared = isShared;
  }

  get distinct(): number {
    let distinct = 0;
    for (const tracker of this.#trackers.values()) distinct += tracker.distinct;
    return distinct;
  }

  get missing(): number {
    let missing = 0;
    for (const tracker of this.#trackers.values()) missing += tracker.missing;
    return missing;
  }

  take({ payload, retain }: PublishPacket): void {
    const tally = this.#tally;
    tally.received++;
    tally.receivedBytes += payload.length;
    const header = readHeader(payload);
    // A retained message is as old as it is.
    if (header === null || retain || !this.#isOurs(header)) {
      tally.unnumbered++;
      return;
    }
    tally.latency.record(nowMicros() - header.sentAtMicros);
    if (this.#isShared) return;
    const tracker = this.#trackerOf(header);
    if (tracker === null) {
      tally.unnumbered++;
      return;
    }
    const arrival = tracker.take(header.sequence);
    if (arrival === 'late') tally.outOfOrder++;
    if (arrival === 'duplicate') tally.duplicates++;
  }

  #isOurs({ run, publisher }: { readonly run: number; readonly publisher: number }): boolean {
    const partner = this.#partner;
    return partner === null || (partner.run === run && partner.number === publisher);
  }

  #trackerOf(header: {
    readonly run: number;
    readonly publisher: number;
    readonly sequence: number;
  }): SequenceTracker | null {
    const key = header.run * NUMBERS_MAX + header.publisher;
    const known = this.#trackers.get(key);
    if (known !== undefined) return known;
    const isPartner = this.#partner !== null;
    if (!isPartner && !this.#budget.take()) return null;
    const tracker = new SequenceTracker(isPartner ? 0 : header.sequence);
    this.#trackers.set(key, tracker);
    return tracker;
  }
}
