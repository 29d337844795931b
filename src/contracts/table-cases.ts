// Tables: whatever else a server keeps, a value under a name, listed in the order of the names' bytes.

import assert from 'node:assert/strict';
import type { TableEntry } from '../storage/storage.ts';
import { type ContractCase, contractCase } from './case.ts';
import type { StoreUnderTest } from './store-under-test.ts';
import { longName, plainEntries, session, shown } from './values.ts';

const KEY_BYTES_MAX = 1_024;

/** In the order of their bytes, which is not that of UTF-16: U+FF5E comes before what is written as two surrogates there. */
const KEYS = [
  '\u0000',
  '\u0001',
  ' ',
  '/',
  '0',
  '10',
  '9',
  'B',
  'a',
  'a\u0000',
  'a\u0000b',
  'a ',
  'aa',
  'b',
  'é',
  '設',
  '\ufeff',
  '～',
  '\u{1f321}',
];

const values = [
  contractCase('a value comes back under its key, until it is removed', async (store) => {
    const { storage } = store;
    assert.equal(await get(store, 't', 'k'), null);
    storage.put('t', 'k', Buffer.from('one'));
    storage.put('t', 'other', Buffer.from('two'));
    assert.equal(await get(store, 't', 'k'), hex('one'));
    await storage.commit();
    storage.put('t', 'k', Buffer.from('three'));
    assert.equal(await get(store, 't', 'k'), hex('three'));
    await store.reopen();
    assert.equal(await get(store, 't', 'k'), hex('three'));
    store.storage.remove('t', 'k');
    store.storage.remove('t', 'never put');
    assert.equal(await get(store, 't', 'k'), null);
    await store.reopen();
    assert.deepEqual(plainEntries(await list(store, 't')), [['other', hex('two')]]);
  }),

  contractCase('a value may be empty, and may be large', async (store) => {
    const large = new Uint8Array(1_000_000).map((_, i) => i * 11 + (i >> 8));
    store.storage.put('t', 'empty', new Uint8Array(0));
    store.storage.put('t', 'large', large);
    await store.reopen();
    assert.deepEqual(plainEntries(await list(store, 't')), [
      ['empty', ''],
      ['large', shown(large)],
    ]);
    assert.equal(await get(store, 't', 'empty'), '');
  }),

  contractCase('a key may have 1,024 bytes, a name of a table 64', async (store) => {
    const table = `t_${'0'.repeat(62)}`;
    const keys = [
      longName('k', '1', KEY_BYTES_MAX),
      longName('k', '2', KEY_BYTES_MAX),
      'é'.repeat(KEY_BYTES_MAX / 2),
    ];
    for (const key of keys) store.storage.put(table, key, Buffer.from(key.slice(-1)));
    store.storage.put(`${table.slice(1)}1`, keys[0], Buffer.from('another table'));
    await store.reopen();
    const all = keys.map((key) => [key, hex(key.slice(-1))]);
    assert.deepEqual(plainEntries(await list(store, table)), all);
    assert.deepEqual(plainEntries(await list(store, table, keys[0])), all.slice(1));
    store.storage.remove(table, keys[1]);
    await store.reopen();
    assert.deepEqual(plainEntries(await list(store, table)), [all[0], all[2]]);
  }),

  contractCase('a value is the caller’s own again after the call', async (store) => {
    const value = Buffer.from('one');
    store.storage.put('t', 'k', value);
    value.fill(0);
    assert.equal(await get(store, 't', 'k'), hex('one'));
    const read = await store.storage.get('t', 'k');
    read?.fill(0);
    await store.storage.commit();
    assert.equal(await get(store, 't', 'k'), hex('one'));
  }),
];

