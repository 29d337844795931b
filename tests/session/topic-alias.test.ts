import { expect, test } from 'vitest';
import { Topic } from '../../src/protocol/topic.ts';
import { InboundAliases, OutboundAliases } from '../../src/session/topic-alias.ts';

function topic(name: string): Topic {
  const bytes = new TextEncoder().encode(name);
  return new Topic(name, Uint8Array.of(0, bytes.length, ...bytes), 0);
}

test('each new topic gets the next alias, a known one keeps its own', () => {
  const aliases = new OutboundAliases(3);
  const [a, b] = [topic('topic/a'), topic('topic/b')];
  expect([aliases.take(a), aliases.isKnown]).toEqual([1, false]);
  expect([aliases.take(b), aliases.isKnown]).toEqual([2, false]);
  expect([aliases.take(a), aliases.isKnown]).toEqual([1, true]);
});

test('the topic that was sent longest ago gives its alias to a new one [MQTT-3.1.2-26]', () => {
  const aliases = new OutboundAliases(2);
  const [a, b, c] = [topic('topic/a'), topic('topic/b'), topic('topic/c')];
  aliases.take(a);
  aliases.take(b);
  aliases.take(a); // b is the oldest now
  expect([aliases.take(c), aliases.isKnown]).toEqual([2, false]);
  expect([aliases.take(a), aliases.isKnown]).toEqual([1, true]);
  expect([aliases.take(b), aliases.isKnown]).toEqual([2, false]);
});

test('a topic too short to gain anything gets none', () => {
  const aliases = new OutboundAliases(2);
  expect(aliases.take(topic('abc'))).toBe(0);
  expect(aliases.isKnown).toBe(false);
  expect(aliases.take(topic('abcd'))).toBe(1);
});

test('whatever is sent, who resolves the aliases gets the right topics', () => {
  let seed = 3;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (const maximum of [1, 2, 7, 32]) {
    const topics = Array.from({ length: 40 }, (_, i) => topic(`topic/${i}`));
    const aliases = new OutboundAliases(maximum);
    const client = new Map<number, Topic>();
    let faults = 0;
    for (let i = 0; i < 20_000; i++) {
      const sent = topics[Math.min(random(40), random(40))];
      const alias = aliases.take(sent);
      if (alias > maximum) faults++;
      if (!aliases.isKnown) client.set(alias, sent);
      if (alias !== 0 && client.get(alias) !== sent) faults++;
    }
    expect(faults).toBe(0);
  }
});

test('a client’s alias stands for the topic it was last set to', () => {
  const aliases = new InboundAliases();
  expect(aliases.get(1)).toBeUndefined();
  const [a, b] = [topic('a'), topic('b')];
  aliases.set(1, a);
  aliases.set(32, a);
  aliases.set(1, b);
  expect(aliases.get(1) === b && aliases.get(32) === a).toBe(true);
  expect(aliases.get(2)).toBeUndefined();
});
