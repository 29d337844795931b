import { describe, expect, it } from 'vitest';
import { DropReason, Drops } from '../../src/core/drop.ts';
import type { QoS } from '../../src/protocol/packet.ts';
import { TopicTable } from '../../src/protocol/topic.ts';
import { Router, type RouterOptions } from '../../src/router/router.ts';
import { Subscription } from '../../src/router/subscription.ts';
import { FakeSubscriber, messageTo } from './fakes.ts';

interface Options {
  readonly qos?: QoS;
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly identifier?: number;
}

/** A router, and clients by their ids. */
class World {
  readonly drops = new Drops();
  readonly router: Router;
  readonly clients = new Map<string, FakeSubscriber>();

  constructor(options?: RouterOptions) {
    this.router = new Router(this.drops, options);
  }

  client(clientId: string): FakeSubscriber {
    let client = this.clients.get(clientId);
    if (client === undefined) {
      client = new FakeSubscriber(`__client_${clientId}`);
      this.clients.set(clientId, client);
    }
    return client;
  }

  subscribe(clientId: string, topicFilter: string, options: Options = {}): Subscription {
    const subscription = new Subscription(
      this.client(clientId),
      topicFilter,
      options.qos ?? 0,
      options.noLocal,
      options.retainAsPublished,
      0,
      options.identifier,
    );
    this.router.subscribe(subscription, topicFilter, null);
    return subscription;
  }

  share(clientId: string, name: string, topicFilter: string, qos: QoS = 1): Subscription {
    const full = `$share/${name}/${topicFilter}`;
    const subscription = new Subscription(this.client(clientId), full, qos);
    this.router.subscribe(subscription, topicFilter, name);
    return subscription;
  }

  publish(topicName: string, clientId: string | null = null, qos: QoS = 1): number {
    return this.router.route(messageTo(topicName, clientId, qos), 0);
  }

  dropped(reason: DropReason): number {
    return this.drops.counts[reason];
  }
}

describe('Router', () => {
  it('delivers a message to every matching subscriber and says to how many', () => {
    const world = new World();
    world.subscribe('a', 'x/y');
    world.subscribe('b', 'x/+');
    world.subscribe('c', 'x/z');
    expect(world.publish('x/y')).toBe(2);
    expect(world.client('a').take()).toBe(1);
    expect(world.client('b').take()).toBe(1);
    expect(world.client('c').take()).toBe(0);
  });

  it('hands over the message and the subscription as they are', () => {
    const world = new World();
    const subscription = world.subscribe('a', 'x/#', { qos: 2, identifier: 7 });
    const message = messageTo('x/y');
    world.router.route(message, 0);
    expect(world.client('a').deliveries[0].message).toBe(message);
    expect(world.client('a').deliveries[0].subscription).toBe(subscription);
  });

  it('serves subscribers in the same order every time', () => {
    const world = new World();
    const order: string[] = [];
    for (const id of ['e', 'b', 'd', 'a', 'c']) {
      world.subscribe(id, 'x/#');
      world.client(id).onDeliver = () => order.push(id);
    }
    world.publish('x/1');
    world.publish('x/2');
    world.publish('x/1');
    expect(order.join('')).toBe('ebdacebdacebdac');
  });

  it('counts a message that nobody subscribes to, also when that is remembered', () => {
    const world = new World();
    const seen: unknown[] = [];
    world.drops.listener = { onDrop: (...args) => seen.push(args) };
    expect(world.publish('x', 'sender')).toBe(0);
    expect(world.publish('x', 'sender')).toBe(0);
    expect(seen).toEqual([
      [DropReason.NoSubscriber, 'sender', 'x', 1, -1],
      [DropReason.NoSubscriber, 'sender', 'x', 1, -1],
    ]);
  });

  it('counts the subscriptions', () => {
    const world = new World();
    const one = world.subscribe('a', 'x');
    world.subscribe('a', 'x');
    world.subscribe('a', 'y/+');
    const shared = world.share('a', 'g', 'x');
    world.share('a', 'g', 'x');
    expect(world.router.subscriptionCount).toBe(3);
    expect(world.router.sharedSubscriptionCount).toBe(1);
    expect(world.router.unsubscribe(one, 'x', null)).toBe(false);
    expect(world.router.unsubscribe(shared, 'x', 'g')).toBe(false);
    expect(world.router.subscriptionCount).toBe(3);
  });
});

