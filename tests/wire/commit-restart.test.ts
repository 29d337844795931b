// A server that starts on the store of another one: what was acknowledged is there, what was not may be.

import { describe, expect, test } from 'vitest';
import { NEVER } from '../../src/session/session.ts';
import { CONNACK, CONNACK_PRESENT, expectDisconnected } from '../kit/answers.ts';
import { ONE_HOUR, type StoredServer, startStored } from '../kit/stored.ts';
import { connectPacket, type WireClient } from '../kit/wire.ts';

/** How a server ends; what was acknowledged survives either. */
const ENDS = [
  { end: 'a graceful stop', restart: (stored: StoredServer) => stored.restart() },
  { end: 'a crash', restart: (stored: StoredServer) => stored.crash() },
];

/** Connects `clientId` without a clean start; its session must be there. */
async function resume(
  stored: StoredServer,
  clientId: string,
  properties = ONE_HOUR,
): Promise<WireClient> {
  const client = stored.broker.open();
  await client.send(connectPacket(5, clientId, false, properties));
  expect([...(await client.packet())].slice(2, 4), 'session present').toEqual([1, 0]);
  return client;
}

describe.each(ENDS)('after $end', ({ restart }) => {
  test('sessions and subscriptions with their options are there', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send(`
      82 0d               // SUBSCRIBE
      0001                // packet id
      02 0b 07            // Subscription Identifier 7
      0001 'a' 01         // QoS 1
      0001 'b' 0e         // QoS 2, No Local, Retain As Published`);
    await first.expect('90 05 0001 00 01 02');
    await restart(stored);
    const client = await stored.broker.connect(
      `10 14 0004 'MQTT' 05 00 0000 05 ${ONE_HOUR} 0002 'c1'`,
      CONNACK_PRESENT,
    );
    await client.send("32 07 0001 'a' 0001 00 'x'");
    await client.expect("32 09 0001 'a' 0001 02 0b 07 'x'", '40 02 0001');
    await client.send("32 07 0001 'b' 0002 00 'x'"); // No Local
    await client.expect('40 03 0002 10');
    const publisher = await stored.broker.v3('p');
    await publisher.send("31 04 0001 'b' 'x'");
    await client.expect("31 07 0001 'b' 02 0b 07 'x'"); // Retain As Published
  });

  test('a v3 session is there [MQTT-3.1.2-4]', async () => {
    const stored = await startStored();
    const first = await stored.broker.v3('c1', false);
    await first.send("82 06 0001 0001 'a' 01");
    await restart(stored);
    const client = stored.broker.open();
    await client.send(connectPacket(4, 'c1', false));
    await client.expect('20 02 01 00');
    await client.send("32 06 0001 'a' 0001 'x'");
    await client.expect("32 06 0001 'a' 0001 'x'", '40 02 0001');
  });

  test('clean sessions and what was unsubscribed are not', async () => {
    const stored = await startStored();
    const clean = await stored.broker.v5('c1');
    await clean.send("82 07 0001 00 0001 'a' 01");
    const durable = await stored.durable('c2');
    await durable.send("82 07 0001 00 0001 'a' 01 a2 06 0002 00 0001 'a'");
    await restart(stored);
    const { sessions, subscriptions } = stored.broker.server.stats();
    expect({ sessions, subscriptions }).toEqual({ sessions: 1, subscriptions: 0 });
    await stored.broker.connect(`10 14 0004 'MQTT' 05 00 0000 05 ${ONE_HOUR} 0002 'c1'`, CONNACK);
  });

  test('queued messages come in order, without DUP, with properties and what is left of their expiry', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send("82 07 0001 00 0001 'a' 02");
    await first.drop();
    const publisher = await stored.broker.v5('p');
    await publisher.send(`
      32 07 0001 'a' 0001 00 '1'
      34 07 0001 'a' 0002 00 '2'
      32 0c 0001 'a' 0003 05 02 00000064 '3'    // Message Expiry Interval 100
      32 0c 0001 'a' 0004 05 02 00000005 '4'    // Message Expiry Interval 5
      32 0f 0001 'a' 0005 08 26 0001 'k' 0002 'vw' '5'`);
    await publisher.expect('40 02 0001', '50 02 0002', '40 02 0003', '40 02 0004', '40 02 0005');
    await restart(stored);
    await stored.broker.advance(10_000);
    const client = await resume(stored, 'c1');
    await client.expect(
      "32 07 0001 'a' 0001 00 '1'",
      "32 0c 0001 'a' 0003 05 02 0000005a '3'", // 90 s left
      "32 0f 0001 'a' 0004 08 26 0001 'k' 0002 'vw' '5'",
      "34 07 0001 'a' 0002 00 '2'", // QoS 2 waits for the commit of its id; order is per QoS
    );
  });

  test('messages in flight come first, with their ids and DUP, PUBREL in its place [MQTT-4.4.0-1]', async () => {
    const stored = await startStored();
    const first = await stored.broker.v5('c1', false, `${ONE_HOUR} 21 0004`);
    await first.send("82 07 0001 00 0001 'a' 02");
    await first.expect('90 04 0001 00 02');
    const publisher = await stored.broker.v3('p');
    await publisher.send(`
      32 06 0001 'a' 0001 '1' 34 06 0001 'a' 0002 '2' 34 06 0001 'a' 0003 '3'
      32 06 0001 'a' 0004 '4' 32 06 0001 'a' 0005 '5'`);
    await first.expect(
      "32 07 0001 'a' 0001 00 '1'",
      "32 07 0001 'a' 0004 00 '4'",
      "34 07 0001 'a' 0002 00 '2'",
      "34 07 0001 'a' 0003 00 '3'",
    );
    await first.send('50 02 0002');
    await first.expect('62 02 0002');
    await restart(stored);
    const client = await resume(stored, 'c1', `${ONE_HOUR} 21 0004`);
    await client.expect(
      "3a 07 0001 'a' 0001 00 '1'",
      '62 02 0002',
      "3c 07 0001 'a' 0003 00 '3'",
      "3a 07 0001 'a' 0004 00 '4'",
    );
    await client.send('70 02 0002');
    await client.expect("32 07 0001 'a' 0005 00 '5'");
  });

  test('what was acknowledged does not come again, and its id is free', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send("82 07 0001 00 0001 'a' 02");
    const publisher = await stored.broker.v3('p');
    await publisher.send("32 06 0001 'a' 0001 '1' 34 06 0001 'a' 0002 '2'");
    await first.send('40 02 0001 50 02 0002');
    await first.send('70 02 0002');
    await restart(stored);
    const client = await resume(stored, 'c1');
    await client.expectNothing();
    expect(stored.broker.server.stats().inflightMessages).toBe(0);
  });

  test('inbound QoS 2 ids are there: a repeated PUBLISH is not routed [MQTT-4.3.3-10]', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send("34 07 0001 'a' 0001 00 'x' 34 07 0001 'a' 0002 00 'y'");
    await first.expect('50 03 0001 10', '50 03 0002 10');
    await first.send('62 02 0002');
    await first.expect('70 02 0002');
    await restart(stored);
    const subscriber = await stored.broker.v5('s');
    await subscriber.send("82 07 0001 00 0001 'a' 00");
    await subscriber.expect('90 04 0001 00 00');
    const client = await resume(stored, 'c1');
    await client.send("3c 07 0001 'a' 0001 00 'x'");
    await client.expect('50 02 0001');
    await client.send('62 02 0001 62 02 0002');
    await client.expect('70 02 0001', '70 03 0002 92'); // the second is unknown by now
    await subscriber.expectNothing();
    await client.send("34 07 0001 'a' 0001 00 'z'");
    await subscriber.expect("30 05 0001 'a' 00 'z'");
  });

  test('retained messages are there, those removed and those expired are not', async () => {
    const stored = await startStored();
    const publisher = await stored.broker.v5('p');
    await publisher.send(`
      33 07 0001 'a' 0001 00 'x'
      33 0c 0001 'b' 0002 05 02 00000005 'y'      // Message Expiry Interval 5
      33 07 0001 'c' 0003 00 'z' 33 06 0001 'c' 0004 00
      33 0c 0001 'd' 0005 05 02 00000064 'v'`);
    await restart(stored);
    await stored.broker.advance(10_000);
    const client = await stored.broker.v5('s');
    await client.send("82 07 0001 00 0001 '#' 01");
    await client.expect(
      '90 04 0001 00 01',
      "33 07 0001 'a' 0001 00 'x'",
      "33 0c 0001 'd' 0002 05 02 0000005a 'v'",
    );
  });

  test('sessions expire when their time is over, whatever happened in between', async () => {
    const stored = await startStored();
    const properties = '11 0000003c'; // a minute
    const gone = await stored.broker.v5('c1', false, properties);
    await gone.send('e0 00');
    await stored.broker.v5('c2', false, properties); // connected to the end
    await stored.broker.advance(50_000);
    await restart(stored);
    expect(stored.broker.server.stats().sessions).toBe(2);
    await stored.broker.advance(11_000);
    expect(stored.broker.server.stats().sessions).toBe(1);
    await stored.broker.advance(40_000);
    await stored.crash();
    await stored.broker.advance(5_000);
    expect(stored.broker.server.stats().sessions).toBe(1);
    await stored.broker.advance(6_000); // a minute after the first restart
    expect(stored.broker.server.stats().sessions).toBe(0);
    await stored.crash();
    expect(stored.broker.server.stats().sessions).toBe(0);
  });

  test('a session that never expires does not', async () => {
    const stored = await startStored({ limits: { sessionExpiryMax: NEVER } });
    await stored.broker.v5('c1', false, '11 ffffffff');
    await restart(stored);
    await stored.broker.advance(86_400_000);
    expect(stored.broker.server.stats().sessions).toBe(1);
  });

  test('numbers of messages go on: later ones queue behind earlier ones', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send("82 07 0001 00 0001 'a' 01");
    await first.drop();
    const publisher = await stored.broker.v3('p');
    await publisher.send("32 06 0001 'a' 0001 '1'");
    await restart(stored);
    const again = await stored.broker.v3('p');
    await again.send("32 06 0001 'a' 0001 '2'");
    await restart(stored);
    const client = await resume(stored, 'c1');
    await client.expect("32 07 0001 'a' 0001 00 '1'", "32 07 0001 'a' 0002 00 '2'");
  });

  test('nothing is recorded by starting, but when sessions were cut off', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    await client.send("82 07 0001 00 0001 'a' 01");
    await client.send('e0 00');
    await restart(stored);
    const { commitCalls } = stored.storage;
    await stored.broker.advance(5_000);
    expect(stored.storage.commitCalls).toBe(commitCalls);
  });
});

