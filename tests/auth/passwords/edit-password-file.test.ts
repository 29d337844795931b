import { describe, expect, test } from 'vitest';
import {
  findPlainPasswords,
  hasUser,
  removeUser,
  replacePlainPasswords,
  setUser,
} from '../../../src/auth/passwords/edit-password-file.ts';
import {
  formatPasswordHash,
  type PasswordHash,
} from '../../../src/auth/passwords/password-hash.ts';
import { bytes } from './fixture.ts';

const HASH: PasswordHash = {
  algorithm: 'sha512-pbkdf2',
  iterations: 10,
  salt: bytes('twelve bytes'),
  hash: new Uint8Array(64),
};
const NEW = formatPasswordHash(HASH);

function set(text: string, username: string): string {
  return setUser(Buffer.from(text), username, HASH).toString();
}

function remove(text: string, username: string): string | null {
  return removeUser(Buffer.from(text), username)?.toString() ?? null;
}

describe('setting a user', () => {
  test.each<[string, string, string, string]>([
    ['in an empty file', '', 'a', `a:${NEW}\n`],
    ['that is new', 'b:x\n', 'a', `b:x\na:${NEW}\n`],
    ['behind a last line that has no end', 'b:x', 'a', `b:x\na:${NEW}\n`],
    ['in its place', '# top\na:x\nb:y\n', 'a', `# top\na:${NEW}\nb:y\n`],
    ['in the last line, without an end', 'b:y\na:x', 'a', `b:y\na:${NEW}`],
    ['that has blanks around it', ' a : x :more\nb:y\n', 'a', `a:${NEW}\nb:y\n`],
    ['in a file of Windows', 'a:x\r\nb:y\r\n', 'a', `a:${NEW}\r\nb:y\r\n`],
    ['that is there twice', 'a:x\nb:y\na:z\n', 'a', `a:${NEW}\nb:y\n`],
    ['whose name is in a comment', '#a:x\n', 'a', `#a:x\na:${NEW}\n`],
    ['behind a byte order mark', '\ufeffa:x\n', 'a', `a:${NEW}\n`],
    ['with a name beyond ASCII', 'zoë:x\nb:ö\n', 'zoë', `zoë:${NEW}\nb:ö\n`],
  ])('%s', (_name, before, username, after) => {
    expect(set(before, username)).toBe(after);
  });

  test('keeps what is no UTF-8', () => {
    const before = Buffer.from('# caf\xe9\nb\xff:x\n', 'latin1');
    expect(setUser(before, 'a', HASH)).toEqual(Buffer.concat([before, bytes(`a:${NEW}\n`)]));
  });
});

test.each<[string, string, string, string | null]>([
  ['of several', '# top\na:x\nb:y\n', 'a', '# top\nb:y\n'],
  ['who is the only one', 'a:x\n', 'a', ''],
  ['who is there twice', 'a:x\nb:y\n a:z\n', 'a', 'b:y\n'],
  ['who is not there', 'b:a\n#a:x\na\n', 'a', null],
])('removing a user %s', (_name, before, username, after) => {
  expect(remove(before, username)).toBe(after);
  expect(hasUser(Buffer.from(before), username)).toBe(after !== null);
});

describe('passwords that are not hashed', () => {
  test('are found and replaced, whatever is beside them', () => {
    const before = Buffer.from(`# note: x\na:pa:ss\r\nb:${NEW}\nno colon\nzoë:g€heim\n`);
    const { plain, problems } = findPlainPasswords(before);
    expect(problems).toEqual([]);
    const found = plain.map(({ username, password }) => [
      username,
      Buffer.from(password).toString(),
    ]);
    expect(found).toEqual([
      ['a', 'pa:ss'],
      ['zoë', 'g€heim'],
    ]);
    const after = replacePlainPasswords(
      before,
      plain.map((one) => [one, HASH] as const),
    );
    expect(after.toString()).toBe(`# note: x\na:${NEW}\r\nb:${NEW}\nno colon\nzoë:${NEW}\n`);
    expect(findPlainPasswords(after).plain).toEqual([]);
  });

  test.each([
    [':x', 'the user name must not be empty'],
    ['a:', 'the password of "a" is empty'],
    ['a: x', 'the password of "a" begins or ends with a blank'],
    ['a:x\t', 'the password of "a" begins or ends with a blank'],
    ['a:x\0', 'the password of "a" holds a NUL'],
    [`a:${'x'.repeat(4_097)}`, 'the password of "a" has more than 4096 bytes'],
    ['a:$7$10$salt$x', 'the password of "a" looks like a hash, but has a damaged hash'],
    ['a:$2b$10$x', 'the password of "a" looks like a hash, but is hashed in an unknown way'],
  ])('%j is a problem', (line, problem) => {
    const { problems } = findPlainPasswords(Buffer.from(`# top\n${line}\n`));
    expect(problems).toEqual([{ line: 2, message: expect.stringContaining(problem) }]);
  });
});
