// Checks the pages of an LMDB file, without LMDB: it has no checksums, follows any page number, and a wrong one kills the
// process, or leads the next write over live data. So every page that the trees of the newest commit name must be in the file,
// be what it is said to be, and be named once; keys must ascend; and the list of free pages must name none in use.
//
// What pages hold is another matter (records have checksums of their own). The quick check looks at the list of free pages and
// the roots only.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { isMetaPage, PAGE_HEADER_BYTES } from './header.ts';

const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const KINDS = 0x6f;
const NODE_BYTES = 8;
const BIG_DATA = 1;
const SUB_TABLE = 2;
const INTEGER_KEY = 8;
const TABLE_BYTES = 48;
const DEPTH_MAX = 32;
/** More than this no process can map. */
const MAP_BYTES_MAX = 2n ** 46n;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;

/** Where the newest commit stands. */
interface Meta {
  readonly pageBytes: number;
  readonly mapBytes: bigint;
  readonly lastPage: number;
  readonly transaction: bigint;
  readonly free: Table;
  readonly main: Table;
}

interface Table {
  readonly flags: number;
  readonly depth: number;
  readonly entries: bigint;
  readonly root: bigint;
}

type OnProblem = (problem: string) => void;

/** What is wrong is told in sentences; stops at the first of a page. Throws errors of the file system. */
export function checkPages(file: string, isWhole: boolean, onProblem: OnProblem): void {
  const fd = openSync(file, 'r');
  try {
    const meta = readNewestMeta(fd);
    if (meta === null) onProblem('its meta pages are destroyed');
    else new PageCheck(fd, meta, isWhole, onProblem).run();
  } finally {
    closeSync(fd);
  }
}

/** Its tables, by name, and how many entries they have; null when that cannot be read. Throws errors of the file system. */
export function listTables(file: string): Map<string, bigint> | null {
  const fd = openSync(file, 'r');
  try {
    const meta = readNewestMeta(fd);
    if (meta === null) return null;
    let isReadable = true;
    const check = new PageCheck(fd, meta, false, () => {
      isReadable = false;
    });
    const tables = check.listTables();
    return isReadable ? new Map(tables.map(({ name, table }) => [name, table.entries])) : null;
  } finally {
    closeSync(fd);
  }
}

/** What is wrong with the pages that LMDB reads first, and believes; null = nothing. Throws errors of the file system. */
export function metaProblem(file: string): string | null {
  const fd = openSync(file, 'r');
  try {
    const first = readMeta(fd, 0);
    if (first === null) return 'its first page is destroyed';
    const second = readMeta(fd, first.pageBytes);
    if (second === null) return 'its second page is destroyed';
    if (second.pageBytes !== first.pageBytes) return 'its first two pages contradict each other';
    for (const { mapBytes, lastPage, pageBytes } of [first, second]) {
      if (mapBytes > MAP_BYTES_MAX || BigInt(lastPage + 1) * BigInt(pageBytes) > MAP_BYTES_MAX) {
        return 'its first pages name an impossible size';
      }
    }
    return null;
  } finally {
    closeSync(fd);
  }
}

/** Whether the file ends before the last page of the newest commit. */
export function isShort(file: string): boolean {
  const fd = openSync(file, 'r');
  try {
    const meta = readNewestMeta(fd);
    return meta !== null && fstatSync(fd).size < (meta.lastPage + 1) * meta.pageBytes;
  } finally {
    closeSync(fd);
  }
}

function readNewestMeta(fd: number): Meta | null {
  const first = readMeta(fd, 0);
  if (first === null) return null;
  const second = readMeta(fd, first.pageBytes);
  return second !== null && second.transaction > first.transaction ? second : first;
}

function readMeta(fd: number, position: number): Meta | null {
  const page = Buffer.alloc(PAGE_HEADER_BYTES + 144);
  if (readSync(fd, page, 0, page.length, position) < page.length || !isMetaPage(page)) return null;
  const meta = page.subarray(PAGE_HEADER_BYTES);
  const pageBytes = meta.readUInt32LE(24);
  if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) return null;
  return {
    pageBytes,
    mapBytes: meta.readBigUInt64LE(16),
    free: readTable(meta.subarray(24)),
    main: readTable(meta.subarray(24 + TABLE_BYTES)),
    lastPage: Number(meta.readBigUInt64LE(120)),
    transaction: meta.readBigUInt64LE(128),
  };
}

function readTable(bytes: Buffer): Table {
  return {
    flags: bytes.readUInt16LE(4),
    depth: bytes.readUInt16LE(6),
    entries: bytes.readBigUInt64LE(32),
    root: bytes.readBigUInt64LE(40),
  };
}

