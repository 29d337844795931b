// Reads every record of every table, checks its checksum and makes of it what it stands for: for the check of a store that was
// not closed properly, and for `iothub store verify`. It needs no server, and changes nothing.

import { StoredMessageCodec } from '../../core/message-codec.ts';
import { StoreClock } from '../../core/store-clock.ts';
import { SYSTEM_CLOCK } from '../../lib/clock.ts';
import { TopicTable } from '../../protocol/topic.ts';
import { openValue } from './bytes.ts';
import type { Environment } from './environment.ts';
import {
  FORMAT_VERSION,
  NAME_TABLES,
  NUMBER_TABLES,
  readNumber,
  retainedKey,
  seedOfName,
  seedOfNumber,
  subscriptionKey,
  type TableName,
} from './layout.ts';
import { StoredRecord } from './log-record.ts';
import { readMeta } from './meta.ts';
import { decodeState } from './session-state.ts';
import { TableCursor } from './table-cursor.ts';
import { decodeSession, decodeSubscription, decodeWill } from './values.ts';

/** Longer keys are shown by their beginning. */
const SHOWN_CHARACTERS_MAX = 80;
const FIRST_NAME = Buffer.from([0]);
const TOPICS = { topicLengthMax: 65_535, topicLevelsMax: 65_535 };

/** Tells each problem in a sentence, and returns how many records there are. Throws when LMDB itself cannot go on. */
export function walk(environment: Environment, onProblem: (problem: string) => void): number {
  const { format } = readMeta(environment.tables);
  if (format !== FORMAT_VERSION) {
    onProblem(`its format version is ${format ?? 'missing'}, not ${FORMAT_VERSION}`);
  }
  const check = new RecordCheck(onProblem);
  for (const name of NUMBER_TABLES) {
    const cursor = new TableCursor<number>(environment.tables[name], 0);
    for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
      check.number(name, entry.key, entry.value);
    }
  }
  for (const name of NAME_TABLES) {
    const cursor = new TableCursor<Uint8Array>(environment.tables[name], FIRST_NAME);
    for (let entry = cursor.next(); entry !== null; entry = cursor.next()) {
      check.name(name, Buffer.from(entry.key), entry.value);
    }
  }
  return check.records;
}

class RecordCheck {
  records = 0;
  readonly #onProblem: (problem: string) => void;
  readonly #messages = new StoredMessageCodec(
    new StoreClock(SYSTEM_CLOCK, null),
    new TopicTable(TOPICS, 1_024),
    0,
  );

  constructor(onProblem: (problem: string) => void) {
    this.#onProblem = onProblem;
  }

  number(table: TableName, key: number, value: Uint8Array): void {
    this.#check(table, String(key), value, seedOfNumber(key), (content) => {
      if (table === 'sessions') decodeSession(key, content);
      else if (table === 'state') decodeState(content);
      else if (table === 'wills') decodeWill(content, this.#messages);
      else this.#checkRecord(new StoredRecord(content));
    });
  }

  name(table: TableName, key: Buffer, value: Uint8Array): void {
    const shown = JSON.stringify(key.toString('utf8')).slice(0, SHOWN_CHARACTERS_MAX);
    this.#check(table, shown, value, seedOfName(key), (content) => {
      if (table === 'subscriptions') {
        const { topicFilter } = decodeSubscription(content);
        if (!key.equals(subscriptionKey(readNumber(key, 0), topicFilter))) throw new WrongKey();
      } else if (table === 'retained') {
        const { topic } = this.#messages.decode(content);
        if (!key.equals(retainedKey(topic.name))) throw new WrongKey();
      }
    });
  }

  #checkRecord(record: StoredRecord): void {
    let last = -1;
    for (let i = 0; i < record.targetCount; i++) {
      const session = record.sessionAt(i);
      if (session <= last) throw new Error('its sessions are out of order');
      last = session;
      record.attributesAt(i);
    }
    this.#messages.decode(record.message);
  }

  #check(
    table: TableName,
    key: string,
    value: Uint8Array,
    seed: number,
    decode: (content: Buffer) => void,
  ): void {
    this.records++;
    const content = openValue(value, seed);
    if (content === null) {
      this.#onProblem(`record ${key} of the table '${table}' is damaged: its checksum is wrong`);
      return;
    }
    try {
      decode(content);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#onProblem(`record ${key} of the table '${table}' is damaged: ${reason}`);
    }
  }
}

class WrongKey extends Error {
  constructor() {
    super('it stands under the key of another');
  }
}
