import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import {
  AcceptControl,
  type AcceptLimits,
  REFUSAL_REASONS,
  type RefusalReason,
} from '../../src/transport/accept-control.ts';
import { LoopLag } from '../../src/transport/loop-lag.ts';
import { runs } from '../kit/runs.ts';

const NO_LIMITS: AcceptLimits = {
  connectionsMax: 0,
  connectionsPerAddressMax: 0,
  connectRate: 0,
  connectBurst: 0,
  connectRatePerAddress: 0,
  connectBurstPerAddress: 0,
  addressesMax: 1_000,
};

function controlOf(limits: Partial<AcceptLimits>, lag: LoopLag | null = null) {
  const clock = new FakeClock(1_000_000_000.1);
  const control = new AcceptControl({ ...NO_LIMITS, ...limits }, () => clock.now(), lag);
  /** How many of so many are admitted, until one is refused. */
  const admit = (address: string, count = 1): number => {
    for (let i = 0; i < count; i++) if (control.admit(address) !== null) return i;
    return count;
  };
  return { clock, control, admit };
}

const A = '192.0.2.1';
const B = '192.0.2.2';

test('without limits everybody is admitted', () => {
  const { control, admit } = controlOf({});
  expect(admit(A, 5_000)).toBe(5_000);
  expect(control.open).toBe(5_000);
  expect(Object.values(control.refusals)).toEqual(REFUSAL_REASONS.map(() => 0));
});

describe('connections', () => {
  test('of the listener: as many as its limit, and one more for each that goes', () => {
    const { control, admit } = controlOf({ connectionsMax: 3 });
    expect(admit(A, 2) + admit(B, 2)).toBe(3);
    expect(control.admit('')).toBe('connections');
    control.release(A);
    expect(control.admit('')).toBeNull();
    expect(control.admit(B)).toBe('connections');
    expect(control.refusals.connections).toBe(3);
  });

  test('of one address: others do not notice', () => {
    const { control, admit } = controlOf({ connectionsPerAddressMax: 2 });
    expect(admit(A, 3)).toBe(2);
    expect(admit(B, 3)).toBe(2);
    expect(control.admit(A)).toBe('connections-per-address');
    control.release(A);
    expect(control.admit(A)).toBeNull();
    expect(control.admit(A)).toBe('connections-per-address');
    expect(control.refusals['connections-per-address']).toBe(4);
    expect(control.open).toBe(4);
  });

  test('of IPv6 count for each /64', () => {
    const { control } = controlOf({ connectionsPerAddressMax: 1 });
    expect(control.admit('2001:db8:0:1::1')).toBeNull();
    expect(control.admit('2001:db8:0:1:ffff::2')).toBe('connections-per-address');
    expect(control.admit('2001:db8:0:2::1')).toBeNull();
    control.release('2001:db8:0:1::1');
    expect(control.admit('2001:db8:0:1:ffff::2')).toBeNull();
  });

  test('of what has no address are not limited for it', () => {
    const { control, admit } = controlOf({ connectionsPerAddressMax: 1, connectRatePerAddress: 1 });
    expect(admit('', 50)).toBe(50);
    expect(control.addresses).toBe(0);
    control.release('');
    expect(control.open).toBe(49);
    const full = controlOf({ connectionsPerAddressMax: 1, addressesMax: 0 });
    expect(full.admit('', 50)).toBe(50);
  });
});

