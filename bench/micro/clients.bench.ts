// What a page of the client list costs with 15,000 clients: how long its answer takes, and how long one turn of the event loop
// lasts meanwhile. Goals: below 50 ms, and below 10 ms. `npm run bench:micro -- clients [number of clients]`
//
// A turn is counted in processor time of this process, its helper threads included: on a machine that has other work, too, the
// clock would show how long that took.

import Fastify from 'fastify';
import { addClientRoutes } from '../../src/admin/client-routes.ts';
import type { ServerControl } from '../../src/server/contract.ts';
import { Server } from '../../src/server/server.ts';
import type { Stream, StreamSink } from '../../src/transport/stream.ts';

const CLIENTS = Number(process.argv[2] ?? 15_000);
const RUNS = 50;
const WARM_UP = 20;
/** Connections that are opened before the loop turns. */
const AT_ONCE = 500;

/** Says CONNECT, and hears nothing. */
class QuietClient implements StreamSink {
  constructor(stream: Stream, clientId: string) {
    stream.open(this);
    const id = new TextEncoder().encode(clientId);
    const head = [0, 4, 0x4d, 0x51, 0x54, 0x54, 5, 2, 0, 0, 0, 0, id.length];
    stream.write(Uint8Array.of(0x10, head.length + id.length, ...head, ...id));
  }

  onData(): void {}
  onWritten(): void {}
  onEnd(): void {}
  onClose(): void {}
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Milliseconds that this took, and the longest turn while it did. */
async function timed(work: () => Promise<unknown>): Promise<{ took: number; stall: number }> {
  let stall = 0;
  let last = processorMs();
  let isDone = false;
  const look = (): void => {
    const now = processorMs();
    stall = Math.max(stall, now - last);
    last = now;
    if (!isDone) setImmediate(look);
  };
  setImmediate(look);
  const began = performance.now();
  await work();
  const took = performance.now() - began;
  isDone = true;
  await nextTurn();
  return { took, stall };
}

function shown(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const worst = sorted[sorted.length - 1];
  return `${median.toFixed(1).padStart(6)} ms, at most ${worst.toFixed(1).padStart(6)} ms`;
}

const server = new Server({
  limits: { connectionsMax: CLIENTS, halfConnectedMax: CLIENTS, sessionsMax: CLIENTS },
});
await server.start();
for (let i = 0; i < CLIENTS; i++) {
  // Not in the order of their names.
  new QuietClient(server.connect(), `plant-${(i * 7_919) % CLIENTS}/sensor-${i}`);
  if (i % AT_ONCE === 0) for (let turn = 0; turn < 4; turn++) await nextTurn();
}
while (server.countConnected() < CLIENTS) await nextTurn();

const app = Fastify();
const control = { management: server.management } as unknown as ServerControl;
addClientRoutes(app, control);
await app.ready();

console.log(`${CLIENTS} clients connected, ${RUNS} pages each; answer / longest turn`);
for (const [name, query] of [
  ['the first 100', 'limit=100'],
  ['the first 1,000', 'limit=1000'],
  ['100 from the middle', 'limit=100&after=plant-5'],
  ['100 that fit a pattern', 'limit=100&clientId=*-7&state=connected'],
] as const) {
  const url = `/api/v1/clients?${query}`;
  const runs: { took: number; stall: number }[] = [];
  for (let i = -WARM_UP; i < RUNS; i++) {
    const run = await timed(async () => {
      const { statusCode } = await app.inject({ method: 'GET', url });
      if (statusCode !== 200) throw new Error(`${url} was answered by ${statusCode}`);
    });
    if (i >= 0) runs.push(run); // the first ones only warm up
  }
  const answer = shown(runs.map(({ took }) => took));
  console.log(`${name.padEnd(24)} ${answer}  /  ${shown(runs.map(({ stall }) => stall))}`);
}
await app.close();
await server.stop();
