// What every store must do, whatever it writes to. A store's test says how to open one, again and again on the same data; this
// is the rest. What is handed back is compared as plain values, so a store may make its own objects.

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import { Message, NO_EXPIRY } from '../../src/protocol/message.ts';
import type { QoS } from '../../src/protocol/packet.ts';
import { Topic } from '../../src/protocol/topic.ts';
import {
  DeliveryState,
  type RecoveredSession,
  type Storage,
  type StoredDelivery,
  type StoredSession,
  type StoredSubscription,
} from '../../src/storage/storage.ts';
import { toHex } from '../kit/hex.ts';

/** Where one store's data lie. */
export interface StoragePlace {
  /** A store on these data, not opened yet; the one before has been closed or has crashed. */
  storage(): Storage;
  /** The process dies: the store that is open now is told nothing more, and what was not committed is lost. */
  crash(storage: Storage): void | Promise<void>;
  /** Makes commits of the open store reject, or work again; null if this store cannot be made to. */
  readonly fail: ((storage: Storage, isFailing: boolean) => void) | null;
  /** Removes the data. */
  dispose(): void | Promise<void>;
}

export function storageContract(
  name: string,
  makePlace: (clock: FakeClock) => StoragePlace | Promise<StoragePlace>,
): void {
  describe(`${name} keeps the contract of a store`, () => {
    let clock: FakeClock;
    let place: StoragePlace;
    let storage: Storage;

    beforeEach(async () => {
      clock = new FakeClock();
      place = await makePlace(clock);
      storage = place.storage();
      await storage.open(new Found());
    });

    afterEach(async () => {
      await storage.close();
      await place.dispose();
    });

    /** Closes the store and opens another one on its data. */
    async function reopen(): Promise<Found> {
      await storage.close();
      return open();
    }

    async function open(): Promise<Found> {
      const found = new Found();
      storage = place.storage();
      await storage.open(found);
      return found;
    }

    async function crashAndOpen(): Promise<Found> {
      await place.crash(storage);
      return open();
    }

    test('a new store holds nothing', async () => {
      const found = await reopen();
      expect(found.sessions.size).toBe(0);
      expect(found.retained.size).toBe(0);
    });

    test('a second commit with nothing recorded is durable at once', async () => {
      storage.saveSession(session(1));
      await storage.commit();
      await storage.commit();
      expect((await crashAndOpen()).sessions.size).toBe(1);
    });

    describe('sessions', () => {
      test.each<Partial<StoredSession>>([
        {},
        { username: 'Jürgen' },
        { clientId: '設備/7', protocolVersion: 3 },
        { sessionExpiryInterval: 0 },
        { sessionExpiryInterval: 0xffff_ffff, protocolVersion: 4 },
        { disconnectedAtMs: 1_700_000_000_123 },
        { number: 4_294_967_296 },
      ])('come back as they were saved: %o', async (fields) => {
        const saved = session(fields.number ?? 1, fields);
        storage.saveSession(saved);
        const found = await reopen();
        expect([...found.sessions.values()].map((one) => one.session)).toEqual([saved]);
      });

      test('are replaced by number, and what belongs to them stays', async () => {
        storage.saveSession(session(1));
        storage.saveSubscription(1, subscription('a/b'));
        await storage.commit();
        storage.saveSession(session(1, { disconnectedAtMs: 5, username: 'other' }));
        const recovered = (await reopen()).session(1);
        expect(recovered.session).toEqual(session(1, { disconnectedAtMs: 5, username: 'other' }));
        expect(recovered.subscriptions).toEqual([subscription('a/b')]);
      });

      test('take all that belongs to them with them, and nothing of others', async () => {
        for (const number of [1, 2]) fill(storage, number);
        await storage.commit();
        storage.deleteSession(1);
        const found = await reopen();
        expect([...found.sessions.keys()]).toEqual([2]);
        expect(plain(found.session(2))).toEqual(plain(filled(2)));
      });

      test('leave nothing behind for another of the same client', async () => {
        fill(storage, 1);
        await storage.commit();
        storage.deleteSession(1);
        storage.saveSession(session(2, { clientId: 'client-1' }));
        await storage.commit();
        const found = await reopen();
        expect([...found.sessions.keys()]).toEqual([2]);
        expect(plain(found.session(2))).toEqual(plain(bare(session(2, { clientId: 'client-1' }))));
      });

      test('made and deleted in one batch were never there', async () => {
        fill(storage, 1);
        storage.deleteSession(1);
        expect((await reopen()).sessions.size).toBe(0);
      });
    });

    describe('subscriptions', () => {
      test('come back with their options', async () => {
        const all = [
          subscription('a/b', { qos: 0 }),
          subscription('#', { qos: 1, noLocal: true, subscriptionIdentifier: 268_435_455 }),
          subscription('$share/group/größe/+', { qos: 2, retainAsPublished: true }),
          subscription('/', { retainHandling: 2 }),
        ];
        storage.saveSession(session(1));
        for (const one of all) storage.saveSubscription(1, one);
        const { subscriptions } = (await reopen()).session(1);
        expect(byFilter(subscriptions)).toEqual(byFilter(all));
      });

      test('are replaced by their filter, and deleted by it', async () => {
        storage.saveSession(session(1));
        storage.saveSubscription(1, subscription('a', { qos: 1 }));
        storage.saveSubscription(1, subscription('b'));
        await storage.commit();
        storage.saveSubscription(1, subscription('a', { qos: 2, noLocal: true }));
        storage.deleteSubscription(1, 'b');
        storage.deleteSubscription(1, 'never made');
        const { subscriptions } = (await reopen()).session(1);
        expect(subscriptions).toEqual([subscription('a', { qos: 2, noLocal: true })]);
      });
    });

    describe('deliveries', () => {
      beforeEach(() => storage.saveSession(session(1)));

      test('come back with their message byte for byte', async () => {
        const message = messageOf('größe/7', {
          qos: 2,
          retain: true,
          properties: '01 01', // Payload Format Indicator: UTF-8
          payload: '00 ff 7f 80',
          messageExpiryInterval: 300,
        });
        message.publisher = { sessionId: '__client_p', clientId: 'p', username: null };
        const saved = delivery(7, message, {
          qos: 1,
          retain: true,
          subscriptionIdentifiers: [3, 3, 268_435_455],
          sharedFilter: '$share/g/größe/+',
        });
        storage.enqueue(1, saved);
        const { deliveries } = (await reopen()).session(1);
        expect(deliveries.map(plainDelivery)).toEqual([plainDelivery(saved)]);
      });

      test('may be empty, and may be large', async () => {
        const large = messageOf('large');
        large.bytes = new Uint8Array(1_000_000).map((_, i) => i * 7);
        large.payloadEnd = large.bytes.length;
        storage.enqueue(1, delivery(1, messageOf('empty')));
        storage.enqueue(1, delivery(2, large));
        const { deliveries } = (await reopen()).session(1);
        expect(deliveries.map((one) => one.message.payloadLength)).toEqual([0, 1_000_000]);
        expect(Buffer.compare(deliveries[1].message.payload, large.bytes)).toBe(0);
      });

      test('come back in the order of their numbers, not of their digits', async () => {
        const numbers = [9, 10, 99, 100, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296];
        for (const number of numbers) storage.enqueue(1, delivery(number, messageOf('t')));
        const { deliveries } = (await reopen()).session(1);
        expect(deliveries.map((one) => one.sequence)).toEqual(numbers);
      });

      test('keep the packet id and the state that they got last', async () => {
        const first = delivery(1, messageOf('t'), { qos: 2 });
        const second = delivery(2, messageOf('t'));
        storage.enqueue(1, first);
        storage.enqueue(1, second);
        await storage.commit();
        first.packetId = 65_535;
        first.state = DeliveryState.Released;
        storage.updateDelivery(1, first);
        second.packetId = 1;
        second.state = DeliveryState.Published;
        storage.updateDelivery(1, second);
        const { deliveries } = (await reopen()).session(1);
        expect(deliveries.map(({ packetId, state, qos }) => [packetId, state, qos])).toEqual([
          [65_535, DeliveryState.Released, 2],
          [1, DeliveryState.Published, 1],
        ]);
        expect(deliveries[1].message.topic.name).toBe('t');
      });

      test('are recorded as they are at the call, whatever becomes of the object', async () => {
        const changing = delivery(1, messageOf('t'));
        storage.enqueue(1, changing);
        changing.packetId = 5;
        changing.state = DeliveryState.Published;
        await storage.commit();
        const { deliveries } = (await crashAndOpen()).session(1);
        expect(deliveries.map((one) => one.packetId)).toEqual([0]);
        deliveries[0].packetId = 9;
        expect((await reopen()).session(1).deliveries[0].packetId).toBe(0);
      });

      test('go when they are done, each by itself', async () => {
        for (const number of [1, 2, 3]) storage.enqueue(1, delivery(number, messageOf('t')));
        await storage.commit();
        storage.dequeue(1, 2);
        storage.enqueue(1, delivery(4, messageOf('t')));
        storage.dequeue(1, 4); // in the batch that brought it
        storage.dequeue(1, 99); // never there
        const { deliveries } = (await reopen()).session(1);
        expect(deliveries.map((one) => one.sequence)).toEqual([1, 3]);
      });

      test('of one message to two sessions go one by one', async () => {
        const message = messageOf('t', { payload: '2a' });
        storage.saveSession(session(2));
        storage.enqueue(1, delivery(1, message));
        storage.enqueue(2, delivery(2, message));
        await storage.commit();
        storage.dequeue(1, 1);
        const found = await reopen();
        expect(found.session(1).deliveries).toEqual([]);
        expect(toHex(found.session(2).deliveries[0].message.payload)).toBe('2a');
        storage.deleteSession(1);
        expect((await reopen()).session(2).deliveries).toHaveLength(1);
      });

      test('have as long to live as they had, by the clock of the server', async () => {
        const message = messageOf('t', { messageExpiryInterval: 60 });
        message.receivedAtMs = clock.now();
        clock.advance(20_000);
        storage.enqueue(1, delivery(1, message));
        const { deliveries } = (await reopen()).session(1);
        expect(deliveries[0].message.remainingExpiry(clock.now())).toBe(40);
      });
    });

    test('inbound packet ids come and go', async () => {
      storage.saveSession(session(1));
      for (const packetId of [1, 255, 256, 65_535]) storage.saveInboundPacketId(1, packetId);
      storage.saveInboundPacketId(1, 1);
      await storage.commit();
      storage.deleteInboundPacketId(1, 255);
      storage.deleteInboundPacketId(1, 77);
      const { inboundPacketIds } = (await reopen()).session(1);
      expect([...inboundPacketIds].sort((a, b) => a - b)).toEqual([1, 256, 65_535]);
    });

    test('a will is replaced, and deleted', async () => {
      storage.saveSession(session(1));
      storage.saveSession(session(2));
      const first = { message: messageOf('will', { payload: '01', qos: 1 }), delayInterval: 0 };
      const second = { message: messageOf('will', { retain: true }), delayInterval: 4_294_967_295 };
      storage.saveWill(1, first);
      storage.saveWill(2, first);
      await storage.commit();
      storage.saveWill(1, second);
      storage.deleteWill(2);
      const found = await reopen();
      const { will } = found.session(1);
      expect(will?.delayInterval).toBe(4_294_967_295);
      expect(will === null ? null : plainMessage(will.message)).toEqual(
        plainMessage(second.message),
      );
      expect(found.session(2).will).toBeNull();
    });

    test('a retained message is replaced by its topic, and deleted by it', async () => {
      const kept = messageOf('größe', { payload: '02', qos: 2, retain: true, properties: '01 00' });
      kept.publisher = { sessionId: '__client_p', clientId: 'p', username: 'u' };
      storage.saveRetained(messageOf('größe', { payload: '01', retain: true }));
      storage.saveRetained(messageOf('/', { payload: '01', retain: true }));
      await storage.commit();
      storage.saveRetained(kept);
      storage.deleteRetained('/');
      storage.deleteRetained('never set');
      const { retained } = await reopen();
      expect([...retained.values()].map(plainMessage)).toEqual([plainMessage(kept)]);
    });

    describe('batches', () => {
      test('are durable when their commit says so, and not before', async () => {
        storage.saveSession(session(1));
        await storage.commit();
        storage.saveSession(session(2));
        storage.deleteSession(1);
        expect([...(await crashAndOpen()).sessions.keys()]).toEqual([1]);
      });

      test('gather while another is on its way, and wait for a commit of their own', async () => {
        storage.saveSession(session(1));
        const first = storage.commit();
        storage.saveSession(session(2));
        await first;
        expect([...(await crashAndOpen()).sessions.keys()]).toEqual([1]);
      });

      test('are committed by the end', async () => {
        storage.saveSession(session(1));
        await storage.close();
        expect([...(await open()).sessions.keys()]).toEqual([1]);
      });

      test('on their way when the end comes are committed with what gathers', async () => {
        storage.saveSession(session(1));
        const first = storage.commit();
        storage.saveSession(session(2));
        await storage.close();
        await first;
        expect([...(await open()).sessions.keys()]).toEqual([1, 2]);
      });

      test('that fail are kept, and go first with the next', async (context) => {
        const { fail } = place;
        if (fail === null) return context.skip();
        storage.saveSession(session(1));
        storage.saveSubscription(1, subscription('a', { qos: 0 }));
        fail(storage, true);
        await expect(storage.commit()).rejects.toThrow();
        storage.saveSubscription(1, subscription('a', { qos: 2 }));
        await expect(storage.commit()).rejects.toThrow();
        fail(storage, false);
        await storage.commit();
        const found = await crashAndOpen();
        expect(found.session(1).subscriptions).toEqual([subscription('a', { qos: 2 })]);
      });

      test('that failed are not there after a crash', async (context) => {
        const { fail } = place;
        if (fail === null) return context.skip();
        storage.saveSession(session(1));
        fail(storage, true);
        await expect(storage.commit()).rejects.toThrow();
        await place.crash(storage);
        fail(storage, false);
        expect((await open()).sessions.size).toBe(0);
      });
    });

    test('random changes, commits, crashes and restarts leave what was committed', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step(), { maxLength: 60 }), async (steps) => {
          await wipe();
          let committed = new Model();
          let current = committed.clone();
          for (const one of steps) {
            if (one.kind === 'commit') {
              await storage.commit();
              committed = current.clone();
            } else if (one.kind === 'restart') {
              if (one.isCrash) current = committed.clone();
              else committed = current.clone();
              const found = one.isCrash ? await crashAndOpen() : await reopen();
              expect(found.plain()).toEqual(current.plain());
            } else {
              current.apply(storage, one);
            }
          }
          expect((await reopen()).plain()).toEqual(current.plain());
        }),
        { numRuns: 60, verbose: 1 },
      );
    });

    /** Empties the store for another round. */
    async function wipe(): Promise<void> {
      const found = await reopen();
      for (const number of found.sessions.keys()) storage.deleteSession(number);
      for (const topicName of found.retained.keys()) storage.deleteRetained(topicName);
      await storage.commit();
    }
  });
}

