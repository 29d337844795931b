import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CommanderError } from 'commander';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type PasswordFile, parsePasswordFile } from '../../src/auth/passwords/password-file.ts';
import { type CommandLine, parseCommandLine } from '../../src/cli/options.ts';
import { bytes, testHasher } from '../auth/passwords/fixture.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { iothub, iothubFed } from './command.ts';
import { inProcess } from './in-process.ts';

const HASH = `$7$101$AAAAAAAAAAAAAAAA$${'A'.repeat(86)}==`;
/** So that tests are quick. */
const FAST = ['-I', '100'];

let file = '';
beforeEach(() => {
  file = path.join(temporaryFolder(), 'passwords');
});

function content(): string {
  return readFileSync(file, 'utf8');
}

function read(text = content()): Promise<PasswordFile> {
  return parsePasswordFile(bytes(text), 'f');
}

/** Whether this is the password of the user. */
async function fits(username: string, password: string, text = content()): Promise<boolean> {
  const hash = (await read(text)).users.get(username);
  if (hash === undefined) return false;
  return (await testHasher().verify(hash, bytes(password), () => false)) === 'match';
}

/** Runs it; it must go well. Returns what it printed on standard output. */
async function passwd(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await inProcess('passwd', ...args);
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  return stdout;
}

/** Runs it; it must fail with 1. Returns what it printed on standard error. */
async function failing(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await inProcess('passwd', ...args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  return stderr;
}

describe('the command line', () => {
  const set = {
    command: 'passwd',
    action: 'set',
    file: 'f',
    username: 'u',
    source: { kind: 'asked' },
    hash: { algorithm: 'sha512-pbkdf2', iterations: null },
    create: 'no',
  } as const;
  const given = { kind: 'given', password: 'p' } as const;

  test.each<[string, CommandLine]>([
    ['f u', set],
    ['-c f u', { ...set, create: 'new' }],
    ['-c --force f u', { ...set, create: 'replace' }],
    ['-c - u', { ...set, file: null, create: 'new' }],
    ['-b f u p', { ...set, source: given }],
    ['-b f u -p', { ...set, source: { kind: 'given', password: '-p' } }],
    ['-b f u --help', { ...set, source: { kind: 'given', password: '--help' } }],
    ['-cb f u p', { ...set, source: given, create: 'new' }],
    ['-H argon2id f u', { ...set, hash: { algorithm: 'argon2id', iterations: null } }],
    ['-H sha512-pbkdf2 -I 5 f u', { ...set, hash: { ...set.hash, iterations: 5 } }],
    ['-I 10000000 f u', { ...set, hash: { ...set.hash, iterations: 10_000_000 } }],
    ['--machine f u', { ...set, source: { kind: 'machine' } }],
    ['-D f u', { command: 'passwd', action: 'delete', file: 'f', username: 'u' }],
    ['-U f', { command: 'passwd', action: 'hash-plain', file: 'f', hash: set.hash }],
    [
      '-U -H sha512 f',
      {
        command: 'passwd',
        action: 'hash-plain',
        file: 'f',
        hash: { algorithm: 'sha512', iterations: null },
      },
    ],
  ])('%s is understood', (line, meaning) => {
    expect(parseCommandLine(['passwd', ...line.split(' ')])).toEqual(meaning);
  });

  test.each([
    ['', "missing required argument 'file'"],
    ['f', "missing required argument 'user'"],
    ['-c f', "missing required argument 'user'"],
    ['f u secret', 'a password on the command line needs -b, and options come before FILE'],
    ['f u -b secret', 'too many arguments'],
    ['-b f u', '-b needs the password after USER'],
    ['-b f u secret x', 'too many arguments'],
    ['-c -D f u', '-c and -D do not go together'],
    ['-D -U f', '-D and -U do not go together'],
    ['-b --machine f u secret', '-b and --machine do not go together'],
    ['-b -D f u secret', '-b and -D do not go together'],
    ['-D f u secret', 'needs -b'],
    ['-D -H sha512 f u', '-D hashes nothing: leave -H and -I out'],
    ['-U f u', '-U is about all users of the file: leave USER out'],
    ['-U -c f', '-c and -U do not go together'],
    ['--force f u', '--force is for -c'],
    ['- u', 'the standard output ("-") is for -c only'],
    ['-D - u', 'the standard output ("-") is for -c only'],
    ['-U -', 'the standard output ("-") is for -c only'],
    ['-c --machine - u', '--machine prints the password on the standard output'],
    ['-H md5 f u', 'Allowed choices are sha512-pbkdf2, argon2id, sha512'],
    ['-I 0 f u', 'Expected a number from 1 to 10,000,000'],
    ['-I 10000001 f u', 'Expected a number from 1 to 10,000,000'],
    ['-I 1e3 f u', 'Expected a number from 1 to 10,000,000'],
    ['-H sha512 -I 5 f u', '-I is for sha512-pbkdf2, sha512 has no such number'],
    ['-H argon2id -I 5 f u', '-I is for sha512-pbkdf2'],
    ['f a:b', 'The user name must not hold a colon or a line end'],
    ['f #a', 'The user name must not begin with #'],
    ['f -c', 'Options come before FILE'],
  ])('%j is refused in one sentence, without the password', (line, sentence) => {
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    onTestFinished(() => stderr.mockRestore());
    const args = line.split(' ').filter((word) => word !== '');
    expect(() => parseCommandLine(['passwd', ...args])).toThrow(CommanderError);
    const said = stderr.mock.calls.map(([text]) => String(text)).join('');
    expect(said).toContain(sentence);
    expect(said).toMatch(/^iothub: .* See iothub passwd --help\.\n$/);
    expect(said).not.toContain('secret');
  });

  test('what is refused has exit code 2', async () => {
    const { exitCode, stdout, stderr } = await iothub('passwd', 'f', 'u', 'secret');
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(/^iothub: a password on the command line needs -b, .*\n$/);
  });
});

describe('a user', () => {
  test('is put into a new file, which nobody else can read', async () => {
    const stdout = await passwd('-c', '-b', file, 'alice', 'wonder land');
    expect(stdout).toBe('');
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    expect(content()).toMatch(/^alice:\$7\$210000\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{86}==\n$/);
    expect(await fits('alice', 'wonder land')).toBe(true);
    expect(await fits('alice', 'wonderland')).toBe(false);
  });

  test('is added, gets a new password and is removed; what is beside it stays', async () => {
    const before = `# the plant\nbob:${HASH}\n\nsomething\n`;
    writeFileSync(file, before, { mode: 0o600 });
    await passwd(...FAST, '-b', file, 'alice', 'one');
    expect(content().startsWith(before)).toBe(true);
    expect(await fits('alice', 'one')).toBe(true);

    const { stderr } = await inProcess('passwd', ...FAST, '-b', file, 'alice', 'two');
    expect(stderr).toContain('user "alice" has a new password in');
    expect(stderr).toContain(`${file}:4: is skipped, it has no colon`);
    expect([await fits('alice', 'one'), await fits('alice', 'two')]).toEqual([false, true]);

    await passwd('-D', file, 'alice');
    expect(content()).toBe(before);
    expect(readdirSync(path.dirname(file))).toEqual(['passwords']);
  });

  test.each([
    ['sha512', '$6$'],
    ['argon2id', '$argon2id$v=19$m=47104,t=1,p=1$'],
    ['sha512-pbkdf2', '$7$210000$'],
  ])('can be hashed with %s', async (algorithm, start) => {
    await passwd('-H', algorithm, '-c', '-b', file, 'u', 'p');
    expect(content().startsWith(`u:${start}`)).toBe(true);
    expect(await fits('u', 'p')).toBe(true);
  });

  test('may be a machine: the password is made, and printed once', async () => {
    const secrets = [
      (await passwd('-c', '--machine', file, 'm1')).trim(),
      (await passwd('--machine', file, 'm2')).trim(),
    ];
    expect(content()).toMatch(/^m1:\$7\$1000\$.*\nm2:\$7\$1000\$.*\n$/);
    for (const secret of secrets) {
      expect(secret).toMatch(/^[0-9a-f]{64}$/);
      expect(content()).not.toContain(secret);
    }
    expect(secrets[0]).not.toBe(secrets[1]);
    expect(await fits('m1', secrets[0])).toBe(true);
    expect(await fits('m2', secrets[1])).toBe(true);
  });

  test('goes to the standard output with -c -', async () => {
    const stdout = await passwd('-c', ...FAST, '-b', '-', 'u', 'p');
    expect(stdout).toMatch(/^u:\$7\$100\$.*\n$/);
    expect(await fits('u', 'p', stdout)).toBe(true);
  });

  test('has the password that comes on standard input', async () => {
    const { exitCode, stdout } = await iothubFed('ge heim\n', 'passwd', '-c', ...FAST, file, 'u');
    expect([exitCode, stdout]).toEqual([0, '']);
    expect(await fits('u', 'ge heim')).toBe(true);
  });

  test.each([
    ['', 'the password is empty'],
    ['a\0b', 'the password holds a NUL'],
    ['a\nb\n', 'standard input has several lines'],
    ['x'.repeat(4_097), 'the password has more than 4096 bytes'],
    ['x'.repeat(1_000_000), 'the password has more than 4096 bytes'],
  ])('cannot have every password', async (input, message) => {
    const { exitCode, stderr } = await iothubFed(input, 'passwd', '-c', file, 'u');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(message)]);
    expect(existsSync(file)).toBe(false);
  });
});

