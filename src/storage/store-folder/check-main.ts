// The program that check.ts runs: looks at one store, says what it found as one line of JSON on stdout, and may be killed by
// what it looks at. Usage: node check-main.js FILE MODE
//
// It opens the store the way a server does, which brings one that a power cut interrupted back to its last safe state. Then its
// pages are checked without LMDB, and only what passed is read with it.

import { statSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { openValue } from '../lmdb/bytes.ts';
import { type Environment, openEnvironment } from '../lmdb/environment.ts';
import {
  FORMAT_VERSION,
  NAME_TABLES,
  NUMBER_TABLES,
  seedOfName,
  seedOfNumber,
} from '../lmdb/layout.ts';
import { readMeta, type StoreMeta } from '../lmdb/meta.ts';
import { walk } from '../lmdb/walk.ts';
import { checkPages, isShort, listTables, metaProblem } from './pages.ts';

/**
 * `auto`: the whole store after an unclean stop, else only its structure and some records; `whole`: all of it; `live`: all of
 * it, while a server may write, or where nothing must be written.
 */
export type CheckMode = 'auto' | 'whole' | 'live';

export interface CheckReport {
  /**
   * `flawed`: it is safe to use, but records in it are damaged, which a server leaves out; `damaged`: it is not safe to use;
   * `unusable`: it could not be looked at, for a reason that says nothing about its content.
   */
  readonly outcome: 'ok' | 'flawed' | 'damaged' | 'foreign' | 'newer' | 'older' | 'unusable';
  /** The format version that it names. */
  readonly version: number | null;
  /** The format version of this program. */
  readonly knownVersion: number;
  /** It was closed properly. */
  readonly isClean: boolean | null;
  /** All of it was read. */
  readonly isWhole: boolean;
  /** Records that were read, damaged ones among them. */
  readonly records: number;
  /** The first ones, in words. */
  readonly problems: readonly string[];
  readonly problemCount: number;
}

const PROBLEMS_MAX = 100;
/** Up to here all pages are looked at whenever a store is checked: about two seconds. */
const PAGES_ALWAYS_BYTES = 512 * 1_048_576;
/** Records read from each end of a table in a quick check. */
const SAMPLE = 8;

class Check {
  readonly problems: string[] = [];
  problemCount = 0;
  records = 0;
  isWhole = false;
  meta: StoreMeta | null = null;
  readonly onProblem = (problem: string): void => {
    this.problemCount++;
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem);
  };

  report(outcome: CheckReport['outcome']): CheckReport {
    const { problems, problemCount, records, isWhole, meta } = this;
    const version = meta?.format ?? null;
    const isClean = meta?.isClean ?? null;
    const knownVersion = FORMAT_VERSION;
    return { outcome, version, knownVersion, isClean, isWhole, records, problems, problemCount };
  }

  run(file: string, mode: CheckMode): CheckReport {
    const problem = metaProblem(file);
    if (problem !== null) {
      this.onProblem(problem);
      return this.report('damaged');
    }
    const tables = listTables(file);
    if (tables !== null && tables.size > 0 && !tables.has('meta')) {
      this.onProblem('it is an LMDB database of another program');
      return this.report('foreign');
    }
    const environment = openEnvironment(file, { isReadOnly: mode === 'live' });
    const snapshot = environment.tables.meta.useReadTransaction(); // keeps the pages that are looked at from being used again
    try {
      const isNew = tables !== null && [...tables.values()].every((entries) => entries === 0n);
      return this.#look(file, mode, environment, isNew);
    } finally {
      snapshot.done();
      environment.closeNow();
    }
  }

  /** `isNew`: it had nothing in it before it was opened. */
  #look(file: string, mode: CheckMode, environment: Environment, isNew: boolean): CheckReport {
    this.meta = readMeta(environment.tables);
    const { format, isClean } = this.meta;
    if (format === null && isNew) return this.report('ok'); // a start that did not get far
    if (format === null) {
      this.onProblem('it names no format version');
      return this.report('damaged');
    }
    if (format > FORMAT_VERSION) return this.report('newer');
    this.isWhole = mode !== 'auto' || !isClean || isShort(file);
    // A page that kills who reads it must not wait for the server; of a large store only what was not stopped properly.
    const isSmall = statSync(file).size <= PAGES_ALWAYS_BYTES;
    checkPages(file, this.isWhole || isSmall, this.onProblem);
    if (this.problemCount > 0) return this.report('damaged'); // LMDB might not survive it
    if (format < FORMAT_VERSION) return this.report('older');
    this.records = this.isWhole
      ? walk(environment, this.onProblem)
      : readSome(environment, this.onProblem);
    return this.report(this.problemCount > 0 ? 'flawed' : 'ok');
  }
}

/** Reads a few records from both ends of each table. */
function readSome({ tables }: Environment, onProblem: (problem: string) => void): number {
  let records = 0;
  const check = (name: string, shown: string, value: Uint8Array, seed: number): void => {
    records++;
    if (openValue(value, seed) !== null) return;
    onProblem(`record ${shown} of the table '${name}' is damaged: its checksum is wrong`);
  };
  for (const reverse of [false, true]) {
    for (const name of NUMBER_TABLES) {
      for (const { key, value } of tables[name].getRange({ limit: SAMPLE, reverse })) {
        check(name, String(key), value, seedOfNumber(key));
      }
    }
    for (const name of NAME_TABLES) {
      for (const { key, value } of tables[name].getRange({ limit: SAMPLE, reverse })) {
        check(name, Buffer.from(key).toString('hex'), value, seedOfName(key));
      }
    }
  }
  return records;
}

/** Errors that say nothing about what the store holds. */
const { errno } = constants;
const OUTSIDE = new Set<unknown>([
  errno.EACCES,
  errno.EPERM,
  errno.EROFS,
  errno.ENOSPC,
  errno.EDQUOT,
  errno.EIO,
  errno.EMFILE,
  errno.ENFILE,
  errno.ENOMEM,
  errno.ENOENT,
  errno.EBUSY,
]);

/** LMDB gives the number of a system error as `code`, Node the negative one as `errno`. */
function isOutside(error: unknown): boolean {
  const { code, errno: number = 0 } = error as { code?: unknown; errno?: number };
  return OUTSIDE.has(code) || OUTSIDE.has(-number);
}

function main(file: string, mode: CheckMode): CheckReport {
  const check = new Check();
  try {
    return check.run(file, mode);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    check.problems.unshift(message);
    check.problemCount++;
    return check.report(isOutside(error) ? 'unusable' : 'damaged');
  }
}

writeSync(1, JSON.stringify(main(process.argv[2], process.argv[3] as CheckMode)));
