import { test } from 'vitest';
import { startServer } from '../kit/wire.ts';

/** 60 filters of one letter each, so that the answer has 60 reason codes. */
const FILTERS = Array.from({ length: 60 }, (_, i) => String.fromCharCode(65 + (i % 57)));

test('a SUBACK larger than the Maximum Packet Size ends the connection with 0x95 instead of staying away [MQTT-3.8.4-1] [MQTT-3.1.2-24]', async () => {
  const broker = await startServer();
  const client = await broker.v5('client', true, '27 0000003c'); // Maximum Packet Size 60
  const filters = FILTERS.map((letter) => `0001 '${letter}' 00`).join(' ');
  await client.send(`82 f3 01 0001 00 ${filters}`);
  await client.expectClosed('e0 01 95');
});

test('an UNSUBACK larger than the Maximum Packet Size ends the connection with 0x95 too [MQTT-3.10.4-4] [MQTT-3.1.2-24]', async () => {
  const broker = await startServer();
  const client = await broker.v5('client', true, '27 0000003c');
  const filters = FILTERS.map((letter) => `0001 '${letter}'`).join(' ');
  await client.send(`a2 b7 01 0001 00 ${filters}`);
  await client.expectClosed('e0 01 95');
});
