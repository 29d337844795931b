// All sessions by client id. Whoever ends a session only takes it out of here; whoever wants to end many iterates.

import type { SessionRegistry } from '../session/context.ts';
import type { Session } from '../session/session.ts';

export class Registry implements SessionRegistry {
  readonly #sessions = new Map<string, Session>();
  readonly #sessionsMax: number;

  constructor(sessionsMax: number) {
    this.#sessionsMax = sessionsMax;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get(clientId: string): Session | undefined {
    return this.#sessions.get(clientId);
  }

  add(session: Session): boolean {
    if (this.#sessions.size >= this.#sessionsMax) return false;
    this.#sessions.set(session.clientId, session);
    return true;
  }

  restore(session: Session): void {
    this.#sessions.set(session.clientId, session);
  }

  remove(session: Session): void {
    if (this.#sessions.get(session.clientId) === session) this.#sessions.delete(session.clientId);
  }

  [Symbol.iterator](): Iterator<Session> {
    return this.#sessions.values();
  }
}
