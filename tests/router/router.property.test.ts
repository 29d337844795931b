// Random subscribing, unsubscribing and publishing, against a list of subscriptions that is searched from one end to the other.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DropReason, Drops } from '../../src/core/drop.ts';
import type { QoS } from '../../src/protocol/packet.ts';
import { Router, type RouterOptions } from '../../src/router/router.ts';
import { Availability, Subscription } from '../../src/router/subscription.ts';
import { runs } from '../kit/runs.ts';
import { FakeSubscriber, matchesNaively, messageTo } from './fakes.ts';

const CLIENTS = 12;

interface Entry {
  readonly subscription: Subscription;
  readonly client: number;
  readonly topicFilter: string;
  readonly shareName: string | null;
}

class Model {
  readonly drops = new Drops();
  readonly router: Router;
  readonly clients = Array.from({ length: CLIENTS }, (_, i) => new FakeSubscriber(`__client_${i}`));
  readonly entries = new Map<string, Entry>();
  noSubscriber = 0;
  noLocal = 0;
  noMember = 0;

  constructor(options: RouterOptions) {
    this.router = new Router(this.drops, options);
  }

  /** What each client has to get, as text; of groups only their names and the number of members. */
  publish(topicName: string, publisher: number): void {
    const matching = [...this.entries.values()].filter((entry) =>
      matchesNaively(entry.topicFilter, topicName),
    );
    for (const client of this.clients) client.take();
    const delivered = this.router.route(messageTo(topicName, `${publisher}`), 0);
    let expected = 0;
    for (let i = 0; i < CLIENTS; i++) {
      const all = matching.filter((entry) => entry.client === i && entry.shareName === null);
      const own = i === publisher ? all.filter((entry) => !entry.subscription.noLocal) : all;
      if (all.length > 0 && own.length === 0) this.noLocal++;
      if (own.length > 0) expected++;
      const plain = this.clients[i].deliveries.filter((one) => one.subscription.group === null);
      expect(plain).toHaveLength(own.length > 0 ? 1 : 0);
      if (own.length > 0) expectMerged(plain[0].subscription, own);
    }
    expected += this.#expectGroups(matching);
    if (matching.length === 0) this.noSubscriber++;
    expect(delivered).toBe(expected);
    expect(this.drops.counts[DropReason.NoSubscriber]).toBe(this.noSubscriber);
    expect(this.drops.counts[DropReason.NoLocal]).toBe(this.noLocal);
    expect(this.drops.counts[DropReason.NoSharedMember]).toBe(this.noMember);
    expect(new Set(this.router.matching(topicName))).toEqual(
      new Set(matching.map((entry) => entry.subscription)),
    );
  }

  #expectGroups(matching: readonly Entry[]): number {
    const members = new Map<string, Subscription[]>();
    for (const entry of matching) {
      if (entry.shareName === null) continue;
      const key = `${entry.shareName}/${entry.topicFilter}`;
      members.set(key, [...(members.get(key) ?? []), entry.subscription]);
    }
    const shared = this.clients
      .flatMap((client) => client.deliveries)
      .map((delivery) => delivery.subscription)
      .filter((subscription) => subscription.group !== null);
    let served = 0;
    for (const all of members.values()) {
      const able = all.filter(
        (one) => one.subscriber.availability(false, 0, 0) !== Availability.None,
      );
      const chosen = shared.filter((subscription) => all.includes(subscription));
      expect(chosen).toHaveLength(able.length > 0 ? 1 : 0);
      if (able.length === 0) this.noMember++;
      else served++;
      const best = Math.min(...able.map((one) => one.subscriber.availability(false, 0, 0)));
      if (chosen.length > 0) expect(chosen[0].subscriber.availability(false, 0, 0)).toBe(best);
    }
    expect(shared).toHaveLength(served);
    return served;
  }
}

function expectMerged(subscription: Subscription, entries: readonly Entry[]): void {
  const all = entries.map((entry) => entry.subscription);
  expect(subscription.qos).toBe(Math.max(...all.map((one) => one.qos)));
  expect(subscription.retainAsPublished).toBe(all.some((one) => one.retainAsPublished));
  expect([...subscription.subscriptionIdentifiers].sort()).toEqual(
    all.flatMap((one) => [...one.subscriptionIdentifiers]).sort(),
  );
}

const level = fc.constantFrom('a', 'b', '', '$x');
const topicName = fc
  .array(level, { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join('/'))
  .filter((text) => text !== '');
const topicFilter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 4 }), fc.boolean())
  .map(([levels, isMulti]) => [...levels, ...(isMulti ? ['#'] : [])].join('/'))
  .filter((text) => text !== '');
const client = fc.nat(CLIENTS - 1);
const shareName = fc.constantFrom(null, null, 'g', 'h');
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('subscribe' as const),
      client,
      topicFilter,
      shareName,
      qos: fc.nat(2),
      noLocal: fc.boolean(),
      retainAsPublished: fc.boolean(),
      identifier: fc.nat(3),
      inPlace: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('unsubscribe' as const), at: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('state' as const), client, state: fc.nat(3) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('publish' as const), client, topicName }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function perform(model: Model, action: Step): void {
  if (action.type === 'publish') {
    model.publish(action.topicName, action.client);
  } else if (action.type === 'state') {
    model.clients[action.client].state = action.state as Availability;
  } else if (action.type === 'unsubscribe') {
    const keys = [...model.entries.keys()];
    if (keys.length === 0) return;
    const key = keys[action.at % keys.length];
    const entry = model.entries.get(key);
    if (entry === undefined) return;
    model.entries.delete(key);
    const { subscription, topicFilter, shareName } = entry;
    expect(model.router.unsubscribe(subscription, topicFilter, shareName)).toBe(true);
  } else {
    subscribe(model, action);
  }
}

function subscribe(model: Model, action: Step & { type: 'subscribe' }): void {
  const { topicFilter, shareName } = action;
  const key = `${action.client} ${shareName} ${topicFilter}`;
  const known = model.entries.get(key)?.subscription ?? null;
  const fresh = new Subscription(
    model.clients[action.client],
    topicFilter,
    action.qos as QoS,
    shareName === null && action.noLocal,
    action.retainAsPublished,
    0,
    action.identifier,
  );
  let subscription = fresh;
  if (known !== null && action.inPlace) {
    known.qos = fresh.qos;
    known.noLocal = fresh.noLocal;
    known.retainAsPublished = fresh.retainAsPublished;
    known.subscriptionIdentifiers = fresh.subscriptionIdentifiers;
    subscription = known;
  }
  expect(model.router.subscribe(subscription, topicFilter, shareName)).toBe(known);
  model.entries.set(key, { subscription, client: action.client, topicFilter, shareName });
}

describe('Router, whatever happens in whatever order', () => {
  it.each([
    ['remembering everything', {}],
    ['remembering two topics', { cachedTopicsMax: 2 }],
    ['remembering little', { cachedReferencesMax: 60 }],
  ])('delivers what the specification says, %s', (_name, options) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const model = new Model(options);
        for (const action of steps) perform(model, action);
        expect(model.router.subscriptionCount).toBe(model.entries.size);
        for (const { subscription, topicFilter, shareName } of model.entries.values()) {
          expect(model.router.unsubscribe(subscription, topicFilter, shareName)).toBe(true);
        }
        expect(model.router.nodeCount).toBe(0);
        expect(model.router.subscriptionCount).toBe(0);
        expect(model.router.sharedSubscriptionCount).toBe(0);
        expect(model.router.groupCount).toBe(0);
      }),
      { numRuns: runs(80) },
    );
  });
});
