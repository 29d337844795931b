import { expect, test } from 'vitest';
import { toHex } from '../kit/hex.ts';
import { startServer } from '../kit/wire.ts';

test('a client that acknowledges what was not sent again yet gets no more than its Receive Maximum [MQTT-3.3.4-9]', async () => {
  const broker = await startServer();
  const durable = '11 0000003c'; // Session Expiry Interval 60
  const first = await broker.v5('sub', false, durable);
  await first.send("82 07 0001 00 0001 'a' 01");
  await first.expect('90 04 0001 00 01');
  const publisher = await broker.v3('pub');
  for (let i = 0; i < 4; i++) await publisher.send("32 06 0001 'a' 0001 '-'");
  expect(await first.packets()).toHaveLength(4);
  await first.drop();
  const second = await broker.v5('sub', false, `${durable} 21 0002`); // Receive Maximum 2
  expect((await second.packets()).map(toHex)).toEqual([
    '3a 07 00 01 61 00 01 00 2d', // DUP, packet id 1
    '3a 07 00 01 61 00 02 00 2d',
  ]);
  await second.send('40 02 0004'); // PUBACK of one that is still to come
  await second.expectNothing();
  await second.send('40 02 0001');
  await second.expect("3a 07 0001 'a' 0003 00 '-'");
});
