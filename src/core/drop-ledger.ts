// The latest lost messages, to look up: a ring for each reason, so that a flood of one pushes out no other. Losing a message
// allocates nothing here: a ring is arrays side by side, made when its reason first occurs, and what follows with the same client
// and topic is counted in the entry that is there. Ids count up with every loss, so that the order of ids is the order in time,
// and a page goes on below the last id of the one before.

import type { Clock } from '../lib/clock.ts';
import { matchesFilter } from '../protocol/filter.ts';
import { DROP_REASON_NAMES, DropReason } from './drop.ts';
import { DROP_REASON_INFO } from './drop-reasons.ts';

/** Entries of one reason at most. */
const LEDGER_MAX = 4_096;
/** Characters of a client id or topic that are kept. */
export const LEDGER_TEXT_MAX = 256;
/** Subscriptions that are known to be muted. */
const MUTED_MAX = 256;

/** Who decided that a message may not pass, as the denial log found it. */
export interface DropRule {
  readonly by: string | null;
  readonly rule: string | null;
  /** `<file>:<line>` */
  readonly at: string | null;
  readonly why: string | null;
}

/** Lost messages of one client, topic and reason that came one after the other. */
export interface DropEntry {
  readonly id: number;
  readonly reason: DropReason;
  readonly clientId: string | null;
  readonly publisherId: string | null;
  readonly topicName: string;
  readonly count: number;
  /** of the wall clock */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Of the last one; null where it is about no queue. */
  readonly depth: number | null;
  readonly rule: DropRule | null;
}

export interface DropFilter {
  readonly reason: DropReason | null;
  /** Who sent it or who would have got it. */
  readonly clientId: string | null;
  readonly topicFilter: string | null;
  /** Those whose last loss is not older; milliseconds of the wall clock, 0 = all. */
  readonly sinceMs: number;
}

/** Some of them, the latest first, and where to go on. */
export interface DropSlice {
  readonly entries: readonly DropEntry[];
  /** What follows has lower ids; null: nothing follows. */
  readonly below: number | null;
}

interface Muted {
  readonly clientId: string;
  readonly topicFilter: string;
  readonly rule: DropRule;
}

export class DropLedger {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #rings: (Ring | null)[] = DROP_REASON_NAMES.map(() => null);
  /** What the denial log found out, by reason, client and topic. */
  readonly #rules = new Map<string, DropRule>();
  readonly #muted = new Map<string, Muted>();
  #lastId = 0;

  /** `max`: entries of each reason. Throws RangeError. */
  constructor(clock: Clock, max: number) {
    if (!Number.isInteger(max) || max < 1 || max > LEDGER_MAX) {
      throw new RangeError(`a ledger has 1 to ${LEDGER_MAX} entries of each reason, not ${max}`);
    }
    this.#clock = clock;
    this.#max = max;
  }

  /** Entries of each reason that are kept at most. */
  get max(): number {
    return this.#max;
  }

  record(
    reason: DropReason,
    clientId: string | null,
    topicName: string,
    count: number,
    publisherId: string | null,
    depth: number,
  ): void {
    const ring = this.#rings[reason] ?? this.#open(reason);
    ring.record(
      ++this.#lastId,
      this.#clock.now(),
      clientId === null ? null : ledgerText(clientId),
      ledgerText(topicName),
      count,
      publisherId === null ? null : ledgerText(publisherId),
      depth,
    );
  }

  /** Why messages of this topic are not for this client, or not for it to publish. */
  explain(reason: DropReason, clientId: string, topicName: string, rule: DropRule): void {
    remember(this.#rules, keyOf(reason, clientId, topicName), rule, this.#max);
  }

  /** Why a subscription of this client, without its share name, gets nothing any more. */
  explainMuted(clientId: string, topicFilter: string, rule: DropRule): void {
    const muted = { clientId: ledgerText(clientId), topicFilter, rule };
    const key = keyOf(DropReason.ReceiveNotAuthorized, clientId, topicFilter);
    remember(this.#muted, key, muted, MUTED_MAX);
  }

  /**
   * The latest entries below an id that fit, `limit` at most; `visitsMax` entries are looked at, so that whoever has patience goes
   * on later.
   */
  read(filter: DropFilter, below: number, limit: number, visitsMax: number): DropSlice {
    const wallOffsetMs = this.#clock.wallNow() - this.#clock.now();
    const wanted = filter.clientId === null ? null : ledgerText(filter.clientId);
    const rings = this.#cursors(filter.reason, below);
    const entries: DropEntry[] = [];
    let lowest = below;
    for (let visits = 0; visits < visitsMax && entries.length < limit; visits++) {
      const cursor = latestOf(rings);
      if (cursor === null) return { entries, below: null };
      const { ring, reason } = cursor;
      const slot = ring.slotOf(cursor.position--);
      lowest = ring.ids[slot];
      if (ring.lastMs[slot] + wallOffsetMs < filter.sinceMs) return { entries, below: null };
      if (!fits(ring, slot, reason, wanted, filter.topicFilter)) continue;
      entries.push(this.#entryOf(ring, slot, reason, wallOffsetMs));
    }
    return { entries, below: latestOf(rings) === null ? null : lowest };
  }

  #open(reason: DropReason): Ring {
    const ring = new Ring(this.#max);
    this.#rings[reason] = ring;
    return ring;
  }

  #cursors(only: DropReason | null, below: number): Cursor[] {
    const cursors: Cursor[] = [];
    for (const [index, ring] of this.#rings.entries()) {
      const reason = index as DropReason;
      if (ring === null || (only !== null && only !== reason)) continue;
      cursors.push({ ring, reason, position: ring.positionBelow(below) });
    }
    return cursors;
  }

  #entryOf(ring: Ring, slot: number, reason: DropReason, wallOffsetMs: number): DropEntry {
    const clientId = ring.clientIds[slot];
    const topicName = ring.topicNames[slot];
    const depth = ring.depths[slot];
    return {
      id: ring.ids[slot],
      ...{ reason, clientId, topicName },
      publisherId: publisherOf(ring, slot, reason),
      count: ring.counts[slot],
      firstMs: ring.firstMs[slot] + wallOffsetMs,
      lastMs: ring.lastMs[slot] + wallOffsetMs,
      depth: depth < 0 ? null : depth,
      rule: clientId === null ? null : this.#ruleOf(reason, clientId, topicName),
    };
  }

  #ruleOf(reason: DropReason, clientId: string, topicName: string): DropRule | null {
    const rule = this.#rules.get(keyOf(reason, clientId, topicName));
    if (rule !== undefined) return rule;
    if (reason !== DropReason.ReceiveNotAuthorized) return null;
    for (const muted of this.#muted.values()) {
      const isOwn = muted.clientId === clientId;
      if (isOwn && matchesFilter(topicName, muted.topicFilter)) return muted.rule;
    }
    return null;
  }
}

