import { expect, test } from 'vitest';
import { collectWhenIdle } from '../../src/cli/idle-collection.ts';
import { FakeClock } from '../../src/lib/clock.ts';

const MIB = 1_048_576;

function watch(heapMiB = 50) {
  const clock = new FakeClock();
  const state = { connections: 0, collections: 0 };
  const watching = collectWhenIdle({
    clock,
    connections: () => state.connections,
    collect: () => {
      state.collections++;
    },
    heapBytes: () => heapMiB * MIB,
  });
  /** How often it was collected in all, a while after there were so many. */
  const after = (connections: number): number => {
    state.connections = connections;
    clock.advance(10_000);
    return state.collections;
  };
  return { after, watching };
}

test('when more than half of many clients have left, memory is collected once', () => {
  const { after, watching } = watch();
  expect([after(3_000), after(1_501), after(1_500), after(1_400)]).toEqual([0, 0, 1, 1]);
  // Those that are left count anew.
  expect([after(400), after(4_000), after(0)]).toEqual([2, 2, 3]);
  watching.cancel();
  expect([after(9_000), after(0)]).toEqual([3, 3]);
});

test('a few clients are not worth it', () => {
  const { after } = watch();
  expect([after(999), after(0)]).toEqual([0, 0]);
});

test('a large heap would stop the server for too long', () => {
  expect([watch(128), watch(129)].map(({ after }) => [after(3_000), after(0)])).toEqual([
    [0, 1],
    [0, 0],
  ]);
});

test('V8 can be asked on every version of Node that is served', () => {
  const clock = new FakeClock();
  let connections = 1_000;
  collectWhenIdle({ clock, connections: () => connections });
  const collected = new WeakRef(new Array(1_000));
  clock.advance(5_000);
  connections = 0;
  // A WeakRef lives until the end of its turn.
  return new Promise<void>((resolve) => {
    setImmediate(() => {
      clock.advance(5_000);
      expect(collected.deref()).toBeUndefined();
      resolve();
    });
  });
});
