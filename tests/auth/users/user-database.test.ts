// The users in the store: what is kept, when a change counts, and what of a damaged table does not matter.

import { pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { PasswordHasher } from '../../../src/auth/passwords/hasher.ts';
import { parsePasswordHash } from '../../../src/auth/passwords/password-hash.ts';
import { secretsFrom } from '../../../src/auth/scram/secrets.ts';
import type { UserDatabase } from '../../../src/auth/users/user-database.ts';
import type { UserError } from '../../../src/auth/users/user-error.ts';
import { encodeUser } from '../../../src/auth/users/user-record.ts';
import { turns, until } from '../../kit/until.ts';
import { loadUsers, MemoryTable, tableOf, userRecord } from '../../kit/users.ts';
import { testHasher } from '../passwords/fixture.ts';

const PASSWORD = Buffer.from('pencil');
const CREATED = new Date(1_700_000_000_000).toISOString(); // of the fake clock
const ALICE = userRecord('alice', 'pencil', { groups: ['plant'] });
const BOB = userRecord('bob', 'crayon');

function expectProblem(promise: Promise<unknown>, problem: string, text: string): Promise<void> {
  return expect(promise).rejects.toThrow(
    expect.objectContaining({
      name: 'UserError',
      problem,
      message: expect.stringContaining(text),
    }) as UserError,
  );
}

describe('a new user', () => {
  test('is stored with a hash of 210,000 rounds, and with secrets of SCRAM of as many', async () => {
    const { database, table, hasher } = await loadUsers(new MemoryTable());
    const info = await database.add('alice', PASSWORD, { groups: ['plant'] });
    expect(info).toEqual({
      username: 'alice',
      groups: ['plant'],
      isDisabled: false,
      hasScram: true,
      createdAt: CREATED,
      changedAt: CREATED,
      problem: null,
    });
    expect(hasher.derivations).toBe(2);
    const record = table.record('alice');
    expect(record.hash).toMatch(/^\$7\$210000\$/);
    const scram = record.scram as Record<string, string>;
    expect(scram.iterations).toBe(210_000);
    const salt = Buffer.from(scram.salt, 'base64');
    expect(salt).toHaveLength(16);
    const expected = secretsFrom(pbkdf2Sync('pencil', salt, 210_000, 32, 'sha256'), salt, 210_000);
    expect(scram.storedKey).toBe(Buffer.from(expected.storedKey).toString('base64'));
    expect(scram.serverKey).toBe(Buffer.from(expected.serverKey).toString('base64'));
  });

  test('with a machine’s secret has few rounds, as many as RFC 7677 allows', async () => {
    const { database, table } = await loadUsers(new MemoryTable());
    await database.add('sensor', PASSWORD, { isMachine: true });
    const { hash, scram } = table.record('sensor');
    expect(hash).toMatch(/^\$7\$1000\$/);
    expect(scram).toMatchObject({ iterations: 4_096 });
  });

  test('has its password hashed as it is, and prepared for SCRAM', async () => {
    const { database, table, hasher } = await loadUsers(new MemoryTable());
    const password = Buffer.from('I\u00adX ﬁ');
    await database.add('u', password, { isMachine: true });
    const record = table.record('u');
    const scram = record.scram as Record<string, string>;
    const salt = Buffer.from(scram.salt, 'base64');
    const expected = secretsFrom(pbkdf2Sync('IX fi', salt, 4_096, 32, 'sha256'), salt, 4_096);
    expect(scram.storedKey).toBe(Buffer.from(expected.storedKey).toString('base64'));
    const hash = parsePasswordHash(String(record.hash));
    if (typeof hash === 'string') throw new Error(hash);
    expect(await hasher.verify(hash, password, () => false)).toBe('match');
    expect(await hasher.verify(hash, Buffer.from('IX fi'), () => false)).toBe('mismatch');
  });

  test.each([
    ['bytes that are no text', Buffer.of(0x70, 0xff)],
    ['a character that RFC 4013 prohibits', Buffer.from('a\tb')],
  ])('with a password of %s can log in with it, but not by SCRAM', async (_, password) => {
    const { database, table } = await loadUsers(new MemoryTable());
    const info = await database.add('u', password, { isMachine: true });
    expect(info.hasScram).toBe(false);
    expect(table.record('u').scram).toBeNull();
  });

  test('is refused when its name, password or groups cannot be', async () => {
    const { database, hasher, table } = await loadUsers(new MemoryTable());
    const add = (username: string, password = PASSWORD, groups: string[] = []) =>
      database.add(username, password, { groups });
    await expectProblem(add(''), 'invalid', 'the user name is empty');
    await expectProblem(add('a\nb'), 'invalid', 'the user name holds control characters');
    await expectProblem(add('u', Buffer.alloc(0)), 'invalid', 'the password is empty');
    await expectProblem(add('u', Buffer.from('a\0')), 'invalid', 'the password holds a NUL');
    await expectProblem(add('u', PASSWORD, ['g', 'g']), 'invalid', 'a group is named twice');
    expect(hasher.derivations).toBe(0);
    expect(table.entries.size).toBe(0);
  });

  test('is refused when there is one of that name', async () => {
    const { database } = await loadUsers(tableOf(ALICE));
    await expectProblem(database.add('alice', PASSWORD), 'exists', 'a user "alice" already');
  });

  test('is added once by two who do it at the same time', async () => {
    const { database } = await loadUsers(new MemoryTable());
    const both = await Promise.allSettled([
      database.add('u', PASSWORD, { isMachine: true, groups: ['1'] }),
      database.add('u', PASSWORD, { isMachine: true, groups: ['2'] }),
    ]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(database.get('u')?.groups).toEqual(['1']);
  });

  test('is refused when there are as many as may be, those that are being added included', async () => {
    const { database } = await loadUsers(tableOf(ALICE), { usersMax: 2 });
    const second = database.add('u', PASSWORD, { isMachine: true });
    await expectProblem(database.add('v', PASSWORD), 'full', 'there are 2 users');
    await second;
    await expectProblem(database.add('v', PASSWORD), 'full', 'there are 2 users');
    await database.remove('alice');
    await database.add('v', PASSWORD, { isMachine: true });
  });

  test('makes room again when it could not be added', async () => {
    const table = new MemoryTable();
    const { database } = await loadUsers(table, { usersMax: 1 });
    table.error = new Error('the disk is full');
    const failing = database.add('u', PASSWORD, { isMachine: true });
    await expect(failing).rejects.toThrow('the disk is full');
    table.error = null;
    await database.add('v', PASSWORD, { isMachine: true });
  });

  test('is refused when too many passwords wait to be hashed', async () => {
    const hasher = testHasher({ queueMax: 0 });
    const { database } = await loadUsers(new MemoryTable(), { hasher });
    await expect(database.add('u', PASSWORD)).rejects.toThrow('too many passwords wait');
  });
});

describe('a change', () => {
  test('of the password, the groups and whether it is disabled is stored', async () => {
    const { database, table, clock } = await loadUsers(tableOf(ALICE));
    const before = table.record('alice');
    clock.advance(1_000);
    const changedAt = new Date(1_700_000_001_000).toISOString();
    await database.setGroups('alice', ['a', 'b']);
    expect(table.record('alice')).toEqual({ ...before, groups: ['a', 'b'], changedAt });
    await database.disable('alice');
    expect(table.record('alice')).toMatchObject({ isDisabled: true, groups: ['a', 'b'] });
    await database.enable('alice');
    expect(table.record('alice')).toMatchObject({ isDisabled: false });
    await database.disable('alice');
    const info = await database.setPassword('alice', Buffer.from('new'), true);
    expect(info).toMatchObject({ isDisabled: true, groups: ['a', 'b'] });
    const after = table.record('alice');
    expect(after).toMatchObject({ createdAt: ALICE.createdAt, isDisabled: true });
    expect(after.hash).not.toBe(before.hash);
    expect(after.scram).not.toEqual(before.scram);
  });

  test('counts when it is durable, not before', async () => {
    const table = tableOf(ALICE, BOB);
    const { database } = await loadUsers(table);
    table.held = [];
    const changes: string[] = [];
    const disabling = database.disable('alice').then(() => changes.push('disabled'));
    const removing = database.remove('bob').then(() => changes.push('removed'));
    await turns(5);
    expect(changes).toEqual([]);
    expect(database.get('alice')?.isDisabled).toBe(false);
    expect(database.get('bob')).not.toBeNull();
    const { held } = table;
    table.held = null;
    for (const go of held) go();
    await Promise.all([disabling, removing]);
    expect(database.get('alice')?.isDisabled).toBe(true);
    expect(database.get('bob')).toBeNull();
  });

  test('that cannot be stored is refused, and nothing has changed', async () => {
    const table = tableOf(ALICE);
    const { database } = await loadUsers(table);
    table.error = new Error('the disk is full');
    await expect(database.disable('alice')).rejects.toThrow('the disk is full');
    await expect(database.remove('alice')).rejects.toThrow('the disk is full');
    expect(database.get('alice')).toMatchObject({ isDisabled: false });
    table.error = null;
    await database.disable('alice');
    expect(table.record('alice')).toMatchObject({ isDisabled: true });
  });

  test('waits for those of the same user before it, and for nobody else’s', async () => {
    const table = tableOf(ALICE, BOB);
    const { database } = await loadUsers(table);
    await database.enable('alice');
    const held: (() => void)[] = [];
    table.held = held;
    const all = Promise.all([
      database.setGroups('alice', ['new']),
      database.disable('alice'),
      database.disable('bob'),
    ]);
    await turns(5);
    expect(held).toHaveLength(2); // one of alice’s, and bob’s
    held.shift()?.();
    await until(() => held.length === 2);
    for (const go of held) go();
    await all;
    expect(table.record('alice')).toMatchObject({ groups: ['new'], isDisabled: true });
  });

  test('is told once it is durable', async () => {
    const told: string[] = [];
    const onChange = (username: string, change: string) => told.push(`${username} ${change}`);
    const table = tableOf(ALICE);
    const { database } = await loadUsers(table, { onChange });
    await database.add('u', PASSWORD, { isMachine: true });
    await database.setPassword('u', PASSWORD, true);
    await database.setGroups('u', ['g']);
    await database.disable('u');
    await database.enable('u');
    await database.remove('u');
    table.error = new Error('no');
    await expect(database.disable('alice')).rejects.toThrow('no');
    expect(told).toEqual([
      'u added',
      'u password',
      'u groups',
      'u disabled',
      'u enabled',
      'u removed',
    ]);
  });

  test('of somebody who does not exist is refused', async () => {
    const { database, hasher } = await loadUsers(new MemoryTable());
    for (const change of [
      database.setPassword('nobody', PASSWORD),
      database.setGroups('nobody', []),
      database.enable('nobody'),
      database.disable('nobody'),
      database.remove('nobody'),
    ]) {
      await expectProblem(change, 'unknown', 'there is no user "nobody"');
    }
    expect(hasher.derivations).toBe(0);
  });

  test('to groups or a password that cannot be is refused', async () => {
    const { database } = await loadUsers(tableOf(ALICE));
    await expectProblem(database.setGroups('alice', ['a', 'a']), 'invalid', 'named twice');
    await expectProblem(database.setPassword('alice', Buffer.alloc(0)), 'invalid', 'is empty');
  });
});

/** Everything of `alice` and `bob`, as it would be stored. */
function storedOf(database: UserDatabase): string[] {
  return ['alice', 'bob'].map((name) => {
    const user = database.find(name);
    return user === null ? '' : Buffer.from(encodeUser(user)).toString();
  });
}

describe('a database', () => {
  test('has after a restart what it had before', async () => {
    const table = tableOf(BOB);
    const { database } = await loadUsers(table);
    await database.add('alice', PASSWORD, { isMachine: true, groups: ['plant'] });
    await database.disable('bob');
    const again = await loadUsers(table);
    expect(again.database.list()).toEqual(database.list());
    expect(again.database.list().map(({ username }) => username)).toEqual(['alice', 'bob']);
    expect(storedOf(again.database)).toEqual(storedOf(database));
    expect(again.log.lines).toEqual([]);
  });

  test('with records that cannot be read serves the others, and names them', async () => {
    const table = tableOf(ALICE, BOB);
    const newer = { ...table.record('bob'), format: 2 };
    table.entries.set('user/bob', Buffer.from(JSON.stringify(newer)));
    table.entries.set('user/eve', Buffer.from('geheim'));
    table.entries.set('something else', Buffer.from('x'));
    const { database, log } = await loadUsers(table);
    expect(database.find('alice')).toEqual(ALICE);
    expect(database.find('bob')).toBeNull();
    expect(database.isUnreadable('bob')).toBe(true);
    expect(database.isUnreadable('alice')).toBe(false);
    expect(database.list()).toMatchObject([
      { username: 'alice', isDisabled: false, problem: null },
      { username: 'bob', isDisabled: true, problem: expect.stringContaining('the format 2') },
      { username: 'eve', isDisabled: true, problem: 'is not JSON', createdAt: null },
    ]);
    expect(log.lines.map(({ level, fields }) => [level, fields.username])).toEqual([
      ['warn', 'bob'],
      ['warn', 'eve'],
    ]);
    expect(JSON.stringify(log.lines)).not.toContain('geheim');
  });

  test('leaves a record that it cannot read as it is, until the user is removed', async () => {
    const table = tableOf(ALICE);
    const bytes = Buffer.from('{"format":2}');
    table.entries.set('user/alice', bytes);
    const { database } = await loadUsers(table);
    for (const change of [
      database.setPassword('alice', PASSWORD),
      database.setGroups('alice', []),
      database.enable('alice'),
    ]) {
      await expectProblem(change, 'unreadable', 'remove the user and add it again');
    }
    await expectProblem(database.add('alice', PASSWORD), 'exists', 'already');
    expect(table.entries.get('user/alice')).toEqual(bytes);
    await database.remove('alice');
    expect(database.isUnreadable('alice')).toBe(false);
    await database.add('alice', PASSWORD, { isMachine: true });
    expect(database.get('alice')).toMatchObject({ problem: null });
  });

  test('names twenty that cannot be read, and counts the others', async () => {
    const table = new MemoryTable();
    for (let i = 0; i < 25; i++) table.entries.set(`user/${i}`, Buffer.from('x'));
    const { log } = await loadUsers(table);
    expect(log.lines).toHaveLength(21);
    expect(log.lines[20].fields).toEqual({ count: 5 });
  });

  test('serves more than may be, when they are stored', async () => {
    const { database } = await loadUsers(tableOf(ALICE, BOB), { usersMax: 1 });
    expect(database.list()).toHaveLength(2);
    await expectProblem(database.add('u', PASSWORD), 'full', 'there are');
  });

  test('writes nothing when it is only read', async () => {
    const table = new MemoryTable();
    const hasher = new PasswordHasher({ workerProgram: 'nowhere' });
    const { database } = await loadUsers(table, { hasher });
    database.list();
    database.decoys.secretsOf('nobody');
    expect(table.entries.size).toBe(0);
  });

  test('fails to load only when the table cannot be read', async () => {
    const table = new MemoryTable();
    table.load = () => Promise.reject(new Error('no'));
    await expect(loadUsers(table)).rejects.toThrow('no');
  });
});

describe('a user who does not exist', () => {
  /** What is shown of these names. */
  function shown(database: { decoys: { secretsOf(name: string): unknown } }, names: string[]) {
    return names.map((name) => {
      const { salt, iterations } = database.decoys.secretsOf(name) as {
        salt: Uint8Array;
        iterations: number;
      };
      return `${name} ${Buffer.from(salt).toString('hex')} ${iterations}`;
    });
  }
  /** With the same decoys each time that the test runs. */
  function withKey(table: MemoryTable): MemoryTable {
    table.entries.set('decoy-key', Buffer.alloc(32, 7));
    return table;
  }
  const NAMES = Array.from({ length: 400 }, (_, i) => `nobody ${i}`);

  test('has the same salt each time, another than others have, also after a restart', async () => {
    const table = new MemoryTable();
    const { database } = await loadUsers(table);
    await database.add('u', PASSWORD, { isMachine: true });
    const first = shown(database, NAMES);
    expect(shown(database, NAMES)).toEqual(first);
    expect(new Set(first.map((line) => line.split(' ')[2])).size).toBe(NAMES.length);
    expect(first[0]).toMatch(/^nobody 0 [0-9a-f]{32} 4096$/);
    expect(shown((await loadUsers(table)).database, NAMES)).toEqual(first);
    const other = await loadUsers(new MemoryTable());
    await other.database.add('u', PASSWORD, { isMachine: true });
    expect(shown(other.database, NAMES)).not.toEqual(first);
  });

  test('costs as much as those who do exist, in the same proportions', async () => {
    const hash = { ...ALICE.hash, iterations: 210_000 } as typeof ALICE.hash;
    const scram = ALICE.scram && { ...ALICE.scram, iterations: 210_000 };
    const few = userRecord('few', 'x');
    const many = ['a', 'b', 'c'].map((name) => userRecord(name, 'x', { hash, scram }));
    const { database } = await loadUsers(withKey(tableOf(few, ...many)));
    const rounds = NAMES.map((name) => database.decoys.secretsOf(name).iterations);
    const share = rounds.filter((each) => each === 210_000).length / NAMES.length;
    expect(new Set(rounds)).toEqual(new Set([4_096, 210_000]));
    expect(share).toBeGreaterThan(0.6);
    expect(share).toBeLessThan(0.9);
    for (const [i, name] of NAMES.entries()) {
      const decoy = database.decoys.hashOf(name);
      expect(decoy).toMatchObject({ iterations: rounds[i] === 4_096 ? 1 : 210_000 });
    }
  });

  test('stays the same for most names when a user comes', async () => {
    const { database } = await loadUsers(withKey(tableOf(ALICE, BOB)));
    const before = shown(database, NAMES);
    await database.add('u', PASSWORD);
    const after = shown(database, NAMES);
    const same = after.filter((line, i) => line === before[i]).length;
    expect(same).toBeGreaterThan(NAMES.length / 2);
    for (const [i, line] of after.entries()) {
      const [, , salt, iterations] = line.split(' ');
      const [, , saltBefore, iterationsBefore] = before[i].split(' ');
      expect(salt === saltBefore, line).toBe(iterations === iterationsBefore);
    }
  });

  test('costs what those cost who exist now, whatever they cost before', async () => {
    const { database } = await loadUsers(tableOf(ALICE));
    await database.setPassword('alice', PASSWORD);
    const rounds = NAMES.map((name) => database.decoys.secretsOf(name).iterations);
    expect(new Set(rounds)).toEqual(new Set([210_000]));
  });

  test('costs nothing while there is none', async () => {
    const { database } = await loadUsers(tableOf(ALICE));
    expect(database.decoys.hashOf('nobody')).not.toBeNull();
    await database.remove('alice');
    expect(database.decoys.hashOf('nobody')).toBeNull();
    expect(database.decoys.secretsOf('nobody').iterations).toBe(210_000);
  });
});
