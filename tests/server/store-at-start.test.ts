// What a server makes of a store at start, also when its limits are lower than they were, and whose store it is.

import { expect, onTestFinished, test, vi } from 'vitest';
import { Tick } from '../../src/core/tick.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { Server } from '../../src/server/server.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import type { Recovery } from '../../src/storage/storage.ts';
import { startStored } from '../kit/stored.ts';
import { publishV3, subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { connectPacket, settle, startServer } from '../kit/wire.ts';

const HOUR = '11 00000e10';

test('filters and topics past the limits of today are served on', async () => {
  const clock = new FakeClock();
  const storage = new MemoryStorage({ clock });
  const one = await startServer({ clock, storage });
  const client = await one.v5('sub', true, HOUR);
  await subscribeV5(client, 'a/very/long/filter/#', 1);
  await subscribeV5(client, '$share/g/another/long/filter', 1);
  await client.drop();
  const publisher = await one.v3('pub');
  await publisher.send("33 17 0012 'a/very/long/filter' 0001 'm'");
  await publisher.expect('40 02 0001');
  await one.server.stop();
  const two = await startServer({
    clock,
    storage,
    limits: { topicLevelsMax: 2, topicLengthMax: 8 },
  });
  expect(two.server.stats()).toMatchObject({ subscriptions: 2, retainedMessages: 1 });
  const back = await two.v5('sub', false, HOUR);
  await back.expect("32 18 0012 'a/very/long/filter' 0001 00 'm'");
});

test('sessions past sessions_max are served on, and their numbers are not given out again', async () => {
  const clock = new FakeClock();
  const storage = new MemoryStorage({ clock });
  const first = await startServer({ clock, storage });
  await (await first.v5('one', true, HOUR)).drop();
  await (await subscriberV5(first, 'two', 's', 1, HOUR)).drop();
  await first.server.stop();
  const small = await startServer({ clock, storage, limits: { sessionsMax: 1 } });
  expect(small.server.stats().sessions).toBe(2);
  await (await small.v5('one', false, HOUR)).drop();
  await small.server.stop();
  const third = await startServer({ clock, storage });
  const one = await third.v5('one', false, HOUR);
  await (await third.v3('p')).send("32 06 0001 's' 0001 'x'");
  await one.expectNothing();
});

test('a server that could not open a store leaves it to the one that has it', async () => {
  const stored = await startStored();
  const other = { storage: stored.storage, clock: stored.clock };
  await expect(new Server(other).start()).rejects.toThrow('in use');
  await new Server(other).stop(); // never started
  const client = stored.broker.open();
  await client.send(connectPacket(5, 'ab', false, HOUR));
  expect((await client.packet())[0]).toBe(0x20);
});

test('a commit that throws is a commit that failed', async () => {
  const clock = new FakeClock();
  const storage = new MemoryStorage({ clock });
  const broker = await startServer({ storage, clock });
  const commit = storage.commit.bind(storage);
  let isBroken = true;
  storage.commit = () => {
    if (!isBroken) return commit();
    isBroken = false;
    throw new Error('broken on purpose');
  };
  const client = broker.open();
  await client.send(connectPacket(5, 'a', false, HOUR));
  await client.expectNothing();
  expect(broker.server.alarms.isRaised('store_failing')).toBe(true);
  await broker.advance(1_000);
  expect((await client.packet())[0]).toBe(0x20);
  expect(broker.server.alarms.isRaised('store_failing')).toBe(false);
});

test('a listener of lost messages that throws costs nobody anything', async () => {
  const stored = await startStored();
  await (await subscriberV5(stored.broker, 'first', 't', 1, HOUR)).drop();
  const publisher = await stored.broker.v5('pub');
  await publisher.send("32 0c 0001 't' 0001 05 02 00000001 'x'"); // expires in a second
  stored.clock.advance(2_000);
  stored.broker.server.drops.listener = {
    onDrop: () => {
      throw new Error('broken on purpose');
    },
  };
  stored.slow();
  const first = stored.broker.open();
  const second = stored.broker.open();
  first.write(connectPacket(5, 'first', false, HOUR));
  second.write(connectPacket(5, 'second', false, HOUR));
  await stored.commit();
  expect((await first.packet())[0]).toBe(0x20);
  expect((await second.packet())[0]).toBe(0x20);
});

test('sessions that come back together stay within the output of a turn', async () => {
  const stored = await startStored();
  const publisher = await stored.broker.v3('p');
  const count = 60;
  for (let i = 0; i < count; i++) {
    await (await subscriberV5(stored.broker, `s${i}`, 't', 1, HOUR)).drop();
  }
  for (let i = 1; i <= 5; i++) {
    const payload = new Uint8Array(200_000);
    await publisher.send(publishV3({ topicName: 't', qos: 1, packetId: i, payload }));
  }
  await publisher.packets();
  stored.slow();
  const clients = Array.from({ length: count }, (_, i) => {
    const client = stored.broker.open();
    client.write(connectPacket(5, `s${i}`, false, HOUR));
    return client;
  });
  await settle();
  let largest = 0;
  const { markDirty } = Tick.prototype;
  vi.spyOn(Tick.prototype, 'markDirty').mockImplementation(function (this: Tick, item) {
    largest = Math.max(largest, this.outputBytes);
    markDirty.call(this, item);
  });
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  await stored.commit();
  await settle(100);
  expect(largest).toBeLessThan(17.5 * 1_048_576);
  for (const client of clients) expect(await client.packets()).toHaveLength(6);
});

test('time that passes while the store is read ends no session and publishes no will before all is back', async () => {
  const clock = new FakeClock();
  /** Reading takes a second for each thing that it finds. */
  class SlowStorage extends MemoryStorage {
    override recover(recovery: Recovery): Promise<void> {
      return super.recover({
        onSession: (session) => {
          recovery.onSession(session);
          clock.advance(1_000);
        },
        onQueued: (session, queued) => {
          clock.advance(1_000);
          recovery.onQueued(session, queued);
        },
        onRetained: (message) => recovery.onRetained(message),
      });
    }
  }
  const storage = new SlowStorage({ clock });
  const first = await startServer({ clock, storage });
  const subscriber = await subscriberV5(first, 'sub', '+', 1, HOUR);
  await subscriber.drop();
  const leaving = first.open();
  await leaving.send(
    "10 22 0004 'MQTT' 05 0e 0000 05 11 00000002 0001 'a' 05 18 0000003c 0001 'w' 0004 'will'",
  );
  await leaving.packet();
  const publisher = await first.v3('pub');
  await publisher.send("32 06 0001 'q' 0001 '1' 32 06 0001 'q' 0002 '2'");
  await publisher.expect('40 02 0001', '40 02 0002');
  await leaving.drop();
  await first.server.stop();
  clock.jumpWall(10_000); // the session of `a` is over
  const second = await startServer({ clock, storage });
  await second.advance(1_000);
  const back = await second.v5('sub', false, HOUR);
  await back.expect(
    "32 07 0001 'q' 0001 00 '1'",
    "32 07 0001 'q' 0002 00 '2'",
    "32 0a 0001 'w' 0003 00 'will'",
  );
});

test('a stop while the store is read gives the reading up', async () => {
  const clock = new FakeClock();
  let isCancelled: () => boolean = () => false;
  class EndlessStorage extends MemoryStorage {
    override async recover(recovery: Recovery): Promise<void> {
      isCancelled = () => recovery.isCancelled === true;
      while (!isCancelled()) await settle(1);
      throw new Error('given up');
    }
  }
  const server = new Server({ clock, storage: new EndlessStorage({ clock }) });
  const started = server.start();
  await settle();
  expect(isCancelled()).toBe(false);
  await Promise.all([expect(started).rejects.toThrow('given up'), server.stop()]);
});

test('sessions are purged in slices, and only by a server that runs', async () => {
  const stored = await startStored();
  for (let i = 0; i < 3; i++) await (await stored.durable(`away${i}`)).drop();
  await stored.durable('here');
  await stored.broker.advance(60_000);
  await (await stored.durable('new')).drop();
  const { server } = stored.broker;
  const listed = await server.purgeSessions(60_000, true);
  expect(listed.map((one) => one.clientId)).toEqual(['away0', 'away1', 'away2']);
  expect(server.stats().sessions).toBe(5);
  expect(await server.purgeSessions(60_000)).toEqual(listed);
  expect(server.stats().sessions).toBe(2);
  await settle();
  await stored.crash();
  expect(stored.broker.server.stats().sessions).toBe(2);
  await expect(new Server().purgeSessions(0)).rejects.toThrow('not running');
});