describe('the rate', () => {
  test('of the listener: its burst, then one for each token that comes', () => {
    const { clock, control, admit } = controlOf({ connectRate: 3, connectBurst: 10 });
    expect(admit(A, 20)).toBe(10);
    clock.advance(333);
    expect(control.admit(B)).toBe('rate');
    clock.advance(1);
    expect(admit(B, 20)).toBe(1);
    clock.advance(1_000);
    expect(admit(A, 20)).toBe(3);
    clock.advance(3_600_000); // not more than the burst, however long nobody came
    expect(admit(A, 20)).toBe(10);
    expect(control.refusals.rate).toBe(5);
    expect(control.open).toBe(24);
  });

  test('of one address: others do not notice', () => {
    const { clock, control, admit } = controlOf({
      connectRatePerAddress: 1,
      connectBurstPerAddress: 2,
    });
    expect(admit(A, 9)).toBe(2);
    expect(admit(B, 9)).toBe(2);
    expect(control.admit(A)).toBe('rate-per-address');
    clock.advance(1_000);
    expect(admit(A, 9)).toBe(1);
    clock.advance(60_000);
    expect(admit(A, 9)).toBe(2);
  });

  test('of an address outlives its connections', () => {
    const { clock, control, admit } = controlOf({
      connectRatePerAddress: 1,
      connectBurstPerAddress: 2,
    });
    for (let i = 0; i < 2; i++) {
      expect(control.admit(A)).toBeNull();
      control.release(A);
    }
    expect(control.admit(A)).toBe('rate-per-address');
    clock.advance(1_500);
    expect(admit(A, 9)).toBe(1);
  });

  test('who is refused takes no token, neither of its own nor of the listener', () => {
    const { clock, control, admit } = controlOf({
      connectRate: 1,
      connectBurst: 5,
      connectionsPerAddressMax: 1,
      connectRatePerAddress: 1,
      connectBurstPerAddress: 1,
    });
    expect(admit(A, 1)).toBe(1);
    for (let i = 0; i < 100; i++) expect(control.admit(A)).toBe('connections-per-address');
    control.release(A);
    for (let i = 0; i < 100; i++) expect(control.admit(A)).toBe('rate-per-address');
    for (let i = 0; i < 4; i++) expect(control.admit(`192.0.2.10${i}`)).toBeNull();
    for (let i = 0; i < 100; i++) expect(control.admit(B)).toBe('rate');
    clock.advance(1_000);
    expect(control.admit(A)).toBeNull(); // the token of its own is there, and the listener's
  });

  test.each([0, 1])('with a burst of %d admits one at a time', (connectBurst) => {
    const { clock, admit } = controlOf({ connectRate: 1_000, connectBurst });
    expect(admit(A, 9)).toBe(1);
    clock.advance(1);
    expect(admit(A, 9)).toBe(1);
  });
});

describe('a connection whose address becomes known later', () => {
  test('counts for it from then on', () => {
    const { control } = controlOf({ connectionsPerAddressMax: 1, connectRate: 1, connectBurst: 3 });
    expect(control.admit('')).toBeNull();
    expect(control.admitAddress(A)).toBeNull();
    expect(control.open).toBe(1);
    expect(control.admit('')).toBeNull();
    expect(control.admitAddress(A)).toBe('connections-per-address');
    control.release('');
    control.release(A);
    expect(control.admit('')).toBeNull(); // the third token of the listener: the address takes none
    expect(control.admitAddress(A)).toBeNull();
    expect(control.admit('')).toBe('rate');
    expect(control.refusals).toMatchObject({ rate: 1, 'connections-per-address': 1 });
  });

  test('takes a token of the address, and none if it has none', () => {
    const { control } = controlOf({ connectRatePerAddress: 1, connectBurstPerAddress: 1 });
    for (let i = 0; i < 3; i++) control.admit('');
    expect(control.admitAddress(A)).toBeNull();
    expect(control.admitAddress(A)).toBe('rate-per-address');
    expect(control.admitAddress('')).toBeNull(); // LOCAL: there is none
    expect(control.addresses).toBe(1);
  });

  test('is one of those without a place, if there is none', () => {
    const { control } = controlOf({ connectionsPerAddressMax: 1, addressesMax: 1 });
    for (let i = 0; i < 3; i++) control.admit('');
    expect(control.admitAddress(A)).toBeNull();
    expect(control.admitAddress(B)).toBeNull();
    expect(control.admitAddress('10.0.0.1')).toBe('connections-per-address');
    control.release(B);
    expect(control.admitAddress('10.0.0.1')).toBeNull();
  });
});

