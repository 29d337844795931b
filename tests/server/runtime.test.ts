// Where a server on Bun is another than one on Node: what it cannot do it refuses, in a sentence.

import { expect, onTestFinished, test } from 'vitest';
import { Server } from '../../src/server/server.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { isBun } from '../kit/runtime.ts';

const HOST = '127.0.0.1';

test.each(['mqtts', 'wss'] as const)('%s is for Node only', async (protocol) => {
  const server = new Server({ listeners: [{ protocol, host: HOST, port: 0 }] });
  const why = isBun ? /needs TLS, which is not supported on Bun/ : /needs a certificate/;
  await expect(server.start()).rejects.toThrow(why);
});

test('WebSockets are compressed on Node only', async () => {
  const listener = {
    protocol: 'ws',
    host: HOST,
    port: 0,
    webSocket: { compression: true },
  } as const;
  const server = new Server({ listeners: [listener] });
  onTestFinished(() => server.stop());
  const started = server.start();
  if (isBun) await expect(started).rejects.toThrow(/compresses, which is not supported on Bun/);
  else await started;
});

test('a plain listener that becomes a WebSocket one needs a restart on Bun', async () => {
  const server = new Server({ listeners: [{ host: HOST, port: 0 }] });
  await server.start();
  onTestFinished(() => server.stop());
  const { port } = server.addresses[0];
  const changed = server.setListeners([{ protocol: 'ws', host: HOST, port: 0 }]);
  if (!isBun) {
    await changed;
    return;
  }
  await expect(changed).rejects.toThrow(/on Bun that cannot change while the server runs/);
  const client = PacketClient.tcp(port);
  await client.connect('c');
  client.destroy();
});