/** Takes down what a store hands back. */
class Found {
  readonly sessions = new Map<number, RecoveredSession>();
  readonly retained = new Map<string, Message>();

  onSession(recovered: RecoveredSession): void {
    expect(this.sessions.has(recovered.session.number), 'each session once').toBe(false);
    this.sessions.set(recovered.session.number, recovered);
  }

  onRetained(message: Message): void {
    expect(this.retained.has(message.topic.name), 'each topic once').toBe(false);
    this.retained.set(message.topic.name, message);
  }

  session(number: number): RecoveredSession {
    const recovered = this.sessions.get(number);
    if (recovered === undefined) throw new Error(`session ${number} was not found`);
    return recovered;
  }

  plain(): unknown {
    return {
      sessions: [...this.sessions.values()].map(plain).sort((a, b) => a.number - b.number),
      retained: [...this.retained.values()].map(plainMessage).sort(byTopic),
    };
  }
}

// Random steps, and a model of what a store must hold after them.

type Step =
  | { readonly kind: 'commit' }
  | { readonly kind: 'restart'; readonly isCrash: boolean }
  | {
      readonly kind: 'change';
      readonly what: (typeof CHANGES)[number];
      readonly number: number;
      readonly key: number;
      readonly value: number;
    };

const CHANGES = [
  'session',
  'endSession',
  'subscription',
  'endSubscription',
  'enqueue',
  'update',
  'dequeue',
  'inbound',
  'endInbound',
  'will',
  'endWill',
  'retained',
  'endRetained',
] as const;

