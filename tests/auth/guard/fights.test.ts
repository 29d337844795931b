// Two hosts with one client id, and clients that connect again and again.

import { expect, test } from 'vitest';
import type { GuardSettings } from '../../../src/auth/guard/settings.ts';
import { AddressRanges } from '../../../src/lib/address.ts';
import { ReasonCode } from '../../../src/protocol/reason-code.ts';
import { Guarded, MINUTE, request, SECOND } from './kit.ts';

const A = '192.0.2.1';
const B = '192.0.2.2';

async function fighting(settings: Partial<GuardSettings> = {}) {
  const guarded = await new Guarded({ settings }).open();
  /** `from` takes the session over from `to`; the reason code that it is turned away with, or 0. */
  const takeOver = (from: string, to: string, clientId = 'c') =>
    guarded.guard.onTakeover(request(from, 'bob', clientId), { address: to, port: 1_883 })
      ?.reasonCode ?? 0;
  return { ...guarded, guarded, book: guarded.book, takeOver };
}

test('the fifth takeover in turn is a fight: one line with both addresses, and one more for the rest', async () => {
  const { book, guarded, takeOver } = await fighting();
  for (let i = 0; i < 4; i++) takeOver(i % 2 === 0 ? B : A, i % 2 === 0 ? A : B);
  expect(book.lines).toEqual([]);
  expect(takeOver(B, A)).toBe(0);
  expect(book.lines).toEqual([
    {
      level: 'warn',
      message:
        'hosts fight over one client id: each takes the session over from the other; give each its own',
      fields: { clientId: 'c', addresses: [`${A}:1883`, `${B}:4711`], windowMs: 60_000 },
    },
  ]);
  for (let i = 0; i < 100; i++) takeOver(i % 2 === 0 ? A : B, i % 2 === 0 ? B : A);
  expect(book.lines).toHaveLength(1);
  guarded.clock.advance(11 * SECOND);
  expect(book.lines).toHaveLength(2);
  expect(book.lines[1].fields).toMatchObject({ again: 100 });
  expect(guarded.metrics.clientIdFights).toBe(1);
});

test('a fight that was over and begins again is another one', async () => {
  const { guarded, takeOver } = await fighting();
  for (let i = 0; i < 6; i++) takeOver(i % 2 === 0 ? B : A, i % 2 === 0 ? A : B);
  guarded.clock.advance(MINUTE);
  for (let i = 0; i < 6; i++) takeOver(i % 2 === 0 ? B : A, i % 2 === 0 ? A : B);
  expect(guarded.metrics.clientIdFights).toBe(2);
});

test('takeovers further apart than the window are none', async () => {
  const { book, guarded, takeOver } = await fighting();
  for (let i = 0; i < 20; i++) {
    takeOver(i % 2 === 0 ? B : A, i % 2 === 0 ? A : B);
    guarded.clock.advance(20 * SECOND);
  }
  expect(book.lines).toEqual([]);
});

test('a client that roams comes from new addresses: that is no fight', async () => {
  const { book, takeOver } = await fighting();
  for (let i = 0; i < 50; i++) takeOver(`192.0.2.${i + 1}`, `192.0.2.${i}`);
  expect(book.lines).toEqual([]);
});

test('takeovers of different client ids are no fight', async () => {
  const { book, takeOver } = await fighting();
  for (let i = 0; i < 50; i++) takeOver(i % 2 === 0 ? B : A, i % 2 === 0 ? A : B, `c${i}`);
  expect(book.lines).toEqual([]);
});

test('takeovers from one address have a line of their own, and nobody is refused', async () => {
  const { book, takeOver } = await fighting({ fightBackOffMs: MINUTE });
  for (let i = 0; i < 50; i++) expect(takeOver(A, A)).toBe(0);
  expect(book.lines).toHaveLength(1);
  expect(book.lines[0].message).toContain('again and again from one address');
});

