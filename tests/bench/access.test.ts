// The scenario `access`: the same messages with and without rules, and a server that does not keep to its rules is noticed.

import { expect, onTestFinished, test, vi } from 'vitest';
import { type AccessCheck, bench, benchModule } from './bench.ts';
import { FaultyBroker } from './faulty-broker.ts';

/** Some start several servers, one after the other. */
vi.setConfig({ testTimeout: 120_000 });

const SHORT = '--count 20 --duration 10 --drain 10 --rounds 1'.split(' ');

test('four kinds of access control, each of which denies what it should and nothing else', async () => {
  const { exitCode, stdout, results, violations } = await bench(
    ...['access', '-n', '3', '-V', '5', '--rules', '60', ...SHORT],
  );
  expect(violations).toEqual([]);
  expect(exitCode).toBe(0);
  expect(results).toHaveLength(3 * 4);
  const delivered = results.map(({ checks }) =>
    ['publish', 'subscribe', 'receive'].map((name) => checks?.[name].delivered),
  );
  const variants = [
    [3, 3, 3],
    [0, 0, 3],
    [0, 0, 3],
    [0, 0, 0],
  ];
  expect(delivered).toEqual([...variants, ...variants, ...variants]);
  for (const { checks, integrity } of results) {
    expect(integrity).toMatchObject({ received: integrity.expected, lost: [0, 0, 0] });
    expect(Object.values(checks ?? {}).every(({ isAlive }) => isAlive)).toBe(true);
  }
  expect(stdout).toContain('÷ no access control');
  expect(stdout).toContain('at most 1.05 × the CPU per message of no access control');
});

test('a server that lets everything through is noticed', async () => {
  const broker = new FaultyBroker({});
  onTestFinished(() => broker.close());
  const port = await broker.listen();
  const { exitCode, violations, stdout } = await bench(
    ...['access', '-n', '2', '-V', '5', ...SHORT, '--url', `mqtt://127.0.0.1:${port}`],
  );
  const each = [
    'access: 3 of 3 messages were delivered that the rules deny: a PUBLISH to the topic of somebody else.',
    'access: 3 of 3 messages were delivered that the rules deny: a subscription to the topic of somebody else.',
    'access: a PUBLISH that the rules deny was acknowledged as if they did not.',
  ];
  const said = violations.map((violation) => violation.replace(/^access \w+ [^:]*: /, ''));
  expect(said).toEqual([...each, ...each, ...each]);
  expect(exitCode).toBe(1);
  expect(stdout).toContain('INTEGRITY VIOLATED');
});

type WhatIsWrong = (
  checks: Readonly<Record<string, AccessCheck>>,
  denies: Readonly<Record<string, boolean>>,
  options: { readonly version: number },
) => readonly string[];

test('so is one that denies too much, or delivers nothing at all', async () => {
  const { whatIsWrong } = (await benchModule('load/access.mjs')) as { whatIsWrong: WhatIsWrong };
  const denied = { delivered: 0, isAlive: true };
  const allowed = { delivered: 3, isAlive: true };
  const publish = { ...denied, answers: [0x87, 0x87, 0x87] };
  const denies = { publish: true, subscribe: true, receive: false };
  const good = { publish, subscribe: denied, receive: allowed };
  const v5 = { version: 5 };
  expect(whatIsWrong(good, denies, v5)).toEqual([]);
  expect(whatIsWrong({ ...good, receive: { ...allowed, delivered: 2 } }, denies, v5)).toEqual([
    'access: 2 of 3 messages were delivered that are allowed: what a subscriber may not get of its filter',
  ]);
  expect(whatIsWrong({ ...good, subscribe: { ...denied, isAlive: false } }, denies, v5)).toEqual([
    'access: a message that is allowed did not come: a subscription to the topic of somebody else',
  ]);
  const silent = { ...good, publish: { ...publish, answers: [0x87, 0x87] } };
  expect(whatIsWrong(silent, denies, v5)).toEqual([
    'access: a PUBLISH that the rules deny was not answered',
  ]);
  const polite = { ...good, publish: { ...publish, answers: [0x87, 0, 0x87] } };
  expect(whatIsWrong(polite, denies, { version: 4 })).toEqual([]);
  expect(whatIsWrong(polite, denies, v5)).toHaveLength(1);
});
