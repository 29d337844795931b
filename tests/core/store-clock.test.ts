import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeAnchor, encodeAnchor, HOLD_MS, StoreClock } from '../../src/core/store-clock.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { toHex } from '../kit/hex.ts';

const WALL_MS = 1_700_000_000_000;
const DAY_MS = 86_400_000;

/** A process that starts when its monotonic clock says 500, with such a wall clock. */
function started(wallMs: number, anchor: { storeMs: number; wallMs: number } | null) {
  const clock = new FakeClock(500, wallMs);
  return { clock, store: new StoreClock(clock, anchor) };
}

describe('the clock of a store', () => {
  test('begins with the wall clock when the store is new', () => {
    const { store } = started(WALL_MS, null);
    expect(store.now()).toBe(WALL_MS);
    expect(store.elapsedMs).toBe(0);
    expect(store.isInDoubt).toBe(false);
    expect(store.heldUntilMs).toBe(500);
  });

  test('runs with the monotonic clock', () => {
    const { clock, store } = started(WALL_MS, null);
    clock.advance(12_345);
    expect(store.now()).toBe(WALL_MS + 12_345);
    expect(store.anchor()).toEqual({ storeMs: WALL_MS + 12_345, wallMs: WALL_MS + 12_345 });
  });

  test('goes on after a restart with what passed meanwhile by the wall clock', () => {
    const { store } = started(WALL_MS + 60_000, { storeMs: 9_000, wallMs: WALL_MS });
    expect(store.elapsedMs).toBe(60_000);
    expect(store.now()).toBe(69_000);
    expect(store.isInDoubt).toBe(false);
  });

  test('stands still over a restart when the wall clock went backwards', () => {
    const { clock, store } = started(WALL_MS - 3_600_000, { storeMs: 9_000, wallMs: WALL_MS });
    expect(store.elapsedMs).toBe(-3_600_000);
    expect(store.isInDoubt).toBe(false);
    expect(store.now()).toBe(9_000);
    clock.advance(1);
    expect(store.now()).toBe(9_001);
  });

  test('is in doubt when more than a day seems to have passed', () => {
    const anchor = { storeMs: 9_000, wallMs: WALL_MS };
    const day = started(WALL_MS + DAY_MS, anchor).store;
    expect([day.isInDoubt, day.heldUntilMs]).toEqual([false, 500]);
    const longer = started(WALL_MS + DAY_MS + 1, anchor).store;
    expect([longer.isInDoubt, longer.heldUntilMs]).toEqual([true, 500 + HOLD_MS]);
    expect(longer.now()).toBe(9_000 + DAY_MS + 1);
  });

  test('in doubt lets nothing that was stored expire for ten minutes', () => {
    const { store } = started(WALL_MS + 2 * DAY_MS, { storeMs: 0, wallMs: WALL_MS });
    const nowMs = store.now();
    expect(HOLD_MS).toBe(600_000);
    expect(store.expiryOf(1)).toBe(500 + HOLD_MS);
    expect(store.expiryOf(nowMs + HOLD_MS - 1)).toBe(500 + HOLD_MS);
    expect(store.expiryOf(nowMs + HOLD_MS + 1)).toBe(500 + HOLD_MS + 1);
  });

  test('without doubt lets expire at the start what expired while it was off', () => {
    const { store } = started(WALL_MS + 60_000, { storeMs: 0, wallMs: WALL_MS });
    expect(store.expiryOf(59_999)).toBe(500);
    expect(store.expiryOf(60_000)).toBe(500);
    expect(store.expiryOf(60_001)).toBe(501);
    expect(store.expiryOf(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
  });

  test('is told in whole milliseconds, and its times go to monotonic ones and back', () => {
    const store = new StoreClock(new FakeClock(500.75, WALL_MS), null);
    expect(store.now()).toBe(WALL_MS);
    expect(store.toStore(501.5)).toBe(WALL_MS + 1);
    expect(Number.isInteger(store.toStore(500.123))).toBe(true);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 47 }), (storeMs) => {
        expect(store.toStore(store.toMonotonic(storeMs))).toBe(storeMs);
      }),
    );
  });

  test('never goes backwards over restarts, whatever the wall clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(2_000_000_000_000))), (starts) => {
        let store = new StoreClock(new FakeClock(0, WALL_MS), null);
        for (const [ranMs, wallMs] of starts) {
          const clock = new FakeClock(7, wallMs);
          const next = new StoreClock(clock, decodeAnchor(encodeAnchor(store.anchor())));
          // What is in doubt does not count yet.
          expect(next.now()).toBeGreaterThanOrEqual(store.anchor().storeMs);
          expect(next.anchor().storeMs).toBeGreaterThanOrEqual(store.anchor().storeMs);
          clock.advance(ranMs);
          store = next;
        }
      }),
    );
  });
});

describe('an anchor', () => {
  test('is stored as two doubles, store time first', () => {
    const bytes = encodeAnchor({ storeMs: 1, wallMs: 1_700_000_000_000 });
    expect(toHex(bytes)).toBe('3f f0 00 00 00 00 00 00 42 78 bc fe 56 80 00 00');
    expect(decodeAnchor(bytes)).toEqual({ storeMs: 1, wallMs: 1_700_000_000_000 });
  });

  test('comes back as it was, also negative and from the middle of a buffer', () => {
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(finite, finite, (storeMs, wallMs) => {
        const bytes = Buffer.concat([Buffer.of(9), encodeAnchor({ storeMs, wallMs })]).subarray(1);
        expect(decodeAnchor(bytes)).toEqual({ storeMs, wallMs });
      }),
    );
  });

  test.each([
    ['nothing', null],
    ['no bytes', new Uint8Array(0)],
    ['too few', new Uint8Array(15)],
    ['too many', new Uint8Array(17)],
    ['no number', encodeAnchor({ storeMs: Number.NaN, wallMs: 0 })],
    ['no finite number', encodeAnchor({ storeMs: 0, wallMs: Number.POSITIVE_INFINITY })],
  ])('is null for what is none: %s', (_, bytes) => {
    expect(decodeAnchor(bytes)).toBeNull();
  });
});
