// What waits for room goes on when there is room again, also when the socket took everything at once.

import { expect, onTestFinished, test } from 'vitest';
import type { Limits } from '../../src/core/limits.ts';
import { PacketType } from '../../src/protocol/index.ts';
import { Server } from '../../src/server/server.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { until } from '../kit/until.ts';

async function start(limits: Partial<Limits> = {}): Promise<[Server, number]> {
  const server = new Server({ listeners: [{ host: '127.0.0.1', port: 0 }], limits });
  await server.start();
  onTestFinished(async () => {
    server.abort();
    await server.stop();
  });
  return [server, server.addresses[0].port];
}

test('many large retained messages all arrive with QoS 0', async () => {
  const [, port] = await start();
  const publisher = PacketClient.tcp(port);
  await publisher.connect('p');
  for (let i = 0; i < 40; i++) {
    publisher.publish(`t/${i}`, new Uint8Array(10_000).fill(i + 1), 1, { retain: true });
  }
  for (let i = 0; i < 40; i++) await publisher.next(PacketType.Puback);
  const subscriber = PacketClient.tcp(port);
  await subscriber.connect('s');
  subscriber.subscribe('t/+');
  let received = 0;
  await until(() => {
    received += subscriber.takePublishes().length;
    return received === 40;
  });
  publisher.destroy();
  subscriber.destroy();
});

test('a client that fills its own output in one turn is read again', async () => {
  const [, port] = await start({ outputBytesMax: 4_096 });
  const client = PacketClient.tcp(port);
  await client.connect('c');
  client.subscribe('echo');
  await client.next(PacketType.Suback);
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 5; i++) client.publish('echo', new Uint8Array(1_500));
    client.send({ type: PacketType.Pingreq });
    await client.next(PacketType.Pingresp);
  }
  client.destroy();
});

test('a message with a payload above the output limit stops nobody', async () => {
  const [server, port] = await start();
  const client = PacketClient.tcp(port);
  await client.connect('c');
  client.subscribe({ topicFilter: 'echo', qos: 1 });
  await client.next(PacketType.Suback);
  for (let i = 0; i < 5; i++) {
    client.publish('echo', new Uint8Array(1_200_000));
    client.publish('echo', `after ${i}`, 1);
    await client.next(PacketType.Puback);
  }
  let received: string[] = [];
  await until(() => {
    for (const packet of client.takePublishes()) {
      if (packet.qos === 0) continue;
      received.push(new TextDecoder().decode(packet.payload));
      client.acknowledge(4, packet.packetId);
    }
    return received.length === 5;
  });
  expect(received).toEqual([0, 1, 2, 3, 4].map((i) => `after ${i}`));
  await until(() => server.stats().queuedMessages + server.stats().inflightMessages === 0);
  received = [];
  client.destroy();
});
