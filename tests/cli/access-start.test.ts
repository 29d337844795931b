// A start, and `-t`, with files of access control that are not right: exit code 78, every problem a line with its place, nothing is
// served, and the store is as it was.

import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { iothub, iothubFed, type Outcome, ROOT, RunningServer, runNode } from './command.ts';

const LISTENER = '[[listeners]]\nurl = "mqtt://127.0.0.1:0"\n';
const PASSWORDS = '[[authenticators]]\ntype = "password-file"\nfile = "passwd"\n';
const ACL = '[[authorizers]]\ntype = "acl-file"\nfile = "acl"\n';
const JWT =
  '[[authenticators]]\ntype = "jwt"\nissuer = "i"\naudience = ["a"]\n[[authenticators.keys]]\nalgorithms = ["RS256"]\nfile = "key.pem"\n';
const MODULE = '[[authenticators]]\ntype = "./mine.mjs"\n';
const SERVES = /serves MQTT/;

class Place {
  readonly folder = temporaryFolder();
  readonly data = path.join(this.folder, 'data');
  readonly config = path.join(this.folder, 'iothub.toml');

  write(name: string, content: string, mode = 0o600): string {
    const file = path.join(this.folder, name);
    writeFileSync(file, content);
    chmodSync(file, mode);
    return file;
  }

  configure(...toml: string[]): void {
    this.write('iothub.toml', toml.join('\n'));
  }

  start(...args: string[]): Promise<Outcome> {
    return iothub('--config', this.config, '--data', this.data, ...args);
  }

  /** It serves; what its log said until then. */
  async serves(): Promise<string> {
    const args = ['--config', this.config, '--data', this.data];
    const server = new RunningServer({ isPlaced: true }, ...args);
    onTestFinished(() => server.kill());
    await server.port();
    server.child.kill('SIGTERM');
    expect(await server.exit).toBe(0);
    return server.lines.join('\n');
  }
}

/** Neither `-t` nor a start likes it, for these reasons. */
async function refuses(place: Place, ...problems: string[]): Promise<void> {
  const expected = problems.map((problem) => expect.stringContaining(problem));
  for (const flags of [['-t'], []]) {
    const { exitCode, stdout, stderr } = await place.start(...flags);
    expect([exitCode, stderr.trimEnd().split('\n')]).toEqual([78, expected]);
    expect(stdout).not.toMatch(SERVES);
  }
}

describe('a file that', () => {
  test('is not there, or is none, is said with the line that names it', async () => {
    const place = new Place();
    place.configure(LISTENER, PASSWORDS, ACL);
    mkdirSync(path.join(place.folder, 'acl'));
    await refuses(
      place,
      `iothub.toml:6: authenticators[0].file: ${place.folder}/passwd: there is no such file`,
      `iothub.toml:10: authorizers[0].file: ${place.folder}/acl is a directory, not a file`,
    );
    expect(existsSync(place.data)).toBe(false);
  });

  test('has mistakes is said with every line of them, all files at once', async () => {
    const place = new Place();
    place.configure(LISTENER, PASSWORDS, JWT, MODULE, ACL);
    const passwords = place.write('passwd', '# users\nann:plain\nbob:$7$5$AA$AA\n');
    const acl = place.write('acl', 'topic my topic\nuser\n');
    const key = place.write('key.pem', 'no key\n');
    place.write('mine.mjs', 'export const createAuthenticator = () => ({});\n');
    await refuses(
      place,
      `${passwords}:2: user "ann" is not hashed`,
      `${passwords}:3: user "bob" has a damaged hash`,
      key,
      'the module "',
      `${acl}:1: "my" is no access`,
      `${acl}:2: "user" stands alone`,
    );
  });

  test.runIf(process.getuid?.() === 0)('may not be read is said, too', async () => {
    const place = new Place();
    place.configure(LISTENER, PASSWORDS);
    const passwords = place.write('passwd', '', 0o600);
    chmodSync(place.folder, 0o755);
    chmodSync(place.config, 0o644);
    const main = JSON.stringify(path.join(ROOT, 'dist/cli/main.js'));
    const asNobody = `process.setgid(65534); process.setuid(65534); await import(${main});`;
    const args = ['--no-admin', '--config', place.config, '--store', 'memory'];
    const outcome = await runNode(['--input-type=module', '--eval', asNobody, '--', 'x', ...args]);
    expect(outcome.exitCode).toBe(78);
    expect(outcome.stderr).toContain(`${passwords} may not be read by this user`);
  });
});

