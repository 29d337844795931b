// A user as it is stored: what is written, and what of what is read is refused.

import { describe, expect, test } from 'vitest';
import {
  decodeUser,
  encodeUser,
  groupsProblem,
  type UserRecord,
  usernameProblem,
} from '../../../src/auth/users/user-record.ts';
import { userRecord } from '../../kit/users.ts';

const ALICE = userRecord('alice', 'pencil', { groups: ['plant', 'ops'], isDisabled: true });
const PLAIN = JSON.parse(Buffer.from(encodeUser(ALICE)).toString()) as Record<string, unknown>;

function decode(fields: object): UserRecord | string {
  return decodeUser('alice', Buffer.from(JSON.stringify({ ...PLAIN, ...fields })));
}

describe('a record', () => {
  test('is JSON with the number of its format', () => {
    expect(PLAIN).toEqual({
      format: 1,
      username: 'alice',
      hash: expect.stringMatching(/^\$7\$1\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{86}==$/),
      scram: {
        salt: 'W22ZaJ0SNY7soEsUEjb6gQ==',
        iterations: 4_096,
        storedKey: 'WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=', // of RFC 7677 §3’s example
        serverKey: 'wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
      },
      groups: ['plant', 'ops'],
      isDisabled: true,
      createdAt: '2026-01-02T03:04:05.000Z',
      changedAt: '2026-01-02T03:04:05.000Z',
    });
  });

  test('is read as it was written, also one without secrets for SCRAM', () => {
    for (const user of [ALICE, userRecord('Größe 密码', 'p', { scram: null })]) {
      expect(decodeUser(user.username, encodeUser(user))).toEqual(user);
    }
  });

  test('may have fields that are not known', () => {
    expect(decode({ note: 'x' })).toEqual(ALICE);
  });

  test.each([
    ['', 'is not JSON'],
    ['{"format":1', 'is not JSON'],
    ['null', 'is not JSON'],
    ['[]', 'is not JSON'],
    ['"x"', 'is not JSON'],
  ])('%j is refused', (text, problem) => {
    expect(decodeUser('alice', Buffer.from(text))).toBe(problem);
  });

  test('that is not UTF-8 is refused', () => {
    expect(decodeUser('alice', Buffer.of(0x22, 0xff, 0x22))).toBe('is not JSON');
  });

  test.each([
    [{ format: 2 }, 'has the format 2, and this version of IoTHub knows only 1'],
    [{ format: undefined }, 'does not say its format'],
    [{ format: '1' }, 'does not say its format'],
    [{ username: 'bob' }, 'is about another user name'],
    [{ hash: null }, 'has no hash'],
    [{ hash: 'geheim' }, 'is not hashed'],
    [{ hash: '$7$99999999999$AAAA$AAAA' }, 'has a hash that is not accepted'],
    [{ scram: undefined }, 'has damaged secrets of SCRAM'],
    [{ scram: 'x' }, 'has damaged secrets of SCRAM'],
    [{ groups: 'plant' }, 'has damaged groups'],
    [{ groups: [1] }, 'has damaged groups'],
    [{ groups: [''] }, 'has damaged groups'],
    [{ isDisabled: undefined }, 'does not say whether it is disabled'],
    [{ isDisabled: 'false' }, 'does not say whether it is disabled'],
    [{ createdAt: 'yesterday' }, 'does not say when it was made and changed'],
    [{ changedAt: 5 }, 'does not say when it was made and changed'],
  ])('with %j is refused', (fields, problem) => {
    expect(decode(fields)).toContain(problem);
  });

  test.each([
    [{ salt: '' }],
    [{ salt: 'AA' }],
    [{ salt: Buffer.alloc(65).toString('base64') }],
    [{ iterations: 4_095 }],
    [{ iterations: 1_000_001 }],
    [{ iterations: 4_096.5 }],
    [{ iterations: '4096' }],
    [{ storedKey: Buffer.alloc(31).toString('base64') }],
    [{ storedKey: null }],
    [{ serverKey: Buffer.alloc(33).toString('base64') }],
    [{ serverKey: undefined }],
  ])('with %j of SCRAM is refused', (fields) => {
    const scram = { ...(PLAIN.scram as object), ...fields };
    expect(decode({ scram })).toBe('has damaged secrets of SCRAM');
  });

  test('may ask for 1,000,000 rounds of SCRAM', () => {
    const scram = { ...(PLAIN.scram as object), iterations: 1_000_000 };
    expect(decode({ scram })).toMatchObject({ scram: { iterations: 1_000_000 } });
  });

  test('of a name that nobody can have is refused', () => {
    const bytes = Buffer.from(JSON.stringify({ ...PLAIN, username: 'a\tb' }));
    expect(decodeUser('a\tb', bytes)).toContain('has a user name that holds control characters');
  });

  test('is never quoted by what is wrong with it', () => {
    expect(decode({ hash: 'geheim' })).not.toContain('geheim');
  });
});

describe('a user name', () => {
  test.each(['a', 'Größe', 'a b', 'x@y.example', 'a/b+c#', '密码', 'a'.repeat(1_000)])(
    'may be %j',
    (username) => {
      expect(usernameProblem(username)).toBeNull();
    },
  );

  test.each([
    ['', 'is empty'],
    ['a'.repeat(1_001), 'more than 1000 bytes'],
    ['ö'.repeat(501), 'more than 1000 bytes'],
    ['a\nb', 'control characters'],
    ['a\u202eb', 'control characters'],
    ['Gro\u0308ße', 'must be written "Größe"'],
    ['ａdmin', 'must be written "admin"'],
    ['ad\u00admin', 'must be written "admin"'],
  ])('%j is refused', (username, problem) => {
    expect(usernameProblem(username)).toContain(problem);
  });
});

describe('groups', () => {
  test('may be 100 with names of 256 bytes', () => {
    const groups = Array.from({ length: 100 }, (_, i) => String(i).padStart(256, 'g'));
    expect(groupsProblem(groups)).toBeNull();
    expect(groupsProblem([])).toBeNull();
    expect(groupsProblem([...groups, 'x'])).toBe('there are more than 100 groups');
    expect(groupsProblem(['g'.repeat(257)])).toContain('more than 256 bytes');
  });

  test.each([
    [[''], 'cannot be the name of a group'],
    [['a\nb'], '"a\\nb" cannot be the name of a group'],
    [['ａ'], 'cannot be the name of a group'],
    [['a', 'b', 'a'], 'a group is named twice'],
  ])('%j are refused', (groups, problem) => {
    expect(groupsProblem(groups)).toContain(problem);
  });
});
