// When the server is overloaded: which reading leads to which level, how it comes back from there, and what is said of it.

import { expect, onTestFinished, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { buildContext } from '../../src/server/build-context.ts';
import {
  anonymousBytes,
  defaultMemoryMax,
  type MemoryGauge,
  type MemoryReading,
  ProcessMemory,
  UsedMemory,
} from '../../src/server/memory-gauge.ts';
import { Overload } from '../../src/server/overload.ts';
import { QueueShedder } from '../../src/server/queue-shedder.ts';
import { Registry } from '../../src/server/registry.ts';
import { LoopLag } from '../../src/transport/loop-lag.ts';
import { LogBook } from '../kit/log-book.ts';

const LOOK_MS = 100;
const MIB = 1_048_576;
const MEMORY_MAX = 1_000 * MIB;

class FakeMemory implements MemoryGauge {
  readonly heapMaxBytes = 1_000 * MIB;
  resident = 0;
  heap = 0;

  read(): MemoryReading {
    return { residentBytes: this.resident, heldBytes: this.resident, heapBytes: this.heap };
  }

  close(): void {}
}

class Watched {
  readonly clock = new FakeClock();
  readonly log = new LogBook();
  readonly memory = new FakeMemory();
  readonly lag = new LoopLag(DEFAULT_LIMITS.loopLagMaxMs);
  readonly overload: Overload;
  readonly alarms;
  collections = 0;

  constructor(memoryMax: number | null = MEMORY_MAX) {
    const registry = new Registry(10);
    const context = buildContext({ clock: this.clock, logger: this.log }, DEFAULT_LIMITS, registry);
    this.alarms = context.alarms;
    this.overload = new Overload(context, this.lag, new QueueShedder(registry), {
      memoryMax,
      memory: this.memory,
      collect: () => {
        this.collections++;
      },
    });
    this.overload.open();
    onTestFinished(() => this.overload.close());
  }

  get level(): number {
    return this.overload.state.level;
  }

  /** Of resident memory, in MiB; the level after a look. */
  with(resident: number): number {
    this.memory.resident = resident * MIB;
    this.clock.advance(LOOK_MS);
    return this.level;
  }

  /** The loop is late by this much, steadily. */
  late(ms: number): number {
    for (let i = 0; i < 40; i++) this.lag.observe(ms);
    this.clock.advance(LOOK_MS);
    return this.level;
  }

  wait(ms: number): number {
    this.clock.advance(ms);
    return this.level;
  }
}

test.each([
  [699, 0],
  [700, 1],
  [799, 1],
  [800, 2],
  [899, 2],
  [900, 3],
  [5_000, 3],
])('%i MiB of 1000 are level %i', (resident, level) => {
  const watched = new Watched();
  expect(watched.with(resident)).toBe(level);
  expect(watched.overload.state.cause).toBe(level === 0 ? null : 'memory');
});

test('the heap counts like memory, against what V8 may have', () => {
  const watched = new Watched();
  watched.memory.heap = 810 * MIB;
  expect(watched.with(100)).toBe(2);
  expect(watched.overload.state).toMatchObject({
    cause: 'heap',
    heapBytes: 810 * MIB,
    heapMaxBytes: 1_000 * MIB,
    memoryBytes: 100 * MIB,
    memoryMaxBytes: MEMORY_MAX,
  });
});

test.each([
  [499, 0],
  [501, 1],
  [1_001, 2],
  [2_001, 3],
])('a loop that is %i ms late, of 1000, is level %i', (lateMs, level) => {
  const watched = new Watched();
  expect(watched.late(lateMs)).toBe(level);
  expect(watched.overload.state.cause).toBe(level === 0 ? null : 'loop_lag');
});

test('the level goes up at once, and down one at a time once the load has been low for a second', () => {
  const watched = new Watched();
  expect(watched.with(950)).toBe(3);
  expect(watched.with(100)).toBe(3);
  expect(watched.wait(900)).toBe(3);
  expect(watched.wait(100)).toBe(2);
  expect(watched.wait(900)).toBe(2);
  expect(watched.wait(100)).toBe(1);
  expect(watched.wait(1_000)).toBe(0);
});

test.each([
  [3, 900, 800],
  [2, 800, 700],
  [1, 700, 600],
])(
  'level %i is left below its low-water mark only, and swings between the marks change nothing',
  (level, high, low) => {
    const watched = new Watched();
    expect(watched.with(high)).toBe(level);
    watched.with(low);
    expect(watched.wait(10_000)).toBe(level);
    watched.with(high - 1);
    expect(watched.wait(10_000)).toBe(level);
    watched.with(low - 1);
    watched.wait(900);
    watched.with(low); // once is enough to begin anew
    watched.with(low - 1);
    expect(watched.wait(900)).toBe(level);
    expect(watched.wait(100)).toBe(level - 1);
  },
);

test('an alarm says that it is overloaded, critical at the last level, until it is over; each level is a line of the log', () => {
  const watched = new Watched();
  const { alarms, log } = watched;
  watched.with(760);
  expect(alarms.active).toMatchObject([{ name: 'overload', severity: 'warning' }]);
  watched.with(930);
  expect(alarms.active).toMatchObject([
    { name: 'overload', severity: 'critical', fields: { level: 3, memoryMaxBytes: MEMORY_MAX } },
  ]);
  watched.with(10);
  watched.wait(3_000);
  expect(alarms.active).toEqual([]);
  const levels = log.lines.filter(({ message }) => message.startsWith('overload: '));
  expect(levels.map(({ fields }) => fields.level)).toEqual([1, 3, 2, 1, 0]);
});

test('since when says the state, by the wall clock, of the level that it is now', () => {
  const watched = new Watched();
  expect(watched.overload.state.since).toBeNull();
  watched.with(760);
  const { since } = watched.overload.state;
  expect(since).toBe(new Date(watched.clock.wallNow()).toISOString());
  watched.wait(5_000);
  expect(watched.overload.state.since).toBe(since);
});

test('garbage is collected while memory is short, once in five seconds, and not for a late loop or a large heap', () => {
  const watched = new Watched();
  watched.with(760);
  expect(watched.collections).toBe(1);
  watched.wait(4_900);
  expect(watched.collections).toBe(1);
  watched.wait(100);
  expect(watched.collections).toBe(2);
  const late = new Watched();
  late.late(1_500);
  expect(late.collections).toBe(0);
  const large = new Watched(10_000 * MIB);
  large.memory.heap = 1_025 * MIB;
  large.with(8_000);
  expect(large.collections).toBe(0);
});

test('by default three quarters of the memory are the server’s: of the machine, or of its control group if that has less', () => {
  expect(defaultMemoryMax(1_000, 0)).toBe(750);
  expect(defaultMemoryMax(1_000, 400)).toBe(300);
  expect(defaultMemoryMax(1_000, 2 ** 63)).toBe(750);
  expect(new Watched(null).overload.state.memoryMaxBytes).toBe(defaultMemoryMax());
});

test.each([0, -1, Number.NaN])('%d bytes are no bound: nothing would ever be shed', (bytes) => {
  expect(() => new Watched(bytes)).toThrow(/overload\.memoryMax is a number of bytes, not/);
});

test('resident memory is what no file is behind', () => {
  const status = 'VmRSS:\t  900 kB\nRssAnon:\t  500 kB\nRssFile:\t  390 kB\nRssShmem:\t   10 kB\n';
  expect(anonymousBytes(status)).toBe(510 * 1_024);
  expect(anonymousBytes('VmRSS:\t  900 kB\n')).toBeNull();
});

test('memory that was freed counts no more, also where the allocator keeps it, until more is resident than ever', () => {
  const used = new UsedMemory();
  const of = (residentBytes: number, heldBytes: number, nowMs = 0) =>
    used.of({ residentBytes, heldBytes, heapBytes: 0 }, nowMs);
  expect(of(100, 60)).toBe(100); // 40 that V8 does not know of
  expect(of(500, 450)).toBe(500); // now 50
  expect(of(500, 100)).toBe(150); // 350 were freed, and nothing was given back
  expect(of(200, 100)).toBe(150);
  expect(of(120, 100)).toBe(120);
  expect(of(499, 300)).toBe(350);
  expect(of(510, 300)).toBe(510); // what is not V8's has grown: nothing is taken for free any more
  expect(of(510, 200)).toBe(410);
});

test('when more is resident than ever after a lot was freed, that counts whole for some seconds, then what was added', () => {
  const used = new UsedMemory();
  const of = (residentBytes: number, heldBytes: number, nowMs: number) =>
    used.of({ residentBytes, heldBytes, heapBytes: 0 }, nowMs);
  expect(of(400, 340, 0)).toBe(400); // 60 that V8 does not know of
  expect(of(400, 100, 1_000)).toBe(160);
  expect(of(412, 100, 2_000)).toBe(412); // something fitted nowhere
  expect(of(412, 100, 5_000)).toBe(292); // 120 of the 240 in doubt
  expect(of(412, 100, 60_000)).toBe(172); // 60, and 12
  expect(of(413, 100, 60_001)).toBe(413);
});

test('what V8 held and nobody had touched is not missed when it is gone', () => {
  const used = new UsedMemory();
  const of = (residentBytes: number, heldBytes: number) =>
    used.of({ residentBytes, heldBytes, heapBytes: 0 }, 0);
  expect(of(100, 160)).toBe(100);
  expect(of(100, 80)).toBe(80);
  expect(of(90, 20)).toBe(20);
});

test('what grows outside of V8 counts for good', () => {
  const used = new UsedMemory();
  for (let i = 0; i < 100; i++) {
    const reading = { residentBytes: 100 + i, heldBytes: 60, heapBytes: 0 };
    expect(used.of(reading, i * 1_000)).toBe(100 + i);
  }
  const reading = { residentBytes: 199, heldBytes: 60, heapBytes: 0 };
  expect(used.of(reading, 10_000_000)).toBe(199);
});

test('the gauge of this process reads plausible figures', () => {
  const memory = new ProcessMemory();
  onTestFinished(() => memory.close());
  const rss = process.memoryUsage.rss();
  const before = memory.read();
  expect(before.residentBytes).toBeGreaterThan(10 * MIB);
  expect(before.residentBytes).toBeLessThan(rss * 1.5);
  expect(before.heapBytes).toBeGreaterThan(MIB);
  expect(before.heapBytes).toBeLessThan(memory.heapMaxBytes);
  const block = Buffer.alloc(64 * MIB, 1);
  const after = memory.read();
  expect(after.residentBytes).toBeGreaterThan(before.residentBytes + 48 * MIB);
  expect(after.heldBytes).toBeGreaterThan(before.heldBytes + 48 * MIB);
  expect(block[5]).toBe(1);
});
