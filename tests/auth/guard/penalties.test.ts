// The penalty box: who waits after failed logins, and above all who does not.

import { expect, test } from 'vitest';
import { AddressRanges } from '../../../src/lib/address.ts';
import { ReasonCode } from '../../../src/protocol/reason-code.ts';
import { Guarded, MINUTE, request, SECOND } from './kit.ts';

const WAITS = ReasonCode.QuotaExceeded;

test('the tenth failure of a user name from an address brings the penalty, the ninth does not', async () => {
  const guarded = await new Guarded().open();
  guarded.fail('192.0.2.1', 'bob', 'c', 9);
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(0);
  guarded.fail('192.0.2.1', 'bob');
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(WAITS);
  expect(guarded.metrics).toMatchObject({ penalties: 1, penaltyRefusals: 1 });
});

test('it is about that user name from that address, whatever the client id is', async () => {
  const guarded = await new Guarded().open();
  guarded.fail('192.0.2.1', 'bob', 'c', 10);
  expect(guarded.answer('192.0.2.1', 'bob', 'other')).toBe(WAITS);
  expect(guarded.answer('192.0.2.1', 'alice')).toBe(0);
  expect(guarded.answer('192.0.2.1', null)).toBe(0);
  expect(guarded.answer('192.0.2.2', 'bob')).toBe(0);
});

test('a penalty lasts a minute, and then ten more are free', async () => {
  const guarded = await new Guarded().open();
  guarded.fail('192.0.2.1', 'bob', 'c', 10);
  guarded.clock.advance(MINUTE - 1);
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(WAITS);
  guarded.clock.advance(1);
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(0);
  guarded.fail('192.0.2.1', 'bob', 'c', 9);
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(0);
});

test('failures older than the window do not count', async () => {
  const guarded = await new Guarded().open();
  guarded.fail('192.0.2.1', 'bob', 'c', 9);
  guarded.clock.advance(MINUTE);
  guarded.fail('192.0.2.1', 'bob', 'c', 9);
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(0);
});

test('the window slides: what comes around its end counts together', async () => {
  const guarded = await new Guarded().open();
  guarded.clock.advance(50 * SECOND);
  guarded.fail('192.0.2.1', 'bob', 'c', 5);
  guarded.clock.advance(20 * SECOND);
  guarded.fail('192.0.2.1', 'bob', 'c', 5);
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(WAITS);
});

test('attempts during a penalty do not make it longer', async () => {
  const guarded = await new Guarded().open();
  guarded.fail('192.0.2.1', 'bob', 'c', 10);
  guarded.clock.advance(59 * SECOND);
  for (let i = 0; i < 100; i++) guarded.answer('192.0.2.1', 'bob');
  guarded.clock.advance(SECOND);
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(0);
});

test('a thousand failures about many names make the whole address wait', async () => {
  const guarded = await new Guarded().open();
  for (let i = 0; i < 999; i++) guarded.fail('192.0.2.1', `user-${i}`);
  expect(guarded.answer('192.0.2.1', 'alice')).toBe(0);
  guarded.fail('192.0.2.1', 'user-999');
  expect(guarded.answer('192.0.2.1', 'alice')).toBe(WAITS);
  expect(guarded.answer('192.0.2.1', null)).toBe(WAITS);
  expect(guarded.answer('192.0.2.2', 'alice')).toBe(0);
});

test('addresses of one IPv6 /64 are one', async () => {
  const guarded = await new Guarded().open();
  for (let i = 0; i < 10; i++) guarded.fail(`2001:db8::${i + 1}`, 'bob');
  expect(guarded.answer('2001:db8::ffff', 'bob')).toBe(WAITS);
  expect(guarded.answer('2001:db8:0:1::1', 'bob')).toBe(0);
});

test('an address with a login that succeeded lately never waits as a whole', async () => {
  const guarded = await new Guarded().open();
  guarded.succeed('192.0.2.1', 'alice');
  for (let i = 0; i < 5_000; i++) guarded.fail('192.0.2.1', `user-${i}`);
  expect(guarded.answer('192.0.2.1', 'carol')).toBe(0);
  guarded.fail('192.0.2.1', 'bob', 'c', 10);
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(WAITS);
  expect(guarded.answer('192.0.2.1', 'alice')).toBe(0);
});

test('a login on its way when the penalty of its address came ends it for the address', async () => {
  const guarded = await new Guarded().open();
  for (let i = 0; i < 1_000; i++) guarded.fail('192.0.2.1', `user-${i}`);
  expect(guarded.answer('192.0.2.1', 'alice')).toBe(WAITS);
  guarded.succeed('192.0.2.1', 'bob');
  expect(guarded.answer('192.0.2.1', 'alice')).toBe(0);
});

test('a login counts as one of lately for a day', async () => {
  const guarded = await new Guarded().open();
  guarded.succeed('192.0.2.1', 'alice');
  guarded.clock.advance(24 * 60 * MINUTE);
  for (let i = 0; i < 1_000; i++) guarded.fail('192.0.2.1', `user-${i}`);
  expect(guarded.answer('192.0.2.1', 'carol')).toBe(WAITS);
});

