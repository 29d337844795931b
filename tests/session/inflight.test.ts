import { expect, test } from 'vitest';
import { Message } from '../../src/protocol/message.ts';
import { Topic } from '../../src/protocol/topic.ts';
import { Inflight } from '../../src/session/inflight.ts';
import { OutboundMessage } from '../../src/session/outbound-message.ts';

const message = new Message(new Topic('t', new Uint8Array(3), 0), 1, false, new Uint8Array(0), 0);

function entry(packetId = 0): OutboundMessage {
  const made = new OutboundMessage(message, 1, false, [], null);
  made.packetId = packetId;
  return made;
}

test('packet ids begin at 1 and go up', () => {
  const inflight = new Inflight();
  const entries = [entry(), entry(), entry()];
  for (const each of entries) inflight.add(each);
  expect(entries.map((each) => each.packetId)).toEqual([1, 2, 3]);
  expect(inflight.count).toBe(3);
  expect(inflight.get(2) === entries[1]).toBe(true);
  expect([inflight.get(0), inflight.get(4), inflight.get(65_535)]).toEqual([null, null, null]);
});

test('after 65,535 comes 1, never 0, and an id in use is passed over [MQTT-2.2.1-4]', () => {
  const inflight = new Inflight();
  const kept = entry();
  inflight.add(kept); // 1
  let last = kept;
  for (let i = 2; i <= 65_535; i++) {
    last = entry();
    inflight.add(last);
    inflight.remove(last);
  }
  // ids that share the low bits of a busy one are passed over, so the last may come early
  const next = entry();
  while (next.packetId === 0 || next.packetId > last.packetId) {
    if (next.packetId !== 0) inflight.remove(next);
    inflight.add(next);
  }
  expect(next.packetId).toBeGreaterThan(1);
  expect(next.packetId).toBeLessThan(20);
  expect(inflight.get(1) === kept).toBe(true);
});

test('65,535 messages in flight have 65,535 different ids', () => {
  const inflight = new Inflight();
  const ids = new Set<number>();
  for (let i = 0; i < 65_535; i++) {
    const each = entry();
    inflight.add(each);
    ids.add(each.packetId);
  }
  expect(ids.size).toBe(65_535);
  expect(Math.min(...[...ids].slice(0, 10), 65_535)).toBe(1);
  expect(ids.has(0)).toBe(false);
  const freed = inflight.get(40_000);
  expect(freed?.packetId).toBe(40_000);
  if (freed !== null) inflight.remove(freed);
  const reused = entry();
  inflight.add(reused);
  expect(reused.packetId).toBe(40_000);
});

test('random coming and going never gives an id twice and loses nobody', () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const inflight = new Inflight();
  const open: OutboundMessage[] = [];
  const ids = new Set<number>();
  let faults = 0;
  for (let i = 0; i < 200_000; i++) {
    if (open.length < 300 && random(100) < 52) {
      const each = entry();
      inflight.add(each);
      if (ids.has(each.packetId) || each.packetId < 1 || each.packetId > 65_535) faults++;
      ids.add(each.packetId);
      open.push(each);
    } else if (open.length > 0) {
      const [each] = open.splice(random(open.length), 1);
      if (inflight.get(each.packetId) !== each) faults++;
      inflight.remove(each);
      ids.delete(each.packetId);
      if (inflight.get(each.packetId) !== null) faults++;
    }
    if (inflight.count !== open.length) faults++;
  }
  expect(faults).toBe(0);
  const orders = inflight.inOrder().map((each) => each.order);
  expect(orders).toEqual([...orders].sort((a, b) => a - b));
  expect(orders).toHaveLength(open.length);
});

test('entries keep the order of their sending whatever their ids', () => {
  const inflight = new Inflight();
  for (const packetId of [40_000, 3, 65_535, 16, 32, 48]) inflight.restore(entry(packetId));
  expect(inflight.inOrder().map((each) => each.packetId)).toEqual([40_000, 3, 65_535, 16, 32, 48]);
  const next = entry();
  inflight.add(next);
  expect(next.packetId).toBe(49);
  for (const packetId of [40_000, 3, 65_535, 16, 32, 48, 49]) {
    expect(inflight.get(packetId)?.packetId).toBe(packetId);
  }
});
