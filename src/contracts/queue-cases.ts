// Queues stay in the store: a server that starts is told little of each queued delivery and reads the rest by number, when it is
// wanted. And what of a store is told at start: in which order, and the numbers that are never given out again.

import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { DeliveryState } from '../storage/storage.ts';
import { type ContractCase, contractCase } from './case.ts';
import type { StoreUnderTest } from './store-under-test.ts';
import { delivery, messageOf, plainQueued, session, shown } from './values.ts';

/** More than a store may hand back, or read, without a look at what else the server has to do. */
const MANY = 20_000;

const recovery = [
  contractCase('a new store is new, and holds nothing', async (store) => {
    assert.equal(store.info.isNew, true);
    assert.deepEqual({ ...store.info.highest }, { session: 0, sequence: 0 });
    assert.ok(store.info.location.length > 0, 'it says where it is');
    store.storage.saveSession(session(1));
    await store.storage.commit();
    store.storage.deleteSession(1);
    const found = await store.reopen();
    assert.deepEqual([found.sessions.size, found.retained.size], [0, 0]);
    assert.equal(store.info.isNew, false);
  }),

  contractCase(
    'recovery tells of the sessions, then of the queues in order, then of what is retained',
    async (store) => {
      for (let round = 0; round < 3; round++) {
        for (const number of [3, 1, 2]) {
          if (round === 0) store.storage.saveSession(session(number));
          store.storage.enqueue(number, delivery(round * 10 + number, messageOf('t')));
          store.storage.saveRetained(messageOf(`t/${round}/${number}`, { retain: true }));
        }
        await store.storage.commit();
      }
      const found = await store.reopen(); // `Found` watches over the order
      assert.deepEqual(found.numbers, [1, 2, 3]);
      assert.deepEqual(
        [1, 2, 3].map((number) => found.queued(number)),
        [
          [1, 11, 21],
          [2, 12, 22],
          [3, 13, 23],
        ],
      );
      assert.equal(found.retained.size, 9);
    },
  ),

  contractCase('of a queued delivery it is told what a queue has to know', async (store) => {
    const receivedAtMs = store.clock.now();
    const nowMs = store.nowMs;
    const small = messageOf('größe', { payload: '01 02', receivedAtMs });
    const large = messageOf('a', {
      properties: '03 00 01 61', // Content Type 'a'
      payload: new Uint8Array(70_000),
      messageExpiryInterval: 4_294_967_295,
      publisher: { sessionId: 'x', clientId: 'c', username: 'u' },
      receivedAtMs,
    });
    store.storage.saveSession(session(1));
    store.storage.enqueue(1, delivery(5, small, { qos: 0 }));
    store.storage.enqueue(1, delivery(6, large, { qos: 2, sharedFilter: '$share/g/a' }));
    const fields = { qos: 0, isShared: false, expiresAtMs: Number.POSITIVE_INFINITY };
    const expected = [
      { sequence: 5, topicName: 'größe', size: small.size, ...fields },
      {
        sequence: 6,
        topicName: 'a',
        size: large.size,
        qos: 2,
        isShared: true,
        expiresAtMs: nowMs + 4_294_967_295_000,
      },
    ];
    const found = await store.reopen();
    assert.deepEqual(found.queue(1).map(plainQueued), expected);
  }),

  contractCase('recovery lets the event loop turn now and then', async (store) => {
    store.storage.saveSession(session(1));
    for (let i = 1; i <= MANY; i++) store.storage.enqueue(1, delivery(i, messageOf('t')));
    await store.close();
    let turns = 0;
    let isOver = false;
    const counting = (async () => {
      while (!isOver) {
        await turn();
        turns++;
      }
    })();
    try {
      assert.equal((await store.open()).queue(1).length, MANY);
    } finally {
      isOver = true;
      await counting;
    }
    assert.ok(turns >= 3, `${turns} turns while ${MANY} deliveries were handed back`);
  }),

  contractCase(
    'the highest numbers stay when all that bore them is gone, also over two restarts',
    async (store) => {
      const { storage } = store;
      for (const number of [1, 700]) storage.saveSession(session(number));
      storage.enqueue(700, delivery(5, messageOf('t')));
      storage.enqueue(1, delivery(4_294_967_299, messageOf('t')));
      await storage.commit();
      await store.crashAndOpen();
      assertHighest(store, 700, 4_294_967_299);
      store.storage.dequeue(1, 4_294_967_299);
      store.storage.dequeue(700, 5);
      store.storage.deleteSession(700);
      store.storage.deleteSession(1);
      for (let i = 0; i < 3; i++) {
        const found = await store.reopen();
        assert.deepEqual(found.numbers, []);
        assertHighest(store, 700, 4_294_967_299);
      }
      store.storage.saveSession(session(701));
      store.storage.enqueue(701, delivery(4_294_967_300, messageOf('t')));
      await store.reopen();
      assertHighest(store, 701, 4_294_967_300);
    },
  ),

  contractCase('the numbers of a session that was deleted whole count as well', async (store) => {
    store.storage.saveSession(session(9));
    store.storage.enqueue(9, delivery(90, messageOf('t'), { packetId: 1, state: 1 }));
    store.storage.enqueue(9, delivery(91, messageOf('t')));
    await store.storage.commit();
    store.storage.deleteSession(9);
    await store.reopen();
    assertHighest(store, 9, 91);
  }),
];

