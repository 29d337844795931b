// UTF-8 strings and string pairs. MQTT 5 §1.5.4, §1.5.7.

import { test } from 'vitest';
import { CONNACK, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

const ILL_FORMED = [
  ['a lone continuation byte', '80'],
  ['an overlong form', 'c0 80'],
  ['an overlong form of three bytes', 'e0 80 af'],
  ['half a surrogate pair', 'ed a0 80'],
  ['a surrogate pair of six bytes', 'ed a0 81 ed b0 80'],
  ['a character above U+10FFFF', 'f4 90 80 80'],
  ['a character that is cut off', 'e2 82'],
  ['the byte FF', 'ff'],
] as const;

for (const [what, bytes] of ILL_FORMED) {
  const length = bytes.split(' ').length;
  const field = `00 0${length} ${bytes}`;

  test(`a client identifier with ${what} is refused as malformed [MQTT-1.5.4-1] [MQTT-3.1.3-4]`, async () => {
    const client = (await startServer()).open();
    await client.send(`10 ${(13 + length).toString(16).padStart(2, '0')} // CONNECT
      0004 'MQTT' 05 02 0000 00
      ${field} // client identifier`);
    await expectRefused(client, 0x81, 'MQTT-3.1.3-4');
  });

  test(`a topic name with ${what} ends the connection with 0x81 [MQTT-1.5.4-1]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(`30 0${3 + length} // PUBLISH, QoS 0
      ${field} // topic name
      00`);
    await expectDisconnected(client, 0x81);
  });

  test(`a v3.1.1 topic filter with ${what} ends the connection [3.1.1 MQTT-1.5.3-1]`, async () => {
    const client = await (await startServer()).v3('a');
    await client.send(`82 ${(5 + length).toString(16).padStart(2, '0')} // SUBSCRIBE
      0001
      ${field} // topic filter
      00`);
    await client.expectClosed();
  });
}

test('a Content Type that is not UTF-8 ends the connection with 0x81 [MQTT-1.5.4-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send(`30 08      // PUBLISH, QoS 0
    0001 't'
    04 03 0001 ff // Content Type
`);
  await expectDisconnected(client, 0x81);
});

test('an Authentication Method that is not UTF-8 is refused as malformed [MQTT-1.5.4-1]', async () => {
  const client = (await startServer()).open();
  await client.send(`10 13      // CONNECT
    0004 'MQTT' 05 02 0000
    05 15 0002 c0 80 // Authentication Method
    0001 'a'`);
  await expectRefused(client, 0x81, 'MQTT-1.5.4-1');
});

test('an UNSUBSCRIBE filter that is not UTF-8 ends the connection with 0x81 [MQTT-1.5.4-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send(`a2 07 // UNSUBSCRIBE
    0001 00
    0002 c3 28`);
  await expectDisconnected(client, 0x81);
});

test('a client identifier with U+0000 is refused as malformed [MQTT-1.5.4-2]', async () => {
  const client = (await startServer()).open();
  await client.send(`10 10  // CONNECT
    0004 'MQTT' 05 02 0000 00
    0003 'a' 00 'b'`);
  await expectRefused(client, 0x81);
});

test('a topic name with U+0000 ends the connection with 0x81 [MQTT-1.5.4-2]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("30 06 0003 'a' 00 'b' 00");
  await expectDisconnected(client, 0x81);
});

test('a topic filter with U+0000 ends the connection with 0x81 [MQTT-1.5.4-2]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("82 08 0001 00 0002 'a' 00 00");
  await expectDisconnected(client, 0x81);
});

test('a Reason String with U+0000 ends the connection with 0x81 [MQTT-1.5.4-2]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send(`e0 06    // DISCONNECT
    00
    04 1f 0001 00 // Reason String
`);
  await expectDisconnected(client, 0x81);
});

test('a v3.1.1 topic name with U+0000 ends the connection [3.1.1 MQTT-1.5.3-2]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send("30 05 0003 'a' 00 'b'");
  await client.expectClosed();
});

test('a byte order mark in a topic name is kept and forwarded [MQTT-1.5.4-3]', async () => {
  const broker = await startServer();
  const client = await broker.v5('a');
  await client.send("82 0a 0001 00 0004 efbbbf 't' 00");
  await client.expect('90 04 0001 00 00');
  await client.send("30 07 0004 efbbbf 't' 00");
  await client.expect("30 07 0004 efbbbf 't' 00");
});

test('a topic name with a byte order mark is not the one without it [MQTT-1.5.4-3]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00');
  await client.send("30 07 0004 efbbbf 't' 00");
  await client.expectNothing();
});

test('a byte order mark in a property is kept and forwarded [MQTT-1.5.4-3]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00');
  const publish = `30 19         // PUBLISH, QoS 0
    0001 't'
    15 03 0005 efbbbf 'ct'          // Content Type
    26 0004 efbbbf 'n' 0004 'v' efbbbf // User Property
`;
  await client.send(publish);
  await client.expect(publish);
});

test('a v3.1.1 client identifier may begin with a byte order mark [3.1.1 MQTT-1.5.3-3]', async () => {
  const broker = await startServer();
  await broker.connect("10 10 0004 'MQTT' 04 02 0000 0004 efbbbf 'a'", '20 02 0000');
});

test('a User Property whose name is not UTF-8 is refused as malformed [MQTT-1.5.7-1]', async () => {
  const client = (await startServer()).open();
  await client.send(`10 15         // CONNECT
    0004 'MQTT' 05 02 0000
    07 26 0001 ff 0001 'v' // User Property
    0001 'a'`);
  await expectRefused(client, 0x81, 'MQTT-1.5.7-1');
});

test('a User Property whose value is not UTF-8 is refused as malformed [MQTT-1.5.7-1]', async () => {
  const client = (await startServer()).open();
  await client.send(`10 15         // CONNECT
    0004 'MQTT' 05 02 0000
    07 26 0001 'n' 0001 ff // User Property
    0001 'a'`);
  await expectRefused(client, 0x81, 'MQTT-1.5.7-1');
});

test('a User Property of PUBLISH with U+0000 ends the connection with 0x81 [MQTT-1.5.7-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send(`30 0b         // PUBLISH, QoS 0
    0001 't'
    07 26 0001 'n' 0001 00 // User Property
`);
  await expectDisconnected(client, 0x81);
});

test('a User Property of SUBSCRIBE with a surrogate ends the connection with 0x81 [MQTT-1.5.7-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send(`82 10         // SUBSCRIBE
    0001
    09 26 0003 eda080 0001 'v' // User Property
    0001 't' 00`);
  await expectDisconnected(client, 0x81);
});

test('well-formed strings of one to four bytes a character are accepted [MQTT-1.5.4-1]', async () => {
  const broker = await startServer();
  const client = broker.open();
  await client.send(`10 17  // CONNECT
    0004 'MQTT' 05 02 0000 00
    000a 61 c3a4 e282ac f09f9880 // aä€😀`);
  await client.expect(CONNACK);
});
