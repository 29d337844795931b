// Client identifiers, given and assigned. MQTT 5 §3.1.3.1, §3.2.2.3.7.

import { expect, test } from 'vitest';
import { CONNACK, CONNACK_PRESENT, expectRefused } from '../kit/answers.ts';
import { connectPacket, startServer } from '../kit/wire.ts';

const ALPHANUMERIC = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Uuids that count up. */
function countingIds() {
  let last = 0;
  return { uuid: () => `id-${++last}` };
}

test('client identifiers of 1 to 23 digits and letters are accepted [MQTT-3.1.3-5] [3.1.1 MQTT-3.1.3-5]', async () => {
  const broker = await startServer();
  for (let length = 1; length <= 23; length++) {
    await broker.v5(ALPHANUMERIC.slice(-length));
    await broker.v3(ALPHANUMERIC.slice(0, length));
  }
  expect(broker.server.stats().sessionsConnected).toBe(46);
});

test('the whole alphabet of digits and letters is accepted in one client identifier [MQTT-3.1.3-5]', async () => {
  const broker = await startServer();
  await broker.v5(ALPHANUMERIC);
});

test('a session is found by its client identifier [MQTT-3.1.3-2] [3.1.1 MQTT-3.1.3-2]', async () => {
  const broker = await startServer();
  const first = await broker.v3('a', false);
  await first.drop();
  const other = broker.open();
  await other.send("10 0d 0004 'MQTT' 04 00 0000 0001 'b'");
  await other.expect('20 02 00 00');
  const same = broker.open();
  await same.send("10 0d 0004 'MQTT' 04 00 0000 0001 'a'");
  await same.expect('20 02 01 00');
});

test('client identifiers that differ in case are two clients [MQTT-3.1.3-2]', async () => {
  const broker = await startServer();
  const lower = await broker.v5('a');
  await broker.v5('A');
  await lower.expectOpen();
});

test('another client identifier does not see the subscriptions of a session [MQTT-3.1.3-2]', async () => {
  const broker = await startServer();
  const first = await broker.v3('a', false);
  await first.send("82 06 0001 0001 't' 00");
  await first.expect('90 03 0001 00');
  await first.drop();
  const other = await broker.v3('b', false);
  const publisher = await broker.v3('p');
  await publisher.send("30 03 0001 't'");
  await other.expectNothing();
});

test('two clients with an empty identifier have a session each [MQTT-3.1.3-6] [MQTT-3.2.2-16] [3.1.1 MQTT-3.1.3-6]', async () => {
  const broker = await startServer({ ids: countingIds() });
  const first = broker.open();
  await first.send(connectPacket(5, '', true));
  await first.expect(`20 1a    // CONNACK
    00 00
    17 21 0064           // Receive Maximum
    27 001e8480          // Maximum Packet Size
    12 0009 'auto-id-2'  // Assigned Client Identifier
    22 0020`); // Topic Alias Maximum
  const second = broker.open();
  await second.send(connectPacket(5, '', true));
  await second.expect(`20 1a   // CONNACK
    00 00
    17 21 0064           // Receive Maximum
    27 001e8480          // Maximum Packet Size
    12 0009 'auto-id-4'  // Assigned Client Identifier
    22 0020`); // Topic Alias Maximum
  await first.expectOpen();
  expect(broker.server.stats().sessionsConnected).toBe(2);
});

test('two v3.1.1 clients with an empty identifier have a session each [3.1.1 MQTT-3.1.3-6]', async () => {
  const broker = await startServer();
  const connect = "10 0c 0004 'MQTT' 04 02 0000 0000";
  const first = await broker.connect(connect, '20 02 0000');
  await broker.connect(connect, '20 02 0000');
  await first.expectOpen();
  expect(broker.server.stats().sessionsConnected).toBe(2);
});

test('an assigned client identifier brings its session back [MQTT-3.1.3-7]', async () => {
  const broker = await startServer({ ids: countingIds() });
  const client = broker.open();
  await client.send(`10 12    // CONNECT
    0004 'MQTT' 05 00 0000
    05 11 0000003c     // Session Expiry Interval 60 s
    0000`);
  await client.expect(`20 1a   // CONNACK
    00 00
    17 21 0064           // Receive Maximum
    27 001e8480          // Maximum Packet Size
    12 0009 'auto-id-2'  // Assigned Client Identifier
    22 0020`); // Topic Alias Maximum
  await client.drop();
  await broker.connect("10 16 0004 'MQTT' 05 00 0000 00 0009 'auto-id-2'", CONNACK_PRESENT);
});

test('a client identifier of its own is not assigned again [MQTT-3.2.2-16]', async () => {
  const broker = await startServer();
  await broker.connect("10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'", CONNACK);
});

test('an empty v3.1.1 identifier without clean session is refused with return code 0x02 [MQTT-3.1.3-8] [3.1.1 MQTT-3.1.3-8]', async () => {
  const client = (await startServer()).open();
  await client.send("10 0c 0004 'MQTT' 04 00 0000 0000");
  await client.expectClosed('20 02 00 02');
});

test('an empty v3.1 identifier is refused with return code 0x02 [MQTT-3.1.3-8]', async () => {
  const client = (await startServer()).open();
  await client.send("10 0e 0006 'MQIsdp' 03 02 0000 0000");
  await client.expectClosed('20 02 00 02');
});

test('a client identifier that the authenticator does not want is refused with 0x85 [MQTT-3.1.3-8]', async () => {
  const broker = await startServer({
    authenticator: { authenticate: () => ({ reasonCode: 0x85 }) },
  });
  const client = broker.open();
  await client.send("10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'");
  await expectRefused(client, 0x85);
});

test('a v3.1.1 identifier that the authenticator does not want is refused with 0x02 [3.1.1 MQTT-3.1.3-9]', async () => {
  const broker = await startServer({
    authenticator: { authenticate: () => ({ reasonCode: 0x85 }) },
  });
  const client = broker.open();
  await client.send("10 0d 0004 'MQTT' 04 02 0000 0001 'a'");
  await client.expectClosed('20 02 00 02');
});
