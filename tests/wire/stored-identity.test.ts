// After a restart a session that waits for its client is still judged as that client: by its name, its groups and whatever
// else its authenticator said. MQTT 5 §4.1.

import { expect, test } from 'vitest';
import type { Authenticator, Authorizer, Client } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { CONNACK, CONNACK_PRESENT, expectRefused } from '../kit/answers.ts';
import { byName, connectAs } from '../kit/rules.ts';
import { ONE_HOUR, startStored } from '../kit/stored.ts';
import { subscribeV5 } from '../kit/traffic.ts';
import { settle } from '../kit/wire.ts';

/** `ann` has a claim; the others have nothing. */
const withClaims: Authenticator = {
  authenticate: ({ username }) => ({
    reasonCode: ReasonCode.Success,
    username,
    ...(username === 'ann' && { claims: { site: 'north' }, by: 'tokens' }),
  }),
};

const mayIfNorth = ({ claims }: Client) =>
  claims?.site === 'north' ? ReasonCode.Success : ReasonCode.NotAuthorized;

const north: Authorizer = {
  authorizePublish: (client, topicName) =>
    topicName === 'will' ? mayIfNorth(client) : ReasonCode.Success,
  authorizeSubscribe: () => ReasonCode.Success,
  authorizeReceive: mayIfNorth,
};

test('a will that claims allow is published after a crash', async () => {
  const stored = await startStored({ authenticator: withClaims, authorizer: north });
  const ann = stored.broker.open();
  await ann.send(`
    10 22 0004 'MQTT' 05 86 0000 05 ${ONE_HOUR} 0001 'a'  // will flag, user name
    00 0004 'will' 0001 'w' 0003 'ann'`);
  await ann.expect(CONNACK);
  await stored.crash();
  const listener = await stored.broker.connect(connectAs('ann', 'l'), CONNACK);
  await subscribeV5(listener, 'will');
  await stored.broker.advance(31_000);
  await listener.expect("30 08 0004 'will' 00 'w'");
});

test('messages for a client with claims are queued after a restart, those for another are not', async () => {
  const stored = await startStored({ authenticator: withClaims, authorizer: north });
  for (const name of ['ann', 'bob']) {
    const client = await stored.broker.connect(connectAs(name, name, true, ONE_HOUR), CONNACK);
    await subscribeV5(client, 't', 1);
  }
  await stored.restart();
  const publisher = await stored.broker.connect(connectAs('pub', 'p'), CONNACK);
  await publisher.send("32 06 0001 't' 0001 00");
  expect(stored.broker.server.stats()).toMatchObject({
    queuedMessages: 1,
    dropped: { receive_not_authorized: 1 },
  });
});

test('what was kept of an identity goes with its session', async () => {
  const stored = await startStored({ authenticator: withClaims, authorizer: north });
  const first = await stored.broker.connect(connectAs('ann', 'a', true, ONE_HOUR), CONNACK);
  await first.drop();
  expect(await stored.storage.list('identities', null, 10)).toHaveLength(1);
  await stored.broker.connect(connectAs('ann', 'a', true), CONNACK); // clean, and not durable
  expect(await stored.storage.list('identities', null, 10)).toHaveLength(0);
});

test('a session of before the restart belongs to who made it', async () => {
  const stored = await startStored({ authenticator: byName });
  await stored.broker.connect(connectAs('ann', 'a', true, ONE_HOUR), CONNACK);
  await stored.restart();
  const bob = stored.broker.open();
  await bob.send(connectAs('bob', 'a', false, ONE_HOUR));
  await expectRefused(bob, 0x85);
});

test('access that is prepared from the store is there before anybody comes in', async () => {
  const seen: string[] = [];
  const stored = await startStored({
    prepareAccess: async ({ table }) => {
      const users = table('users');
      const entries = (await users?.load()) ?? [];
      seen.push(...entries.map(({ key }) => key));
      if (entries.length === 0) await users?.put('ann', new Uint8Array([1]));
      return {
        authenticator: {
          authenticate: ({ username }) =>
            entries.some(({ key }) => key === username)
              ? { reasonCode: ReasonCode.Success, username }
              : { reasonCode: ReasonCode.BadUserNameOrPassword },
        },
      };
    },
  });
  const early = stored.broker.open();
  await early.send(connectAs('ann', 'a'));
  await expectRefused(early, 0x86);
  await stored.restart();
  expect(seen).toEqual(['ann']);
  await stored.broker.connect(connectAs('ann', 'a'), CONNACK);
});

