// What turns up on an MQTT port and is no MQTT client: closed at once, named in the log, and nobody else notices.

import { once } from 'node:events';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { open } from './collector.ts';
import { startHub, within } from './hub.ts';

test.each([
  ['a browser', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 'speak HTTP or another text'],
  ['a TLS client', Buffer.from('1603010200010001fc0303', 'hex'), 'the client speaks TLS'],
  ['a port scanner', Buffer.from('hello\r\n'), 'the first packet is not CONNECT'],
  ['zeros', Buffer.alloc(100), 'the first packet is not CONNECT'],
  ['MQTT without CONNECT', Buffer.from('c000', 'hex'), 'the first packet is not CONNECT'],
])('%s is closed at once without an answer, and the log says why', async (_, bytes, reason) => {
  const hub = await startHub();
  const bystander = await open(hub, { protocolVersion: 5 });
  const socket = net.connect(hub.port, '127.0.0.1');
  onTestFinished(() => {
    socket.destroy();
  });
  let answer = 0;
  socket.on('data', (chunk) => {
    answer += chunk.length;
  });
  await within(once(socket, 'connect'), 'the stranger connects');
  const startedAt = performance.now();
  socket.write(bytes);
  await within(once(socket, 'end'), 'the server closes');
  // Well before `connect_timeout`, which is 10 s
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  socket.end();
  expect(answer).toBe(0);
  await hub.says(reason);
  expect(bystander.client.connected).toBe(true);
});