const reading = [
  contractCase('queued deliveries are read by number, in order, page by page', async (store) => {
    const numbers = Array.from({ length: 2_500 }, (_, i) => 3 * i + 1);
    store.storage.saveSession(session(1));
    for (const sequence of numbers) {
      const payload = Buffer.from(String(sequence));
      store.storage.enqueue(1, delivery(sequence, messageOf('t', { payload })));
    }
    const found = await store.reopen();
    assert.deepEqual(found.queued(1), numbers);
    for (let start = 0; start < numbers.length; start += 1_000) {
      const page = numbers.slice(start, start + 1_000);
      const read = await store.read(1, page);
      assert.deepEqual(
        read.map((one) => [one.sequence, Buffer.from(one.message.payload).toString()]),
        page.map((sequence) => [sequence, String(sequence)]),
      );
    }
    assert.deepEqual(await store.readNumbers(1, [numbers[1_000]]), [numbers[1_000]]);
  }),

  contractCase('what is not there is left out of what is read', async (store) => {
    for (const number of [1, 2]) store.storage.saveSession(session(number));
    for (const sequence of [10, 15, 20, 30]) {
      const number = sequence === 15 ? 2 : 1;
      store.storage.enqueue(number, delivery(sequence, messageOf('t')));
    }
    await store.storage.commit();
    assert.deepEqual(await store.readNumbers(1, [5, 10, 15, 30, 31, 4_294_967_306]), [10, 30]);
    assert.deepEqual(await store.readNumbers(1, []), []);
    assert.deepEqual(await store.readNumbers(1, [11, 12]), []);
    assert.deepEqual(await store.readNumbers(3, [10]), []);
  }),

  contractCase(
    'reading sees what is durable, what is being committed, and what gathers',
    async (store) => {
      const enqueue = (sequence: number) => {
        const message = messageOf('t', { payload: sequence.toString(16).padStart(2, '0') });
        store.storage.enqueue(1, delivery(sequence, message));
      };
      store.storage.saveSession(session(1));
      enqueue(1);
      enqueue(2);
      await store.storage.commit();
      enqueue(3);
      enqueue(4);
      store.storage.dequeue(1, 1);
      const committed = store.storage.commit();
      enqueue(5);
      enqueue(6);
      store.storage.dequeue(1, 3);
      store.storage.dequeue(1, 5);
      const meanwhile = await store.read(1, [1, 2, 3, 4, 5, 6]);
      await committed;
      const afterwards = await store.read(1, [1, 2, 3, 4, 5, 6]);
      await store.storage.commit();
      const atLast = await store.read(1, [1, 2, 3, 4, 5, 6]);
      for (const read of [meanwhile, afterwards, atLast]) {
        assert.deepEqual(
          read.map((one) => [one.sequence, shown(one.message.payload)]),
          [
            [2, '02'],
            [4, '04'],
            [6, '06'],
          ],
        );
      }
    },
  ),

  contractCase(
    'an answer that takes its time has what was recorded when it was asked for',
    async (store) => {
      store.storage.saveSession(session(1));
      for (const sequence of [1, 2]) store.storage.enqueue(1, delivery(sequence, messageOf('t')));
      await store.storage.commit();
      store.storage.enqueue(1, delivery(3, messageOf('t')));
      const reads = [store.readNumbers(1, [1, 2, 3]), store.readNumbers(1, [3])];
      const committed = store.storage.commit();
      store.storage.enqueue(1, delivery(4, messageOf('t')));
      assert.deepEqual(await Promise.all(reads), [[1, 2, 3], [3]]);
      await committed;
    },
  ),

  contractCase('nothing is read of a session that was deleted', async (store) => {
    const message = messageOf('t');
    for (const number of [1, 2]) {
      store.storage.saveSession(session(number));
      store.storage.enqueue(number, delivery(7, message));
    }
    await store.storage.commit();
    store.storage.enqueue(1, delivery(8, messageOf('t')));
    store.storage.deleteSession(1);
    assert.deepEqual(await store.readNumbers(1, [7, 8]), []);
    await store.storage.commit();
    assert.deepEqual(await store.readNumbers(1, [7, 8]), []);
    assert.deepEqual(await store.readNumbers(2, [7, 8]), [7]);
  }),

  contractCase('what is read is a delivery whole, and stays in the queue', async (store) => {
    const queued = delivery(4, messageOf('t', { payload: '2a' }), {
      qos: 2,
      retain: true,
      subscriptionIdentifiers: [1, 2],
      sharedFilter: '$share/g/+',
    });
    const expected = store.plainDeliveries([queued]);
    store.storage.saveSession(session(1));
    store.storage.enqueue(1, queued);
    for (let i = 0; i < 2; i++) {
      const read = await store.read(1, [4]);
      assert.deepEqual(store.plainDeliveries(read), expected);
      assert.equal(read[0].state, DeliveryState.Queued);
      await store.storage.commit();
    }
    assert.deepEqual((await store.reopen()).queued(1), [4]);
  }),
];

export const queueCases: readonly ContractCase[] = [...recovery, ...reading];

function assertHighest(store: StoreUnderTest, sessionNumber: number, sequence: number): void {
  const { highest } = store.info;
  const message = `highest is ${highest.session}, ${highest.sequence}`;
  assert.ok(highest.session >= sessionNumber && highest.sequence >= sequence, message);
  assert.ok(Number.isSafeInteger(highest.session + highest.sequence), message);
}
