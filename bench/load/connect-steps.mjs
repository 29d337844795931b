// What a generator process does for the scenario `connect`: it opens connections as fast as it is let, keeps them without a
// word, and lets them go.

import { Histogram } from '../lib/histogram.mjs';
import { nowMs } from '../lib/monotonic.mjs';
import { Connection } from './connection.mjs';
import { withAll } from './with-all.mjs';

/** @type {Connection[]} */
let connections = [];
/** Connections that the server closed. */
let closed = 0;
/** Of TLS, for all connections. @type {Buffer | null} */
let session = null;
/** Who they say they are, instead of what else is said of the target. @type {import('./login.mjs').Login | null} */
let ownLogin = null;

class IdleConnection extends Connection {
  onFailed() {
    closed++;
  }
}

export const connectSteps = {
  /** Agrees with the server on keys that later handshakes can take up. */
  async agree({ prefix, index, ...target }) {
    const connection = new Connection({ ...target, keepsSession: true });
    await connection.connect(`${prefix}-${index}-first`);
    await connection.ping(); // TLS 1.3 sends the session behind the handshake
    session = connection.session;
    await connection.disconnect();
    if (session === null) throw new Error('the server offers no TLS session to be resumed');
  },

  /** It is told beforehand, because a long list takes its time from one process to the other. */
  async useLogin({ login }) {
    ownLogin = login;
  },

  /**
   * Its part of them, `concurrency` at a time in all; answers how long each took from its TCP handshake to its CONNACK,
   * and how many TLS handshakes were resumed.
   */
  async storm({ n, concurrency, prefix, index, processes, resume, ...target }) {
    const first = Math.floor((n * index) / processes);
    const count = Math.floor((n * (index + 1)) / processes) - first;
    const atOnce = Math.max(1, Math.floor(concurrency / processes));
    const latencies = new Histogram();
    const before = process.cpuUsage();
    closed = 0;
    connections = [];
    let resumed = 0;
    const login = ownLogin ?? target.login;
    const place = { ...target, login, session: resume ? session : null };
    await withAll(Array.from({ length: count }), atOnce, async (_, i) => {
      const startMs = nowMs();
      const connection = new IdleConnection(place);
      connections.push(connection);
      await connection.connect(`${prefix}-${index}-${i}`, first + i);
      latencies.record((nowMs() - startMs) * 1_000);
      if (connection.isResumed) resumed++;
    });
    const { user, system } = process.cpuUsage(before);
    return { latencies, resumed, cpuUs: user + system };
  },

  /** Answers how many the server closed while nobody said anything. */
  async closed() {
    return closed;
  },

  async leave() {
    await withAll(connections, connections.length, (connection) => connection.disconnect());
    connections = [];
  },
};
