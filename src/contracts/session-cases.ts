// Sessions and what belongs to them but their deliveries: subscriptions, inbound packet ids, wills. And the retained messages.

import assert from 'node:assert/strict';
import type { Message } from '../protocol/message.ts';
import type { Storage, StoredSession } from '../storage/storage.ts';
import { type ContractCase, contractCase } from './case.ts';
import type { Found } from './found.ts';
import type { PlainOfSession, StoreUnderTest } from './store-under-test.ts';
import {
  delivery,
  longName,
  messageOf,
  plainSession,
  plainSubscriptions,
  session,
  subscription,
} from './values.ts';

const KINDS_OF_SESSIONS: readonly Partial<StoredSession>[] = [
  {},
  { username: 'Jürgen', groups: ['floor/2', 'größe', 'b', 'b'] },
  { username: '', groups: [''] },
  { clientId: '設備/7 \u{1f321}', protocolVersion: 3 },
  { clientId: longName('long-', '-ü') },
  { username: longName('long-', '-u'), groups: Array.from({ length: 500 }, (_, i) => `g${i}`) },
  { sessionExpiryInterval: 0 },
  { sessionExpiryInterval: 0xffff_ffff, protocolVersion: 4 },
  { disconnectedAtMs: 1_700_000_000_123, createdAtMs: 1_699_999_999_999 },
  { disconnectedAtMs: 0, createdAtMs: 0 },
  { queuePolicy: 'drop-new' },
  { queuePolicy: 'drop-oldest' },
  { queuePolicy: 'keep-latest-per-topic' },
  { queuePolicy: 'disconnect' },
  { number: 255 },
  { number: 4_294_967_296 },
  { number: 2 ** 48 - 1 },
];

const sessions = [
  contractCase('sessions come back as they were saved', async (store) => {
    const saved = KINDS_OF_SESSIONS.map((fields, i) => session(i + 1, fields));
    for (const one of saved) store.storage.saveSession(one);
    const found = await store.reopen();
    const back = saved.map(({ number }) => plainSession(found.session(number).session));
    assert.deepEqual(back, saved.map(plainSession));
    assert.equal(found.sessions.size, saved.length);
  }),

  contractCase('sessions are replaced by number, and what belongs to them stays', async (store) => {
    const changed = session(1, { disconnectedAtMs: 5, username: 'other', groups: ['g'] });
    store.storage.saveSession(session(1));
    store.storage.saveSubscription(1, subscription('a/b'));
    await store.storage.commit();
    store.storage.saveSession(changed);
    const recovered = (await store.reopen()).session(1);
    assert.deepEqual(plainSession(recovered.session), plainSession(changed));
    assert.deepEqual(
      plainSubscriptions(recovered.subscriptions),
      plainSubscriptions([subscription('a/b')]),
    );
  }),

  contractCase(
    'a deleted session takes all that belongs to it with it, and nothing of others',
    async (store) => {
      const others = [2, 10, 11, 256, 257, 65_537, 4_294_967_297]; // alike in digits or in bytes
      for (const number of [1, ...others]) fill(store.storage, number);
      await store.storage.commit();
      const before = await allOf(store, await store.reopen());
      store.storage.deleteSession(1);
      const found = await store.reopen();
      assert.deepEqual(found.numbers, others);
      assert.deepEqual(await allOf(store, found), before.slice(1));
    },
  ),

  contractCase(
    'a deleted session leaves nothing for the next one of its client, made in the same batch',
    async (store) => {
      fill(store.storage, 1);
      await store.storage.commit();
      store.storage.deleteSession(1);
      store.storage.saveSession(session(2, { clientId: 'client-1' }));
      await store.storage.commit();
      const found = await store.reopen();
      assert.deepEqual(await allOf(store, found), [bare(session(2, { clientId: 'client-1' }))]);
    },
  ),

  contractCase('a session made and deleted in one batch was never there', async (store) => {
    fill(store.storage, 1);
    store.storage.deleteSession(1);
    const found = await store.reopen();
    assert.deepEqual(found.numbers, []);
    assert.deepEqual(await store.readNumbers(1, [10]), []);
  }),
];

