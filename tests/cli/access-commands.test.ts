// `iothub users`, `ban` and `reload`, with a server that runs, and with one that is stopped: what they say, and what it does.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { PacketType } from '../../src/protocol/index.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LoginClient, type Shown } from '../kit/login-client.ts';
import { dial } from '../kit/secure-server.ts';
import { until } from '../kit/until.ts';
import { iothub, iothubFed, type Outcome, RunningServer } from './command.ts';
import { inProcess } from './in-process.ts';

const TOML = `
[[listeners]]
url = "mqtt://127.0.0.1:0"
[[authenticators]]
type = "users"
[[authorizers]]
type = "acl-file"
file = "acl"
[access]
watch = false
`;

function aclOf(...users: string[]): string {
  return users.map((user) => `user ${user}\ntopic readwrite ${user}/#\n`).join('');
}

class Place {
  readonly folder = temporaryFolder();
  readonly data = path.join(this.folder, 'data');
  readonly config = this.write('iothub.toml', TOML);
  #server: RunningServer | null = null;
  port = 0;

  constructor() {
    this.write('acl', aclOf('ann', 'bob', 'carl', 'dora'));
  }

  write(name: string, content: string): string {
    const file = path.join(this.folder, name);
    writeFileSync(file, content, { mode: 0o600 });
    return file;
  }

  get server(): RunningServer {
    if (this.#server === null) throw new Error('it is stopped');
    return this.#server;
  }

  async start(): Promise<void> {
    const args = ['--config', this.config, '--data', this.data];
    const server = new RunningServer({ isPlaced: true }, ...args);
    this.#server = server;
    this.port = await server.port();
  }

  async stop(): Promise<void> {
    this.server.child.kill('SIGTERM');
    expect(await this.server.exit).toBe(0);
    this.#server = null;
  }

  kill(): void {
    this.#server?.kill();
  }

  run(...args: string[]): Promise<Outcome> {
    return inProcess(...args, '--data', this.data);
  }

  /** The same with this password. */
  typed(password: string, ...args: string[]): Promise<Outcome> {
    return iothubFed(`${password}\n`, ...args, '--data', this.data);
  }

  /** What a command that works prints as JSON. */
  async json(...args: string[]): Promise<unknown> {
    const { exitCode, stdout, stderr } = await this.run(...args, '--json');
    expect(exitCode, stderr).toBe(0);
    expect(stdout.split('\n')).toHaveLength(2);
    return JSON.parse(stdout);
  }

  async fails(exitCode: number, sentence: string, ...args: string[]): Promise<void> {
    const outcome = await this.run(...args);
    const said = `iothub ${args[0]}${args[0] === 'users' ? ` ${args[1]}` : ''}: ${sentence}\n`;
    expect(outcome).toEqual({ exitCode, stdout: '', stderr: said });
  }

  /** A client of the server, which has answered its CONNECT with that. */
  async enters(code: number, shown: Shown): Promise<LoginClient> {
    const client = LoginClient.on(dial(this.port));
    client.show(shown);
    expect(await client.code()).toBe(code);
    return client;
  }
}

const ANN = { clientId: 'a', username: 'ann', password: 'geheim' };
const DONE = { exitCode: 0, stdout: '' };

describe.each(['running', 'stopped'])('with a server that is %s', (state) => {
  let place: Place;

  beforeAll(async () => {
    place = new Place();
    await place.start();
    if (state === 'stopped') await place.stop();
    return () => place.kill();
  }, 60_000);

  test('users are added, told and changed', async () => {
    expect(await place.typed('geheim', 'users', 'add', 'ann', '-g', 'ops')).toEqual({
      ...DONE,
      stderr: 'iothub users add: user "ann" was added\n',
    });
    expect(await place.json('users', 'add', 'ä/b %', '--machine')).toMatchObject({
      username: 'ä/b %',
      password: expect.stringMatching(/^.{43}$/),
    });
    expect(await place.json('users', 'list')).toMatchObject([
      { username: 'ann', groups: ['ops'], isDisabled: false, hasScram: true },
      { username: 'ä/b %', groups: [] },
    ]);
    const groups = ['a', 'b'];
    expect(await place.json('users', 'groups', 'ä/b %', ...groups)).toMatchObject({ groups });
    expect(await place.run('users', 'groups', 'ä/b %')).toMatchObject({ stdout: 'a\nb\n' });
    expect(await place.json('users', 'disable', 'ä/b %')).toMatchObject({ isDisabled: true });
    expect(await place.json('users', 'enable', 'ä/b %')).toMatchObject({ isDisabled: false });
    expect(await place.json('users', 'remove', 'ä/b %')).toEqual({ username: 'ä/b %' });
    for (const action of ['enable', 'disable', 'remove', 'groups']) {
      await place.fails(1, 'there is no user "bob"', 'users', action, 'bob');
    }
    const { exitCode, stderr } = await place.run('users', 'add', 'ann', '--machine');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('a user "ann" already')]);
  }, 60_000);

