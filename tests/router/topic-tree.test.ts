import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Destination } from '../../src/router/destinations.ts';
import { Subscription } from '../../src/router/subscription.ts';
import { TopicTree } from '../../src/router/topic-tree.ts';
import { FakeSubscriber, matchesNaively } from './fakes.ts';

function subscriptionTo(topicFilter: string, id = 'c'): Subscription {
  return new Subscription(new FakeSubscriber(id), topicFilter, 0);
}

function treeOf(...filters: string[]): TopicTree {
  const tree = new TopicTree();
  for (const filter of filters) tree.add(filter, subscriptionTo(filter));
  return tree;
}

function matched(tree: TopicTree, topicName: string): string[] {
  const found: Destination[] = [];
  tree.match(topicName, found);
  return found.map((destination) => destination.topicFilter);
}

const matches = (topicFilter: string, topicName: string) =>
  matched(treeOf(topicFilter), topicName).length === 1;

describe('TopicTree', () => {
  it.each([
    ['sport/tennis/player1', 'sport/tennis/player1', true],
    ['sport/tennis/player1', 'sport/tennis/player2', false],
    ['sport/tennis', 'sport/tennis/player1', false],
    ['sport/tennis/player1', 'sport/tennis', false],
    // §4.7.1.2
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/tennis/player1/#', 'sport/tennis/player10', false],
    ['sport/#', 'sport', true],
    ['#', 'a', true],
    ['#', '/', true],
    // §4.7.1.3
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+', 'finance', true],
    ['+', '/finance', false],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+/tennis/#', 'sport/tennis', true],
    ['sport/+/player1', 'sport/tennis/player1', true],
    ['sport/+/player1', 'sport/tennis/player2', false],
  ])('matches %s against %s: %s', (topicFilter, topicName, expected) => {
    expect(matches(topicFilter, topicName)).toBe(expected);
  });

  it.each([
    ['#', '$SYS/uptime', false],
    ['+/uptime', '$SYS/uptime', false],
    ['+', '$SYS', false],
    ['$SYS/#', '$SYS/uptime', true],
    ['$SYS/#', '$SYS', true],
    ['$SYS/+', '$SYS/uptime', true],
    ['$SYS/uptime', '$SYS/uptime', true],
    ['a/+', 'a/$b', true],
    ['a/#', 'a/$b', true],
  ])(
    'keeps topics that begin with $ from leading wildcards: %s, %s: %s [MQTT-4.7.2-1]',
    (topicFilter, topicName, expected) => {
      expect(matches(topicFilter, topicName)).toBe(expected);
    },
  );

  it.each([
    ['ACCOUNTS', 'Accounts', false],
    ['a', 'a/', false],
    ['/a', 'a', false],
    ['a//b', 'a//b', true],
    ['a/+/b', 'a//b', true],
    ['a//b', 'a/b', false],
    ['//#', '/', true],
    ['Å', 'A\u030a', false],
  ])(
    'takes every byte and every empty level as it is: %s, %s: %s [MQTT-4.7.3-4]',
    (topicFilter, topicName, expected) => {
      expect(matches(topicFilter, topicName)).toBe(expected);
    },
  );

  it('finds all filters that match and no other', () => {
    const tree = treeOf('a/b', 'a/+', '+/b', '+/+', '#', 'a/#', 'a/b/#', 'b/#', '+', 'a/b/c');
    expect(matched(tree, 'a/b').sort()).toEqual(
      ['a/b', 'a/+', '+/b', '+/+', '#', 'a/#', 'a/b/#'].sort(),
    );
  });

  it('says how many filters matched, whatever the number of their subscribers', () => {
    const tree = treeOf('a/#', 'a/b', 'x');
    tree.add('a/#', subscriptionTo('a/#', 'another'));
    const found: Destination[] = [];
    expect(tree.match('a/b', found)).toBe(2);
    expect(found).toHaveLength(3);
  });

  it('finds the subscribers of a filter in the order in which they came, however many', () => {
    const tree = new TopicTree();
    const ids = Array.from({ length: 40 }, (_, i) => `c${i}`);
    for (const id of ids) tree.add('a/#', subscriptionTo(id, id));
    expect(matched(tree, 'a/b')).toEqual(ids);
  });

  it.each(['a/b', 'a/+', 'a/#'])(
    'keeps who is left on %s while one after the other leaves',
    (filter) => {
      const tree = new TopicTree();
      const left = Array.from({ length: 20 }, (_, i) => subscriptionTo(filter, `c${i}`));
      for (const subscription of left) tree.add(filter, subscription);
      for (let i = 7; left.length > 0; i += 7) {
        const [leaving] = left.splice(i % left.length, 1);
        expect(tree.remove(filter, leaving)).toBe(true);
        const found: Destination[] = [];
        tree.match('a/b', found);
        expect(found).toEqual(left);
      }
      expect(tree.nodeCount).toBe(0);
    },
  );

  it('replaces the subscription that a subscriber has, at its place [MQTT-3.8.4-3]', () => {
    for (const filter of ['a/b', 'a/+', 'a/#']) {
      for (const size of [1, 2, 8, 9, 40]) {
        const tree = new TopicTree();
        const all = Array.from({ length: size }, (_, i) => subscriptionTo(`${i}`, `c${i}`));
        for (const subscription of all) expect(tree.add(filter, subscription)).toBeNull();
        const middle = all[size >> 1];
        const renewed = new Subscription(middle.subscriber, 'renewed', 2);
        expect(tree.add(filter, renewed)).toBe(middle);
        const found: Destination[] = [];
        tree.match('a/b', found);
        expect(found).toEqual(all.map((one) => (one === middle ? renewed : one)));
      }
    }
  });

  it('removes only the very subscription that it is given', () => {
    const tree = new TopicTree();
    const subscription = subscriptionTo('a/+');
    const renewed = new Subscription(subscription.subscriber, 'a/+', 2);
    tree.add('a/+', subscription);
    tree.add('a/+', renewed);
    expect(tree.remove('a/+', subscription)).toBe(false);
    expect(matched(tree, 'a/b')).toHaveLength(1);
    expect(tree.remove('a/+', renewed)).toBe(true);
    expect(tree.remove('a/+', renewed)).toBe(false);
  });

  it('removes nothing where the filter is spelt differently [MQTT-3.10.4-1]', () => {
    const subscription = subscriptionTo('a/b');
    const tree = new TopicTree();
    tree.add('a/b', subscription);
    for (const filter of ['a/+', '#', 'a/b/#', 'a', 'a/b/', 'A/b', '+/b']) {
      expect(tree.remove(filter, subscription)).toBe(false);
    }
    expect(matched(tree, 'a/b')).toEqual(['a/b']);
  });

  it('removes nodes that lead nowhere and keeps those that still do', () => {
    const tree = new TopicTree();
    const long = subscriptionTo('a/+/c/d');
    const short = subscriptionTo('a/+');
    const multi = subscriptionTo('a/#');
    tree.add('a/+/c/d', long);
    tree.add('a/+', short);
    tree.add('a/#', multi);
    expect(tree.nodeCount).toBe(3); // a, +, c with the rest d
    tree.remove('a/+', short);
    expect(tree.nodeCount).toBe(3);
    tree.remove('a/+/c/d', long);
    expect(tree.nodeCount).toBe(1);
    tree.remove('a/#', multi);
    expect(tree.nodeCount).toBe(0);
  });

  it('has one node for what is alone, however many levels follow, until another filter comes there', () => {
    const tree = treeOf('a/b/c/+/d/#');
    expect(tree.nodeCount).toBe(1);
    expect(matched(tree, 'a/b/c/x/d')).toEqual(['a/b/c/+/d/#']);
    expect(matched(tree, 'a/b/c/x/d/e/f')).toEqual(['a/b/c/+/d/#']);
    expect(matched(tree, 'a/b/c/x/e')).toEqual([]);
    expect(matched(tree, 'a/b/c')).toEqual([]);
    tree.add('a/b/c/+/e', subscriptionTo('a/b/c/+/e'));
    expect(tree.nodeCount).toBe(6); // a, b, c, +, d with below, e
    expect(matched(tree, 'a/b/c/x/d/e/f')).toEqual(['a/b/c/+/d/#']);
    expect(matched(tree, 'a/b/c/x/e')).toEqual(['a/b/c/+/e']);
  });

  it.each([
    ['a/+', 'a/+/'],
    ['a/+/', 'a/+'],
    ['a/+/', 'a/+//'],
    ['+/', '+/#'],
    ['a/b/#', 'a/#'],
    ['a/#', 'a/b/#'],
    ['a/b/+', 'a/b/#'],
    ['a/b/#', 'a/b/+'],
    ['a/b/+/c', 'a/b/+/c'],
  ])('keeps %s and %s apart, whichever comes first', (one, other) => {
    const tree = new TopicTree();
    const first = subscriptionTo(one, 'first');
    const second = subscriptionTo(other, 'second');
    tree.add(one, first);
    tree.add(other, second);
    for (const name of ['a', 'a/', 'a/b', 'a/b/', 'a//', 'a/b/c', 'a/b//c', '/', 'a/b/c/c']) {
      const expected = [one, other].filter((filter) => matchesNaively(filter, name));
      expect(matched(tree, name).sort()).toEqual(expected.sort());
    }
    expect(tree.remove(one, first)).toBe(true);
    expect(tree.remove(one, first)).toBe(false);
    expect(tree.remove(other, second)).toBe(true);
    expect(tree.nodeCount).toBe(0);
  });

  it('takes filters and topics of 65,535 levels', () => {
    const deep = '/'.repeat(65_534);
    const tree = treeOf(`${deep}+`, `${deep.slice(1)}#`, deep);
    expect(matched(tree, deep)).toHaveLength(3);
    expect(matched(tree, `${deep}/`)).toEqual([`${deep.slice(1)}#`]);
  });

  it('holds at most one waiting branch a level where every level forks', () => {
    const tree = new TopicTree();
    for (let bits = 0; bits < 1_024; bits++) {
      const levels = Array.from({ length: 10 }, (_, i) => (bits & (1 << i) ? '+' : 'a'));
      tree.add(levels.join('/'), subscriptionTo(`${bits}`));
    }
    expect(matched(tree, 'a/a/a/a/a/a/a/a/a/a')).toHaveLength(1_024);
    expect(matched(tree, 'a/a/a/a/a/a/a/a/a/b')).toHaveLength(512);
    expect(matched(tree, 'a/a/a/a/a/a/a/a/a')).toHaveLength(0);
  });

  it('agrees with the specification told naively, whatever is added and removed', () => {
    const level = fc.constantFrom('a', 'b', 'a!', '', '$x', '+');
    const filter = fc
      .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([levels, isMulti]) => [...levels, ...(isMulti ? ['#'] : [])].join('/'))
      .filter((text) => text !== '');
    const topic = fc
      .array(fc.constantFrom('a', 'b', 'a!', '', '$x'), { minLength: 1, maxLength: 5 })
      .map((levels) => levels.join('/'));
    const step = fc.record({ filter, id: fc.nat(12), isAdd: fc.boolean() });
    const subscribers = Array.from({ length: 13 }, (_, i) => new FakeSubscriber(`c${i}`));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.array(topic), (steps, topicNames) => {
        const tree = new TopicTree();
        const model = new Map<string, [string, Subscription]>();
        for (const { filter, id, isAdd } of steps) {
          const key = `${id} ${filter}`;
          const known = model.get(key);
          if (isAdd) {
            const subscription = new Subscription(subscribers[id], filter, 0);
            expect(tree.add(filter, subscription)).toBe(known?.[1] ?? null);
            model.set(key, [filter, subscription]);
          } else if (known !== undefined) {
            expect(tree.remove(filter, known[1])).toBe(true);
            model.delete(key);
          }
        }
        for (const topicName of topicNames) {
          const found: Destination[] = [];
          tree.match(topicName, found);
          const expected = [...model.values()].filter(([one]) => matchesNaively(one, topicName));
          expect(new Set(found)).toEqual(new Set(expected.map(([, subscription]) => subscription)));
          expect(found).toHaveLength(expected.length);
        }
        for (const [one, subscription] of model.values()) tree.remove(one, subscription);
        expect(tree.nodeCount).toBe(0);
      }),
    );
  });
});
