// Users of the store that are changed while their clients are just coming in, or are there: the change counts for all of them.

import { expect, test } from 'vitest';
import type {
  AuthExchange,
  Authenticator,
  Authorizer,
  Client,
  Decision,
} from '../../src/auth/auth.ts';
import { AuthenticatorChain } from '../../src/auth/chain.ts';
import { Guard } from '../../src/auth/guard/guard.ts';
import type { UserDatabase } from '../../src/auth/users/user-database.ts';
import { UsersAuthenticator } from '../../src/auth/users/users-authenticator.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { testHasher } from '../auth/passwords/fixture.ts';
import { CONNACK, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { LogBook } from '../kit/log-book.ts';
import { until } from '../kit/until.ts';
import { loadUsers, tableOf, userRecord } from '../kit/users.ts';
import { settle, startServer, type TestServer } from '../kit/wire.ts';

// CONNECT, v5, clean, user `bob`, password `y`
const BOB = "10 16 0004 'MQTT' 05 c2 0000 00 0001 'b' 0003 'bob' 0001 'y'";
const BOB_V3 = "10 15 0004 'MQTT' 04 c2 0000 0001 'b' 0003 'bob' 0001 'y'";
const ANN = "10 16 0004 'MQTT' 05 c2 0000 00 0001 'a' 0003 'ann' 0001 'y'";

/** Lets everybody connect, but says so only when a test wants it; what may be published depends on groups. */
class SlowAuthorizer implements Authorizer {
  waiting: (() => void)[] = [];
  isSlow = true;

  authorizeConnect() {
    if (!this.isSlow) return ReasonCode.Success;
    return new Promise<ReasonCode>((resolve) =>
      this.waiting.push(() => resolve(ReasonCode.Success)),
    );
  }

  authorizePublish({ groups = [] }: { readonly groups?: readonly string[] }, topicName: string) {
    return groups.includes(topicName) ? ReasonCode.Success : ReasonCode.NotAuthorized;
  }

  authorizeSubscribe() {
    return ReasonCode.Success;
  }

  async answer(): Promise<void> {
    for (const resolve of this.waiting.splice(0)) resolve();
    await settle();
  }
}

interface Bench {
  readonly broker: TestServer;
  readonly database: UserDatabase;
  readonly authorizer: SlowAuthorizer;
}

async function serve(): Promise<Bench> {
  const clock = new FakeClock();
  const logger = new LogBook();
  const hasher = testHasher();
  const table = tableOf(userRecord('ann', 'y'), userRecord('bob', 'y'));
  const { database } = await loadUsers(table, {
    hasher,
    onChange: (username) => void broker.server.reviewUser(username),
  });
  const authenticator = new UsersAuthenticator({ name: 'users', database, hasher, cache: null });
  const members = [{ name: 'users', authenticator, timeoutMs: 5_000 }];
  const chain = new AuthenticatorChain({ members, anonymous: false, clock, logger });
  const authorizer = new SlowAuthorizer();
  const broker = await startServer({ authenticator: chain, authorizer, clock, logger });
  return { broker, database, authorizer };
}

const CHANGES = {
  disabled: (database: UserDatabase) => database.disable('bob'),
  removed: (database: UserDatabase) => database.remove('bob'),
  'given another password': (database: UserDatabase) =>
    database.setPassword('bob', Buffer.from('new'), true),
};

/** So many clients wait for the authorizer. */
async function waiting(authorizer: SlowAuthorizer, count: number): Promise<void> {
  await until(() => authorizer.waiting.length === count);
}

test.each(Object.entries(CHANGES))(
  'a user that is %s while the authorizer thinks about its clients does not come in',
  async (_, change) => {
    const { broker, database, authorizer } = await serve();
    const client = broker.open();
    client.write(BOB);
    const old = broker.open();
    old.write(BOB_V3);
    await waiting(authorizer, 2);
    await change(database);
    await authorizer.answer();
    await until(() => broker.server.stats().connections === 0);
    await expectRefused(client, 0x86);
    await old.expectClosed('20 02 00 04');
  },
);

test('a user that is in other groups by then comes in with those', async () => {
  const { broker, database, authorizer } = await serve();
  await database.setGroups('bob', ['t']);
  const client = broker.open();
  client.write(BOB);
  await waiting(authorizer, 1);
  await database.setGroups('bob', ['u']);
  await authorizer.answer();
  await waiting(authorizer, 1); // it is asked about the client as it is now
  await authorizer.answer();
  await client.expect(CONNACK);
  await client.send("32 06 0001 't' 0001 00 32 06 0001 'u' 0002 00");
  await client.expect('40 03 0001 87', '40 03 0002 10');
});

test.each(Object.entries(CHANGES))(
  'a user that is %s is ended with 0x87, whatever its clients are about, and others stay',
  async (_, change) => {
    const { broker, database, authorizer } = await serve();
    authorizer.isSlow = false;
    const [bob, old, ann] = [broker.open(), broker.open(), broker.open()];
    bob.write(BOB);
    old.write(BOB_V3.replace("'b'", "'v'"));
    ann.write(ANN);
    await until(() => broker.server.stats().sessions === 3);
    await bob.expect(CONNACK);
    await old.expect('20 02 00 00');
    await ann.expect(CONNACK);
    await change(database);
    await expectDisconnected(bob, 0x87);
    await old.expectClosed();
    await ann.expectOpen();
  },
);

test('other groups count for whoever is connected with his next packet', async () => {
  const { broker, database, authorizer } = await serve();
  authorizer.isSlow = false;
  const client = broker.open();
  client.write(BOB);
  await until(() => broker.server.stats().sessions === 1);
  await client.expect(CONNACK);
  await client.send("32 06 0001 't' 0001 00");
  await client.expect('40 03 0001 87');
  await database.setGroups('bob', ['t']);
  await client.send("32 06 0001 't' 0002 00");
  await client.expect('40 03 0002 10');
});

test.each([
  ['client_id', 'b', BOB],
  ['username', 'bob', BOB],
  ['username', 'bob', "10 16 0004 'MQTT' 05 02 0000 08 15 0001 'M' 16 0001 't' 0001 'b'"],
] as const)(
  'a client that is banned by %s (%s) while the authorizer thinks does not come in',
  async (kind, pattern, connect) => {
    const clock = new FakeClock();
    const guard = new Guard({ clock });
    const authorizer = new SlowAuthorizer();
    const authenticator = new GroupMethod();
    authenticator.authenticate = () => ({ reasonCode: ReasonCode.Success, username: 'bob' });
    const broker = await startServer({ authenticator, authorizer, clock, guard });
    const client = broker.open();
    client.write(connect);
    await waiting(authorizer, 1);
    await guard.bans.add({ kind, pattern });
    await authorizer.answer();
    await expectRefused(client, 0x8a);
  },
);

/** A method `M` whose data says to which group the user belongs from now on. */
class GroupMethod implements Authenticator {
  authenticate(): Decision {
    return 'next';
  }

  begin(): AuthExchange {
    return {
      step: (data) => ({
        reasonCode: ReasonCode.Success,
        username: 'bob',
        groups: [Buffer.from(data ?? []).toString()],
      }),
    };
  }

  review(client: Client): Client {
    return { ...client };
  }
}

// CONNECT, v5, clean, client id `b`, method `M`, data `t`
const METHOD_T = "10 16 0004 'MQTT' 05 02 0000 08 15 0001 'M' 16 0001 't' 0001 'b'";

test('who came by a method, while users were changed, is told to try again: its last word was said [MQTT-4.12.0-4]', async () => {
  const authorizer = new SlowAuthorizer();
  const broker = await startServer({ authenticator: new GroupMethod(), authorizer });
  const client = broker.open();
  await client.send(METHOD_T);
  await waiting(authorizer, 1);
  await broker.server.reviewUser('bob');
  await authorizer.answer();
  await expectRefused(client, 0x89);
});

test('a review that takes its time does not undo a re-authentication [MQTT-4.12.1-1]', async () => {
  const authorizer = new SlowAuthorizer();
  authorizer.isSlow = false;
  const broker = await startServer({ authenticator: new GroupMethod(), authorizer });
  const client = broker.open();
  await client.send(METHOD_T);
  await client.packets();
  authorizer.isSlow = true;
  const reviewed = broker.server.reviewUser('bob');
  await waiting(authorizer, 1);
  authorizer.isSlow = false;
  await client.send("f0 0a 19 08 15 0001 'M' 16 0001 'u'"); // AUTH, Re-authenticate
  await client.expect("f0 06 00 04 15 0001 'M'");
  await authorizer.answer();
  await reviewed;
  await client.send("32 06 0001 't' 0001 00 32 06 0001 'u' 0002 00");
  await client.expect('40 03 0001 87', '40 03 0002 10');
});

test('what a re-authentication was told by an authenticator that is gone meanwhile does not count: 0x89', async () => {
  const authorizer = new SlowAuthorizer();
  authorizer.isSlow = false;
  let finish: () => void = () => {};
  class SlowMethod extends GroupMethod {
    override begin(): AuthExchange {
      const { step } = super.begin();
      return { step: (data) => new Promise((resolve) => (finish = () => resolve(step(data)))) };
    }
  }
  const broker = await startServer({ authenticator: new SlowMethod(), authorizer });
  const client = broker.open();
  await client.send(METHOD_T);
  finish();
  await client.packets();
  await client.send("f0 0a 19 08 15 0001 'M' 16 0001 'u'");
  await broker.server.setAccess({ authenticator: new GroupMethod(), authorizer });
  finish();
  await expectDisconnected(client, 0x89);
});

test('a re-authentication with other groups does not keep what its client may not connect as any more', async () => {
  const strict: Authorizer = {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => ReasonCode.Success,
    authorizeConnect: ({ groups = [] }) =>
      groups.includes('t') ? ReasonCode.Success : ReasonCode.NotAuthorized,
  };
  const broker = await startServer({ authenticator: new GroupMethod(), authorizer: strict });
  const client = broker.open();
  await client.send(METHOD_T);
  await client.packets();
  await client.send("f0 0a 19 08 15 0001 'M' 16 0001 't'");
  await client.expect("f0 06 00 04 15 0001 'M'");
  await client.send("f0 0a 19 08 15 0001 'M' 16 0001 'u'");
  await expectDisconnected(client, 0x87);
});

test('a client that re-authenticates again and again does not hold up what is looked at', async () => {
  const authorizer = new SlowAuthorizer();
  authorizer.isSlow = false;
  const broker = await startServer({ authenticator: new GroupMethod(), authorizer });
  const client = broker.open();
  await client.send(METHOD_T);
  await client.packets();
  authorizer.isSlow = true;
  const reviewed = broker.server.reviewUser('bob');
  let isDone = false;
  void reviewed.then(() => {
    isDone = true;
  });
  for (let i = 0; i < 10 && !isDone; i++) {
    await settle();
    authorizer.isSlow = false;
    await client.send("f0 0a 19 08 15 0001 'M' 16 0001 'u'");
    authorizer.isSlow = true;
    await authorizer.answer();
  }
  await reviewed;
  expect(client.isClosed).toBe(true);
});

test('who is away gets what comes meanwhile, also if its password is another one when it comes back', async () => {
  const { broker, database, authorizer } = await serve();
  Object.assign(authorizer, { isSlow: false, authorizePublish: () => ReasonCode.Success });
  const connected = () => broker.server.stats().sessionsConnected;
  // CONNECT, v5, user `bob`, Session Expiry Interval 60
  const durable = (password: string) =>
    `10 1b 0004 'MQTT' 05 c0 0000 05 11 0000003c 0001 'b' 0003 'bob' 0001 '${password}'`;
  const bob = broker.open();
  bob.write(durable('y'));
  await until(() => connected() === 1);
  await bob.expect(CONNACK);
  await bob.send("82 07 0001 00 0001 't' 01");
  await bob.expect('90 04 0001 00 01');
  await bob.drop();
  const ann = broker.open();
  ann.write(ANN);
  await until(() => connected() === 1);
  await ann.expect(CONNACK);
  await database.setPassword('bob', Buffer.from('z'), true);
  await settle();
  await ann.send("32 06 0001 't' 0001 00");
  await ann.expect('40 02 0001');
  await database.disable('bob');
  await settle();
  await ann.send("32 06 0001 't' 0002 00"); // who is disabled gets nothing
  await ann.expect('40 02 0002');
  await database.enable('bob');
  await settle();
  const again = broker.open();
  again.write(durable('z'));
  await until(() => connected() === 2);
  const [connack, ...messages] = await again.packets();
  expect([...connack.subarray(2, 4)]).toEqual([1, 0]); // session present
  expect(messages).toHaveLength(1);
});
