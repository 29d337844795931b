// docs/jwt.md has every reason that the log may give, and no other.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { Refused } from '../../../src/auth/auth.ts';
import type { JwtAuthenticator } from '../../../src/auth/jwt/authenticator.ts';
import {
  authenticator,
  CLAIMS,
  encode,
  login,
  NOW,
  rawToken,
  request,
  SECRET,
  token,
} from './kit.ts';

const DOCUMENT = readFileSync(path.join(import.meta.dirname, '../../../docs/jwt.md'), 'utf8');

/** Rows of the table of details. */
const ROWS = [...DOCUMENT.matchAll(/^\| (.*?) \| (0x[0-9a-f]{2}) \(\d\) \|/gm)].map(
  ([, sentence = '', code]) => ({
    sentence,
    code: Number(code),
    pattern: new RegExp(
      `^${sentence
        .split('…')
        .map((part) => part.replace(/[.*+?^${'$'}{}()|[\]\\]/g, '\\$&'))
        .join('.+')}`,
    ),
  }),
);

const PAYLOAD = JSON.stringify(CLAIMS);

/** Tokens that are refused, each for another reason. */
async function refusals(): Promise<(Refused | null)[]> {
  const made = await authenticator({ clientIdClaim: 'cid' });
  const named = await authenticator({}, [{ id: 'k', algorithms: ['HS256'], secret: SECRET }]);
  const keys = Array.from({ length: 9 }, () => ({ algorithms: ['HS256'], secret: SECRET }));
  const many = await authenticator({}, keys);
  const url = 'http://127.0.0.1:1/keys';
  const remote = await authenticator({}, [{ algorithms: ['RS256'], url }]);
  const good = (claims = {}) => token({ cid: 'c', ...claims });
  const cases: [JwtAuthenticator, string, object?][] = [
    [made, `${encode('{"alg":"none"}')}.${encode(PAYLOAD)}.`],
    [named, await token({}, { kid: 'x' })],
    [made, rawToken('{"alg":"HS256"}', PAYLOAD, Buffer.alloc(32))],
    [many, await token()],
    [made, rawToken('{"alg":"HS256","alg":"HS256"}', PAYLOAD)],
    [made, rawToken('{"alg":7}', PAYLOAD)],
    [made, rawToken('{"alg":"HS256","kid":7}', PAYLOAD)],
    [made, rawToken('{"alg":"HS256","crit":["x"]}', PAYLOAD)],
    [made, await good({ x: 'x'.repeat(20_000) })],
    [made, await good(), { isGone: true }],
    [made, await good({ exp: NOW - 60 })],
    [made, await good({ nbf: NOW + 60 })],
    [made, await good({ sub: undefined })],
    [made, await good({ iss: 'x' })],
    [made, await good({ aud: 'x' })],
    [made, await good(), { username: 'x' }],
    [made, await good(), { clientId: 'x' }],
    [made, rawToken('{"alg":"HS256"}', 'x')],
    [made, await good({ groups: 7 })],
    [made, await good({ acl: { x: [] } })],
    [remote, `${encode('{"alg":"RS256"}')}.${encode(PAYLOAD)}.AAAA`],
  ];
  const found: (Refused | null)[] = [];
  for (const [one, text, parts] of cases) {
    found.push((await login(one, text, parts ?? {})) as Refused);
  }
  found.push((await made.begin('JWT', request(), null)?.step(null)) as Refused);
  return found;
}

test('docs/jwt.md has every detail, with its code', async () => {
  expect(ROWS.length).toBeGreaterThan(20);
  const used = new Set<string>(['… tokens wait for their signature check']); // needs 10,000 of them
  for (const refused of await refusals()) {
    const { detail = '', reasonCode } = refused ?? {};
    const row = ROWS.find(({ pattern }) => pattern.test(detail));
    expect(row, detail).toBeDefined();
    expect(row?.code, detail).toBe(reasonCode);
    used.add(row?.sentence ?? '');
  }
  expect(ROWS.map(({ sentence }) => sentence).filter((sentence) => !used.has(sentence))).toEqual(
    [],
  );
});