describe('a file', () => {
  test('that exists is not replaced by -c, unless that is said', async () => {
    writeFileSync(file, `bob:${HASH}\n`, { mode: 0o600 });
    expect(await failing('-c', '-b', file, 'alice', 'p')).toBe(
      `iothub passwd: ${file}: exists: leave out -c to add a user to it, or add --force to replace it, which removes all of its users\n`,
    );
    expect(content()).toBe(`bob:${HASH}\n`);
    await passwd('-c', '--force', ...FAST, '-b', file, 'alice', 'p');
    expect([...(await read()).users.keys()]).toEqual(['alice']);
  });

  test('that does not exist is not made without -c', async () => {
    expect(await failing('-b', file, 'alice', 'p')).toContain('does not exist: add -c to make it');
    expect(await failing('-D', file, 'alice')).toContain('does not exist');
    expect(await failing('-U', file)).toContain('does not exist');
    expect(existsSync(file)).toBe(false);
  });

  test('without the user that is to be removed stays as it is', async () => {
    writeFileSync(file, `bob:${HASH}\n`, { mode: 0o600 });
    expect(await failing('-D', file, 'alice')).toBe(
      `iothub passwd: ${file}: has no user "alice"\n`,
    );
    expect(content()).toBe(`bob:${HASH}\n`);
  });

  test('that everybody could read is closed, and that is said', async () => {
    writeFileSync(file, '');
    chmodSync(file, 0o644);
    const { stderr } = await inProcess('passwd', ...FAST, '-b', file, 'alice', 'p');
    expect(stderr).toContain('was open to every user of this machine (mode 0644)');
    expect((statSync(file).mode & 0o777).toString(8)).toBe('640');
  });

  test('that a server will refuse is changed all the same, and that is said', async () => {
    writeFileSync(file, 'bob:plain\n', { mode: 0o600 });
    const { exitCode, stderr } = await inProcess('passwd', ...FAST, '-b', file, 'alice', 'p');
    expect(exitCode).toBe(0);
    expect(stderr).toContain('a server will refuse this file until it is mended:');
    expect(stderr).toContain(`${file}:1: user "bob" is not hashed`);
    expect(content()).toMatch(/^bob:plain\nalice:\$7\$/);
  });

  test('loses no user when several are added at once', async () => {
    writeFileSync(file, '', { mode: 0o600 });
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(names.map((name) => iothub('passwd', ...FAST, '-b', file, name, 'p')));
    expect([...(await read()).users.keys()].sort()).toEqual(names);
  });
});

