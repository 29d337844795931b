import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UnfinishedWrite } from '../../src/transport/unfinished-write.ts';
import { runs } from '../kit/runs.ts';

test('small pieces come together, a large one as it lies', () => {
  const large = new Uint8Array(65_536).fill(3);
  const write = new UnfinishedWrite([new Uint8Array([1]), new Uint8Array([2]), large]);
  const first = write.next();
  expect(first.length).toBe(16_384);
  expect([...first.subarray(0, 3)]).toEqual([1, 2, 3]);
  write.advance(2);
  expect(write.next().buffer).toBe(large.buffer);
  expect(write.bytes).toBe(65_536);
});

test('empty pieces and a write of nothing are over at once', () => {
  expect(new UnfinishedWrite([]).bytes).toBe(0);
  const write = new UnfinishedWrite([new Uint8Array(0), new Uint8Array([5]), new Uint8Array(0)]);
  expect([...write.next()]).toEqual([5]);
  write.advance(1);
  expect(write.bytes).toBe(0);
});

test('whatever the pieces are and however few bytes are taken each time, all leave in order', () => {
  const sizes = fc.array(fc.oneof(fc.nat(20), fc.integer({ min: 16_000, max: 40_000 })), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(
      sizes,
      fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1 }),
      (lengths, taken) => {
        let value = 0;
        const pieces = lengths.map((length) => Uint8Array.from({ length }, () => value++ % 251));
        const write = new UnfinishedWrite(pieces);
        const left: Uint8Array[] = [];
        for (let i = 0; write.bytes > 0; i++) {
          const bytes = write.next();
          expect(bytes.length).toBeGreaterThan(0);
          // Of a large write not a byte at a time: that takes long.
          const count = Math.min(bytes.length, taken[i % taken.length] + (write.bytes >> 8));
          left.push(bytes.slice(0, count));
          write.advance(count);
        }
        return Buffer.concat(left).equals(Buffer.concat(pieces));
      },
    ),
    { numRuns: runs(50) },
  );
});
