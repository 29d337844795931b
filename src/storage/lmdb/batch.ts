// What was recorded since the last commit and is not written yet: of each key the last value only, or null where it was removed.
// Reads look here before they look at LMDB. A batch that could not be written becomes the beginning of the one that gathers.

import type { PendingRecord } from './log-record.ts';
import type { SessionState } from './session-state.ts';

/** A value as it will be stored; null = removed. */
export type Change = Uint8Array | null;

export class Batch {
  readonly sessions = new Map<number, Change>();
  readonly wills = new Map<number, Change>();
  /** By session and topic filter. */
  readonly subscriptions = new Map<number, Map<string, Change>>();
  /** Keys of subscriptions whose session is gone. */
  readonly deadSubscriptions: Uint8Array[] = [];
  /** By topic name. */
  readonly retained = new Map<string, Change>();
  /** By table and key, with a NUL between them. */
  readonly tables = new Map<string, Change>();
  log = new Map<number, PendingRecord>();
  /** Records of the log that nobody wants any more. */
  dead: number[] = [];
  /** Sessions whose state changed. */
  readonly dirty = new Set<SessionState>();
  /** Sessions whose state goes. */
  readonly deletedStates = new Set<number>();
  /** Sessions that this batch makes: what comes and goes with them in here was never there. */
  readonly created = new Set<number>();

  get isEmpty(): boolean {
    return (
      this.sessions.size === 0 &&
      this.wills.size === 0 &&
      this.subscriptions.size === 0 &&
      this.deadSubscriptions.length === 0 &&
      this.retained.size === 0 &&
      this.tables.size === 0 &&
      this.log.size === 0 &&
      this.dead.length === 0 &&
      this.dirty.size === 0 &&
      this.deletedStates.size === 0
    );
  }

  subscription(session: number, topicFilter: string, change: Change): void {
    let filters = this.subscriptions.get(session);
    if (filters === undefined) {
      filters = new Map();
      this.subscriptions.set(session, filters);
    }
    filters.set(topicFilter, change);
  }

  /** Takes in an older batch, of which nothing was written. */
  prepend(older: Batch): void {
    addMissing(this.sessions, older.sessions);
    addMissing(this.wills, older.wills);
    addMissing(this.retained, older.retained);
    addMissing(this.tables, older.tables);
    for (const key of older.deadSubscriptions) this.deadSubscriptions.push(key);
    for (const [session, filters] of older.subscriptions) {
      if (this.sessions.get(session) === null) continue;
      const newer = this.subscriptions.get(session);
      if (newer === undefined) this.subscriptions.set(session, filters);
      else addMissing(newer, filters);
    }
    // Removing what was perhaps never there does no harm, so nothing counts as made in here any more.
    this.created.clear();
    for (const session of older.deletedStates) this.deletedStates.add(session);
    for (const session of older.dirty) {
      session.mustWrite = true;
      if (!session.isDeleted) this.dirty.add(session);
    }
    const dead = older.dead;
    for (const sequence of this.dead) if (!older.log.delete(sequence)) dead.push(sequence);
    this.dead = dead;
    for (const [sequence, record] of this.log) older.log.set(sequence, record);
    this.log = older.log;
    for (const record of this.log.values()) record.hasGaps = true;
  }
}

function addMissing<K>(newer: Map<K, Change>, older: Map<K, Change>): void {
  for (const [key, change] of older) if (!newer.has(key)) newer.set(key, change);
}
