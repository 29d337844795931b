// The ring of lost messages: what is kept, what is joined, what is found, and that one reason pushes out no other.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DROP_REASON_NAMES, DropReason } from '../../src/core/drop.ts';
import {
  type DropEntry,
  type DropFilter,
  DropLedger,
  type DropSlice,
  LEDGER_TEXT_MAX,
} from '../../src/core/drop-ledger.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { matchesFilter } from '../../src/protocol/filter.ts';
import { runs } from '../kit/runs.ts';

const ALL: DropFilter = { reason: null, clientId: null, topicFilter: null, sinceMs: 0 };
const WALL_MS = 1_700_000_000_000;
const { QueueFull, NoSubscriber, NotAuthorized, ReceiveNotAuthorized } = DropReason;

function make(max = 4) {
  const clock = new FakeClock(1_000, WALL_MS);
  const ledger = new DropLedger(clock, max);
  const lose = (reason: DropReason, clientId: string, topicName = 't', depth = -1) =>
    ledger.record(reason, clientId, topicName, 1, null, depth);
  const read = (filter: Partial<DropFilter> = {}) =>
    readAll(ledger, { ...ALL, ...filter }, 1_000, 1_000);
  return { clock, ledger, lose, read };
}

/** Page after page. */
function readAll(
  ledger: DropLedger,
  filter: DropFilter,
  limit: number,
  visitsMax: number,
): DropEntry[] {
  const entries: DropEntry[] = [];
  for (let below: number | null = Number.POSITIVE_INFINITY; below !== null; ) {
    const slice: DropSlice = ledger.read(filter, below, limit, visitsMax);
    entries.push(...slice.entries);
    below = slice.below;
  }
  return entries;
}

describe('an entry', () => {
  test('says when, why, who, what and how full the queue was', () => {
    const { ledger, read } = make();
    ledger.record(QueueFull, 'sub', 'a/b', 3, 'pub', 17);
    expect(read()).toEqual([
      {
        ...{ id: 1, reason: QueueFull, clientId: 'sub', publisherId: 'pub', topicName: 'a/b' },
        ...{ count: 3, firstMs: WALL_MS, lastMs: WALL_MS, depth: 17, rule: null },
      },
    ]);
  });

  test('counts what follows with the same client and topic, from the first to the last', () => {
    const { clock, lose, read } = make();
    lose(QueueFull, 'sub', 't', 1);
    clock.advance(5);
    lose(NoSubscriber, 'other');
    lose(QueueFull, 'sub', 't', 2);
    const [entry, ...rest] = read({ reason: QueueFull });
    expect(entry).toMatchObject({ count: 2, firstMs: WALL_MS, lastMs: WALL_MS + 5, depth: 2 });
    expect(rest).toEqual([]);
  });

  test.each([
    ['client', 'other', 't'],
    ['topic', 'sub', 'other'],
  ])('of another %s is one of its own', (_, clientId, topicName) => {
    const { lose, read } = make();
    lose(QueueFull, 'sub');
    lose(QueueFull, clientId, topicName);
    lose(QueueFull, 'sub');
    expect(read()).toHaveLength(3);
  });

  test('names the publisher where the client is that', () => {
    const { lose, read } = make();
    lose(NoSubscriber, 'pub');
    expect(read()[0].publisherId).toBe('pub');
  });

  test('has wall time, also when somebody sets the clock later', () => {
    const { clock, lose, read } = make();
    lose(QueueFull, 'sub');
    clock.advance(1_000);
    clock.jumpWall(60_000);
    expect(read()[0].firstMs).toBe(WALL_MS + 60_000);
  });

  test('cuts long names, and still joins and finds them', () => {
    const { lose, read } = make();
    const long = 'é'.repeat(LEDGER_TEXT_MAX);
    lose(QueueFull, `${long}1`, `${long}2`);
    lose(QueueFull, `${long}1`, `${long}2`);
    lose(QueueFull, long, long);
    const found = read({ clientId: `${long}1` });
    expect(found).toMatchObject([{ count: 2 }]);
    expect(found[0].topicName).toBe(`${'é'.repeat(LEDGER_TEXT_MAX - 1)}…`);
    expect(read({ clientId: long })[0].clientId).toBe(long);
  });
});

