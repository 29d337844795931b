// Looks at the first bytes of a store's file, without LMDB, which may not survive a wrong one: is it a store at all?

import { open } from 'node:fs/promises';

/** What stands where, in the file format of the LMDB that comes with the package `lmdb`. Little endian, 64 bit. */
export const PAGE_HEADER_BYTES = 24;
const META_FLAG = 8;
const MAGIC = 0xbeefc0de;
const FORMAT = 2;
/** LMDB 0.9 has a shorter page header. */
const OLD_MAGIC_AT = 16;
const PAGE_SIZES = [4_096, 8_192, 16_384, 32_768, 65_536];

/** `store`: an LMDB file, whole as far as the first bytes tell. */
export type Looks =
  | { readonly kind: 'store' }
  | { readonly kind: 'damaged' | 'foreign'; readonly reason: string };

/** Whether these bytes are a meta page of our LMDB. */
export function isMetaPage(page: Buffer): boolean {
  return (
    page.length >= PAGE_HEADER_BYTES + 8 &&
    (page.readUInt16LE(18) & META_FLAG) !== 0 &&
    page.readUInt32LE(PAGE_HEADER_BYTES) === MAGIC &&
    (page.readUInt32LE(PAGE_HEADER_BYTES + 4) & 0xffff) === FORMAT
  );
}

/** What the file is by its first bytes. Throws errors of the file system. */
export async function look(file: string): Promise<Looks> {
  const handle = await open(file, 'r');
  try {
    const head = Buffer.alloc(2 * 65_536);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    return classify(head.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

function classify(head: Buffer): Looks {
  if (head.length === 0) return { kind: 'damaged', reason: 'it is empty' };
  if (isMetaPage(head)) {
    if (head.length >= 8_192) return { kind: 'store' };
    return { kind: 'damaged', reason: 'it is cut off' };
  }
  if (head.every((byte) => byte === 0)) {
    return { kind: 'damaged', reason: 'it begins with nothing but zeros' };
  }
  if (PAGE_SIZES.some((size) => isMetaPage(head.subarray(size)))) {
    return { kind: 'damaged', reason: 'its first page is destroyed' };
  }
  if (head.toString('latin1', 0, 15) === 'SQLite format 3') {
    return { kind: 'foreign', reason: 'it is an SQLite database' };
  }
  if (head.length > 20 && head.readUInt32LE(OLD_MAGIC_AT) === MAGIC) {
    return { kind: 'foreign', reason: 'it is an LMDB database of another program' };
  }
  return { kind: 'foreign', reason: 'it is no LMDB file' };
}