test('of several reasons the first counts, and only it', () => {
  const lag = new LoopLag(100);
  const { control } = controlOf({ connectionsMax: 1, connectionsPerAddressMax: 1 }, lag);
  expect(control.admit(A)).toBeNull();
  expect(control.admit(A)).toBe('connections');
  lag.observe(1_000);
  expect(control.admit(A)).toBe('overload');
  lag.setMax(0);
  expect(control.admit(A)).toBe('connections');
  expect(control.refusals).toMatchObject({
    overload: 1,
    connections: 2,
    'connections-per-address': 0,
  });
});

test('what the broker refuses is counted with the rest', () => {
  const { control } = controlOf({});
  expect(control.refuse('half-connected')).toBe('half-connected');
  expect(control.refusals['half-connected']).toBe(1);
  expect(control.open).toBe(0);
});

test('a release of what was not admitted is a mistake of ours', () => {
  const { control } = controlOf({});
  expect(() => control.release(A)).toThrow('not admitted');
  control.admit(A);
  expect(() => control.release(B)).toThrow('address was not admitted');
});

describe('the table of addresses', () => {
  const perAddress = { connectRatePerAddress: 1, connectBurstPerAddress: 2 };

  test('keeps nobody who is gone and whose bucket is full', () => {
    const { clock, control } = controlOf({ ...perAddress, addressesMax: 100 });
    for (let i = 0; i < 50; i++) {
      control.admit(`10.0.0.${i}`);
      clock.advance(1_000);
      control.release(`10.0.0.${i}`);
    }
    expect(control.addresses).toBe(0);
  });

  test('forgets those whose bucket became full, as others come', () => {
    const { clock, control } = controlOf({ ...perAddress, addressesMax: 1_000 });
    for (let i = 0; i < 100; i++) {
      control.admit(`10.0.0.${i}`);
      control.release(`10.0.0.${i}`);
    }
    expect(control.addresses).toBe(100);
    clock.advance(1_000);
    for (let i = 0; i < 50; i++) control.admit(`10.0.1.${i}`);
    expect(control.addresses).toBe(50);
  });

  test('makes room for a new address by the one that has been idle for longest', () => {
    const { control, admit } = controlOf({ ...perAddress, addressesMax: 3 });
    for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
      admit(address, 2);
      control.release(address);
      control.release(address);
    }
    expect(control.admit('10.0.0.4')).toBeNull(); // in the place of .1
    expect(control.addresses).toBe(3);
    expect(control.admit('10.0.0.2')).toBe('rate-per-address');
    expect(control.admit('10.0.0.3')).toBe('rate-per-address');
    expect(control.admit('10.0.0.1')).toBeNull(); // forgotten; in the place of .2
    expect(control.admit('10.0.0.3')).toBe('rate-per-address');
    expect(control.admit('10.0.0.2')).toBeNull();
  });

  test('an address that connects again is not idle, and is not forgotten', () => {
    const { clock, control } = controlOf({ ...perAddress, addressesMax: 2 });
    control.admit(A);
    control.release(A);
    control.admit(A);
    control.admit(B);
    control.release(B);
    control.admit('10.0.0.1'); // in the place of B
    clock.advance(999);
    expect(control.admit(A)).toBe('rate-per-address');
  });

  test('those for whom there is no place are one client together', () => {
    const { control } = controlOf({ connectionsPerAddressMax: 2, addressesMax: 2 });
    control.admit(A);
    control.admit(B);
    expect(control.admit('10.0.0.1')).toBeNull();
    expect(control.admit('10.0.0.2')).toBeNull();
    expect(control.admit('10.0.0.3')).toBe('connections-per-address');
    expect(control.addresses).toBe(2);
    expect(control.admit(A)).toBeNull(); // those in the table do not notice
    control.release('10.0.0.1');
    expect(control.admit('10.0.0.3')).toBeNull();
    expect(control.admit('10.0.0.4')).toBe('connections-per-address');
  });

  test('an address that gets a place later gives back what it had without one', () => {
    const { control } = controlOf({ connectionsPerAddressMax: 2, addressesMax: 1 });
    control.admit(A);
    control.admit(B); // without a place
    control.release(A);
    control.admit(B); // in the place of A
    control.release(B);
    control.release(B);
    expect(control.open).toBe(0);
    control.admit(A);
    expect([control.admit(B), control.admit(B)]).toEqual([null, null]);
    expect(control.admit(B)).toBe('connections-per-address');
  });
});

