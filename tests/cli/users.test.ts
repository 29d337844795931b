// `iothub users`, on the store of a server that is stopped.

import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PasswordHasher } from '../../src/auth/passwords/hasher.ts';
import { DatabaseUserAdmin } from '../../src/auth/users/user-admin.ts';
import { UsersAuthenticator } from '../../src/auth/users/users-authenticator.ts';
import type { PasswordInput } from '../../src/cli/ask-password.ts';
import { type Streams, users } from '../../src/cli/commands/users.ts';
import { StoppedUsers } from '../../src/cli/stopped-users.ts';
import type { UsersTask } from '../../src/cli/users-line.ts';
import { lockFolder } from '../../src/storage/store-folder/lock.ts';
import { HASH_WORKER, request, testHasher } from '../auth/passwords/fixture.ts';
import { loadUsers, MemoryTable, tableOf, userRecord } from '../kit/users.ts';
import {
  CHECK_PROGRAM,
  hostOf,
  makeFolder,
  makeStore,
  removeFolder,
  storageIn,
} from '../storage/folder-fixture.ts';
import { iothub, iothubFed } from './command.ts';

let home = '';
let data = '';
beforeEach(() => {
  home = makeFolder();
  data = path.join(home, 'data');
});
afterEach(() => removeFolder(home));

/** What a command says on its streams, with this on its standard input. */
class Said implements Streams {
  stdoutText = '';
  stderrText = '';
  readonly stdin: PasswordInput;
  readonly stdout = {
    write: (text: string): void => {
      this.stdoutText += text;
    },
  };
  readonly stderr = {
    write: (text: string): void => {
      this.stderrText += text;
    },
  };

  constructor(input = '') {
    this.stdin = (async function* () {
      yield input;
    })();
  }
}

const ALICE = userRecord('alice', 'pencil', { groups: ['plant', 'ops'] });
const BOB = userRecord('bob', 'crayon', { isDisabled: true, scram: null });

/** What a command comes to on these users. */
async function run(
  task: UsersTask,
  { table = tableOf(ALICE, BOB), input = '', json = false } = {},
) {
  const { database, hasher } = await loadUsers(table);
  const said = new Said(input);
  const line = { command: 'users', data, json, task } as const;
  const exitCode = await users(line, new DatabaseUserAdmin(database), said);
  return { exitCode, stdout: said.stdoutText, stderr: said.stderrText, table, hasher, database };
}