test('whoever comes in without a name does not make its address one that succeeded', async () => {
  const guarded = await new Guarded().open();
  guarded.guard.onAccepted(request('192.0.2.1', null), null);
  for (let i = 0; i < 1_000; i++) guarded.fail('192.0.2.1', `user-${i}`);
  expect(guarded.answer('192.0.2.1', 'carol')).toBe(WAITS);
});

test('of a plant under one user name only the client with the old password waits', async () => {
  const guarded = await new Guarded().open();
  guarded.succeed('192.0.2.1', 'plant', 'good');
  guarded.fail('192.0.2.1', 'plant', 'stale', 10);
  expect(guarded.answer('192.0.2.1', 'plant', 'stale')).toBe(WAITS);
  expect(guarded.answer('192.0.2.1', 'plant', 'good')).toBe(0);
  expect(guarded.answer('192.0.2.1', 'plant', 'new')).toBe(0);
});

test('a client there that comes in begins to count anew', async () => {
  const guarded = await new Guarded().open();
  guarded.succeed('192.0.2.1', 'plant', 'good');
  guarded.fail('192.0.2.1', 'plant', 'c', 9);
  guarded.succeed('192.0.2.1', 'plant', 'c');
  guarded.fail('192.0.2.1', 'plant', 'c', 9);
  expect(guarded.answer('192.0.2.1', 'plant', 'c')).toBe(0);
});

test('whoever changes the client id there has a thousand attempts, not any number', async () => {
  const guarded = await new Guarded().open();
  guarded.succeed('192.0.2.1', 'plant', 'good');
  for (let i = 0; i < 1_000; i++) guarded.fail('192.0.2.1', 'plant', `guess-${i}`);
  expect(guarded.answer('192.0.2.1', 'plant', 'good')).toBe(WAITS);
  expect(guarded.answer('192.0.2.1', 'alice', 'good')).toBe(0);
});

test('a login on its way when the penalty of its user name came ends it: the others may come in, too', async () => {
  const guarded = await new Guarded().open();
  guarded.fail('192.0.2.1', 'plant', 'stale', 10);
  expect(guarded.answer('192.0.2.1', 'plant', 'good')).toBe(WAITS);
  guarded.succeed('192.0.2.1', 'plant', 'good');
  expect(guarded.answer('192.0.2.1', 'plant', 'other')).toBe(0);
});

test('but it does not end one that a thousand failures brought', async () => {
  const guarded = await new Guarded().open();
  guarded.succeed('192.0.2.1', 'plant', 'good');
  for (let i = 0; i < 1_000; i++) guarded.fail('192.0.2.1', 'plant', `guess-${i}`);
  guarded.succeed('192.0.2.1', 'plant', 'late');
  expect(guarded.answer('192.0.2.1', 'plant', 'good')).toBe(WAITS);
});

test('without a user name the client id is whom it is about', async () => {
  const guarded = await new Guarded().open();
  const token = { ...request('192.0.2.1', null, 'stale'), password: Uint8Array.of(1) };
  for (let i = 0; i < 10; i++) guarded.guard.onRefused(token, ReasonCode.NotAuthorized);
  expect(guarded.guard.objection(token)?.reasonCode).toBe(WAITS);
  expect(guarded.answer('192.0.2.1', null, 'good')).toBe(0);
});

test('peers of a unix socket wait by user name, never all of them', async () => {
  const guarded = await new Guarded().open();
  for (let i = 0; i < 2_000; i++) guarded.fail('', `user-${i}`);
  guarded.fail('', 'bob', 'c', 10);
  expect(guarded.answer('', 'bob')).toBe(WAITS);
  expect(guarded.answer('', 'alice')).toBe(0);
});

test('trusted addresses never wait', async () => {
  const trusted = new AddressRanges(['192.0.2.0/24', 'unix']);
  const guarded = await new Guarded({ settings: { trusted } }).open();
  guarded.fail('192.0.2.1', 'bob', 'c', 2_000);
  guarded.fail('', 'bob', 'c', 2_000);
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(0);
  expect(guarded.answer('', 'bob')).toBe(0);
  expect(guarded.guard.size).toBe(0);
});

const NOT_COUNTED = [
  ['the server could not ask', ReasonCode.ServerUnavailable],
  ['the server is busy', ReasonCode.ServerBusy],
  ['the client is sent elsewhere', ReasonCode.UseAnotherServer],
] as const;

test.each(NOT_COUNTED)('a login fails for nobody when %s', async (_, reasonCode) => {
  const guarded = await new Guarded().open();
  for (let i = 0; i < 100; i++) guarded.guard.onRefused(request('192.0.2.1', 'bob'), reasonCode);
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(0);
});

