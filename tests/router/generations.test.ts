import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Generations, Stamp } from '../../src/router/generations.ts';
import { matchesNaively } from './fakes.ts';

/** Whether a match found for the topic is still trusted after the filter has changed. */
function survives(topicName: string, topicFilter: string): boolean {
  const generations = new Generations();
  const stamp = new Stamp();
  generations.renew(stamp, topicName);
  generations.advance(topicFilter);
  return generations.isCurrent(stamp);
}

describe('Generations', () => {
  it.each([
    ['devices/16/cmd', 'devices/17/cmd/#'],
    ['devices/17/state', 'devices/17/cmd'],
    ['devices/17/state', 'devices/17/cmd/+'],
    ['v1/tenant/16/state', 'v1/tenant/17/#'],
    ['devices/17', 'devices/17/cmd'],
    ['a', 'b'],
    ['a', 'a/b'],
    ['a/b', 'a'],
  ])('leave the match of %s alone when %s changes', (topicName, topicFilter) => {
    expect(survives(topicName, topicFilter)).toBe(true);
  });

  it.each([
    ['a', '#'],
    ['a/b', '+/b'],
    ['a', 'a'],
    ['a', 'a/#'],
    ['a/b', 'a/b/#'],
    ['a/b/c', 'a/b/c/#'],
    ['a/b/c/d', 'a/b/c/d'],
    ['a/b/c/d/e', 'a/b/c/d/#'],
    ['/', '/#'],
    ['$SYS/a', '$SYS/#'],
  ])('make the match of %s stale when %s changes', (topicName, topicFilter) => {
    expect(survives(topicName, topicFilter)).toBe(false);
  });

  it('never let a match survive a change of a filter that matches its topic', () => {
    const level = fc.constantFrom('a', 'b', '', '$x', 'ü');
    const topic = fc.array(level, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(topic, fc.nat(63), fc.nat(6), fc.boolean(), (levels, plus, kept, isMulti) => {
        const filterLevels = levels.map((one, i) => (plus & (1 << i) ? '+' : one));
        const topicFilter = isMulti
          ? [...filterLevels.slice(0, kept), '#'].join('/')
          : filterLevels.join('/');
        const topicName = levels.join('/');
        fc.pre(matchesNaively(topicFilter, topicName));
        expect(survives(topicName, topicFilter)).toBe(false);
      }),
    );
  });
});
