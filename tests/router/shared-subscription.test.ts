import { describe, expect, it } from 'vitest';
import type { QoS } from '../../src/protocol/packet.ts';
import {
  hashClientId,
  roundRobin,
  SHARED_STRATEGIES,
  SharedGroup,
  type SharedStrategy,
  sticky,
} from '../../src/router/shared-subscription.ts';
import { Availability, Subscription } from '../../src/router/subscription.ts';
import { FakeSubscriber, messageTo } from './fakes.ts';

/** A group of members named a, b, c …; each letter of `states` is one: w(indow), q(ueue), o(ffline), n(one). */
class Members {
  readonly group = new SharedGroup('g', 'x');
  readonly strategy: SharedStrategy;
  readonly all: FakeSubscriber[] = [];
  readonly subscriptions: Subscription[] = [];

  constructor(states: string, strategy: SharedStrategy = roundRobin) {
    this.strategy = strategy;
    for (const state of states) this.join(state);
  }

  join(state = 'w', qos: QoS = 1): Subscription {
    const member = new FakeSubscriber(String.fromCharCode(97 + this.all.length));
    member.state = stateOf(state);
    const subscription = new Subscription(member, '$share/g/x', qos);
    this.all.push(member);
    this.subscriptions.push(subscription);
    this.group.add(subscription);
    return subscription;
  }

  become(states: string): void {
    this.all.forEach((member, i) => {
      member.state = stateOf(states[i]);
    });
  }

  queues(...lengths: number[]): void {
    this.all.forEach((member, i) => {
      member.queuedMessages = lengths[i];
    });
  }

  /** Who gets the next messages; - is nobody. */
  choose(count: number, publisher: string | null = null, qos: QoS = 1): string {
    let chosen = '';
    for (let i = 0; i < count; i++) {
      const member = this.group.choose(messageTo('x', publisher, qos), this.strategy, null, 0);
      chosen += member === null ? '-' : member.subscriber.id;
    }
    return chosen;
  }
}

function stateOf(letter: string): Availability {
  if (letter === 'w') return Availability.Window;
  if (letter === 'q') return Availability.Queue;
  return letter === 'o' ? Availability.Offline : Availability.None;
}