/** Where a reader is in a ring: at -1 it is through. */
interface Cursor {
  readonly ring: Ring;
  readonly reason: DropReason;
  position: number;
}

/** The entries of one reason. The ids rise from the oldest to the newest. */
class Ring {
  readonly ids: Float64Array;
  readonly firstMs: Float64Array;
  readonly lastMs: Float64Array;
  readonly counts: Float64Array;
  readonly depths: Float64Array;
  readonly clientIds: (string | null)[];
  readonly publisherIds: (string | null)[];
  readonly topicNames: string[];
  readonly #max: number;
  #length = 0;
  /** Slot of the newest. */
  #newest = -1;

  constructor(max: number) {
    this.#max = max;
    this.ids = new Float64Array(max);
    this.firstMs = new Float64Array(max);
    this.lastMs = new Float64Array(max);
    this.counts = new Float64Array(max);
    this.depths = new Float64Array(max);
    this.clientIds = new Array<string | null>(max).fill(null);
    this.publisherIds = new Array<string | null>(max).fill(null);
    this.topicNames = new Array<string>(max).fill('');
  }

  record(
    id: number,
    nowMs: number,
    clientId: string | null,
    topicName: string,
    count: number,
    publisherId: string | null,
    depth: number,
  ): void {
    let slot = this.#newest;
    if (
      slot < 0 ||
      this.topicNames[slot] !== topicName ||
      this.clientIds[slot] !== clientId ||
      this.publisherIds[slot] !== publisherId
    ) {
      slot = slot + 1 === this.#max ? 0 : slot + 1;
      this.#newest = slot;
      if (this.#length < this.#max) this.#length++;
      this.firstMs[slot] = nowMs;
      this.counts[slot] = 0;
      this.clientIds[slot] = clientId;
      this.publisherIds[slot] = publisherId;
      this.topicNames[slot] = topicName;
    }
    this.ids[slot] = id;
    this.lastMs[slot] = nowMs;
    this.counts[slot] += count;
    this.depths[slot] = depth;
  }

  /** Where the entry at a position lies, 0 = the oldest. */
  slotOf(position: number): number {
    const slot = this.#newest - (this.#length - 1) + position;
    return slot < 0 ? slot + this.#max : slot;
  }

  /** Position of the newest entry whose id is lower; -1: there is none. */
  positionBelow(id: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ids[this.slotOf(middle)] < id) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** The one that is at the latest entry; null: all are through. */
function latestOf(cursors: readonly Cursor[]): Cursor | null {
  let latest: Cursor | null = null;
  let id = -1;
  for (const cursor of cursors) {
    if (cursor.position < 0) continue;
    const own = cursor.ring.ids[cursor.ring.slotOf(cursor.position)];
    if (own <= id) continue;
    latest = cursor;
    id = own;
  }
  return latest;
}

function fits(
  ring: Ring,
  slot: number,
  reason: DropReason,
  clientId: string | null,
  topicFilter: string | null,
): boolean {
  if (
    clientId !== null &&
    ring.clientIds[slot] !== clientId &&
    publisherOf(ring, slot, reason) !== clientId
  ) {
    return false;
  }
  return topicFilter === null || matchesFilter(ring.topicNames[slot], topicFilter);
}

function publisherOf(ring: Ring, slot: number, reason: DropReason): string | null {
  const { concerns } = DROP_REASON_INFO[reason];
  return concerns === 'publisher' ? ring.clientIds[slot] : ring.publisherIds[slot];
}

/** As it is kept: a long one is cut, and holds on to nothing of the rest. */
function ledgerText(text: string): string {
  if (text.length <= LEDGER_TEXT_MAX) return text;
  return `${[...text.slice(0, LEDGER_TEXT_MAX - 1)].join('')}…`;
}

function keyOf(reason: DropReason, clientId: string, topic: string): string {
  return `${reason}\n${ledgerText(clientId)}\n${ledgerText(topic)}`;
}

/** Keeps the latest `max` of them. */
function remember<T>(map: Map<string, T>, key: string, value: T, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= max) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
