import { expect, test } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import { Timer, TimerWheel } from '../../src/lib/timer-wheel.ts';

/** The wheel looks at its slots this often. */
const RESOLUTION_MS = 50;
/** One revolution. */
const REVOLUTION_MS = 1_024 * RESOLUTION_MS;

class Owner {
  firedAtMs: number[] = [];
  next: (() => void) | null = null;
  readonly timer = new Timer(this);

  onTimer(_timer: Timer, nowMs: number): void {
    this.firedAtMs.push(nowMs);
    this.next?.();
  }
}

function wheelAt(startMs: number): { clock: FakeClock; wheel: TimerWheel } {
  const clock = new FakeClock(startMs);
  return { clock, wheel: new TimerWheel(clock) };
}

test.each([1, 49, 50, 51, 999, REVOLUTION_MS - 1, REVOLUTION_MS, REVOLUTION_MS + 1, 600_000])(
  'a timer of %i ms fires once, never early, at most two resolutions late',
  (delayMs) => {
    for (const startMs of [0, 1_000, 1_033, 51_199]) {
      const { clock, wheel } = wheelAt(startMs);
      const owner = new Owner();
      wheel.arm(owner.timer, delayMs);
      clock.advance(delayMs + 10 * RESOLUTION_MS + REVOLUTION_MS);
      expect(owner.firedAtMs).toHaveLength(1);
      const lateMs = owner.firedAtMs[0] - startMs - delayMs;
      expect(lateMs).toBeGreaterThanOrEqual(0);
      expect(lateMs).toBeLessThanOrEqual(2 * RESOLUTION_MS);
      expect(wheel.armed).toBe(0);
      expect(owner.timer.isArmed).toBe(false);
    }
  },
);

test('a deadline that has passed fires at the next look', () => {
  const { clock, wheel } = wheelAt(1_000);
  const owner = new Owner();
  wheel.armAt(owner.timer, 5);
  expect(owner.firedAtMs).toEqual([]);
  clock.advance(RESOLUTION_MS);
  expect(owner.firedAtMs).toHaveLength(1);
});

test('arming again replaces the former deadline, earlier or later', () => {
  const { clock, wheel } = wheelAt(0);
  const owner = new Owner();
  wheel.arm(owner.timer, 500);
  wheel.arm(owner.timer, 5_000);
  expect(wheel.armed).toBe(1);
  clock.advance(4_999);
  expect(owner.firedAtMs).toEqual([]);
  wheel.arm(owner.timer, 100);
  clock.advance(200);
  expect(owner.firedAtMs).toHaveLength(1);
  clock.advance(60_000);
  expect(owner.firedAtMs).toHaveLength(1);
});

test('a cancelled timer does not fire, and cancelling twice counts once', () => {
  const { clock, wheel } = wheelAt(0);
  const owner = new Owner();
  wheel.arm(owner.timer, 100);
  wheel.cancel(owner.timer);
  wheel.cancel(owner.timer);
  expect(wheel.armed).toBe(0);
  clock.advance(1_000);
  expect(owner.firedAtMs).toEqual([]);
});

test('timers of one moment may cancel, re-arm and arm each other while they fire', () => {
  const { clock, wheel } = wheelAt(0);
  const owners = [new Owner(), new Owner(), new Owner()];
  for (const owner of owners) {
    owner.next = () => {
      owner.next = null;
      for (const other of owners) {
        if (other === owner) continue;
        other.next = null;
        wheel.cancel(other.timer);
      }
      wheel.arm(owner.timer, 100);
    };
    wheel.arm(owner.timer, 100);
  }
  clock.advance(100);
  expect(owners.map((owner) => owner.firedAtMs.length).sort()).toEqual([0, 0, 1]);
  expect(wheel.armed).toBe(1);
  clock.advance(100);
  expect(owners.map((owner) => owner.firedAtMs.length).sort()).toEqual([0, 0, 2]);
  expect(wheel.armed).toBe(0);
});