function step(): fc.Arbitrary<Step> {
  return fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('change' as const),
        what: fc.constantFrom(...CHANGES),
        number: fc.integer({ min: 1, max: 3 }),
        key: fc.integer({ min: 1, max: 4 }),
        value: fc.integer({ min: 0, max: 255 }),
      }),
    },
    { weight: 2, arbitrary: fc.constant<Step>({ kind: 'commit' }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('restart' as const), isCrash: fc.boolean() }),
    },
  );
}

class ModelSession {
  session: StoredSession;
  subscriptions = new Map<string, StoredSubscription>();
  deliveries = new Map<number, StoredDelivery>();
  inboundPacketIds = new Set<number>();
  will: RecoveredSession['will'] = null;

  constructor(stored: StoredSession) {
    this.session = stored;
  }

  clone(): ModelSession {
    const copy = new ModelSession(this.session);
    copy.subscriptions = new Map(this.subscriptions);
    copy.deliveries = new Map(this.deliveries);
    copy.inboundPacketIds = new Set(this.inboundPacketIds);
    copy.will = this.will;
    return copy;
  }

  recovered(): RecoveredSession {
    return {
      session: this.session,
      subscriptions: [...this.subscriptions.values()],
      deliveries: [...this.deliveries.values()].sort((a, b) => a.sequence - b.sequence),
      inboundPacketIds: [...this.inboundPacketIds],
      will: this.will,
    };
  }
}