describe('a crash', () => {
  test('loses what was not acknowledged, and nothing else', async () => {
    const stored = await startStored();
    const subscriber = await stored.durable('s');
    await subscriber.send("82 07 0001 00 0001 'a' 01");
    await subscriber.drop();
    const publisher = await stored.broker.v3('p');
    await publisher.send("32 06 0001 'a' 0001 '1'");
    await publisher.expect('40 02 0001');
    stored.slow();
    await publisher.send("32 06 0001 'a' 0002 '2'"); // in a commit under way
    await publisher.send("32 06 0001 'a' 0003 '3'"); // in the batch that gathers
    await publisher.expectNothing();
    await stored.crash();
    const client = await resume(stored, 's');
    await client.expect("32 07 0001 'a' 0001 00 '1'");
  });

  test('may keep more than was acknowledged', async () => {
    const stored = await startStored();
    const subscriber = await stored.durable('s');
    await subscriber.send("82 07 0001 00 0001 'a' 01");
    await subscriber.drop();
    const publisher = await stored.broker.v3('p');
    stored.slow();
    await publisher.send("32 06 0001 'a' 0002 '2'");
    await publisher.send("32 06 0001 'a' 0003 '3'");
    await publisher.expectNothing();
    await stored.crash(true);
    const client = await resume(stored, 's');
    await client.expect("32 07 0001 'a' 0001 00 '2'");
  });

  test('while the store fails keeps what was acknowledged before', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    await client.send("82 07 0001 00 0001 'a' 01");
    await client.expect('90 04 0001 00 01');
    stored.storage.isFailing = true;
    await client.send("a2 06 0002 00 0001 'a'");
    await client.expectNothing();
    await stored.crash();
    expect(stored.broker.server.stats().subscriptions).toBe(1);
  });

  test('before an outgoing QoS 2 id was committed: the id was never seen', async () => {
    const stored = await startStored();
    const first = await stored.durable('s');
    await first.send("82 07 0001 00 0001 'a' 02");
    await first.expect('90 04 0001 00 02');
    const publisher = await stored.durable('p');
    stored.slow();
    await publisher.send("34 07 0001 'a' 0001 00 'x'");
    await first.expectNothing();
    await stored.crash();
    const client = await resume(stored, 's');
    await client.expectNothing();
  });

  test('before an outgoing PUBREL was committed: PUBLISH comes again, and PUBREL was never seen', async () => {
    const stored = await startStored();
    const first = await stored.durable('s');
    await first.send("82 07 0001 00 0001 'a' 02");
    const publisher = await stored.broker.v3('p');
    await publisher.send("34 06 0001 'a' 0001 'x'");
    await first.expect('90 04 0001 00 02', "34 07 0001 'a' 0001 00 'x'");
    stored.slow();
    await first.send('50 02 0001');
    await first.expectNothing();
    await stored.crash();
    const client = await resume(stored, 's');
    await client.expect("3c 07 0001 'a' 0001 00 'x'");
  });
});

