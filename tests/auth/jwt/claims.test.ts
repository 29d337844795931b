// What a genuine token has to say, and what becomes of it.

import { expect, test } from 'vitest';
import { FakeClock } from '../../../src/lib/clock.ts';
import {
  authenticator,
  CLAIMS,
  expectAccepted,
  expectRefused,
  ISSUER,
  login,
  NOW,
  token,
} from './kit.ts';

test('user name, groups, claims and end come with the token', async () => {
  const claims = { sub: 'sensor-1', groups: ['a', 'b'], site: { name: 'x' } };
  const accepted = await expectAccepted(await authenticator(), await token(claims));
  expect(accepted).toEqual({
    reasonCode: 0,
    username: 'sensor-1',
    groups: ['a', 'b'],
    claims: { ...CLAIMS, ...claims },
    permissions: undefined,
    credential: expect.any(String),
    expiresAtMs: (NOW + 3_600) * 1_000 + 30_000,
  });
});

test.each([
  ['30 s ago, less a millisecond', 29_999, true],
  ['30 s ago', 30_000, false],
])('a token that expired %s', async (_, laterMs, isAccepted) => {
  const clock = new FakeClock();
  const made = await authenticator({}, undefined, { clock });
  const text = await token({ exp: NOW });
  clock.advance(laterMs);
  if (isAccepted) {
    expect(await expectAccepted(made, text)).toMatchObject({ expiresAtMs: NOW * 1_000 + 30_000 });
  } else {
    const { reasonString } = await expectRefused(
      made,
      text,
      0x87,
      'the token expired on 2023-11-14T22:13:20.000Z',
    );
    expect(reasonString).toBe('the token has expired');
  }
});

test('a token that was accepted is refused once it has expired, leeway included', async () => {
  const clock = new FakeClock();
  const made = await authenticator({ leewayMs: 0 }, undefined, { clock });
  const text = await token({ exp: NOW + 60 });
  await expectAccepted(made, text);
  clock.advance(59_999);
  await expectAccepted(made, text);
  clock.advance(1);
  await expectRefused(made, text, 0x87, 'expired');
});

test('it is the wall clock that counts', async () => {
  const clock = new FakeClock();
  const made = await authenticator({}, undefined, { clock });
  const text = await token();
  await expectAccepted(made, text);
  clock.jumpWall(3_630_000);
  await expectRefused(made, text, 0x87, 'expired');
  clock.jumpWall(-3_630_000);
  await expectAccepted(made, text);
});

test.each([
  ['in 30 s', NOW + 30, true],
  ['in 31 s', NOW + 31, false],
])('a token that is valid %s', async (_, nbf, isAccepted) => {
  const made = await authenticator();
  if (isAccepted) await expectAccepted(made, await token({ nbf }));
  else await expectRefused(made, await token({ nbf }), 0x87, 'not valid before 2023-11-14');
});

test.each<[string, unknown, string]>([
  ['exp', undefined, 'the token has no exp'],
  ['exp', null, 'the token has no exp'],
  ['exp', '1800000000', 'exp is "1800000000": expected seconds'],
  ['exp', -1, 'exp is -1'],
  ['exp', NOW * 1_000, 'exp is 1700000000000: expected seconds since 1970'],
  ['exp', true, 'exp is true'],
  ['nbf', 'now', 'nbf is "now"'],
  ['iss', undefined, 'the token has no iss'],
  ['iss', 'https://other.example', 'iss is "https://other.example", expected "https://issuer'],
  ['iss', [ISSUER], 'iss is ["https://issuer.example"], expected'],
  ['aud', undefined, 'the token has no aud'],
  ['aud', [], 'aud is [], expected "mqtt"'],
  ['aud', 'MQTT', 'aud is "MQTT", expected "mqtt"'],
  ['aud', ['a', 7], 'aud is ["a",7], expected'],
  ['aud', { mqtt: 1 }, 'expected "mqtt"'],
  ['sub', undefined, 'the token has no sub'],
  ['sub', null, 'the token has no sub'],
  ['sub', '', 'sub is "": expected a text'],
  ['sub', 7, 'sub is 7: expected a text'],
  ['sub', ['u'], 'sub is ["u"]: expected a text'],
  ['sub', 'a\u0000b', 'characters that no name may have'],
  ['sub', 'a\nb', 'characters that no name may have'],
  ['sub', 'a\ud800b', 'characters that no name may have'],
  ['sub', 'ü'.repeat(513), 'sub has more than 1024 bytes'],
  ['groups', 7, 'groups is 7: expected a list of texts'],
  ['groups', ['a', 7], 'groups is ["a",7]'],
  ['groups', ['a', ''], 'groups is ["a",""]'],
  ['groups', { a: 1 }, 'groups is {"a":1}'],
  ['groups', Array.from({ length: 1_001 }, () => 'g'), 'has 1001 groups; at most 1000'],
])('%s = %j refuses the login', async (name, value, detail) => {
  const { reasonString } = await expectRefused(
    await authenticator(),
    await token({ [name]: value }),
    0x87,
    detail,
  );
  expect(reasonString).toBe('the token does not allow this connection');
});