const lists = [
  contractCase('entries are listed in the order of the bytes of their keys', async (store) => {
    const shuffled = [...KEYS].sort((a, b) => shown(hash(a)).localeCompare(shown(hash(b))));
    for (const key of shuffled) store.storage.put('t', key, Buffer.from(key));
    const expected = KEYS.map((key) => [key, hex(key)]);
    assert.deepEqual(plainEntries(await list(store, 't')), expected);
    await store.reopen();
    assert.deepEqual(plainEntries(await list(store, 't')), expected);
    for (const key of KEYS) assert.equal(await get(store, 't', key), hex(key));
  }),

  contractCase('a list goes on after a key, whether that is there or not', async (store) => {
    for (const key of KEYS) store.storage.put('t', key, Buffer.from(key));
    await store.storage.commit();
    for (const limit of [1, 2, 5, KEYS.length]) {
      const pages: string[] = [];
      let afterKey: string | null = null;
      for (;;) {
        const page: readonly TableEntry[] = await list(store, 't', afterKey, limit);
        if (page.length === 0) break;
        assert.ok(page.length <= limit);
        pages.push(...page.map((one) => one.key));
        assert.ok(pages.length <= KEYS.length, 'a page has what was on the one before');
        afterKey = page[page.length - 1].key;
      }
      assert.deepEqual(pages, KEYS);
    }
    const keysAfter = async (key: string) => (await list(store, 't', key, 2)).map((one) => one.key);
    assert.deepEqual(await keysAfter('a!'), ['aa', 'b']);
    assert.deepEqual(await keysAfter('b'), ['é', '設']);
    assert.deepEqual(await keysAfter('\u{10ffff}'), []);
  }),

  contractCase('a list sees what gathers among what is durable', async (store) => {
    const { storage } = store;
    for (const key of ['b', 'd', 'f', 'h']) storage.put('t', key, Buffer.from('old'));
    await storage.commit();
    storage.put('t', 'c', Buffer.from('new'));
    storage.put('t', 'd', Buffer.from('changed'));
    storage.remove('t', 'f');
    const committed = storage.commit();
    storage.put('t', 'a', Buffer.from('new'));
    storage.remove('t', 'c');
    storage.put('t', 'f', Buffer.from('back'));
    storage.put('t', 'g', Buffer.from('new'));
    const expected = [
      ['a', hex('new')],
      ['b', hex('old')],
      ['d', hex('changed')],
      ['f', hex('back')],
      ['g', hex('new')],
      ['h', hex('old')],
    ];
    const meanwhile = [await list(store, 't'), await list(store, 't', 'b', 3)];
    await committed;
    assert.deepEqual(meanwhile.map(plainEntries), [expected, expected.slice(2, 5)]);
    assert.deepEqual(plainEntries(await list(store, 't')), expected);
    await store.reopen();
    assert.deepEqual(plainEntries(await list(store, 't')), expected);
  }),

  contractCase('removed entries do not make a page end early', async (store) => {
    for (const key of ['a', 'b', 'c', 'd', 'e']) store.storage.put('t', key, Buffer.from(key));
    await store.storage.commit();
    for (const key of ['a', 'b', 'd']) store.storage.remove('t', key);
    assert.deepEqual(plainEntries(await list(store, 't', null, 2)), [
      ['c', hex('c')],
      ['e', hex('e')],
    ]);
  }),

  contractCase('tables do not see each other', async (store) => {
    const tables = ['a', 'aa', 'a_', 'a0', 'b', '0', '_'];
    for (const table of tables) {
      for (const key of ['a', 'k']) store.storage.put(table, key, Buffer.from(`${table} ${key}`));
    }
    await store.storage.commit();
    store.storage.remove('a', 'k');
    store.storage.put('aa', 'k', Buffer.from('changed'));
    await store.reopen();
    for (const table of tables) {
      const k = table === 'aa' ? 'changed' : `${table} k`;
      const expected = [['a', hex(`${table} a`)]];
      if (table !== 'a') expected.push(['k', hex(k)]);
      assert.deepEqual(plainEntries(await list(store, table)), expected);
    }
    assert.deepEqual(await list(store, 'never_put'), []);
    assert.equal(await get(store, 'never_put', 'a'), null);
  }),
];

const batches = [
  contractCase('tables are committed with everything else, and lost with it', async (store) => {
    store.storage.put('t', 'k', Buffer.from('one'));
    store.storage.saveSession(session(1));
    await store.storage.commit();
    store.storage.put('t', 'k', Buffer.from('two'));
    store.storage.put('t', 'l', Buffer.from('two'));
    store.storage.saveSession(session(2));
    const found = await store.crashAndOpen();
    assert.deepEqual(found.numbers, [1]);
    assert.deepEqual(plainEntries(await list(store, 't')), [['k', hex('one')]]);
  }),
];

export const tableCases: readonly ContractCase[] = [...values, ...lists, ...batches];

async function get(store: StoreUnderTest, table: string, key: string): Promise<string | null> {
  const value = await store.storage.get(table, key);
  return value === null ? null : shown(value);
}

async function list(
  store: StoreUnderTest,
  table: string,
  afterKey: string | null = null,
  limit = 100,
): Promise<readonly TableEntry[]> {
  return store.storage.list(table, afterKey, limit);
}

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}

/** Scatters keys. */
function hash(key: string): Uint8Array {
  let mixed = 17;
  for (const byte of Buffer.from(key)) mixed = Math.imul(mixed ^ byte, 0x9e3779b1) >>> 0;
  return Uint8Array.of(mixed >>> 24, mixed >>> 16, mixed >>> 8, mixed);
}
