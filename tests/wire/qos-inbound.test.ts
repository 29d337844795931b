// QoS 1 and 2 from the client to the server: the state that keeps a message from coming twice. MQTT 5 §4.3.

import { expect, test } from 'vitest';
import { expectDisconnected } from '../kit/answers.ts';
import { subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

test('a QoS 1 id that was acknowledged counts as new, with DUP or without [MQTT-4.3.2-4] [MQTT-4.3.2-5] [3.1.1 MQTT-4.3.2-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("32 07 0001 't' 0001 00 '1'");
  await publisher.send("3a 07 0001 't' 0001 00 '1'");
  await publisher.expect('40 02 0001', '40 02 0001');
  await subscriber.expect("30 05 0001 't' 00 '1'", "30 05 0001 't' 00 '1'");
});

test('PUBACKs leave in the order of their PUBLISHes', async () => {
  const broker = await startServer();
  await subscriberV5(broker, 'sub', '#', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("32 06 0001 'a' 0005 00 32 06 0001 'b' 0003 00 32 06 0001 'c' 0004 00");
  await publisher.expect('40 02 0005', '40 02 0003', '40 02 0004');
});

test('a QoS 2 message that comes again before PUBREL is answered again and delivered once [MQTT-4.3.3-8] [MQTT-4.3.3-10] [3.1.1 MQTT-4.3.3-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0001 00 'm'");
  await publisher.send("3c 07 0001 't' 0001 00 'm'");
  await publisher.send("34 07 0001 't' 0001 00 'm'");
  await publisher.expect('50 02 0001', '50 02 0001', '50 02 0001');
  await subscriber.expect("30 05 0001 't' 00 'm'");
});

test('PUBREL is answered with PUBCOMP with its id [MQTT-4.3.3-11] [MQTT-3.7.2-1] [3.1.1 MQTT-4.3.3-2]', async () => {
  const broker = await startServer();
  await subscriberV5(broker, 'sub', 't', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 1234 00 'm' 62 02 1234");
  await publisher.expect('50 02 1234', '70 02 1234');
});

test('a QoS 2 id counts as new after PUBCOMP, with DUP or without [MQTT-4.3.3-12]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0001 00 '1' 62 02 0001");
  await publisher.send("3c 07 0001 't' 0001 00 '2'");
  await publisher.expect('50 02 0001', '70 02 0001', '50 02 0001');
  await subscriber.expect("30 05 0001 't' 00 '1'", "30 05 0001 't' 00 '2'");
});

test('a QoS 1 message may have the id of an open QoS 2 one, which stays open [MQTT-4.3.3-10]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0001 00 '1' 32 07 0001 't' 0001 00 '2'");
  await publisher.send("3c 07 0001 't' 0001 00 '1'");
  await publisher.expect('50 02 0001', '40 02 0001', '50 02 0001');
  await subscriber.expect("30 05 0001 't' 00 '1'", "30 05 0001 't' 00 '2'");
});

test('an open QoS 2 id survives the connection: the message sent again is not delivered again [MQTT-4.3.3-10]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0);
  const first = await broker.v5('pub', true, '11 00000e10');
  await first.send("34 07 0001 't' 0001 00 'm'");
  await first.drop();
  const second = await broker.v5('pub', false, '11 00000e10');
  await second.send("3c 07 0001 't' 0001 00 'm'");
  await second.expect('50 02 0001');
  await second.send('62 02 0001');
  await second.expect('70 02 0001');
  await subscriber.expect("30 05 0001 't' 00 'm'");
});

test('a v3.1.1 session keeps its open QoS 2 ids, too [3.1.1 MQTT-4.3.3-2]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV3(broker, 'sub', 't', 0);
  const first = await broker.v3('pub', false);
  await first.send("34 06 0001 't' 0001 'm'");
  await first.drop();
  const second = await broker.v3('pub', false);
  await second.send("3c 06 0001 't' 0001 'm' 62 02 0001");
  await second.expect('50 02 0001', '70 02 0001');
  await subscriber.expect("30 04 0001 't' 'm'");
});