test('a will that became due while the server was down waits for the rules, and goes by them', async () => {
  let isDenied = false;
  const authorizer: Authorizer = {
    authorizePublish: () => (isDenied ? ReasonCode.NotAuthorized : ReasonCode.Success),
    authorizeSubscribe: () => ReasonCode.Success,
  };
  const stored = await startStored({
    async prepareAccess() {
      if (isDenied) stored.clock.advance(60_000); // it takes long to read them
      await settle();
      return { authorizer };
    },
  });
  const client = stored.broker.open();
  await client.send(`
    10 22 0004 'MQTT' 05 06 0000
    05 11 0000003c                    // session expiry, a minute
    0001 'a'
    05 18 000003e8 0004 'will' 0001 'w' // will delay, longer
  `);
  await client.expect(CONNACK);
  await client.drop();
  await stored.broker.server.stop();
  stored.clock.advance(120_000);
  isDenied = true;
  await stored.start();
  await stored.broker.advance(1_000);
  expect(stored.broker.server.metrics.willsPublished).toBe(0);
  expect(stored.broker.server.stats()).toMatchObject({
    sessions: 0,
    dropped: { not_authorized: 1 },
  });
});

test('what a subscription was granted as a whole is asked for again at a start', async () => {
  const authorizer: Authorizer = {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => ({ qosMax: 2, isWhole: true }),
    authorizeReceive: () => ReasonCode.NotAuthorized,
  };
  const stored = await startStored({ authorizer });
  await subscribeV5(await stored.durable('sub', true), 't', 1);
  await stored.restart();
  const publisher = await stored.broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00");
  expect(stored.broker.server.stats().queuedMessages).toBe(1);
});

/** May do everything but publish and receive where a permission of hers denies it; comes with so many bytes of claims. */
function withDenial(bytes: number): Authenticator {
  return {
    authenticate: ({ username }) => ({
      reasonCode: ReasonCode.Success,
      username,
      claims: { text: 'x'.repeat(bytes) },
      permissions: [{ effect: 'deny', actions: ['publish', 'receive'], topicFilters: ['will'] }],
    }),
  };
}

const byPermissions: Authorizer = {
  authorizePublish: ({ permissions }) =>
    permissions === undefined ? ReasonCode.Success : ReasonCode.NotAuthorized,
  authorizeSubscribe: () => ReasonCode.Success,
  authorizeReceive: ({ permissions }, topicName) =>
    permissions === undefined || topicName !== 'will'
      ? ReasonCode.Success
      : ReasonCode.NotAuthorized,
};

test.each([
  ['too much to be kept', 70_000, null],
  ['unreadable in the store', 10, '{"version":2}'],
])(
  'an identity that is %s publishes no will, and messages wait for it until it is back',
  async (_, bytes, overwritten) => {
    const options = { authenticator: withDenial(bytes), authorizer: byPermissions };
    const stored = await startStored({ authenticator: options.authenticator });
    const ann = stored.broker.open();
    await ann.send(`
    10 22 0004 'MQTT' 05 86 0000 05 ${ONE_HOUR} 0001 'a'
    00 0004 'will' 0001 'w' 0003 'ann'`);
    await ann.expect(CONNACK);
    await subscribeV5(ann, '+', 1);
    const [entry] = await stored.storage.list('identities', null, 10);
    if (overwritten !== null) {
      stored.storage.put('identities', entry.key, new TextEncoder().encode(overwritten));
      stored.storage.commit();
    }
    await stored.crash();
    await stored.broker.server.setAccess(options);
    await stored.broker.advance(31_000);
    const { server } = stored.broker;
    expect([server.metrics.willsPublished, server.stats().dropped.not_authorized]).toEqual([0, 1]);
    await server.setAccess({
      ...options,
      authorizer: { ...byPermissions, authorizePublish: () => 0 },
    });
    const publisher = await stored.broker.connect(connectAs('pub', 'p'), CONNACK);
    await publisher.send("32 09 0004 'will' 0001 00 32 06 0001 't' 0002 00");
    expect(server.stats().queuedMessages).toBe(2);
    const again = stored.broker.open();
    await again.send(connectAs('ann', 'a', false, ONE_HOUR));
    await again.expect(CONNACK_PRESENT, "32 06 0001 't' 0001 00");
  },
);
