// The server of the soak, in a process of its own: it answers its parent's questions about itself over IPC.

import { Server } from '../../dist/index.js';

const server = new Server({
  listeners: [{ host: '127.0.0.1', port: 0 }],
  limits: { queueMessagesMax: 200, outputBytesMax: 262_144, writeTimeoutMs: 5_000 },
});

/** What it has and holds, after the garbage is gone. */
async function report() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { arrayBuffers, heapUsed, rss } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo();
  const { assertionFailures, bytesReceived, bytesSent, connectionsOpened, packetsReceived } =
    server.metrics;
  return {
    stats: server.stats(),
    heapBytes: heapUsed,
    bufferBytes: arrayBuffers,
    rss,
    sockets: resources.filter((kind) => kind === 'TCPSocketWrap').length,
    timers: resources.filter((kind) => kind === 'Timeout').length,
    cpuMs: Math.round((process.cpuUsage().user + process.cpuUsage().system) / 1_000),
    assertionFailures,
    bytesReceived,
    bytesSent,
    connectionsOpened,
    publishes: packetsReceived[3],
    delivered: server.metrics.publishSent.reduce((sum, count) => sum + count, 0),
  };
}

process.on('message', async ({ id, ask }) => {
  if (ask === 'stop') await server.stop();
  const answer = ask === 'stats' ? { stats: server.stats() } : await report();
  process.send?.({ id, answer });
  if (ask === 'stop') process.disconnect();
});

process.on('disconnect', () => server.abort());

await server.start();
process.send?.({ id: 0, answer: server.addresses[0] });