class Model {
  sessions = new Map<number, ModelSession>();
  retained = new Map<string, Message>();
  #sequence = 0;

  clone(): Model {
    const copy = new Model();
    for (const [number, one] of this.sessions) copy.sessions.set(number, one.clone());
    copy.retained = new Map(this.retained);
    copy.#sequence = this.#sequence;
    return copy;
  }

  plain(): unknown {
    return {
      sessions: [...this.sessions.values()]
        .map((one) => plain(one.recovered()))
        .sort((a, b) => a.number - b.number),
      retained: [...this.retained.values()].map(plainMessage).sort(byTopic),
    };
  }

  /** Does it here and there. What belongs to a session is recorded only while there is one. */
  apply(storage: Storage, change: Extract<Step, { kind: 'change' }>): void {
    const { what, number, key, value } = change;
    const payload = Buffer.of(value).toString('hex');
    if (what === 'retained') {
      const message = messageOf(`topic/${key}`, { payload, retain: true });
      this.retained.set(message.topic.name, message);
      storage.saveRetained(message);
    } else if (what === 'endRetained') {
      this.retained.delete(`topic/${key}`);
      storage.deleteRetained(`topic/${key}`);
    } else if (what === 'session') {
      const stored = session(number, { disconnectedAtMs: value });
      const existing = this.sessions.get(number);
      if (existing === undefined) this.sessions.set(number, new ModelSession(stored));
      else existing.session = stored;
      storage.saveSession(stored);
    } else {
      const one = this.sessions.get(number);
      if (one !== undefined) this.#applyTo(storage, one, change, payload);
    }
  }

