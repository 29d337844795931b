// A backup of a server under load: what was acknowledged before it was asked for is in it, and it is sound.

import path from 'node:path';
import { expect, test } from 'vitest';
import { PacketType } from '../../src/protocol/index.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { until } from '../kit/until.ts';
import { iothub, RunningServer } from './command.ts';

const BEFORE = 500;

test('a backup under load has all that was acknowledged before, and a server starts on it', async () => {
  const data = path.join(temporaryFolder(), 'data');
  const copy = path.join(temporaryFolder(), 'copy');
  const config = path.join(import.meta.dirname, '../integration/large-queue.toml');
  const server = new RunningServer('--data', data, '--config', config);
  const port = await server.port();
  const durable = { cleanStart: false, properties: { sessionExpiryInterval: 3_600 } };
  const subscriber = PacketClient.tcp(port);
  await subscriber.connect('away', durable);
  subscriber.subscribe({ topicFilter: 't', qos: 1 });
  await subscriber.next(PacketType.Suback);
  subscriber.destroy();
  const publisher = PacketClient.tcp(port);
  await publisher.connect('publisher');
  let sent = 0;
  const publish = async (): Promise<void> => {
    publisher.publish('t', String(sent++), 1);
    await publisher.next(PacketType.Puback);
  };
  while (sent < BEFORE) await publish();
  let isDone = false;
  const load = (async () => {
    while (!isDone) await publish();
  })();
  const backup = await iothub('store', 'backup', copy, '--data', data);
  isDone = true;
  await load;
  expect(backup).toMatchObject({ exitCode: 0, stderr: '' });
  expect(sent).toBeGreaterThan(BEFORE);
  publisher.destroy();
  server.child.kill('SIGTERM');
  expect(await server.exit).toBe(0);
  expect((await iothub('store', 'verify', '--data', copy)).exitCode).toBe(0);
  const restored = new RunningServer('--data', copy, '--config', config);
  const back = PacketClient.tcp(await restored.port());
  await back.connect('away', durable);
  const found: string[] = [];
  await until(() => {
    for (const message of back.takePublishes()) {
      back.acknowledge(PacketType.Puback, message.packetId);
      found.push(new TextDecoder().decode(message.payload));
    }
    return found.length >= BEFORE;
  });
  expect(found.slice(0, BEFORE)).toEqual(Array.from({ length: BEFORE }, (_, i) => String(i)));
  back.destroy();
  restored.child.kill('SIGTERM');
  await restored.exit;
}, 60_000);
