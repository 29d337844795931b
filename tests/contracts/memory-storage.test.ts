import { expect, test } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import type { Recovery } from '../../src/storage/storage.ts';
import { storageContract } from './storage.contract.ts';

storageContract('a store in memory', () => {
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

const SESSION = {
  number: 1,
  clientId: 'c',
  username: null,
  protocolVersion: 5,
  sessionExpiryInterval: 60,
  disconnectedAtMs: null,
} as const;

function countSessions(): Recovery & { sessions: number } {
  return {
    sessions: 0,
    onSession() {
      this.sessions++;
    },
    onRetained() {},
  };
}

test('a commit takes as long as the test says, by the clock of the test', async () => {
  const clock = new FakeClock();
  const storage = new MemoryStorage({ clock, commitDelayMs: 50 });
  await storage.open(countSessions());
  let isDurable = false;
  storage.saveSession(SESSION);
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
])('a commit under way at a crash got through or not, and nobody is told: %o', async (given) => {
  const clock = new FakeClock();
  const storage = new MemoryStorage({ clock, commitDelayMs: 50 });
  await storage.open(countSessions());
  storage.saveSession(SESSION);
  let isTold = false;
  void storage.commit().then(() => {
    isTold = true;
  });
  storage.crash(given.keepsUnfinished);
  clock.advance(100);
  const found = countSessions();
  await storage.open(found);
  expect(found.sessions).toBe(given.sessions);
  expect(isTold).toBe(false);
});

test('two servers cannot have one store at a time', async () => {
  const storage = new MemoryStorage();
  await storage.open(countSessions());
  await expect(storage.open(countSessions())).rejects.toThrow('in use by another server');
});
