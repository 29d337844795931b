// What the LMDB store does beyond the contract of all stores: what it writes, how it fails, and what it finds again.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  delivery,
  longName,
  messageOf,
  session,
  subscription,
} from '../../src/contracts/values.ts';
import { openEnvironment } from '../../src/storage/lmdb/environment.ts';
import { NUMBER_TABLES, retainedKey } from '../../src/storage/lmdb/layout.ts';
import { LmdbStorage } from '../../src/storage/lmdb/lmdb.ts';
import { readMeta } from '../../src/storage/lmdb/meta.ts';
import { walk } from '../../src/storage/lmdb/walk.ts';
import { DeliveryState } from '../../src/storage/storage.ts';
import { usedBytes } from '../kit/resources.ts';
import { copyOf, Host, inTables, makeFolder, openStore } from './lmdb-kit.ts';

const PAYLOAD_BYTES = 10_000;

function large(topicName: string) {
  return messageOf(topicName, { payload: new Uint8Array(PAYLOAD_BYTES).fill(7) });
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function countOf(folder: string, table: 'log' | 'state' | 'subscriptions'): Promise<number> {
  return inTables(folder, (tables) => tables[table].getCount());
}

/** All that is wrong with the store in the folder. */
async function problemsOf(folder: string): Promise<string[]> {
  const problems: string[] = [];
  const environment = openEnvironment(path.join(folder, 'store.mdb'), { isReadOnly: true });
  walk(environment, (problem) => problems.push(problem));
  await environment.close();
  return problems;
}

describe('what is written', () => {
  test('a message is stored once, however many sessions it is for', async () => {
    const { storage } = await openStore(makeFolder());
    for (const number of range(1, 100)) storage.saveSession(session(number));
    await storage.commit();
    const before = storage.stats().committedBytes;
    const message = large('t');
    for (const number of range(1, 100)) storage.enqueue(number, delivery(1, message));
    await storage.commit();
    expect(storage.stats().committedBytes - before).toBeLessThan(PAYLOAD_BYTES + 1_000);
  });

  test('what comes and goes in one batch never is', async () => {
    const { storage } = await openStore(makeFolder());
    storage.saveSession(session(1));
    storage.enqueue(1, delivery(1, messageOf('t')));
    storage.dequeue(1, 1);
    await storage.commit();
    const before = storage.stats();
    const sent = delivery(2, large('t'));
    storage.enqueue(1, sent);
    sent.packetId = 7;
    sent.state = DeliveryState.Published;
    storage.updateDelivery(1, sent);
    storage.dequeue(1, 2);
    await storage.commit();
    expect(storage.stats()).toMatchObject({
      commits: before.commits,
      committedBytes: before.committedBytes,
    });
  });

  test('nor what comes and goes while a batch is given time', async () => {
    const { storage } = await openStore(makeFolder(), { commitDelayMs: 20 });
    storage.saveSession(session(1));
    storage.enqueue(1, delivery(1, messageOf('t')));
    await storage.commit();
    const before = storage.stats().committedBytes;
    storage.enqueue(1, delivery(2, large('t')));
    const committed = storage.commit();
    storage.dequeue(1, 2);
    await committed;
    await storage.commit();
    expect(storage.stats().committedBytes).toBe(before);
  });

  test('a message goes when its last session is done with it', async () => {
    const folder = makeFolder();
    const { storage } = await openStore(folder);
    for (const number of [1, 2]) storage.saveSession(session(number));
    for (const number of [1, 2]) storage.enqueue(number, delivery(1, messageOf('t')));
    await storage.commit();
    storage.dequeue(1, 1);
    await storage.commit();
    expect(await countOf(copyOf(folder), 'log')).toBe(1);
    storage.dequeue(2, 1);
    await storage.commit();
    expect(await countOf(copyOf(folder), 'log')).toBe(0);
  });

  test('a session that only fills its queue needs no record of its state', async () => {
    const folder = makeFolder();
    const { storage } = await openStore(folder);
    storage.saveSession(session(1));
    for (const sequence of range(1, 10)) storage.enqueue(1, delivery(sequence, messageOf('t')));
    await storage.close();
    expect(await countOf(folder, 'state')).toBe(0);
  });

  test('what is taken from the middle of a queue stays away, also while others want the message', async () => {
    const folder = makeFolder();
    const { storage } = await openStore(folder);
    for (const number of [1, 2]) storage.saveSession(session(number));
    for (const sequence of range(1, 5)) {
      for (const number of [1, 2]) storage.enqueue(number, delivery(sequence, messageOf('t')));
    }
    await storage.commit();
    for (const sequence of [2, 4]) storage.dequeue(1, sequence);
    await storage.commit();
    const { found } = await openStore(copyOf(folder));
    expect(found.queued(1)).toEqual([1, 3, 5]);
    expect(found.queued(2)).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('reading', () => {
  test('sees what gathers, what is on its way, and what is durable', async () => {
    const { storage } = await openStore(makeFolder());
    storage.saveSession(session(1));
    storage.enqueue(1, delivery(1, messageOf('durable')));
    storage.put('t', 'durable', Uint8Array.of(1));
    await storage.commit();
    storage.enqueue(1, delivery(2, messageOf('on its way')));
    storage.put('t', 'way', Uint8Array.of(2));
    const committed = storage.commit();
    storage.enqueue(1, delivery(3, messageOf('gathers')));
    storage.put('t', 'gathers', Uint8Array.of(3));
    storage.remove('t', 'way');
    const topics = storage.readDeliveries(1, [1, 2, 3]).map((one) => one.message.topic.name);
    expect(topics).toEqual(['durable', 'on its way', 'gathers']);
    expect(storage.list('t', null, 9).map(({ key }) => key)).toEqual(['durable', 'gathers']);
    expect(storage.get('t', 'way')).toBeNull();
    await committed;
    expect(storage.readDeliveries(1, [2])).toHaveLength(1);
  });

  test('sessions that share a message get the same one', async () => {
    const { storage } = await openStore(makeFolder());
    for (const number of [1, 2]) storage.saveSession(session(number));
    storage.enqueue(1, delivery(1, messageOf('t'), { qos: 2, subscriptionIdentifiers: [9] }));
    storage.enqueue(2, delivery(1, messageOf('t'), { sharedFilter: '$share/g/t' }));
    await storage.commit();
    const [first] = storage.readDeliveries(1, [1]);
    const [second] = storage.readDeliveries(2, [1]);
    expect(second.message).toBe(first.message);
    expect(first).toMatchObject({ qos: 2, subscriptionIdentifiers: [9], sharedFilter: null });
    expect(second).toMatchObject({
      qos: 1,
      subscriptionIdentifiers: [],
      sharedFilter: '$share/g/t',
    });
  });

  test('one message for ten thousand sessions is found for each of them', async () => {
    const folder = makeFolder();
    const first = await openStore(folder);
    const numbers = range(1, 10_000);
    for (const number of numbers) first.storage.saveSession(session(number));
    const message = messageOf('t');
    for (const number of numbers.toReversed()) {
      const subscriptionIdentifiers = number % 3 === 0 ? [number] : [];
      first.storage.enqueue(number, delivery(1, message, { subscriptionIdentifiers }));
    }
    await first.storage.close();
    const { storage, found } = await openStore(folder);
    for (const number of numbers) {
      expect(found.queued(number)).toEqual([1]);
      const [one] = storage.readDeliveries(number, [1]);
      expect(one.subscriptionIdentifiers).toEqual(number % 3 === 0 ? [number] : []);
      storage.dequeue(number, 1);
    }
    await storage.close();
    expect(await countOf(folder, 'log')).toBe(0);
  });
});

describe('starting again', () => {
  test('a store that was closed says so, and one that was not does not', async () => {
    const folder = makeFolder();
    const mark = (at: string): Promise<boolean> =>
      inTables(at, (tables) => readMeta(tables).isClean);
    const first = await openStore(folder);
    first.storage.saveSession(session(1));
    await first.storage.close();
    expect(await mark(folder)).toBe(true);
    const second = await openStore(folder);
    // Whoever dies while reading it has not closed it.
    expect(await mark(copyOf(folder))).toBe(false);
    second.storage.saveSession(session(2));
    await second.storage.commit();
    expect(await mark(copyOf(folder))).toBe(false);
    await second.storage.close();
    expect(await mark(folder)).toBe(true);
  });

  test('finds everything that was committed before the process died', async () => {
    const folder = makeFolder();
    const { storage } = await openStore(folder);
    storage.saveSession(session(1));
    for (const sequence of range(1, 3)) storage.enqueue(1, delivery(sequence, messageOf('t')));
    storage.updateDelivery(
      1,
      delivery(1, messageOf('t'), { packetId: 9, state: DeliveryState.Published }),
    );
    await storage.commit();
    storage.dequeue(1, 3);
    const { found, info } = await openStore(copyOf(folder));
    expect(found.session(1).inflight.map((one) => [one.sequence, one.packetId])).toEqual([[1, 9]]);
    expect(found.queued(1)).toEqual([2, 3]);
    expect(info.isNew).toBe(false);
    expect(info.highest.sequence).toBeGreaterThanOrEqual(3);
  });

  test('finds nothing of what was recorded after the commit was asked for', async () => {
    const folder = makeFolder();
    const { storage } = await openStore(folder);
    storage.saveSession(session(1));
    for (const sequence of [1, 2]) storage.enqueue(1, delivery(sequence, messageOf('t')));
    const committed = storage.commit();
    storage.dequeue(1, 1);
    storage.saveInboundPacketId(1, 5);
    await committed;
    const { found } = await openStore(copyOf(folder));
    expect(found.queued(1)).toEqual([1, 2]);
    expect(found.session(1).inboundPacketIds).toEqual([]);
  });

  test.each(['always', 'relaxed'] as const)('either level opens what %s wrote', async (level) => {
    const folder = makeFolder();
    const { storage } = await openStore(folder, { level });
    storage.saveSession(session(1));
    await storage.commit();
    for (const other of ['relaxed', 'always', 'relaxed'] as const) {
      const copy = copyOf(folder);
      const { found, storage: again } = await openStore(copy, { level: other });
      expect(found.numbers).toEqual([1]);
      again.saveSession(session(2));
      await again.close();
      expect((await openStore(copy, { level })).found.numbers).toEqual([1, 2]);
    }
  });

  test('numbers are never given out again, also when all that bore them was never written', async () => {
    const folder = makeFolder();
    const first = await openStore(folder);
    first.storage.saveSession(session(40));
    first.storage.enqueue(40, delivery(100, messageOf('t')));
    first.storage.deleteSession(40);
    await first.storage.commit();
    const crashed = await openStore(copyOf(folder));
    expect(crashed.info.highest.session).toBeGreaterThanOrEqual(40);
    expect(crashed.info.highest.sequence).toBeGreaterThanOrEqual(100);
    await first.storage.close();
    const { info } = await openStore(folder);
    expect(info.highest).toEqual({ session: 40, sequence: 100 });
  });

  test('200,000 queued messages come back in little memory', { timeout: 60_000 }, async () => {
    const folder = makeFolder();
    const first = await openStore(folder);
    for (const number of range(1, 1_000)) first.storage.saveSession(session(number));
    const message = messageOf('a/b', { payload: new Uint8Array(64) });
    for (let sequence = 1; sequence <= 200_000; sequence++) {
      first.storage.enqueue(1 + (sequence % 1_000), delivery(sequence, message));
      if (sequence % 5_000 === 0) await first.storage.commit();
    }
    await first.storage.close();
    const storage = new LmdbStorage({ folder, level: 'always', freeMinBytes: 0 });
    await storage.open(new Host());
    const before = await usedBytes();
    let count = 0;
    await storage.recover({ onSession() {}, onQueued: () => count++, onRetained() {} });
    const bytes = (await usedBytes()) - before;
    await storage.close();
    expect(count).toBe(200_000);
    expect(bytes / count).toBeLessThan(45); // of which the sessions take some
  });
});

describe('long names', () => {
  test('that differ in their last byte only do not meet', async () => {
    const folder = makeFolder();
    const names = [longName('a/', '1'), longName('a/', '2'), longName('a/', '3', 1_900)];
    const { storage } = await openStore(folder);
    storage.saveSession(session(1));
    for (const name of names) {
      storage.saveRetained(messageOf(name, { retain: true }));
      storage.saveSubscription(1, subscription(name));
    }
    storage.deleteRetained(names[1]);
    storage.deleteSubscription(1, names[0]);
    await storage.close();
    const { found } = await openStore(folder);
    expect([...found.retained.keys()].sort()).toEqual([names[0], names[2]].sort());
    const filters = found.session(1).subscriptions.map((one) => one.topicFilter);
    expect(filters.sort()).toEqual([names[1], names[2]].sort());
    expect(await problemsOf(folder)).toEqual([]);
  });
});

describe('damage', () => {
  test.each(['sessions', 'state', 'wills', 'log'] as const)(
    'of a record of the table %s costs that record only',
    async (table) => {
      const folder = await makeStore();
      await inTables(folder, (tables) => {
        const value = Buffer.from(tables[table].getBinary(1) ?? []);
        value[value.length - 1] ^= 1;
        void tables[table].put(1, value);
      });
      expect(await problemsOf(folder)).toHaveLength(1);
      const { storage, found, host } = await openStore(folder);
      expect(found.numbers).toContain(2);
      expect(found.queued(2)).toContain(3);
      expect(storage.damagedValues).toBeGreaterThan(0);
      expect(host.logged[0]).toContain(`"table":"${table}"`);
      expect([...host.alarms.keys()]).toEqual(['store_damaged']);
    },
  );

  test('of a retained message, a subscription, and a value of a table', async () => {
    const folder = await makeStore();
    await inTables(folder, (tables) => {
      for (const table of [tables.retained, tables.subscriptions, tables.tables]) {
        const [{ key, value }] = [...table.getRange({ start: Buffer.from([0]), limit: 1 })];
        value[4] ^= 1;
        void table.put(key, value);
      }
    });
    expect(await problemsOf(folder)).toHaveLength(3);
    const { storage, found } = await openStore(folder);
    expect(storage.damagedValues).toBe(2);
    expect(found.retained.size).toBe(1);
    expect(storage.get('t', 'a')).toBeNull();
    expect(storage.list('t', null, 9).map(({ key }) => key)).toEqual(['b']);
  });

  test('a value under another key does not pass', async () => {
    const folder = await makeStore();
    await inTables(folder, (tables) => {
      for (const table of NUMBER_TABLES) {
        void tables[table].put(999, Buffer.from(tables[table].getBinary(1) ?? []));
      }
      const value = Buffer.from(tables.retained.getBinary(retainedKey('r/1')) ?? []);
      void tables.retained.put(retainedKey('r/9'), value);
    });
    expect(await problemsOf(folder)).toHaveLength(5);
  });

  test('another version of the format is refused in a sentence', async () => {
    const folder = await makeStore();
    await inTables(folder, (tables) => {
      const key = Buffer.from('format');
      const value = Buffer.from([0, 0, 0, 0, 2]);
      value.writeUInt32BE(crc32(value.subarray(4), crc32(key)));
      void tables.meta.put(key, value);
    });
    const storage = new LmdbStorage({ folder, level: 'always' });
    await expect(storage.open(new Host())).rejects.toThrow('has format version 2');
    await inTables(folder, (tables) => void tables.meta.remove(Buffer.from('format')));
    await expect(storage.open(new Host())).rejects.toThrow('does not say which version wrote it');
    await storage.close();
  });

  /** Two sessions with something in every table, and messages 1 to 3. */
  async function makeStore(): Promise<string> {
    const folder = makeFolder();
    const { storage } = await openStore(folder);
    for (const number of [1, 2]) {
      storage.saveSession(session(number));
      storage.saveSubscription(number, subscription('a'));
      storage.saveWill(number, { message: messageOf('will'), delayInterval: 1 });
      for (const sequence of [1, 2, 3]) storage.enqueue(number, delivery(sequence, messageOf('t')));
      storage.saveInboundPacketId(number, 5);
      storage.saveRetained(messageOf(`r/${number}`, { retain: true }));
    }
    storage.put('t', 'a', Uint8Array.of(1));
    storage.put('t', 'b', Uint8Array.of(2));
    await storage.close();
    return folder;
  }
});

describe('commits that fail', () => {
  test('reject, keep their batch, and write it first', async () => {
    const folder = makeFolder();
    let isFailing = false;
    const onTransaction = (): void => {
      if (isFailing) throw new Error('no');
    };
    const { storage } = await openStore(folder, { onTransaction });
    storage.saveSession(session(1));
    await storage.commit();
    isFailing = true;
    for (const sequence of [1, 2]) storage.enqueue(1, delivery(sequence, messageOf('t')));
    await expect(storage.commit()).rejects.toThrow('no');
    storage.dequeue(1, 1);
    expect(storage.readDeliveries(1, [1, 2])).toHaveLength(1);
    await expect(storage.commit()).rejects.toThrow('no');
    isFailing = false;
    await storage.commit();
    const { found } = await openStore(copyOf(folder));
    expect(found.queued(1)).toEqual([2]);
  });

  test.each(['always', 'relaxed'] as const)(
    'because the disk is full become nobody’s unhandled rejection (%s)',
    async (level) => {
      const folder = smallDisk(3);
      if (folder === null) return;
      const unhandled: unknown[] = [];
      const onUnhandled = (error: unknown): number => unhandled.push(error);
      process.on('unhandledRejection', onUnhandled);
      onTestFinished(() => void process.off('unhandledRejection', onUnhandled));
      const { storage } = await openStore(folder, { level });
      storage.saveSession(session(1));
      await storage.commit();
      const filler = path.join(folder, 'filler');
      writeFileSync(filler, new Uint8Array(2_000_000));
      for (const sequence of range(1, 300)) storage.enqueue(1, delivery(sequence, large('t')));
      await expect(storage.commit()).rejects.toThrow('no space left');
      storage.saveSession(session(2));
      await expect(storage.commit()).rejects.toThrow('no space left');
      expect(storage.readDeliveries(1, range(1, 300))).toHaveLength(300);
      for (const sequence of range(11, 300)) storage.dequeue(1, sequence);
      rmSync(filler);
      await storage.commit();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(unhandled).toEqual([]);
      const { found } = await openStore(copyOf(folder), { level });
      expect(found.numbers).toEqual([1, 2]);
      expect(found.queued(1)).toEqual(range(1, 10));
      expect(await problemsOf(copyOf(folder))).toEqual([]);
    },
  );

  test('inside of LMDB become nobody’s unhandled rejection either, and leave nothing behind', async () => {
    const folder = smallDisk(2);
    if (folder === null) return;
    const unhandled: unknown[] = [];
    const onUnhandled = (error: unknown): number => unhandled.push(error);
    process.on('unhandledRejection', onUnhandled);
    onTestFinished(() => void process.off('unhandledRejection', onUnhandled));
    const environment = openEnvironment(path.join(folder, 'store.mdb'));
    onTestFinished(() => environment.closeNow());
    const { log } = environment.tables;
    const put = (bytes: number) => () => {
      for (const sequence of range(1, 10)) void log.put(sequence, new Uint8Array(bytes));
    };
    await environment.write(put(10));
    // Once only, where a part is written: a write that fails altogether damages the native code's memory (reserve.ts).
    await expect(environment.write(put(1_000_000))).rejects.toThrow('took a part only');
    expect(environment.isBroken).toBe(false);
    await environment.write(() => void log.put(11, new Uint8Array(11)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(unhandled).toEqual([]);
    expect([...log.getRange({ start: 0 })].map(({ value }) => value.length)).toEqual(
      range(1, 11).map((sequence) => (sequence === 11 ? 11 : 10)),
    );
  });

  test('for want of room do not keep those from working that make room', async () => {
    const folder = smallDisk(6);
    if (folder === null) return;
    const { storage } = await openStore(folder);
    storage.saveSession(session(1));
    for (const sequence of range(1, 200)) storage.enqueue(1, delivery(sequence, large('t')));
    await storage.commit();
    storage.dequeue(1, 1);
    await storage.commit();
    try {
      writeFileSync(path.join(folder, 'filler'), new Uint8Array(8_000_000));
    } catch {
      // now it is full
    }
    for (const sequence of range(2, 200)) {
      storage.dequeue(1, sequence);
      await storage.commit();
    }
    for (const sequence of range(201, 300)) storage.enqueue(1, delivery(sequence, large('t')));
    await storage.commit();
    expect(storage.readDeliveries(1, range(201, 300))).toHaveLength(100);
  });

  /** A disk of so many MiB that goes with the test, or null where none can be mounted. */
  function smallDisk(mebibytes: number): string | null {
    const folder = makeFolder();
    const disk = path.join(folder, 'disk');
    mkdirSync(disk);
    try {
      const size = `size=${mebibytes}m`;
      execFileSync('mount', ['-t', 'tmpfs', '-o', size, 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      return null;
    }
    onTestFinished(() => void execFileSync('umount', ['-l', disk]));
    return disk;
  }
});

describe('sessions with long queues', () => {
  test('are swept in slices, and a crash in between does no harm', async () => {
    const folder = makeFolder();
    const { storage } = await openStore(folder);
    for (const number of [1, 2]) storage.saveSession(session(number));
    const message = messageOf('t');
    for (const sequence of range(1, 30_000)) storage.enqueue(1, delivery(sequence, message));
    storage.enqueue(2, delivery(30_001, message));
    await storage.commit();
    const startMs = performance.now();
    storage.deleteSession(1);
    expect(performance.now() - startMs).toBeLessThan(50);
    await storage.commit();
    const crashed = copyOf(folder);
    expect(await countOf(crashed, 'log')).toBeGreaterThan(1);
    for (let i = 0; i < 200; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      storage.put('t', 'busy', Uint8Array.of(i));
      await storage.commit();
    }
    expect(await countOf(copyOf(folder), 'log')).toBe(1);
    const { found, storage: again } = await openStore(crashed);
    expect(found.numbers).toEqual([2]);
    expect(found.queued(2)).toEqual([30_001]);
    await again.close();
    expect(await countOf(crashed, 'log')).toBe(1);
  });
});

describe('a backup', () => {
  test('is a store of its own, taken while the server runs', async () => {
    const { storage } = await openStore(makeFolder());
    storage.saveSession(session(1));
    storage.enqueue(1, delivery(1, messageOf('t')));
    await storage.commit();
    const target = path.join(makeFolder(), 'new');
    const copied = storage.backup(target);
    storage.saveSession(session(2));
    await storage.commit();
    await copied;
    const { found } = await openStore(target);
    expect(found.numbers).toContain(1);
    expect(found.queued(1)).toEqual([1]);
    expect(await problemsOf(copyOf(target))).toEqual([]);
  });

  test('refuses a folder that is not empty', async () => {
    const { storage } = await openStore(makeFolder());
    const target = makeFolder();
    writeFileSync(path.join(target, 'mine'), '');
    await expect(storage.backup(target)).rejects.toThrow('is not empty');
    expect(readdirSync(target)).toEqual(['mine']);
  });
});