  test('bans are made, told and lifted', async () => {
    const made = (await place.json('ban', 'add', '--username', 'x*', '--for', '1h')) as {
      ban: { createdAt: string; expiresAt: string };
    };
    expect(made).toMatchObject({
      ban: { kind: 'username', pattern: 'x*', reason: '', origin: 'cli' },
      kicked: 0,
    });
    const { createdAt, expiresAt } = made.ban;
    expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBe(3_600_000);
    const range = ['--address', '192.0.2.0/24'];
    const line = 'address 192.0.2.0/24, until it is lifted, by cli: a "b"\n';
    expect(await place.run('ban', 'add', ...range, '--reason', 'a "b"')).toEqual({
      ...DONE,
      stderr: `iothub ban: banned: ${line}`,
    });
    expect(await place.run('ban', 'list')).toEqual({
      ...DONE,
      stdout: `username x*, until ${expiresAt}, by cli\n${line}`,
      stderr: '',
    });
    expect(await place.json('ban', 'list')).toMatchObject([
      made.ban,
      { kind: 'address', pattern: '192.0.2.0/24', expiresAt: null },
    ]);
    expect(await place.run('ban', 'remove', ...range)).toEqual({
      ...DONE,
      stderr: 'iothub ban: the ban is lifted\n',
    });
    const gone = 'there is no ban of the address 192.0.2.0/24';
    await place.fails(1, gone, 'ban', 'remove', ...range);
  }, 60_000);

  test('what is no ban is none, and the list is as it was', async () => {
    const before = await place.json('ban', 'list');
    const bits =
      '"10.1.2.3/8" has bits beyond its prefix: write 10.0.0.0/8 for the range, or 10.1.2.3 for the one address';
    await place.fails(1, bits, 'ban', 'add', '--address', '10.1.2.3/8');
    await place.fails(1, bits, 'ban', 'remove', '--address', '10.1.2.3/8');
    const long =
      'a ban lasts for a hundred years at most; leave the time out for a ban without an end';
    await place.fails(1, long, 'ban', 'add', '--client-id', 'c', '--for', '99999999d');
    expect(await place.json('ban', 'list')).toEqual(before);
  }, 60_000);

  test('what was changed is so after the next start', async () => {
    const [users, bans] = [await place.json('users', 'list'), await place.json('ban', 'list')];
    if (state === 'running') await place.stop();
    await place.start();
    expect(await place.json('users', 'list')).toEqual(users);
    expect(await place.json('ban', 'list')).toEqual(bans);
    await place.enters(0, ANN);
    await place.enters(0x8a, { clientId: 'x', username: 'xaver', password: 'geheim' });
    await place.stop();
  }, 60_000);
});

/** A server that runs for one test. */
async function running(): Promise<Place> {
  const place = new Place();
  onTestFinished(() => place.kill());
  await place.start();
  expect((await place.typed('geheim', 'users', 'add', 'ann')).exitCode).toBe(0);
  return place;
}

