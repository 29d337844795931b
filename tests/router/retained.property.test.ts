// Scans and sweeps while topics come and go, against a plain sorted list.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetainedStore } from '../../src/router/retained.ts';
import { RetainedScan } from '../../src/router/retained-scan.ts';
import { TopicIndex } from '../../src/router/topic-index.ts';
import { runs } from '../kit/runs.ts';
import { matchesNaively, retained } from './fakes.ts';

const level = fc.constantFrom('a', 'b', 'a ', 'a!', 'a0', '', '$x', '%');
const topicName = fc
  .array(level, { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join('/'))
  .filter((text) => text !== '');
const topicFilter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 4 }), fc.boolean())
  .map(([levels, isMulti]) => [...levels, ...(isMulti ? ['#'] : [])].join('/'))
  .filter((text) => text !== '');

describe('RetainedScan, whatever happens meanwhile', () => {
  it('yields every topic once that is there when its turn comes, with what it has then', () => {
    const step = fc.oneof(
      fc.record({ type: fc.constantFrom('set' as const, 'delete' as const), name: topicName }),
      fc.record({ type: fc.constantFrom('next' as const, 'sweep' as const), name: topicName }),
    );
    const limits = { retainedMessagesMax: 1_000, retainedBytesMax: 1e6 };
    fc.assert(
      fc.property(
        fc.array(topicName, { maxLength: 40, size: 'max' }),
        fc.array(step, { maxLength: 60, size: 'max' }),
        topicFilter,
        (initial, steps, filter) => {
          const store = new RetainedStore(limits);
          const model = new Map<string, string>();
          let version = 0;
          const set = (name: string) => {
            const payload = `${++version}`;
            store.set(retained(name, payload), 0);
            model.set(name, payload);
          };
          for (const name of initial) set(name);
          const scan = store.scan(filter);
          let last = '';
          const expectNext = (): boolean => {
            const due = [...model.keys()]
              .filter((name) => name > last && matchesNaively(filter, name))
              .sort((a, b) => (a < b ? -1 : 1));
            const message = scan.next(0, 1_000);
            if (message === RetainedScan.Pause) throw new Error('paused');
            expect(message?.topic.name).toBe(due.at(0));
            if (message === null) return false;
            last = message.topic.name;
            expect(new TextDecoder().decode(message.payload)).toBe(model.get(last));
            return true;
          };
          let isOpen = true;
          for (const { type, name } of steps) {
            if (type === 'set') set(name);
            else if (type === 'next') isOpen = isOpen && expectNext();
            else if (type === 'sweep') store.sweepExpired(0, 3);
            else expect(store.delete(name)).toBe(model.delete(name));
          }
          while (isOpen) isOpen = expectNext();
          expect(scan.next(0, 1_000)).toBeNull();
          expect(store.count).toBe(model.size);
          for (const name of model.keys()) store.delete(name);
          expect(store.bytes).toBe(0);
          expect(store.atOrAfter('')).toBeNull();
        },
      ),
      { numRuns: runs(1_000) },
    );
  });
});

describe('TopicIndex', () => {
  it.each(['up', 'down', 'mixed'])('keeps 5,000 names in order that come and go %s', (order) => {
    const index = new TopicIndex();
    const names = Array.from({ length: 5_000 }, (_, i) => String(i).padStart(5, '0'));
    const shuffled = names.map((_, i) => names[(i * 2_377) % 5_000]);
    const coming = order === 'mixed' ? shuffled : order === 'up' ? names : [...names].reverse();
    for (const name of coming) index.add(name);
    expect(walk(index)).toEqual(names);
    expect(index.atOrAfter('02500x')).toBe('02501');
    expect(index.atOrAfter('04999x')).toBeNull();
    const kept = new Set(names);
    coming.forEach((name, i) => {
      index.remove(name);
      index.remove(name);
      kept.delete(name);
      if (i % 500 === 0) expect(walk(index)).toEqual([...kept]);
    });
    expect(index.atOrAfter('')).toBeNull();
  });
});

describe('A walk over a TopicIndex', () => {
  it('is not led astray by a chunk that has become part of another', () => {
    const index = new TopicIndex();
    const names = Array.from({ length: 600 }, (_, i) => String(i).padStart(3, '0'));
    for (const name of names) index.add(name); // 000 to 511, 512 to 599
    expect(index.atOrAfter('550')).toBe('550');
    for (const name of names.slice(0, 500)) index.remove(name);
    index.remove('551');
    expect(index.atOrAfter('550\0')).toBe('552');
  });
});

function walk(index: TopicIndex): string[] {
  const names: string[] = [];
  for (let name = index.atOrAfter(''); name !== null; name = index.atOrAfter(`${name}\0`)) {
    names.push(name);
  }
  return names;
}
