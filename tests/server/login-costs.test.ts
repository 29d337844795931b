// What a login costs the server, shown by counting: whoever tries names learns nothing by how much is hashed for them, and a storm
// of logins takes nothing from those who are connected.

import { expect, test } from 'vitest';
import { AuthenticatorChain, type ChainMember } from '../../src/auth/chain.ts';
import { parsePasswordFile } from '../../src/auth/passwords/password-file.ts';
import { PasswordFileAuthenticator } from '../../src/auth/passwords/password-file-authenticator.ts';
import { formatPasswordHash } from '../../src/auth/passwords/password-hash.ts';
import { UsersAuthenticator } from '../../src/auth/users/users-authenticator.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { hashOf, testHasher } from '../auth/passwords/fixture.ts';
import { GatedHasher } from '../kit/gated-hasher.ts';
import { toHex } from '../kit/hex.ts';
import { LogBook } from '../kit/log-book.ts';
import { startWithPasswords } from '../kit/password-server.ts';
import { subscribeV5 } from '../kit/traffic.ts';
import { until } from '../kit/until.ts';
import { loadUsers, tableOf, userRecord } from '../kit/users.ts';
import { startServer, type WireClient } from '../kit/wire.ts';

/** CONNECT, clean, with a client id of four characters, a user name of three, a password of one. */
const login = (username: string, password: string, clientId = 'dev0', version = 5) =>
  version === 5
    ? `10 19 0004 'MQTT' 05 c2 0000 00 0004 '${clientId}' 0003 '${username}' 0001 '${password}'`
    : `10 18 0004 'MQTT' 04 c2 0000 0004 '${clientId}' 0003 '${username}' 0001 '${password}'`;

/** A server that knows `bob` from a file, and `ann`, `dis` (who is disabled) and `bad` (whose record is broken) from its store. */
async function serve(order: readonly ('file' | 'users')[]) {
  const clock = new FakeClock();
  const logger = new LogBook();
  const hasher = testHasher();
  const line = `bob:${formatPasswordHash(await hashOf(testHasher(), 'y'))}\n`;
  const passwords = await parsePasswordFile(Buffer.from(line), 'passwd');
  const table = tableOf(userRecord('ann', 'y'), userRecord('dis', 'y', { isDisabled: true }));
  table.entries.set('user/bad', Buffer.from('x'));
  const { database } = await loadUsers(table, { hasher });
  const options = { hasher, cache: null };
  const all: Record<string, ChainMember> = {
    file: {
      name: 'file',
      authenticator: new PasswordFileAuthenticator({ name: 'file', passwords, ...options }),
      timeoutMs: 5_000,
    },
    users: {
      name: 'users',
      authenticator: new UsersAuthenticator({ name: 'users', database, ...options }),
      timeoutMs: 5_000,
    },
  };
  const members = order.map((name) => all[name]);
  const chain = new AuthenticatorChain({ members, anonymous: false, clock, logger });
  const broker = await startServer({ authenticator: chain, clock, logger });
  return { broker, hasher };
}

test.each([[['file']], [['users']], [['file', 'users']], [['users', 'file']]] as const)(
  'with %j a wrong password costs as much as a name that nobody has, and the answer is the same byte for byte',
  async (order) => {
    const { broker, hasher } = await serve(order);
    for (const version of [5, 4]) {
      const costs = new Map<string, number>();
      const answers = new Set<string>();
      for (const username of ['bob', 'ann', 'dis', 'bad', 'eve']) {
        const before = hasher.derivations;
        const client = broker.open();
        client.write(login(username, 'x', 'dev0', version));
        await until(() => client.isClosed);
        costs.set(username, hasher.derivations - before);
        answers.add(toHex(await client.packet()));
      }
      // However many authenticators hash: they share the one of a name that nobody has.
      expect(Object.fromEntries(costs)).toEqual({ bob: 1, ann: 1, dis: 1, bad: 1, eve: 1 });
      expect(answers.size).toBe(1);
    }
  },
);

const STORM = 1_000;

/** A hasher that a thousand wait for, the first of them being hashed, and two clients that are connected. */
async function storm() {
  const gate = new GatedHasher();
  const { broker, log } = await startWithPasswords({
    hasher: gate.hasher,
    users: { bob: 'y' },
    anonymous: true,
  });
  const subscriber = await broker.v5('s');
  await subscribeV5(subscriber, 't', 1);
  const publisher = await broker.v5('p');
  const calm = await rounds(publisher, subscriber);
  const clients: WireClient[] = [];
  for (let i = 0; i < STORM; i++) {
    const client = broker.open();
    client.write(login('bob', i % 2 === 0 ? 'y' : 'x', String(1_000 + i)));
    clients.push(client);
  }
  await until(() => gate.hasher.waiting === STORM - 1);
  await gate.isAt(1);
  return { broker, calm, clients, gate, log, publisher, subscriber };
}

/** Turns of the loop that each of some messages takes, from PUBLISH to its PUBACK and its delivery. */
async function rounds(publisher: WireClient, subscriber: WireClient): Promise<number[]> {
  const all: number[] = [];
  for (let id = 1; id <= 20; id++) {
    const before = publisher.received + subscriber.received;
    publisher.write(`32 06 0001 't' 00 ${id.toString(16).padStart(2, '0')} 00`);
    let count = 0;
    await until(() => {
      count++;
      return publisher.received + subscriber.received === before + 2;
    });
    all.push(count);
    for (const packet of await subscriber.packets()) {
      if (packet[0] >> 4 === 3) subscriber.write(Uint8Array.of(0x40, 2, packet[5], packet[6]));
    }
    await publisher.packets();
  }
  return all;
}

test('while a thousand passwords wait, clients that are connected are served in as many turns as without, and none is hashed before', async () => {
  const { calm, gate, publisher, subscriber } = await storm();
  expect(await rounds(publisher, subscriber)).toEqual(calm);
  expect([gate.begun, gate.hasher.derivations]).toEqual([1, 0]);
});

test('a storm is served to its end, in its order, and each gets its answer', async () => {
  const { broker, clients, gate } = await storm();
  await gate.goUntil(() => broker.server.stats().halfConnected === 0);
  const codes = await Promise.all(clients.map(async (client) => (await client.packet())[3]));
  expect(codes.filter((code) => code === 0)).toHaveLength(STORM / 2);
  // As many as a penalty allows for each client id: each has failed once.
  expect(codes.filter((code) => code === 0x86)).toHaveLength(STORM / 2);
  expect(broker.server.stats().sessions).toBe(STORM / 2 + 2);
}, 60_000);

test('a thousand that leave leave nothing to do', async () => {
  const { broker, clients, gate } = await storm();
  for (const client of clients) client.stream.destroy();
  await until(() => broker.server.stats().halfConnected === 0);
  await gate.goUntil(() => gate.hasher.waiting === 0);
  expect(gate.begun).toBe(1);
  expect(broker.server.metrics).toMatchObject({ authenticationSuccesses: 2, penalties: 0 });
});
