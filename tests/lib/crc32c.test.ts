import { expect, test } from 'vitest';
import { crc32c } from '../../src/lib/crc32c.ts';

const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);

test.each([
  ['nothing', new Uint8Array(0), 0],
  ['the check value of the catalogue', new TextEncoder().encode('123456789'), 0xe306_9283],
  ['32 zeros, RFC 3720 B.4', new Uint8Array(32), 0x8a91_36aa],
  ['32 times 0xff', new Uint8Array(32).fill(0xff), 0x62a8_ab43],
  ['0 to 31', ascending, 0x46dd_794e],
])('%s', (_, bytes, sum) => {
  expect(crc32c(bytes, 0, bytes.length)).toBe(sum);
});

test('a part of the bytes, and pieces one after the other', () => {
  const padded = Uint8Array.of(7, ...ascending, 7);
  expect(crc32c(padded, 1, 33)).toBe(0x46dd_794e);
  for (let cut = 0; cut <= 32; cut++) {
    expect(crc32c(ascending, cut, 32, crc32c(ascending, 0, cut))).toBe(0x46dd_794e);
  }
});