describe('what is said', () => {
  test('list: a line for each user, with its groups and what is special', async () => {
    const table = tableOf(ALICE, BOB);
    table.entries.set('user/eve\u001b[2J', Buffer.from('x'));
    const { exitCode, stdout, stderr } = await run({ action: 'list' }, { table });
    expect(stdout).toBe(
      [
        '"alice"         plant, ops',
        '"bob"           -           disabled, no SCRAM',
        '"eve\\u001b[2J"  -           cannot log in: its record is not JSON',
        '',
      ].join('\n'),
    );
    expect([exitCode, stderr]).toEqual([0, '']);
  });

  test('list: nothing where there is nobody, and with --json an empty list', async () => {
    const table = new MemoryTable();
    expect(await run({ action: 'list' }, { table })).toMatchObject({ exitCode: 0, stdout: '' });
    const { stdout } = await run({ action: 'list' }, { table, json: true });
    expect(stdout).toBe('[]\n');
  });

  test('list --json: all that may be told, and nothing that is secret', async () => {
    const { stdout } = await run({ action: 'list' }, { json: true });
    const common = {
      createdAt: '2026-01-02T03:04:05.000Z',
      changedAt: '2026-01-02T03:04:05.000Z',
      problem: null,
    };
    const alice = {
      username: 'alice',
      groups: ['plant', 'ops'],
      isDisabled: false,
      hasScram: true,
      ...common,
    };
    const bob = { username: 'bob', groups: [], isDisabled: true, hasScram: false, ...common };
    expect(JSON.parse(stdout)).toEqual([alice, bob]);
    expect(stdout.match(/\n/g)).toHaveLength(1);
  });

  test('add: that it was added, with the password from standard input', async () => {
    const task = { action: 'add', username: 'u', groups: ['g'], source: 'asked' } as const;
    const { exitCode, stdout, stderr, table } = await run(task, { input: 'geheim\n' });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
    expect(stderr).toBe('iothub users add: user "u" was added\n');
    expect(table.record('u')).toMatchObject({ groups: ['g'], scram: { iterations: 210_000 } });
    expect(table.record('u').hash).toMatch(/^\$7\$210000\$/);
  });

  test('add: that the password is none for SCRAM', async () => {
    const task = { action: 'add', username: 'u', groups: [], source: 'asked' } as const;
    const { stderr } = await run(task, { input: 'ge\theim' });
    expect(stderr).toContain('was added; its password holds characters that SCRAM does not allow');
  });

  test.each([false, true])('add --machine: the password, once (--json: %s)', async (json) => {
    const task = { action: 'add', username: 'u', groups: [], source: 'machine' } as const;
    const { stdout, stderr, database, hasher } = await run(task, { json });
    const password = json ? JSON.parse(stdout).password : stdout.trimEnd();
    expect(password).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(stderr).toBe('iothub users add: user "u" was added\n');
    const authenticator = new UsersAuthenticator({ name: 'users', database, hasher, cache: null });
    const decision = await authenticator.authenticate(request('u', password));
    expect(decision).toMatchObject({ reasonCode: 0, username: 'u' });
    if (json) expect(JSON.parse(stdout)).toMatchObject({ username: 'u', hasScram: true });
  });

  test('passwd: that it has another one, which is all that has changed', async () => {
    const before = tableOf(ALICE).record('alice');
    const task = { action: 'passwd', username: 'alice', source: 'asked' } as const;
    const { stdout, stderr, table } = await run(task, { input: 'new', json: true });
    expect(stderr).toBe('iothub users passwd: user "alice" has a new password\n');
    expect(JSON.parse(stdout)).not.toHaveProperty('password');
    const { hash, scram, changedAt, ...rest } = table.record('alice');
    expect(before).toMatchObject(rest);
    expect(hash).not.toBe(before.hash);
    expect(scram).not.toEqual(before.scram);
    expect(changedAt).not.toBe(before.changedAt);
  });

  test('groups: those that it belongs to, or what they are now', async () => {
    const shown = await run({ action: 'groups', username: 'alice', groups: null });
    expect(shown).toMatchObject({ exitCode: 0, stdout: 'plant\nops\n', stderr: '' });
    const set = await run({ action: 'groups', username: 'alice', groups: ['a', 'b'] });
    expect(set.stderr).toBe('iothub users groups: user "alice" belongs to a, b now\n');
    expect(set.table.record('alice').groups).toEqual(['a', 'b']);
    const none = await run({ action: 'groups', username: 'alice', groups: [] });
    expect(none.stderr).toContain('belongs to no group now');
    expect(none.table.record('alice').groups).toEqual([]);
  });

  test('enable, disable, remove: that it was done', async () => {
    const enabled = await run({ action: 'enable', username: 'bob' });
    expect(enabled.stderr).toBe('iothub users enable: user "bob" may log in\n');
    expect(enabled.table.record('bob').isDisabled).toBe(false);
    const disabled = await run({ action: 'disable', username: 'alice' }, { json: true });
    expect(JSON.parse(disabled.stdout)).toMatchObject({ username: 'alice', isDisabled: true });
    const removed = await run({ action: 'remove', username: 'alice' }, { json: true });
    expect(JSON.parse(removed.stdout)).toEqual({ username: 'alice' });
    expect(removed.stderr).toBe('iothub users remove: user "alice" was removed\n');
    expect(removed.table.entries.has('user/alice')).toBe(false);
  });
});