const subscriptions = [
  contractCase('subscriptions come back with their options', async (store) => {
    const all = [
      subscription('a/b', { qos: 0 }),
      subscription('#', { qos: 1, noLocal: true, subscriptionIdentifier: 268_435_455 }),
      subscription('$share/group/größe/+', { qos: 2, retainAsPublished: true }),
      subscription('/', { retainHandling: 2 }),
      subscription(' ', { retainHandling: 1, subscriptionIdentifier: 1 }),
      subscription(longName('long/', '/1'), { qos: 0, noLocal: true }),
      subscription(longName('long/', '/2'), { qos: 2 }), // differs in the last byte
    ];
    store.storage.saveSession(session(1));
    for (const one of all) store.storage.saveSubscription(1, one);
    const recovered = (await store.reopen()).session(1);
    assert.deepEqual(plainSubscriptions(recovered.subscriptions), plainSubscriptions(all));
  }),

  contractCase('subscriptions are replaced by their filter, and deleted by it', async (store) => {
    store.storage.saveSession(session(1));
    for (const filter of ['a', 'b', longName('l/', '1'), longName('l/', '2')]) {
      store.storage.saveSubscription(1, subscription(filter, { qos: 1 }));
    }
    await store.storage.commit();
    store.storage.saveSubscription(1, subscription('a', { qos: 2, noLocal: true }));
    store.storage.deleteSubscription(1, 'b');
    store.storage.deleteSubscription(1, longName('l/', '1'));
    store.storage.deleteSubscription(1, 'never made');
    const recovered = (await store.reopen()).session(1);
    assert.deepEqual(
      plainSubscriptions(recovered.subscriptions),
      plainSubscriptions([
        subscription('a', { qos: 2, noLocal: true }),
        subscription(longName('l/', '2')),
      ]),
    );
  }),

  contractCase('one filter of two sessions is two subscriptions', async (store) => {
    for (const number of [1, 2]) {
      store.storage.saveSession(session(number));
      store.storage.saveSubscription(number, subscription('a', { subscriptionIdentifier: number }));
    }
    await store.storage.commit();
    store.storage.deleteSubscription(1, 'a');
    const found = await store.reopen();
    assert.deepEqual(found.session(1).subscriptions, []);
    assert.equal(found.session(2).subscriptions[0].subscriptionIdentifier, 2);
  }),
];

const packetIdsAndWills = [
  contractCase('inbound packet ids come and go', async (store) => {
    for (const number of [1, 2]) store.storage.saveSession(session(number));
    for (const packetId of [1, 255, 256, 65_535]) store.storage.saveInboundPacketId(1, packetId);
    store.storage.saveInboundPacketId(1, 1);
    store.storage.saveInboundPacketId(2, 255);
    await store.storage.commit();
    store.storage.deleteInboundPacketId(1, 255);
    store.storage.deleteInboundPacketId(1, 77); // never there
    const found = await store.reopen();
    assert.deepEqual(sorted(found.session(1).inboundPacketIds), [1, 256, 65_535]);
    assert.deepEqual(sorted(found.session(2).inboundPacketIds), [255]);
  }),

  contractCase('a will is replaced, and deleted', async (store) => {
    const first = { message: messageOf('will', { payload: '01' }), delayInterval: 0 };
    const second = {
      message: messageOf('will/größe', {
        retain: true,
        qos: 2,
        properties: '01 00', // Payload Format Indicator: unspecified
        publisher: { sessionId: '__client_c', clientId: 'c', username: 'u' },
      }),
      delayInterval: 4_294_967_295,
    };
    for (const number of [1, 2]) {
      store.storage.saveSession(session(number, { sessionExpiryInterval: 0 }));
      store.storage.saveWill(number, first);
    }
    await store.storage.commit();
    store.storage.saveWill(1, second);
    store.storage.deleteWill(2);
    const expected = store.plainMessage(second.message);
    const found = await store.reopen();
    const { will } = found.session(1);
    assert.ok(will !== null);
    assert.equal(will.delayInterval, second.delayInterval);
    assert.deepEqual(store.plainMessage(will.message), expected);
    assert.equal(found.session(2).will, null);
  }),
];

