// Data folders with a store in them, as servers leave them, and what can happen to its file.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { delivery, messageOf, session, subscription } from '../../src/contracts/values.ts';
import { StoredMessageCodec } from '../../src/core/message-codec.ts';
import { encodeAnchor, StoreClock } from '../../src/core/store-clock.ts';
import { SYSTEM_CLOCK } from '../../src/lib/clock.ts';
import { NO_LIMITS } from '../../src/protocol/decode-limits.ts';
import { TopicTable } from '../../src/protocol/topic.ts';
import { openEnvironment } from '../../src/storage/lmdb/environment.ts';
import { LmdbStorage } from '../../src/storage/lmdb/lmdb.ts';
import { cleanMark, type MetaChange } from '../../src/storage/lmdb/meta.ts';
import { DeliveryState, type StorageHost } from '../../src/storage/storage.ts';

const DIST = path.resolve(import.meta.dirname, '../../dist');
/** Node does not run the sources: the child is the built one. */
export const CHECK_PROGRAM = path.join(DIST, 'storage/store-folder/check-main.js');
export const PREPARE = path.join(DIST, 'storage/store-folder/prepare.js');
export const PAGE_BYTES = 4_096;
export const DAY_MS = 86_400_000;

export function makeFolder(): string {
  return mkdtempSync(path.join(tmpdir(), 'iothub-folder-'));
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

export function storeFile(folder: string): string {
  return path.join(folder, 'store.mdb');
}

export function storageIn(folder: string): LmdbStorage {
  return new LmdbStorage({ folder, level: 'always', freeMinBytes: 0 });
}

/** What a server lends a store. */
export function hostOf(): StorageHost {
  const clock = new StoreClock(SYSTEM_CLOCK, null);
  return {
    messages: new StoredMessageCodec(clock, new TopicTable(NO_LIMITS, 1_024), SYSTEM_CLOCK.now()),
    setProblem() {},
    raiseAlarm() {},
    clearAlarm() {},
    log() {},
  };
}

/**
 * A store as a server leaves it that was stopped properly: `sessions` sessions, the nth away for n days, each with a queue of 20
 * messages, and as many retained messages.
 */
export async function makeStore(folder: string, sessions = 40): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const file = storeFile(folder);
  const storage = storageIn(folder);
  await storage.open(hostOf());
  await storage.recover({ onSession() {}, onQueued() {}, onRetained() {} });
  const now = Date.now();
  const receivedAtMs = SYSTEM_CLOCK.now();
  let sequence = 0;
  for (let number = 1; number <= sessions; number++) {
    const disconnectedAtMs = now - number * DAY_MS;
    storage.saveSession(session(number, { createdAtMs: 1_700_000_000_000, disconnectedAtMs }));
    storage.saveSubscription(number, subscription(`queued/${number}/#`, { qos: 1 }));
    for (let i = 0; i < 20; i++) {
      const payload = Buffer.alloc(i === 7 ? 9_000 : 50 + i * 20, number);
      const message = messageOf(`queued/${number}/${i}`, { payload, receivedAtMs });
      storage.enqueue(number, delivery(++sequence, message));
    }
    const payload = Buffer.from(`retained ${number}`);
    storage.saveRetained(messageOf(`kept/${number}`, { payload, retain: true, receivedAtMs }));
    if (number % 10 === 0) await storage.commit();
  }
  storage.put('server', 'clock', encodeAnchor({ storeMs: now, wallMs: now }));
  await storage.commit();
  await storage.close();
  return file;
}

/** A delivery that is under way, a will and inbound packet ids, for session 1. */
export async function addInFlight(folder: string): Promise<void> {
  const storage = storageIn(folder);
  await storage.open(hostOf());
  await storage.recover({ onSession() {}, onQueued() {}, onRetained() {} });
  const publisher = { sessionId: '__client_p', clientId: 'p', username: 'u' };
  const properties = '03 0001 61  09 0002 0102  26 0001 6b 0001 76'; // content type a, correlation 0102, k=v
  const message = messageOf('t/1', { payload: '00ff', qos: 2, properties, publisher });
  const published = delivery(100_001, message, { qos: 2, subscriptionIdentifiers: [7, 8] });
  const released = delivery(100_002, message, { qos: 2 });
  for (const [index, each] of [published, released].entries()) {
    storage.enqueue(1, each);
    each.packetId = index + 1;
    each.state = DeliveryState.Published;
    storage.updateDelivery(1, each);
  }
  released.state = DeliveryState.Released;
  storage.updateDelivery(1, released);
  storage.saveInboundPacketId(1, 77);
  storage.saveWill(1, { message: messageOf('will', { payload: '78' }), delayInterval: 5 });
  await storage.commit();
  await storage.close();
}

/** Writes into the store's table of what it says of itself. */
export async function changeMeta(file: string, change: MetaChange): Promise<void> {
  const environment = openEnvironment(file);
  await environment.write(() => {
    const { meta } = environment.tables;
    void (change.value === null
      ? meta.remove(change.key)
      : meta.put(change.key, Buffer.from(change.value)));
  });
  await environment.close();
}

/** As after a crash. */
export function makeUnclean(file: string): Promise<void> {
  return changeMeta(file, cleanMark(false));
}

/** The bytes of a store, without the room that the file has behind its last page. */
export function usedBytes(file: string): Buffer {
  const bytes = readFileSync(file);
  const lastPage = Math.max(
    ...[0, PAGE_BYTES].map((at) => Number(bytes.readBigUInt64LE(at + 144))),
  );
  return bytes.subarray(0, (lastPage + 1) * PAGE_BYTES);
}

export function damage(file: string, change: (bytes: Buffer) => Uint8Array | undefined): void {
  const bytes = readFileSync(file);
  writeFileSync(file, change(bytes) ?? bytes);
}

/** Numbers from 0 to 1 that a seed brings back. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 0x1_0000_0000;
  };
}