  #applyTo(
    storage: Storage,
    one: ModelSession,
    { what, number, key, value }: Extract<Step, { kind: 'change' }>,
    payload: string,
  ): void {
    switch (what) {
      case 'endSession':
        this.sessions.delete(number);
        storage.deleteSession(number);
        return;
      case 'subscription': {
        const made = subscription(`filter/${key}`, { subscriptionIdentifier: value });
        one.subscriptions.set(made.topicFilter, made);
        storage.saveSubscription(number, made);
        return;
      }
      case 'endSubscription':
        one.subscriptions.delete(`filter/${key}`);
        storage.deleteSubscription(number, `filter/${key}`);
        return;
      case 'enqueue': {
        const added = delivery(++this.#sequence, messageOf(`topic/${key}`, { payload, qos: 2 }));
        one.deliveries.set(added.sequence, added);
        storage.enqueue(number, added);
        return;
      }
      case 'update':
      case 'dequeue': {
        const oldest = [...one.deliveries.values()].at(value % Math.max(1, one.deliveries.size));
        if (oldest === undefined) return;
        if (what === 'dequeue') {
          one.deliveries.delete(oldest.sequence);
          storage.dequeue(number, oldest.sequence);
          return;
        }
        const updated = { ...oldest, packetId: key, state: DeliveryState.Published };
        one.deliveries.set(updated.sequence, updated);
        storage.updateDelivery(number, updated);
        return;
      }
      case 'inbound':
        one.inboundPacketIds.add(key);
        storage.saveInboundPacketId(number, key);
        return;
      case 'endInbound':
        one.inboundPacketIds.delete(key);
        storage.deleteInboundPacketId(number, key);
        return;
      case 'will':
        one.will = { message: messageOf('will', { payload }), delayInterval: value };
        storage.saveWill(number, one.will);
        return;
      case 'endWill':
        one.will = null;
        storage.deleteWill(number);
        return;
    }
  }
}

// What is stored, and how it is compared.

