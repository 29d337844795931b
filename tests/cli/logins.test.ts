// Users of the store who log in to the admin API: the password is looked at as for MQTT, and what a login may goes by the user as it
// is now.

import { beforeEach, describe, expect, test } from 'vitest';
import { Guard } from '../../src/auth/guard/guard.ts';
import { Tokens } from '../../src/auth/tokens/tokens.ts';
import { UserDatabase } from '../../src/auth/users/user-database.ts';
import type { AccessServices } from '../../src/cli/access/services.ts';
import { Authority } from '../../src/cli/admin/authority.ts';
import { Logins } from '../../src/cli/admin/logins.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { testHasher } from '../auth/passwords/fixture.ts';
import { LogBook } from '../kit/log-book.ts';

const GROUPS = {
  viewerGroups: ['staff'],
  operatorGroups: ['operators'],
  adminGroups: ['admins'],
  loginTtlMs: 60_000,
};

let clock: FakeClock;
let guard: Guard;
let users: UserDatabase;
let logins: Logins;

beforeEach(async () => {
  clock = new FakeClock();
  guard = new Guard({ clock, settings: { failuresMax: 3 } });
  const hasher = testHasher();
  const table = { load: async () => [], put: async () => {}, remove: async () => {} };
  users = await UserDatabase.load({ table, hasher, clock });
  const services = { users, hasher } as unknown as AccessServices; // only these are asked for
  logins = new Logins({ config: GROUPS, guard, services: () => services, clock });
  await users.add('ann', Buffer.from('opensesame'), { groups: ['staff'], isMachine: true });
});

function login(password: string, username = 'ann', address = '192.0.2.1') {
  return logins.login({ username, password, address, port: 4_711 });
}

async function secretOf(): Promise<string> {
  const answer = await login('opensesame');
  if (answer.outcome !== 'in') throw new Error(`it is ${answer.outcome}`);
  return answer.secret;
}

describe('a login', () => {
  test.each([
    [['staff'], 'viewer'],
    [['staff', 'operators'], 'operator'],
    [['admins', 'staff'], 'admin'],
  ])('of somebody in %j has the role %s', async (groups, role) => {
    await users.setGroups('ann', groups);
    const answer = await login('opensesame');
    expect(answer).toMatchObject({ outcome: 'in', role });
  });

  test('of somebody in no such group has none', async () => {
    await users.setGroups('ann', ['others']);
    expect(await login('opensesame')).toEqual({ outcome: 'none' });
  });

  test('needs the right password, of a user who is there and not disabled', async () => {
    expect(await login('wrong')).toEqual({ outcome: 'wrong' });
    expect(await login('opensesame', 'bob')).toEqual({ outcome: 'wrong' });
    await users.disable('ann');
    expect(await login('opensesame')).toEqual({ outcome: 'wrong' });
  });

  test('that fails too often waits, from that address only', async () => {
    for (let i = 0; i < 3; i++) await login('wrong');
    expect(await login('opensesame')).toEqual({ outcome: 'later' });
    expect(await login('opensesame', 'ann', '192.0.2.2')).toMatchObject({ outcome: 'in' });
  });

  test('is looked at with few others, of an address and in all, and told to come later', async () => {
    const outcomes = await Promise.all([1, 2, 3].map(() => login('opensesame')));
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['in', 'in', 'later']);
    const crowd = await Promise.all(
      Array.from({ length: 9 }, (_, i) => login('opensesame', 'ann', `192.0.2.${i}`)),
    );
    expect(crowd.map(({ outcome }) => outcome)).toEqual([...Array(8).fill('in'), 'later']);
    expect(await login('opensesame')).toMatchObject({ outcome: 'in' });
  });

  test('where no group may is none, whether the password is right or not', async () => {
    const services = { users, hasher: testHasher() } as unknown as AccessServices;
    const config = { viewerGroups: [], operatorGroups: [], adminGroups: [], loginTtlMs: 1 };
    const closed = new Logins({ config, guard, services: () => services, clock });
    for (const password of ['opensesame', 'wrong']) {
      const who = { username: 'ann', password, address: '192.0.2.1', port: 1 };
      expect(await closed.login(who)).toEqual({ outcome: 'none' });
    }
  });

  test('of a banned user, or from a banned address, is none', async () => {
    await guard.bans.add({ kind: 'username', pattern: 'ann' });
    expect(await login('opensesame')).toEqual({ outcome: 'banned' });
  });
});

describe('what a login gives', () => {
  test('is who it is, as long as it lasts', async () => {
    const secret = await secretOf();
    expect(logins.find(secret)).toEqual({ kind: 'user', name: 'ann', role: 'viewer' });
    clock.advance(59_999);
    expect(logins.find(secret)).not.toBeNull();
    clock.advance(1);
    expect(logins.find(secret)).toBeNull();
  });

  test('goes by the groups of now', async () => {
    const secret = await secretOf();
    await users.setGroups('ann', ['admins']);
    expect(logins.find(secret)?.role).toBe('admin');
    await users.setGroups('ann', []);
    expect(logins.find(secret)).toBeNull();
  });

  test.each([
    ['is disabled', () => users.disable('ann')],
    ['is removed', () => users.remove('ann')],
    ['has another password', () => users.setPassword('ann', Buffer.from('other'), true)],
  ])('ends when the user %s', async (_what, change) => {
    const secret = await secretOf();
    await change();
    expect(logins.find(secret)).toBeNull();
  });
});

test('an authority knows tokens and logins, and nobody else', async () => {
  const tokens = new Tokens(clock);
  const log = new LogBook();
  const authority = new Authority(tokens, logins, log);
  const { secret } = await tokens.add({
    ...{ name: 'ci', role: 'operator', origin: 'cli', expiresInMs: null },
  });
  const address = '192.0.2.1';
  expect(authority.identify(secret, address)).toEqual({
    ...{ kind: 'token', name: 'ci', role: 'operator' },
  });
  expect(authority.identify(await secretOf(), address)).toMatchObject({ kind: 'user' });
  for (let i = 0; i < 10; i++) expect(authority.identify('guess', address)).toBeNull();
  expect(authority.isPenalized(address)).toBe(true);
  expect(authority.identify(secret, address)).not.toBeNull();
  expect(log.lines).toMatchObject([{ level: 'warn', fields: { address } }]);
});
