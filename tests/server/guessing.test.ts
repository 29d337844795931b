// Guessing passwords, as somebody does it who knows how penalties are counted: all guesses at once, under names that CONNECT does
// not say, with another client id each. And what a penalty must not do to a plant whose clients all come back together.

import { describe, expect, test } from 'vitest';
import { AuthenticatorChain } from '../../src/auth/chain.ts';
import { Guard } from '../../src/auth/guard/guard.ts';
import { UsersAuthenticator } from '../../src/auth/users/users-authenticator.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { testHasher } from '../auth/passwords/fixture.ts';
import { AddressedDoor } from '../kit/addressed-door.ts';
import { expectRefused } from '../kit/answers.ts';
import { GatedHasher } from '../kit/gated-hasher.ts';
import { hex } from '../kit/hex.ts';
import { LogBook } from '../kit/log-book.ts';
import { type PasswordServerOptions, startWithPasswords } from '../kit/password-server.ts';
import { ScramClient } from '../kit/scram-client.ts';
import { hex16 } from '../kit/traffic.ts';
import { loadUsers, tableOf, userRecord } from '../kit/users.ts';
import { settle, startServer, type WireClient } from '../kit/wire.ts';

const ADDRESS = '192.0.2.1';

/** CONNECT, v5, clean; a client id of two characters, a user name of three, a password of one. */
function login(clientId: string, username: string, password: string): string {
  return `10 17 0004 'MQTT' 05 c2 0000 00 0002 '${clientId}' 0003 '${username}' 0001 '${password}'`;
}

/** So many client ids. */
function ids(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(10 + i));
}

