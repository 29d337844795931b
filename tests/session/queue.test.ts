// The queue against the plain idea of one: a list. Its tail lies in a store that is a Map here.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS, type QueueLimits, type QueuePolicy } from '../../src/core/limits.ts';
import { QUEUE_POLICIES } from '../../src/core/queue-rules.ts';
import { Message } from '../../src/protocol/message.ts';
import { TopicTable } from '../../src/protocol/topic.ts';
import { OutboundMessage } from '../../src/session/outbound-message.ts';
import { Queue } from '../../src/session/queue.ts';
import { runs } from '../kit/runs.ts';

const topics = new TopicTable(DEFAULT_LIMITS);
const TOPICS = ['a', 'b', 'c'];
/** What may stay in a queue that is shed. */
const SHED_BYTES = 60;

type Step =
  | { do: 'push'; topic: number; size: number; qos0: boolean; expiry: number | null }
  | { do: 'take' }
  | { do: 'leave' }
  | { do: 'come' }
  | { do: 'shed' }
  | { do: 'wait'; ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('push' as const),
      topic: fc.nat(TOPICS.length - 1),
      size: fc.integer({ min: 1, max: 40 }),
      qos0: fc.boolean(),
      expiry: fc.option(fc.integer({ min: 1, max: 5 })),
    }),
  },
  { weight: 4, arbitrary: fc.constant<Step>({ do: 'take' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'leave' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'come' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'shed' }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.integer({ min: 1, max: 3_000 }),
    }),
  },
);

interface Plain {
  readonly sequence: number;
  readonly topicName: string;
  readonly size: number;
  readonly isQos0: boolean;
  readonly expiresAtMs: number;
}

/** What a queue does, as a list. */
class PlainQueue {
  entries: Plain[] = [];
  lost: number[] = [];
  readonly #limits: QueueLimits;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.entries.reduce((sum, entry) => sum + entry.size, 0);
  }

  push(entry: Plain, nowMs: number): boolean {
    const { queuePolicy, queueBytesMax, queueMessagesMax } = this.#limits;
    const fits = () =>
      this.entries.length < queueMessagesMax && this.bytes + entry.size <= queueBytesMax;
    if (queuePolicy === 'keep-latest-per-topic') {
      const former = this.entries.find((one) => one.topicName === entry.topicName);
      if (former !== undefined) this.#lose(former);
    }
    if (!fits()) for (const one of [...this.entries]) if (one.expiresAtMs <= nowMs) this.#lose(one);
    if (!fits() && queuePolicy !== 'drop-new' && queuePolicy !== 'disconnect') {
      if (entry.size > queueBytesMax) return false;
      while (!fits()) this.#lose(this.entries[0]);
    }
    if (!fits()) return false;
    this.entries.push(entry);
    return true;
  }

  /** QoS 0 goes, oldest first, until no more than that is left or none of it. */
  shed(bytesMax: number): void {
    for (const entry of [...this.entries]) {
      if (entry.isQos0 && this.bytes > bytesMax) this.#lose(entry);
    }
  }

  #lose(entry: Plain): void {
    this.entries = this.entries.filter((one) => one !== entry);
    this.lost.push(entry.sequence);
  }
}

for (const isStored of [false, true]) {
  test.each(QUEUE_POLICIES)(
    `a ${isStored ? 'stored' : 'plain'} queue is a list, with policy %s`,
    (queuePolicy: QueuePolicy) => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
          const limits: QueueLimits = {
            queueMessagesMax: 20,
            queueBytesMax: 400,
            queuePolicy,
            queueQos0: true,
          };
          const plain = new PlainQueue(limits);
          const lost: number[] = [];
          const store = new Map<number, OutboundMessage>();
          const queue = new Queue({
            lost: (_reason, { sequence }) => lost.push(sequence),
            lostStored: (_reason, { sequence }) => lost.push(sequence),
          });
          let nowMs = 0;
          let isOnline = true;
          let sequence = 0;
          /** What is in the store comes back as another object. */
          const fill = () => {
            const page = queue.nextPage();
            queue.fill(
              page,
              page.map((one) => store.get(one)).filter((one) => one !== undefined),
            );
          };
          for (const one of steps) {
            if (one.do === 'wait') nowMs += one.ms;
            else if (one.do === 'come') isOnline = true;
            else if (one.do === 'shed') {
              queue.shed(SHED_BYTES);
              if (!isStored) plain.shed(SHED_BYTES);
            } else if (one.do === 'leave') {
              isOnline = false;
              queue.unload();
            } else if (one.do === 'take') {
              if (queue.length > 0 && queue.peek() === undefined) fill();
              const taken = queue.shift();
              const wanted = plain.entries.shift();
              // One that is not stored has no number to tell it by.
              expect(taken?.message.topic.name).toBe(wanted?.topicName);
              if (isStored) expect(taken?.sequence).toBe(wanted?.sequence);
            } else {
              const entry = entryOf(one, nowMs);
              const { name } = entry.message.topic;
              const { size, expiresAtMs } = entry.message;
              const next = isStored ? ++sequence : 0;
              const wanted = plain.push(
                { sequence: next, topicName: name, size, isQos0: one.qos0, expiresAtMs },
                nowMs,
              );
              expect(queue.makeRoom(size, name, limits, nowMs)).toBe(wanted);
              if (!wanted) continue;
              entry.sequence = next;
              if (isStored) store.set(next, entry);
              queue.append(entry, isOnline);
            }
            expect(queue.length).toBe(plain.entries.length);
            expect(queue.bytes).toBe(plain.bytes);
            expect(queue.qos0Messages).toBe(plain.entries.filter((e) => e.isQos0).length);
            expect([...lost].sort()).toEqual([...plain.lost].sort());
          }
        }),
        { numRuns: runs(300) },
      );
    },
  );
}

function entryOf(one: Extract<Step, { do: 'push' }>, nowMs: number): OutboundMessage {
  const message = new Message(topics.of(TOPICS[one.topic]), 1, false, new Uint8Array(one.size), 0);
  message.receivedAtMs = nowMs;
  if (one.expiry !== null) message.messageExpiryInterval = one.expiry;
  return new OutboundMessage(message, one.qos0 ? 0 : 1, false, [], null);
}
