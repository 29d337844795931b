// What a session remembers of its authorizer's answers: every answer to exactly its question, until something changes, and never
// more topics than allowed.

import { expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';
import { type Topic, TopicTable } from '../../src/protocol/topic.ts';
import { Access, DEFAULT_ACCESS_RULES } from '../../src/session/access.ts';
import { Decisions, Known, publishSlot, RECEIVE } from '../../src/session/decisions.ts';

const PUBLISH = publishSlot(1, false);
const NOW = 1_000;

function authorizer(rememberMs?: number): Authorizer {
  return {
    ...(rememberMs !== undefined && { rememberMs }),
    authorizePublish: () => 0,
    authorizeSubscribe: () => 0,
  };
}

function decisionsOf({
  rememberMs,
  decisionsMax = 256,
}: {
  rememberMs?: number;
  decisionsMax?: number;
} = {}) {
  const access = new Access(authorizer(rememberMs), { decisionsMax });
  return { access, decisions: new Decisions(access) };
}

function topics(count: number): Topic[] {
  const table = new TopicTable(DEFAULT_LIMITS);
  return Array.from({ length: count }, (_, i) => table.of(`a/${i}`));
}

test('each question about each topic has its own answer', () => {
  const { decisions } = decisionsOf();
  const all = topics(20);
  for (const [i, topic] of all.entries()) {
    decisions.remember(topic, PUBLISH, i % 2 === 0, NOW);
    decisions.remember(topic, RECEIVE, i % 3 === 0, NOW);
  }
  for (const [i, topic] of all.entries()) {
    expect(decisions.get(topic, PUBLISH, NOW)).toBe(i % 2 === 0 ? Known.Allowed : Known.Denied);
    expect(decisions.get(topic, RECEIVE, NOW)).toBe(i % 3 === 0 ? Known.Allowed : Known.Denied);
    expect(decisions.get(topic, publishSlot(1, true), NOW)).toBe(Known.No);
  }
});

test('a later answer takes the place of the former one, and of no other', () => {
  const { decisions } = decisionsOf();
  const [one, other] = topics(2);
  for (const topic of [one, other, one]) decisions.remember(topic, PUBLISH, true, NOW);
  decisions.remember(one, RECEIVE, true, NOW);
  decisions.remember(other, PUBLISH, false, NOW);
  decisions.remember(one, PUBLISH, false, NOW);
  decisions.remember(one, PUBLISH, true, NOW);
  expect([one, other].map((topic) => decisions.get(topic, PUBLISH, NOW))).toEqual([
    Known.Allowed,
    Known.Denied,
  ]);
  expect(decisions.get(one, RECEIVE, NOW)).toBe(Known.Allowed);
  expect(decisions.get(other, RECEIVE, NOW)).toBe(Known.No);
});

test.each([1, 2, 3, 10])(
  'never more than %i topics: then all are forgotten but the last',
  (max) => {
    const { decisions } = decisionsOf({ decisionsMax: max });
    const all = topics(max + 1);
    const known = () => all.map((topic) => decisions.get(topic, PUBLISH, NOW) !== Known.No);
    for (const topic of all.slice(0, max)) decisions.remember(topic, PUBLISH, true, NOW);
    expect(known()).toEqual(all.map((_, i) => i < max));
    decisions.remember(all[max], PUBLISH, true, NOW);
    expect(known()).toEqual(all.map((_, i) => i === max));
    decisions.remember(all[0], PUBLISH, true, NOW);
    expect(known()).toEqual(all.map((_, i) => i === 0 || (i === max && max > 1)));
  },
);

test.each([1, 2])('nothing of %i topics counts any more when access changes', (count) => {
  const { access, decisions } = decisionsOf();
  const all = topics(count);
  for (const topic of all) decisions.remember(topic, PUBLISH, true, NOW);
  access.replace(authorizer(), DEFAULT_ACCESS_RULES);
  for (const topic of all) expect(decisions.get(topic, PUBLISH, NOW)).toBe(Known.No);
  decisions.remember(all[0], PUBLISH, false, NOW);
  access.replace(authorizer(), DEFAULT_ACCESS_RULES);
  decisions.remember(all[0], RECEIVE, true, NOW); // nobody asked in between
  expect(decisions.get(all[0], PUBLISH, NOW)).toBe(Known.No);
  expect(decisions.get(all[0], RECEIVE, NOW)).toBe(Known.Allowed);
});

test('answers count as long as the authorizer says, from the first of them on', () => {
  const { decisions } = decisionsOf({ rememberMs: 100 });
  const [one, other] = topics(2);
  decisions.remember(one, PUBLISH, true, NOW);
  decisions.remember(other, PUBLISH, true, NOW + 99);
  expect(decisions.get(other, PUBLISH, NOW + 99)).toBe(Known.Allowed);
  expect(decisions.get(other, PUBLISH, NOW + 100)).toBe(Known.No);
  decisions.remember(one, PUBLISH, true, NOW + 100);
  expect(decisions.get(one, PUBLISH, NOW + 199)).toBe(Known.Allowed);
  expect(decisions.get(one, PUBLISH, NOW + 200)).toBe(Known.No);
});

test('denials count for a quarter of that, and everything else only as long as they do', () => {
  const { decisions } = decisionsOf({ rememberMs: 100 });
  const [one, other] = topics(2);
  decisions.remember(one, PUBLISH, true, NOW);
  decisions.remember(other, PUBLISH, false, NOW + 10);
  expect(decisions.get(other, PUBLISH, NOW + 34)).toBe(Known.Denied);
  expect(decisions.get(other, PUBLISH, NOW + 35)).toBe(Known.No);
  expect(decisions.get(one, PUBLISH, NOW + 35)).toBe(Known.No);
});

test.each([{ rememberMs: 0 }, { decisionsMax: 0 }])('%j remembers nothing', (options) => {
  const { decisions } = decisionsOf(options);
  const [topic] = topics(1);
  decisions.remember(topic, PUBLISH, true, NOW);
  expect(decisions.get(topic, PUBLISH, NOW)).toBe(Known.No);
});
