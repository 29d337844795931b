// The order of what waits: acknowledgements leave in the order of their packets, nothing passes a waiting CONNACK, a batch is
// what was recorded until its commit began.

import { describe, expect, test } from 'vitest';
import { CONNACK, CONNACK_PRESENT } from '../kit/answers.ts';
import { ONE_HOUR, startStored } from '../kit/stored.ts';
import { connectPacket } from '../kit/wire.ts';

describe('acknowledgements', () => {
  test('that promise nothing queue behind one that waits [MQTT-4.6.0-2]', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    stored.slow();
    await client.send(`
      33 07 0001 'a' 0001 00 'x'    // PUBLISH, QoS 1, retained: stored
      32 07 0001 'b' 0002 00 'x'    // PUBLISH, QoS 1: nobody's
      34 07 0001 'b' 0003 00 'x'    // PUBLISH, QoS 2
      82 07 0004 00 0001 'c' 01     // SUBSCRIBE
      a2 06 0005 00 0001 'd'        // UNSUBSCRIBE
      62 02 0009                    // PUBREL of an unknown id`);
    await client.expectNothing();
    await stored.commit();
    await client.expect(
      '40 03 0001 10',
      '40 03 0002 10',
      '50 03 0003 10',
      '90 04 0004 00 01',
      'b0 04 0005 00 11', // No subscription existed
      '70 03 0009 92', // Packet Identifier not found
    );
  });

  test('of a later batch wait for a commit of their own', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    stored.slow();
    await client.send("33 07 0001 'a' 0001 00 'x'");
    await client.send("33 07 0001 'a' 0002 00 'y'"); // gathers while the first is on its way
    await stored.commit();
    await client.expect('40 03 0001 10');
    await stored.commit();
    await client.expect('40 03 0002 10');
  });

  test('of one client do not wait for those of another', async () => {
    const stored = await startStored();
    const waiting = await stored.durable('c1');
    const other = await stored.broker.v5('c2');
    stored.slow();
    await waiting.send("33 07 0001 'a' 0001 00 'x'");
    await other.send("32 07 0001 'b' 0001 00 'x'");
    await other.expect('40 03 0001 10');
    await waiting.expectNothing();
  });

  test('of many packets in a turn share one commit', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    const { commitCalls } = stored.storage;
    await client.send(`
      33 07 0001 'a' 0001 00 'x'
      33 07 0001 'b' 0002 00 'x'
      33 07 0001 'c' 0003 00 'x'`);
    await client.expect('40 03 0001 10', '40 03 0002 10', '40 03 0003 10');
    expect(stored.storage.commitCalls).toBe(commitCalls + 1);
  });
});

describe('a CONNACK that waits', () => {
  test('is passed by nothing: acknowledgements, PINGRESP, messages', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send("82 0b 0001 00 0001 'a' 01 0001 'b' 00");
    await first.send('e0 00');
    const publisher = await stored.broker.v3('pub');
    await publisher.send("32 06 0001 'a' 0001 'q'"); // waits in the queue
    await publisher.expect('40 02 0001');
    stored.slow();
    const client = stored.broker.open();
    client.write(connectPacket(5, 'c1', false, ONE_HOUR));
    await client.send("32 07 0001 'z' 0009 00 'x' c0 00");
    await publisher.send("32 06 0001 'a' 0002 'x' 30 04 0001 'b' 'y'");
    await client.expectNothing();
    await stored.commit();
    await client.expect(
      CONNACK_PRESENT,
      "32 07 0001 'a' 0001 00 'q'",
      "32 07 0001 'a' 0002 00 'x'",
      '40 03 0009 10',
      'd0 00',
    );
  });

  test('is not followed by DISCONNECT if the connection ends first', async () => {
    const stored = await startStored();
    stored.slow();
    const client = stored.broker.open();
    await client.send(connectPacket(5, 'c1', false, ONE_HOUR));
    stored.broker.server.disconnectClient('c1', 0x98);
    await client.expectClosed();
    await stored.commit();
    await client.expectNothing();
  });

  test('holds a will of its client back from nobody', async () => {
    const stored = await startStored();
    const { commitCalls } = stored.storage;
    const client = stored.broker.open();
    stored.slow();
    await client.send(`
      10 17               // CONNECT
      0004 'MQTT' 05      // protocol
      06 0000             // clean start, will; keep alive 0
      00                  // no properties
      0002 'c1'           // client identifier
      00 0001 'w' 0002 'me'`);
    await client.expect(CONNACK); // of a clean session: it does not wait for the will
    expect(stored.storage.commitCalls).toBe(commitCalls + 1);
  });
});

describe('retained messages', () => {
  test('follow when SUBACK is out [MQTT-3.8.4-4]', async () => {
    const stored = await startStored();
    const publisher = await stored.broker.v3('pub');
    await publisher.send("31 04 0001 'a' 'r'");
    const client = await stored.durable('c1');
    stored.slow();
    await client.send("82 07 0001 00 0001 'a' 00");
    await client.expectNothing();
    await stored.commit();
    await client.expect('90 04 0001 00 00', "31 05 0001 'a' 00 'r'");
  });

  test('have the value as of then', async () => {
    const stored = await startStored();
    const publisher = await stored.broker.v3('pub');
    await publisher.send("31 04 0001 'a' '1'");
    const client = await stored.durable('c1');
    stored.slow();
    await client.send("82 07 0001 00 0001 'a' 00");
    await publisher.send("31 04 0001 'a' '2'");
    await client.expect("30 05 0001 'a' 00 '2'"); // live: the subscription is in force
    await stored.commit();
    await client.expect('90 04 0001 00 00', "31 05 0001 'a' 00 '2'");
  });
});
