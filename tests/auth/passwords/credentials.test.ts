import { expect, test } from 'vitest';
import { CredentialCache } from '../../../src/auth/passwords/credentials.ts';
import { decoyOf, type PasswordHash } from '../../../src/auth/passwords/password-hash.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { bytes } from './fixture.ts';

const HASH: PasswordHash = {
  algorithm: 'sha512-pbkdf2',
  iterations: 10,
  salt: bytes('salt'),
  hash: bytes('hash'),
};

function cacheOf(more: { ttlMs?: number; entriesMax?: number } = {}) {
  const clock = new FakeClock();
  return { clock, cache: new CredentialCache({ clock, ttlMs: 1_000, entriesMax: 3, ...more }) };
}

test('knows what was right until its time is over, however often it is asked', () => {
  const { cache, clock } = cacheOf();
  expect(cache.has('file', 'u', bytes('p'), HASH)).toBe(false);
  cache.add('file', 'u', bytes('p'), HASH);
  for (const ms of [0, 500, 499]) {
    clock.advance(ms);
    expect(cache.has('file', 'u', bytes('p'), HASH)).toBe(true);
  }
  clock.advance(1);
  expect(cache.has('file', 'u', bytes('p'), HASH)).toBe(false);
  expect(cache.size).toBe(0);
});

test('every part counts, and where it ends', () => {
  const { cache } = cacheOf();
  cache.add('file', 'user', bytes('pass'), HASH);
  const other: [string, string, string, PasswordHash][] = [
    ['users', 'user', 'pass', HASH],
    ['file', 'User', 'pass', HASH],
    ['file', 'user', 'Pass', HASH],
    ['file', 'userp', 'ass', HASH],
    ['fileu', 'ser', 'pass', HASH],
    ['file', 'user', 'pass', decoyOf(HASH)],
    ['file', 'user', 'pass', { ...HASH, iterations: 11 }],
  ];
  for (const [source, username, password, hash] of other) {
    expect(cache.has(source, username, bytes(password), hash)).toBe(false);
  }
  expect(cache.has('file', 'user', bytes('pass'), HASH)).toBe(true);
  cache.add('file', 'a', bytes('b\0\0\0\0c'), HASH);
  expect(cache.has('file', 'a\0\0\0\0b', bytes('c'), HASH)).toBe(false);
});

test('what was added again lives from then on, and the oldest makes room', () => {
  const { cache, clock } = cacheOf();
  const known = () =>
    ['a', 'b', 'c', 'd'].filter((name) => cache.has('file', name, bytes('p'), HASH));
  for (const name of ['a', 'b', 'c']) cache.add('file', name, bytes('p'), HASH);
  clock.advance(600);
  cache.add('file', 'b', bytes('p'), HASH);
  expect(known()).toEqual(['a', 'b', 'c']);
  cache.add('file', 'd', bytes('p'), HASH);
  expect(known()).toEqual(['b', 'c', 'd']);
  clock.advance(400);
  expect(known()).toEqual(['b', 'd']);
});

test('clear() forgets all', () => {
  const { cache } = cacheOf();
  cache.add('file', 'u', bytes('p'), HASH);
  cache.clear();
  expect(cache.has('file', 'u', bytes('p'), HASH)).toBe(false);
});

test.each([{ ttlMs: 0 }, { entriesMax: 0 }])('%j keeps nothing', (off) => {
  const { cache } = cacheOf(off);
  cache.add('file', 'u', bytes('p'), HASH);
  expect(cache.size).toBe(0);
});

test('two caches have nothing in common: the key is of the process, and not of the data', () => {
  const { cache } = cacheOf();
  cache.add('file', 'u', bytes('p'), HASH);
  expect(cacheOf().cache.has('file', 'u', bytes('p'), HASH)).toBe(false);
});