/** A walk through one tree. */
interface Walk {
  readonly name: string;
  readonly table: Table;
  /** Receives the entries of leaves. */
  readonly onEntry: ((key: Buffer, value: Buffer, flags: number) => void) | null;
  entries: bigint;
  lastKey: Buffer | null;
}

class Damage extends Error {}

class PageCheck {
  readonly #fd: number;
  readonly #meta: Meta;
  readonly #isWhole: boolean;
  readonly #onProblem: OnProblem;
  readonly #pageCount: number;
  /** A bit for each page that is in use. */
  readonly #used: Uint8Array;

  constructor(fd: number, meta: Meta, isWhole: boolean, onProblem: OnProblem) {
    this.#fd = fd;
    this.#meta = meta;
    this.#isWhole = isWhole;
    this.#onProblem = onProblem;
    // The last pages may be missing where they are free: they were never written.
    this.#pageCount = Math.floor(fstatSync(fd).size / meta.pageBytes);
    this.#used = new Uint8Array((this.#pageCount >> 3) + 1);
  }

  run(): void {
    const lists: Buffer[] = [];
    this.#walk('the list of free pages', this.#meta.free, (_key, value) => lists.push(value));
    const tables = this.listTables();
    for (const { name, table } of tables) this.#walk(`table ${JSON.stringify(name)}`, table, null);
    for (const list of lists) this.#checkFree(list);
  }

