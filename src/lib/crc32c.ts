// CRC-32C (Castagnoli), which node:zlib does not have: one table of 256 words, a byte at a time. Made for headers of a few
// hundred bytes. RFC 4960 appendix B.

/** The polynomial, bits reversed. */
const POLYNOMIAL = 0x82f6_3b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let word = byte;
  for (let bit = 0; bit < 8; bit++) word = word & 1 ? (word >>> 1) ^ POLYNOMIAL : word >>> 1;
  return word;
});

/** The checksum of `bytes[start..end)`; `seed` is that of the bytes before them, if they come in pieces. */
export function crc32c(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  let word = ~seed;
  for (let i = start; i < end; i++) word = TABLE[(word ^ bytes[i]) & 0xff] ^ (word >>> 8);
  return ~word >>> 0;
}
