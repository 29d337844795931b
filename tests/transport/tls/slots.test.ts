import { expect, test } from 'vitest';
import { type Claimant, Slots } from '../../../src/transport/tls/slots.ts';

/** Writes down what becomes of it. */
class Somebody implements Claimant {
  readonly slotKey: string;
  readonly name: string;
  readonly #log: string[];
  onSlotDo: (() => void) | null = null;

  constructor(log: string[], name: string) {
    this.#log = log;
    this.name = name;
    this.slotKey = name.slice(0, 1);
  }

  onSlot(): void {
    this.#log.push(`+${this.name}`);
    this.onSlotDo?.();
  }

  onCrowdedOut(): void {
    this.#log.push(`-${this.name}`);
  }
}

/** Slots, and a function by which somebody claims one; the address is the first letter of the name. */
function make(slotsMax: number, perAddressMax: number, waitingMax: number) {
  const slots = new Slots(slotsMax, perAddressMax, waitingMax);
  const log: string[] = [];
  const claim = (name: string): Somebody => {
    const somebody = new Somebody(log, name);
    slots.claim(somebody);
    return somebody;
  };
  return { slots, log, claim };
}

test('a slot that is free is had at once, the next after the last has to wait', () => {
  const { slots, log, claim } = make(2, 2, 10);
  const a = claim('a');
  claim('b');
  claim('c');
  expect([log, slots.held, slots.waiting]).toEqual([['+a', '+b'], 2, 1]);
  slots.leave(a);
  expect([log, slots.held, slots.waiting]).toEqual([['+a', '+b', '+c'], 2, 0]);
});

test('an address holds its share and no more, though slots are free', () => {
  const { slots, log, claim } = make(8, 2, 10);
  const a1 = claim('a1');
  claim('a2');
  claim('a3');
  claim('b1');
  expect([log, slots.waiting]).toEqual([['+a1', '+a2', '+b1'], 1]);
  slots.leave(a1);
  expect([log.at(-1), slots.waiting]).toEqual(['+a3', 0]);
});

test('addresses are served in turn, each in the order of its claims', () => {
  const { slots, log, claim } = make(1, 1, 10);
  let holder = claim('x');
  const waiting = ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'].map((name) => claim(name));
  while (slots.held > 0) {
    slots.leave(holder);
    holder = waiting.find(({ name }) => `+${name}` === log.at(-1)) ?? holder;
  }
  expect(log).toEqual(['+x', '+a1', '+b1', '+c1', '+a2', '+b2', '+a3']);
});

test('when the queue is full, the newcomer of the longest line is refused', () => {
  const { slots, log, claim } = make(1, 1, 3);
  claim('x');
  for (const name of ['a1', 'a2', 'b1', 'a3']) claim(name);
  expect([log, slots.waiting]).toEqual([['+x', '-a3'], 3]);
});

test('when the queue is full, the oldest of the longest line makes room for another address', () => {
  const { slots, log, claim } = make(1, 1, 4);
  claim('x');
  for (const name of ['b1', 'a1', 'a2', 'a3', 'c1']) claim(name);
  expect([log, slots.waiting]).toEqual([['+x', '-a1'], 4]);
});

test('when all lines are as short as that of the newcomer, it is refused', () => {
  const { slots, log, claim } = make(1, 1, 2);
  claim('x');
  for (const name of ['a1', 'b1', 'c1']) claim(name);
  expect([log, slots.waiting]).toEqual([['+x', '-c1'], 2]);
});

test('nobody waits where nobody may', () => {
  const { slots, log, claim } = make(1, 1, 0);
  claim('a');
  claim('b');
  expect([log, slots.waiting]).toEqual([['+a', '-b'], 0]);
});

test('who leaves the queue gets no slot; who has left may leave again', () => {
  const { slots, log, claim } = make(1, 1, 10);
  const a = claim('a');
  const b = claim('b');
  claim('c');
  slots.leave(b);
  slots.leave(b);
  expect([slots.held, slots.waiting]).toEqual([1, 1]);
  slots.leave(a);
  slots.leave(a);
  expect([log, slots.held, slots.waiting]).toEqual([['+a', '+c'], 1, 0]);
});

test('ten thousand that give their slot back as they get it need no stack', () => {
  const { slots, log, claim } = make(1, 1, 10_000);
  const x = claim('x');
  for (let i = 0; i < 10_000; i++) {
    const somebody = claim(`a${i}`);
    somebody.onSlotDo = () => slots.leave(somebody);
  }
  slots.leave(x);
  expect([log.length, slots.held, slots.waiting]).toEqual([10_001, 0, 0]);
});