describe('new limits', () => {
  test('do not forget what is open', () => {
    const { control } = controlOf({});
    for (let i = 0; i < 5; i++) control.admit(A);
    control.setLimits({ ...NO_LIMITS, connectionsMax: 6, connectionsPerAddressMax: 3 });
    expect(control.admit(A)).toBe('connections-per-address');
    expect(control.admit(B)).toBeNull();
    expect(control.admit(B)).toBe('connections');
    for (let i = 0; i < 3; i++) control.release(A);
    expect(control.admit(A)).toBeNull();
    expect(control.admit(A)).toBe('connections-per-address');
    expect(control.open).toBe(4);
  });

  test('begin with a full bucket where there was no rate', () => {
    const { control, admit } = controlOf({});
    admit(A, 1_000);
    control.setLimits({ ...NO_LIMITS, connectRate: 1, connectBurst: 3 });
    expect(admit(A, 9)).toBe(3);
  });

  test('leave taken tokens taken, as many as the new bucket has', () => {
    const slow = { connectRate: 0.1, connectBurst: 100 };
    const { clock, control, admit } = controlOf(slow);
    expect(admit(A, 200)).toBe(100);
    control.setLimits({ ...NO_LIMITS, connectRate: 10, connectBurst: 20 });
    expect(control.admit(A)).toBe('rate');
    clock.advance(500); // not the 1,000 seconds that the old rate would take
    expect(admit(A, 99)).toBe(5);
    control.setLimits({ ...NO_LIMITS, connectRate: 1, connectBurst: 30 });
    expect(admit(A, 99)).toBe(10); // 20 are missing
    control.setLimits(NO_LIMITS);
    expect(admit(A, 99)).toBe(99);
  });

  test('hold for addresses, too', () => {
    const { clock, control, admit } = controlOf({
      connectRatePerAddress: 0.1,
      connectBurstPerAddress: 5,
    });
    expect(admit(A, 9)).toBe(5);
    control.setLimits({ ...NO_LIMITS, connectRatePerAddress: 10, connectBurstPerAddress: 5 });
    expect(control.admit(A)).toBe('rate-per-address');
    clock.advance(200);
    expect(admit(A, 9)).toBe(2);
  });

  test('make the table smaller: idle addresses go, the others as their connections do', () => {
    const { control } = controlOf({ connectRatePerAddress: 1, connectBurstPerAddress: 5 });
    for (let i = 0; i < 6; i++) control.admit(`10.0.0.${i}`);
    for (let i = 0; i < 3; i++) control.release(`10.0.0.${i}`);
    expect(control.addresses).toBe(6);
    const smaller = { connectRatePerAddress: 1, connectBurstPerAddress: 5, addressesMax: 2 };
    control.setLimits({ ...NO_LIMITS, ...smaller });
    expect(control.addresses).toBe(3);
    control.release('10.0.0.3');
    expect(control.addresses).toBe(2);
    control.release('10.0.0.4');
    expect(control.addresses).toBe(2); // it has its place, and its bucket is not full
  });
});

/** The same rules with everything remembered: tokens that are counted, addresses that are never forgotten. */
class Plain {
  readonly #limits: AcceptLimits;
  readonly #open = new Map<string, number>();
  readonly #tokens = new Map<string, { tokens: number; atMs: number }>();

  constructor(limits: AcceptLimits) {
    this.#limits = limits;
  }

  admit(address: string, nowMs: number): RefusalReason | null {
    const limits = this.#limits;
    const open = (key: string) => this.#open.get(key) ?? 0;
    if (limits.connectionsMax > 0 && open('all') >= limits.connectionsMax) return 'connections';
    if (limits.connectionsPerAddressMax > 0 && open(address) >= limits.connectionsPerAddressMax)
      return 'connections-per-address';
    const { connectRatePerAddress, connectBurstPerAddress } = limits;
    const own = this.#bucket(address, nowMs, connectRatePerAddress, connectBurstPerAddress);
    const all = this.#bucket('all', nowMs, limits.connectRate, limits.connectBurst);
    if (own.tokens < 0.999_5) return 'rate-per-address';
    if (all.tokens < 0.999_5) return 'rate';
    own.tokens--;
    all.tokens--;
    for (const key of [address, 'all']) this.#open.set(key, open(key) + 1);
    return null;
  }