describe('A remembered match', () => {
  it.each(['x/y', 'x/+', 'x/#', 'x/y/#', '+/y', '#'])(
    'learns of a new subscription to %s',
    (filter) => {
      const world = new World();
      world.subscribe('a', 'x/y');
      world.publish('x/y');
      world.subscribe('b', filter);
      expect(world.publish('x/y')).toBe(2);
    },
  );

  it.each(['x/y', 'x/+', 'x/#', 'x/y/#', '+/y', '#'])(
    'learns that %s was unsubscribed [MQTT-3.10.4-2]',
    (filter) => {
      const world = new World();
      world.subscribe('a', 'x/y');
      const subscription = world.subscribe('b', filter);
      expect(world.publish('x/y')).toBe(2);
      expect(world.router.unsubscribe(subscription, filter, null)).toBe(true);
      expect(world.publish('x/y')).toBe(1);
      expect(world.client('b').take()).toBe(1);
    },
  );

  it('learns of a subscription that replaces another [MQTT-3.8.4-3]', () => {
    const world = new World();
    world.subscribe('a', 'x/#', { qos: 0 });
    world.subscribe('a', 'x/+', { qos: 0 });
    world.publish('x/y');
    world.subscribe('a', 'x/+', { qos: 2, identifier: 5 });
    world.client('a').take();
    expect(world.publish('x/y')).toBe(1);
    expect(world.client('a').deliveries[0].subscription).toMatchObject({
      qos: 2,
      subscriptionIdentifiers: [5],
    });
  });

  it('learns of options that were changed in place [MQTT-3.8.4-3]', () => {
    const world = new World();
    const subscription = world.subscribe('a', 'x/#', { qos: 0 });
    world.subscribe('a', 'x/+', { qos: 0 });
    world.publish('x/y', 'a');
    subscription.qos = 1;
    subscription.noLocal = true;
    expect(world.router.subscribe(subscription, 'x/#', null)).toBe(subscription);
    world.client('a').take();
    world.publish('x/y', 'b');
    expect(world.client('a').deliveries[0].subscription.qos).toBe(1);
    world.publish('x/y', 'a');
    expect(world.client('a').deliveries[1].subscription.qos).toBe(0);
    expect(world.router.subscriptionCount).toBe(2);
  });

  it('stays as it is for the deliveries of one message, whatever they change', () => {
    const world = new World();
    const leaving = world.subscribe('b', 'x');
    const joining = new Subscription(world.client('d'), 'x', 0);
    world.subscribe('c', 'x');
    const first = new Subscription(world.client('a'), '#', 0);
    world.router.subscribe(first, '#', null);
    for (const client of world.clients.values()) {
      client.onDeliver = () => {
        world.router.unsubscribe(leaving, 'x', null);
        world.router.subscribe(joining, 'x', null);
      };
    }
    expect(world.publish('x')).toBe(3);
    expect(world.client('b').take()).toBe(1);
    expect(world.client('c').take()).toBe(1);
    expect(world.client('d').take()).toBe(0);
    expect(world.publish('x')).toBe(3);
    expect(world.client('b').take()).toBe(0);
    expect(world.client('d').take()).toBe(1);
  });

  it('is not taken for that of another router', () => {
    const world = new World();
    const other = new World();
    world.subscribe('a', 'x');
    expect(world.publish('x')).toBe(1);
    expect(other.publish('x')).toBe(0);
    expect(world.publish('x')).toBe(1);
  });

  it('is forgotten with all others when they are too many, and its topic holds nothing then', () => {
    const table = new TopicTable({ topicLengthMax: 65_535, topicLevelsMax: 65_535 });
    const world = new World({ cachedTopicsMax: 10 });
    world.subscribe('a', '#');
    const known = Array.from({ length: 11 }, (_, i) => table.of(`x/${i}`));
    for (const topic of known.slice(0, 10)) world.router.route(messageTo(topic), 0);
    expect(known.filter((topic) => topic.route !== null)).toHaveLength(10);
    world.router.route(messageTo(known[10]), 0);
    expect(known.filter((topic) => topic.route !== null)).toEqual([known[10]]);
    expect(world.router.route(messageTo(known[0]), 0)).toBe(1);
  });

  it('is forgotten with all others when they hold too much', () => {
    const table = new TopicTable({ topicLengthMax: 65_535, topicLevelsMax: 65_535 });
    const world = new World({ cachedReferencesMax: 500 });
    for (let i = 0; i < 100; i++) world.subscribe(`c${i}`, '#');
    const known = Array.from({ length: 20 }, (_, i) => table.of(`x/${i}`));
    for (const topic of known) expect(world.router.route(messageTo(topic), 0)).toBe(100);
    const held = known.filter((topic) => topic.route !== null).length;
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThan(5);
  });

  it('does not count what it held before it was made anew', () => {
    const table = new TopicTable({ topicLengthMax: 65_535, topicLevelsMax: 65_535 });
    const world = new World({ cachedReferencesMax: 1_000, cachedTopicsMax: 10 });
    const quiet = table.of('quiet');
    const busy = table.of('busy');
    world.router.route(messageTo(quiet), 0);
    for (let i = 0; i < 100; i++) {
      world.subscribe('a', 'busy');
      world.router.route(messageTo(busy), 0);
    }
    expect(quiet.route).not.toBeNull();
  });

  it('is among the forgotten later when it was made anew while all were forgotten', () => {
    const table = new TopicTable({ topicLengthMax: 65_535, topicLevelsMax: 65_535 });
    const world = new World({ cachedReferencesMax: 100 });
    const growing = table.of('growing');
    world.router.route(messageTo(table.of('other')), 0);
    world.router.route(messageTo(growing), 0);
    for (let i = 0; i < 70; i++) world.subscribe(`c${i}`, 'growing');
    world.router.route(messageTo(growing), 0); // no room beside the other one: both are forgotten first
    expect(growing.route).not.toBeNull();
    for (let i = 0; i < 2; i++) world.router.route(messageTo(table.of(`x/${i}`)), 0);
    expect(growing.route).toBeNull();
  });

  it('is not kept when it alone is too large, and all are served all the same', () => {
    const table = new TopicTable({ topicLengthMax: 65_535, topicLevelsMax: 65_535 });
    const world = new World({ cachedReferencesMax: 50 });
    for (let i = 0; i < 100; i++) world.subscribe(`c${i}`, '#');
    const topic = table.of('x');
    expect(world.router.route(messageTo(topic), 0)).toBe(100);
    expect(world.router.route(messageTo(topic), 0)).toBe(100);
    expect(topic.route).toBeNull();
  });
});

