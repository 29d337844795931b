// Quotas with `over = "refuse"` and `over = "disconnect"`, in literal bytes: v5 is told, v3 is acknowledged or closed.

import { expect, test } from 'vitest';
import type { QuotaRule } from '../../src/core/quota-rules.ts';
import { expectDisconnected } from '../kit/answers.ts';
import { LogBook } from '../kit/log-book.ts';
import { joined, publishV5, subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

/** One a second, one at once. */
const REFUSE: QuotaRule = { clientId: 'p', messagesPerSecond: 1, over: 'refuse' };
const DISCONNECT: QuotaRule = { ...REFUSE, over: 'disconnect' };

test('v5, QoS 1: PUBACK 0x97, the connection goes on, and with the next token the next passes [MQTT-3.4.2-1]', async () => {
  const broker = await startServer({ quotas: [REFUSE] });
  const subscriber = await subscriberV5(broker, 's', 't');
  const publisher = await broker.v5('p');
  await publisher.send("32 07 0001 't' 0001 00 '1' 32 07 0001 't' 0002 00 '2'");
  await publisher.expect('40 02 0001', '40 03 0002 97');
  await broker.advance(999);
  await publisher.send("32 07 0001 't' 0002 00 '2'");
  await publisher.expect('40 03 0002 97');
  await broker.advance(1);
  await publisher.send("32 07 0001 't' 0002 00 '2'");
  await publisher.expect('40 02 0002');
  await subscriber.expect("30 05 0001 't' 00 '1'", "30 05 0001 't' 00 '2'");
  expect(broker.server.stats().dropped.quota).toBe(2);
  expect(broker.server.metrics.quotaRefusals).toBe(2);
});

test('v5, QoS 2: PUBREC 0x97, and the packet id is free again [MQTT-3.5.2-1] [MQTT-4.3.3-9]', async () => {
  const broker = await startServer({ quotas: [REFUSE] });
  const publisher = await broker.v5('p');
  await publisher.send("34 07 0001 't' 0001 00 '1' 34 07 0001 't' 0002 00 '2'");
  await publisher.expect('50 03 0001 10', '50 03 0002 97');
  await broker.advance(1_000);
  await publisher.send("34 07 0001 't' 0002 00 '3' 62 02 0001 62 02 0002");
  await publisher.expect('50 03 0002 10', '70 02 0001', '70 02 0002');
});

test('a QoS 2 message that is sent again costs nothing again [MQTT-4.3.3-10]', async () => {
  const broker = await startServer({ quotas: [REFUSE] });
  const publisher = await broker.v5('p');
  await publisher.send("34 07 0001 't' 0001 00 '1' 3c 07 0001 't' 0001 00 '1'");
  await publisher.expect('50 03 0001 10', '50 02 0001');
});

test('QoS 0 is dropped and counted', async () => {
  const broker = await startServer({ quotas: [REFUSE] });
  const subscriber = await subscriberV5(broker, 's', 't');
  const publisher = await broker.v5('p');
  await publisher.send("30 05 0001 't' 00 '1' 30 05 0001 't' 00 '2' c0 00");
  await publisher.expect('d0 00');
  await subscriber.expect("30 05 0001 't' 00 '1'");
  expect(broker.server.stats().dropped.quota).toBe(1);
});

test('v3.1.1 is acknowledged, its message dropped and counted [3.1.1 MQTT-3.3.5-2]', async () => {
  const broker = await startServer({ quotas: [REFUSE] });
  const subscriber = await subscriberV3(broker, 's', 't');
  const publisher = await broker.v3('p');
  await publisher.send("32 06 0001 't' 0001 '1' 32 06 0001 't' 0002 '2'");
  await publisher.expect('40 02 0001', '40 02 0002');
  await subscriber.expect("30 04 0001 't' '1'");
  expect(broker.server.stats().dropped.quota).toBe(1);
});

test('v3.1.1, QoS 2: the handshake runs to its end, the message is dropped once', async () => {
  const broker = await startServer({ quotas: [REFUSE] });
  const publisher = await broker.v3('p');
  await publisher.send("34 06 0001 't' 0001 '1' 34 06 0001 't' 0002 '2' 3c 06 0001 't' 0002 '2'");
  await publisher.expect('50 02 0001', '50 02 0002', '50 02 0002');
  await publisher.send('62 02 0002');
  await publisher.expect('70 02 0002');
  expect(broker.server.stats().dropped.quota).toBe(1);
});

test('v3.1.1 with deniedV3 = disconnect: closed without a word; QoS 0 is dropped only', async () => {
  const broker = await startServer({ quotas: [REFUSE], accessRules: { deniedV3: 'disconnect' } });
  const publisher = await broker.v3('p');
  await publisher.send("30 04 0001 't' '1' 30 04 0001 't' '2'");
  await publisher.expectOpen();
  await publisher.send("32 06 0001 't' 0001 '3'");
  await publisher.expectClosed();
  const other = await broker.v5('other');
  await other.send("32 07 0001 't' 0001 00 '1'");
  await other.expect('40 03 0001 10');
});

test('bytes over the rate are refused, too', async () => {
  const broker = await startServer({
    quotas: [{ clientId: 'p', bytesPerSecond: 10, over: 'refuse' }],
  });
  const publisher = await broker.v5('p');
  const packets = [1, 2].map((packetId) => publishV5({ topicName: 't', qos: 1, packetId }));
  await publisher.send(joined(packets)); // eight bytes each
  await publisher.expect('40 03 0001 10', '40 03 0002 97');
});

test('v5, disconnect: DISCONNECT 0x96, the will is published, and nothing of the message is [MQTT-4.13.1-1]', async () => {
  const broker = await startServer({ quotas: [DISCONNECT] });
  const subscriber = await subscriberV5(broker, 's', '+');
  const publisher = broker.open();
  await publisher.send("10 15 0004 'MQTT' 05 06 0000 00 0001 'p' 00 0001 'w' 0001 'w'");
  await publisher.packet();
  await publisher.send("30 05 0001 't' 00 '1' 30 05 0001 't' 00 '2' 30 05 0001 't' 00 '3'");
  await expectDisconnected(publisher, 0x96, 'more messages than its quota allows');
  await subscriber.expect("30 05 0001 't' 00 '1'", "30 05 0001 'w' 00 'w'");
  expect(broker.server.stats().dropped.quota).toBe(1);
});

test('v3.1.1, disconnect: closed; a QoS 1 message was not acknowledged and is not counted as lost', async () => {
  const broker = await startServer({ quotas: [DISCONNECT] });
  const publisher = await broker.v3('p');
  await publisher.send("32 06 0001 't' 0001 '1' 32 06 0001 't' 0002 '2'");
  await publisher.expectClosed('40 02 0001');
  expect(broker.server.stats().dropped.quota).toBe(0);
});

test('who comes again at once after that finds no token', async () => {
  const broker = await startServer({ quotas: [DISCONNECT] });
  for (let i = 0; i < 3; i++) {
    const publisher = await broker.v5('p');
    await publisher.send("30 05 0001 't' 00 '1' 30 05 0001 't' 00 '2'");
    await publisher.packets();
    expect(publisher.isClosed).toBe(true);
  }
  expect(broker.server.stats().dropped).toMatchObject({ quota: 3, no_subscriber: 1 });
});

test('the log says which quota it was', async () => {
  const logger = new LogBook();
  const broker = await startServer({ logger, quotas: [{ ...REFUSE, per: 'user' }] });
  const publisher = await broker.v5('p');
  for (let i = 0; i < 5; i++) await publisher.send("30 05 0001 't' 00 '1'");
  expect(logger.lines.filter(({ message }) => message.includes('quota'))).toEqual([
    {
      level: 'info',
      fields: { clientId: 'p', username: null, quota: 1, per: 'user' },
      message: 'a client has used up its quota: its messages are refused',
    },
  ]);
});
