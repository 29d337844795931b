// What waits until its promise is durable, and what never does.

import { describe, expect, test } from 'vitest';
import { CONNACK, CONNACK_PRESENT } from '../kit/answers.ts';
import { COMMIT_MS, ONE_HOUR, type StoredServer, startStored } from '../kit/stored.ts';
import { connectPacket, type WireClient } from '../kit/wire.ts';

/** CONNECT, v5, `clientId` of two bytes, session expiry interval one hour, clean start 0. */
const CONNECT_DURABLE = `
  10 14               // CONNECT
  0004 'MQTT' 05      // protocol
  00 0000             // no flags, keep alive 0
  05 ${ONE_HOUR}      // Session Expiry Interval 3600
  0002 'c1'           // client identifier`;

/** Nothing comes before the commit; these packets come with it. */
async function expectWithCommit(
  stored: StoredServer,
  client: WireClient,
  ...packets: string[]
): Promise<void> {
  await client.expectNothing();
  await stored.broker.advance(COMMIT_MS - 1);
  await client.expectNothing();
  await stored.broker.advance(1);
  await client.expect(...packets);
}

describe('waits for its commit:', () => {
  test('CONNACK of a new durable session', async () => {
    const stored = await startStored();
    stored.slow();
    const client = stored.broker.open();
    await client.send(CONNECT_DURABLE);
    await expectWithCommit(stored, client, CONNACK);
  });

  test('CONNACK of a resumed durable session', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send('e0 00');
    stored.slow();
    const client = stored.broker.open();
    await client.send(CONNECT_DURABLE);
    await expectWithCommit(stored, client, CONNACK_PRESENT);
  });

  test('CONNACK of a v3.1.1 session that is not clean', async () => {
    const stored = await startStored();
    stored.slow();
    const client = stored.broker.open();
    await client.send(`
      10 0e             // CONNECT
      0004 'MQTT' 04    // protocol
      00 0000           // clean session 0, keep alive 0
      0002 'c1'         // client identifier`);
    await expectWithCommit(stored, client, '20 02 00 00');
  });

  test('CONNACK of a clean session that takes the place of a durable one', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send('e0 00');
    stored.slow();
    const client = stored.broker.open();
    await client.send(connectPacket(5, 'c1', true));
    await expectWithCommit(stored, client, CONNACK);
    await stored.crash();
    expect(stored.broker.server.stats().sessions).toBe(0);
  });

  test('SUBACK and UNSUBACK of a durable session', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    stored.slow();
    await client.send("82 07 0001 00 0001 'a' 01");
    await expectWithCommit(stored, client, '90 04 0001 00 01');
    await client.send("a2 06 0002 00 0001 'a'");
    await expectWithCommit(stored, client, 'b0 04 0002 00 00');
  });

  test.each([
    { qos: 1, publish: "32 06 0001 'a' 000a 'x'", ack: '40 02 000a' },
    { qos: 2, publish: "34 06 0001 'a' 000a 'x'", ack: '50 02 000a' },
  ])('the acknowledgement of a QoS $qos message that was queued', async ({ publish, ack }) => {
    const stored = await startStored();
    const subscriber = await stored.durable('sub');
    await subscriber.send("82 07 0001 00 0001 'a' 02");
    await subscriber.drop();
    const publisher = await stored.broker.v3('pub');
    stored.slow();
    await publisher.send(publish);
    await expectWithCommit(stored, publisher, ack);
  });

  test.each([
    { qos: 1, publish: "33 06 0001 'a' 000a 'x'", ack: '40 02 000a' },
    { qos: 2, publish: "35 06 0001 'a' 000a 'x'", ack: '50 02 000a' },
    { qos: 1, publish: "33 05 0001 'a' 000a", ack: '40 02 000a' }, // the topic's message goes
  ])('the acknowledgement of a QoS $qos retained message: $publish', async ({ publish, ack }) => {
    const stored = await startStored();
    const publisher = await stored.broker.v3('pub');
    await publisher.send("31 04 0001 'a' 'w'");
    await stored.broker.advance(1_100);
    stored.slow();
    await publisher.send(publish);
    await expectWithCommit(stored, publisher, ack);
  });

  test('PUBREC and PUBCOMP of a durable session', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    stored.slow();
    await client.send("34 07 0001 'a' 000a 00 'x'");
    await expectWithCommit(stored, client, '50 03 000a 10'); // No matching subscribers
    await client.send('62 02 000a');
    await expectWithCommit(stored, client, '70 02 000a');
  });

  test('a QoS 2 PUBLISH and its PUBREL to a durable session', async () => {
    const stored = await startStored();
    const subscriber = await stored.durable('sub');
    await subscriber.send("82 07 0001 00 0001 'a' 02");
    await subscriber.expect('90 04 0001 00 02');
    const publisher = await stored.broker.v3('pub');
    stored.slow();
    await publisher.send("34 06 0001 'a' 000a 'x'");
    await expectWithCommit(stored, subscriber, "34 07 0001 'a' 0001 00 'x'");
    await subscriber.send('50 02 0001');
    await expectWithCommit(stored, subscriber, '62 02 0001');
  });

  test('a QoS 2 PUBLISH that is taken from the queue', async () => {
    const stored = await startStored();
    const subscriber = await stored.broker.v5('sub', false, `${ONE_HOUR} 21 0001`);
    await subscriber.send("82 07 0001 00 0001 'a' 02");
    await subscriber.expect('90 04 0001 00 02');
    const publisher = await stored.broker.v3('pub');
    await publisher.send("34 06 0001 'a' 000a 'x' 34 06 0001 'a' 000b 'y'");
    await subscriber.expect("34 07 0001 'a' 0001 00 'x'");
    await subscriber.send('50 02 0001');
    await subscriber.expect('62 02 0001');
    stored.slow();
    await subscriber.send('70 02 0001');
    await expectWithCommit(stored, subscriber, "34 07 0001 'a' 0002 00 'y'");
  });
});

