// The network connection: an ordered stream of bytes, cut anywhere. MQTT 5 §4.2.

import { expect, test } from 'vitest';
import { CONNACK } from '../kit/answers.ts';
import { hex, toHex } from '../kit/hex.ts';
import { startServer, type WireClient } from '../kit/wire.ts';

/** A whole session: connect, subscribe, publish at all QoS, ping, unsubscribe, disconnect. */
const SESSION = hex(`
  10 0e 0004 'MQTT' 05 02 0000 00 0001 'a' // CONNECT
  82 07 0001 00 0001 't' 02                // SUBSCRIBE, QoS 2
  30 05 0001 't' 00 '0'                    // PUBLISH, QoS 0
  32 07 0001 't' 0002 00 '1'               // PUBLISH, QoS 1
  34 07 0001 't' 0003 00 '2'               // PUBLISH, QoS 2
  62 02 0003                               // PUBREL
  40 02 0001                               // PUBACK
  50 02 0002                               // PUBREC
  70 02 0002                               // PUBCOMP
  c0 00                                    // PINGREQ
  a2 06 0004 00 0001 't'                   // UNSUBSCRIBE
  e0 00                                    // DISCONNECT`);
const ANSWERS = [
  CONNACK,
  '90 04 0001 00 02',
  "30 05 0001 't' 00 '0'",
  "32 07 0001 't' 0001 00 '1'",
  '40 02 0002',
  "34 07 0001 't' 0002 00 '2'",
  '50 02 0003',
  '70 02 0003',
  '62 02 0002',
  'd0 00',
  'b0 04 0004 00 00',
].map((packet) => toHex(hex(packet)));

async function expectAnswers(client: WireClient): Promise<void> {
  expect((await client.packets()).map(toHex)).toEqual(ANSWERS);
  expect(client.isClosed).toBe(true);
}

test('a whole session in one chunk is understood [MQTT-4.2-1] [MQTT-4.2.0-1] [3.1.1 MQTT-4.2.0-1]', async () => {
  const broker = await startServer();
  const client = broker.open();
  await client.send(SESSION);
  await expectAnswers(client);
  expect(broker.server.stats()).toMatchObject({ sessions: 0, connections: 0, subscriptions: 0 });
});

for (const size of [1, 2, 3, 5, 7, 16, 63]) {
  test(`a whole session in chunks of ${size} bytes is understood [MQTT-4.2-1] [MQTT-4.2.0-1] [3.1.1 MQTT-4.2.0-1]`, async () => {
    const client = (await startServer()).open();
    for (let at = 0; at < SESSION.length; at += size) {
      await client.send(SESSION.subarray(at, at + size));
    }
    await expectAnswers(client);
  });
}

test('a whole session cut in two, anywhere, is understood [MQTT-4.2-1] [MQTT-4.2.0-1]', async () => {
  const broker = await startServer();
  for (let at = 1; at < SESSION.length; at++) {
    const client = broker.open();
    await client.send(SESSION.subarray(0, at));
    await client.send(SESSION.subarray(at));
    await expectAnswers(client);
  }
});
