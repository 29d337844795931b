// What a generator process does about logins: one after the other to see what the server accepts, and at a fixed rate, whoever is
// let in or not, as clients do that come back after a power cut.

import { Histogram } from '../lib/histogram.mjs';
import { nowMs } from '../lib/monotonic.mjs';
import { ticks } from '../lib/ticks.mjs';
import { Connection } from './connection.mjs';
import { NotLetIn } from './errors.mjs';

/** Who is let in and leaves. */
class Visitor extends Connection {
  onFailed() {}
}

/** Those who have no answer yet. @type {Set<Visitor>} */
let waiting = new Set();
let asked = 0;
let done = 0;
/** By reason code. @type {Record<number, number>} */
let refused = {};
/** Neither. @type {string[]} */
let failures = [];
let latencies = new Histogram();
let stopping = new AbortController();
/** @type {Promise<void>} */
let schedule = Promise.resolve();

async function visit(target, clientId, number) {
  const { signal } = stopping;
  const startMs = nowMs();
  const visitor = new Visitor(target);
  waiting.add(visitor);
  asked++;
  try {
    await visitor.connect(clientId, number);
    waiting.delete(visitor);
    done++;
    latencies.record((nowMs() - startMs) * 1_000);
    await visitor.disconnect();
  } catch (error) {
    if (signal.aborted) return; // it still waits, or was cut off
    waiting.delete(visitor);
    visitor.destroy();
    if (error instanceof NotLetIn) refused[error.reasonCode] = (refused[error.reasonCode] ?? 0) + 1;
    else failures.push(error.message);
  }
}

export const loginSteps = {
  /** One client comes and goes. The reason code of its CONNACK, 0: it was let in. */
  async logIn({ prefix, ...target }) {
    const visitor = new Visitor(target);
    try {
      await visitor.connect(`${prefix}-one`);
      await visitor.disconnect();
      return 0;
    } catch (error) {
      if (error instanceof NotLetIn) return error.reasonCode;
      throw error;
    } finally {
      visitor.destroy();
    }
  },

  /** From that moment of the common clock on `logins` a second come, in all processes, each only once. */
  async startLogins({ startMs, logins, crowd, prefix, index, processes, ...target }) {
    stopping = new AbortController();
    waiting = new Set();
    asked = 0;
    done = 0;
    refused = {};
    failures = [];
    latencies = new Histogram();
    const everyMs = 1_000 / logins;
    const count = Math.floor((crowd - index + processes - 1) / processes);
    const onTick = (_dueMs, i) => {
      const number = index + i * processes;
      visit(target, `${prefix}-${number}`, number).catch(() => {});
    };
    const firstMs = startMs + index * everyMs;
    schedule = ticks(firstMs, count, everyMs * processes, onTick, stopping.signal);
  },

  /** What came of them so far; who still waits is sent away. */
  async stopLogins() {
    stopping.abort();
    await schedule;
    for (const visitor of waiting) visitor.destroy();
    return { asked, done, refused, waiting: waiting.size, failures, latencies };
  },
};
