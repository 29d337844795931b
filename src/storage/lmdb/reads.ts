// Reads what is recorded, durable or not: first in the batch that gathers, then in the one that is on its way, then in the file.

import type { Message } from '../../protocol/message.ts';
import { DeliveryState, type StoredDelivery, type TableEntry } from '../storage.ts';
import type { Change } from './batch.ts';
import type { Tables } from './environment.ts';
import { tableKey } from './layout.ts';
import type { Attributes } from './log-record.ts';
import type { RecordReader } from './record-reader.ts';
import type { Recorder } from './recorder.ts';
import { packetIdOf, type SessionState, stateOf } from './session-state.ts';

/** Those of the session that are there and can be read. */
export function readDeliveries(
  recorder: Recorder,
  reader: RecordReader,
  tables: Tables,
  number: number,
  sequences: readonly number[],
): StoredDelivery[] {
  const found: StoredDelivery[] = [];
  const session = recorder.sessions.get(number);
  if (session === undefined) return found;
  for (const sequence of sequences) {
    if (!session.has(sequence)) continue;
    const pending = recorder.pending(sequence);
    if (pending === undefined) {
      const stored = reader.delivery(tables, sequence, number);
      if (stored === null) continue;
      found.push(deliveryOf(session, sequence, stored.attributes, stored.message));
      continue;
    }
    const attributes = pending.find(number);
    if (attributes === null) continue;
    pending.decoded ??= reader.messages.decode(pending.message);
    found.push(deliveryOf(session, sequence, attributes, pending.decoded));
  }
  return found;
}

export function deliveryOf(
  session: SessionState,
  sequence: number,
  attributes: Attributes,
  message: Message,
): StoredDelivery {
  const { qos, retain, subscriptionIdentifiers, sharedFilter } = attributes;
  const packet = session.packet(sequence);
  return {
    sequence,
    message,
    qos,
    retain,
    subscriptionIdentifiers,
    sharedFilter,
    packetId: packet < 0 ? 0 : packetIdOf(packet),
    state: packet < 0 ? DeliveryState.Queued : stateOf(packet),
  };
}

export function readValue(
  recorder: Recorder,
  reader: RecordReader,
  tables: Tables,
  table: string,
  key: string,
): Uint8Array | null {
  const bytes = tableKey(table, key);
  const name = bytes.toString();
  let value = recorder.gathering.tables.get(name);
  if (value === undefined) value = recorder.committing?.tables.get(name);
  if (value === undefined) value = tables.tables.getBinary(bytes) ?? null;
  return value === null ? null : reader.byName('tables', bytes, value, copy);
}

/** In the order of the keys' bytes. */
export function listValues(
  recorder: Recorder,
  reader: RecordReader,
  tables: Tables,
  table: string,
  afterKey: string | null,
  limit: number,
): TableEntry[] {
  if (limit <= 0) return [];
  const changes = changesOf(recorder, table, afterKey);
  const prefix = table.length + 1;
  const range = tables.tables.getRange({
    start: tableKey(table, afterKey ?? ''),
    exclusiveStart: afterKey !== null,
    end: Buffer.from(`${table}\u0001`),
    limit: limit + changes.size, // so that enough are left of those that did not change
  });
  const found: { bytes: Buffer; value: Uint8Array }[] = [];
  for (const { key, value } of range) {
    const bytes = Buffer.from(key.buffer, key.byteOffset, key.length);
    if (!changes.has(bytes.toString('utf8', prefix))) found.push({ bytes, value });
  }
  for (const [key, change] of changes) {
    if (change !== null) found.push({ bytes: tableKey(table, key), value: change });
  }
  if (changes.size > 0) found.sort((a, b) => Buffer.compare(a.bytes, b.bytes));
  const entries: TableEntry[] = [];
  for (const { bytes, value } of found) {
    if (entries.length === limit) break;
    const content = reader.byName('tables', bytes, value, copy);
    if (content !== null) entries.push({ key: bytes.toString('utf8', prefix), value: content });
  }
  return entries;
}

/** What is not in the file yet of a table, behind a key. */
function changesOf(
  recorder: Recorder,
  table: string,
  afterKey: string | null,
): Map<string, Change> {
  const changes = new Map<string, Change>();
  const start = tableKey(table, '').toString();
  const after = afterKey === null ? null : Buffer.from(afterKey);
  for (const batch of [recorder.committing, recorder.gathering]) {
    if (batch === null) continue;
    for (const [name, change] of batch.tables) {
      if (!name.startsWith(start)) continue;
      const key = name.slice(start.length);
      if (after === null || Buffer.compare(Buffer.from(key), after) > 0) changes.set(key, change);
    }
  }
  return changes;
}

function copy(content: Buffer): Uint8Array {
  return Uint8Array.prototype.slice.call(content);
}
