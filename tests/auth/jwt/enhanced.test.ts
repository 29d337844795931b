// The token as Authentication Data: at CONNECT, and again before it expires. MQTT 5 §4.12.

import { expect, test } from 'vitest';
import type { AuthStep, ConnectRequest } from '../../../src/auth/auth.ts';
import type { JwtAuthenticator } from '../../../src/auth/jwt/authenticator.ts';
import { authenticator, NOW, request, token } from './kit.ts';

async function run(
  made: JwtAuthenticator,
  text: string | null,
  username: string | null = null,
  parts: Partial<ConnectRequest> = {},
): Promise<AuthStep | undefined> {
  const exchange = made.begin('JWT', request(parts), username);
  return await exchange?.step(text === null ? null : Buffer.from(text));
}

test('a token as Authentication Data lets its bearer in', async () => {
  expect(await run(await authenticator(), await token())).toMatchObject({
    reasonCode: 0,
    username: 'u',
    expiresAtMs: (NOW + 3_630) * 1_000,
  });
});

test('other methods are not offered', async () => {
  const made = await authenticator();
  for (const method of ['jwt', 'JWT ', '', 'SCRAM-SHA-256']) {
    expect(made.begin(method, request(), null)).toBeNull();
  }
});

test.each([
  ['nothing', null],
  ['an empty text', ''],
  ['no token', 'secret'],
])('%s is refused, since no other authenticator is asked', async (_, text) => {
  expect(await run(await authenticator(), text)).toMatchObject({
    reasonCode: 0x86,
    detail: 'the Authentication Data is no token',
  });
});

test('the user name of CONNECT has to be that of the token, wherever tokens come otherwise', async () => {
  for (const tokenIn of ['password', 'username'] as const) {
    const made = await authenticator({ tokenIn });
    const text = await token();
    expect(await run(made, text, null, { username: 'u' })).toMatchObject({ username: 'u' });
    expect(await run(made, text, null, { username: 'v' })).toMatchObject({ reasonCode: 0x87 });
  }
});

test('a new token gives more time', async () => {
  const made = await authenticator();
  expect(await run(made, await token({ exp: NOW + 7_200 }), 'u')).toMatchObject({
    reasonCode: 0,
    username: 'u',
    expiresAtMs: (NOW + 7_230) * 1_000,
  });
});

test('a new token never makes somebody else of its bearer', async () => {
  const made = await authenticator({ clientIdClaim: 'cid' });
  const ofClient = { clientId: 'c', username: 'u' };
  expect(await run(made, await token({ cid: 'c' }), 'u', ofClient)).toMatchObject({
    reasonCode: 0,
  });
  expect(await run(made, await token({ cid: 'c', sub: 'v' }), 'u', ofClient)).toMatchObject({
    reasonCode: 0x87,
    detail: 'the token is for the user "v", but the client is "u"',
  });
  expect(await run(made, await token({ cid: 'd' }), 'u', ofClient)).toMatchObject({
    reasonCode: 0x87,
    detail: 'the token is for the client id "d", but the client is "c"',
  });
});

test('who came in without a user name in CONNECT is held to that of the first token', async () => {
  const made = await authenticator();
  expect(await run(made, await token({ sub: 'v' }), 'u', { username: '' })).toMatchObject({
    reasonCode: 0x87,
  });
});

test('a token that is remembered is judged anew', async () => {
  const made = await authenticator();
  const text = await token({ sub: 'v' });
  expect(await run(made, text)).toMatchObject({ reasonCode: 0 });
  expect(await run(made, text, 'u')).toMatchObject({ reasonCode: 0x87 });
  expect(made.verifications).toBe(1);
});
