import { describe, expect, test } from 'vitest';
import { Found } from '../../src/contracts/found.ts';
import { CannotRun, type StoragePlace, storageContract } from '../../src/contracts/storage.ts';
import { delivery, messageOf, session, TOPICS } from '../../src/contracts/values.ts';
import { StoredMessageCodec } from '../../src/core/message-codec.ts';
import { StoreClock } from '../../src/core/store-clock.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import type { StorageHost } from '../../src/storage/storage.ts';
import { testStorage } from './storage.contract.ts';

testStorage('a store in memory', () => {
  const storage = new MemoryStorage();
  return {
    storage: () => storage,
    crash: () => storage.crash(),
    fail: (_, isFailing) => {
      storage.isFailing = isFailing;
    },
    dispose: () => {},
  };
});

interface TestHost extends StorageHost {
  readonly problems: (string | null)[];
}

function host(): TestHost {
  const clock = new FakeClock();
  const problems: (string | null)[] = [];
  return {
    problems,
    messages: new StoredMessageCodec(new StoreClock(clock, null), TOPICS, clock.now()),
    setProblem: (problem) => problems.push(problem),
    raiseAlarm: () => {},
    clearAlarm: () => {},
    log: () => {},
  };
}

/** Open, with a session and two queued deliveries. */
async function opened(): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  await storage.open(host());
  storage.saveSession(session(1));
  for (const sequence of [1, 2]) storage.enqueue(1, delivery(sequence, messageOf('t')));
  return storage;
}

describe('a commit', () => {
  test('takes as long as the test says, by the clock of the test', async () => {
    const clock = new FakeClock();
    const storage = new MemoryStorage({ clock, commitDelayMs: 50 });
    await storage.open(host());
    let isDurable = false;
    storage.saveSession(session(1));
    const committed = storage.commit().then(() => {
      isDurable = true;
    });
    clock.advance(49);
    await Promise.resolve();
    expect(isDurable).toBe(false);
    clock.advance(1);
    await committed;
    await storage.close();
  });

  test.each([
    { keepsUnfinished: false, sessions: 0 },
    { keepsUnfinished: true, sessions: 1 },
  ])('under way at a crash got through or not, and nobody is told: %o', async (given) => {
    const clock = new FakeClock();
    const storage = new MemoryStorage({ clock, commitDelayMs: 50 });
    await storage.open(host());
    storage.saveSession(session(1));
    let isTold = false;
    void storage.commit().then(() => {
      isTold = true;
    });
    storage.crash(given.keepsUnfinished);
    clock.advance(100);
    const found = new Found();
    await storage.open(host());
    await storage.recover(found);
    expect(found.sessions.size).toBe(given.sessions);
    expect(isTold).toBe(false);
  });

  test('is seen by reading while it is under way', async () => {
    const clock = new FakeClock();
    const storage = new MemoryStorage({ clock, commitDelayMs: 50 });
    await storage.open(host());
    storage.saveSession(session(1));
    storage.enqueue(1, delivery(1, messageOf('t')));
    const committed = storage.commit();
    storage.enqueue(1, delivery(2, messageOf('t')));
    expect(await storage.readDeliveries(1, [1, 2])).toHaveLength(2);
    clock.advance(50);
    await committed;
    expect(await storage.readDeliveries(1, [1, 2])).toHaveLength(2);
  });
});

describe('reading', () => {
  test('answers at once, or when the test says so with what was recorded then', async () => {
    const storage = await opened();
    expect(storage.readDeliveries(1, [1, 2])).toHaveLength(2);
    storage.isReadingSlow = true;
    let answer: readonly unknown[] | null = null;
    const read = Promise.resolve(storage.readDeliveries(1, [1, 2])).then((found) => {
      answer = found;
    });
    storage.dequeue(1, 1);
    await Promise.resolve();
    expect(answer).toBeNull();
    storage.finishReads();
    await read;
    expect(answer).toHaveLength(2);
    expect(storage.readCalls).toBe(2);
  });

  test('fails when it is told to: at once, or late', async () => {
    const storage = await opened();
    storage.failReads = true;
    expect(() => storage.readDeliveries(1, [1])).toThrow('told to fail');
    storage.isReadingSlow = true;
    const read = storage.readDeliveries(1, [1]);
    storage.failReads = false;
    storage.finishReads();
    await expect(read).rejects.toThrow('told to fail');
  });

  test('that waits is answered when the store is closed, and never after a crash', async () => {
    const storage = await opened();
    storage.isReadingSlow = true;
    let answers = 0;
    const count = () => answers++;
    const read = Promise.resolve(storage.get('t', 'k')).then(count);
    await storage.close();
    await read;
    expect(answers).toBe(1);
    await storage.open(host());
    storage.isReadingSlow = true;
    void Promise.resolve(storage.list('t', null, 1)).then(count);
    storage.crash();
    storage.finishReads();
    await storage.open(host());
    expect(answers).toBe(1);
  });
});

