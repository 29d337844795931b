import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RingBuffer } from '../../src/lib/ring-buffer.ts';

test('any sequence of operations does what an array would', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant('shift'), fc.constant('push'), fc.constant('push')), {
        maxLength: 400,
        size: 'max',
      }),
      (operations) => {
        const ring = new RingBuffer<number>();
        const list: number[] = [];
        let serial = 0;
        for (const operation of operations) {
          if (operation === 'push') {
            ring.push(++serial);
            list.push(serial);
          } else {
            if (ring.shift() !== list.shift()) return false;
          }
          if (ring.length !== list.length || ring.peek() !== list[0]) return false;
        }
        expect(list.map((_, i) => ring.at(i))).toEqual(list);
        expect([ring.at(-1), ring.at(list.length)]).toEqual([undefined, undefined]);
        return true;
      },
    ),
  );
});

test('it keeps its order while it grows to 100,000 around its own end and shrinks again', () => {
  const ring = new RingBuffer<number>();
  let first = 0;
  let next = 0;
  let faults = 0;
  while (ring.length < 100_000) {
    ring.push(next++);
    ring.push(next++);
    if (ring.shift() !== first++) faults++;
  }
  while (ring.length > 0) if (ring.shift() !== first++) faults++;
  expect(faults).toBe(0);
  expect(first).toBe(next);
  expect(ring.shift()).toBeUndefined();
});

test('clear forgets everything, and it can be filled again', () => {
  const ring = new RingBuffer<string>();
  for (let i = 0; i < 20; i++) ring.push(`${i}`);
  ring.clear();
  expect([ring.length, ring.peek(), ring.at(0)]).toEqual([0, undefined, undefined]);
  ring.push('a');
  expect(ring.shift()).toBe('a');
});
