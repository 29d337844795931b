import { expect, test } from 'vitest';
import { startServer } from '../kit/wire.ts';

test('a message that expired in the queue of a member that goes is not given to another [MQTT-3.3.2-5]', async () => {
  const broker = await startServer();
  const going = await broker.v5('going', true, '11 0000003c 21 0001'); // Receive Maximum 1
  await going.send("82 10 0001 00 000a '$share/g/t' 01");
  await going.packets();
  const publisher = await broker.v5('pub');
  await publisher.send("32 07 0001 't' 0001 00 '1'");
  await publisher.send("32 0c 0001 't' 0002 05 02 00000001 '2'"); // Message Expiry Interval 1
  const staying = await broker.v5('staying');
  await staying.send("82 10 0001 00 000a '$share/g/t' 01");
  await staying.packets();
  await broker.advance(2_000);
  await going.drop();
  await staying.expectNothing();
  expect(broker.server.stats().dropped.expired).toBe(1);
});
