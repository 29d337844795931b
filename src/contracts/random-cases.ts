// Random changes, commits, crashes and restarts, done to a store and to a model. A failure says which seed brings it back, and
// shows the shortest sequence of steps that was found to fail.

import assert from 'node:assert/strict';
import type { ContractCase, MakePlace } from './case.ts';
import type { Found } from './found.ts';
import { byTopicName, CHANGES, Model, type RandomChange } from './model.ts';
import { Random } from './random.ts';
import { StoreUnderTest } from './store-under-test.ts';
import { plainEntries } from './values.ts';

const ROUNDS = 40;
const STEPS_MAX = 100;
/** How many shorter sequences are tried. */
const SHORTER_TRIES_MAX = 200;

type Step =
  | { readonly kind: 'commit' }
  | { readonly kind: 'failedCommit' }
  | { readonly kind: 'read' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'crash' }
  | RandomChange;

export const randomCases: readonly ContractCase[] = [
  {
    title: 'random changes, commits, crashes and restarts leave what was committed',
    async run(makePlace, options = {}) {
      const seed = options.seed ?? Math.floor(Math.random() * 0x1_0000_0000);
      const random = new Random(seed);
      const rounds = options.rounds ?? ROUNDS;
      for (let round = 1; round <= rounds; round++) {
        const steps: Step[] = [changeOf(random, 'session')]; // without one nothing much happens
        for (let i = random.below(STEPS_MAX); i > 0; i--) steps.push(stepOf(random));
        const failure = await play(makePlace, steps);
        if (failure === null) continue;
        const [shortest, cause] = await shorten(makePlace, steps, failure);
        const message = `round ${round} with the seed ${seed} (run it again with { seed: ${seed} })`;
        const list = shortest.map((step) => `  ${JSON.stringify(step)}`).join('\n');
        throw new Error(`${message} failed after\n${list}\n${cause.message}`, { cause });
      }
    },
  },
];

function stepOf(random: Random): Step {
  const kind = random.below(30);
  if (kind === 0) return { kind: 'restart' };
  if (kind === 1) return { kind: 'crash' };
  if (kind <= 4) return { kind: 'commit' };
  if (kind === 5) return { kind: 'failedCommit' };
  if (kind <= 7) return { kind: 'read' };
  return changeOf(random, random.pick(CHANGES));
}

function changeOf(random: Random, what: RandomChange['what']): RandomChange {
  return {
    kind: 'change',
    what,
    number: 1 + random.below(3),
    key: 1 + random.below(4),
    value: random.below(256),
  };
}

/** Drops steps while what is left still fails. */
async function shorten(
  makePlace: MakePlace,
  steps: readonly Step[],
  failure: Error,
): Promise<[steps: readonly Step[], failure: Error]> {
  let shortest = steps;
  let cause = failure;
  let tries = 0;
  for (let size = steps.length >> 1; size >= 1 && tries < SHORTER_TRIES_MAX; ) {
    let hasShrunk = false;
    for (let at = 0; at < shortest.length && tries < SHORTER_TRIES_MAX; tries++) {
      const shorter = shortest.slice(0, at).concat(shortest.slice(at + size));
      const again = await play(makePlace, shorter);
      if (again === null) {
        at += size;
      } else {
        shortest = shorter;
        cause = again;
        hasShrunk = true;
      }
    }
    if (!hasShrunk || size > 1) size >>= 1;
  }
  return [shortest, cause];
}

/** Does all the steps in a place of their own. What is wrong, or null. */
async function play(makePlace: MakePlace, steps: readonly Step[]): Promise<Error | null> {
  const store = await StoreUnderTest.at(await makePlace());
  try {
    const run = new Run(store);
    for (const step of steps) await run.step(step);
    await run.step({ kind: 'restart' });
  } catch (error) {
    await store.abandon();
    return error instanceof Error ? error : new Error(String(error));
  }
  await store.end();
  return null;
}

class Run {
  readonly #store: StoreUnderTest;
  #current = new Model();
  #committed = new Model();

  constructor(store: StoreUnderTest) {
    this.#store = store;
  }

  async step(step: Step): Promise<void> {
    const store = this.#store;
    store.clock.advance(1);
    switch (step.kind) {
      case 'change':
        this.#current.apply(store, step);
        return;
      case 'commit':
        await store.storage.commit();
        this.#committed = this.#current.clone();
        return;
      case 'failedCommit':
        if (store.place.fail === null) return;
        store.storage.put('failing', 'key', Uint8Array.of(1)); // so that there is something to commit
        await store.fail(true);
        await store.rejectedCommit();
        await store.fail(false);
        return;
      case 'read':
        assert.deepEqual(await this.#reads(this.#current), this.#current.plainReads());
        return;
      case 'restart':
        this.#committed = this.#current.clone();
        await this.#check(await store.reopen());
        return;
      case 'crash':
        this.#current = this.#committed.clone();
        await this.#check(await store.crashAndOpen());
    }
  }

  async #check(found: Found): Promise<void> {
    const store = this.#store;
    const model = this.#current;
    const sessions = await Promise.all(found.numbers.map((number) => store.plainOf(found, number)));
    const retained = [...found.retained.values()].map((one) => store.plainMessage(one));
    const back = {
      sessions,
      retained: retained.sort(byTopicName),
      ...(await this.#reads(model)),
    };
    assert.deepEqual(back, model.plain());
    const { highest } = store.info;
    assert.ok(
      highest.session >= model.highest.session && highest.sequence >= model.highest.sequence,
      `highest is ${JSON.stringify(highest)}, but had been ${JSON.stringify(model.highest)}`,
    );
  }

  /** Everything that can be read; asked for by all numbers that there ever were. */
  async #reads(model: Model) {
    const store = this.#store;
    const all = Array.from({ length: model.highest.sequence + 1 }, (_, i) => i + 1);
    const queues = [];
    for (const number of model.numbers) {
      const read = await store.read(number, all);
      const isQueued = (one: { readonly state: number }) => one.state === 0;
      queues.push({ number, deliveries: store.plainDeliveries(read).filter(isQueued) });
    }
    return { queues, table: plainEntries(await store.storage.list('table', null, 100)) };
  }
}
