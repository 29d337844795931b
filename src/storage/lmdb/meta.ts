// What a store says of itself: its format version, its id, whether it was closed properly, and the highest numbers that were
// ever given out. Those are reserved in steps, so that most commits need not write them; a crash skips what was left of a step.

import { randomBytes } from 'node:crypto';
import type { HighestNumbers } from '../storage.ts';
import { openValue, ValueReader, ValueWriter } from './bytes.ts';
import type { Tables } from './environment.ts';
import { FORMAT_VERSION, metaKey, NUMBER_MAX, seedOfName } from './layout.ts';

const FORMAT_KEY = metaKey('format');
const ID_KEY = metaKey('id');
const CLEAN_KEY = metaKey('clean');
const HIGHEST_KEY = metaKey('highest');
const ID_BYTES = 16;
const SESSION_STEP = 1_000;
const SEQUENCE_STEP = 65_536;

export interface StoreMeta {
  /** null = there is none: the store is new, or it is damaged. */
  readonly format: number | null;
  /** hex; empty if there is none */
  readonly id: string;
  /** It was closed properly, and nothing was written since. */
  readonly isClean: boolean;
  /** Null when it is damaged or missing. */
  readonly highest: HighestNumbers | null;
}

export interface MetaChange {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** Throws Error when the table cannot be read. */
export function readMeta({ meta }: Pick<Tables, 'meta'>): StoreMeta {
  const read = (key: Buffer): Buffer | null => {
    const value = meta.getBinary(key);
    return value === undefined ? null : openValue(value, seedOfName(key));
  };
  const format = read(FORMAT_KEY);
  const id = read(ID_KEY);
  return {
    format: format === null ? null : new ValueReader(format).varint(),
    id: id === null ? '' : id.toString('hex'),
    isClean: read(CLEAN_KEY) !== null,
    highest: readHighest(read(HIGHEST_KEY)),
  };
}

/** The highest numbers that tables bear, in case that the meta table says less. */
export function findHighest(tables: Tables, said: HighestNumbers | null): HighestNumbers {
  const last = (table: Tables['log']): number => {
    const options = { start: NUMBER_MAX, end: 0, reverse: true, limit: 1 };
    for (const { key } of table.getRange(options)) return key;
    return 0;
  };
  const { session = 0, sequence = 0 } = said ?? {};
  const sessions = [session, last(tables.sessions), last(tables.state), last(tables.wills)];
  return { session: Math.max(...sessions), sequence: Math.max(sequence, last(tables.log)) };
}

/** What a new store begins with. */
export function newMeta(): MetaChange[] {
  return [
    { key: FORMAT_KEY, value: encode(FORMAT_KEY, (writer) => writer.varint(FORMAT_VERSION)) },
    { key: ID_KEY, value: encode(ID_KEY, (writer) => writer.bytes(randomBytes(ID_BYTES))) },
  ];
}

export function cleanMark(isClean: boolean): MetaChange {
  const value = isClean ? encode(CLEAN_KEY, (writer) => writer.uint8(1)) : null;
  return { key: CLEAN_KEY, value };
}

export function highestMark(highest: HighestNumbers): MetaChange {
  const value = encode(HIGHEST_KEY, (writer) => {
    writer.varint(highest.session);
    writer.varint(highest.sequence);
  });
  return { key: HIGHEST_KEY, value };
}

/** The next step that holds these numbers: `reserved` itself while that does. */
export function nextReserve(highest: HighestNumbers, reserved: HighestNumbers): HighestNumbers {
  if (highest.session <= reserved.session && highest.sequence <= reserved.sequence) return reserved;
  return {
    session: highest.session > reserved.session ? highest.session + SESSION_STEP : reserved.session,
    sequence:
      highest.sequence > reserved.sequence ? highest.sequence + SEQUENCE_STEP : reserved.sequence,
  };
}

function readHighest(content: Buffer | null): HighestNumbers | null {
  if (content === null) return null;
  const reader = new ValueReader(content);
  return { session: reader.varint(), sequence: reader.varint() };
}

function encode(key: Buffer, write: (writer: ValueWriter) => void): Uint8Array {
  const writer = new ValueWriter();
  writer.begin(64);
  write(writer);
  return Uint8Array.prototype.slice.call(writer.end(seedOfName(key)));
}