function session(number: number, fields: Partial<StoredSession> = {}): StoredSession {
  return {
    number,
    clientId: `client-${number}`,
    username: null,
    protocolVersion: 5,
    sessionExpiryInterval: 3_600,
    disconnectedAtMs: null,
    ...fields,
  };
}

function subscription(
  topicFilter: string,
  fields: Partial<StoredSubscription> = {},
): StoredSubscription {
  return {
    topicFilter,
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    subscriptionIdentifier: 0,
    ...fields,
  };
}

interface MessageFields {
  readonly qos?: QoS;
  readonly retain?: boolean;
  /** hex */
  readonly properties?: string;
  /** hex */
  readonly payload?: string;
  readonly messageExpiryInterval?: number;
}

function messageOf(topicName: string, fields: MessageFields = {}): Message {
  const name = Buffer.from(topicName);
  const topic = new Topic(topicName, Buffer.concat([Buffer.of(0, name.length), name]), 0);
  const properties = Buffer.from((fields.properties ?? '').replaceAll(' ', ''), 'hex');
  const payload = Buffer.from((fields.payload ?? '').replaceAll(' ', ''), 'hex');
  const bytes = Buffer.concat([properties, payload]);
  const message = new Message(
    topic,
    fields.qos ?? 1,
    fields.retain ?? false,
    bytes,
    properties.length,
  );
  message.messageExpiryInterval = fields.messageExpiryInterval ?? NO_EXPIRY;
  return message;
}

function delivery(
  sequence: number,
  message: Message,
  fields: Partial<StoredDelivery> = {},
): StoredDelivery {
  return {
    sequence,
    message,
    qos: 1,
    retain: false,
    subscriptionIdentifiers: [],
    sharedFilter: null,
    packetId: 0,
    state: DeliveryState.Queued,
    ...fields,
  };
}

/** A session with one of everything. */
function filled(number: number): RecoveredSession {
  return {
    session: session(number),
    subscriptions: [subscription('a/+')],
    deliveries: [delivery(number * 10, messageOf('a/b', { payload: '68 69' }))],
    inboundPacketIds: [number],
    will: { message: messageOf('will'), delayInterval: 5 },
  };
}

function fill(storage: Storage, number: number): void {
  const all = filled(number);
  storage.saveSession(all.session);
  for (const one of all.subscriptions) storage.saveSubscription(number, one);
  for (const one of all.deliveries) storage.enqueue(number, one);
  for (const packetId of all.inboundPacketIds) storage.saveInboundPacketId(number, packetId);
  if (all.will !== null) storage.saveWill(number, all.will);
}

function bare(stored: StoredSession): RecoveredSession {
  return {
    session: stored,
    subscriptions: [],
    deliveries: [],
    inboundPacketIds: [],
    will: null,
  };
}

function plain(recovered: RecoveredSession) {
  const { will } = recovered;
  return {
    number: recovered.session.number,
    session: recovered.session,
    subscriptions: byFilter(recovered.subscriptions),
    deliveries: recovered.deliveries.map(plainDelivery),
    inboundPacketIds: [...recovered.inboundPacketIds].sort((a, b) => a - b),
    will:
      will === null
        ? null
        : { message: plainMessage(will.message), delayInterval: will.delayInterval },
  };
}

/** Once released a delivery needs its message no more, and a store may have dropped it. */
function plainDelivery(stored: StoredDelivery) {
  const { sequence, qos, retain, subscriptionIdentifiers, sharedFilter, packetId, state } = stored;
  return {
    sequence,
    qos,
    retain,
    subscriptionIdentifiers: [...subscriptionIdentifiers],
    sharedFilter,
    packetId,
    state,
    message: state === DeliveryState.Released ? null : plainMessage(stored.message),
  };
}

function plainMessage(message: Message) {
  return {
    topicName: message.topic.name,
    wire: toHex(message.topic.wire),
    qos: message.qos,
    retain: message.retain,
    properties: toHex(message.bytes.subarray(message.propertiesStart, message.propertiesEnd)),
    payload: toHex(message.payload),
    messageExpiryInterval: message.messageExpiryInterval,
    publisher: message.publisher,
  };
}

function byFilter(subscriptions: readonly StoredSubscription[]): StoredSubscription[] {
  return [...subscriptions].sort((a, b) => (a.topicFilter < b.topicFilter ? -1 : 1));
}

function byTopic(a: { readonly topicName: string }, b: { readonly topicName: string }): number {
  return a.topicName < b.topicName ? -1 : 1;
}
