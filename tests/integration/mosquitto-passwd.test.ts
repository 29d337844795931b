// Password files beside Mosquitto's own tools: what mosquitto_passwd and argon2 write is read here, and Mosquitto lets in whom
// `iothub passwd` wrote. And `iothub passwd` on a terminal.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { loadPasswordFile, parsePasswordFile } from '../../src/auth/passwords/password-file.ts';
import { PasswordFileAuthenticator } from '../../src/auth/passwords/password-file-authenticator.ts';
import { formatPasswordHash } from '../../src/auth/passwords/password-hash.ts';
import { bytes, request, testHasher } from '../auth/passwords/fixture.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { run, within } from './hub.ts';
import { MOSQUITTO_ADDRESS, startMosquitto } from './mosquitto-server.ts';

const PASSWORDS = ['p', 'two words', 'pässwörd', 'x'.repeat(200), 'quo\'te"$d', '-dash'];

let file = '';
beforeEach(() => {
  file = path.join(temporaryFolder(), 'passwords');
});

async function succeed(command: string, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, input).finished;
  expect(code, stderr).toBe(0);
  return stdout;
}

function iothubPasswd(...args: string[]): Promise<string> {
  return succeed(process.execPath, ['dist/cli/main.js', 'passwd', ...args]);
}

/** The answer of IoTHub's authenticator to this login. */
async function login(username: string, password: string): Promise<number | 'next'> {
  const passwords = await loadPasswordFile(file);
  const hasher = testHasher();
  const options = { name: 'file', passwords, hasher, cache: null };
  const decision = await new PasswordFileAuthenticator(options).authenticate(
    request(username, password),
  );
  return decision === 'next' ? decision : decision.reasonCode;
}

/** What mosquitto_pub ends with: 0 if Mosquitto let it in. */
async function mosquittoLogin(port: number, username: string, password: string) {
  const where = ['-h', MOSQUITTO_ADDRESS, '-p', String(port), '-V', '5', '-q', '1'];
  const who = ['-u', username, '-P', password];
  const { code } = await run('mosquitto_pub', [...where, ...who, '-t', 't', '-m', 'm']).finished;
  return code;
}

/** Exit code of mosquitto_pub for Not authorized. */
const REFUSED = 135;

describe('files of mosquitto_passwd', () => {
  test.each(['sha512', 'sha512-pbkdf2'])('%s', async (algorithm) => {
    writeFileSync(file, '', { mode: 0o600 });
    for (const [i, password] of PASSWORDS.entries()) {
      const args = ['-H', algorithm, '-b', file, `user ${i}`, password];
      await succeed('mosquitto_passwd', args);
    }
    for (const [i, password] of PASSWORDS.entries()) {
      expect(await login(`user ${i}`, password)).toBe(0);
      expect(await login(`user ${i}`, `${password}!`)).toBe(0x86);
    }
    expect(await login('user', 'p')).toBe('next');
  });

  test('a file that was plain text', async () => {
    writeFileSync(file, 'alice:secret\nbob:hidden\n', { mode: 0o600 });
    await succeed('mosquitto_passwd', ['-U', file]);
    expect([await login('alice', 'secret'), await login('bob', 'secret')]).toEqual([0, 0x86]);
  });

  test('a file that both have written', async () => {
    await iothubPasswd('-c', '-b', file, 'alice', 'one');
    await succeed('mosquitto_passwd', ['-b', file, 'bob', 'two']);
    await iothubPasswd('-b', file, 'carol', 'three');
    await succeed('mosquitto_passwd', ['-D', file, 'alice']);
    await succeed('mosquitto_passwd', ['-b', file, 'carol', 'four']);
    expect(await login('alice', 'one')).toBe('next');
    expect(await login('bob', 'two')).toBe(0);
    expect([await login('carol', 'three'), await login('carol', 'four')]).toEqual([0x86, 0]);
  });
});

test.each(['sha512', 'sha512-pbkdf2'])(
  'Mosquitto lets in whom iothub passwd wrote: %s',
  async (algorithm) => {
    const plain = PASSWORDS.map((password, i) => `user ${i}:${password}\n`);
    writeFileSync(file, `# both read this\n${plain.join('')}`, { mode: 0o600 });
    await iothubPasswd('-U', '-H', algorithm, file);
    await iothubPasswd('-H', algorithm, '-b', file, 'alice', 'one');
    await iothubPasswd('-D', file, 'user 0');
    const secret = (await iothubPasswd('--machine', file, 'machine')).trim();
    const port = await startMosquitto('allow_anonymous false', `password_file ${file}`);
    for (const [i, password] of PASSWORDS.entries()) {
      expect(await mosquittoLogin(port, `user ${i}`, password)).toBe(i === 0 ? REFUSED : 0);
    }
    expect(await mosquittoLogin(port, 'alice', 'one')).toBe(0);
    expect(await mosquittoLogin(port, 'alice', 'two')).toBe(REFUSED);
    expect(await mosquittoLogin(port, 'machine', secret)).toBe(0);
  },
);

describe('argon2', () => {
  const SALTS = ['saltsalt', 'sixteen bytes :)', '0123456789abcdef'.repeat(4)];
  const COSTS = [
    { memoryKiB: 64, passes: 1, lanes: 1, length: 64 },
    { memoryKiB: 1_024, passes: 3, lanes: 4, length: 32 },
    { memoryKiB: 47_104, passes: 1, lanes: 1, length: 64 },
  ];

  test.each(SALTS)('hashes alike, and writes alike, with the salt %s', async (salt) => {
    const hasher = testHasher();
    for (const { length, ...cost } of COSTS) {
      const options = ['-t', cost.passes, '-k', cost.memoryKiB, '-p', cost.lanes, '-l', length];
      const args = [salt, '-id', ...options.map(String), '-e'];
      const theirs = (await succeed('argon2', args, 'pässword')).trim();
      const empty = { algorithm: 'argon2id', ...cost, salt: bytes(salt) } as const;
      const model = { ...empty, hash: new Uint8Array(length) };
      const hash = await hasher.hash(model, bytes('pässword'));
      expect(formatPasswordHash({ ...model, hash })).toBe(theirs);

      writeFileSync(file, `alice:${theirs}\n`, { mode: 0o600 });
      expect([await login('alice', 'pässword'), await login('alice', 'password')]).toEqual([
        0, 0x86,
      ]);
    }
  });
});

test('on a terminal the password is asked for twice, and not shown', async () => {
  const command = `${process.execPath} dist/cli/main.js passwd -c -I 100 ${file} alice`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let shown = '';
  const answers = [
    ['Password: ', 'geheim\r'],
    ['Once more: ', 'geheim\r'],
  ];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    if (answers.length > 0 && shown.includes(answers[0][0]))
      child.stdin.write(answers.shift()?.[1]);
  });
  const [code] = await within(once(child, 'close'), () => `it ends; it shows\n${shown}`);
  expect([code, existsSync(file)]).toEqual([0, true]);
  expect(shown).not.toContain('geheim');
  expect((await parsePasswordFile(readFileSync(file), file)).users.size).toBe(1);
  expect(await login('alice', 'geheim')).toBe(0);
});
