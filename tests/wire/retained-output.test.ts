import { expect, test } from 'vitest';
import { settle, startServer } from '../kit/wire.ts';

test('retained messages wait for a client that does not read, also with a small output limit [MQTT-3.3.1-9]', async () => {
  const broker = await startServer({ limits: { outputBytesMax: 4_096 } });
  const publisher = await broker.v3('pub');
  const payload = '2d'.repeat(1_000);
  for (let i = 100; i < 400; i++) publisher.write(`31 ee 07 0004 'r${i}' ${payload}`);
  await settle(100);
  expect(broker.server.stats().retainedMessages).toBe(300);
  const subscriber = await broker.v3('sub');
  subscriber.stream.pause();
  await subscriber.send("82 06 0001 0001 '#' 00");
  subscriber.stream.resume();
  await settle(400);
  expect(await subscriber.packets()).toHaveLength(301); // SUBACK and all of them
  expect(broker.server.stats().dropped.output_full).toBe(0);
});