describe('Overlapping subscriptions of one session', () => {
  it('bring a message once, at the highest QoS granted [MQTT-3.3.4-2]', () => {
    const world = new World();
    world.subscribe('a', 'x/#', { qos: 1 });
    world.subscribe('a', 'x/y', { qos: 2 });
    world.subscribe('a', '+/y', { qos: 0 });
    expect(world.publish('x/y')).toBe(1);
    expect(world.client('a').deliveries).toHaveLength(1);
    expect(world.client('a').deliveries[0].subscription.qos).toBe(2);
  });

  it('bring the identifiers of all of them, equal ones too [MQTT-3.3.4-3] [MQTT-3.3.4-4]', () => {
    const world = new World();
    world.subscribe('a', 'x/#', { identifier: 1 });
    world.subscribe('a', 'x/y', { identifier: 268_435_455 });
    world.subscribe('a', '+/y');
    world.subscribe('a', '#', { identifier: 1 });
    world.publish('x/y');
    const [delivery] = world.client('a').deliveries;
    expect([...delivery.subscription.subscriptionIdentifiers].sort((a, b) => a - b)).toEqual([
      1, 1, 268_435_455,
    ]);
  });

  it('keep RETAIN as published if any of them asks for it [MQTT-3.3.1-13]', () => {
    const world = new World();
    world.subscribe('a', 'x/#', { retainAsPublished: true });
    world.subscribe('a', 'x/y');
    world.subscribe('b', 'x/#');
    world.subscribe('b', 'x/y');
    world.publish('x/y');
    expect(world.client('a').deliveries[0].subscription.retainAsPublished).toBe(true);
    expect(world.client('b').deliveries[0].subscription.retainAsPublished).toBe(false);
  });

  it('leave the subscriptions themselves as they were made', () => {
    const world = new World();
    const one = world.subscribe('a', 'x/#', { qos: 1, identifier: 1 });
    const two = world.subscribe('a', 'x/y', { qos: 2, identifier: 2 });
    world.publish('x/y');
    expect(one).toMatchObject({ qos: 1, subscriptionIdentifiers: [1] });
    expect(two).toMatchObject({ qos: 2, subscriptionIdentifiers: [2] });
    expect(new Set(world.router.matching('x/y'))).toEqual(new Set([one, two]));
  });

  it('do not touch what others get', () => {
    const world = new World();
    world.subscribe('a', 'x/#', { qos: 1 });
    const plain = world.subscribe('b', 'x/#', { qos: 0 });
    world.subscribe('a', 'x/y', { qos: 2 });
    expect(world.publish('x/y')).toBe(2);
    expect(world.client('b').deliveries[0].subscription).toBe(plain);
  });
});

