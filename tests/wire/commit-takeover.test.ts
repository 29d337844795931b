// Inbound QoS 2, takeovers and the receive window while a commit is under way.

import { describe, expect, test } from 'vitest';
import { CONNACK, CONNACK_PRESENT, expectDisconnected } from '../kit/answers.ts';
import { ONE_HOUR, startStored } from '../kit/stored.ts';
import { connectPacket, settle } from '../kit/wire.ts';

const SUBSCRIBE_A = "82 07 0001 00 0001 'a' 02";

describe('an inbound QoS 2 PUBLISH that is repeated', () => {
  test('before its commit is routed once, and both PUBRECs wait [MQTT-4.3.3-10]', async () => {
    const stored = await startStored();
    const subscriber = await stored.broker.v5('sub');
    await subscriber.send(SUBSCRIBE_A);
    await subscriber.expect('90 04 0001 00 02');
    const publisher = await stored.durable('pub');
    stored.slow();
    await publisher.send("34 07 0001 'a' 0001 00 'x'");
    await publisher.send("3c 07 0001 'a' 0001 00 'x'"); // DUP
    await publisher.expectNothing();
    await subscriber.expect("34 07 0001 'a' 0001 00 'x'");
    await stored.commit();
    await publisher.expect('50 02 0001', '50 02 0001');
    await subscriber.expectNothing();
  });

  test('on the next connection, before its commit, waits behind CONNACK', async () => {
    const stored = await startStored();
    const subscriber = await stored.broker.v5('sub');
    await subscriber.send(SUBSCRIBE_A);
    const first = await stored.durable('pub');
    stored.slow();
    await first.send("34 07 0001 'a' 0001 00 'x'");
    const second = stored.broker.open();
    second.write(connectPacket(5, 'pub', false, ONE_HOUR));
    await second.send("3c 07 0001 'a' 0001 00 'x'");
    await second.expectNothing();
    await stored.commit(); // the batch with the first PUBLISH
    await second.expectNothing();
    await stored.commit(); // the batch with the new connection
    await second.expect(CONNACK_PRESENT, '50 02 0001');
    await subscriber.expect('90 04 0001 00 02', "34 07 0001 'a' 0001 00 'x'");
  });

  test('after its PUBREL, before that is committed, is a new message [MQTT-4.3.3-12]', async () => {
    const stored = await startStored();
    const subscriber = await stored.broker.v5('sub');
    await subscriber.send(SUBSCRIBE_A);
    await subscriber.expect('90 04 0001 00 02');
    const publisher = await stored.durable('pub');
    await publisher.send("34 07 0001 'a' 0001 00 'x'");
    await publisher.expect('50 02 0001');
    stored.slow();
    await publisher.send("62 02 0001 34 07 0001 'a' 0001 00 'y'");
    await subscriber.expect("34 07 0001 'a' 0001 00 'x'", "34 07 0001 'a' 0002 00 'y'");
    await publisher.expectNothing();
    await stored.commit();
    await publisher.expect('70 02 0001', '50 02 0001');
  });

  test('after a crash that kept its commit is not routed again, though no PUBREC had left', async () => {
    const stored = await startStored();
    const subscriber = await stored.durable('sub');
    await subscriber.send(SUBSCRIBE_A);
    const publisher = await stored.durable('pub');
    stored.slow();
    await publisher.send("34 07 0001 'a' 0001 00 'x'");
    await publisher.expectNothing();
    await stored.crash(true);
    const again = await stored.durable('pub');
    await again.send("3c 07 0001 'a' 0001 00 'x'");
    await again.expect('50 02 0001');
    const resumed = await stored.durable('sub');
    await resumed.expect("3c 07 0001 'a' 0001 00 'x'");
  });

  test('after a crash that lost its commit is routed as if it were the first', async () => {
    const stored = await startStored();
    const subscriber = await stored.durable('sub');
    await subscriber.send(SUBSCRIBE_A);
    const publisher = await stored.durable('pub');
    stored.slow();
    await publisher.send("34 07 0001 'a' 0001 00 'x'");
    await subscriber.expect('90 04 0001 00 02'); // the message waits for its packet id's commit
    await stored.crash();
    const resumed = await stored.durable('sub');
    const again = await stored.durable('pub');
    await again.send("3c 07 0001 'a' 0001 00 'x'");
    await again.expect('50 02 0001');
    await resumed.expect("34 07 0001 'a' 0001 00 'x'");
  });
});

