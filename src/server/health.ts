// Readiness: a server that restores, stops or cannot store must not be sent clients, and says why. Parts with reasons of their own
// (a drain, overload) add a check. Nothing is remembered: every question is answered by how it is now.

import type { Alarms } from '../core/alarms.ts';
import type { HealthControl, ReadinessProblem } from './contract/health.ts';
import type { ServerState } from './server.ts';

/** The part of a server that is looked at. */
export interface HealthOfServer {
  readonly state: ServerState;
  readonly alarms: Alarms;
}

/** Says why the server should not get clients now, or null. */
export type ReadinessCheck = () => string | null;

/** Raised by the commits, and over when one succeeds. */
const STORE_ALARM = 'store_failing';

export class Health implements HealthControl {
  readonly #server: HealthOfServer;
  readonly #checks = new Map<string, ReadinessCheck>();

  constructor(server: HealthOfServer) {
    this.#server = server;
  }

  /** One more reason, by its name in snake_case; the same name again replaces it. */
  add(name: string, check: ReadinessCheck): void {
    this.#checks.set(name, check);
  }

  problems(): readonly ReadinessProblem[] {
    const { state, alarms } = this.#server;
    const problems: ReadinessProblem[] = [];
    if (state === 'new' || state === 'starting') problems.push(RESTORING);
    else if (state !== 'running') problems.push(STOPPING);
    const store = alarms.active.find(({ name }) => name === STORE_ALARM);
    if (store !== undefined) problems.push({ name: STORE_ALARM, message: store.message });
    for (const [name, check] of this.#checks) {
      const message = check();
      if (message !== null) problems.push({ name, message });
    }
    return problems;
  }
}

const RESTORING: ReadinessProblem = {
  name: 'restoring',
  message: 'the server starts: sessions and messages come back from the store',
};
const STOPPING: ReadinessProblem = { name: 'stopping', message: 'the server stops' };