describe('what goes wrong', () => {
  const asked = { groups: [], source: 'asked' } as const;
  test.each<[UsersTask, string, string]>([
    [{ action: 'add', username: 'alice', ...asked }, 'x', 'there is a user "alice" already'],
    [
      { action: 'add', username: 'alice', groups: [], source: 'machine' },
      '',
      'there is a user "alice" already',
    ],
    [{ action: 'add', username: 'u', ...asked }, '', 'the password is empty'],
    [{ action: 'add', username: 'u', ...asked }, 'a\nb\n', 'standard input has several lines'],
    [{ action: 'add', username: 'u', ...asked }, 'a\0', 'the password holds a NUL'],
    [{ action: 'passwd', username: 'nobody', source: 'asked' }, 'x', 'there is no user "nobody"'],
    [{ action: 'passwd', username: 'nobody', source: 'machine' }, '', 'there is no user "nobody"'],
    [{ action: 'groups', username: 'nobody', groups: null }, '', 'there is no user "nobody"'],
    [{ action: 'groups', username: 'nobody', groups: ['g'] }, '', 'there is no user "nobody"'],
    [{ action: 'enable', username: 'nobody' }, '', 'there is no user "nobody"'],
    [{ action: 'disable', username: 'nobody' }, '', 'there is no user "nobody"'],
    [{ action: 'remove', username: 'nobody' }, '', 'there is no user "nobody"'],
  ])('%j is one sentence on stderr, with exit code 1', async (task, input, sentence) => {
    const { exitCode, stdout, stderr, hasher } = await run(task, { input, json: true });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^iothub users [a-z]+: .*\n$/);
    expect(stderr).toContain(sentence);
    expect(hasher.derivations).toBe(0);
  });

  test('nobody types a password in vain', async () => {
    const { database } = await loadUsers(tableOf(ALICE));
    for (const task of [
      { action: 'add', username: 'alice', ...asked },
      { action: 'passwd', username: 'nobody', source: 'asked' },
    ] as const) {
      const said = new Said();
      const stdin: PasswordInput = {
        [Symbol.asyncIterator]: () => {
          throw new Error('the password was asked for');
        },
      };
      const streams = { stdin, stdout: said.stdout, stderr: said.stderr };
      const line = { command: 'users', data, json: false, task } as const;
      expect(await users(line, new DatabaseUserAdmin(database), streams)).toBe(1);
    }
  });

  test('a password that is not UTF-8 is refused', async () => {
    const { database } = await loadUsers(new MemoryTable());
    const said = new Said();
    const stdin: PasswordInput = (async function* () {
      yield Buffer.of(0xff);
    })();
    const task = { action: 'add', username: 'u', ...asked } as const;
    const line = { command: 'users', data, json: false, task } as const;
    const streams = { stdin, stdout: said.stdout, stderr: said.stderr };
    expect(await users(line, new DatabaseUserAdmin(database), streams)).toBe(1);
    expect(said.stderrText).toBe('iothub users add: the password is not valid UTF-8\n');
  });

  test('a mistake of ours is not made a sentence', async () => {
    const { database } = await loadUsers(new MemoryTable());
    const admin = new DatabaseUserAdmin(database);
    admin.list = () => Promise.reject(new TypeError('oops'));
    const line = { command: 'users', data, json: false, task: { action: 'list' } } as const;
    await expect(users(line, admin, new Said())).rejects.toThrow('oops');
  });

  test('a hasher that ended is one sentence', async () => {
    const hasher = new PasswordHasher();
    await hasher.close();
    const { database } = await loadUsers(new MemoryTable(), { hasher });
    const task = { action: 'add', username: 'u', groups: [], source: 'machine' } as const;
    const said = new Said();
    const line = { command: 'users', data, json: false, task } as const;
    expect(await users(line, new DatabaseUserAdmin(database), said)).toBe(1);
    expect(said.stderrText).toMatch(/^iothub users add: passwords are not hashed any more/);
  });
});

/** What is in the store, with who may log in by it. */
async function stored() {
  const storage = storageIn(data);
  await storage.open(hostOf());
  const table = new MemoryTable();
  for (const { key, value } of storage.list('users', null, 1_000)) table.entries.set(key, value);
  await storage.close();
  const hasher = testHasher();
  const { database } = await loadUsers(table, { hasher });
  return {
    table,
    database,
    login: (username: string, password: string) =>
      new UsersAuthenticator({ name: 'users', database, hasher, cache: null }).authenticate(
        request(username, password),
      ),
  };
}

