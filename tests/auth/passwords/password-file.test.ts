import { chmodSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { AccessError } from '../../../src/auth/access-error.ts';
import { permissionWarning } from '../../../src/auth/file-permissions.ts';
import {
  loadPasswordFile,
  newUsernameProblem,
  parsePasswordFile,
} from '../../../src/auth/passwords/password-file.ts';
import { formatPasswordHash } from '../../../src/auth/passwords/password-hash.ts';
import { temporaryFolder } from '../../kit/folder.ts';
import { bytes } from './fixture.ts';

const HASH = `$7$101$AAAAAAAAAAAAAAAA$${'A'.repeat(86)}==`;
const DEARER = `$7$999$AAAAAAAAAAAAAAAA$${'A'.repeat(86)}==`;

async function names(text: string | Uint8Array): Promise<string[]> {
  const content = typeof text === 'string' ? bytes(text) : text;
  return [...(await parsePasswordFile(content, 'f')).users.keys()];
}

/** The lines of the error that the file gives. */
async function problems(text: string | Uint8Array): Promise<string[]> {
  try {
    const found = await names(text);
    throw new Error(`it was read: ${found}`);
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    return error.message.split('\n');
  }
}

function fileOf(content: string | Uint8Array, mode = 0o600): string {
  const file = path.join(temporaryFolder(), 'passwords');
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

describe('the grammar', () => {
  test.each<[string, string, string[]]>([
    ['nothing', '', []],
    ['a line a user', `a:${HASH}\nb:${HASH}\n`, ['a', 'b']],
    ['no newline at the end', `a:${HASH}`, ['a']],
    ['lines of Windows', `a:${HASH}\r\n\r\nb:${HASH}\r\n`, ['a', 'b']],
    ['a byte order mark', `\ufeffa:${HASH}\n`, ['a']],
    ['comments', `# x:y\n#a:${HASH}\nb:${HASH}\n`, ['b']],
    ['a # that is not the first byte', ` #a:${HASH}\n`, ['#a']],
    ['blanks around name and hash', ` \ta b\v\f: \t${HASH}\t \n`, ['a b']],
    ['blanks that C does not know', `\u00a0a\u00a0:${HASH}\n`, ['\u00a0a\u00a0']],
    ['more after the hash', `a:${HASH}:x:y\nb:${HASH} :z\n`, ['a', 'b']],
    ['names beyond ASCII', `zoë:${HASH}\n\u{1f600}:${HASH}\n`, ['zoë', '\u{1f600}']],
    ['the longest name', `${'n'.repeat(65_535)}:${HASH}\n`, ['n'.repeat(65_535)]],
    [
      'names that objects have',
      `__proto__:${HASH}\nconstructor:${HASH}\n`,
      ['__proto__', 'constructor'],
    ],
  ])('%s', async (_name, text, users) => {
    expect(await names(text)).toEqual(users);
  });

  test('the hash is the one of the line', async () => {
    const { users } = await parsePasswordFile(bytes(`a:${HASH}\nb: ${DEARER}\n`), 'f');
    const [a, b] = [...users.values()].map(formatPasswordHash);
    expect([a, b]).toEqual([HASH, DEARER]);
  });

  test('a line without a colon is skipped, with a warning if there is something in it', async () => {
    const { users, warnings } = await parsePasswordFile(bytes(`\n \t\nalice\na:${HASH}\n`), 'f');
    expect([...users.keys()]).toEqual(['a']);
    expect(warnings).toEqual([
      { file: 'f', line: 3, message: expect.stringContaining('it has no colon') },
    ]);
  });

  test('what most hashes cost is the usual cost', async () => {
    const usual = async (text: string) => (await parsePasswordFile(bytes(text), 'f')).usual;
    expect(await usual('# nobody\n')).toBeNull();
    const mostly = `a:${HASH}\nb:${DEARER}\nc:${DEARER}\n`;
    expect(await usual(mostly)).toMatchObject({ iterations: 999 });
    expect(await usual(`${mostly}d:${HASH}\ne:${HASH}\n`)).toMatchObject({ iterations: 101 });
  });

  test('a file that is longer than a turn is read as a whole', async () => {
    const lines = Array.from({ length: 5_000 }, (_, i) => `user-${i}:${HASH}\n`);
    const { users } = await parsePasswordFile(bytes(lines.join('')), 'f');
    expect(users.size).toBe(5_000);
    expect((await problems(`${lines.join('')}user-0:${HASH}\n`))[0]).toMatch(/^f:5001: /);
  });
});

describe('what is wrong', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['no name', `:${HASH}\n`, 'f:1: the user name must not be empty'],
    ['a blank name', `\n \t:${HASH}\n`, 'f:2: the user name must not be empty'],
    ['no hash', 'a:\n', 'f:1: user "a" has no hash'],
    ['a blank hash', 'a: \t\r\n', 'f:1: user "a" has no hash'],
    ['nothing between two colons', `a::${HASH}\n`, 'f:1: user "a" has no hash'],
    [
      'twice the same name',
      `a:${HASH}\n\n a :${HASH}\n`,
      'f:3: user "a" is in line 1 already: remove one of them',
    ],
    ['twice, the first one bad', `a:x\na:${HASH}\n`, 'f:2: user "a" is in line 1 already'],
    ['a plain password', 'a:secret\n', 'f:1: user "a" is not hashed: it must begin with $6$'],
    ['too many rounds', `a:${HASH.replace('101', '10000001')}\n`, 'from 1 to 10,000,000'],
    [
      'too long a name',
      `${'n'.repeat(65_536)}:${HASH}\n`,
      'f:1: the user name must not have more than 65535 bytes',
    ],
    ['a NUL', `a\0b:${HASH}\n`, 'f:1: the user name must not hold a NUL'],
    [
      'no UTF-8',
      Buffer.from(`b\xe4r:${HASH}\n`, 'latin1'),
      'f:1: the user name is not valid UTF-8',
    ],
  ])('%s', async (_name, text, problem) => {
    expect((await problems(text)).join('\n')).toContain(problem);
  });

  test('all of it is said at once, with lines and without hashes', async () => {
    const said = await problems(`a:secret\n# ok\nb:${HASH}\nb:$6$hunter2\n:x\n`);
    expect(said.map((line) => line.slice(0, 4))).toEqual(['f:1:', 'f:4:', 'f:5:']);
    expect(said.join()).not.toMatch(/secret|hunter2/);
  });

  test('of very many problems a hundred are said', async () => {
    const said = await problems('a:b\n'.repeat(200));
    expect(said).toHaveLength(101);
    expect(said[100]).toBe('f: there are more problems like these');
  });
});

