import { expect, test } from 'vitest';
import { BufferPool, LARGE } from '../../src/core/buffer-pool.ts';

test.each([
  [1, 1_024],
  [1_024, 1_024],
  [1_025, 8_192],
  [8_192, 8_192],
  [8_193, LARGE],
  [LARGE, LARGE],
  [LARGE + 1, LARGE + 1],
])('who asks for %i bytes gets %i', (size, length) => {
  expect(new BufferPool().take(size).length).toBe(length);
});

test('what is given back is taken again, and never twice at once', () => {
  const pool = new BufferPool();
  for (const size of [1_024, 8_192, LARGE]) {
    const a = pool.take(size);
    const b = pool.take(size);
    expect(a.bytes.buffer === b.bytes.buffer).toBe(false);
    pool.give(a);
    expect(pool.take(size) === a).toBe(true);
    expect(pool.take(size) === a).toBe(false);
  }
});

test('a buffer of no pooled size is not kept, and no buffer shares its memory', () => {
  const pool = new BufferPool();
  const large = pool.take(LARGE + 1);
  pool.give(large);
  expect(pool.take(LARGE + 1) === large).toBe(false);
  expect(large.bytes.byteOffset).toBe(0);
  expect(large.bytes.buffer.byteLength).toBe(LARGE + 1);
});

test('it keeps a bounded number of each size', () => {
  const pool = new BufferPool();
  const taken = Array.from({ length: 300 }, () => pool.take(LARGE));
  for (const buffer of taken) pool.give(buffer);
  const again = new Set(Array.from({ length: 300 }, () => pool.take(LARGE)));
  expect(again.size).toBe(300);
  expect(taken.filter((buffer) => again.has(buffer)).length).toBe(256);
});
