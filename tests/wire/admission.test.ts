// Between who a client is and its session: may it connect, may its will be published, when does its identity end, and what a
// re-authentication may change. MQTT 5 §3.1.4, §3.1.2.5, §4.12.1.

import { expect, test } from 'vitest';
import type { Authenticator, Authorizer, Client } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { CONNACK, CONNACK_PRESENT, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { byName, connectAs, connectAsV3 } from '../kit/rules.ts';
import { subscribeV5 } from '../kit/traffic.ts';
import { settle, startServer } from '../kit/wire.ts';

function authorizer(more: Partial<Authorizer>): Authorizer {
  return {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => ReasonCode.Success,
    ...more,
  };
}

test('a client that may not connect is refused with the code of the authorizer', async () => {
  const asked: string[] = [];
  const broker = await startServer({
    authenticator: byName,
    authorizer: authorizer({
      authorizeConnect(client, request) {
        asked.push(`${client.username} ${client.clientId} ${request.transport}`);
        return client.username === client.clientId ? ReasonCode.Success : ReasonCode.NotAuthorized;
      },
    }),
  });
  await broker.connect(connectAs('ann', 'ann'), CONNACK);
  const other = broker.open();
  await other.send(connectAs('ann', 'bob'));
  await expectRefused(other, 0x87);
  const three = broker.open();
  await three.send(connectAsV3('ann', 'bob'));
  await three.expectClosed('20 02 00 05');
  expect(asked).toEqual(['ann ann memory', 'ann bob memory', 'ann bob memory']);
  expect(broker.server.stats().sessions).toBe(1);
});

test('an answer that comes later parks that connection only', async () => {
  let answer: (code: ReasonCode) => void = () => {};
  const broker = await startServer({
    authenticator: byName,
    authorizer: authorizer({
      authorizeConnect: ({ clientId }) =>
        clientId === 'slow'
          ? new Promise<ReasonCode>((resolve) => {
              answer = resolve;
            })
          : ReasonCode.Success,
    }),
  });
  const slow = broker.open();
  await slow.send(`${connectAs('u', 'slow')} c0 00`); // PINGREQ behind it [MQTT-3.1.4-5]
  await slow.expectNothing();
  await broker.connect(connectAs('u', 'fast'), CONNACK);
  answer(ReasonCode.Success);
  await slow.expect(CONNACK, 'd0 00');
});

test('while it waits for an answer, somebody else may have come with its client id: the owner counts then', async () => {
  const answers: ((code: ReasonCode) => void)[] = [];
  const broker = await startServer({
    authenticator: byName,
    authorizer: authorizer({
      authorizeConnect: () => new Promise<ReasonCode>((resolve) => answers.push(resolve)),
    }),
  });
  const ann = broker.open();
  await ann.send(connectAs('ann', 'c'));
  const bob = broker.open();
  await bob.send(connectAs('bob', 'c'));
  answers[1](ReasonCode.Success);
  await bob.expect(CONNACK);
  answers[0](ReasonCode.Success);
  await expectRefused(ann, 0x85);
  await bob.expectOpen();
});

test('while it waits for an answer, its session may have got more subscriptions: those are asked about, too', async () => {
  const answers: (() => void)[] = [];
  const bySite: Authenticator = {
    authenticate: ({ username, userProperties }) => ({
      reasonCode: ReasonCode.Success,
      username,
      groups: userProperties.length > 0 ? ['secret'] : [],
    }),
  };
  const maySee = ({ groups }: Client) => groups?.includes('secret') === true;
  const broker = await startServer({
    authenticator: bySite,
    authorizer: authorizer({
      authorizeConnect: (client) =>
        maySee(client)
          ? ReasonCode.Success
          : new Promise<ReasonCode>((resolve) => answers.push(() => resolve(ReasonCode.Success))),
      authorizeSubscribe: (client, topicFilter) =>
        topicFilter === 't' && !maySee(client) ? ReasonCode.NotAuthorized : ReasonCode.Success,
    }),
  });
  const secret = '26 0001 6b 0001 76'; // User Property
  const forAMinute = '11 0000003c';
  const before = await broker.connect(
    connectAs('ann', 'c', true, `${forAMinute} ${secret}`),
    CONNACK,
  );
  const after = broker.open();
  await after.send(connectAs('ann', 'c', false, forAMinute));
  await subscribeV5(before, 't');
  answers[0]();
  await after.expectNothing();
  answers[1]();
  await after.expect(CONNACK_PRESENT);
  const publisher = await broker.connect(connectAs('pub', 'p', true, secret), CONNACK);
  await publisher.send("30 04 0001 't' 00");
  await after.expectNothing();
});

test('a will that may not be published refuses the CONNECT, v5 with 0x87, v3.1.1 with 0x05', async () => {
  const broker = await startServer({
    authorizer: authorizer({
      authorizePublish: (_client, topicName, qos, retain) =>
        topicName === 't' && qos === 1 && retain ? ReasonCode.NotAuthorized : ReasonCode.Success,
    }),
  });
  const five = broker.open();
  await five.send("10 15 0004 'MQTT' 05 2e 0000 00 0001 'a' 00 0001 't' 0001 'w'");
  await expectRefused(five, 0x87);
  const three = broker.open();
  await three.send("10 13 0004 'MQTT' 04 2e 0000 0001 'a' 0001 't' 0001 'w'");
  await three.expectClosed('20 02 00 05');
  await broker.connect("10 15 0004 'MQTT' 05 26 0000 00 0001 'a' 00 0001 'u' 0001 'w'", CONNACK);
  expect(broker.server.stats().sessions).toBe(1);
});

test('denied_v3 = disconnect closes a v3.1.1 client that publishes what it may not; v5 is told and stays', async () => {
  const broker = await startServer({
    authorizer: authorizer({ authorizePublish: () => ReasonCode.NotAuthorized }),
    accessRules: { deniedV3: 'disconnect' },
  });
  const three = await broker.v3('a');
  await three.send("32 06 0002 'no' 0001");
  await three.expectClosed();
  const zero = await broker.v3('b');
  await zero.send("30 04 0002 'no'");
  await zero.expectClosed();
  const five = await broker.v5('c');
  await five.send("32 07 0002 'no' 0001 00");
  await five.expect('40 03 0001 87');
  await five.expectOpen();
});

/** An identity that ends at this time of the wall clock. */
function until(expiresAtMs: number): Authenticator {
  return {
    authenticate: ({ username }) => ({ reasonCode: ReasonCode.Success, username, expiresAtMs }),
  };
}

test('a client whose identity ends is disconnected with 0x87, a v3.1.1 client is closed [MQTT-4.13.2-1]', async () => {
  const broker = await startServer();
  const at = broker.clock.wallNow() + 300_000;
  await broker.server.setAccess({ authenticator: until(at) });
  const five = await broker.connect(connectAs('u', 'a'), CONNACK);
  const three = await broker.connect(connectAsV3('u', 'b'), '20 02 00 00');
  await broker.advance(299_000);
  await five.expectOpen();
  await broker.advance(1_100);
  await expectDisconnected(five, 0x87);
  await three.expectClosed();
  const late = broker.open();
  await late.send(connectAs('u', 'a'));
  await expectRefused(late, 0x87);
});

/** One step; its data says who it is and, after a colon, for how many seconds, and after another in which group. */
class Ticket implements Authenticator {
  readonly wallNow: () => number;

  constructor(wallNow: () => number) {
    this.wallNow = wallNow;
  }

  authenticate() {
    return 'next' as const;
  }

  begin() {
    return {
      step: (data: Uint8Array | null) => {
        const [username, seconds, group] = new TextDecoder().decode(data ?? undefined).split(':');
        const expiresAtMs = this.wallNow() + Number(seconds) * 1_000;
        return { reasonCode: ReasonCode.Success, username, expiresAtMs, groups: [group] } as const;
      },
    };
  }
}

/** CONNECT of `c` by the method `T`. */
const BY_TICKET = "10 1e 0004 'MQTT' 05 02 0000 10 15 0001 'T' 16 0009 'ann:100:g' 0001 'c'";

test('a re-authentication in time moves the end; without one it comes as announced [MQTT-4.12.1-1]', async () => {
  const clock = { wallNow: () => 0 };
  const broker = await startServer({ authenticator: new Ticket(() => clock.wallNow()) });
  clock.wallNow = () => broker.clock.wallNow();
  const client = broker.open();
  await client.send(BY_TICKET);
  expect((await client.packet())[3]).toBe(0);
  await broker.advance(90_000);
  await client.send("f0 12 19 10 15 0001 'T' 16 0009 'ann:100:g'"); // Re-authenticate
  expect((await client.packet())[0]).toBe(0xf0);
  await broker.advance(99_000);
  await client.expectOpen();
  await broker.advance(1_100);
  await expectDisconnected(client, 0x87);
});

test('a re-authentication never changes who the client is: 0x87 [MQTT-4.12.1-2]', async () => {
  const broker = await startServer({ authenticator: new Ticket(() => Date.UTC(2100, 1)) });
  const client = broker.open();
  await client.send(BY_TICKET);
  await client.packet();
  await client.send("f0 12 19 10 15 0001 'T' 16 0009 'bob:100:g'");
  await expectDisconnected(client, 0x87);
});

test('a re-authentication with other groups is judged anew: what was remembered is forgotten', async () => {
  const inGroup = ({ groups }: Client) =>
    groups?.includes('g') === true ? ReasonCode.Success : ReasonCode.NotAuthorized;
  const broker = await startServer({
    authenticator: new Ticket(() => Date.UTC(2100, 1)),
    authorizer: authorizer({ authorizePublish: inGroup, authorizeSubscribe: inGroup }),
  });
  const client = broker.open();
  await client.send(BY_TICKET);
  await client.packet();
  await subscribeV5(client, 't');
  await client.send("32 06 0001 't' 0001 00");
  await client.expect("30 04 0001 't' 00", '40 02 0001');
  await client.send("f0 12 19 10 15 0001 'T' 16 0009 'ann:100:h'");
  await client.packet();
  await client.send("32 06 0001 't' 0002 00");
  await client.expect('40 03 0002 87');
  const other = broker.open();
  await other.send(BY_TICKET.replace("0001 'c'", "0001 'd'"));
  await other.packet();
  await other.send("32 06 0001 't' 0001 00");
  await other.expect('40 02 0001');
  await client.expectNothing(); // its subscription is muted
});

test('an authenticator that ends by itself is waited for beyond the answer timeout', async () => {
  let accept: () => void = () => {};
  const authenticator: Authenticator = {
    endsByItself: true,
    authenticate: () =>
      new Promise((resolve) => {
        accept = () => resolve({ reasonCode: ReasonCode.Success, username: 'u' });
      }),
  };
  const broker = await startServer({ authenticator });
  const client = broker.open();
  await client.send(connectAs('u', 'c'));
  for (let i = 0; i < 6; i++) await broker.advance(10_000);
  await client.expectOpen();
  accept();
  await client.expect(CONNACK);
  await settle();
});