test('two servers cannot have one store at a time', async () => {
  const storage = new MemoryStorage();
  await storage.open(host());
  await expect(storage.open(host())).rejects.toThrow('in use by another server');
});

test('the test makes the store say that it takes nothing more', async () => {
  const storage = new MemoryStorage();
  const lent = host();
  await storage.open(lent);
  storage.setProblem('the disk is nearly full');
  storage.setProblem(null);
  expect(lent.problems).toEqual(['the disk is nearly full', null]);
});

test('what comes back is never the object that was stored', async () => {
  const storage = new MemoryStorage();
  await storage.open(host());
  const message = messageOf('t', { payload: '2a' });
  const stored = session(1, { groups: ['g'] });
  storage.saveSession(stored);
  storage.enqueue(1, delivery(1, message, { packetId: 1, state: 1 }));
  storage.saveRetained(message);
  await storage.close();
  message.bytes.fill(0);
  const found = new Found();
  await storage.open(host());
  await storage.recover(found);
  const recovered = found.session(1);
  expect(recovered.session).toEqual(stored);
  expect(recovered.session).not.toBe(stored);
  expect(recovered.session.groups).not.toBe(stored.groups);
  expect([...recovered.inflight[0].message.payload]).toEqual([0x2a]);
  expect([...(found.retained.get('t')?.payload ?? [])]).toEqual([0x2a]);
});

test('mistakes of the server are caught', async () => {
  const storage = await opened();
  expect(() => storage.enqueue(1, delivery(2, messageOf('t')))).toThrow('a delivery 2 already');
  expect(() => storage.put('No Table', 'k', new Uint8Array(0))).toThrow('no name of a table');
  expect(() => storage.put('t', '', new Uint8Array(0))).toThrow('a key of 0 bytes');
  expect(() => storage.get('t', 'é'.repeat(513))).toThrow('a key of 1026 bytes');
});

describe('the suite itself', () => {
  const placeOf = (storage: MemoryStorage, fields: Partial<StoragePlace> = {}): StoragePlace => ({
    storage: () => storage,
    crash: () => storage.crash(),
    fail: null,
    dispose: () => {},
    ...fields,
  });

  /** Ends the oldest delivery that there is, whichever it is told to end. */
  class BrokenStorage extends MemoryStorage {
    readonly #sequences: number[] = [];

    override enqueue(...given: Parameters<MemoryStorage['enqueue']>): void {
      this.#sequences.push(given[1].sequence);
      super.enqueue(...given);
    }

    override dequeue(number: number): void {
      super.dequeue(number, this.#sequences.shift() ?? 0);
    }
  }

  const random = storageContract[storageContract.length - 1];

  test('has a title of its own for each case', () => {
    const titles = storageContract.map((one) => one.title);
    expect(new Set(titles).size).toBe(titles.length);
  });

  test('says which cases a place cannot show, and passes none of them over in silence', async () => {
    const cannot: string[] = [];
    for (const one of storageContract) {
      if (!/fail|cannot commit/.test(one.title)) continue;
      const error = await one.run(() => placeOf(new MemoryStorage())).catch((why: unknown) => why);
      expect(error).toBeInstanceOf(CannotRun);
      cannot.push(one.title);
    }
    expect(cannot).toHaveLength(5);
  });

  test('removes the place also when a case fails', async () => {
    let places = 0;
    const makePlace = () => {
      places++;
      return placeOf(new BrokenStorage(), { dispose: () => void places-- });
    };
    for (const one of storageContract) await one.run(makePlace, { seed: 1 }).catch(() => {});
    expect(places).toBe(0);
  });

  test('brings a random failure back by its seed, with the fewest steps that show it', async () => {
    const fail = (seed?: number) =>
      random
        .run(() => placeOf(new BrokenStorage()), { seed })
        .then(
          () => '',
          (error: Error) => error.message,
        );
    const message = await fail();
    expect(message).not.toBe('');
    const seed = Number(/with the seed (\d+)/.exec(message)?.[1]);
    expect(await fail(seed)).toBe(message);
    const steps = message.split('\n').filter((line) => line.startsWith('  {"kind"'));
    expect(steps.length).toBeLessThan(16);
    expect(steps.join()).toContain('dequeue');
  });
});
