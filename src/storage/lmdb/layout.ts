// Where what lies in the store's one file: its tables and their keys. The layout is version 1 of the store's format; a change
// needs another version and a migration (store-folder/migrations.ts).
//
//   meta           name                    format version, store id, clean mark, highest numbers
//   sessions       session                 StoredSession
//   state          session                 what changes with each delivery: cursor, in flight, holes, inbound packet ids
//   wills          session                 StoredWill
//   subscriptions  session, topic filter   StoredSubscription
//   log            sequence                a message and whom it is for, once however many that are
//   retained       topic name              message
//   tables         table, key              a value of somebody else
//
// Numbers in keys are big endian, 7 bytes, so that their order is that of the bytes. Every value begins with a CRC-32 of its
// bytes and its key, for LMDB has no checksums.

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export const FORMAT_VERSION = 1;
/** The file in the store's folder. */
export const STORE_FILE = 'store.mdb';

/** By session or sequence number. */
export const NUMBER_TABLES = ['sessions', 'state', 'wills', 'log'] as const;
/** By bytes. */
export const NAME_TABLES = ['meta', 'subscriptions', 'retained', 'tables'] as const;
export type NumberTable = (typeof NUMBER_TABLES)[number];
export type NameTable = (typeof NAME_TABLES)[number];
export type TableName = NumberTable | NameTable;

export const NUMBER_MAX = Number.MAX_SAFE_INTEGER;
export const NUMBER_BYTES = 7;
/** LMDB takes keys of up to 1,978 bytes. */
const NAME_BYTES_MAX = 1_900;
const PLAIN = 0;
const HASHED = 1;

/** Writes and reads the keys of number tables, in the shape that the package lmdb asks for. */
export const numberKeys = {
  writeKey(key: number, target: Uint8Array, start: number): number {
    const high = Math.floor(key / 0x1_0000_0000);
    target[start] = high >>> 16;
    target[start + 1] = high >>> 8;
    target[start + 2] = high;
    target[start + 3] = key >>> 24;
    target[start + 4] = key >>> 16;
    target[start + 5] = key >>> 8;
    target[start + 6] = key;
    return start + NUMBER_BYTES;
  },
  readKey(source: Uint8Array, start: number): number {
    return readNumber(source, start);
  },
};

export function readNumber(source: Uint8Array, start: number): number {
  const high = (source[start] << 16) | (source[start + 1] << 8) | source[start + 2];
  const low =
    ((source[start + 3] << 24) |
      (source[start + 4] << 16) |
      (source[start + 5] << 8) |
      source[start + 6]) >>>
    0;
  return high * 0x1_0000_0000 + low;
}

/** Where the checksum of a value begins, so that a value under another key does not pass. */
export function seedOfNumber(key: number): number {
  return key % 0x1_0000_0000;
}

export function seedOfName(key: Uint8Array): number {
  return crc32(key);
}

export function metaKey(name: string): Buffer {
  return Buffer.from(name, 'latin1');
}

/** The topic, or the SHA-256 of a long one, told apart by the first byte: no two names have one key. */
export function retainedKey(topicName: string): Buffer {
  return nameKey(topicName, 0);
}

export function subscriptionKey(session: number, topicFilter: string): Buffer {
  const key = nameKey(topicFilter, NUMBER_BYTES);
  numberKeys.writeKey(session, key, 0);
  return key;
}

/** Before all subscriptions of a session, and after those of the one before it. */
export function subscriptionsStart(session: number): Buffer {
  const key = Buffer.alloc(NUMBER_BYTES);
  numberKeys.writeKey(session, key, 0);
  return key;
}

/** Table names hold no NUL, so the first one ends them; what comes after is in the order of the keys' bytes. */
export function tableKey(table: string, key: string): Buffer {
  return Buffer.from(`${table}\0${key}`);
}

function nameKey(name: string, offset: number): Buffer {
  const length = Buffer.byteLength(name);
  if (length > NAME_BYTES_MAX) {
    const key = Buffer.alloc(offset + 33);
    key[offset] = HASHED;
    createHash('sha256')
      .update(name)
      .digest()
      .copy(key, offset + 1);
    return key;
  }
  const key = Buffer.alloc(offset + 1 + length);
  key[offset] = PLAIN;
  key.write(name, offset + 1);
  return key;
}