describe('a server that runs', () => {
  test('ends clients of users that are changed, and those who are banned with --kick', async () => {
    const place = await running();
    const [one, other, banned] = await Promise.all(
      ['a1', 'a2', 'a3'].map((clientId) => place.enters(0, { ...ANN, clientId })),
    );
    const ban = ['ban', 'add', '--client-id', 'a3', '--for', '1h'];
    expect(await place.json(...ban)).toMatchObject({ kicked: 0 });
    banned.send({ type: PacketType.Pingreq });
    await banned.next(PacketType.Pingresp);
    expect(await place.json(...ban, '--kick')).toMatchObject({ kicked: 1 });
    expect(await banned.disconnected()).toBe(0x98);
    await place.enters(0x8a, { ...ANN, clientId: 'a3' });
    expect((await place.typed('other', 'users', 'passwd', 'ann')).exitCode).toBe(0);
    expect(await Promise.all([one.disconnected(), other.disconnected()])).toEqual([0x87, 0x87]);
    await place.enters(0x86, ANN);
    const again = await place.enters(0, { ...ANN, password: 'other' });
    await place.json('users', 'disable', 'ann');
    expect(await again.disconnected()).toBe(0x87);
    await place.enters(0x86, { ...ANN, password: 'other' });
  }, 60_000);

  test('reloads, foretells, refuses what looks like a mistake, and takes it by --force', async () => {
    const place = await running();
    const client = await place.enters(0, ANN);
    client.subscribe('ann/t');
    await client.next(PacketType.Suback);
    const nothing = 'nothing is different\n';
    expect(await place.run('reload')).toEqual({ ...DONE, stdout: nothing, stderr: '' });
    const acl = place.write('acl', aclOf('bob', 'carl', 'dora'));
    const change = `rules of ${acl}: 1 removed (ann: topic readwrite ann/#)\n`;
    for (const [flags, were] of [
      [['--dry-run'], 'would be'],
      [[], 'were'],
    ] as const) {
      const effects = `0 clients ${were} ended, 1 subscriptions ${were} muted\n`;
      expect(await place.run('reload', ...flags)).toEqual({
        ...{ ...DONE, stderr: '' },
        stdout: change + effects,
      });
    }
    place.write('acl', aclOf('bob'));
    const doubt =
      'of 3 only 1 are left; if that is meant, reload with --force (iothub reload --force)';
    for (const flags of [[], ['--dry-run']]) {
      const { exitCode, stdout, stderr } = await place.run('reload', ...flags);
      expect([exitCode, stderr]).toEqual([1, `iothub reload: rules of ${acl}: ${doubt}\n`]);
      expect(stdout).toMatch(/nothing was changed\n$/);
    }
    expect(await place.json('reload', '--dry-run', '--force')).toMatchObject({ problems: [] });
    expect(await place.json('reload', '--force')).toEqual({
      changes: [
        `rules of ${acl}: 2 removed (carl: topic readwrite carl/#, dora: topic readwrite dora/#)`,
      ],
      ...{ ended: 0, muted: 0, afterRestart: [], problems: [] },
    });
    place.write('acl', 'topic my topic\n');
    const broken = await place.run('reload', '--json');
    expect(broken).toMatchObject({ exitCode: 1, stderr: '' });
    expect(JSON.parse(broken.stdout)).toMatchObject({
      problems: [expect.stringContaining(`${acl}:1: "my" is no access`)],
    });
    place.write('acl', aclOf('bob'));
    place.write('iothub.toml', `${TOML}[limits]\nsessions_max = 5\n`);
    expect(await place.run('reload')).toEqual({
      ...{ ...DONE, stderr: '' },
      stdout: `only after a restart: limits\n${nothing}`,
    });
  }, 60_000);

  test('that is stopped while it reloads answers, or ends without a word, and is stopped', async () => {
    const place = await running();
    place.write('acl', aclOf('ann', 'bob', 'carl'));
    const reload = iothub('reload', '--data', place.data);
    place.write('acl', aclOf('ann', 'bob'));
    await place.stop();
    const { exitCode, stderr } = await reload;
    expect([0, 1, 69]).toContain(exitCode);
    expect(stderr).not.toContain('    at ');
    expect(existsSync(path.join(place.data, 'control.sock'))).toBe(false);
  }, 60_000);

  test('is stopped while somebody is asked about a client who never answers', async () => {
    const place = new Place();
    onTestFinished(() => place.kill());
    place.write(
      'mine.mjs',
      `export const createAuthenticator = () => ({
         authenticate: ({ username }) => ({ reasonCode: 0, username }),
         review: () => new Promise(() => {}),
       });\n`,
    );
    place.write('iothub.toml', TOML.replace('"users"', '"./mine.mjs"\ntimeout = "1m"'));
    await place.start();
    await place.enters(0, ANN);
    const reload = iothub('reload', '--data', place.data);
    await place.server.line(/The configuration was reloaded/);
    await place.stop();
    const { exitCode, stderr } = await reload;
    expect([exitCode, stderr]).toEqual([
      1,
      'iothub reload: the server ended before it had answered\n',
    ]);
  }, 60_000);

  test('can be asked as soon as it says that it serves', async () => {
    const place = await running();
    for (let i = 0; i < 3; i++) {
      await place.stop();
      await place.start();
      expect(await place.run('ban', 'list')).toEqual({ ...DONE, stderr: '' });
    }
    await place.stop();
    await until(() => !existsSync(path.join(place.data, 'control.sock')));
  }, 60_000);

  test('with memory only has no socket, so that nobody can ask it', async () => {
    const data = path.join(temporaryFolder(), 'data');
    const server = new RunningServer('--store', 'memory', '--data', data);
    onTestFinished(() => server.kill());
    await server.port();
    const { exitCode, stderr } = await inProcess('reload', '--data', data);
    expect([exitCode, stderr]).toEqual([
      69,
      `iothub reload: no server runs on the data folder ${data}: start it, or name its folder with --data\n`,
    ]);
    expect(existsSync(data)).toBe(false);
  }, 30_000);

  test('serves without a socket where none can be', async () => {
    const place = new Place();
    onTestFinished(() => place.kill());
    mkdirSync(path.join(place.data, 'control.sock', 'in-the-way'), { recursive: true });
    await place.start();
    expect(place.server.lines.join('\n')).toContain('there is no control socket');
    await place.enters(0x86, ANN);
    await place.stop();
  }, 30_000);
});
