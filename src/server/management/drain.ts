// Draining: nobody comes in any more, and those who are here go evenly over a given time, so that whoever takes them over is not
// stormed. It can be undone at any moment.

import { Timer, type TimerOwner } from '../../lib/timer-wheel.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Context } from '../../session/context.ts';
import { DRAINED } from '../../session/draining.ts';
import type { DrainRequest, DrainState } from '../contract/management.ts';
import type { Registry } from '../registry.ts';
import { wellFormed } from './payload.ts';
import { nextTurn, Slices } from './slices.ts';
import { wallTime } from './times.ts';

const STEP_MS = 100;
/** Clients that are looked at or told in one turn. */
const SLICE = 500;

export class Drain implements TimerOwner {
  readonly #context: Context;
  readonly #registry: Registry;
  /** Clients that are connected. */
  readonly #countConnected: () => number;
  readonly #timer = new Timer(this);
  #request: DrainRequest | null = null;
  #sinceMs = 0;
  #disconnected = 0;
  /** Clients at the beginning. */
  #atFirst = 0;

  constructor(context: Context, registry: Registry, countConnected: () => number) {
    this.#context = context;
    this.#registry = registry;
    this.#countConnected = countConnected;
  }

  get isOn(): boolean {
    return this.#request !== null;
  }

  get state(): DrainState {
    const request = this.#request;
    return {
      isDraining: request !== null,
      since: request === null ? null : wallTime(this.#context.clock, this.#sinceMs),
      serverReference: request?.serverReference ?? null,
      disconnected: this.#disconnected,
      left: this.#countConnected(),
    };
  }

  /** Begins, or goes on in another way. Throws ControlError for a reference that no packet can say. */
  begin(request: DrainRequest): void {
    const { clock, draining, wheel } = this.#context;
    const { isPermanent = false, overMs, serverReference = null } = request;
    wellFormed(serverReference ?? '', 'server reference', true);
    this.#request = request;
    this.#sinceMs = clock.now();
    this.#disconnected = 0;
    this.#atFirst = this.#countConnected();
    draining.begin(serverReference, isPermanent);
    if (overMs > 0) wheel.arm(this.#timer, Math.min(STEP_MS, overMs));
    else wheel.cancel(this.#timer);
  }

  /** Lets clients in again; those that were told to go are gone. */
  end(): void {
    this.#request = null;
    this.#context.draining.end();
    this.#context.wheel.cancel(this.#timer);
  }

  onTimer(_timer: Timer, nowMs: number): void {
    const request = this.#request;
    if (request === null) return;
    const part = Math.min(1, (nowMs - this.#sinceMs) / request.overMs);
    const mayStay = Math.round(this.#atFirst * (1 - part));
    void this.#disconnect(request, mayStay).then(() => {
      if (this.#request !== request) return; // it was undone, or begun anew
      const { logger, wheel } = this.#context;
      if (part < 1 || this.#countConnected() > 0) wheel.arm(this.#timer, STEP_MS);
      else logger.info({ disconnected: this.#disconnected }, 'the server is drained');
    });
  }

  /** Ends clients, in slices, until no more than that are left. */
  async #disconnect(request: DrainRequest, mayStay: number): Promise<void> {
    let tooMany = this.#countConnected() - mayStay;
    if (tooMany <= 0) return;
    const slices = new Slices(SLICE);
    for (const { connection } of this.#registry) {
      if (slices.isOver()) await nextTurn();
      if (this.#request !== request) return;
      if (connection === null || !connection.isOpen) continue;
      const { reasonCode, serverReference } = farewell(request);
      connection.disconnect(reasonCode, DRAINED, serverReference);
      this.#disconnected++;
      if (--tooMany === 0) return;
    }
  }
}

/** What a v5 client is told. MQTT 5 §4.11 */
function farewell({ isPermanent = false, serverReference = null }: DrainRequest): {
  readonly reasonCode: ReasonCode;
  readonly serverReference: string | undefined;
} {
  if (serverReference === null) {
    return { reasonCode: ReasonCode.ServerShuttingDown, serverReference: undefined };
  }
  const reasonCode = isPermanent ? ReasonCode.ServerMoved : ReasonCode.UseAnotherServer;
  return { reasonCode, serverReference };
}