test('one of several audiences is enough, on both sides', async () => {
  const made = await authenticator({ audience: ['a', 'b'] });
  await expectAccepted(made, await token({ aud: ['x', 'b'] }));
  await expectRefused(made, await token({ aud: 'c' }), 0x87, 'expected "a" or "b"');
});

test('a claim that is not required may be missing, but not wrong', async () => {
  const made = await authenticator({ notRequired: ['exp', 'iss', 'aud'] });
  const bare = await token({ exp: undefined, iss: undefined, aud: undefined });
  expect(await expectAccepted(made, bare)).toMatchObject({ expiresAtMs: undefined });
  await expectRefused(made, await token({ exp: NOW - 60 }), 0x87, 'expired');
  await expectRefused(made, await token({ iss: 'x' }), 0x87, 'iss is "x"');
  await expectRefused(made, await token({ aud: 'x' }), 0x87, 'aud is "x"');
  const any = await authenticator({ issuer: null, audience: [], notRequired: ['iss', 'aud'] });
  await expectAccepted(any, await token({ iss: 'x', aud: 'x' }));
  await expectRefused(any, await token({ exp: undefined }), 0x87, 'the token has no exp');
});

test('the CONNECT user name is empty or that of the token', async () => {
  const made = await authenticator();
  const text = await token();
  for (const username of [null, '', 'u']) {
    expect(await expectAccepted(made, text, { username })).toMatchObject({ username: 'u' });
  }
  for (const username of ['U', 'u ', 'a.b.c']) {
    const detail = `for the user "u", but the client is "${username}"`;
    await expectRefused(made, text, 0x87, detail, { username });
  }
  // Somebody is not sure where the token belongs.
  await expectRefused(made, text, 0x87, 'is named by a token', { username: text });
});

test('claims are found by their names, in which dots lead into objects', async () => {
  const made = await authenticator({
    usernameClaim: 'device.name',
    groupsClaim: 'realm_access.roles',
    clientIdClaim: 'https://example.com/id',
  });
  const text = await token({
    device: { name: 'd' },
    realm_access: { roles: ['r'] },
    'https://example.com/id': 'c',
  });
  expect(await expectAccepted(made, text)).toMatchObject({ username: 'd', groups: ['r'] });
  const whole = await token({
    'device.name': 'w',
    device: { name: 'd' },
    'https://example.com/id': 'c',
  });
  expect(await expectAccepted(made, whole)).toMatchObject({ username: 'w', groups: [] });
});

test.each(['constructor.name', '__proto__.constructor.name', 'sub.length', 'toString'])(
  'what every object has is no claim: %s',
  async (usernameClaim) => {
    await expectRefused(await authenticator({ usernameClaim }), await token(), 0x87, 'has no');
  },
);

test('groups may be one text with blanks, or absent', async () => {
  const made = await authenticator({ groupsClaim: 'scope' });
  for (const [scope, groups] of [
    ['read  write', ['read', 'write']],
    ['', []],
    [null, []],
    [undefined, []],
  ]) {
    expect(await expectAccepted(made, await token({ scope }))).toMatchObject({ groups });
  }
});

test('a client id claim, if one is configured, is the only client id that the token is for', async () => {
  const made = await authenticator({ clientIdClaim: 'cid' });
  await expectAccepted(made, await token({ cid: 'c' }));
  await expectRefused(
    made,
    await token({ cid: 'd' }),
    0x87,
    'client id "d", but the client is "c"',
  );
  await expectRefused(made, await token(), 0x87, 'the token has no cid');
  await expectRefused(made, await token({ cid: 7 }), 0x87, 'cid is 7');
});

test('the token may come in the user name', async () => {
  const made = await authenticator({ tokenIn: 'username' });
  const text = await token();
  expect(await login(made, 'anything', { username: text })).toMatchObject({ username: 'u' });
  expect(await login(made, text, { username: 'u' })).toBe('next');
  expect(await login(made, text, { username: null })).toBe('next');
  expect(await login(made, '', { username: `${text.slice(0, -4)}AAAA` })).toMatchObject({
    reasonCode: 0x86,
  });
});