describe('A shared group', () => {
  const strategies = Object.entries(SHARED_STRATEGIES);

  it.each(strategies)('prefers whose window has room, by %s', (_name, strategy) => {
    const members = new Members('qownq', strategy);
    expect(members.choose(3, 'p')).toBe('ccc');
  });

  it.each(strategies)(
    'then whose queue has room and who is connected, by %s',
    (_name, strategy) => {
      const members = new Members('onqo', strategy);
      expect(members.choose(3, 'p')).toBe('ccc');
    },
  );

  it.each(strategies)('then the shortest queue of those who are away, by %s', (_name, strategy) => {
    const members = new Members('onoo', strategy);
    members.queues(5, 0, 3, 4);
    expect(members.choose(3, 'p')).toBe('ccc');
  });

  it.each(strategies)('has nobody when none can take it, by %s', (_name, strategy) => {
    expect(new Members('nnn', strategy).choose(2, 'p')).toBe('--');
    expect(new Members('', strategy).choose(1, 'p')).toBe('-');
  });

  it('does not choose who is away for QoS 0 while anyone is connected', () => {
    const members = new Members('oqo');
    members.queues(0, 900, 0);
    expect(members.choose(3, null, 0)).toBe('bbb');
    members.become('ono');
    members.queues(2, 0, 1);
    expect(members.choose(2, null, 0)).toBe('cc');
  });

  it('takes those who are away with QoS 0 granted after those who would keep the message', () => {
    const members = new Members('');
    members.join('o', 0);
    members.join('o', 1);
    members.queues(0, 100);
    expect(members.choose(2, null, 1)).toBe('bb');
    expect(members.choose(2, null, 0)).toBe('aa');
    members.become('on');
    expect(members.choose(1, null, 1)).toBe('a');
  });

  it('never chooses the excepted one', () => {
    const members = new Members('wo');
    const { group, all } = members;
    const chosen = group.choose(messageTo('x'), roundRobin, all[0], 0);
    expect(chosen?.subscriber).toBe(all[1]);
    all[1].state = Availability.None;
    expect(group.choose(messageTo('x'), roundRobin, all[0], 0)).toBeNull();
  });

  it('has each subscriber once', () => {
    const { group, subscriptions } = new Members('www');
    const renewed = new Subscription(subscriptions[1].subscriber, '$share/g/x', 2);
    expect(group.add(renewed)).toBe(subscriptions[1]);
    expect(group.members).toEqual([subscriptions[0], renewed, subscriptions[2]]);
    expect(group.remove(subscriptions[1])).toBe(false);
    expect(group.remove(renewed)).toBe(true);
    expect(group.size).toBe(2);
  });

  it.each([3, 16, 17, 40])('of %i loses and gains members in any order', (size) => {
    const members = new Members('w'.repeat(size));
    const { group, subscriptions } = members;
    const left = new Set(subscriptions);
    for (let i = 0; left.size > 0; i = (i * 7 + 3) % size) {
      while (!left.has(subscriptions[i])) i = (i + 1) % size;
      members.choose(2);
      expect(group.remove(subscriptions[i])).toBe(true);
      expect(group.remove(subscriptions[i])).toBe(false);
      left.delete(subscriptions[i]);
      expect(new Set(group.members)).toEqual(left);
      expect(members.choose(1)).toMatch(left.size > 0 ? /[^-]/ : /-/);
    }
    for (const subscription of subscriptions) group.add(subscription);
    expect(group.size).toBe(size);
  });
});

describe('round_robin', () => {
  it('takes the members in turn', () => {
    expect(new Members('www').choose(7)).toBe('abcabca');
  });

  it('passes over those who cannot take it and comes back to them', () => {
    const members = new Members('wqw');
    expect(members.choose(4)).toBe('acac');
    members.become('www');
    expect(members.choose(3)).toBe('abc');
  });

  it('goes on in turn when members come and go', () => {
    const members = new Members('wwww');
    expect(members.choose(2)).toBe('ab');
    members.group.remove(members.subscriptions[3]);
    expect(members.choose(2)).toBe('ca');
    members.join();
    expect(members.choose(4)).toBe('bcea');
  });
});

describe('sticky', () => {
  it('stays with a member until another can take it better, and then with that one', () => {
    const members = new Members('www', sticky);
    expect(members.choose(3)).toBe('aaa');
    members.become('qww');
    expect(members.choose(2)).toBe('bb');
    members.become('www');
    expect(members.choose(2)).toBe('bb');
  });

  it('stays with a member when another leaves, whichever', () => {
    for (const leaving of [0, 1]) {
      const members = new Members('nnw', sticky);
      expect(members.choose(1)).toBe('c');
      members.become('www');
      members.group.remove(members.subscriptions[leaving]);
      expect(members.choose(2)).toBe('cc');
      members.group.remove(members.subscriptions[2]);
      expect(members.choose(2)).toBe(leaving === 0 ? 'bb' : 'aa');
    }
  });
});

describe('hash_clientid', () => {
  it('gives all messages of one publisher to one member', () => {
    const members = new Members('wwww', hashClientId);
    const firsts = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6'].map((id) => members.choose(1, id));
    const seconds = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6'].map((id) => members.choose(1, id));
    expect(seconds).toEqual(firsts);
  });

  it('spreads publishers over the members', () => {
    const members = new Members('wwww', hashClientId);
    const counts = new Map<string, number>();
    for (let i = 0; i < 4_000; i++) {
      const chosen = members.choose(1, `device-${i}`);
      counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
    }
    expect(counts.size).toBe(4);
    for (const count of counts.values()) expect(count).toBeGreaterThan(800);
  });
});
