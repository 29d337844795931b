// How much work a token makes: none when it was seen lately, a little at a time when many come, none for those who have gone.

import { expect, test } from 'vitest';
import { Slots } from '../../../src/auth/jwt/slots.ts';
import { VerifiedTokens } from '../../../src/auth/jwt/verified-tokens.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { turns } from '../../kit/until.ts';
import { authenticator, expectAccepted, expectRefused, login, request, token } from './kit.ts';

test('a token that was accepted is not verified again, and its answer comes at once', async () => {
  const made = await authenticator();
  const text = await token();
  const first = await expectAccepted(made, text);
  expect(made.verifications).toBe(1);
  expect(made.authenticate(request({ password: Buffer.from(text) }))).toEqual(first);
  expect(made.verifications).toBe(1);
});

test('what is known of a token does not depend on who shows it', async () => {
  const made = await authenticator({ clientIdClaim: 'cid' });
  const text = await token({ cid: 'c' });
  await expectAccepted(made, text);
  await expectRefused(made, text, 0x87, 'for the user', { username: 'v' });
  await expectRefused(made, text, 0x87, 'for the client id', { clientId: 'd' });
  await expectAccepted(made, text, { username: 'u' });
  expect(made.verifications).toBe(1);
});

test('a token that is refused is verified each time', async () => {
  const made = await authenticator();
  const text = await token({ aud: 'other' });
  await expectRefused(made, text, 0x87, 'aud');
  await expectRefused(made, text, 0x87, 'aud');
  expect(made.verifications).toBe(2);
});

test('one that has expired is forgotten', async () => {
  const clock = new FakeClock();
  const made = await authenticator({}, undefined, { clock });
  const text = await token();
  await expectAccepted(made, text);
  clock.advance(4_000_000);
  await expectRefused(made, text, 0x87, 'expired');
  expect(made.verifications).toBe(1);
  await expectRefused(made, text, 0x87, 'expired');
  expect(made.verifications).toBe(2);
});

test('verifiedMax 0 remembers none', async () => {
  const made = await authenticator({ verifiedMax: 0 });
  const text = await token();
  await expectAccepted(made, text);
  await expectAccepted(made, text);
  expect(made.verifications).toBe(2);
});

const IDENTITY = {
  username: 'u',
  clientId: null,
  groups: [],
  permissions: undefined,
  claims: {},
  notBeforeMs: null,
  expiresAtMs: null,
  keyMark: 'k',
};

test('of remembered tokens the oldest goes when there are too many', () => {
  const tokens = new VerifiedTokens(2);
  for (const text of ['a', 'b', 'b', 'c']) tokens.add(text, IDENTITY);
  expect(['a', 'b', 'c'].map((text) => tokens.get(text) !== null)).toEqual([false, true, true]);
  tokens.remove('b');
  tokens.remove('b');
  expect(tokens.size).toBe(1);
  tokens.clear();
  expect(tokens.get('c')).toBeNull();
});

test('and when they are too long together', () => {
  const tokens = new VerifiedTokens(1_000);
  const long = 'x'.repeat(16_777_215);
  for (const first of ['a', 'b']) tokens.add(first + long, IDENTITY);
  expect(tokens.size).toBe(2);
  tokens.add('c', IDENTITY);
  expect(tokens.size).toBe(2);
  expect(tokens.get(`a${long}`)).toBeNull();
});

test('text that only looks like a remembered token is another one', () => {
  const tokens = new VerifiedTokens(2);
  tokens.add('abc', IDENTITY);
  expect(tokens.get('\u0161\u0162\u0163')).toBeNull();
});

test('whoever has gone, or is not welcome any more, is not verified, and it is no failure of his', async () => {
  const made = await authenticator();
  expect(await login(made, await token(), { isGone: true })).toMatchObject({ reasonCode: 0x88 });
  expect(await login(made, await token(), { isUnwelcome: true })).toMatchObject({
    reasonCode: 0x88,
  });
  expect(made.verifications).toBe(0);
});

test('work is done so much at a time, in its order, and nobody is let in before who waits', async () => {
  const slots = new Slots(2, 2);
  const order: string[] = [];
  const finish = new Map<string, () => void>();
  const work = (name: string) =>
    slots.run(() => {
      order.push(name);
      return new Promise<string>((resolve) => finish.set(name, () => resolve(name)));
    });
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(work);
  expect(work('e')).toBeNull();
  await turns(1);
  expect(order).toEqual(['a', 'b']);
  finish.get('a')?.();
  expect(await a).toBe('a');
  const f = work('f');
  await turns(1);
  expect(order).toEqual(['a', 'b', 'c']);
  for (const name of ['b', 'c', 'd', 'f']) {
    finish.get(name)?.();
    await turns(1);
  }
  expect(await Promise.all([b, c, d, f])).toEqual(['b', 'c', 'd', 'f']);
  expect(order).toEqual(['a', 'b', 'c', 'd', 'f']);
});

test('work that fails makes room for the next', async () => {
  const slots = new Slots(1, 1);
  const failing = slots.run(() => Promise.reject(new Error('no')));
  const next = slots.run(() => Promise.resolve('yes'));
  await expect(failing).rejects.toThrow('no');
  expect(await next).toBe('yes');
  expect(await slots.run(() => Promise.resolve('free'))).toBe('free');
});
