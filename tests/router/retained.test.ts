import { describe, expect, it } from 'vitest';
import { RetainedStore } from '../../src/router/retained.ts';
import { RetainedScan } from '../../src/router/retained-scan.ts';
import { retained } from './fakes.ts';

const AMPLE = { retainedMessagesMax: 1_000_000, retainedBytesMax: 1e9 };

function storeOf(...topicNames: string[]): RetainedStore {
  const store = new RetainedStore(AMPLE);
  for (const name of topicNames) store.set(retained(name, 'x'), 0);
  return store;
}

/** All that a scan yields; pauses are passed over. */
function scanned(store: RetainedStore, topicFilter: string, nowMs = 0): string[] {
  return rest(store.scan(topicFilter), nowMs);
}

function rest(scan: RetainedScan, nowMs = 0): string[] {
  const names: string[] = [];
  for (;;) {
    const message = scan.next(nowMs, 1_000);
    if (message === null) return names;
    if (message !== RetainedScan.Pause) names.push(message.topic.name);
  }
}

function payloadOf(store: RetainedStore, topicName: string): string | null {
  const message = store.get(topicName, 0);
  return message === null ? null : new TextDecoder().decode(message.payload);
}

describe('RetainedStore', () => {
  it('keeps the last message of each topic [MQTT-3.3.1-5]', () => {
    const store = storeOf();
    expect(store.set(retained('a', 'one'), 0)).toBe('stored');
    expect(store.set(retained('a', 'two'), 0)).toBe('stored');
    expect(store.set(retained('b', 'three'), 0)).toBe('stored');
    expect(payloadOf(store, 'a')).toBe('two');
    expect(payloadOf(store, 'b')).toBe('three');
    expect(store.count).toBe(2);
  });

  it('removes it for a message without payload, which is not kept [MQTT-3.3.1-6] [MQTT-3.3.1-7]', () => {
    const store = storeOf('a');
    expect(store.set(retained('a', ''), 0)).toBe('deleted');
    expect(store.get('a', 0)).toBeNull();
    expect(store.set(retained('a', ''), 0)).toBe('absent');
    expect(store.count).toBe(0);
    expect(store.bytes).toBe(0);
  });

  it('keeps a copy with bytes of its own', () => {
    const store = storeOf();
    const message = retained('a', 'before');
    store.set(message, 0);
    message.bytes.fill(0);
    expect(payloadOf(store, 'a')).toBe('before');
  });

  it('counts bytes exactly: topic, properties, payload', () => {
    const store = storeOf();
    store.set(retained('ab', '12345'), 0); // 2 + 2 + 5
    expect(store.bytes).toBe(9);
    store.set(retained('ab', '1'), 0);
    expect(store.bytes).toBe(5);
    store.set(retained('c', '1'), 0); // 2 + 1 + 1
    expect(store.bytes).toBe(9);
    store.delete('ab');
    expect(store.bytes).toBe(4);
  });

  it('is full at its number of messages, but not for topics that it has', () => {
    const store = new RetainedStore({ ...AMPLE, retainedMessagesMax: 2 });
    expect(store.set(retained('a', 'x'), 0)).toBe('stored');
    expect(store.set(retained('b', 'x'), 0)).toBe('stored');
    expect(store.set(retained('c', 'x'), 0)).toBe('full');
    expect(store.set(retained('b', 'longer'), 0)).toBe('stored');
    expect(store.set(retained('a', ''), 0)).toBe('deleted');
    expect(store.set(retained('c', 'x'), 0)).toBe('stored');
  });

  it('is full at its bytes, and leaves the former message then', () => {
    const store = new RetainedStore({ ...AMPLE, retainedBytesMax: 10 });
    expect(store.set(retained('a', '12345'), 0)).toBe('stored'); // 8
    expect(store.set(retained('b', ''), 0)).toBe('absent');
    expect(store.set(retained('b', '1'), 0)).toBe('full'); // 8 + 4
    expect(store.set(retained('a', '1234567'), 0)).toBe('stored'); // 10
    expect(store.set(retained('a', '12345678'), 0)).toBe('full'); // 11
    expect(payloadOf(store, 'a')).toBe('1234567');
    expect(store.bytes).toBe(10);
  });

  it('lets a message be replaced by a smaller one after its limits were lowered', () => {
    const store = storeOf('a', 'b');
    store.set(retained('a', '1234'), 0);
    store.limits = { retainedMessagesMax: 1, retainedBytesMax: 1 };
    expect(store.set(retained('a', '12345'), 0)).toBe('full');
    expect(store.set(retained('a', '1'), 0)).toBe('stored');
    expect(store.count).toBe(2);
  });

  it('does not hand out a message whose time has passed, and forgets it [MQTT-3.3.2-5]', () => {
    const store = storeOf();
    const expired: string[] = [];
    store.listener = { onRetainedExpired: (name) => expired.push(name) };
    store.set(retained('a', 'x', 10), 0);
    expect(store.get('a', 9_999)).not.toBeNull();
    expect(store.get('a', 10_000)).toBeNull();
    expect(store.count).toBe(0);
    expect(store.bytes).toBe(0);
    expect(expired).toEqual(['a']);
  });

  it('sweeps what has expired in slices that go on where the last one ended', () => {
    const store = storeOf();
    for (let i = 0; i < 100; i++) store.set(retained(`t${i}`, 'x', i % 2 === 0 ? 1 : -1), 0);
    expect(store.sweepExpired(999, 1_000)).toBe(0);
    let removed = 0;
    for (let slice = 0; slice < 12; slice++) {
      const one = store.sweepExpired(1_000, 10);
      expect(one).toBeLessThanOrEqual(10);
      removed += one;
    }
    expect(removed).toBe(50);
    expect(store.count).toBe(50);
    expect(scanned(store, '#').every((name) => Number(name.slice(1)) % 2 === 1)).toBe(true);
  });

  it('begins a sweep anew after it came to the end', () => {
    const store = storeOf();
    store.set(retained('b', 'x', 100), 0);
    store.sweepExpired(0, 10);
    store.set(retained('a', 'x', 1), 0);
    let removed = 0;
    for (let slice = 0; slice < 3; slice++) removed += store.sweepExpired(5_000, 10);
    expect(removed).toBe(1);
  });
});

