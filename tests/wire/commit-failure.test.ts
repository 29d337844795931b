// A store that cannot be written: what was taken is kept and retried, what needs the store is refused, the rest goes on.

import { describe, expect, test } from 'vitest';
import { DropReason } from '../../src/core/drop.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { CONNACK, expectRefused } from '../kit/answers.ts';
import { ONE_HOUR, type StoredServer, startStored } from '../kit/stored.ts';
import { connectPacket, type WireClient } from '../kit/wire.ts';

const RETRY_MS = 600;

interface Failing {
  readonly stored: StoredServer;
  /** durable, subscribed to `a` at QoS 1 */
  readonly subscriber: WireClient;
  /** durable; its PUBLISH 0x0001 to `a` is held */
  readonly publisher: WireClient;
}

/** A commit has failed, and the store goes on failing. */
async function startFailing(): Promise<Failing> {
  const stored = await startStored();
  const subscriber = await stored.durable('sub');
  await subscriber.send("82 07 0001 00 0001 'a' 01");
  await subscriber.expect('90 04 0001 00 01');
  const publisher = await stored.durable('pub');
  stored.storage.isFailing = true;
  await publisher.send("32 07 0001 'a' 0001 00 '1'");
  await subscriber.expect("32 07 0001 'a' 0001 00 '1'");
  await publisher.expectNothing();
  return { stored, subscriber, publisher };
}

async function recover(stored: StoredServer): Promise<void> {
  stored.storage.isFailing = false;
  await stored.broker.advance(RETRY_MS);
}

describe('a failed commit', () => {
  test('holds its acknowledgements until it is made good', async () => {
    const { stored, publisher } = await startFailing();
    await stored.broker.advance(60_000);
    await publisher.expectNothing();
    await recover(stored);
    await publisher.expect('40 02 0001');
  });

  test('is retried before any later one, in one', async () => {
    const { stored, publisher, subscriber } = await startFailing();
    await subscriber.send("82 07 0002 00 0001 'b' 01"); // gathers meanwhile
    await recover(stored);
    await publisher.expect('40 02 0001');
    await subscriber.expect('90 04 0002 00 01');
    await stored.crash();
    const { subscriptions, queuedMessages, inflightMessages } = stored.broker.server.stats();
    expect({ subscriptions, queuedMessages, inflightMessages }).toEqual({
      subscriptions: 2,
      queuedMessages: 0,
      inflightMessages: 1,
    });
  });

  test('is no reason to try again at once, and one try is enough when it works', async () => {
    const { stored } = await startFailing();
    const { commitCalls } = stored.storage;
    await stored.broker.advance(400);
    expect(stored.storage.commitCalls).toBe(commitCalls);
    await recover(stored);
    expect(stored.storage.commitCalls).toBe(commitCalls + 1);
    await stored.broker.advance(60_000);
    expect(stored.storage.commitCalls).toBe(commitCalls + 1);
  });

  test('does not take back what was done in memory', async () => {
    const { stored, subscriber } = await startFailing();
    await subscriber.send("a2 06 0002 00 0001 'a'");
    expect(stored.broker.server.stats().subscriptions).toBe(0);
    await recover(stored);
    await subscriber.expect('b0 04 0002 00 00');
  });

  test('only once is over with the next', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    stored.storage.failNext = 1;
    await client.send("82 07 0001 00 0001 'a' 01");
    await client.expectNothing();
    await stored.broker.advance(RETRY_MS);
    await client.expect('90 04 0001 00 01');
    expect(stored.broker.server.metrics.commitFailures).toBe(1);
  });

  test('while another batch gathers keeps both, and every acknowledgement in its order', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    stored.slow();
    await client.send("33 07 0001 'a' 0001 00 'x'");
    stored.storage.failNext = 1;
    await client.send("33 07 0001 'a' 0002 00 'y'");
    await stored.commit(); // fails; the second batch has not been tried
    await client.expectNothing();
    await stored.broker.advance(550); // tried again, not done yet
    await client.expectNothing();
    await stored.commit();
    await client.expect('40 03 0001 10', '40 03 0002 10');
    await stored.crash();
    const subscriber = await stored.broker.v3('sub');
    await subscriber.send("82 06 0001 0001 'a' 00");
    await subscriber.expect('90 03 0001 00', "31 04 0001 'a' 'y'");
  });
});

