// When what was recorded is durable: with the commit of its batch and not before, all of it or nothing, also when a commit failed.

import assert from 'node:assert/strict';
import { type ContractCase, contractCase } from './case.ts';
import {
  delivery,
  messageOf,
  plainEntries,
  plainSubscriptions,
  session,
  subscription,
} from './values.ts';

const commits = [
  contractCase('a batch is durable when its commit says so, and not before', async (store) => {
    store.storage.saveSession(session(1));
    await store.storage.commit();
    store.storage.saveSession(session(2));
    store.storage.deleteSession(1);
    assert.deepEqual((await store.crashAndOpen()).numbers, [1]);
  }),

  contractCase('a commit with nothing recorded is durable at once', async (store) => {
    await store.storage.commit();
    store.storage.saveSession(session(1));
    await store.storage.commit();
    await store.storage.commit();
    assert.deepEqual((await store.crashAndOpen()).numbers, [1]);
  }),

  contractCase(
    'what is recorded while a commit is on its way comes with the next',
    async (store) => {
      store.storage.saveSession(session(1));
      const first = store.storage.commit();
      store.storage.saveSession(session(2));
      store.storage.deleteSession(1);
      await first;
      await store.storage.commit();
      assert.deepEqual((await store.crashAndOpen()).numbers, [2]);
    },
  ),

  contractCase(
    'what is recorded while a commit is on its way may come with it, but only whole',
    async (store) => {
      store.storage.saveSession(session(1));
      const first = store.storage.commit();
      store.storage.saveSession(session(2));
      store.storage.put('t', 'k', Buffer.from('v'));
      store.storage.saveSubscription(1, subscription('a'));
      await first;
      const found = await store.crashAndOpen();
      const entries = await store.storage.list('t', null, 9);
      const { subscriptions } = found.session(1);
      const count = [found.sessions.has(2) ? 1 : 0, entries.length, subscriptions.length];
      const isWhole = count.every((one) => one === count[0]);
      assert.ok(isWhole, `of three changes of one turn it has ${count.join(', ')}`);
    },
  ),

  contractCase('closing commits what gathers', async (store) => {
    store.storage.saveSession(session(1));
    store.storage.put('t', 'k', Buffer.from('v'));
    assert.deepEqual((await store.reopen()).numbers, [1]);
    assert.equal((await store.storage.list('t', null, 9)).length, 1);
  }),

  contractCase('closing waits for a commit on its way, and commits what gathers', async (store) => {
    store.storage.saveSession(session(1));
    const first = store.storage.commit();
    store.storage.saveSession(session(2));
    await store.close();
    await first;
    assert.deepEqual((await store.open()).numbers, [1, 2]);
  }),

  contractCase('the last word of a batch counts, also over several batches', async (store) => {
    store.storage.saveSession(session(1));
    store.storage.saveSubscription(1, subscription('a', { qos: 0 }));
    store.storage.deleteSubscription(1, 'a');
    store.storage.saveSubscription(1, subscription('a', { qos: 1 }));
    store.storage.saveSubscription(1, subscription('b'));
    store.storage.deleteSubscription(1, 'b');
    store.storage.saveInboundPacketId(1, 1);
    store.storage.deleteInboundPacketId(1, 1);
    store.storage.saveInboundPacketId(1, 1);
    store.storage.saveInboundPacketId(1, 2);
    store.storage.deleteInboundPacketId(1, 2);
    await store.storage.commit();
    store.storage.deleteSubscription(1, 'a');
    store.storage.saveSubscription(1, subscription('a', { qos: 2 }));
    const { subscriptions, inboundPacketIds } = (await store.crashAndOpen()).session(1);
    assert.deepEqual(subscriptions.map(qosOf), [1]);
    assert.deepEqual([...inboundPacketIds], [1]);
  }),

  contractCase('many changes fit in one batch', async (store) => {
    const count = 5_000;
    for (let number = 1; number <= count; number++) {
      store.storage.saveSession(session(number));
      store.storage.saveSubscription(number, subscription(`a/${number}`));
    }
    const message = messageOf('t', { payload: '2a' });
    for (let number = 1; number <= count; number++) {
      store.storage.enqueue(number, delivery(1, message));
    }
    await store.storage.commit();
    let found = await store.crashAndOpen();
    assert.equal(found.sessions.size, count);
    assert.deepEqual(found.queued(count), [1]);
    for (let number = 1; number < count; number++) store.storage.deleteSession(number);
    found = await store.reopen();
    assert.deepEqual(found.numbers, [count]);
    assert.deepEqual(await store.readNumbers(count, [1]), [1]);
  }),
];

