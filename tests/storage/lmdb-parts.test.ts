// The parts of the LMDB store, each by itself.

import { describe, expect, test } from 'vitest';
import { delivery, messageOf } from '../../src/contracts/values.ts';
import { openValue, ValueReader, ValueWriter } from '../../src/storage/lmdb/bytes.ts';
import { numberKeys, retainedKey, tableKey } from '../../src/storage/lmdb/layout.ts';
import { LiveCounts } from '../../src/storage/lmdb/live-counts.ts';
import { PendingRecord, StoredRecord } from '../../src/storage/lmdb/log-record.ts';
import { nextReserve } from '../../src/storage/lmdb/meta.ts';
import { Sequences } from '../../src/storage/lmdb/sequences.ts';
import { decodeState, packetOf, SessionState } from '../../src/storage/lmdb/session-state.ts';
import { SpaceWatch } from '../../src/storage/lmdb/space.ts';
import { DeliveryState } from '../../src/storage/storage.ts';
import { Host } from './lmdb-kit.ts';

describe('values', () => {
  test('numbers of every size come back', () => {
    const numbers = [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32, 2 ** 48, 2 ** 53 - 1];
    const writer = new ValueWriter();
    writer.begin(200);
    for (const number of numbers) writer.varint(number);
    const content = openValue(writer.end(7), 7);
    expect(content).not.toBeNull();
    const reader = new ValueReader(content ?? Buffer.alloc(0));
    for (const number of numbers) expect(reader.varint()).toBe(number);
    expect(() => reader.varint()).toThrow('cut off');
  });

  test('any changed bit is found, and another key', () => {
    const writer = new ValueWriter();
    writer.begin(20);
    writer.text('größe');
    const value = Buffer.from(writer.end(7));
    expect(openValue(value, 8)).toBeNull();
    for (let bit = 0; bit < value.length * 8; bit++) {
      value[bit >> 3] ^= 1 << (bit & 7);
      expect(openValue(value, 7)).toBeNull();
      value[bit >> 3] ^= 1 << (bit & 7);
    }
    expect(openValue(value, 7)).not.toBeNull();
    expect(openValue(value.subarray(0, 3), 7)).toBeNull();
  });

  test('keys are in the order of their numbers', () => {
    const numbers = [0, 1, 255, 256, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 48, 2 ** 53 - 1];
    const keys = numbers.map((number) => {
      const key = Buffer.alloc(7);
      expect(numberKeys.writeKey(number, key, 0)).toBe(7);
      expect(numberKeys.readKey(key, 0)).toBe(number);
      return key;
    });
    expect(keys.toSorted(Buffer.compare)).toEqual(keys);
  });

  test('no key of a name is longer than LMDB takes, and a long name is no short one', () => {
    expect(retainedKey('x'.repeat(1_900))).toHaveLength(1_901);
    expect(retainedKey('x'.repeat(1_901))).toHaveLength(33);
    const hash = retainedKey('x'.repeat(1_901)).subarray(1).toString('latin1');
    expect(retainedKey(hash)[0]).not.toBe(retainedKey('x'.repeat(1_901))[0]);
    expect(tableKey('t'.repeat(64), 'k'.repeat(1_024)).length).toBeLessThan(1_978);
  });
});

test('a queue loses its numbers at the front, in the middle and at the end', () => {
  const queue = new Sequences();
  for (let number = 1; number <= 1_000; number++) queue.push(number * 3);
  for (let number = 1; number <= 500; number++) expect(queue.remove(number * 3)).toBe(true);
  expect(queue.remove(3)).toBe(false);
  expect(queue.remove(1_504)).toBe(false);
  expect(queue.remove(2_001)).toBe(true);
  expect(queue.has(2_001)).toBe(false);
  expect(queue.has(2_004)).toBe(true);
  expect(queue.length).toBe(499);
  expect(queue.first).toBe(1_503);
  expect(queue.takeLast(2)).toEqual([2_997, 3_000]);
  expect(queue.takeLast(1_000)).toHaveLength(497);
  expect(queue.length).toBe(0);
});

test('counts are kept for numbers far apart, and let go of', () => {
  const live = new LiveCounts();
  for (const sequence of [1, 1, 255, 256, 2 ** 40]) live.increment(sequence);
  expect([1, 2, 255, 256, 2 ** 40].map((sequence) => live.get(sequence))).toEqual([2, 0, 1, 1, 1]);
  expect(live.decrement(1)).toBe(1);
  expect(live.decrement(1)).toBe(0);
  expect(live.decrement(1)).toBe(0);
  expect(live.decrement(2 ** 40)).toBe(0);
  expect(live.get(2 ** 40)).toBe(0);
  expect(live.get(255)).toBe(1);
});