describe('a file on disk', () => {
  test('is read', async () => {
    const file = fileOf(`a:${HASH}\n`);
    const { users, warnings } = await loadPasswordFile(file);
    expect([...users.keys(), ...warnings]).toEqual(['a']);
  });

  test('problems name it', async () => {
    const file = fileOf('a:b\n');
    await expect(loadPasswordFile(file)).rejects.toThrow(`${file}:1: user "a" is not hashed`);
  });

  test.each([
    ['that is not there', path.join(temporaryFolder(), 'none'), 'does not exist: make it with'],
    ['that is a folder', temporaryFolder(), 'is a folder'],
  ])('one %s is an error', async (_name, file, message) => {
    const error = await loadPasswordFile(file).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AccessError);
    expect(error).toMatchObject({ problems: [{ file, line: null }] });
    expect(String(error)).toContain(message);
  });

  test.runIf(process.getuid?.() !== 0)('one that may not be read is an error', async () => {
    const message = 'may not be read by the user that the server runs as';
    await expect(loadPasswordFile(fileOf(`a:${HASH}\n`, 0))).rejects.toThrow(message);
  });

  test('one that everybody can read is a warning, or an error when that is wanted', async () => {
    const file = fileOf(`a:${HASH}\n`, 0o644);
    const { users, warnings } = await loadPasswordFile(file);
    expect(users.size).toBe(1);
    const message = 'can be read by every user of this machine (mode 0644): chmod o-rwx it';
    expect(warnings).toEqual([{ file, line: null, message }]);
    await expect(loadPasswordFile(file, { strictPermissions: true })).rejects.toThrow(
      `${file}: ${message}`,
    );
    chmodSync(file, 0o640);
    expect((await loadPasswordFile(file, { strictPermissions: true })).warnings).toEqual([]);
  });
});

test('permissions of secret files: what others may do counts, through links, too', async () => {
  const file = fileOf('');
  const link = `${file}.link`;
  symlinkSync(file, link);
  const expected: [number, string | null][] = [
    [0o600, null],
    [0o660, null],
    [0o601, null],
    [0o604, 'can be read by'],
    [0o602, 'can be changed by'],
    [0o666, 'can be read and changed by'],
  ];
  for (const [mode, warning] of expected) {
    chmodSync(file, mode);
    for (const name of [file, link]) {
      const said = await permissionWarning(name);
      if (warning === null) expect(said).toBeNull();
      else expect(said).toContain(warning);
    }
  }
  await expect(permissionWarning(`${file}.none`)).rejects.toThrow('ENOENT');
});

test.each([
  ['alice', null],
  ['a b#', null],
  ['', 'must not be empty'],
  ['#a', 'must not begin with #'],
  [' a', 'must not begin or end with a blank'],
  ['a\t', 'must not begin or end with a blank'],
  ['a:b', 'must not hold a colon'],
  ['a\nb', 'must not hold a colon or a line end'],
  ['a\0', 'must not hold a NUL'],
  ['ä'.repeat(32_768), 'must not have more than 65535 bytes'],
])('the name %j can or cannot be in a file', (username, problem) => {
  const found = newUsernameProblem(username);
  if (problem === null) expect(found).toBeNull();
  else expect(found).toContain(problem);
});
