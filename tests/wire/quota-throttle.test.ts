// Quotas with `over = "throttle"`: who comes too fast is not read until it has tokens again, in literal bytes and under the fake
// clock. Its messages are late, and nothing else happens, to it or to anybody.

import { describe, expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import type { QuotaRule } from '../../src/core/quota-rules.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { LogBook } from '../kit/log-book.ts';
import { startStored } from '../kit/stored.ts';
import { hex16, joined, publishV3, publishV5, subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import {
  connectPacket,
  settle,
  startServer,
  type TestServer,
  type WireClient,
} from '../kit/wire.ts';

/** Two a second, two at once. */
const SLOW: QuotaRule = { clientId: 'p*', messagesPerSecond: 2 };

const PUBLISH = { 4: publishV3, 5: publishV5 } as const;

/** So many PUBLISH to `t`, packet ids and payloads counting from 1. */
function messages(version: 4 | 5, count: number, qos: 0 | 1 | 2): Uint8Array {
  const packet = (n: number) =>
    PUBLISH[version]({ topicName: 't', qos, packetId: n, payload: `${n}` });
  return joined(Array.from({ length: count }, (_, i) => packet(i + 1)));
}

function open(broker: TestServer, version: 4 | 5, clientId: string): Promise<WireClient> {
  return version === 5 ? broker.v5(clientId) : broker.v3(clientId);
}

/** The payloads that came since the last call. */
async function payloads(client: WireClient): Promise<string> {
  const packets = await client.packets();
  return packets.map((packet) => new TextDecoder().decode(packet.subarray(5))).join(' ');
}

async function named(broker: TestServer, clientId: string, username: string): Promise<WireClient> {
  const client = broker.open();
  await client.send(connectPacket(4, clientId, true, '', username));
  await client.expect('20 02 0000');
  return client;
}

for (const version of [4, 5] as const) {
  describe(`v${version}`, () => {
    test('the burst passes at once, the rest at the rate; each is acknowledged when it has passed', async () => {
      const broker = await startServer({ quotas: [SLOW] });
      const subscriber = await subscriberV3(broker, 's', 't');
      const publisher = await open(broker, version, 'p');
      await publisher.send(messages(version, 5, 1));
      await publisher.expect('40 02 0001', '40 02 0002');
      expect(await payloads(subscriber)).toBe('1 2');
      await broker.advance(499);
      await publisher.expectNothing();
      await broker.advance(1);
      await publisher.expect('40 02 0003');
      await broker.advance(500);
      await publisher.expect('40 02 0004');
      await broker.advance(10_000);
      await publisher.expect('40 02 0005');
      expect(await payloads(subscriber)).toBe('3 4 5');
      expect(broker.server.metrics.quotaPauses).toBe(3);
      expect(broker.server.drops.total).toBe(0);
    });

    test('QoS 2 messages run through their handshake, late [MQTT-4.3.3-10]', async () => {
      const broker = await startServer({ quotas: [SLOW] });
      const publisher = await open(broker, version, 'p');
      await publisher.send(messages(version, 3, 2));
      const noSubscriber =
        version === 5 ? ['50 03 0001 10', '50 03 0002 10'] : ['50 02 0001', '50 02 0002'];
      await publisher.expect(...noSubscriber);
      await broker.advance(500);
      await publisher.expect(version === 5 ? '50 03 0003 10' : '50 02 0003');
      await publisher.send('62 02 0001 62 02 0002 62 02 0003');
      await publisher.expect('70 02 0001', '70 02 0002', '70 02 0003');
    });

    test('what follows a message that waits waits, too: the order stays [MQTT-4.6.0-5]', async () => {
      const broker = await startServer({ quotas: [SLOW] });
      const publisher = await open(broker, version, 'p');
      await publisher.send(joined([messages(version, 3, 0), Uint8Array.of(0xc0, 0)]));
      await publisher.send('c0 00');
      await publisher.expectNothing();
      await broker.advance(500);
      await publisher.expect('d0 00', 'd0 00');
    });

    test('its keep-alive stands still meanwhile [MQTT-3.1.2-22]', async () => {
      const broker = await startServer({
        quotas: [{ clientId: 'p', messagesPerSecond: 0.01, messagesBurst: 1 }],
      });
      const connect = {
        4: "10 0d 0004 'MQTT' 04 02 000a 0001 'p'",
        5: "10 0e 0004 'MQTT' 05 02 000a 00 0001 'p'",
      };
      const publisher = broker.open();
      await publisher.send(connect[version]);
      await publisher.packet();
      await publisher.send(messages(version, 2, 1));
      await publisher.expect(version === 5 ? '40 03 0001 10' : '40 02 0001');
      await broker.advance(99_000);
      await publisher.expectOpen();
      await broker.advance(1_000);
      await publisher.expect(version === 5 ? '40 03 0002 10' : '40 02 0002');
      await broker.advance(14_900);
      await publisher.expectOpen();
      await broker.advance(15_200); // from now on it counts
      await publisher.packets();
      expect(publisher.isClosed).toBe(true);
    });
  });
}

test('others are not slowed: their messages pass, and they are acknowledged, while one waits', async () => {
  const broker = await startServer({ quotas: [SLOW] });
  const subscriber = await subscriberV3(broker, 's', 't');
  const flooder = await broker.v3('p');
  await flooder.send(messages(4, 1_000, 0));
  expect(await payloads(subscriber)).toBe('1 2');
  const other = await broker.v5('other');
  for (let i = 1; i <= 50; i++) {
    await other.send(publishV5({ topicName: 't', qos: 1, packetId: i, payload: 'o' }));
    await other.expect(`40 02 ${hex16(i)}`);
  }
  expect(await payloads(subscriber)).toBe(Array.from({ length: 50 }, () => 'o').join(' '));
  const fellow = await broker.v3('p2'); // the same rule, an account of its own
  await fellow.send("30 04 0001 't' 'f'");
  expect(await payloads(subscriber)).toBe('f');
});

test('a throttled client gets exactly its rate over time, also one faster than the timers', async () => {
  const rule = { clientId: 'p', messagesPerSecond: 700, messagesBurst: 1 };
  const broker = await startServer({ quotas: [rule], limits: { outputBytesMax: 100_000_000 } });
  const subscriber = await subscriberV3(broker, 's', 't');
  const publisher = await broker.v3('p');
  await publisher.send(messages(4, 8_000, 0));
  let passed = (await subscriber.packets()).length;
  expect(passed).toBe(70); // a tenth of a second is the smallest burst of who waits
  for (let second = 1; second <= 10; second++) {
    await broker.advance(1_000);
    passed += (await subscriber.packets()).length;
    expect(passed).toBeLessThanOrEqual(70 + 700 * second);
    expect(passed).toBeGreaterThanOrEqual(700 * second);
  }
});

test('bytes are those of whole packets; one larger than the burst passes when all is there, and is paid off', async () => {
  const broker = await startServer({
    quotas: [{ clientId: 'p', bytesPerSecond: 100, bytesBurst: 20 }],
  });
  const publisher = await broker.v5('p');
  const packet = (packetId: number, length: number) =>
    publishV5({ topicName: 't', qos: 1, packetId, payload: new Uint8Array(length) });
  const packets = [packet(1, 2), packet(2, 2), packet(3, 0), packet(4, 112), packet(5, 2)];
  expect(packets.map(({ length }) => length)).toEqual([10, 10, 8, 120, 10]);
  await publisher.send(joined(packets));
  await publisher.expect('40 03 0001 10', '40 03 0002 10');
  await broker.advance(50);
  await publisher.expectNothing();
  await broker.advance(50); // 8 of 10 bytes
  await publisher.expect('40 03 0003 10');
  await broker.advance(150); // 17
  await publisher.expectNothing();
  await broker.advance(50); // 22: 20 is all
  await publisher.expect('40 03 0004 10');
  await broker.advance(1_050); // 100 and 10 bytes later
  await publisher.expectNothing();
  await broker.advance(50);
  await publisher.expect('40 03 0005 10');
});

test('what its client is to get goes on while it waits', async () => {
  const broker = await startServer({ quotas: [SLOW] });
  const publisher = await subscriberV5(broker, 'p', 'for/p');
  await publisher.send(messages(5, 3, 0));
  const other = await broker.v3('other');
  await other.send("30 08 0005 'for/p' 'm'");
  await publisher.expect("30 09 0005 'for/p' 00 'm'");
});

test('an acknowledgement that waits for its commit leaves when it is durable, whatever waits for tokens', async () => {
  const stored = await startStored({ quotas: [SLOW] });
  const { broker } = stored;
  const durable = await stored.durable('s');
  await durable.send("82 07 0001 00 0001 't' 01");
  await durable.packets();
  await durable.drop();
  const publisher = await broker.v5('p');
  stored.slow();
  await publisher.send(messages(5, 3, 1));
  await publisher.expectNothing();
  await stored.commit();
  await publisher.expect('40 02 0001', '40 02 0002');
});

test('several rules apply together: the one that lasts longest counts', async () => {
  const broker = await startServer({
    quotas: [
      { clientId: '*', messagesPerSecond: 4, messagesBurst: 2 },
      { clientId: '*', messagesPerSecond: 1, messagesBurst: 3, per: 'rule' },
    ],
  });
  const [a, b] = [await broker.v3('a'), await broker.v3('b')];
  await a.send(messages(4, 3, 1));
  await a.expect('40 02 0001', '40 02 0002');
  await b.send(messages(4, 1, 1)); // behind the one that waits
  await b.expectNothing();
  await broker.advance(250);
  await a.expect('40 02 0003');
  await broker.advance(700);
  await b.expectNothing();
  await broker.advance(50);
  await b.expect('40 02 0001');
});

test('clients of one user share, and take turns; another user has its own', async () => {
  const broker = await startServer({
    quotas: [{ username: '*', messagesPerSecond: 10, messagesBurst: 2, per: 'user' }],
  });
  const [a, b] = [await named(broker, 'a', 'u'), await named(broker, 'b', 'u')];
  const other = await named(broker, 'c', 'v');
  await a.send(messages(4, 100, 1));
  await b.send(messages(4, 100, 1));
  await other.send(messages(4, 2, 1));
  expect((await other.packets()).length).toBe(2);
  await broker.advance(5_000);
  const [fromA, fromB] = [(await a.packets()).length, (await b.packets()).length];
  expect(fromA + fromB).toBe(52);
  expect(Math.abs(fromA - fromB)).toBeLessThanOrEqual(2);
});

test('whoever disconnects and comes again has no other burst', async () => {
  const broker = await startServer({ quotas: [SLOW] });
  const first = await broker.v3('p');
  await first.send(messages(4, 2, 1));
  await first.send('e0 00');
  const again = await broker.v3('p');
  await again.send(messages(4, 1, 1));
  await again.expectNothing();
  await broker.advance(500);
  await again.expect('40 02 0001');
});

test('who ends its side while messages wait loses none of them', async () => {
  const broker = await startServer({ quotas: [SLOW] });
  const subscriber = await subscriberV3(broker, 's', 't');
  const publisher = await broker.v3('p');
  publisher.write(messages(4, 4, 0));
  publisher.stream.end();
  await settle();
  expect(await payloads(subscriber)).toBe('1 2');
  await broker.advance(2_000);
  expect(await payloads(subscriber)).toBe('3 4');
  expect(publisher.isClosed).toBe(true);
});

test('who is cut off loses what waits, which is counted; what it had reserved is given back', async () => {
  const broker = await startServer({
    quotas: [{ clientId: '*', bytesPerSecond: 100, bytesBurst: 100, per: 'rule' }],
  });
  const publisher = await broker.v3('p');
  await publisher.send(publishV3({ topicName: 't', payload: new Uint8Array(95) })); // 100 bytes
  await publisher.send(publishV3({ topicName: 't', payload: new Uint8Array(10_000) }));
  await publisher.drop();
  expect(broker.server.stats().dropped).toMatchObject({ quota: 1, no_subscriber: 1 });
  const other = await broker.v3('o');
  await broker.advance(100);
  await other.send(publishV3({ topicName: 't', qos: 1, payload: 'm' })); // 8 bytes
  await other.expect('40 02 0001');
});

test('a QoS 1 message that waits when its client is cut off is not lost: it was not acknowledged', async () => {
  const broker = await startServer({ quotas: [SLOW] });
  const publisher = await broker.v3('p');
  await publisher.send(messages(4, 3, 1));
  await publisher.drop();
  expect(broker.server.stats().dropped.quota).toBe(0);
  await broker.advance(10_000);
});

test('a message may expire while it waits [MQTT-3.3.2-5]', async () => {
  const broker = await startServer({
    quotas: [{ clientId: 'p', messagesPerSecond: 0.1, messagesBurst: 1 }],
  });
  const subscriber = await subscriberV5(broker, 's', 't');
  const publisher = await broker.v5('p');
  await publisher.send(messages(5, 1, 0));
  await subscriber.expect("30 05 0001 't' 00 '1'");
  await publisher.send("32 0c 0001 't' 0001 05 02 00000009 '2'"); // nine seconds
  await broker.advance(10_000);
  await subscriber.expectNothing();
  await publisher.expect('40 03 0001 10');
  expect(broker.server.stats().dropped.expired).toBe(1);
});

test('the authorizer is asked when the message has its tokens, and may think', async () => {
  const asked: string[] = [];
  const answers: ((code: ReasonCode) => void)[] = [];
  const authorizer: Authorizer = {
    authorizePublish(_client, topicName) {
      asked.push(topicName);
      return new Promise((resolve) => answers.push(resolve));
    },
    authorizeSubscribe: () => ReasonCode.Success,
  };
  const broker = await startServer({
    authorizer,
    quotas: [{ clientId: 'p', messagesPerSecond: 1 }],
  });
  const publisher = await broker.v5('p');
  await publisher.send("32 06 0001 'a' 0001 00 32 06 0001 'b' 0002 00");
  answers.shift()?.(ReasonCode.Success);
  await publisher.expect('40 03 0001 10');
  expect(asked).toEqual(['a']);
  await broker.advance(1_000);
  expect(asked).toEqual(['a', 'b']);
  await publisher.send('c0 00');
  await publisher.expectNothing();
  answers.shift()?.(ReasonCode.NotAuthorized);
  await publisher.expect('40 03 0002 87', 'd0 00');
});

test('a malformed packet behind a message that waits ends the connection when its turn comes', async () => {
  const broker = await startServer({ quotas: [SLOW] });
  const publisher = await broker.v5('p');
  await publisher.send(joined([messages(5, 3, 0), Uint8Array.of(0x36, 0)])); // QoS 3
  await publisher.expectOpen();
  await broker.advance(500);
  const [packet] = await publisher.packets();
  expect([packet[0], packet[2]]).toEqual([0xe0, 0x81]);
});

test('the log says who waits and for which quota, once in ten seconds', async () => {
  const logger = new LogBook();
  const broker = await startServer({
    logger,
    quotas: [{ clientId: 'nobody', connectionsMax: 1 }, SLOW],
  });
  const publisher = await broker.v3('p');
  await publisher.send(messages(4, 12, 0));
  await broker.advance(4_000);
  const lines = logger.lines.filter(({ message }) => message.includes('quota'));
  expect(lines).toEqual([
    {
      level: 'info',
      fields: { clientId: 'p', username: null, quota: 2, per: 'client' },
      message: 'a client has used up its quota: it is throttled',
    },
  ]);
});
