// Random operations of a few clients, done to the server and to the model alike. A failure prints the seed and the shortest
// sequence that shows it. IOTHUB_MODEL_SEED repeats one.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runs } from '../kit/runs.ts';
import { apply, limits, operation } from './operations.ts';
import { World } from './world.ts';

const RUNS = runs(250);
const SEED = process.env.IOTHUB_MODEL_SEED;

test(
  `the server agrees with a model of MQTT over ${RUNS} random sequences`,
  async () => {
    let steps = 0;
    const property = fc.asyncProperty(
      limits,
      fc.array(operation, { minLength: 5, maxLength: 80, size: 'max' }),
      async (limits, operations) => {
        const world = new World(limits);
        await world.server.start();
        try {
          for (const op of operations) {
            await apply(world, op);
            steps++;
          }
          await world.end();
          expect(world.server.metrics.assertionFailures).toBe(0);
        } finally {
          world.server.abort();
          await world.server.stop();
        }
      },
    );
    await fc.assert(property, {
      numRuns: RUNS,
      ...(SEED === undefined ? {} : { seed: Number(SEED) }),
      endOnFailure: false,
      interruptAfterTimeLimit: RUNS * 100 + 10_000,
    });
    expect(steps).toBeGreaterThan(RUNS);
  },
  RUNS * 200 + 20_000,
);
