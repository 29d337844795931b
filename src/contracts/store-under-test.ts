// One store with all that a server lends it, opened again and again: each time with a new process's monotonic clock and the
// store time that goes on. A case records and reads through `storage`, and calls `reopen` or `crashAndOpen` to see what is left.

import assert from 'node:assert/strict';
import { StoredMessageCodec } from '../core/message-codec.ts';
import { type ClockAnchor, StoreClock } from '../core/store-clock.ts';
import { FakeClock } from '../lib/clock.ts';
import type { Message } from '../protocol/message.ts';
import type {
  MessageCodec,
  Storage,
  StorageHost,
  StoredDelivery,
  StoreInfo,
} from '../storage/storage.ts';
import { Found } from './found.ts';
import { CannotRun, type StoragePlace } from './place.ts';
import {
  messageOf,
  type PlainDelivery,
  type PlainMessage,
  plainDelivery,
  plainMessage,
  plainSession,
  plainSubscriptions,
  TOPICS,
} from './values.ts';

/** Wall clock of the first start. */
const BEGIN_MS = 1_700_000_000_000;

export class StoreUnderTest {
  readonly place: StoragePlace;
  storage: Storage;
  info: StoreInfo = { location: '', isNew: false, highest: { session: 0, sequence: 0 } };
  /** Of the server that has the store open now. */
  clock = new FakeClock(0, BEGIN_MS);
  #storeClock = new StoreClock(this.clock, null);
  #starts = 0;
  #isOpen = false;

  /** Opened for the first time. */
  static async at(place: StoragePlace): Promise<StoreUnderTest> {
    const store = new StoreUnderTest(place);
    try {
      await store.open();
    } catch (error) {
      await place.dispose();
      throw error;
    }
    return store;
  }

  private constructor(place: StoragePlace) {
    this.place = place;
    this.storage = place.storage();
  }

  /** Store time now. */
  get nowMs(): number {
    return this.#storeClock.now();
  }

  /** Opens another store on the same data; `offMs`: how long no server was running, by the wall clock. */
  async open(offMs = 0): Promise<Found> {
    const anchor: ClockAnchor | null = this.#starts === 0 ? null : this.#storeClock.anchor();
    if (this.#starts > 0) this.storage = this.place.storage();
    this.#starts++;
    // Another process, whose monotonic clock has nothing to do with that of the one before.
    this.clock = new FakeClock(this.#starts * 1_111, this.clock.wallNow() + offMs);
    this.#storeClock = new StoreClock(this.clock, anchor);
    const host = new Host();
    this.info = await this.storage.open(host);
    this.#isOpen = true;
    await this.#readTables();
    host.codec = new StoredMessageCodec(this.#storeClock, TOPICS, this.clock.now());
    const found = new Found();
    await this.storage.recover(found);
    return found;
  }

  /** A graceful stop, and another start. */
  async reopen(offMs = 0): Promise<Found> {
    await this.close();
    return this.open(offMs);
  }

  async crash(): Promise<void> {
    this.#isOpen = false;
    await this.place.crash(this.storage);
  }

  async crashAndOpen(): Promise<Found> {
    await this.crash();
    return this.open();
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    await this.storage.close();
  }

  /** Makes commits reject, or work again. Throws CannotRun where that cannot be done. */
  async fail(isFailing: boolean): Promise<void> {
    const { fail } = this.place;
    if (fail === null) throw new CannotRun('commits of this store cannot be made to fail here');
    await fail(this.storage, isFailing);
  }

  async rejectedCommit(): Promise<void> {
    await assert.rejects(this.storage.commit(), 'a commit that cannot be written rejects');
  }

  /** The case is over. */
  async end(): Promise<void> {
    if (this.#isOpen) await this.close();
    await this.place.dispose();
  }

  /** The case has failed, and its failure is what counts. */
  async abandon(): Promise<void> {
    try {
      await this.end();
    } catch {
      // such as a store that still fails
    }
  }

  async read(session: number, sequences: readonly number[]): Promise<readonly StoredDelivery[]> {
    return this.storage.readDeliveries(session, sequences);
  }

  /** The sequence numbers of those that were read. */
  async readNumbers(session: number, sequences: readonly number[]): Promise<number[]> {
    return (await this.read(session, sequences)).map((one) => one.sequence);
  }

  plainMessage(message: Message): PlainMessage {
    return plainMessage(message, (monotonicMs) => this.#storeClock.toStore(monotonicMs));
  }

  /** The message again, as the server has it that runs now. Only of messages that `plainMessage` shows in full. */
  revive(plain: PlainMessage): Message {
    const receivedAtMs = this.#storeClock.toMonotonic(plain.receivedAtMs);
    return messageOf(plain.topicName, { ...plain, receivedAtMs });
  }

  plainDeliveries(deliveries: readonly StoredDelivery[]): PlainDelivery[] {
    return deliveries.map((one) =>
      plainDelivery(one, (monotonicMs) => this.#storeClock.toStore(monotonicMs)),
    );
  }

  /** Everything of one session, its queue read through. */
  async plainOf(found: Found, number: number) {
    const { session, subscriptions, inflight, inboundPacketIds, will } = found.session(number);
    return {
      session: plainSession(session),
      subscriptions: plainSubscriptions(subscriptions),
      inflight: this.plainDeliveries(inflight),
      queued: this.plainDeliveries(await this.read(number, found.queued(number))),
      inboundPacketIds: [...inboundPacketIds].sort((a, b) => a - b),
      will:
        will === null
          ? null
          : { message: this.plainMessage(will.message), delayInterval: will.delayInterval },
    };
  }

  /** Tables can be read as soon as the store is open: a server finds there what time it is. */
  async #readTables(): Promise<void> {
    const value = await this.storage.get('contract', 'none');
    assert.equal(value, null);
    assert.deepEqual(await this.storage.list('contract', null, 1), []);
  }
}

/** What a server lends its store. */
class Host implements StorageHost {
  codec: MessageCodec | null = null;

  /** Once it is open, and known what time it is there. */
  get messages(): MessageCodec {
    assert.ok(this.codec !== null, 'a store asks for the codec of messages before it is open');
    return this.codec;
  }

  setProblem(): void {}
  raiseAlarm(): void {}
  clearAlarm(): void {}
  log(): void {}
}

export type PlainOfSession = Awaited<ReturnType<StoreUnderTest['plainOf']>>;