describe('the ledger', () => {
  test('keeps so many of each reason: a flood of one pushes out no other', () => {
    const { lose, read } = make(4);
    lose(QueueFull, 'sub');
    for (let i = 0; i < 1_000; i++) lose(NoSubscriber, `pub${i}`);
    expect(read({ reason: QueueFull })).toHaveLength(1);
    const flood = read({ reason: NoSubscriber }).map(({ clientId }) => clientId);
    expect(flood).toEqual(['pub999', 'pub998', 'pub997', 'pub996']);
  });

  test('finds who sent and who would have got', () => {
    const { ledger, lose, read } = make();
    ledger.record(QueueFull, 'sub', 't', 1, 'pub', 1);
    lose(QueueFull, 'nobody');
    expect(read({ clientId: 'sub' })).toHaveLength(1);
    expect(read({ clientId: 'pub' })).toHaveLength(1);
  });

  test('finds by topic filter and by time', () => {
    const { clock, lose, read } = make();
    lose(QueueFull, 'sub', 'a/b');
    clock.advance(10);
    lose(NoSubscriber, 'sub', 'a/c');
    expect(read({ topicFilter: 'a/+' })).toHaveLength(2);
    expect(read({ topicFilter: '+/b' })).toMatchObject([{ topicName: 'a/b' }]);
    expect(read({ sinceMs: WALL_MS + 10 })).toMatchObject([{ topicName: 'a/c' }]);
    expect(read({ sinceMs: WALL_MS + 11 })).toEqual([]);
  });

  test.each([0, 4_097, 1.5, Number.NaN])('of %d entries is refused', (max) => {
    expect(() => new DropLedger(new FakeClock(), max)).toThrow('1 to 4096 entries');
  });

  test('has the rule that the denial log found, also for what is lost later', () => {
    const { ledger, lose, read } = make();
    const rule = { by: 'acl', rule: 'topic deny x', at: 'acl:3', why: 'it is so' };
    lose(NotAuthorized, 'pub', 'x');
    ledger.explain(NotAuthorized, 'pub', 'x', rule);
    lose(NotAuthorized, 'pub', 'y');
    lose(NotAuthorized, 'pub', 'x');
    lose(NotAuthorized, 'other', 'x');
    const rules = read().map((entry) => entry.rule);
    expect(rules).toEqual([null, rule, null, rule]);
  });

  test('has that of a muted subscription for all that it matches', () => {
    const { ledger, lose, read } = make();
    const rule = { by: 'acl', rule: null, at: null, why: 'no rule fits' };
    ledger.explainMuted('sub', 'a/#', rule);
    for (const topicName of ['a/b', 'b']) lose(ReceiveNotAuthorized, 'sub', topicName);
    lose(ReceiveNotAuthorized, 'other', 'a/b');
    expect(read().map((entry) => entry.rule)).toEqual([null, null, rule]);
  });

  test('remembers no more rules than entries', () => {
    const { ledger, lose, read } = make(2);
    const rule = { by: 'acl', rule: null, at: null, why: null };
    for (const topic of ['a', 'b', 'c']) ledger.explain(NotAuthorized, 'pub', topic, rule);
    for (const topic of ['a', 'c']) lose(NotAuthorized, 'pub', topic);
    expect(read().map((entry) => entry.rule)).toEqual([rule, null]);
  });
});

interface Lost {
  readonly reason: DropReason;
  readonly clientId: string;
  readonly topicName: string;
  count: number;
  order: number;
}

const REASONS = [NoSubscriber, QueueFull, NotAuthorized];
const loss = fc.record({
  reason: fc.constantFrom(...REASONS),
  clientId: fc.constantFrom('a', 'b'),
  topicName: fc.constantFrom('x/1', 'x/2', 'y'),
});

test('it is a list for each reason, whatever is lost in whatever order, read in any pages', () => {
  fc.assert(
    fc.property(
      fc.array(loss, { maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      fc.record({
        reason: fc.constantFrom(null, ...REASONS),
        clientId: fc.constantFrom(null, 'a', 'nobody'),
        topicFilter: fc.constantFrom(null, 'x/+', 'y', '#'),
        sinceMs: fc.constant(0),
      }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 7 }),
      (losses, max, filter, limit, visitsMax) => {
        const ledger = new DropLedger(new FakeClock(), max);
        const lists = new Map<DropReason, Lost[]>(REASONS.map((reason) => [reason, []]));
        for (const [order, { reason, clientId, topicName }] of losses.entries()) {
          ledger.record(reason, clientId, topicName, 1, null, -1);
          const list = lists.get(reason) ?? [];
          const newest = list.at(-1);
          if (newest?.clientId === clientId && newest.topicName === topicName) {
            newest.count++;
            newest.order = order;
          } else {
            list.push({ reason, clientId, topicName, count: 1, order });
            if (list.length > max) list.shift();
          }
        }
        const expected = [...lists.values()]
          .flat()
          .filter(
            ({ reason, clientId, topicName }) =>
              (filter.reason === null || filter.reason === reason) &&
              (filter.clientId === null || filter.clientId === clientId) &&
              (filter.topicFilter === null || matchesFilter(topicName, filter.topicFilter)),
          )
          .sort((a, b) => b.order - a.order)
          .map(({ order: _, ...rest }) => rest);
        const found = readAll(ledger, filter, limit, visitsMax);
        expect(
          found.map(({ reason, clientId, topicName, count }) => ({
            ...{ reason, clientId, topicName, count },
          })),
        ).toEqual(expected);
      },
    ),
    { numRuns: runs(500) },
  );
});

test('every reason has a name of its own', () => {
  expect(new Set(DROP_REASON_NAMES).size).toBe(Object.keys(DropReason).length);
});
