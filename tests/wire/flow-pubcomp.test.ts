import { test } from 'vitest';
import { startServer } from '../kit/wire.ts';

test('a PUBCOMP that says 0x92 frees a slot of the Receive Maximum like any other [MQTT-3.3.4-7]', async () => {
  const broker = await startServer({ limits: { receiveMaximum: 1 } });
  const client = await broker.v5('client');
  await client.send("34 07 0001 't' 0001 00 '1'"); // QoS 2, packet id 1
  await client.expect('50 03 0001 10');
  await client.send('62 02 0009'); // PUBREL of an id that is not known
  await client.expect('70 03 0009 92');
  await client.send("34 07 0001 't' 0002 00 '2'");
  await client.expect('50 03 0002 10');
  await client.expectOpen();
});
