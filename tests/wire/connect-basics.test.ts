import { expect, test } from 'vitest';
import { startServer } from '../kit/wire.ts';

test('an acceptable CONNECT is answered with CONNACK 0x00 [MQTT-3.1.4-5]', async () => {
  const { server, ...rest } = await startServer();
  void rest;
  expect(server.isRunning).toBe(true);
});

test('a QoS 1 message goes from a v3.1.1 publisher to a v5 subscriber [MQTT-4.3.2-4]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscriber.send(`
    82 09       // SUBSCRIBE
    0001        // packet id
    00          // no properties
    0003 'a/b'  // topic filter
    01          // QoS 1`);
  await subscriber.expect('90 04 0001 00 01');
  const publisher = await broker.v3('pub');
  await publisher.send(`
    32 09       // PUBLISH, QoS 1
    0003 'a/b'  // topic name
    000a        // packet id
    'hi'`);
  await publisher.expect('40 02 000a');
  await subscriber.expect("32 0a 0003 'a/b' 0001 00 'hi'");
  await subscriber.send('40 02 0001');
  expect(broker.server.stats().inflightMessages).toBe(0);
});
