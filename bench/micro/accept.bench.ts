// What it costs to admit or refuse a connection, nanoseconds. Compiled first, like router.bench.ts:
//
//   npx tsc -p tsconfig.json --noEmit false --rootDir . --outDir /tmp/accept-build
//   node --expose-gc /tmp/accept-build/bench/micro/accept.bench.js
//
// The addresses are strings of their own and in no order, as they come from sockets. Making a socket costs some ten
// microseconds: all of this must be small beside that, and what is refused must leave no garbage.

import { AddressRanges } from '../../src/lib/address.ts';
import { AcceptControl, type AcceptLimits } from '../../src/transport/accept-control.ts';
import { LoopLag } from '../../src/transport/loop-lag.ts';

const ADDRESSES = 100_000;
const ROUNDS = 10;
const gc = globalThis.gc ?? (() => undefined);

const GENEROUS: AcceptLimits = {
  connectionsMax: 1_000_000,
  connectionsPerAddressMax: 1_000,
  connectRate: 1e9,
  connectBurst: 1e9,
  connectRatePerAddress: 1e6,
  connectBurstPerAddress: 1e6,
  addressesMax: ADDRESSES,
};

function addresses(nameOf: (i: number) => string): string[] {
  const made: string[] = [];
  for (let i = 0; i < ADDRESSES; i++) {
    made.push(Buffer.from(nameOf((i * 61_103) % ADDRESSES)).toString());
  }
  return made;
}

const IPV4 = addresses((i) => `10.${i >>> 16}.${(i >>> 8) & 255}.${i & 255}`);
const IPV6 = addresses(
  (i) => `2001:db8:${(i >>> 16).toString(16)}:${(i & 0xffff).toString(16)}::1`,
);

/** Best of several rounds, in nanoseconds per address, and the bytes of heap that one round leaves behind, per address. */
function measure(name: string, list: readonly string[], run: (address: string) => void): void {
  let best = Number.POSITIVE_INFINITY;
  let garbage = 0;
  for (let round = 0; round < ROUNDS; round++) {
    gc();
    const before = process.memoryUsage().heapUsed;
    const start = process.hrtime.bigint();
    for (const address of list) run(address);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / list.length);
    garbage = (process.memoryUsage().heapUsed - before) / list.length;
  }
  console.log(
    `  ${name.padEnd(52)} ${best.toFixed(0).padStart(6)} ns ${garbage.toFixed(0).padStart(6)} bytes`,
  );
}

const now = () => performance.now();

for (const [family, list] of [
  ['IPv4', IPV4],
  ['IPv6', IPV6],
] as const) {
  console.log(`\n${family}, ${ADDRESSES} addresses`);
  const control = new AcceptControl(GENEROUS, now);
  measure('admitted and released, new to the table', list, (address) => {
    control.admit(address);
    control.release(address);
  });
  for (const address of list) control.admit(address);
  measure('admitted and released, known to the table', list, (address) => {
    control.admit(address);
    control.release(address);
  });
  control.setLimits({ ...GENEROUS, connectionsPerAddressMax: 1 });
  measure('refused: connections-per-address', list, (address) => control.admit(address));
  control.setLimits({ ...GENEROUS, connectRatePerAddress: 1e-6, connectBurstPerAddress: 1 });
  for (const address of list) control.admit(address);
  measure('refused: rate-per-address', list, (address) => control.admit(address));
  control.setLimits({ ...GENEROUS, connectRate: 1e-6, connectBurst: 1 });
  measure('refused: rate', list, (address) => control.admit(address));
  control.setLimits({ ...GENEROUS, connectionsMax: 1 });
  measure('refused: connections', list, (address) => control.admit(address));
}

console.log('\nwhatever the address');
const lag = new LoopLag(1);
lag.observe(1_000);
const late = new AcceptControl(GENEROUS, now, lag);
measure('refused: overload', IPV4, (address) => late.admit(address));
const few = new AddressRanges(['private', 'loopback']);
measure('in one of the private ranges', IPV4, (address) => few.has(address));
const many = new AddressRanges(IPV4.slice(0, 10_000));
measure('in one of 10,000 ranges', IPV4, (address) => many.has(address));
measure('in one of the private ranges, IPv6', IPV6, (address) => few.has(address));