const retained = [
  contractCase(
    'a retained message is replaced by its topic name, and deleted by it',
    async (store) => {
      const kept = messageOf('größe', {
        payload: '02',
        qos: 2,
        retain: true,
        properties: '01 00',
        publisher: { sessionId: '__client_p', clientId: 'p', username: 'u' },
      });
      store.storage.saveRetained(messageOf('größe', { payload: '01', retain: true }));
      store.storage.saveRetained(messageOf('/', { payload: '01', retain: true }));
      await store.storage.commit();
      store.storage.saveRetained(kept);
      store.storage.deleteRetained('/');
      store.storage.deleteRetained('never set');
      const expected = store.plainMessage(kept);
      const found = await store.reopen();
      assert.deepEqual([...found.retained.values()].map(store.plainMessage, store), [expected]);
    },
  ),

  contractCase('the last of several for one topic in one batch is retained', async (store) => {
    const set = (payload: string) =>
      store.storage.saveRetained(messageOf('t', { payload, retain: true }));
    set('01');
    store.storage.deleteRetained('t');
    set('02');
    set('03');
    assert.deepEqual(payloadsOf(await store.reopen()), ['03']);
    store.storage.deleteRetained('t');
    set('04');
    store.storage.deleteRetained('t');
    assert.deepEqual(payloadsOf(await store.reopen()), []);
  }),

  contractCase('topic names of 65,535 bytes are told apart to the last byte', async (store) => {
    const names = [longName('l/', '1'), longName('l/', '2'), longName('l/', '3')];
    for (const name of names) store.storage.saveRetained(messageOf(name, { retain: true }));
    await store.storage.commit();
    store.storage.deleteRetained(names[1]);
    const changed = messageOf(names[2], { retain: true, payload: '2a' });
    store.storage.saveRetained(changed);
    const found = await store.reopen();
    assert.deepEqual([...found.retained.keys()].sort(), [names[0], names[2]]);
    assert.deepEqual([...(found.retained.get(names[2])?.payload ?? [])], [0x2a]);
  }),
];

export const sessionCases: readonly ContractCase[] = [
  ...sessions,
  ...subscriptions,
  ...packetIdsAndWills,
  ...retained,
];

function payloadsOf(found: Found): string[] {
  return [...found.retained.values()].map((one: Message) =>
    Buffer.from(one.payload).toString('hex'),
  );
}

function sorted(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}

/** Stores a session with one of everything. */
function fill(storage: Storage, number: number): void {
  storage.saveSession(session(number));
  storage.saveSubscription(number, subscription('a/+'));
  const message = messageOf('a/b', { payload: '68 69' });
  storage.enqueue(number, delivery(number * 10, message, { packetId: 7, state: 1 }));
  storage.enqueue(number, delivery(number * 10 + 1, message, { sharedFilter: '$share/g/a/+' }));
  storage.saveInboundPacketId(number, 5);
  storage.saveWill(number, { message: messageOf('will'), delayInterval: 5 });
}

function allOf(store: StoreUnderTest, found: Found): Promise<PlainOfSession[]> {
  return Promise.all(found.numbers.map((number) => store.plainOf(found, number)));
}

function bare(stored: StoredSession): PlainOfSession {
  return {
    session: plainSession(stored),
    subscriptions: [],
    inflight: [],
    queued: [],
    inboundPacketIds: [],
    will: null,
  };
}
