// Receive Maximum in both directions. MQTT 5 §4.9, §3.3.4; design §4a.13.

import { expect, test } from 'vitest';
import { expectDisconnected } from '../kit/answers.ts';
import { joined, publishV3, subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { connectPacket, startServer } from '../kit/wire.ts';

test('no more deliveries are in flight than the client’s Receive Maximum; each acknowledgement frees one slot [MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 1, '21 0002');
  const publisher = await broker.v5('pub');
  await publisher.send(`
    32 07 0001 't' 0001 00 '1'  32 07 0001 't' 0002 00 '2'
    32 07 0001 't' 0003 00 '3'  32 07 0001 't' 0004 00 '4'`);
  await subscriber.expect("32 07 0001 't' 0001 00 '1'", "32 07 0001 't' 0002 00 '2'");
  await subscriber.send('40 02 0002');
  await subscriber.expect("32 07 0001 't' 0003 00 '3'");
  await subscriber.send('40 02 0001 40 02 0003');
  await subscriber.expect("32 07 0001 't' 0004 00 '4'");
});

test('a QoS 2 delivery holds its slot until PUBCOMP [MQTT-4.9.0-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 2, '21 0001');
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0001 00 '1' 32 07 0001 't' 0002 00 '2'");
  await subscriber.expect("34 07 0001 't' 0001 00 '1'");
  await subscriber.send('50 02 0001');
  await subscriber.expect('62 02 0001');
  await subscriber.send('70 02 0001');
  await subscriber.expect("32 07 0001 't' 0002 00 '2'");
});

test('a refusing PUBREC frees the slot [MQTT-4.9.0-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 2, '21 0001');
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0001 00 '1' 34 07 0001 't' 0002 00 '2'");
  await subscriber.send('50 03 0001 80');
  await subscriber.expect("34 07 0001 't' 0001 00 '1'", "34 07 0001 't' 0002 00 '2'");
});

test('a refusing PUBACK frees the slot [MQTT-4.9.0-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 1, '21 0001');
  const publisher = await broker.v5('pub');
  await publisher.send("32 07 0001 't' 0001 00 '1' 32 07 0001 't' 0002 00 '2'");
  await subscriber.send('40 03 0001 80');
  await subscriber.expect("32 07 0001 't' 0001 00 '1'", "32 07 0001 't' 0002 00 '2'");
});

test('QoS 0 does not wait for the window [MQTT-4.9.0-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 1, '21 0001');
  const publisher = await broker.v5('pub');
  await publisher.send(
    "32 07 0001 't' 0001 00 '1' 32 07 0001 't' 0002 00 '2' 30 05 0001 't' 00 '0'",
  );
  await subscriber.expect("32 07 0001 't' 0001 00 '1'", "30 05 0001 't' 00 '0'");
});

test('with the window full everything else of the client is handled and answered [MQTT-3.3.4-10] [MQTT-4.9.0-3]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 1, '21 0001');
  const other = await subscriberV3(broker, 'other', 'u');
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 't' 0001 00 32 06 0001 't' 0002 00");
  await subscriber.expect("32 06 0001 't' 0001 00");
  await subscriber.send(`
    c0 00                         // PINGREQ
    82 07 0001 00 0001 'v' 00     // SUBSCRIBE
    a2 06 0002 00 0001 'v'        // UNSUBSCRIBE
    32 07 0001 'u' 0003 00 'm'    // PUBLISH, QoS 1
    34 07 0001 'u' 0004 00 'm'    // PUBLISH, QoS 2
    62 02 0004`);
  await subscriber.expect(
    'd0 00',
    '90 04 0001 00 00',
    'b0 04 0002 00 00',
    '40 02 0003',
    '50 02 0004',
    '70 02 0004',
  );
  await other.expect("30 04 0001 'u' 'm'", "30 04 0001 'u' 'm'");
});

test('the window is the smaller of the client’s Receive Maximum and the server’s own limit [MQTT-4.9.0-1]', async () => {
  const broker = await startServer({ limits: { inflightMessagesMax: 3 } });
  const five = await subscriberV5(broker, 'five', 't', 1, '21 ffff');
  const three = await subscriberV3(broker, 'three', 't', 1);
  const publisher = await broker.v3('pub');
  for (let i = 1; i <= 5; i++) publisher.write(publishV3({ topicName: 't', qos: 1, packetId: i }));
  expect(await five.packets()).toHaveLength(3);
  expect(await three.packets()).toHaveLength(3);
});

test('a client may have as many QoS 2 messages open as CONNACK said; one more ends it with 0x93 [MQTT-3.3.4-7]', async () => {
  const broker = await startServer({ limits: { receiveMaximum: 2 } });
  await subscriberV5(broker, 'sub', 't', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("34 06 0001 't' 0001 00 34 06 0001 't' 0002 00");
  await publisher.expect('50 02 0001', '50 02 0002');
  await publisher.send("34 06 0001 't' 0003 00");
  await expectDisconnected(publisher, 0x93);
});

test('PUBCOMP frees a slot of the server’s Receive Maximum, PUBACK at once [MQTT-3.3.4-7]', async () => {
  const broker = await startServer({ limits: { receiveMaximum: 1 } });
  await subscriberV5(broker, 'sub', 't', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("34 06 0001 't' 0001 00");
  await publisher.send('62 02 0001');
  await publisher.send("32 06 0001 't' 0002 00");
  await publisher.send("32 06 0001 't' 0003 00");
  await publisher.expect('50 02 0001', '70 02 0001', '40 02 0002', '40 02 0003');
});

test('a refused QoS 2 message holds no slot [MQTT-3.3.4-7]', async () => {
  const broker = await startServer({ limits: { receiveMaximum: 1, checkPayloadFormat: true } });
  const publisher = await broker.v5('pub');
  await publisher.send("34 09 0001 't' 0001 02 01 01 ff");
  await publisher.send("34 09 0001 't' 0002 02 01 01 ff");
  await publisher.expect('50 03 0001 99', '50 03 0002 99');
});

test('a QoS 2 message that comes again on the same connection holds no second slot [MQTT-3.3.4-7] [MQTT-4.3.3-10]', async () => {
  const broker = await startServer({ limits: { receiveMaximum: 2 } });
  await subscriberV5(broker, 'sub', 't', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("34 06 0001 't' 0001 00");
  await publisher.send("3c 06 0001 't' 0001 00");
  await publisher.send("34 06 0001 't' 0002 00");
  await publisher.expect('50 02 0001', '50 02 0001', '50 02 0002');
});

test('a v3.1.1 client may have more open than the Receive Maximum: it is never closed for that', async () => {
  const broker = await startServer({ limits: { receiveMaximum: 2 } });
  await subscriberV5(broker, 'sub', 't', 0);
  const publisher = await broker.v3('pub');
  const packets: Uint8Array[] = [];
  for (let i = 1; i <= 1_000; i++) {
    packets.push(publishV3({ topicName: 't', qos: 2, packetId: i }));
  }
  await publisher.send(joined(packets));
  expect(await publisher.packets()).toHaveLength(1_000);
  await publisher.expectOpen();
});

test('CONNACK announces the server’s Receive Maximum [MQTT-3.3.4-7]', async () => {
  const broker = await startServer({ limits: { receiveMaximum: 7 } });
  const client = broker.open();
  await client.send(connectPacket(5, 'a', true));
  await client.expect('20 0e 00 00 0b 21 0007 27 001e8480 22 0020');
});