describe('never waits:', () => {
  /** A durable subscriber at QoS 1 of `a`, and a publisher whose QoS 1 message there waits. */
  async function withCommitUnderWay() {
    const stored = await startStored();
    const subscriber = await stored.durable('sub');
    await subscriber.send("82 07 0001 00 0001 'a' 01");
    await subscriber.expect('90 04 0001 00 01');
    const publisher = await stored.durable('pub');
    stored.slow();
    return { stored, subscriber, publisher };
  }

  test('a QoS 1 PUBLISH to a durable session', async () => {
    const { subscriber, publisher } = await withCommitUnderWay();
    await publisher.send("32 07 0001 'a' 000a 00 'x'");
    await subscriber.expect("32 07 0001 'a' 0001 00 'x'");
    await publisher.expectNothing();
  });

  test('a QoS 0 PUBLISH', async () => {
    const { subscriber, publisher } = await withCommitUnderWay();
    await publisher.send("32 07 0001 'a' 000a 00 'x' 30 05 0001 'a' 00 'y'");
    await subscriber.expect("32 07 0001 'a' 0001 00 'x'", "30 05 0001 'a' 00 'y'");
  });

  test('PINGRESP, behind an acknowledgement that does', async () => {
    const { stored, publisher } = await withCommitUnderWay();
    await publisher.send("32 07 0001 'a' 000a 00 'x' c0 00");
    await publisher.expect('d0 00');
    await stored.commit();
    await publisher.expect('40 02 000a');
  });

  test('DISCONNECT, and what was held dies with the connection', async () => {
    const { stored, publisher } = await withCommitUnderWay();
    await publisher.send("32 07 0001 'a' 000a 00 'x'");
    stored.broker.server.disconnectClient('pub', 0x98); // Administrative action
    await publisher.expectClosed('e0 01 98');
    await stored.commit();
    await publisher.expectNothing();
  });

  test('AUTH of a re-authentication', async () => {
    const stored = await startStored({
      authenticator: {
        authenticate: () => ({ reasonCode: 0x87 }),
        begin: () => ({ step: () => ({ reasonCode: 0, username: null }) }),
      },
    });
    const client = stored.broker.open();
    await client.send(connectPacket(5, 'c1', true, `${ONE_HOUR} 15 0001 'm'`));
    expect((await client.packet())[0]).toBe(0x20);
    stored.slow();
    await client.send("33 07 0001 'a' 0001 00 'x' f0 06 19 04 15 0001 'm'");
    await client.expect("f0 06 00 04 15 0001 'm'");
    await stored.commit();
    await client.expect('40 03 0001 10');
  });

  test('PUBACK of a message that nobody stores', async () => {
    const { publisher } = await withCommitUnderWay();
    await publisher.send("32 07 0001 'b' 000a 00 'x'");
    await publisher.expect('40 03 000a 10'); // No matching subscribers
  });

  test('what a clean session does: no commit is even asked for', async () => {
    const stored = await startStored();
    stored.storage.isFailing = true;
    const client = await stored.broker.v5('c1');
    const other = await stored.broker.v3('c2');
    await client.send(`
      82 07 0001 00 0001 'a' 02           // SUBSCRIBE
      34 07 0001 'a' 0001 00 'x'          // PUBLISH, QoS 2
      62 02 0001                          // PUBREL
      a2 06 0002 00 0001 'a'              // UNSUBSCRIBE
      c0 00                               // PINGREQ`);
    await client.expect(
      '90 04 0001 00 02',
      "34 07 0001 'a' 0001 00 'x'",
      '50 02 0001',
      '70 02 0001',
      'b0 04 0002 00 00',
      'd0 00',
    );
    await other.send("32 06 0001 'a' 000a 'x'");
    await other.expect('40 02 000a');
    await client.send('50 02 0001');
    await client.expect('62 02 0001');
    await client.send('70 02 0001 e0 00');
    await other.drop();
    await stored.broker.advance(5_000);
    expect(stored.storage.commitCalls).toBe(0);
  });

  test('a QoS 1 message to a clean session from a durable one', async () => {
    const stored = await startStored();
    const subscriber = await stored.broker.v5('sub');
    await subscriber.send("82 07 0001 00 0001 'a' 02");
    await subscriber.expect('90 04 0001 00 02');
    const publisher = await stored.durable('pub');
    const { commitCalls } = stored.storage;
    await publisher.send("32 07 0001 'a' 000a 00 'x'");
    await publisher.expect('40 02 000a');
    await subscriber.expect("32 07 0001 'a' 0001 00 'x'");
    await subscriber.send('40 02 0001');
    expect(stored.storage.commitCalls).toBe(commitCalls);
  });
});