describe('RetainedScan', () => {
  it.each([
    ['#', ['/', 'a', 'a!', 'a/b', 'a/b/c', 'b']],
    ['a', ['a']],
    ['a/b', ['a/b']],
    ['a/x', []],
    ['a/#', ['a', 'a/b', 'a/b/c']],
    ['a/+', ['a/b']],
    ['+', ['a', 'a!', 'b']],
    ['+/+', ['/', 'a/b']],
    ['+/b/#', ['a/b', 'a/b/c']],
    ['+/b/c', ['a/b/c']],
    ['/#', ['/']],
    ['$SYS/#', ['$SYS', '$SYS/x']],
    ['$SYS/+', ['$SYS/x']],
    ['+/x', []],
  ])('of %s yields %j', (topicFilter, expected) => {
    const store = storeOf('b', 'a/b/c', 'a', 'a!', '$SYS/x', 'a/b', '$SYS', '/');
    expect(scanned(store, topicFilter)).toEqual(expected);
  });

  it('yields no topics that begin with $ for leading wildcards [MQTT-4.7.2-1]', () => {
    const store = storeOf('$SYS/x', '$a', '!', '%');
    expect(scanned(store, '#')).toEqual(['!', '%']);
    expect(scanned(store, '+')).toEqual(['!', '%']);
  });

  it('yields what a topic has when its turn comes', () => {
    const store = storeOf('a', 'b', 'c');
    const scan = store.scan('#');
    scan.next(0, 1_000);
    store.set(retained('b', 'new'), 0);
    const message = scan.next(0, 1_000);
    expect(message).toBe(store.get('b', 0));
  });

  it('misses nothing and repeats nothing when topics are removed and set again', () => {
    const store = storeOf('a/1', 'a/2', 'a/3');
    const scan = store.scan('a/+');
    scan.next(0, 1_000);
    for (const name of ['a/1', 'a/2', 'a/3']) store.delete(name);
    for (const name of ['a/3', 'a/1', 'a/2', 'a/0']) store.set(retained(name, 'x'), 0);
    expect(rest(scan)).toEqual(['a/2', 'a/3']);
  });

  it('passes over what has expired and forgets it', () => {
    const store = storeOf('a', 'c');
    store.set(retained('b', 'x', 1), 0);
    expect(scanned(store, '#', 1_000)).toEqual(['a', 'c']);
    expect(store.count).toBe(2);
    store.set(retained('b', 'x', 1), 0);
    expect(scanned(store, 'b', 1_000)).toEqual([]);
    expect(store.count).toBe(2);
  });

  it('ends for good', () => {
    const store = storeOf('a');
    for (const filter of ['#', 'a']) {
      const scan = store.scan(filter);
      expect(scan.next(0, 1_000)).not.toBeNull();
      expect(scan.next(0, 1_000)).toBeNull();
      store.set(retained('b', 'x'), 0);
      expect(scan.next(0, 1_000)).toBeNull();
    }
  });

  it('finds what lies behind 999 topics in vain at once, and pauses after 1,000', () => {
    for (const inVain of [999, 1_000]) {
      const store = storeOf('z/x');
      for (let i = 0; i < inVain; i++) store.set(retained(`${1_000 + i}/y`, 'x'), 0);
      const scan = store.scan('+/x');
      if (inVain === 1_000) expect(scan.next(0, 1_000)).toBe(RetainedScan.Pause);
      expect(scan.next(0, 1_000)).toBe(store.get('z/x', 0));
      expect(scan.next(0, 1_000)).toBeNull();
    }
  });

  it('leaps over what lies below a topic that does not match', () => {
    const store = storeOf('a/x');
    for (let i = 0; i < 5_000; i++) store.set(retained(`b/c/${i}`, 'x'), 0);
    store.set(retained('z/x', 'x'), 0);
    const scan = store.scan('+/x');
    expect(scan.next(0, 1_000)).not.toBe(RetainedScan.Pause);
    expect(scan.next(0, 1_000)).not.toBe(RetainedScan.Pause);
    expect(scan.next(0, 1_000)).toBeNull();
  });
});