const failures = [
  contractCase('a batch that fails is kept, and goes first with the next', async (store) => {
    store.storage.saveSession(session(1));
    store.storage.saveSubscription(1, subscription('a', { qos: 0 }));
    store.storage.put('t', 'k', Buffer.from('one'));
    await store.fail(true);
    await store.rejectedCommit();
    store.storage.saveSubscription(1, subscription('a', { qos: 2 }));
    store.storage.put('t', 'k', Buffer.from('two'));
    await store.rejectedCommit();
    store.storage.saveSubscription(1, subscription('b'));
    await store.rejectedCommit();
    await store.fail(false);
    await store.storage.commit();
    const { subscriptions } = (await store.crashAndOpen()).session(1);
    const expected = [subscription('a', { qos: 2 }), subscription('b')];
    assert.deepEqual(plainSubscriptions(subscriptions), plainSubscriptions(expected));
    assert.deepEqual(plainEntries(await store.storage.list('t', null, 9)), [['k', '74776f']]);
  }),

  contractCase('the order of the changes is kept over a commit that fails', async (store) => {
    store.storage.saveSession(session(1));
    store.storage.enqueue(1, delivery(1, messageOf('t')));
    store.storage.saveRetained(messageOf('r', { retain: true, payload: '01' }));
    await store.fail(true);
    await store.rejectedCommit();
    store.storage.dequeue(1, 1);
    store.storage.deleteRetained('r');
    store.storage.enqueue(1, delivery(2, messageOf('t')));
    await store.rejectedCommit();
    store.storage.deleteSession(1);
    store.storage.saveSession(session(2));
    await store.fail(false);
    await store.storage.commit();
    const found = await store.crashAndOpen();
    assert.deepEqual([found.numbers, found.retained.size], [[2], 0]);
    assert.ok(store.info.highest.session >= 2);
  }),

  contractCase('reading sees a batch that failed', async (store) => {
    store.storage.saveSession(session(1));
    store.storage.enqueue(1, delivery(1, messageOf('t')));
    await store.storage.commit();
    store.storage.enqueue(1, delivery(2, messageOf('t')));
    store.storage.dequeue(1, 1);
    store.storage.put('t', 'k', Buffer.from('one'));
    await store.fail(true);
    await store.rejectedCommit();
    store.storage.enqueue(1, delivery(3, messageOf('t')));
    assert.deepEqual(await store.readNumbers(1, [1, 2, 3]), [2, 3]);
    assert.equal((await store.storage.list('t', null, 9)).length, 1);
    await store.fail(false);
    await store.storage.commit();
    assert.deepEqual(await store.readNumbers(1, [1, 2, 3]), [2, 3]);
    assert.deepEqual((await store.crashAndOpen()).queued(1), [2, 3]);
  }),

  contractCase('a batch that failed is not there after a crash', async (store) => {
    store.storage.saveSession(session(1));
    await store.storage.commit();
    store.storage.saveSession(session(2));
    store.storage.deleteSession(1);
    await store.fail(true);
    await store.rejectedCommit();
    await store.fail(false);
    await store.crash();
    assert.deepEqual((await store.open()).numbers, [1]);
  }),

  contractCase(
    'closing rejects when it cannot commit, and loses that batch only',
    async (store) => {
      store.storage.saveSession(session(1));
      await store.storage.commit();
      store.storage.saveSession(session(2));
      await store.fail(true);
      await assert.rejects(store.close(), 'closing a store that cannot be written rejects');
      await store.fail(false);
      assert.deepEqual((await store.open()).numbers, [1]);
    },
  ),
];

export const batchCases: readonly ContractCase[] = [...commits, ...failures];

function qosOf({ qos }: { readonly qos: number }): number {
  return qos;
}