test('a clean start forgets open QoS 2 ids [MQTT-3.1.2-4]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0);
  const first = await broker.v5('pub', true, '11 00000e10');
  await first.send("34 07 0001 't' 0001 00 '1'");
  await first.drop();
  const second = await broker.v5('pub', true);
  await second.send("34 07 0001 't' 0001 00 '2'");
  await subscriber.expect("30 05 0001 't' 00 '1'", "30 05 0001 't' 00 '2'");
});

test('PUBREL for an id that is not known is answered with PUBCOMP 0x92 [MQTT-3.7.2-1]', async () => {
  const publisher = await (await startServer()).v5('pub');
  await publisher.send('62 02 0007');
  await publisher.expect('70 03 0007 92');
  await publisher.expectOpen();
});

test('a v3.1.1 PUBREL for an id that is not known is answered with PUBCOMP [3.1.1 MQTT-4.3.3-2]', async () => {
  const publisher = await (await startServer()).v3('pub');
  await publisher.send('62 02 0007');
  await publisher.expect('70 02 0007');
});

test('a PUBREL that comes again finds its id gone: 0x92', async () => {
  const broker = await startServer();
  await subscriberV5(broker, 'sub', 't', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("34 06 0001 't' 0001 00 62 02 0001 62 02 0001");
  await publisher.expect('50 02 0001', '70 02 0001', '70 03 0001 92');
});

test('PUBREL with reason code and properties is understood [MQTT-4.3.3-11]', async () => {
  const broker = await startServer();
  await subscriberV5(broker, 'sub', 't', 0);
  const publisher = await broker.v5('pub');
  await publisher.send("34 06 0001 't' 0001 00 62 09 0001 92 05 1f 0002 'no'");
  await publisher.expect('50 02 0001', '70 02 0001');
});

for (const flags of ['60', '61', '63', '66', '6a']) {
  test(`PUBREL with first byte ${flags} ends the connection with 0x81 [MQTT-3.6.1-1]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(`${flags} 02 0001`);
    await expectDisconnected(client, 0x81, 'MQTT-3.6.1-1');
  });
}

test('a v3.1.1 PUBREL with flags 0000 closes the connection [3.1.1 MQTT-3.6.1-1]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send('60 02 0001');
  await client.expectClosed();
});

test('a reason code that PUBREL does not have ends the connection with 0x82 [MQTT-3.6.2-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send('62 03 0001 80');
  await expectDisconnected(client, 0x82, 'MQTT-3.6.2-1');
});

test('a message is acknowledged although its only subscriber is offline, and reaches it on return [MQTT-4.5.0-1] [3.1.1 MQTT-4.5.0-1]', async () => {
  const broker = await startServer();
  const first = await subscriberV5(broker, 'sub', 't', 2, '11 00000e10');
  await first.drop();
  const publisher = await broker.v5('pub');
  await publisher.send("34 07 0001 't' 0001 00 'm'");
  await publisher.expect('50 02 0001');
  const second = await broker.v5('sub', false, '11 00000e10');
  await second.expect("34 07 0001 't' 0001 00 'm'");
});

test('acknowledgements of the server have no Reason String or User Property, so they fit any Maximum Packet Size [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]', async () => {
  const publisher = await (await startServer()).v5('pub', true, '27 00000020');
  await publisher.send("32 06 0001 't' 0001 00 34 06 0001 't' 0002 00 62 02 0003");
  await publisher.expect('40 03 0001 10', '50 03 0002 10', '70 03 0003 92');
});

test('a chunk may end anywhere: the stream in single bytes gives the same exchange [MQTT-4.2-1] [MQTT-4.2.0-1] [3.1.1 MQTT-4.2.0-1]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 0);
  const client = broker.open();
  const stream = Buffer.from(
    '100e00044d515454050200000000016134070001740001006d62020001c000',
    'hex',
  );
  for (const byte of stream) client.write(Uint8Array.of(byte));
  const packets = await client.packets();
  expect(packets.map((packet) => packet[0])).toEqual([0x20, 0x50, 0x70, 0xd0]);
  await subscriber.expect("30 05 0001 't' 00 'm'");
});