test('a start that fails leaves the store as it was, and closes what it has begun', async () => {
  const place = new Place();
  place.configure(LISTENER, ACL, MODULE);
  place.write('acl', 'topic readwrite #\n');
  const closed = path.join(place.folder, 'closed');
  place.write(
    'mine.mjs',
    `import { appendFileSync } from 'node:fs';
     export const createAuthenticator = () => ({
       authenticate: () => 'next',
       close: () => appendFileSync(${JSON.stringify(closed)}, 'x'),
     });\n`,
  );
  await place.serves();
  expect(existsSync(closed)).toBe(true);
  rmSync(closed);
  place.write('acl', 'broken');
  expect((await place.start()).exitCode).toBe(78);
  expect(existsSync(closed)).toBe(true);
  rmSync(closed);
  place.write('acl', 'topic readwrite #\n');
  const other = net.createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as net.AddressInfo;
  place.configure(LISTENER.replace(':0', `:${port}`), ACL, MODULE);
  expect(await place.start()).toMatchObject({
    exitCode: 69,
    stderr: expect.stringContaining(`Port ${port} on 127.0.0.1 is in use`),
  });
  expect(existsSync(closed)).toBe(true);
  other.close();
  place.configure(LISTENER, ACL, MODULE);
  expect(await place.serves()).not.toMatch(/unclean|damaged|not stopped/);
  expect((await iothub('store', 'verify', '--data', place.data)).exitCode).toBe(0);
}, 60_000);

describe('secrets that every user can read', () => {
  async function withSecret(more = '') {
    const place = new Place();
    place.configure(LISTENER, PASSWORDS, more);
    const passwords = path.join(place.folder, 'passwd');
    const made = await iothubFed('', 'passwd', '-c', '-b', passwords, 'ann', 'geheim');
    expect(made.exitCode).toBe(0);
    chmodSync(passwords, 0o644);
    const warning = `${passwords}: can be read by every user of this machine (mode 0644)`;
    return { place, passwords, warning };
  }

  test('are a warning', async () => {
    const { place, passwords, warning } = await withSecret();
    const tested = await place.start('-t');
    expect([tested.exitCode, tested.stdout]).toEqual([0, expect.stringMatching(/^ok\n/)]);
    expect(tested.stderr).toContain(`warning: ${warning}`);
    const log = await place.serves();
    expect(log).toMatch(/"level":"warn".*can be read by every user of this machine/);
    expect(log).toContain(`"file":"${passwords}"`);
  }, 30_000);

  test('are an error where permissions are strict', async () => {
    const { place, passwords, warning } = await withSecret('[access]\nstrict_permissions = true\n');
    await refuses(place, warning);
    chmodSync(passwords, 0o640);
    expect((await place.start('-t')).exitCode).toBe(0);
  }, 30_000);

  test.each([
    ['[[authenticators]]\ntype = "http"\nurl = "http://127.0.0.1:9/"\n', '', false],
    [
      '[[authenticators]]\ntype = "http"\nurl = "http://127.0.0.1:9/"\n',
      '[authenticators.headers]\nauthorization = "Bearer geheim"\n',
      true,
    ],
  ])(
    'are those in the configuration itself, too',
    async (authenticator, headers, isTold) => {
      const place = new Place();
      place.configure(LISTENER, authenticator, headers, '[access]\n');
      chmodSync(place.config, 0o644);
      const warning = `${place.config}: can be read by every user of this machine (mode 0644)`;
      const { exitCode, stderr } = await place.start('-t');
      expect([exitCode, stderr.includes(`warning: ${warning}`)]).toEqual([0, isTold]);
      expect(stderr).not.toContain('geheim');
      place.configure(LISTENER, authenticator, headers, '[access]\nstrict_permissions = true\n');
      chmodSync(place.config, 0o644);
      if (isTold) await refuses(place, warning);
      else expect((await place.start('-t')).exitCode).toBe(0);
    },
    30_000,
  );
});

test('-t is content with users of the store, whoever names them, and does not look for a store', async () => {
  const place = new Place();
  const users = '[[authenticators]]\ntype = "users"\n';
  const named = `${LISTENER}authenticators = ["users"]\nanonymous = false\n`;
  place.configure(named, PASSWORDS, users, ACL);
  place.write('passwd', '');
  place.write('acl', '');
  const tested = await place.start('-t');
  expect(tested).toMatchObject({ exitCode: 0, stderr: '' });
  expect(existsSync(place.data)).toBe(false);
});