describe('a retained message of QoS 0', () => {
  test('is written a second later, the last one of its topic', async () => {
    const stored = await startStored();
    const publisher = await stored.broker.v3('pub');
    await publisher.send("31 04 0001 'a' '1' 31 04 0001 'b' '1'");
    await publisher.send("31 04 0001 'a' '2' 31 03 0001 'b'");
    await stored.broker.advance(900);
    expect(stored.storage.commitCalls).toBe(0);
    await stored.broker.advance(200);
    expect(stored.storage.commitCalls).toBe(1);
    await stored.crash();
    const subscriber = await stored.broker.v3('sub');
    await subscriber.send("82 06 0001 0001 '#' 00");
    await subscriber.expect('90 03 0001 00', "31 04 0001 'a' '2'");
  });

  test('rides a commit that comes earlier', async () => {
    const stored = await startStored();
    const publisher = await stored.broker.v3('pub');
    await publisher.send("31 04 0001 'a' '1'");
    await publisher.send("33 06 0001 'b' 0001 '1'");
    await publisher.expect('40 02 0001');
    await stored.crash();
    expect(stored.broker.server.stats().retainedMessages).toBe(2);
  });

  test('does not come back over a later one of QoS 1', async () => {
    const stored = await startStored();
    const publisher = await stored.broker.v3('pub');
    await publisher.send("31 04 0001 'a' '1' 33 06 0001 'a' 0001 '2'");
    await publisher.expect('40 02 0001');
    await stored.broker.advance(2_000);
    await stored.crash();
    const subscriber = await stored.broker.v3('sub');
    await subscriber.send("82 06 0001 0001 'a' 01");
    await subscriber.expect('90 03 0001 01', "33 06 0001 'a' 0001 '2'");
  });

  test('is committed by a graceful stop', async () => {
    const stored = await startStored();
    const publisher = await stored.broker.v3('pub');
    await publisher.send("31 04 0001 'a' '1'");
    await stored.restart();
    expect(stored.broker.server.stats().retainedMessages).toBe(1);
  });

  test('that expired is forgotten by the store, too', async () => {
    const stored = await startStored();
    const publisher = await stored.broker.v5('pub');
    await publisher.send("31 0a 0001 'a' 05 02 00000005 'x'"); // Message Expiry Interval 5
    await stored.broker.advance(1_500);
    const { commitCalls } = stored.storage;
    await stored.broker.advance(8_000);
    expect(stored.broker.server.stats().retainedMessages).toBe(0);
    expect(stored.storage.commitCalls).toBeGreaterThan(commitCalls);
  });
});