describe('No Local', () => {
  it('keeps a client from its own messages, which is counted [MQTT-3.8.3-3]', () => {
    const world = new World();
    world.subscribe('a', 'x', { noLocal: true });
    expect(world.publish('x', 'a')).toBe(0);
    expect(world.client('a').take()).toBe(0);
    expect(world.dropped(DropReason.NoLocal)).toBe(1);
    expect(world.dropped(DropReason.NoSubscriber)).toBe(0);
  });

  it('lets messages of others pass, and those that no client published [MQTT-3.8.3-3]', () => {
    const world = new World();
    world.subscribe('a', 'x', { noLocal: true });
    expect(world.publish('x', 'b')).toBe(1);
    expect(world.publish('x', null)).toBe(1);
    expect(world.client('a').take()).toBe(2);
  });

  it('does not hold for other subscriptions of the session that match, too', () => {
    const world = new World();
    world.subscribe('a', 'x/#', { noLocal: true, qos: 2, identifier: 1 });
    world.subscribe('a', 'x/+', { qos: 1, identifier: 2 });
    world.subscribe('a', '#', { qos: 0, identifier: 3 });
    world.publish('x/y', 'a');
    world.publish('x/y', 'b');
    const [own, foreign] = world.client('a').deliveries;
    expect(own.subscription.qos).toBe(1);
    expect([...own.subscription.subscriptionIdentifiers].sort()).toEqual([2, 3]);
    expect(foreign.subscription.qos).toBe(2);
    expect([...foreign.subscription.subscriptionIdentifiers].sort()).toEqual([1, 2, 3]);
    expect(world.drops.total).toBe(0);
  });

  it('of one client means nothing to another', () => {
    const world = new World();
    world.subscribe('a', 'x', { noLocal: true });
    world.subscribe('b', 'x');
    expect(world.publish('x', 'b')).toBe(2);
    expect(world.publish('x', 'a')).toBe(1);
    expect(world.client('b').take()).toBe(2);
  });
});

