// A server on the store on disk: what only shows when both are there.

import { expect, test } from 'vitest';
import type { Logger } from '../../src/core/logger.ts';
import { PacketType } from '../../src/protocol/index.ts';
import { Server } from '../../src/server/server.ts';
import { LmdbStorage } from '../../src/storage/lmdb/lmdb.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { until } from '../kit/until.ts';
import { makeFolder } from './lmdb-kit.ts';

test('with a commit delay one retained message reaches durable subscribers turn after turn', async () => {
  const errors: string[] = [];
  const logger: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (fields, message) => errors.push(message + JSON.stringify(fields)),
    child: () => logger,
  };
  const server = new Server({
    storage: new LmdbStorage({
      folder: makeFolder(),
      level: 'always',
      freeMinBytes: 0,
      commitDelayMs: 5,
    }),
    logger,
  });
  await server.start();
  const publisher = new PacketClient(server.connect());
  await publisher.connect('p');
  publisher.publish('r', 'retained', 1, { retain: true });
  await publisher.next(PacketType.Puback);
  const clients: PacketClient[] = [];
  for (let i = 0; i < 300; i++) {
    const client = new PacketClient(server.connect());
    clients.push(client);
    await client.connect(`c${i}`, {
      properties: { sessionExpiryInterval: 3_600, receiveMaximum: 1 },
    });
    client.subscribe({ topicFilter: 'm', qos: 1 });
  }
  for (const client of clients) await client.next(PacketType.Suback);
  publisher.publish('m', 'm', 1);
  const packetIds: number[] = [];
  for (const client of clients) {
    const packet = await client.next(PacketType.Publish); // now its window is full
    if ('packetId' in packet) packetIds.push(packet.packetId);
  }
  for (const client of clients) client.subscribe({ topicFilter: 'r', qos: 1 });
  for (const client of clients) await client.next(PacketType.Suback);
  for (const [i, client] of clients.entries()) {
    client.acknowledge(PacketType.Puback, packetIds[i]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() =>
    clients.every((c) => c.isClosed || c.packets.some((p) => p.type === PacketType.Publish)),
  );
  expect(errors).toEqual([]);
  expect(clients.filter((client) => client.isClosed)).toEqual([]);
  await server.stop();
}, 30_000);
