// Variable byte integers: Remaining Length and Property Length. MQTT 5 §1.5.5, 3.1.1 §2.2.3.

import { expect, test } from 'vitest';
import { CONNACK, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

/** 16 × n characters. */
const text = (n: number) => '0123456789abcdef'.repeat(n);

test('a Remaining Length of five bytes ends the connection with 0x81 [MQTT-1.5.5-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send('30 80 80 80 80 01');
  await expectDisconnected(client, 0x81, 'MQTT-1.5.5-1');
});

test('a Remaining Length of five bytes in the first packet closes the connection without a word [MQTT-1.5.5-1]', async () => {
  const client = (await startServer()).open();
  await client.send('10 ff ff ff ff 7f');
  await client.expectClosed();
});

test('a v3.1.1 Remaining Length of five bytes closes the connection [3.1.1 MQTT-4.8.0-1]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send('30 ff ff ff ff 01');
  await client.expectClosed();
});

test('a Property Length of five bytes is refused as malformed [MQTT-1.5.5-1]', async () => {
  const client = (await startServer()).open();
  await client.send(`10 12  // CONNECT
    0004 'MQTT' 05 02 0000
    80 80 80 80 00   // Property Length
    0001 'a'`);
  await expectRefused(client, 0x81, 'MQTT-1.5.5-1');
});

test('a Subscription Identifier of five bytes ends the connection with 0x81 [MQTT-1.5.5-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send(`82 0d     // SUBSCRIBE
    0001
    06 0b ff ff ff ff 01 // Subscription Identifier
    0001 't' 00`);
  await expectDisconnected(client, 0x81);
});

test('a Remaining Length with a needless byte is understood [MQTT-1.5.5-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send('c0 80 00');
  await client.expect('d0 00');
});

test('a Property Length of four bytes is understood [MQTT-1.5.5-1]', async () => {
  const client = (await startServer()).open();
  await client.send(`10 11  // CONNECT
    0004 'MQTT' 05 02 0000
    80 80 80 00      // Property Length 0
    0001 'a'`);
  await client.expect(CONNACK);
});

for (const [remaining, length] of [
  [127, '7f'],
  [128, '80 01'],
  [16_383, 'ff 7f'],
  [16_384, '80 80 01'],
] as const) {
  test(`the server writes a Remaining Length of ${remaining} as ${length} [MQTT-1.5.5-1]`, async () => {
    const broker = await startServer();
    const client = await broker.v5('a');
    await client.send("82 07 0001 00 0001 't' 00");
    await client.expect('90 04 0001 00 00');
    const payload = text(1_024).slice(0, remaining - 4);
    const publish = `30 ${length} // PUBLISH, QoS 0
      0001 't' 00
      '${payload}'`;
    await client.send(publish);
    await client.expect(publish);
  });
}

test('the server writes a Property Length of 128 in two bytes, of 127 in one [MQTT-1.5.5-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("82 07 0001 00 0001 't' 00");
  await client.expect('90 04 0001 00 00');
  for (const [header, propertyLength, length, value] of [
    ['30 83 01', '7f', '7a', text(8).slice(0, 122)], // 127
    ['30 85 01', '80 01', '7b', text(8).slice(0, 123)], // 128
  ]) {
    const publish = `${header} // PUBLISH, QoS 0
      0001 't'
      ${propertyLength} // Property Length
      26 0000 00 ${length} '${value}' // User Property`;
    expect(value).toHaveLength(Number.parseInt(length, 16));
    await client.send(publish);
    await client.expect(publish);
  }
});