describe('a graceful stop', () => {
  test('commits, acknowledges, and says goodbye last', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    stored.slow();
    await client.send("33 07 0001 'a' 0001 00 'x'");
    await client.expectNothing();
    const stopped = stored.broker.server.stop();
    await client.expectNothing();
    await stored.commit();
    await stored.commit(); // that the clients are gone
    await stopped;
    const packets = await client.packets();
    expect(packets.map((packet) => packet[0])).toEqual([0x40, 0xe0]);
    expect(packets[1][2]).toBe(0x8b); // Server shutting down
    expect(client.isClosed).toBe(true);
  });

  test('is not answered by anything after DISCONNECT, not even a will', async () => {
    const stored = await startStored();
    const watcher = await stored.durable('w');
    await watcher.send("82 07 0001 00 0001 'w' 01");
    await watcher.expect('90 04 0001 00 01');
    await stored.broker.connect(
      `10 1c 0004 'MQTT' 05 0e 0000 05 ${ONE_HOUR} 0002 'c1' 00 0001 'w' 0002 'me'`,
      CONNACK,
    );
    await stored.broker.server.stop();
    await expectDisconnected(watcher, 0x8b);
    await stored.start();
    const again = await resume(stored, 'w');
    await again.expect("32 08 0001 'w' 0001 00 'me'"); // published as its client went
  });

  test('with a store that fails ends at its deadline, and acknowledges nothing', async () => {
    const stored = await startStored({ limits: { shutdownTimeoutMs: 50 } });
    const client = await stored.durable('c1');
    stored.storage.isFailing = true;
    await client.send("33 07 0001 'a' 0001 00 'x'");
    await stored.broker.server.stop();
    await client.expectClosed();
  });
});