test('one that fires may re-arm another that is due at the same moment: it fires later, once', () => {
  const { clock, wheel } = wheelAt(0);
  const a = new Owner();
  const b = new Owner();
  a.next = () => wheel.arm(b.timer, 1_000);
  b.next = () => wheel.arm(a.timer, 1_000);
  wheel.arm(a.timer, 100);
  wheel.arm(b.timer, 100);
  clock.advance(100);
  expect(a.firedAtMs.length + b.firedAtMs.length).toBe(1);
  expect(wheel.armed).toBe(1);
});

test('after a long stall everything that is due fires, and nothing else', () => {
  let nowMs = 0;
  let look: () => void = () => {};
  const wheel = new TimerWheel({
    now: () => nowMs,
    wallNow: () => nowMs,
    every: (_intervalMs, callback) => {
      look = callback;
      return { cancel: () => {} };
    },
  });
  const due = [10, 30_000, REVOLUTION_MS, 200_000, 299_999].map((delayMs) => {
    const owner = new Owner();
    wheel.arm(owner.timer, delayMs);
    return owner;
  });
  const later = new Owner();
  wheel.arm(later.timer, 300_100);
  nowMs = 300_000;
  look();
  expect(due.map((owner) => owner.firedAtMs)).toEqual(due.map(() => [300_000]));
  expect(later.firedAtMs).toEqual([]);
  nowMs = 300_150;
  look();
  expect(later.firedAtMs).toEqual([300_150]);
});

test('a thousand timers at random agree with a list', () => {
  const { clock, wheel } = wheelAt(777);
  let seed = 42;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const owners = Array.from({ length: 1_000 }, () => new Owner());
  const deadlines = new Map<Owner, number>();
  let wrong = '';
  for (let round = 0; round < 2_000; round++) {
    const owner = owners[random(owners.length)];
    if (random(4) === 0) {
      wheel.cancel(owner.timer);
      deadlines.delete(owner);
    } else {
      const delayMs = random(120_000);
      wheel.arm(owner.timer, delayMs);
      deadlines.set(owner, clock.now() + delayMs);
    }
    clock.advance(random(200));
    for (const [other, deadlineMs] of deadlines) {
      if (other.firedAtMs.length === 0) {
        if (clock.now() - deadlineMs >= 2 * RESOLUTION_MS) wrong ||= `late in round ${round}`;
        continue;
      }
      if (other.firedAtMs[0] < deadlineMs) wrong ||= `early in round ${round}`;
      if (other.firedAtMs.length > 1) wrong ||= `twice in round ${round}`;
      other.firedAtMs = [];
      deadlines.delete(other);
    }
    if (wheel.armed !== deadlines.size) wrong ||= `miscounted in round ${round}`;
  }
  expect(wrong).toBe('');
});

test('a closed wheel fires no more and leaves no callback with the clock', () => {
  let repeating = 0;
  const fake = new FakeClock();
  const wheel = new TimerWheel({
    now: () => fake.now(),
    wallNow: () => fake.wallNow(),
    every: (intervalMs, callback) => {
      repeating++;
      const inner = fake.every(intervalMs, callback);
      return {
        cancel: () => {
          repeating--;
          inner.cancel();
        },
      };
    },
  });
  const owner = new Owner();
  wheel.arm(owner.timer, 100);
  wheel.close();
  fake.advance(1_000);
  expect(repeating).toBe(0);
  expect(owner.firedAtMs).toEqual([]);
});

test('a timer that throws does not keep the others of its slot from firing', () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel(clock);
  let fired = 0;
  const count = { onTimer: () => void fired++ };
  const broken = {
    onTimer: () => {
      throw new Error('broken on purpose');
    },
  };
  for (const owner of [count, broken, count]) wheel.arm(new Timer(owner), 100);
  expect(() => clock.advance(200)).toThrow('broken on purpose');
  expect(fired).toBe(2);
  expect(wheel.armed).toBe(0);
});