test('whoever shows nothing has not failed to log in', async () => {
  const guarded = await new Guarded().open();
  guarded.fail('192.0.2.1', null, 'c', 2_000);
  expect(guarded.guard.size).toBe(0);
});

test('a user name of 60,000 characters costs what a short one costs, and is another than one with the same beginning', async () => {
  const guarded = await new Guarded().open();
  guarded.fail('192.0.2.1', `${'x'.repeat(60_000)}a`, 'c', 10);
  expect(guarded.answer('192.0.2.1', `${'x'.repeat(60_000)}a`)).toBe(WAITS);
  expect(guarded.answer('192.0.2.1', `${'x'.repeat(60_000)}b`)).toBe(0);
  expect(JSON.stringify(guarded.book.lines).length).toBeLessThan(1_000);
});

test('a pardon ends the penalties of an address', async () => {
  const guarded = await new Guarded().open();
  for (let i = 0; i < 1_000; i++) guarded.fail('2001:db8::1', `user-${i}`);
  guarded.fail('2001:db8::1', 'bob', 'c', 10);
  expect(guarded.guard.pardon('2001:db8::2')).toBe(true);
  expect(guarded.answer('2001:db8::1', 'bob')).toBe(0);
  expect(guarded.guard.pardon('2001:db8::1')).toBe(false);
});

test('0 switches a threshold off', async () => {
  const guarded = await new Guarded({ settings: { failuresMax: 0 } }).open();
  guarded.fail('192.0.2.1', 'bob', 'c', 999);
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(0);
  guarded.fail('192.0.2.1', 'bob');
  expect(guarded.answer('192.0.2.1', 'alice')).toBe(WAITS);
  const without = await new Guarded({ settings: { failuresMax: 0, addressFailuresMax: 0 } }).open();
  without.fail('192.0.2.1', 'bob', 'c', 5_000);
  expect(without.answer('192.0.2.1', 'bob')).toBe(0);
  expect(without.guard.size).toBe(0);
});

test('other settings count from the next attempt on, and penalties go on', async () => {
  const guarded = await new Guarded().open();
  guarded.fail('192.0.2.1', 'bob', 'c', 10);
  guarded.fail('192.0.2.1', 'carol', 'c', 4);
  guarded.guard.setSettings({ failuresMax: 5 });
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(WAITS);
  guarded.fail('192.0.2.1', 'carol');
  expect(guarded.answer('192.0.2.1', 'carol')).toBe(WAITS);
  guarded.guard.setSettings({ trusted: new AddressRanges(['192.0.2.1']) });
  expect(guarded.answer('192.0.2.1', 'bob')).toBe(0);
});

test('a fleet of 10,000 addresses and a plant of 10,000 clients behind one: whoever fails waits, and nobody else', async () => {
  const guarded = await new Guarded().open();
  const nat = '203.0.113.7';
  const fleet = Array.from({ length: 10_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  const isStale = (i: number) => i % 10 === 0;
  guarded.succeed(nat, 'device-1', 'device-1');
  for (let round = 0; round < 10; round++) {
    fleet.forEach((address, i) => {
      if (isStale(i)) guarded.fail(address, 'fleet', `device-${i}`);
      else guarded.succeed(address, 'fleet', `device-${i}`);
      if (isStale(i)) guarded.fail(nat, `device-${i}`, `device-${i}`);
      else guarded.succeed(nat, `device-${i}`, `device-${i}`);
    });
    guarded.clock.advance(SECOND);
  }
  fleet.forEach((address, i) => {
    const expected = isStale(i) ? WAITS : 0;
    const name = `device-${i}`;
    if (guarded.answer(address, 'fleet', name) !== expected) throw new Error(`${address} ${i}`);
    if (guarded.answer(nat, name, name) !== expected) throw new Error(`${nat} ${i}`);
  });
  expect(guarded.metrics.penalties).toBe(2_000);
  expect(guarded.book.lines.length).toBeLessThanOrEqual(257);
  guarded.clock.advance(2 * MINUTE);
  expect(guarded.answer(fleet[0], 'fleet', 'device-0')).toBe(0);
});

test('the log says who waits, why and how long, and a flood of such lines is bounded', async () => {
  const guarded = await new Guarded().open();
  guarded.fail('192.0.2.1', 'bob', 'c', 10);
  expect(guarded.book.lines).toEqual([
    {
      level: 'info',
      message: 'a penalty begins: too many logins of this user name from its address have failed',
      fields: { address: '192.0.2.1', username: 'bob', windowMs: 60_000, penaltyMs: 60_000 },
    },
  ]);
  for (let i = 0; i < 99; i++) guarded.fail('192.0.2.1', `user-${i}`, 'c', 10);
  const [last] = guarded.book.lines.slice(-1);
  expect(guarded.book.lines).toHaveLength(16 + 1 + 1); // its names, the rest of them, the address itself
  expect(last).toMatchObject({
    level: 'warn',
    message: 'a penalty begins: too many logins from its address have failed',
    fields: { address: '192.0.2.1' },
  });
});
