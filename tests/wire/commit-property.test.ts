// Random publishing, acknowledging and reconnecting while commits take their time, fail, memory gets short, sessions end and begin
// anew, and servers die and start again: every message that was acknowledged arrives, at QoS 2 once and in order. A failure prints
// the seed that repeats it.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MemoryGauge, MemoryReading } from '../../src/server/memory-gauge.ts';
import { CarefulPublisher, CarefulSubscriber } from '../kit/careful-client.ts';
import { runs } from '../kit/runs.ts';
import { type StoredServer, startStored } from '../kit/stored.ts';
import { settle } from '../kit/wire.ts';

const CLIENTS = 5;
const SUBSCRIBERS = 3;
const MEMORY_MAX = 1_000;
const LOOK_MS = 100;
/** A run that takes longer hangs, and is told with its seed like any other failure. */
const RUN_MS = 10_000;
const RUNS = runs(60);

type Step =
  | { readonly do: 'publish'; readonly who: number; readonly qos: 1 | 2; readonly count: number }
  | { readonly do: 'drop' | 'connect'; readonly who: number }
  | { readonly do: 'lazy' | 'catchUp'; readonly who: number }
  | { readonly do: 'startOver' }
  | { readonly do: 'use'; readonly memory: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'slow'; readonly ms: number }
  | { readonly do: 'fail'; readonly isFailing: boolean }
  | { readonly do: 'crash'; readonly keepsUnfinished: boolean }
  | { readonly do: 'restart' };

const who = fc.nat(CLIENTS - 1);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        do: fc.constant('publish' as const),
        who,
        qos: fc.constantFrom(1 as const, 2 as const),
        count: fc.integer({ min: 1, max: 6 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constantFrom('drop' as const, 'connect' as const), who }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constantFrom('lazy' as const, 'catchUp' as const), who }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('startOver' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('use' as const),
        // Nothing is shed, QoS 0 is, queues leave memory. Publishers are not paused: what one that broke off had sent behind a
        // refused message would be taken later, and before the refused one comes again.
        memory: fc.constantFrom(0, 750, 850),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('advance' as const),
        ms: fc.constantFrom(50, 100, 600, 6_000),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('slow' as const), ms: fc.constantFrom(0, 50, 200) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('fail' as const), isFailing: fc.boolean() }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('crash' as const), keepsUnfinished: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  ),
  { minLength: 5, maxLength: 60 },
);

class FakeMemory implements MemoryGauge {
  readonly heapMaxBytes = Number.POSITIVE_INFINITY;
  resident = 0;

  read(): MemoryReading {
    return { residentBytes: this.resident, heldBytes: this.resident, heapBytes: 0 };
  }

  close(): void {}
}

class Run {
  readonly stored: StoredServer;
  readonly publishers = [new CarefulPublisher('p4', 4, 0), new CarefulPublisher('p5', 5, 10_000)];
  /** Its sessions end and begin anew. */
  readonly restless = new CarefulSubscriber('s5-restless', 5);
  readonly subscribers = [
    new CarefulSubscriber('s4', 4),
    new CarefulSubscriber('s5', 5),
    this.restless,
  ];
  readonly clients = [...this.publishers, ...this.subscribers];
  /** What each publisher had published when the restless one subscribed: what came after is owed to it. */
  #before = [0, 0];
  readonly #memory: FakeMemory;

  constructor(stored: StoredServer, memory: FakeMemory) {
    this.stored = stored;
    this.#memory = memory;
    this.restless.onSubscribed = () => {
      this.#before = this.publishers.map((publisher) => publisher.lastValue);
    };
  }

  async begin(): Promise<void> {
    for (const client of this.clients) client.connect(this.stored.broker);
    await this.talk();
    expect(this.subscribers.every((one) => one.isSubscribed)).toBe(true);
  }

  /** Everybody takes what came and answers, until nobody has anything to say. */
  async talk(): Promise<void> {
    for (let isTalking = true; isTalking; ) {
      isTalking = false;
      for (const client of this.clients) if (await client.takeAll()) isTalking = true;
    }
  }

  async take(step: Step): Promise<void> {
    const { storage, broker } = this.stored;
    switch (step.do) {
      case 'publish':
        for (let i = 0; i < step.count; i++) this.publishers[step.who % 2].publish(step.qos);
        break;
      case 'drop':
        this.clients[step.who].drop();
        break;
      case 'connect':
        this.clients[step.who].connect(broker);
        break;
      case 'lazy':
        this.subscribers[step.who % SUBSCRIBERS].isLazy = true;
        break;
      case 'catchUp':
        this.subscribers[step.who % SUBSCRIBERS].catchUp();
        break;
      case 'startOver':
        this.restless.startOver(broker);
        break;
      case 'use':
        this.#memory.resident = step.memory;
        this.stored.clock.advance(LOOK_MS);
        break;
      case 'advance':
        this.stored.clock.advance(step.ms);
        break;
      case 'slow':
        storage.commitDelayMs = step.ms;
        break;
      case 'fail':
        storage.isFailing = step.isFailing;
        break;
      case 'crash':
        await this.stored.crash(step.keepsUnfinished);
        break;
      case 'restart':
        await this.stored.restart();
        break;
    }
    await this.talk();
  }

  /** The store works, everybody is there and answers: in the end all must be done. */
  async finish(): Promise<void> {
    const { storage, broker, clock } = this.stored;
    storage.isFailing = false;
    storage.commitDelayMs = 0;
    this.#memory.resident = 0;
    for (let round = 0; round < 20; round++) {
      clock.advance(1_000);
      await settle();
      for (const subscriber of this.subscribers) subscriber.catchUp();
      for (const client of this.clients) if (client.isGone) client.connect(broker);
      await this.talk();
    }
  }

  check(): void {
    for (const [i, publisher] of this.publishers.entries()) {
      expect(publisher.isDone, 'everything published came to its end').toBe(true);
      for (const subscriber of this.subscribers) {
        const after = subscriber === this.restless ? this.#before[i] : 0;
        const isOwed = (value: number) => value > after;
        const atLeastOnce = [...new Set(publisher.own(subscriber.received[1]))];
        expect(atLeastOnce, 'QoS 1, in order').toEqual(sorted(atLeastOnce));
        expect(atLeastOnce).toEqual(expect.arrayContaining(publisher.accepted[1].filter(isOwed)));
        const exactlyOnce = publisher.own(subscriber.received[2]);
        expect(exactlyOnce, 'QoS 2, in order').toEqual(sorted(exactlyOnce));
        const owed = sorted(publisher.accepted[2].filter(isOwed));
        expect(exactlyOnce.filter(isOwed), 'QoS 2, once').toEqual(owed);
      }
    }
    const { inflightMessages, queuedMessages } = this.stored.broker.server.stats();
    expect({ inflightMessages, queuedMessages }).toEqual({
      inflightMessages: 0,
      queuedMessages: 0,
    });
  }
}

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

test(
  'what was acknowledged arrives: QoS 1 at least once, QoS 2 exactly once, in order',
  async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const memory = new FakeMemory();
        const limits = { shutdownTimeoutMs: 20 };
        const overload = { memoryMax: MEMORY_MAX, memory, collect: null };
        const run = new Run(await startStored({ limits, overload }), memory);
        await run.begin();
        for (const step of all) await run.take(step);
        await run.finish();
        run.check();
        await run.stored.broker.server.stop();
      }),
      { numRuns: RUNS, verbose: 1, timeout: RUN_MS },
    );
  },
  RUNS * 2_000,
);