describe('while the store fails', () => {
  test.each([
    {
      what: 'of QoS 1 for a queue',
      publish: "32 07 0001 'a' 0002 00 '2'",
      refused: '40 03 0002 97',
    },
    {
      what: 'of QoS 2 for a queue',
      publish: "34 07 0001 'a' 0002 00 '2'",
      refused: '50 03 0002 97',
    },
    { what: 'retained', publish: "33 07 0001 'b' 0002 00 '2'", refused: '40 03 0002 97' },
  ])('a v5 client is told 0x97 for a PUBLISH $what, and stays', async ({ publish, refused }) => {
    const { stored, subscriber } = await startFailing();
    const publisher = await stored.broker.v5('p2');
    await publisher.send(publish);
    await publisher.expect(refused);
    await publisher.expectOpen();
    await subscriber.expectNothing(); // refused before routing
    expect(stored.broker.server.stats().retainedMessages).toBe(0);
    expect(stored.broker.server.drops.counts[DropReason.StoreFailing]).toBe(1);
  });

  test('a QoS 2 PUBLISH that was refused may come again under its id', async () => {
    const { stored, subscriber } = await startFailing();
    await subscriber.send('40 02 0001');
    const publisher = await stored.broker.v5('p2');
    await publisher.send("34 07 0001 'a' 0002 00 '2'");
    await publisher.expect('50 03 0002 97');
    await recover(stored);
    await publisher.send("34 07 0001 'a' 0002 00 '2'");
    await publisher.expect('50 02 0002');
    await subscriber.expect("32 07 0001 'a' 0002 00 '2'");
  });

  test('a QoS 2 PUBLISH of a durable session is refused, since its id would be stored', async () => {
    const stored = await startStored();
    const other = await stored.durable('c1');
    const publisher = await stored.durable('pub');
    stored.storage.isFailing = true;
    await other.send("82 07 0001 00 0001 'a' 01");
    await publisher.send("34 07 0001 'z' 0001 00 'x' 32 07 0001 'z' 0002 00 'x'");
    await publisher.expect('50 03 0001 97', '40 03 0002 10');
  });

  test('a v3 client that publishes what needs it is not acknowledged, and closed after a while', async () => {
    const { stored, subscriber } = await startFailing();
    const publisher = await stored.broker.v3('p2');
    await publisher.send("32 06 0001 'a' 0002 '2' 32 06 0001 'z' 0003 'x'");
    await publisher.expectNothing();
    await publisher.expectOpen();
    await stored.broker.advance(5_200);
    await publisher.expectClosed();
    await subscriber.expectNothing();
  });

  test('a durable CONNECT is told 0x88', async () => {
    const { stored } = await startFailing();
    const client = stored.broker.open();
    await client.send(connectPacket(5, 'c3', true, ONE_HOUR));
    await expectRefused(client, 0x88);
  });

  test('a durable v3 CONNECT is told 0x03', async () => {
    const { stored } = await startFailing();
    const client = stored.broker.open();
    await client.send(connectPacket(4, 'c3', false));
    await client.expectClosed('20 02 00 03');
  });

  test('a client that would take over is refused, and the connection that is there stays', async () => {
    const { stored, subscriber } = await startFailing();
    const client = stored.broker.open();
    await client.send(connectPacket(5, 'sub', false, ONE_HOUR));
    await expectRefused(client, 0x88);
    await subscriber.expectOpen();
  });

  test('a clean CONNECT that would discard a durable session is refused, too', async () => {
    const { stored } = await startFailing();
    const client = stored.broker.open();
    await client.send(connectPacket(5, 'sub', true));
    await expectRefused(client, 0x88);
  });

  test('clean sessions come, go and exchange messages of every QoS', async () => {
    const { stored } = await startFailing();
    const client = stored.broker.open();
    await client.send(connectPacket(5, 'c3', true));
    await client.expect(CONNACK);
    await client.send("82 07 0001 00 0001 'z' 02 34 07 0001 'z' 0001 00 'x'");
    await client.expect('90 04 0001 00 02', "34 07 0001 'z' 0001 00 'x'", '50 02 0001');
    await client.send('50 02 0001 62 02 0001');
    await client.expect('62 02 0001', '70 02 0001');
    await client.send("32 07 0001 'z' 0002 00 'y'");
    await client.expect("32 07 0001 'z' 0002 00 'y'", '40 02 0002');
  });

  test('QoS 0 goes on, to durable sessions and retained', async () => {
    const { stored, subscriber } = await startFailing();
    const publisher = await stored.broker.v3('p2');
    await publisher.send("30 04 0001 'a' 'x' 31 04 0001 'a' 'y'");
    await subscriber.expect("30 05 0001 'a' 00 'x'", "30 05 0001 'a' 00 'y'");
    expect(stored.broker.server.stats().retainedMessages).toBe(1);
    await recover(stored);
    await stored.broker.advance(2_000);
    await stored.crash();
    expect(stored.broker.server.stats().retainedMessages).toBe(1);
  });

  test('a message that nobody stores is acknowledged, if nothing is held before it', async () => {
    const { stored } = await startFailing();
    const publisher = await stored.broker.v5('p2');
    await publisher.send("32 07 0001 'z' 0001 00 'x'");
    await publisher.expect('40 03 0001 10');
  });

  test('PUBREL is taken, and its PUBCOMP held', async () => {
    const stored = await startStored();
    const client = await stored.durable('c1');
    await client.send("34 07 0001 'z' 0001 00 'x'");
    await client.expect('50 03 0001 10');
    stored.storage.isFailing = true;
    await client.send('62 02 0001');
    await client.expectNothing();
    await recover(stored);
    await client.expect('70 02 0001');
  });
});

