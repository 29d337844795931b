// What becomes of a delivery: it is queued, leaves the queue in order or from the middle, is in flight, is released, is done.
// Messages come back byte for byte, with who published them and when.

import assert from 'node:assert/strict';
import type { Message } from '../protocol/message.ts';
import { DeliveryState, type StoredDelivery } from '../storage/storage.ts';
import { type ContractCase, contractCase } from './case.ts';
import type { StoreUnderTest } from './store-under-test.ts';
import { delivery, longName, messageOf, type PlainDelivery, session, shown } from './values.ts';

const { Queued, Published, Released } = DeliveryState;

const messages = [
  contractCase('a message comes back byte for byte, queued and in flight', async (store) => {
    const message = messageOf('größe/7', {
      qos: 2,
      retain: true,
      properties: '01 01', // Payload Format Indicator: UTF-8
      payload: '00 ff 7f 80',
      messageExpiryInterval: 300,
      receivedAtMs: store.clock.now(),
    });
    const fields = {
      retain: true,
      subscriptionIdentifiers: [3, 3, 268_435_455],
      sharedFilter: '$share/g/größe/+',
    };
    const queued = [
      delivery(8, message, { ...fields, qos: 2 }),
      delivery(9, message, { qos: 0 }),
      delivery(10, message, { qos: 1, sharedFilter: longName('$share/g/', '/#') }),
    ];
    const inflight = delivery(7, message, { ...fields, packetId: 65_535, state: Published });
    const expected = store.plainDeliveries([inflight, ...queued]);
    store.storage.saveSession(session(1));
    for (const one of [inflight, ...queued]) store.storage.enqueue(1, one);
    const found = await store.reopen();
    const { inflight: recovered } = found.session(1);
    const read = await store.read(1, [8, 9, 10]);
    assert.deepEqual(store.plainDeliveries([...recovered, ...read]), expected);
  }),

  contractCase('a message may be empty, and may be large', async (store) => {
    const large = new Uint8Array(2_000_000).map((_, i) => i * 7 + (i >> 8));
    store.storage.saveSession(session(1));
    store.storage.enqueue(1, delivery(1, messageOf('empty')));
    store.storage.enqueue(1, delivery(2, messageOf('large', { payload: large })));
    store.storage.saveRetained(messageOf('large', { payload: large, retain: true }));
    const found = await store.reopen();
    const payloads = (await store.read(1, [1, 2])).map((one) => shown(one.message.payload));
    assert.deepEqual(payloads, ['', shown(large)]);
    const retained = found.retained.get('large');
    assert.equal(retained === undefined ? null : shown(retained.payload), shown(large));
  }),

  contractCase('a topic name may have 65,535 bytes', async (store) => {
    const names = [longName('l/', '1'), longName('l/', '2')];
    store.storage.saveSession(session(1));
    names.forEach((name, i) => {
      store.storage.enqueue(1, delivery(i + 1, messageOf(name)));
    });
    const found = await store.reopen();
    assert.deepEqual(
      found.queue(1).map((one) => one.topicName),
      names,
    );
    const read = await store.read(1, [1, 2]);
    assert.deepEqual(
      read.map((one) => one.message.topic.name),
      names,
    );
  }),

  contractCase('it is told who published a message and when', async (store) => {
    const publishers = [
      { sessionId: '__client_p', clientId: 'p', username: null },
      { sessionId: '__client_größe', clientId: 'größe', username: 'Jürgen' },
      { sessionId: '__client_', clientId: '', username: '' },
      { sessionId: 'admin', clientId: 'p', username: 'root' },
      null,
    ];
    store.storage.saveSession(session(1));
    publishers.forEach((publisher, i) => {
      store.clock.advance(1_234);
      const receivedAtMs = store.clock.now();
      store.storage.enqueue(1, delivery(i + 1, messageOf('t', { publisher, receivedAtMs })));
    });
    const expected = store.plainDeliveries(await store.read(1, [1, 2, 3, 4, 5]));
    assert.deepEqual(
      expected.map((one) => one.message?.publisher),
      publishers,
    );
    store.clock.advance(5_000);
    await store.reopen(60_000);
    const read = await store.read(1, [1, 2, 3, 4, 5]);
    assert.deepEqual(store.plainDeliveries(read), expected);
  }),

  contractCase(
    'what expires does so by the time of the store, however long it was off',
    async (store) => {
      const receivedAtMs = store.clock.now();
      const sentAtMs = store.nowMs;
      const message = messageOf('t', { messageExpiryInterval: 60, receivedAtMs });
      store.storage.saveSession(session(1));
      store.storage.enqueue(1, delivery(1, message, { packetId: 1, state: Published }));
      store.storage.enqueue(1, delivery(2, message));
      store.storage.enqueue(1, delivery(3, messageOf('t', { receivedAtMs })));
      store.storage.saveWill(1, { message, delayInterval: 0 });
      store.storage.saveRetained(message);
      store.clock.advance(20_000);
      const found = await store.reopen(15_000);
      const expiries = found.queue(1).map((one) => one.expiresAtMs);
      assert.deepEqual(expiries, [sentAtMs + 60_000, Number.POSITIVE_INFINITY]);
      const { inflight, will } = found.session(1);
      const [queued] = await store.read(1, [2]);
      const all = [inflight[0].message, queued.message, will?.message, found.retained.get('t')];
      const left = all.map((one) => one?.remainingExpiry(store.clock.now()));
      assert.deepEqual(left, [25, 25, 25, 25]);
    },
  ),
];

