// How long a server takes to start on a large store, and how much memory: 1,000,000 queued messages for 100,000 sessions.
// Usage: node bench/durable/recovery.mjs [messages] [sessions], after npm run build. Makes its store in a temporary folder,
// which is removed.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DEFAULT_LIMITS } from '../../dist/core/limits.js';
import { StoredMessageCodec } from '../../dist/core/message-codec.js';
import { StoreClock } from '../../dist/core/store-clock.js';
import { Server } from '../../dist/index.js';
import { SYSTEM_CLOCK } from '../../dist/lib/clock.js';
import { Message } from '../../dist/protocol/message.js';
import { TopicTable } from '../../dist/protocol/topic.js';
import { LmdbStorage } from '../../dist/storage/lmdb/index.js';

const MESSAGES = Number(process.argv[2] ?? 1_000_000);
const SESSIONS = Number(process.argv[3] ?? 100_000);
const BATCH = 10_000;
const ONE_DAY = 86_400;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'iothub-recovery-'));
const storageOf = () => new LmdbStorage({ folder, level: 'relaxed', freeMinBytes: 0 });

async function fill() {
  const storage = storageOf();
  const clock = new StoreClock(SYSTEM_CLOCK, null);
  const topics = new TopicTable(DEFAULT_LIMITS);
  await storage.open({
    messages: new StoredMessageCodec(clock, topics, SYSTEM_CLOCK.now()),
    setProblem() {},
    raiseAlarm() {},
    clearAlarm() {},
    log() {},
  });
  await storage.recover({ onSession() {}, onQueued() {}, onRetained() {} });
  for (let number = 1; number <= SESSIONS; number++) {
    storage.saveSession({
      number,
      clientId: `device-${number}`,
      username: null,
      groups: [],
      protocolVersion: 5,
      sessionExpiryInterval: ONE_DAY,
      disconnectedAtMs: clock.now(),
      createdAtMs: clock.now(),
      queuePolicy: null,
    });
    if (number % BATCH === 0) await storage.commit();
  }
  for (let sequence = 1; sequence <= MESSAGES; sequence++) {
    const topic = topics.of(`devices/${sequence % 1_000}/command`);
    storage.enqueue((sequence % SESSIONS) + 1, {
      sequence,
      message: new Message(topic, 1, false, new Uint8Array(64), 0),
      qos: 1,
      retain: false,
      subscriptionIdentifiers: [],
      sharedFilter: null,
      packetId: 0,
      state: 0,
    });
    if (sequence % BATCH === 0) await storage.commit();
  }
  await storage.close();
}

try {
  await fill();
  globalThis.gc?.();
  const before = process.memoryUsage();
  const server = new Server({ storage: storageOf() });
  const startMs = performance.now();
  await server.start();
  const seconds = (performance.now() - startMs) / 1_000;
  globalThis.gc?.();
  const after = process.memoryUsage();
  const { sessions, queuedMessages } = server.stats();
  const megabytes = (after.heapUsed - before.heapUsed) / 1_048_576;
  process.stdout.write(
    `${sessions} sessions and ${queuedMessages} queued messages: open in ${seconds.toFixed(1)} s, ${megabytes.toFixed(0)} MiB of heap in all\n`,
  );
  await server.stop();
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
