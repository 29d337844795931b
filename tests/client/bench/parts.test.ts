// The parts of a bench that count: which messages came, how long they took, and when they are due.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HEADER_BYTES, readHeader, writeHeader } from '../../../src/client/bench/header.ts';
import { Latency } from '../../../src/client/bench/latency.ts';
import { type Paced, Rated, Unpaced } from '../../../src/client/bench/pace.ts';
import type { Fault } from '../../../src/client/bench/plan.ts';
import { SequenceTracker } from '../../../src/client/bench/sequence.ts';
import { Tally } from '../../../src/client/bench/tally.ts';

describe('the header of a message', () => {
  const HEADER = { run: 0xffff_ffff, publisher: 7, sequence: 1, sentAtMicros: 1.7e15 + 0.25 };

  test('is read as it was written, wherever the payload lies', () => {
    const room = Buffer.alloc(HEADER_BYTES + 5);
    writeHeader(room.subarray(5), HEADER);
    expect(readHeader(room.subarray(5))).toEqual(HEADER);
  });

  test('has room for a soak of many days, and for every client', () => {
    const payload = Buffer.alloc(HEADER_BYTES);
    const header = { ...HEADER, publisher: 1_100_000, sequence: 2 ** 39 };
    writeHeader(payload, header);
    expect(readHeader(payload)).toEqual(header);
  });

  test('without a time is none: somebody else wrote it', () => {
    const payload = Buffer.alloc(HEADER_BYTES);
    writeHeader(payload, { ...HEADER, sentAtMicros: Number.NaN });
    expect(readHeader(payload)).toBe(null);
  });

  test('is not found in other payloads, or in a part of it', () => {
    const payload = Buffer.alloc(HEADER_BYTES);
    expect(readHeader(payload)).toBe(null);
    writeHeader(payload, HEADER);
    expect(readHeader(payload.subarray(0, HEADER_BYTES - 1))).toBe(null);
  });
});

describe('what came of one publisher', () => {
  test('next, late, twice and missing are told apart', () => {
    const tracker = new SequenceTracker(0);
    expect([0, 1, 4, 3, 3, 4, 0].map((sequence) => tracker.take(sequence))).toEqual([
      ...['next', 'next', 'next', 'late', 'duplicate', 'duplicate', 'duplicate'],
    ]);
    expect([tracker.distinct, tracker.missing]).toEqual([4, 1]);
  });

  test('of one that was heard later what was before is not missing', () => {
    const tracker = new SequenceTracker(10);
    expect([10, 12, 9].map((sequence) => tracker.take(sequence))).toEqual(['next', 'next', 'late']);
    expect([tracker.distinct, tracker.missing]).toEqual([2, 1]);
  });

  test('1,024 numbers are remembered, and a gap of any size is passed', () => {
    const tracker = new SequenceTracker(0);
    tracker.take(0);
    tracker.take(5_000);
    expect(tracker.take(5_000 - 1_023)).toBe('late');
    expect(tracker.take(5_000 - 1_024)).toBe('duplicate');
    expect(tracker.missing).toBe(5_001 - 3);
  });

  test('as a set would have it, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000), { maxLength: 200 }), (sequences) => {
        const tracker = new SequenceTracker(0);
        const seen = new Set<number>();
        for (const sequence of sequences) {
          const isNew = !seen.has(sequence);
          const expected = isNew
            ? sequence > Math.max(-1, ...seen)
              ? 'next'
              : 'late'
            : 'duplicate';
          expect(tracker.take(sequence)).toBe(expected);
          seen.add(sequence);
        }
        expect(tracker.distinct).toBe(seen.size);
        expect(tracker.missing).toBe(Math.max(-1, ...seen) + 1 - seen.size);
      }),
    );
  });
});

describe('latency', () => {
  test('percentiles are within a thousandth, of the interval and of all', () => {
    const latency = new Latency();
    expect(latency.takeInterval()).toBe(null);
    for (let micros = 1_000; micros <= 100_000; micros += 1_000) latency.record(micros);
    const first = latency.takeInterval();
    expect(first?.count).toBe(100);
    for (const [name, expected] of [
      ['p50', 50],
      ['p95', 95],
      ['p99', 99],
      ['max', 100],
    ] as const) {
      expect(Math.abs((first?.[name] ?? 0) / expected - 1)).toBeLessThan(0.002);
    }
    latency.record(500_000);
    expect(latency.takeInterval()?.count).toBe(1);
    expect(latency.takeInterval()).toBe(null);
    expect(latency.whole()?.count).toBe(101);
    expect(Math.round(latency.whole()?.max ?? 0)).toBe(500);
  });

  test('what no clock can say counts all the same', () => {
    const latency = new Latency();
    for (const micros of [-5, 0, 0.2, 1e15]) latency.record(micros);
    expect(latency.whole()?.count).toBe(4);
  });
});

class Sender implements Paced {
  isOver = false;
  pumps = 0;

  pump(): void {
    this.pumps++;
  }
}

describe('at a rate', () => {
  test('messages are due evenly, and each publisher has its turn', () => {
    const senders = [new Sender(), new Sender()];
    const pace = new Rated(senders, 5, 1_000, 100);
    expect(pace.tick(100)).toBe(1);
    expect(senders.map((one) => one.pumps)).toEqual([1, 0]);
    expect(pace.take(senders[1])).toBe(null);
    expect(pace.take(senders[0])).toBe(100);
    pace.tick(103.5);
    expect(senders.map((one) => one.pumps)).toEqual([2, 2]);
    expect([pace.take(senders[0]), pace.take(senders[0])]).toEqual([102, null]);
    expect([pace.take(senders[1]), pace.take(senders[1])]).toEqual([101, 103]);
    expect(pace.isExhausted).toBe(false);
    pace.tick(1_000_000);
    expect([pace.isExhausted, pace.unsent]).toEqual([false, 1]);
    expect([pace.take(senders[0]), pace.isExhausted, pace.unsent]).toEqual([104, true, 0]);
  });

  test('what a publisher that is gone should have sent is not waited for, and told', () => {
    const senders = [new Sender(), new Sender()];
    const pace = new Rated(senders, 4, 1_000, 0);
    pace.tick(100);
    for (let i = 0; i < 2; i++) pace.take(senders[0]);
    expect(pace.isExhausted).toBe(false);
    senders[1].isOver = true;
    expect([pace.isExhausted, pace.unsent]).toEqual([true, 2]);
  });
});

test('without a rate all take of what is left, and are woken once', () => {
  const senders = [new Sender(), new Sender()];
  const pace = new Unpaced(senders, 2);
  pace.tick();
  pace.tick();
  expect(senders.map((one) => one.pumps)).toEqual([1, 1]);
  expect([pace.take(), pace.isExhausted, pace.take(), pace.isExhausted, pace.take()]).toEqual([
    ...[expect.any(Number), false, expect.any(Number), true, null],
  ]);
});

test('faults are told once each, and of the kinds only so many are kept', () => {
  const told: Fault[] = [];
  const tally = new Tally((fault) => told.push(fault));
  const refusal = { packet: 'CONNACK', reasonCode: 0x87 } as const;
  tally.note({ ...refusal, message: 'first' });
  tally.note({ ...refusal, message: 'second' });
  for (let i = 0; i < 50; i++) tally.note({ packet: null, message: `text ${i}` });
  expect(told.length).toBe(21);
  expect(tally.faults()[0]).toEqual({ fault: { ...refusal, message: 'first' }, count: 2 });
  expect(tally.faults().at(-1)?.count).toBe(31);
});
