// The metrics page under random operations: after each, every gauge is what a recount of the model gives, and counters that belong to
// one another agree. A failure shows the shortest sequence that leads to it; IOTHUB_MODEL_SEED repeats one.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DROP_REASON_NAMES } from '../../src/core/drop.ts';
import { familyOf, metricsOf, readPage } from '../kit/metrics.ts';
import { runs } from '../kit/runs.ts';
import type { ModelSession } from './model.ts';
import { apply, limits, operation } from './operations.ts';
import { sizeOf, World } from './world.ts';

const RUNS = runs(25);
const SEED = process.env.IOTHUB_MODEL_SEED;

/** All gauges that the model can be asked about, by their samples. */
function recount({ model }: World): Record<string, number> {
  const sessions = [...model.sessions.values()];
  const sum = (count: (session: ModelSession) => number) =>
    sessions.reduce((total, session) => total + count(session), 0);
  const connected = sum(({ isConnected }) => Number(isConnected));
  const queuedBytes = sum(({ queue }) => bytesOf(queue));
  const inflightBytes = sum(({ inflight }) => bytesOf(inflight));
  const plain = sum(({ subscriptions }) => subscriptions.length);
  return {
    'iothub_sessions{state="connected"}': connected,
    'iothub_sessions{state="disconnected"}': sessions.length - connected,
    'iothub_subscriptions{kind="plain"}': plain,
    'iothub_subscriptions{kind="shared"}': 0,
    iothub_wills: sum(({ will }) => Number(will !== null)),
    iothub_queued_messages: sum(({ queue }) => queue.length),
    iothub_queued_bytes: queuedBytes,
    iothub_inflight_messages: sum(({ inflight }) => inflight.length),
    'iothub_memory_bytes{purpose="queues"}': queuedBytes + inflightBytes,
    'iothub_memory_bytes{purpose="connections"}': 0,
    iothub_bans: 0,
    iothub_quota_accounts: 0,
    'iothub_alarms{severity="warning"}': 0,
    'iothub_alarms{severity="critical"}': 0,
    ...Object.fromEntries(
      DROP_REASON_NAMES.map((reason) => [
        `iothub_dropped_messages_total{reason="${reason}"}`,
        model.drops[reason] ?? 0,
      ]),
    ),
  };
}

function bytesOf(entries: ModelSession['queue']): number {
  return entries.reduce((bytes, { message }) => bytes + sizeOf(message), 0);
}

async function check(world: World): Promise<void> {
  const { samples } = await readPage(metricsOf(world.server));
  const value = (key: string): number => samples.get(key) ?? Number.NaN;
  const expected = recount(world);
  const found = Object.fromEntries(Object.keys(expected).map((key) => [key, value(key)]));
  expect(found).toEqual(expected);
  const { model } = world;
  const connected = expected['iothub_sessions{state="connected"}'];
  const there = connected === 0 ? undefined : connected;
  expect(samples.get('iothub_connections{listener="memory",state="connected"}')).toBe(there);
  expect(value('iothub_connections_opened_total') - value('iothub_connections_closed_total')).toBe(
    connected,
  );
  expect(value('iothub_sessions_created_total') - value('iothub_sessions_ended_total')).toBe(
    model.sessions.size,
  );
  if (expected['iothub_subscriptions{kind="plain"}'] === 0) {
    expect(value('iothub_router_nodes')).toBe(0);
  }
  // An expired retained message counts until a sweep finds it.
  const live = [...model.retained.values()].filter((message) => !model.isExpired(message));
  expect(value('iothub_retained_messages')).toBeGreaterThanOrEqual(live.length);
  expect(value('iothub_retained_messages')).toBeLessThanOrEqual(model.retained.size);
  if (live.length === model.retained.size) {
    const bytes = live.reduce((total, message) => total + sizeOf(message), 0);
    expect(value('iothub_memory_bytes{purpose="retained"}')).toBe(bytes);
  }
  const publishes = familyOf(samples, 'iothub_publish_messages_total');
  for (const direction of ['received', 'sent']) {
    const byQos = Object.entries(publishes).filter(([key]) => key.includes(`"${direction}"`));
    expect(value(`iothub_packets_total{packet="publish",direction="${direction}"}`)).toBe(
      byQos.reduce((total, [, count]) => total + count, 0),
    );
  }
}

test(
  `every gauge of the metrics page is a recount over ${RUNS} random sequences`,
  async () => {
    let pages = 0;
    const property = fc.asyncProperty(
      limits,
      fc.array(operation, { minLength: 5, maxLength: 60, size: 'max' }),
      async (limits, operations) => {
        const world = new World(limits);
        await world.server.start();
        try {
          for (const op of operations) {
            await apply(world, op);
            await check(world);
            pages++;
          }
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
      interruptAfterTimeLimit: RUNS * 200 + 20_000,
    });
    expect(pages).toBeGreaterThan(RUNS);
  },
  RUNS * 400 + 40_000,
);