test('a record of the log has each session with what is its own', () => {
  const record = new PendingRecord(9, Buffer.from('message'));
  const sessions = [70_000, 3, 2 ** 48, 5].map((number) => new SessionState(number));
  sessions.forEach((session, i) => {
    session.push(9);
    const fields = { qos: (i % 3) as 0 | 1 | 2, subscriptionIdentifiers: i === 1 ? [1, 2] : [] };
    record.add(session, delivery(9, messageOf('t'), fields));
  });
  sessions[3].isDeleted = true;
  const writer = new ValueWriter();
  const value = record.write(writer, 9);
  const stored = new StoredRecord(openValue(value ?? Buffer.alloc(0), 9) ?? Buffer.alloc(0));
  expect(stored.targetCount).toBe(3);
  expect([0, 1, 2].map((i) => stored.sessionAt(i))).toEqual([3, 70_000, 2 ** 48]);
  expect(stored.find(3)).toMatchObject({ qos: 1, subscriptionIdentifiers: [1, 2] });
  expect(stored.find(2 ** 48)).toMatchObject({ qos: 2, subscriptionIdentifiers: [] });
  expect(stored.find(5)).toBeNull();
  expect(stored.message.toString()).toBe('message');
  expect(record.find(3)).toMatchObject({ qos: 1 });
  expect(record.find(4)).toBeNull();
});

test('a state record says what has left the queue, what is in flight, and what holes there are', () => {
  const session = new SessionState(1);
  for (let sequence = 1; sequence <= 9; sequence++) session.push(sequence * 10);
  session.move(10, packetOf(65_535, DeliveryState.Published), false);
  session.move(20, packetOf(1, DeliveryState.Released), false);
  session.remove(30, false); // the next one: the cursor passes it
  for (const sequence of [50, 60, 80]) session.remove(sequence, false);
  session.addInbound(7);
  const write = (): ReturnType<typeof decodeState> => {
    const value = session.write(new ValueWriter(), 1, (sequence) => sequence !== 60);
    return decodeState(openValue(value, 1) ?? Buffer.alloc(0));
  };
  expect(write()).toEqual({
    cursor: 39,
    inflight: [10, 20],
    packets: [packetOf(65_535, DeliveryState.Published), packetOf(1, DeliveryState.Released)],
    holes: [50, 80],
    inboundPacketIds: [7],
  });
  for (const sequence of [40, 70, 90]) session.remove(sequence, false);
  expect(write()).toMatchObject({ cursor: 90, holes: [] });
});

test('numbers are reserved in steps', () => {
  const reserved = { session: 10, sequence: 10 };
  expect(nextReserve({ session: 10, sequence: 10 }, reserved)).toBe(reserved);
  const next = nextReserve({ session: 10, sequence: 11 }, reserved);
  expect(next.session).toBe(10);
  expect(next.sequence).toBeGreaterThan(1_000);
});

describe('room', () => {
  test('a disk that is nearly full is said to be, until there is clearly more room', async () => {
    const host = new Host();
    let freeBytes = 1_000;
    const limits = { folder: '/data', freeMinBytes: 1_000, bytesMax: 0 };
    const space = new SpaceWatch(
      limits,
      host,
      () => 0,
      async () => freeBytes,
    );
    await space.look();
    expect(host.problem).toBeNull();
    freeBytes = 999;
    await space.look();
    expect(host.problem).toContain('/data');
    expect([...host.alarms.keys()]).toEqual(['store_space']);
    freeBytes = 1_100;
    await space.look();
    expect(host.problem).not.toBeNull();
    freeBytes = 1_125;
    await space.look();
    expect(host.problem).toBeNull();
    expect(host.alarms.size).toBe(0);
    space.stop();
  });

  test('a store that uses what it may is said to be full', async () => {
    const host = new Host();
    let usedBytes = 1_001;
    const limits = { folder: '/data', freeMinBytes: 0, bytesMax: 1_000 };
    const space = new SpaceWatch(limits, host, () => usedBytes);
    await space.look();
    expect(host.problem).toContain('uses');
    usedBytes = 880;
    await space.look();
    expect(host.problem).toBeNull();
    space.stop();
  });

  test('a disk that cannot be looked at is no reason to refuse', async () => {
    const host = new Host();
    const limits = { folder: '/data', freeMinBytes: 1, bytesMax: 0 };
    const space = new SpaceWatch(
      limits,
      host,
      () => 0,
      () => Promise.reject(new Error('gone')),
    );
    await space.look();
    expect(host.problem).toBeNull();
    expect(host.logged).toHaveLength(1);
  });
});