test('with a back-off the newcomer is refused with 0x97 until it is over, and whoever is there may come again', async () => {
  const { book, guarded, takeOver } = await fighting({ fightBackOffMs: 30 * SECOND });
  for (let i = 0; i < 4; i++) takeOver(i % 2 === 0 ? B : A, i % 2 === 0 ? A : B);
  expect(takeOver(B, A)).toBe(ReasonCode.QuotaExceeded);
  expect(book.lines).toHaveLength(1);
  guarded.clock.advance(30 * SECOND - 1);
  expect(takeOver(B, A)).toBe(ReasonCode.QuotaExceeded);
  expect(takeOver(A, A)).toBe(0);
  guarded.clock.advance(1);
  expect(takeOver(B, A)).toBe(0);
  expect(guarded.metrics.clientIdFights).toBe(1);
});

test('0 switches it off', async () => {
  const { book, guarded, takeOver } = await fighting({ fightTakeoversMax: 0 });
  for (let i = 0; i < 50; i++) takeOver(i % 2 === 0 ? B : A, i % 2 === 0 ? A : B);
  expect(book.lines).toEqual([]);
  expect(guarded.guard.size).toBe(0);
});

function connects(guarded: Guarded, address: string, clientId: string, times: number): number {
  let code = 0;
  for (let i = 0; i < times; i++) {
    code = guarded.guard.onAccepted(request(address, null, clientId), null)?.reasonCode ?? 0;
  }
  return code;
}

test('flapping is not looked at unless it is configured', async () => {
  const guarded = await new Guarded().open();
  expect(connects(guarded, A, 'c', 1_000)).toBe(0);
  expect(guarded.guard.size).toBe(0);
});

test('more connects than allowed within the window bring a ban of that client id from that address', async () => {
  const settings = { flappingConnectsMax: 5, flappingBanMs: 10 * SECOND };
  const guarded = await new Guarded({ settings }).open();
  expect(connects(guarded, A, 'c', 5)).toBe(0);
  expect(connects(guarded, A, 'c', 1)).toBe(ReasonCode.Banned);
  expect(guarded.answer(A, null, 'c')).toBe(ReasonCode.Banned);
  expect(guarded.answer(A, null, 'other')).toBe(0);
  expect(guarded.answer(B, null, 'c')).toBe(0);
  expect(guarded.metrics).toMatchObject({ flappingBans: 1, banRefusals: 2 });
  expect(guarded.book.lines).toMatchObject([{ fields: { clientId: 'c', address: A } }]);
  guarded.clock.advance(10 * SECOND);
  expect(guarded.answer(A, null, 'c')).toBe(0);
  expect(connects(guarded, A, 'c', 5)).toBe(0);
});

test('a ban for flapping can be lifted', async () => {
  const guarded = await new Guarded({ settings: { flappingConnectsMax: 1 } }).open();
  connects(guarded, A, 'c', 2);
  expect(guarded.guard.liftFlapping('other')).toBe(false);
  expect(guarded.guard.liftFlapping('c')).toBe(true);
  expect(guarded.answer(A, null, 'c')).toBe(0);
});

test('trusted addresses may flap', async () => {
  const settings = { flappingConnectsMax: 1, trusted: new AddressRanges([A]) };
  const guarded = await new Guarded({ settings }).open();
  expect(connects(guarded, A, 'c', 100)).toBe(0);
});

test('what is over is swept, without anybody coming', async () => {
  const guarded = await new Guarded({ settings: { flappingConnectsMax: 5 } }).open();
  connects(guarded, A, 'c', 6);
  guarded.fail(A, 'bob', 'c', 10);
  guarded.guard.onTakeover(request(A, 'bob'), { address: B, port: 1 });
  expect(guarded.guard.size).toBe(3);
  guarded.clock.advance(6 * MINUTE);
  expect(guarded.guard.size).toBe(0);
});