describe('a takeover during a commit', () => {
  test('ends the old connection at once, and its held acknowledgements with it', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    stored.slow();
    await first.send("33 07 0001 'a' 0001 00 'x'");
    const second = stored.broker.open();
    await second.send(connectPacket(5, 'c1', false, ONE_HOUR));
    await expectDisconnected(first, 0x8e); // Session taken over
    await stored.commit();
    await second.expectNothing(); // CONNACK waits for its own commit
    await stored.commit();
    await second.expect(CONNACK_PRESENT);
    await first.expectNothing();
  });

  test('gives the session over as it is in memory', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    stored.slow();
    await first.send(SUBSCRIBE_A);
    const second = stored.broker.open();
    second.write(connectPacket(5, 'c1', false, ONE_HOUR));
    await settle();
    const publisher = await stored.broker.v3('pub');
    await publisher.send("32 06 0001 'a' 0001 'x'");
    await second.expectNothing();
    await stored.commit();
    await stored.commit();
    await second.expect(CONNACK_PRESENT, "32 07 0001 'a' 0001 00 'x'");
  });

  test('by a clean start, in one batch: the old session goes, the new one comes', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send(SUBSCRIBE_A);
    stored.slow();
    const second = stored.broker.open();
    await second.send(connectPacket(5, 'c1', true, ONE_HOUR));
    await second.expectNothing();
    await stored.commit();
    await second.expect(CONNACK);
    await stored.crash();
    const { sessions, subscriptions } = stored.broker.server.stats();
    expect({ sessions, subscriptions }).toEqual({ sessions: 1, subscriptions: 0 });
  });

  test('by a clean start that was not committed leaves the old session', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send(SUBSCRIBE_A);
    stored.slow();
    const second = stored.broker.open();
    await second.send(connectPacket(5, 'c1', true, ONE_HOUR));
    await stored.crash();
    const { sessions, subscriptions } = stored.broker.server.stats();
    expect({ sessions, subscriptions }).toEqual({ sessions: 1, subscriptions: 1 });
  });

  test('sends again what was held for the old connection, under its id, with DUP', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send(SUBSCRIBE_A);
    await first.expect('90 04 0001 00 02');
    const publisher = await stored.broker.v3('pub');
    stored.slow();
    await publisher.send("34 06 0001 'a' 0001 'x'");
    await first.expectNothing();
    const second = stored.broker.open();
    await second.send(connectPacket(5, 'c1', false, ONE_HOUR));
    await stored.commit();
    await publisher.expect('50 02 0001');
    await stored.commit();
    await second.expect(CONNACK_PRESENT, "3c 07 0001 'a' 0001 00 'x'");
  });
});

describe('a session that changes its mind', () => {
  test('and resumes with expiry 0 is stored as one that ends with its connection, before its CONNACK', async () => {
    const stored = await startStored();
    const first = await stored.durable('c1');
    await first.send(SUBSCRIBE_A);
    await first.send('e0 00');
    stored.slow();
    const second = stored.broker.open();
    await second.send(connectPacket(5, 'c1', false));
    await second.expectNothing();
    await stored.commit();
    await second.expect(CONNACK_PRESENT);
    await stored.crash();
    expect(stored.broker.server.stats().sessions).toBe(0);
  });

  test('and was ended by its client is gone for good once the client is told so', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    await client.send(SUBSCRIBE_A);
    await client.packets();
    stored.slow();
    await client.send('e0 07 00 05 11 00000000');
    const again = stored.broker.open();
    await again.send(connectPacket(5, 'c1', false));
    await again.expectNothing();
    const stranger = stored.broker.open();
    await stranger.send(connectPacket(5, 'c2', false)); // nothing of it was stored: it waits for nobody
    expect((await stranger.packet())[0]).toBe(0x20);
    await stored.commit();
    expect((await again.packet())[0]).toBe(0x20);
    await stored.crash();
    expect(stored.broker.server.stats().sessions).toBe(0);
  });

  test('and disconnects with expiry 0 goes from the store', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    await client.send(SUBSCRIBE_A);
    await client.send('e0 07 00 05 11 00000000');
    await stored.crash();
    expect(stored.broker.server.stats().sessions).toBe(0);
  });
});

describe('the receive window', () => {
  test('of a v5 client has no room while acknowledgements are held: 0x93 [MQTT-3.3.4-7]', async () => {
    const stored = await startStored({ limits: { receiveMaximum: 2 } });
    const client = await stored.durable('c1');
    stored.slow();
    await client.send("33 07 0001 'a' 0001 00 'x' 33 07 0001 'a' 0002 00 'x'");
    await client.expectOpen();
    await client.send("32 07 0001 'z' 0003 00 'x'");
    await expectDisconnected(client, 0x93);
  });

  test('has room again when they are released', async () => {
    const stored = await startStored({ limits: { receiveMaximum: 2 } });
    const client = await stored.durable('c1');
    stored.slow();
    await client.send("33 07 0001 'a' 0001 00 'x' 33 07 0001 'a' 0002 00 'x'");
    await stored.commit();
    await client.expect('40 03 0001 10', '40 03 0002 10');
    await client.send("32 07 0001 'z' 0003 00 'x' 32 07 0001 'z' 0004 00 'x'");
    await client.expect('40 03 0003 10', '40 03 0004 10');
  });

  test('holds the slot of a QoS 2 message until its PUBCOMP is released', async () => {
    const stored = await startStored({ limits: { receiveMaximum: 1 } });
    const client = await stored.durable('c1');
    await client.send("34 07 0001 'z' 0001 00 'x'");
    await client.expect('50 03 0001 10');
    stored.slow();
    await client.send('62 02 0001');
    await client.expectNothing();
    await client.send("32 07 0001 'z' 0003 00 'x'");
    await expectDisconnected(client, 0x93);
  });

  test('of a v3 client is no reason to close: it is not read while too many are held', async () => {
    const stored = await startStored({ limits: { receiveMaximum: 2 } });
    const client = await stored.broker.v3('c1', false);
    stored.slow();
    const packets = Array.from({ length: 1_500 }, (_, i) =>
      Uint8Array.of(0x33, 6, 0, 1, 0x61, (i + 1) >> 8, (i + 1) & 255, 0x78),
    );
    await client.send(Buffer.concat(packets));
    await client.expectOpen();
    expect(stored.broker.server.metrics.publishReceived[1]).toBe(1_024);
    await stored.commit();
    expect(await client.packets()).toHaveLength(1_024);
    expect(stored.broker.server.metrics.publishReceived[1]).toBe(1_500);
    await stored.commit();
    expect(await client.packets()).toHaveLength(476);
  });
});