describe('-U', () => {
  test('hashes what is not hashed yet', async () => {
    writeFileSync(file, `# top\nalice:pa:ss\nbob:${HASH}\n`, { mode: 0o600 });
    await passwd(...FAST, '-U', file);
    expect(content()).toMatch(/^# top\nalice:\$7\$100\$.*\nbob:\$7\$101\$.*\n$/);
    expect(await fits('alice', 'pa:ss')).toBe(true);
    const once = content();
    await passwd('-U', file);
    expect(content()).toBe(once);
  });

  test('of more passwords than are hashed at a time', async () => {
    const names = Array.from({ length: 130 }, (_, i) => `user-${i}`);
    writeFileSync(file, names.map((name) => `${name}:${name}\n`).join(''), { mode: 0o600 });
    await passwd(...FAST, '-U', file);
    expect([...(await read()).users.keys()]).toEqual(names);
    expect(await fits('user-129', 'user-129')).toBe(true);
  });

  test('says all that it cannot hash, and changes nothing', async () => {
    const text = 'a:x\nb: y\nc:$7$1$z\n';
    writeFileSync(file, text, { mode: 0o600 });
    const said = (await failing('-U', file)).split('\n');
    expect(said[0]).toContain(`${file}:2: the password of "b" begins or ends with a blank`);
    expect(said[1]).toContain(`${file}:3: the password of "c" looks like a hash`);
    expect(content()).toBe(text);
  });
});

test('names cannot play tricks on a terminal', async () => {
  await passwd('-c', ...FAST, '-b', file, 'a', 'p');
  const { stderr } = await inProcess('passwd', '-D', file, '\u202ea\u009b');
  expect(stderr).toBe(`iothub passwd: ${file}: has no user "\\u202ea\\u009b"\n`);
});