/** Clients by the codes of the CONNACK that they got. */
async function byCode(clients: readonly WireClient[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const client of clients) {
    const code = `0x${((await client.packet())[3] ?? -1).toString(16)}`;
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return counts;
}

/** A server that knows `bob` (`y`) and `ann` (`z`), and hashes when it is told to; all its clients come from one address. */
async function serve(options: Pick<PasswordServerOptions, 'penalties'> = {}) {
  const gate = new GatedHasher();
  const door = new AddressedDoor();
  const { broker, guard } = await startWithPasswords({
    ...options,
    hasher: gate.hasher,
    listeners: [door],
    users: { bob: 'y', ann: 'z' },
  });
  const { metrics } = broker.server;
  /** They are all in before the first password is hashed; returns when all are answered. */
  const atOnce = async (connects: readonly string[]): Promise<WireClient[]> => {
    const clients = connects.map((connect) => {
      const client = door.open(ADDRESS);
      client.write(connect);
      return client;
    });
    await settle();
    await gate.goUntil(() => broker.server.stats().halfConnected === 0);
    return clients;
  };
  return { atOnce, broker, door, gate, guard, metrics };
}

test('fifty guesses at once are no more than one after the other: the rest is not hashed, and told 0x97', async () => {
  const { atOnce, gate, metrics } = await serve();
  const clients = await atOnce(ids(50).map((id) => login(id, 'bob', 'x')));
  // One is being hashed while the tenth failure is counted.
  expect(await byCode(clients)).toEqual({ '0x86': 11, '0x97': 39 });
  expect(gate.hasher.derivations).toBe(11);
  expect(metrics).toMatchObject({ authenticationFailures: 11, penalties: 1 });
});

test('the guess that is right does not come in, when it waited behind those that were wrong', async () => {
  const { atOnce, broker } = await serve();
  const clients = await atOnce(ids(20).map((id) => login(id, 'bob', id === '25' ? 'y' : 'x')));
  await expectRefused(clients[15], 0x97);
  expect(broker.server.stats()).toMatchObject({ connections: 0, sessions: 0 });
});

test('of an address that guesses many names, no more are hashed than its own threshold', async () => {
  const { atOnce, gate } = await serve({ penalties: { addressFailuresMax: 20 } });
  const clients = await atOnce(ids(50).map((id) => login(id, `n${id}`, 'x')));
  expect(await byCode(clients)).toEqual({ '0x86': 20, '0x97': 30 });
  expect(gate.hasher.derivations).toBe(21);
});

test('a plant behind one address that comes back at once, under one name, comes in, but for the client that has an old password', async () => {
  const { atOnce } = await serve();
  const isOld = (i: number) => i % 3 === 1;
  const connects = ids(60).map((id, i) =>
    isOld(i) ? login('xx', 'bob', 'x') : login(id, 'bob', 'y'),
  );
  const clients = await atOnce(connects);
  expect(await byCode(clients.filter((_, i) => !isOld(i)))).toEqual({ '0x0': 40 });
  expect(await byCode(clients.filter((_, i) => isOld(i)))).toEqual({ '0x86': 10, '0x97': 10 });
});

test.each([
  ['address', '192.0.2.0/24'],
  ['client_id', '1*'],
  ['username', 'bob'],
] as const)(
  'whoever is banned by %s while its password waits is told 0x8A, and nothing is hashed for it',
  async (kind, pattern) => {
    const { broker, door, gate, guard } = await serve();
    const first = broker.open();
    await first.send(login('xx', 'ann', 'z'));
    await gate.isAt(1);
    const second = door.open(ADDRESS);
    await second.send(login('11', 'bob', 'y'));
    await guard.bans.add({ kind, pattern });
    await gate.goUntil(() => broker.server.stats().halfConnected === 0);
    await expectRefused(second, 0x8a);
    expect(gate.begun).toBe(1);
  },
);

test.each([
  ['address', '192.0.2.0/24'],
  ['client_id', '1*'],
  ['username', 'bob'],
] as const)(
  'whoever is banned by %s while its password is hashed does not come in either',
  async (kind, pattern) => {
    const { broker, door, gate, guard } = await serve();
    const client = door.open(ADDRESS);
    await client.send(login('11', 'bob', 'y'));
    await gate.isAt(1);
    await guard.bans.add({ kind, pattern });
    await gate.goUntil(() => broker.server.stats().halfConnected === 0);
    await expectRefused(client, 0x8a);
  },
);

describe('SCRAM, where CONNECT need not say whom it is about', () => {
  const METHOD = "15 000d 'SCRAM-SHA-256'";

  /** A server that knows `bob` and `ann`, with the password `pencil`. */
  async function serveScram() {
    const clock = new FakeClock();
    const logger = new LogBook();
    const hasher = testHasher();
    const table = tableOf(userRecord('bob', 'pencil'), userRecord('ann', 'pencil'));
    const { database } = await loadUsers(table, { hasher });
    const authenticator = new UsersAuthenticator({ name: 'users', database, hasher, cache: null });
    const members = [{ name: 'users', authenticator, timeoutMs: 5_000 }];
    const chain = new AuthenticatorChain({ members, anonymous: false, clock, logger });
    const door = new AddressedDoor();
    const guard = new Guard({ clock });
    const broker = await startServer({
      ...{ authenticator: chain, clock, guard, listeners: [door], logger },
    });
    return { broker, door, logger };
  }

  /** A client that has its challenge; what it answers is still to be sent. */
  async function challenged(door: AddressedDoor, id: string, username: string, password: string) {
    const scram = new ScramClient(username, password);
    const client = door.open(ADDRESS);
    await client.send(
      `10 41 0004 'MQTT' 05 02 0000 32 ${METHOD} 16 001f '${scram.first}' 0002 '${id}'`,
    );
    const auth = new TextDecoder('latin1').decode(await client.packet());
    const final = scram.final(auth.slice(auth.indexOf('r=')));
    return async (): Promise<WireClient> => {
      const data = Buffer.from(final);
      const length = 1 + 1 + 16 + 3 + data.length;
      await client.send(
        Buffer.concat([
          hex(`f0 ${hexByte(length)} 18 ${hexByte(length - 2)} ${METHOD} 16 ${hex16(data.length)}`),
          data,
        ]),
      );
      return client;
    };
  }

  const login = async (door: AddressedDoor, id: string, username: string, password: string) =>
    await (await challenged(door, id, username, password))();

  test('failures count by the name in the exchange, whatever client id it is: the eleventh gets 0x97, right or wrong', async () => {
    const { door, logger } = await serveScram();
    for (const id of ids(10)) await expectRefused(await login(door, id, 'bob', 'crayon'), 0x86);
    await expectRefused(await login(door, '30', 'bob', 'crayon'), 0x97);
    await expectRefused(await login(door, '31', 'bob', 'pencil'), 0x97);
    expect(logger.lines).toContainEqual(
      expect.objectContaining({
        fields: expect.objectContaining({ address: ADDRESS, username: 'bob' }),
        message: expect.stringContaining('a penalty begins'),
      }),
    );
    expect(await byCode([await login(door, '32', 'ann', 'pencil')])).toEqual({ '0x0': 1 });
  });

  test('a name that nobody has gets its penalty like one that somebody has', async () => {
    const { door } = await serveScram();
    for (const id of ids(10)) await expectRefused(await login(door, id, 'eve', 'crayon'), 0x86);
    await expectRefused(await login(door, '30', 'eve', 'crayon'), 0x97);
  });

  test('exchanges that were begun before are no way around', async () => {
    const { broker, door } = await serveScram();
    const exchanges = [];
    for (const id of ids(30)) {
      exchanges.push(await challenged(door, id, 'bob', id === '35' ? 'pencil' : 'crayon'));
    }
    const clients = [];
    for (const finish of exchanges) clients.push(await finish());
    await expectRefused(clients[25], 0x97);
    clients.splice(25, 1);
    expect(await byCode(clients)).toEqual({ '0x86': 10, '0x97': 19 });
    expect(broker.server.metrics).toMatchObject({ authenticationFailures: 10, penalties: 1 });
  });

  test('a name that came in from there lately has the threshold of an address, and each client its own', async () => {
    const { door } = await serveScram();
    expect(await byCode([await login(door, '09', 'bob', 'pencil')])).toEqual({ '0x0': 1 });
    for (let i = 0; i < 10; i++) await expectRefused(await login(door, '10', 'bob', 'no'), 0x86);
    await expectRefused(await login(door, '10', 'bob', 'pencil'), 0x97);
    expect(await byCode([await login(door, '11', 'bob', 'pencil')])).toEqual({ '0x0': 1 });
  });
});

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}