describe('Shared subscriptions', () => {
  it('bring a message to one member of each group [MQTT-4.8.2-3]', () => {
    const world = new World();
    for (const id of ['a', 'b', 'c']) world.share(id, 'g', 'x/+');
    for (const id of ['a', 'b']) world.share(id, 'h', 'x/+');
    world.share('a', 'g', 'x/#');
    expect(world.publish('x/y')).toBe(3);
  });

  it('bring it beside the other subscriptions of a session, unmerged', () => {
    const world = new World();
    const plain = world.subscribe('a', 'x', { qos: 2 });
    const shared = world.share('a', 'g', 'x', 1);
    expect(world.publish('x')).toBe(2);
    expect(world.client('a').deliveries.map((delivery) => delivery.subscription)).toEqual([
      plain,
      shared,
    ]);
  });

  it('know their group', () => {
    const world = new World();
    const one = world.share('a', 'g', 'x/+');
    const two = world.share('b', 'g', 'x/+');
    const three = world.share('b', 'h', 'x/+');
    expect(one.group).toMatchObject({ shareName: 'g', topicFilter: 'x/+' });
    expect(two.group).toBe(one.group);
    expect(three.group).not.toBe(one.group);
  });

  it('are counted as lost when no member can take the message', () => {
    const world = new World();
    world.share('a', 'g', 'x');
    world.client('a').state = 3;
    expect(world.publish('x', 'sender')).toBe(0);
    expect(world.dropped(DropReason.NoSharedMember)).toBe(1);
    expect(world.dropped(DropReason.NoSubscriber)).toBe(0);
  });

  it('end with their last member', () => {
    const world = new World();
    const one = world.share('a', 'g', 'x/+');
    const two = world.share('b', 'g', 'x/+');
    world.publish('x/y');
    expect(world.router.unsubscribe(one, 'x/+', 'g')).toBe(true);
    expect(world.publish('x/y')).toBe(1);
    expect(world.router.unsubscribe(two, 'x/+', 'g')).toBe(true);
    expect(world.publish('x/y')).toBe(0);
    expect(world.router.groupCount).toBe(0);
    expect(world.router.nodeCount).toBe(0);
  });

  it('go on with new options when a member subscribes again [MQTT-3.8.4-3]', () => {
    const world = new World();
    const former = world.share('a', 'g', 'x', 0);
    world.publish('x');
    const renewed = world.share('a', 'g', 'x', 2);
    expect(world.publish('x')).toBe(1);
    expect(world.client('a').deliveries.map((delivery) => delivery.subscription)).toEqual([
      former,
      renewed,
    ]);
  });

  it('give what a member could not finish to another one', () => {
    const world = new World();
    const one = world.share('a', 'g', 'x');
    world.share('b', 'g', 'x');
    const group = one.group;
    if (group === null) throw new Error('no group');
    const message = messageTo('x');
    expect(world.router.redistribute(group, message, world.client('a'), 0, false)).toBe(true);
    expect(world.router.redistribute(group, message, world.client('a'), 0, false)).toBe(true);
    expect(world.client('a').take()).toBe(0);
    expect(world.client('b').take()).toBe(2);
    world.client('b').state = 3;
    expect(world.router.redistribute(group, message, world.client('a'), 0, false)).toBe(false);
    expect(world.drops.total).toBe(0);
  });

  it('find a member also when the one who leaves has left and the group began anew', () => {
    const world = new World();
    const one = world.share('a', 'g', 'x');
    const group = one.group;
    if (group === null) throw new Error('no group');
    world.router.unsubscribe(one, 'x', 'g');
    expect(one.group).toBe(group);
    expect(world.router.redistribute(group, messageTo('x'), world.client('a'), 0, false)).toBe(
      false,
    );
    world.share('b', 'g', 'x');
    expect(world.router.redistribute(group, messageTo('x'), world.client('a'), 0, false)).toBe(
      true,
    );
  });

  it('are all told by `matching`', () => {
    const world = new World();
    const all = [world.share('a', 'g', 'x/+'), world.share('b', 'g', 'x/+')];
    all.push(world.subscribe('a', 'x/y'));
    world.subscribe('a', 'z');
    expect(new Set(world.router.matching('x/y'))).toEqual(new Set(all));
  });
});