describe('the command', () => {
  test('works on the store of a stopped server, and leaves the rest of it as it is', async () => {
    await makeStore(data, 3);
    const added = await iothubFed('geheim\n', 'users', 'add', 'alice', '--data', data);
    expect(added).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: 'iothub users add: user "alice" was added\n',
    });
    const groups = ['-g', 'plant', '--group', 'ops'];
    const machine = await iothub('users', 'add', 'm 1', ...groups, '--machine', '--data', data);
    expect(machine.exitCode).toBe(0);
    expect(await iothub('users', 'list', '--data', data)).toEqual({
      exitCode: 0,
      stdout: '"alice"  -\n"m 1"    plant, ops\n',
      stderr: '',
    });
    const { login } = await stored();
    expect(await login('alice', 'geheim')).toMatchObject({ reasonCode: 0 });
    expect(await login('m 1', machine.stdout.trimEnd())).toMatchObject({
      reasonCode: 0,
      groups: ['plant', 'ops'],
    });
    const stats = await iothub('store', 'stats', '--json', '--data', data);
    expect(JSON.parse(stats.stdout)).toMatchObject({ sessions: 3, queuedMessages: 60 });
  }, 60_000);

  test('stores each change: what is asked for next sees it', async () => {
    await makeStore(data, 1);
    const store = { folder: data, version: '0', purpose: 'x', checkProgram: CHECK_PROGRAM };
    const admin = new StoppedUsers(store, { workers: 1, workerProgram: HASH_WORKER });
    const machine = { isMachine: true, password: 'old' };
    await admin.add({ username: 'u', groups: [], ...machine });
    await admin.add({ username: 'v', groups: [], ...machine });
    await admin.setGroups('u', ['g']);
    await admin.setPassword('u', { isMachine: true, password: 'new' });
    await admin.disable('u');
    expect(await admin.get('u')).toMatchObject({ groups: ['g'], isDisabled: true });
    await admin.enable('u');
    await admin.remove('v');
    expect(await admin.list()).toMatchObject([{ username: 'u', isDisabled: false }]);
    const { table, login } = await stored();
    expect([...table.entries.keys()]).toEqual(['decoy-key', 'user/u']);
    expect(await login('u', 'new')).toMatchObject({ reasonCode: 0, groups: ['g'] });
    expect(await admin.get('v')).toBeNull();
  }, 60_000);

  test('says when a server has the store, with exit code 75', async () => {
    await makeStore(data, 1);
    const lock = await lockFolder(data, { version: '0.0.0' });
    try {
      for (const args of [['list'], ['add', 'u', '--machine'], ['remove', 'u']]) {
        const { exitCode, stdout, stderr } = await iothub('users', ...args, '--data', data);
        expect({ exitCode, stdout }).toEqual({ exitCode: 75, stdout: '' });
        expect(stderr).toBe(
          `iothub users ${args[0]}: the data folder ${data} is in use by a server (pid ${process.pid}): stop it first\n`,
        );
      }
    } finally {
      await lock.release();
    }
  });

  test('says when there is no store, with exit code 74, and makes none', async () => {
    const missing = await iothub('users', 'add', 'u', '--machine', '--data', data);
    expect(missing).toMatchObject({ exitCode: 74, stdout: '' });
    expect(missing.stderr).toBe(`iothub users add: ${data} does not exist\n`);
    const empty = await iothub('users', 'list', '--data', home);
    expect(empty).toMatchObject({ exitCode: 74, stdout: '' });
    expect(empty.stderr).toContain(`there is no store in ${home}`);
  });

  test.each([
    [['users'], 'Usage: iothub users'],
    [['users', 'add'], "missing required argument 'user'"],
    [['users', 'add', ''], 'The user name is empty'],
    [['users', 'add', 'a\nb'], 'The user name holds control characters'],
    [['users', 'add', 'ａlice'], 'The user name must be written "alice"'],
    [['users', 'add', 'u', '-g', 'a', '-g', 'a'], 'a group is named twice'],
    [['users', 'add', 'u', '-g', ''], 'cannot be the name of a group'],
    [['users', 'add', 'u', 'geheim'], 'too many arguments'],
    [['users', 'passwd', 'u', '--group', 'g'], "unknown option '--group'"],
    [['users', 'groups', 'u', 'g', '--none'], '--none and groups do not go together'],
    [['users', 'groups', 'u', 'g', 'g'], 'a group is named twice'],
    [['users', 'forbid', 'u'], "unknown command 'forbid'"],
  ])('%j is refused with exit code 2', async (args, sentence) => {
    const { exitCode, stdout, stderr } = await iothub(...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(sentence);
    expect(stderr).not.toContain('geheim');
  });
});
