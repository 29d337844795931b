// Takes down what a store hands back when it is recovered, and holds it to the order that the contract promises: all sessions,
// then the queues, each in the order of its numbers, then the retained messages.

import assert from 'node:assert/strict';
import type { Message } from '../protocol/message.ts';
import type { QueuedDelivery, RecoveredSession, Recovery } from '../storage/storage.ts';
import { plainQueued } from './values.ts';

const PHASES = ['sessions', 'queued deliveries', 'retained messages'];

export class Found implements Recovery {
  readonly sessions = new Map<number, RecoveredSession>();
  readonly retained = new Map<string, Message>();
  readonly #queues = new Map<number, QueuedDelivery[]>();
  #phase = 0;

  onSession(recovered: RecoveredSession): void {
    this.#enter(0);
    const { number } = recovered.session;
    assert.ok(!this.sessions.has(number), `session ${number} came twice`);
    this.sessions.set(number, recovered);
    this.#queues.set(number, []);
  }

  onQueued(session: number, queued: QueuedDelivery): void {
    this.#enter(1);
    const queue = this.#queues.get(session);
    assert.ok(queue !== undefined, `a queued delivery of session ${session}, which did not come`);
    const last = queue.at(-1);
    assert.ok(
      last === undefined || last.sequence < queued.sequence,
      `session ${session}: delivery ${queued.sequence} came after ${last?.sequence}`,
    );
    queue.push(plainQueued(queued)); // the object may be used again
  }

  onRetained(message: Message): void {
    this.#enter(2);
    const { name } = message.topic;
    assert.ok(!this.retained.has(name), `the retained message of '${name}' came twice`);
    this.retained.set(name, message);
  }

  /** The numbers of all sessions. */
  get numbers(): number[] {
    return [...this.sessions.keys()].sort((a, b) => a - b);
  }

  session(number: number): RecoveredSession {
    const recovered = this.sessions.get(number);
    assert.ok(recovered !== undefined, `session ${number} did not come`);
    return recovered;
  }

  queue(session: number): readonly QueuedDelivery[] {
    return this.#queues.get(session) ?? [];
  }

  /** The sequence numbers of what is queued. */
  queued(session: number): number[] {
    return this.queue(session).map((one) => one.sequence);
  }

  /** The sequence numbers of what is in flight. */
  inflight(session: number): number[] {
    return this.session(session).inflight.map((one) => one.sequence);
  }

  #enter(phase: number): void {
    assert.ok(phase >= this.#phase, `${PHASES[phase]} came after ${PHASES[this.#phase]}`);
    this.#phase = phase;
  }
}