const states = [
  contractCase('deliveries come back in the order of their numbers', async (store) => {
    const numbers = [9, 10, 99, 100, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296, 2e14];
    for (const number of [1, 2]) store.storage.saveSession(session(number));
    for (const number of numbers) {
      const message = messageOf('t');
      store.storage.enqueue(1, delivery(number, message));
      store.storage.enqueue(2, delivery(number, message, { packetId: 1, state: Published }));
    }
    const found = await store.reopen();
    assert.deepEqual(found.queued(1), numbers);
    assert.deepEqual(await store.readNumbers(1, numbers), numbers);
    assert.deepEqual(found.inflight(2), numbers);
  }),

  contractCase('a delivery that gets a packet id leaves the queue', async (store) => {
    enqueue(store, 1, [1, 2, 3]);
    await store.storage.commit();
    const expected: PlainDelivery[] = [];
    const send = async (sequence: number, packetId: number) => {
      const [sent] = await store.read(1, [sequence]);
      sent.packetId = packetId;
      sent.state = Published;
      expected[sequence - 1] = store.plainDeliveries([sent])[0];
      store.storage.updateDelivery(1, sent);
    };
    await send(1, 65_535);
    let found = await store.reopen();
    assert.deepEqual([found.inflight(1), found.queued(1)], [[1], [2, 3]]);
    await send(2, 1);
    found = await store.crashAndOpen(); // the second was not committed
    assert.deepEqual([found.inflight(1), found.queued(1)], [[1], [2, 3]]);
    await send(2, 1);
    found = await store.reopen();
    assert.deepEqual([found.inflight(1), found.queued(1)], [[1, 2], [3]]);
    assert.deepEqual(store.plainDeliveries(found.session(1).inflight), expected);
  }),

  contractCase('a delivery may be queued and sent in one batch', async (store) => {
    enqueue(store, 1, [1, 2]);
    const sent = delivery(1, messageOf('t/1'), { packetId: 3, state: Published });
    store.storage.updateDelivery(1, sent);
    const expected = store.plainDeliveries([sent]);
    const found = await store.reopen();
    assert.deepEqual(store.plainDeliveries(found.session(1).inflight), expected);
    assert.deepEqual(found.queued(1), [2]);
  }),

  contractCase('a delivery may be in flight, or released, from the start', async (store) => {
    store.storage.saveSession(session(1));
    const all = [
      delivery(1, messageOf('t'), { qos: 2, packetId: 1, state: Released }),
      delivery(2, messageOf('t'), { qos: 2, packetId: 2, state: Published }),
      delivery(3, messageOf('t')),
    ];
    for (const one of all) store.storage.enqueue(1, one);
    const expected = store.plainDeliveries(all.slice(0, 2));
    const found = await store.reopen();
    assert.deepEqual(store.plainDeliveries(found.session(1).inflight), expected);
    assert.deepEqual(found.queued(1), [3]);
  }),

  contractCase(
    'a released delivery keeps its packet id until it is done, and others their message',
    async (store) => {
      const message = messageOf('t', { payload: '2a', qos: 2 });
      for (const number of [1, 2]) {
        store.storage.saveSession(session(number));
        store.storage.enqueue(number, delivery(1, message, { qos: 2 }));
      }
      await store.storage.commit();
      for (const state of [Published, Released]) {
        store.storage.updateDelivery(1, delivery(1, message, { qos: 2, packetId: 9, state }));
      }
      let found = await store.reopen();
      const [released] = found.session(1).inflight;
      assert.deepEqual([released.packetId, released.qos, released.state], [9, 2, Released]);
      assert.deepEqual(await payloads(store, 2, [1]), ['2a']);
      store.storage.dequeue(1, 1);
      found = await store.reopen();
      assert.deepEqual(found.inflight(1), []);
      assert.deepEqual(await payloads(store, 2, [1]), ['2a']);
    },
  ),

  contractCase('a delivery is recorded as it is at the call', async (store) => {
    store.storage.saveSession(session(1));
    const changing = delivery(1, messageOf('t'));
    store.storage.enqueue(1, changing);
    changing.packetId = 5;
    changing.state = Published;
    await store.storage.commit();
    assert.deepEqual((await store.crashAndOpen()).queued(1), [1]);
    const [read] = await store.read(1, [1]);
    assert.deepEqual([read.packetId, read.state], [0, Queued]);
    read.packetId = 9;
    read.state = Published;
    const [again] = await store.read(1, [1]);
    assert.deepEqual([again.packetId, again.state], [0, Queued]);
    assert.deepEqual((await store.reopen()).queued(1), [1]);
  }),
];