test('when the store works again everything is as before', async () => {
  const { stored, subscriber, publisher } = await startFailing();
  await subscriber.send('40 02 0001');
  await recover(stored);
  await publisher.expect('40 02 0001');
  await publisher.send("32 07 0001 'a' 0002 00 '2'");
  await publisher.expect('40 02 0002');
  await subscriber.expect("32 07 0001 'a' 0002 00 '2'");
  await stored.durable('c4');
});

test('a stop ends although a client died while it was not read', async () => {
  const stored = await startStored({ limits: { shutdownTimeoutMs: 50 } });
  const other = await stored.durable('c1');
  const publisher = await stored.broker.v3('pub');
  stored.storage.isFailing = true;
  await other.send("82 07 0001 00 0001 'a' 01");
  await publisher.send("33 06 0001 'a' 0001 'x'"); // refused: not read from here on
  await publisher.send("30 04 0001 'a' 'y'"); // lies there unread
  await publisher.drop();
  await stored.broker.server.stop();
  expect(stored.broker.server.stats().connections).toBe(0);
}, 5_000);

test('a v3 client refused after its authorizer thought is not read on: what follows cannot pass what was lost', async () => {
  const authorizer = {
    authorizePublish: () => Promise.resolve(ReasonCode.Success),
    authorizeSubscribe: () => ReasonCode.Success,
  };
  const stored = await startStored({ authorizer });
  const subscriber = await stored.durable('sub');
  await subscriber.send("82 07 0001 00 0001 'a' 01");
  await subscriber.packets();
  const publisher = await stored.broker.v3('pub');
  stored.storage.isFailing = true;
  await publisher.send("32 06 0001 'a' 0001 '0'"); // held: its commit will fail
  await subscriber.packets();
  await publisher.send("32 06 0001 'a' 0002 '1'"); // refused
  await recover(stored);
  await publisher.send("32 06 0001 'a' 0003 '2'");
  await publisher.expect('40 02 0001');
  await subscriber.expectNothing();
  await stored.broker.advance(6_000);
  await publisher.expectClosed();
});