  listTables(): { name: string; table: Table }[] {
    const tables: { name: string; table: Table }[] = [];
    this.#walk('the list of tables', this.#meta.main, (key, value, flags) => {
      if ((flags & SUB_TABLE) === 0 || value.length < TABLE_BYTES) return;
      tables.push({ name: key.toString('utf8').replaceAll('\0', ''), table: readTable(value) });
    });
    return tables;
  }

  #walk(name: string, table: Table, onEntry: Walk['onEntry']): void {
    if (table.root === NO_ROOT) return;
    const walk: Walk = { name, table, onEntry, entries: 0n, lastKey: null };
    const problems = { count: 0 };
    this.#visit(walk, table.root, 1, problems);
    if (problems.count > 0 || (onEntry === null && !this.#isWhole)) return;
    if (walk.entries !== table.entries) {
      this.#onProblem(`${name} has ${walk.entries} entries, not ${table.entries}`);
    }
  }

  #visit(walk: Walk, pageNumber: bigint, depth: number, problems: { count: number }): void {
    try {
      const page = this.#page(pageNumber);
      const isLeaf = depth === walk.table.depth;
      const kind = page.readUInt16LE(18) & KINDS;
      if (kind !== (isLeaf ? LEAF : BRANCH) || depth > DEPTH_MAX) {
        throw new Damage('is of the wrong kind');
      }
      const nodes = nodesOf(page);
      if (isLeaf) for (const node of nodes) this.#entry(walk, page, node);
      else if (nodes.length === 0) throw new Damage('leads nowhere');
      else if (walk.onEntry !== null || this.#isWhole) {
        for (const node of nodes) this.#visit(walk, childOf(page, node), depth + 1, problems);
      }
    } catch (error) {
      if (!(error instanceof Damage)) throw error;
      problems.count++;
      this.#onProblem(`page ${pageNumber} of ${walk.name} ${error.message}`);
    }
  }

  /** Reads a page of a tree, and takes it as used. */
  #page(pageNumber: bigint): Buffer {
    const number = this.#use(pageNumber, 1);
    const page = this.#read(number);
    if (page.readBigUInt64LE(0) !== pageNumber) throw new Damage('holds something else');
    this.#needKnownCommit(page);
    return page;
  }

  /** LMDB takes a page of a later commit for one that it is writing, and writes into it. */
  #needKnownCommit(page: Buffer): void {
    if (page.readBigUInt64LE(8) > this.#meta.transaction) {
      throw new Damage('is of a commit that never was');
    }
  }

  #read(number: number): Buffer {
    const { pageBytes } = this.#meta;
    const page = Buffer.allocUnsafe(pageBytes);
    if (readSync(this.#fd, page, 0, pageBytes, number * pageBytes) < pageBytes) {
      throw new Damage('is cut off');
    }
    return page;
  }

  #use(first: bigint, count: number): number {
    const number = Number(first);
    if (number < 2 || number + count - 1 > this.#meta.lastPage) throw new Damage('does not exist');
    if (number + count > this.#pageCount) throw new Damage('is beyond the end of the file');
    for (let i = number; i < number + count; i++) {
      if (this.#isUsed(i)) throw new Damage('is in use twice');
      this.#used[i >> 3] |= 1 << (i & 7);
    }
    return number;
  }

  #isUsed(number: number): boolean {
    return number < this.#pageCount && (this.#used[number >> 3] & (1 << (number & 7))) !== 0;
  }

  #entry(walk: Walk, page: Buffer, node: number): void {
    const keyBytes = page.readUInt16LE(node + 6);
    const flags = page.readUInt16LE(node + 4);
    const start = node + NODE_BYTES + keyBytes;
    const size = page.readUInt16LE(node) + page.readUInt16LE(node + 2) * 65_536;
    const isBig = (flags & BIG_DATA) !== 0;
    if (start + (isBig ? 24 : size) > page.length) throw new Damage('has an entry without end');
    const key = page.subarray(node + NODE_BYTES, start);
    if (walk.lastKey !== null && compareKeys(walk.lastKey, key, walk.table.flags) >= 0) {
      throw new Damage('has its keys out of order');
    }
    walk.lastKey = key;
    walk.entries++;
    const value = isBig
      ? this.#big(page.subarray(start, start + 24), size, walk.onEntry !== null)
      : page.subarray(start, start + size);
    walk.onEntry?.(key, value, flags);
  }

  /** A value with pages of its own; read only when it is wanted. */
  #big(reference: Buffer, size: number, isWanted: boolean): Buffer {
    const { pageBytes } = this.#meta;
    const pageNumber = reference.readBigUInt64LE(0);
    const count = Number(reference.readBigUInt64LE(16)); // a value that shrank keeps its pages
    if (PAGE_HEADER_BYTES + size > count * pageBytes) throw new Damage('has a value without end');
    const number = this.#use(pageNumber, count);
    if (!isWanted && !this.#isWhole) return reference.subarray(0, 0);
    const head = this.#read(number);
    if (
      head.readBigUInt64LE(0) !== pageNumber ||
      (head.readUInt16LE(18) & KINDS) !== OVERFLOW ||
      head.readUInt32LE(20) !== count
    ) {
      throw new Damage(`names page ${pageNumber} for a large value, which holds something else`);
    }
    this.#needKnownCommit(head);
    if (!isWanted) return reference.subarray(0, 0);
    const value = Buffer.allocUnsafe(size);
    const position = number * pageBytes + PAGE_HEADER_BYTES;
    if (readSync(this.#fd, value, 0, size, position) < size) throw new Damage('is cut off');
    return value;
  }

  /**
   * A record of the list of free pages: how many numbers follow, then page numbers; a negative one says how many pages in a row
   * begin at the next one, and 0 is a gap.
   */
  #checkFree(list: Buffer): void {
    const count = list.length < 8 ? 0 : Number(list.readBigInt64LE(0));
    if (count < 0 || (count + 1) * 8 > list.length) {
      this.#onProblem('the list of free pages has a record without end');
      return;
    }
    let inRow = 1;
    for (let i = 1; i <= count; i++) {
      const entry = Number(list.readBigInt64LE(i * 8));
      if (entry < 0) {
        inRow = -entry;
        continue;
      }
      if (entry !== 0 && !this.#areFree(entry, inRow)) return;
      inRow = 1;
    }
  }

  #areFree(first: number, count: number): boolean {
    const { lastPage } = this.#meta;
    if (first < 2 || first + count - 1 > lastPage) {
      this.#onProblem(`the list of free pages names page ${first}, which does not exist`);
      return false;
    }
    for (let i = first; i < Math.min(first + count, this.#pageCount); i++) {
      if (!this.#isUsed(i)) continue;
      this.#onProblem(`the list of free pages names page ${i}, which is in use`);
      return false;
    }
    return true;
  }
}

/** Where the nodes of a page begin. */
function nodesOf(page: Buffer): number[] {
  const lower = page.readUInt16LE(20);
  const upper = page.readUInt16LE(22);
  const room = page.length - PAGE_HEADER_BYTES;
  if (lower > upper || upper > room || (lower & 1) !== 0) throw new Damage('has a wrong header');
  const nodes: number[] = [];
  for (let i = 0; i < lower; i += 2) {
    const offset = page.readUInt16LE(PAGE_HEADER_BYTES + i);
    const node = PAGE_HEADER_BYTES + offset;
    if (offset < upper || node + NODE_BYTES > page.length) throw new Damage('has a wrong entry');
    if (node + NODE_BYTES + page.readUInt16LE(node + 6) > page.length) {
      throw new Damage('has a key without end');
    }
    nodes.push(node);
  }
  return nodes;
}

function childOf(page: Buffer, node: number): bigint {
  const low = page.readUInt16LE(node) + page.readUInt16LE(node + 2) * 65_536;
  return BigInt(low) + BigInt(page.readUInt16LE(node + 4)) * 0x1_0000_0000n;
}

function compareKeys(a: Buffer, b: Buffer, flags: number): number {
  if ((flags & INTEGER_KEY) === 0 || a.length !== b.length) return Buffer.compare(a, b);
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}