const endings = [
  contractCase(
    'deliveries go one by one: the first, the last, from the middle, in the batch that brought them',
    async (store) => {
      enqueue(store, 1, [1, 2, 3, 4, 5]);
      await store.storage.commit();
      store.storage.dequeue(1, 3);
      store.storage.dequeue(1, 5);
      store.storage.enqueue(1, delivery(6, messageOf('t')));
      store.storage.enqueue(1, delivery(7, messageOf('t')));
      store.storage.dequeue(1, 6);
      store.storage.dequeue(1, 99); // never there
      assert.deepEqual((await store.reopen()).queued(1), [1, 2, 4, 7]);
      store.storage.dequeue(1, 1);
      store.storage.dequeue(1, 4);
      assert.deepEqual((await store.reopen()).queued(1), [2, 7]);
      assert.deepEqual(await store.readNumbers(1, [1, 2, 3, 4, 5, 6, 7]), [2, 7]);
    },
  ),

  contractCase('a delivery in flight is done, and the queue stays', async (store) => {
    enqueue(store, 1, [1, 2, 3]);
    for (const sequence of [1, 2]) {
      const message = messageOf(`t/${sequence}`);
      const sent = delivery(sequence, message, { packetId: sequence, state: Published });
      store.storage.updateDelivery(1, sent);
    }
    await store.storage.commit();
    store.storage.dequeue(1, 2); // acknowledged out of order
    const found = await store.reopen();
    assert.deepEqual([found.inflight(1), found.queued(1)], [[1], [3]]);
  }),

  contractCase(
    'one message for several sessions has one number, and each goes by itself',
    async (store) => {
      const message = messageOf('t', { payload: '2a' });
      const all = [1, 2, 3, 4].map((number) =>
        delivery(77, message, {
          qos: number === 2 ? 2 : 1,
          retain: number === 3,
          subscriptionIdentifiers: [number],
          sharedFilter: number === 4 ? '$share/g/t' : null,
        }),
      );
      const expected = store.plainDeliveries(all);
      const isThere = async () => {
        const read: StoredDelivery[] = [];
        for (const number of [1, 2, 3, 4]) read.push(...(await store.read(number, [77])));
        return store.plainDeliveries(read);
      };
      for (const number of [1, 2, 3, 4]) store.storage.saveSession(session(number));
      all.forEach((one, i) => {
        store.storage.enqueue(i + 1, one);
      });
      assert.deepEqual(await isThere(), expected);
      store.storage.dequeue(1, 77); // before any commit
      await store.reopen();
      assert.deepEqual(await isThere(), expected.slice(1));
      store.storage.deleteSession(2);
      await store.reopen();
      assert.deepEqual(await isThere(), expected.slice(2));
      store.storage.dequeue(3, 77);
      await store.reopen();
      assert.deepEqual(await isThere(), expected.slice(3));
      store.storage.dequeue(4, 77);
      const found = await store.reopen();
      assert.deepEqual([3, 4].map(found.queued, found), [[], []]);
    },
  ),

  contractCase(
    'a message that is retained and queued is both, and stays the one without the other',
    async (store) => {
      const message = messageOf('t', { payload: '2a', retain: true });
      store.storage.saveSession(session(1));
      store.storage.saveRetained(message);
      store.storage.enqueue(1, delivery(1, message));
      store.storage.enqueue(1, delivery(2, message));
      await store.storage.commit();
      store.storage.deleteRetained('t');
      store.storage.dequeue(1, 1);
      let found = await store.reopen();
      assert.deepEqual([found.retained.size, await payloads(store, 1, [1, 2])], [0, ['2a']]);
      store.storage.saveRetained(message);
      store.storage.dequeue(1, 2);
      found = await store.reopen();
      const retained = [...found.retained.values()].map((one: Message) => shown(one.payload));
      assert.deepEqual(retained, ['2a']);
    },
  ),
];

export const deliveryCases: readonly ContractCase[] = [...messages, ...states, ...endings];

/** A session with such a queue, each of its messages of a topic `t/<number>`. */
function enqueue(store: StoreUnderTest, number: number, sequences: number[]): void {
  store.storage.saveSession(session(number));
  for (const sequence of sequences) {
    store.storage.enqueue(number, delivery(sequence, messageOf(`t/${sequence}`)));
  }
}

async function payloads(store: StoreUnderTest, number: number, sequences: number[]) {
  const read = await store.read(number, sequences);
  return read.map((one) => shown(one.message.payload));
}