  release(address: string): void {
    for (const key of [address, 'all']) this.#open.set(key, (this.#open.get(key) ?? 0) - 1);
  }

  #bucket(key: string, nowMs: number, rate: number, burst: number) {
    if (rate === 0) return { tokens: 1, atMs: nowMs };
    const bucket = this.#tokens.get(key) ?? { tokens: burst, atMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) * rate) / 1_000);
    bucket.atMs = nowMs;
    this.#tokens.set(key, bucket);
    return bucket;
  }
}

describe('whatever comes and goes', () => {
  const address = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', '2001:db8::/64', '::/64');
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ type: fc.constant('admit' as const), address }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('release' as const), address }) },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.nat(1_500), address }),
    },
  );
  const limitsOf = (addressesMax: number) =>
    fc.record({
      connectionsMax: fc.constantFrom(0, 3, 8),
      connectionsPerAddressMax: fc.constantFrom(0, 1, 3),
      connectRate: fc.constantFrom(0, 1, 4),
      connectBurst: fc.constantFrom(1, 3),
      connectRatePerAddress: fc.constantFrom(0, 1, 5),
      connectBurstPerAddress: fc.constantFrom(1, 2),
      addressesMax: fc.constant(addressesMax),
    });
  const steps = fc.array(step, { maxLength: 80, size: 'max' });
  const plainAddress = (text: string) => text.replace('/64', '1'); // its key, in the model

  test('decides as the plain rules do, when there is a place for all', () => {
    fc.assert(
      fc.property(limitsOf(100), steps, (limits, all) => {
        const { clock, control } = controlOf(limits);
        const plain = new Plain(limits);
        const open: string[] = [];
        for (const one of all) {
          if (one.type === 'wait') {
            clock.advance(one.ms);
          } else if (one.type === 'admit') {
            const reason = control.admit(plainAddress(one.address));
            expect(reason).toBe(plain.admit(one.address, clock.now()));
            if (reason === null) open.push(one.address);
          } else if (open.includes(one.address)) {
            open.splice(open.indexOf(one.address), 1);
            control.release(plainAddress(one.address));
            plain.release(one.address);
          }
          expect(control.open).toBe(open.length);
        }
      }),
      { numRuns: runs(300) },
    );
  });

  test('a small table keeps its size, and in the end everything is free again', () => {
    const sizes = fc.integer({ min: 0, max: 3 }).chain(limitsOf);
    fc.assert(
      fc.property(sizes, sizes, steps, fc.nat(80), (limits, next, all, reloadAt) => {
        const { clock, control } = controlOf(limits);
        const open: string[] = [];
        let addressesMax = limits.addressesMax;
        all.forEach((one, i) => {
          if (i === reloadAt) {
            control.setLimits(next);
            addressesMax = Math.max(next.addressesMax, control.addresses);
          }
          const known = plainAddress(one.address);
          if (one.type === 'wait') clock.advance(one.ms);
          else if (one.type === 'admit' && control.admit(known) === null) open.push(known);
          else if (one.type === 'release' && open.includes(known)) {
            open.splice(open.indexOf(known), 1);
            control.release(known);
          }
          expect(control.open).toBe(open.length);
          expect(control.addresses).toBeLessThanOrEqual(addressesMax);
        });
        for (const known of open) control.release(known);
        expect(control.open).toBe(0);
        clock.advance(60_000);
        control.setLimits({ ...NO_LIMITS, connectionsPerAddressMax: 2, addressesMax: 2 });
        for (const known of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
          const reasons = [0, 1, 2].map(() => control.admit(known));
          expect(reasons).toEqual([null, null, 'connections-per-address']);
        }
      }),
      { numRuns: runs(300) },
    );
  });
});
